//! The plan of a restore: what is there, and what will happen to it. Everything that would fail later
//! is asked here; nothing is changed.

use jiff::Timestamp;

use super::replace;
use super::{Leftover, Prepared, RestoreError, Wish};
use crate::archive::{Archive, Standing};
use crate::engine::Replacement;
use crate::job::JobError;
use crate::labels;
use crate::model::{
    ArchiveId, Database, DatabaseName, Facts, Part, Server, Slug, TableRows, Workload,
};

/// What a restore will do.
#[derive(Debug, Clone)]
pub struct RestorePlan {
    pub archive: ArchiveId,
    pub standing: Standing,
    pub source: Slug,
    pub part: Part,
    pub engine: String,
    pub started_at: Timestamp,
    pub from_version: String,
    pub facts: Facts,
    pub container: String,
    pub into_version: String,
    /// `None`: globals.
    pub database: Option<DatabaseName>,
    pub there: There,
    pub does: Does,
    pub safety: Option<Safety>,
    /// What dead restores into this database left.
    pub leftovers: Vec<Leftover>,
    /// Archives of what this database held before a restore that was killed while it replaced it.
    pub unfinished: Vec<ArchiveId>,
}

/// What has the database's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum There {
    Nothing,
    Empty,
    /// So many objects, as the engine counts them.
    Filled(String),
}

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Does {
    /// A new database is made.
    Create,
    /// An empty one is filled.
    Fill,
    /// A new one is filled beside the old one, and takes its name.
    Swap,
    /// The old one is removed, and filled anew.
    Refill,
    Tables {
        tables: Vec<TableRows>,
        chosen: Vec<i64>,
        about: &'static str,
    },
    Globals {
        created: Vec<String>,
        kept: Vec<String>,
    },
}

/// Where what is replaced is backed up first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Safety {
    pub source: Slug,
    pub store: Slug,
    pub encrypted: bool,
}

impl RestorePlan {
    pub(super) fn new(archive: &Archive, workload: &Workload, server: &Server) -> Self {
        let manifest = &archive.manifest;
        Self {
            archive: manifest.id.clone(),
            standing: archive.proof.standing(),
            source: manifest.source.clone(),
            part: manifest.part.clone(),
            engine: manifest.engine.clone(),
            started_at: manifest.started_at,
            from_version: manifest.server_version.clone(),
            facts: manifest.facts.clone(),
            container: workload.name.clone(),
            into_version: server.version.clone(),
            database: None,
            there: There::Nothing,
            does: Does::Create,
            safety: None,
            leftovers: Vec::new(),
            unfinished: Vec::new(),
        }
    }
}

impl Prepared {
    pub(super) async fn plan_database(
        &mut self,
        name: DatabaseName,
        wish: &Wish,
    ) -> Result<(), JobError> {
        let container = self.workload.name.clone();
        let like = self.like()?.clone();
        // What would fail at the very end is asked before anything begins.
        let roles = &self.session.server.roles;
        let missing = needed_roles(&like).find(|role| !roles.iter().any(|own| own == role));
        if let Some(role) = missing {
            return Err(JobError::NoRole { role: role.to_owned(), container });
        }
        self.plan.there = self.look(&name).await?;
        self.plan.leftovers = self.find_leftovers(&name).await?;
        self.plan.unfinished = super::mark::of(&self.context, &self.workload, &name);
        self.plan.database = Some(name.clone());
        self.plan.does = match (&self.plan.there, wish.tables.as_slice()) {
            (_, [_, ..]) if wish.replace => return Err(RestoreError::TablesReplace.into()),
            (_, tables @ [_, ..]) => self.plan_tables(&name, tables).await?,
            (There::Nothing, _) => Does::Create,
            (There::Empty, _) => self.plan_fill(&name, &like)?,
            (There::Filled(_), _) if !wish.replace => {
                return Err(JobError::NotEmpty { name, container });
            }
            (There::Filled(_), _) => self.plan_replacement(&name).await?,
        };
        Ok(())
    }

    async fn look(&self, name: &DatabaseName) -> Result<There, JobError> {
        if self.there(name).is_none() {
            return Ok(There::Nothing);
        }
        let counted = self.count(&self.engine().count_objects(&self.access(), name)).await?;
        Ok(if counted == "0" { There::Empty } else { There::Filled(counted) })
    }

    fn plan_fill(&self, name: &DatabaseName, like: &Database) -> Result<Does, JobError> {
        let there = self.there(name).map_or("", |there| &there.encoding);
        if self.engine().card().fixed_encoding && there != like.encoding {
            let (name, expected, found) = (name.clone(), like.encoding.clone(), there.to_owned());
            return Err(JobError::Encoding { name, expected, found });
        }
        Ok(Does::Fill)
    }

    async fn plan_replacement(&mut self, name: &DatabaseName) -> Result<Does, JobError> {
        let container = self.workload.name.clone();
        let does = match self.replacement(name, name, name)? {
            Replacement::Swap { .. } => Does::Swap,
            Replacement::Refill { .. } => Does::Refill,
            Replacement::Never(instead) => {
                let engine = self.plan.engine.clone();
                return Err(RestoreError::NotReplaced { engine, instead }.into());
            }
        };
        // That what is there can be dumped is known before it is begun.
        self.session.tool()?;
        let rules = &self.context.rules;
        let docker = &self.context.docker;
        let labelled = docker.workloads(rules.prefix.as_str(), &rules.containers()).await?;
        let engine = self.target.engine;
        let plan = labels::before_restore(rules, &labelled, &self.workload, engine, name)
            .map_err(|problems| RestoreError::NoSafety { container, problems })?;
        self.plan.safety = Some(Safety {
            source: plan.source.clone(),
            store: plan.store.clone(),
            encrypted: !plan.recipients.is_empty(),
        });
        self.safety = Some(replace::as_the_target(plan, &self.target));
        Ok(does)
    }
}

/// Every role that the database itself names.
fn needed_roles(like: &Database) -> impl Iterator<Item = &str> {
    let grants = like.grants.iter().flatten().filter_map(|grant| grant.role.as_deref());
    let settings = like.settings.iter().filter_map(|setting| setting.role.as_deref());
    Some(like.owner.as_str())
        .filter(|owner| !owner.is_empty())
        .into_iter()
        .chain(grants)
        .chain(settings)
}
