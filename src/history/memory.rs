//! The memory: what the history comes to for each source. It is what the sidecar decides by, so no
//! pruning changes it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{Row, Transaction, params};

use super::columns::{ScheduleId, Size, Time, Word};
use super::{History, HistoryError};
use crate::model::{Outcome, Slug};

/// How many successes' sizes are told: enough to know what is usual.
pub(super) const SIZES: u32 = 8;

/// What is remembered of one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory {
    /// The newest due time that was run or explained, by the id of its schedule. One may lie in the
    /// future, if the clock was set back since.
    pub handled: BTreeMap<Option<Slug>, Timestamp>,
    /// The earliest time at which anything is known of it.
    pub first_seen: Timestamp,
    /// When the newest successful run began: its archives are as old as that.
    pub last_success: Option<Timestamp>,
    /// Failed runs since then. Interrupted and cancelled ones are none.
    pub failures: u32,
    /// Stored bytes of the newest 8 successful runs, the newest first.
    pub sizes: Vec<u64>,
}

impl History {
    /// What is remembered of every source that was ever seen.
    pub fn memory(&self) -> Result<BTreeMap<Slug, Memory>, HistoryError> {
        self.read("read the memory of", |transaction| {
            let mut memory = sources(transaction)?;
            let mut of = |source: &Slug, change: &mut dyn FnMut(&mut Memory)| {
                // Every other row was written together with its source's.
                if let Some(memory) = memory.get_mut(source) {
                    change(memory);
                }
            };
            for (source, schedule, due_at) in handled(transaction)? {
                of(&source, &mut |memory| {
                    memory.handled.insert(schedule.clone(), due_at);
                });
            }
            for (source, started_at, size) in successes(transaction)? {
                of(&source, &mut |memory| {
                    memory.last_success.get_or_insert(started_at);
                    memory.sizes.push(size);
                });
            }
            for (source, count) in failures(transaction)? {
                of(&source, &mut |memory| memory.failures = count);
            }
            Ok(memory)
        })
    }
}

fn sources(transaction: &Transaction<'_>) -> rusqlite::Result<BTreeMap<Slug, Memory>> {
    let rows = all(transaction, "SELECT source, first_seen FROM source", (), |row| {
        let (Word(source), Time(first_seen)) = (row.get(0)?, row.get(1)?);
        let memory = Memory {
            handled: BTreeMap::new(),
            first_seen,
            last_success: None,
            failures: 0,
            sizes: Vec::new(),
        };
        Ok((source, memory))
    })?;
    Ok(rows.into_iter().collect())
}

fn handled(
    transaction: &Transaction<'_>,
) -> rusqlite::Result<Vec<(Slug, Option<Slug>, Timestamp)>> {
    all(transaction, "SELECT source, schedule, due_at FROM handled", (), |row| {
        let (Word(source), ScheduleId(schedule), Time(due_at)) =
            (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok((source, schedule, due_at))
    })
}

/// The newest [`SIZES`] of each source, the newest first.
fn successes(transaction: &Transaction<'_>) -> rusqlite::Result<Vec<(Slug, Timestamp, u64)>> {
    let sql = "SELECT source, started_at, stored_bytes FROM (
            SELECT *, row_number() OVER (
                PARTITION BY source ORDER BY started_at DESC, id DESC) AS place
            FROM run WHERE outcome = ?1)
        WHERE place <= ?2 ORDER BY source, place";
    all(transaction, sql, params![Word(Outcome::Succeeded), SIZES], |row| {
        let (Word(source), Time(started_at), Size(stored)) =
            (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok((source, started_at, stored))
    })
}

/// How many runs failed since the newest success of each source.
fn failures(transaction: &Transaction<'_>) -> rusqlite::Result<Vec<(Slug, u32)>> {
    let sql = "SELECT source, count(*) FROM run AS failed
        WHERE outcome = ?1 AND NOT EXISTS (
            SELECT 1 FROM run WHERE source = failed.source AND outcome = ?2
                AND (started_at, id) > (failed.started_at, failed.id))
        GROUP BY source";
    all(transaction, sql, params![Word(Outcome::Failed), Word(Outcome::Succeeded)], |row| {
        let Word(source) = row.get(0)?;
        Ok((source, row.get(1)?))
    })
}

fn all<T>(
    transaction: &Transaction<'_>,
    sql: &str,
    values: impl rusqlite::Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    transaction.prepare(sql)?.query_map(values, read)?.collect()
}
