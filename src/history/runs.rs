//! Runs: that they begin and end, which due times got none, and which of them may be forgotten.

use std::fmt::Write as _;

use jiff::Timestamp;
use rusqlite::{Row, Transaction, params};

use super::columns::{ScheduleId, Size, Texts, Time, Word};
use super::memory::SIZES;
use super::{Adopted, End, Explained, History, HistoryError, NewRun, RunId, RunRecord};
use crate::model::{Outcome, Slug};

const COLUMNS: &str = "id, source, schedule, \"trigger\", due_at, started_at, finished_at, outcome, \
    error, warnings, archives, stored_bytes, plain_bytes";

impl History {
    /// Remembers that a source is there. The earliest time of all counts.
    pub fn seen(&self, source: &Slug, now: Timestamp) -> Result<(), HistoryError> {
        self.write("write a source to", |transaction| see(transaction, source, now))
    }

    pub fn begin(&self, run: &NewRun) -> Result<RunId, HistoryError> {
        self.write("write the begin of a run to", |transaction| {
            see(transaction, &run.source, run.started_at)?;
            if let Some(due_at) = run.due_at {
                handle(transaction, &run.source, run.schedule.as_ref(), due_at)?;
            }
            transaction.execute(
                "INSERT INTO run (source, schedule, \"trigger\", due_at, started_at)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
                params![
                    run.source.as_str(),
                    ScheduleId(run.schedule.clone()),
                    Word(run.trigger),
                    run.due_at.map(Time),
                    Time(run.started_at)
                ],
            )?;
            Ok(RunId(transaction.last_insert_rowid()))
        })
    }

    /// Remembers how a run ended. One that another process took for interrupted ends, too.
    ///
    /// # Errors
    /// [`HistoryError::NotUnderWay`] if it has ended already, or is not known.
    pub fn end(&self, id: RunId, end: &End) -> Result<(), HistoryError> {
        let ended = self.write("write the end of a run to", |transaction| {
            transaction.execute(
                "UPDATE run SET finished_at = ?2, outcome = ?3, error = ?4, warnings = ?5,
                     archives = ?6, stored_bytes = ?7, plain_bytes = ?8
                 WHERE id = ?1 AND (outcome IS NULL OR outcome = ?9)",
                params![
                    id,
                    Time(end.finished_at),
                    Word(end.outcome),
                    end.error,
                    Texts(end.warnings.clone()),
                    end.archives,
                    Size(end.stored_bytes),
                    Size(end.plain_bytes),
                    Word(Outcome::Interrupted)
                ],
            )
        })?;
        match ended {
            0 => Err(HistoryError::NotUnderWay { path: self.path.clone(), id }),
            _ => Ok(()),
        }
    }

    /// Remembers why a due time got no run of its own: merged into another, in a blackout, of a
    /// stopped container. Said again, the last word counts.
    pub fn explain(
        &self,
        source: &Slug,
        schedule: Option<&Slug>,
        due_at: Timestamp,
        why: &str,
    ) -> Result<(), HistoryError> {
        self.write("write a due time to", |transaction| {
            see(transaction, source, due_at)?;
            handle(transaction, source, schedule, due_at)?;
            transaction.execute(
                "INSERT OR REPLACE INTO explained (source, schedule, due_at, why)
                 VALUES (?1, ?2, ?3, ?4)",
                params![source.as_str(), ScheduleId(schedule.cloned()), Time(due_at), why],
            )?;
            Ok(())
        })
    }

    /// Ends the runs that nobody will end, and returns them. For the start of the sidecar: whatever is
    /// under way then was begun by a process that is gone.
    pub fn interrupted(&self, now: Timestamp) -> Result<Vec<RunRecord>, HistoryError> {
        self.write("write interrupted runs to", |transaction| {
            let sql = format!(
                "UPDATE run SET outcome = ?1, finished_at = ?2 WHERE outcome IS NULL
                 RETURNING {COLUMNS}"
            );
            let mut statement = transaction.prepare(&sql)?;
            let runs = statement.query_map(params![Word(Outcome::Interrupted), Time(now)], run)?;
            let mut runs: Vec<RunRecord> = runs.collect::<rusqlite::Result<_>>()?;
            runs.sort_by_key(|run| std::cmp::Reverse((run.started_at, run.id)));
            Ok(runs)
        })
    }

    /// The newest runs of one source or of all, the newest first.
    pub fn runs(&self, of: Option<&Slug>, limit: usize) -> Result<Vec<RunRecord>, HistoryError> {
        self.read("read runs of", |transaction| {
            let order = "ORDER BY started_at DESC, id DESC LIMIT ?1";
            let sql = listing(&format!("SELECT {COLUMNS} FROM run"), of, order);
            let mut statement = transaction.prepare(&sql)?;
            listed(&mut statement, of, limit, run)
        })
    }

    /// The newest due times that got no run of their own, the newest first.
    pub fn explained(
        &self,
        of: Option<&Slug>,
        limit: usize,
    ) -> Result<Vec<Explained>, HistoryError> {
        self.read("read due times of", |transaction| {
            let order = "ORDER BY due_at DESC, source, schedule LIMIT ?1";
            let sql = listing("SELECT source, schedule, due_at, why FROM explained", of, order);
            let mut statement = transaction.prepare(&sql)?;
            listed(&mut statement, of, limit, |row| {
                let (Word(source), ScheduleId(schedule)) = (row.get(0)?, row.get(1)?);
                let Time(due_at) = row.get(2)?;
                Ok(Explained { source, schedule, due_at, why: row.get(3)? })
            })
        })
    }

    /// Takes in what the stores know of past successes, after the history was begun anew. A run that
    /// began during a success that is known is that success, so it may be told again.
    pub fn adopt(&self, runs: &[Adopted]) -> Result<(), HistoryError> {
        self.write("write past runs to", |transaction| {
            for run in runs {
                see(transaction, &run.source, run.started_at)?;
                transaction.execute(
                    "INSERT INTO run (source, schedule, \"trigger\", started_at, finished_at,
                         outcome, archives, stored_bytes, plain_bytes)
                     SELECT ?1, '', ?2, ?3, ?4, ?5, ?6, ?7, ?8
                     WHERE NOT EXISTS (SELECT 1 FROM run WHERE source = ?1 AND outcome = ?5
                         AND started_at <= ?3 AND finished_at >= ?3)",
                    params![
                        run.source.as_str(),
                        Word(run.trigger),
                        Time(run.started_at),
                        Time(run.finished_at.max(run.started_at)),
                        Word(Outcome::Succeeded),
                        run.archives,
                        Size(run.stored_bytes),
                        Size(run.plain_bytes)
                    ],
                )?;
            }
            Ok(())
        })
    }

    /// Forgets runs, due times, checks and cleared alarms from before a time, and says how many. What
    /// [`History::memory`] and [`History::alarms`] know stays: of each source the newest run, its
    /// last successes, and every failure since; and what is not over.
    pub fn prune(&self, before: Timestamp) -> Result<usize, HistoryError> {
        self.write("prune", |transaction| {
            let runs = transaction.execute(
                "DELETE FROM run WHERE id IN (
                     SELECT id FROM (
                         SELECT id, started_at, outcome,
                             row_number() OVER newest AS place,
                             count(*) FILTER (WHERE outcome = ?2) OVER newest AS successes
                         FROM run
                         WINDOW newest AS (PARTITION BY source ORDER BY started_at DESC, id DESC)
                     )
                     WHERE started_at < ?1 AND outcome IS NOT NULL AND place > 1
                         AND NOT (outcome = ?2 AND successes <= ?4)
                         AND NOT (outcome = ?3 AND successes = 0)
                 )",
                params![Time(before), Word(Outcome::Succeeded), Word(Outcome::Failed), SIZES],
            )?;
            let before = params![Time(before)];
            let explained =
                transaction.execute("DELETE FROM explained WHERE due_at < ?1", before)?;
            let alarms = transaction.execute("DELETE FROM alarm WHERE cleared_at < ?1", before)?;
            let checks =
                transaction.execute("DELETE FROM checked WHERE started_at < ?1", before)?;
            Ok(runs + explained + alarms + checks)
        })
    }
}

/// Writes nothing where an earlier time is known, as nearly always.
fn see(transaction: &Transaction<'_>, source: &Slug, at: Timestamp) -> rusqlite::Result<()> {
    transaction.execute(
        "INSERT INTO source (source, first_seen) VALUES (?1, ?2)
         ON CONFLICT DO UPDATE SET first_seen = excluded.first_seen
             WHERE excluded.first_seen < first_seen",
        params![source.as_str(), Time(at)],
    )?;
    Ok(())
}

fn handle(
    transaction: &Transaction<'_>,
    source: &Slug,
    schedule: Option<&Slug>,
    due_at: Timestamp,
) -> rusqlite::Result<()> {
    transaction.execute(
        "INSERT INTO handled (source, schedule, due_at) VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET due_at = excluded.due_at WHERE excluded.due_at > due_at",
        params![source.as_str(), ScheduleId(schedule.cloned()), Time(due_at)],
    )?;
    Ok(())
}

fn run(row: &Row<'_>) -> rusqlite::Result<RunRecord> {
    let (Word(source), ScheduleId(schedule), Word(trigger)) =
        (row.get("source")?, row.get("schedule")?, row.get("trigger")?);
    let time = |column| row.get::<_, Option<Time>>(column).map(|time| time.map(|Time(at)| at));
    let Time(started_at) = row.get("started_at")?;
    let Texts(warnings) = row.get("warnings")?;
    let (Size(stored_bytes), Size(plain_bytes)) =
        (row.get("stored_bytes")?, row.get("plain_bytes")?);
    Ok(RunRecord {
        id: row.get("id")?,
        source,
        schedule,
        trigger,
        due_at: time("due_at")?,
        started_at,
        finished_at: time("finished_at")?,
        outcome: row.get::<_, Option<Word<_>>>("outcome")?.map(|Word(outcome)| outcome),
        error: row.get("error")?,
        warnings,
        archives: row.get("archives")?,
        stored_bytes,
        plain_bytes,
    })
}

/// A query for all sources, or for one as its second parameter.
pub(super) fn listing(select: &str, of: Option<&Slug>, order: &str) -> String {
    let mut sql = select.to_owned();
    if of.is_some() {
        sql.push_str(" WHERE source = ?2");
    }
    write!(sql, " {order}").expect("a text takes everything");
    sql
}

pub(super) fn listed<T>(
    statement: &mut rusqlite::Statement<'_>,
    of: Option<&Slug>,
    limit: usize,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    match of {
        Some(source) => statement.query_map(params![limit, source.as_str()], read)?.collect(),
        None => statement.query_map(params![limit], read)?.collect(),
    }
}
