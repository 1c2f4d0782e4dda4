//! Single tables: into a database that has none of their names, or into a new one with what they need.

use super::{Does, Prepared, RestoreError, Restored, There};
use crate::engine::{EngineError, Invalid, Restore, Tables};
use crate::job::{JobError, cat, load};
use crate::model::{DatabaseName, TableRows};

impl Prepared {
    pub(super) async fn plan_tables(
        &self,
        name: &DatabaseName,
        wanted: &[String],
    ) -> Result<Does, JobError> {
        let manifest = &self.archive.manifest;
        let (tables, mut contents) = {
            let unable = || RestoreError::NoTables {
                engine: manifest.engine.clone(),
                format: manifest.format.clone(),
            };
            let tables = self.engine().tables().ok_or_else(unable)?;
            (tables, tables.contents(&manifest.format).ok_or_else(unable)?)
        };
        let mut rows: Vec<TableRows> = wanted
            .iter()
            .map(|wanted| self.meant(wanted).cloned())
            .collect::<Result<_, RestoreError>>()?;
        rows.sort();
        rows.dedup();
        let alone = self.plan.there == There::Nothing;
        if !alone {
            for table in &rows {
                if self.count(&tables.count(&self.access(), name, table)).await? != "0" {
                    let (table, name) = (shown(table), name.clone());
                    return Err(RestoreError::TableThere { table, name }.into());
                }
            }
        }
        let mut plain = cat::read(self.archive.clone(), self.context.identities.clone());
        let mut known = false;
        while !known && let Some(piece) = plain.pieces.recv().await {
            known = contents.take(&piece).map_err(|invalid| unreadable(&invalid))?;
        }
        if !known {
            plain.whole.await?;
            return Err(unreadable(&Invalid::Cut("its table of contents has no end".to_owned())));
        }
        drop(plain);
        let chosen = contents.choose(&rows, alone);
        Ok(Does::Tables { tables: rows, chosen, about: tables.about() })
    }

    /// The table that somebody means: `table`, or `schema.table` where the first names several.
    fn meant(&self, wanted: &str) -> Result<&TableRows, RestoreError> {
        let all = &self.archive.manifest.facts.tables;
        let exact = all.iter().find(|table| shown(table) == wanted);
        let named: Vec<&TableRows> = all.iter().filter(|table| table.table == wanted).collect();
        match (exact, named.as_slice()) {
            (Some(table), _) => Ok(table),
            (None, [one]) => Ok(one),
            (None, []) => {
                let near = crate::model::nearest(wanted, all.iter().map(|t| t.table.as_str()));
                let near = near.map(str::to_owned);
                Err(RestoreError::NoTable { table: wanted.to_owned(), near })
            }
            (None, several) => {
                let choices = several.iter().map(|table| shown(table)).collect();
                Err(RestoreError::ManyTables { table: wanted.to_owned(), choices })
            }
        }
    }

    pub(super) async fn fill_tables(
        &self,
        name: DatabaseName,
        tables: &[TableRows],
        chosen: &[i64],
    ) -> Result<Restored, JobError> {
        let engine: &dyn Tables = self.engine().tables().ok_or(RestoreError::Changed)?;
        let alone = self.plan.there == There::Nothing;
        let staged = if alone { self.staged(&name) } else { name.clone() };
        let whole = self.engine().restore(&self.access(), &self.to(&staged, &name)?);
        let restore = Restore { load: engine.load(&self.access(), &staged, chosen), ..whole };
        if !alone {
            self.load(&restore.load).await?;
            let compared = self.compare_tables(&name, tables).await;
            return match compared {
                Ok(tables) => Ok(Restored::Tables { name, tables }),
                Err(cause) => {
                    Err(RestoreError::TablesDiffer { cause: Box::new(cause), name }.into())
                }
            };
        }
        self.do_step(restore.create.as_ref()).await?;
        let filled = async {
            self.load(&restore.load).await?;
            let tables = self.compare_tables(&staged, tables).await?;
            self.do_step(restore.settle.as_ref()).await?;
            Ok(tables)
        };
        match filled.await {
            Ok(tables) => Ok(Restored::Tables { name, tables }),
            Err(cause) => Err(self.take_back(cause, &restore.discard).await),
        }
    }

    async fn compare_tables(
        &self,
        name: &DatabaseName,
        tables: &[TableRows],
    ) -> Result<Vec<TableRows>, JobError> {
        load::compare_tables(&self.session, &self.access(), name, tables).await
    }
}

fn unreadable(invalid: &Invalid) -> JobError {
    EngineError::AnswerShape(invalid.to_string()).into()
}

/// A table by its whole name.
fn shown(table: &TableRows) -> String {
    if table.schema.is_empty() {
        table.table.clone()
    } else {
        format!("{}.{}", table.schema, table.table)
    }
}
