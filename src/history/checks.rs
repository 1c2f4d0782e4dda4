//! Checks: what rolling verification found, and when its last round was due. What an archive is worth is
//! written beside the archive; this is for people, and for what could not be looked at.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, params};

use super::columns::{Time, Word};
use super::runs::{listed, listing};
use super::{History, HistoryError};
use crate::model::{ArchiveId, Finding, Level, Slug};

/// A look at one archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    pub source: Slug,
    pub archive: ArchiveId,
    pub level: Level,
    pub started_at: Timestamp,
    pub finished_at: Timestamp,
    pub finding: Finding,
    /// What was wrong, with the archive or with looking at it.
    pub error: Option<String>,
}

impl History {
    pub fn checked(&self, checked: &Checked) -> Result<(), HistoryError> {
        self.write("write a check to", |transaction| {
            transaction.execute(
                "INSERT INTO checked (source, archive, level, started_at, finished_at, finding, error)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                params![
                    checked.source.as_str(),
                    checked.archive.as_str(),
                    Word(checked.level),
                    Time(checked.started_at),
                    Time(checked.finished_at),
                    Word(checked.finding),
                    checked.error
                ],
            )?;
            Ok(())
        })
    }

    /// The newest checks of one source or of all, the newest first.
    pub fn checks(&self, of: Option<&Slug>, limit: usize) -> Result<Vec<Checked>, HistoryError> {
        self.read("read checks of", |transaction| {
            let order = "ORDER BY started_at DESC, id DESC LIMIT ?1";
            let select = "SELECT source, archive, level, started_at, finished_at, finding, error
                FROM checked";
            let mut statement = transaction.prepare(&listing(select, of, order))?;
            listed(&mut statement, of, limit, |row| {
                let (Word(source), Word(archive), Word(level)) =
                    (row.get(0)?, row.get(1)?, row.get(2)?);
                let (Time(started_at), Time(finished_at)) = (row.get(3)?, row.get(4)?);
                let (Word(finding), error) = (row.get(5)?, row.get(6)?);
                Ok(Checked { source, archive, level, started_at, finished_at, finding, error })
            })
        })
    }

    /// When somebody last tried to look at each archive, whether it could be looked at or not.
    pub fn looked_at(&self) -> Result<BTreeMap<ArchiveId, Timestamp>, HistoryError> {
        self.read("read checks of", |transaction| {
            let sql = "SELECT archive, max(started_at) FROM checked GROUP BY archive";
            let mut statement = transaction.prepare(sql)?;
            let rows = statement.query_map((), |row| {
                let (Word(archive), Time(at)) = (row.get(0)?, row.get(1)?);
                Ok((archive, at))
            })?;
            rows.collect()
        })
    }

    /// Remembers that a round of verification began, and when it was due.
    pub fn begin_round(&self, due_at: Timestamp) -> Result<(), HistoryError> {
        self.write("write a round of verification to", |transaction| {
            transaction.execute(
                "INSERT OR REPLACE INTO round (id, due_at) VALUES (1, ?1)",
                params![Time(due_at)],
            )?;
            Ok(())
        })
    }

    /// When the round of verification was due that began last.
    pub fn round(&self) -> Result<Option<Timestamp>, HistoryError> {
        self.read("read the round of verification of", |transaction| {
            let sql = "SELECT due_at FROM round";
            let found = transaction.query_row(sql, (), |row| row.get(0)).optional()?;
            Ok(found.map(|Time(at)| at))
        })
    }
}
