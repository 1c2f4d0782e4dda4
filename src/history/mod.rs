//! The history: what the sidecar remembers of runs, checks and alarms between two starts, in one SQLite file.
//! It is a cache. Nothing in it is needed for a restore, and it may be deleted at any time: `adopt`
//! fills the gap from the manifests, as far as they know.
//!
//! What is due and what is alarming is decided elsewhere; this room only remembers. All calls block.

mod alarms;
mod checks;
mod columns;
mod error;
mod file;
mod memory;
mod runs;
mod schema;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use rusqlite::{Connection, Transaction, TransactionBehavior};

pub use alarms::{Alarm, OpenAlarm};
pub use checks::Checked;
pub use error::HistoryError;
pub use file::{FILE, look, open};
pub use memory::Memory;

use crate::model::{Outcome, Slug, Trigger};

/// The memory of one sidecar. Threads may share it; other processes may have it open, too.
#[derive(Debug)]
pub struct History {
    /// For messages.
    path: PathBuf,
    connection: Mutex<Connection>,
}

/// What [`open`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    Found,
    New,
    /// What was there could not be used. It lies aside now, and the history has begun anew.
    Rebuilt {
        aside: PathBuf,
    },
}

/// A run of the history. No id is given twice, also not after pruning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(i64);

/// A run that begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRun {
    pub source: Slug,
    /// The id of the schedule that was due, if it has one.
    pub schedule: Option<Slug>,
    pub trigger: Trigger,
    /// The due time that this run stands for.
    pub due_at: Option<Timestamp>,
    pub started_at: Timestamp,
}

/// How a run ended. Texts come from our own errors, which hold no secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    pub finished_at: Timestamp,
    pub outcome: Outcome,
    pub error: Option<String>,
    pub warnings: Vec<String>,
    /// How many were published, of every part together.
    pub archives: u32,
    pub stored_bytes: u64,
    pub plain_bytes: u64,
}

/// A run, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRecord {
    pub id: RunId,
    pub source: Slug,
    pub schedule: Option<Slug>,
    pub trigger: Trigger,
    pub due_at: Option<Timestamp>,
    pub started_at: Timestamp,
    /// Of an interrupted run: when it was found unfinished.
    pub finished_at: Option<Timestamp>,
    /// `None`: it goes on, or its process ended and nobody has looked since.
    pub outcome: Option<Outcome>,
    pub error: Option<String>,
    pub warnings: Vec<String>,
    pub archives: u32,
    pub stored_bytes: u64,
    pub plain_bytes: u64,
}

/// A due time that got no run of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    pub source: Slug,
    pub schedule: Option<Slug>,
    pub due_at: Timestamp,
    pub why: String,
}

/// A successful run that the stores know of: what its archives' manifests say together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adopted {
    pub source: Slug,
    pub trigger: Trigger,
    pub started_at: Timestamp,
    pub finished_at: Timestamp,
    pub archives: u32,
    pub stored_bytes: u64,
    pub plain_bytes: u64,
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl History {
    /// Reads at one point in time, whoever writes meanwhile.
    fn read<T>(
        &self,
        act: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, HistoryError> {
        self.transact(TransactionBehavior::Deferred, act, work)
    }

    /// Writes all or nothing. It asks for the right to write before it reads: two writers that both
    /// read first would each wait for the other, and one of them would fail at once.
    fn write<T>(
        &self,
        act: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, HistoryError> {
        self.transact(TransactionBehavior::Immediate, act, work)
    }

    fn transact<T>(
        &self,
        behavior: TransactionBehavior,
        act: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, HistoryError> {
        let mut connection = self.connection();
        let done = connection.transaction_with_behavior(behavior).and_then(|transaction| {
            let done = work(&transaction)?;
            transaction.commit()?;
            Ok(done)
        });
        done.map_err(|source| HistoryError::sqlite(act, &self.path, source))
    }

    /// A panic with the connection in hand has rolled its transaction back, so the next one may go on.
    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
