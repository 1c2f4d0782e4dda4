//! Drills: an archive is restored in a throwaway container of the workload's own image, and what is there
//! then is compared with what was dumped. Live, while the archive is written (`live.rs`), or of an old
//! archive (`archived.rs`); where it is restored is in `stage.rs`, who saw the original in `witness.rs`.
//!
//! A drill proves something or it does not: what went wrong with the container, its room or its time says
//! nothing about the archive.

mod archived;
mod live;
mod stage;
mod witness;

pub use archived::{Drilled, globals_of, run};
pub(super) use live::{Listener, Live};

use std::time::Duration;

use tokio::time::Instant;

use super::{Context, JobError};
use crate::docker::Fate;
use crate::model::{Census, Facts, Patterns, TableRows};
use crate::transport::{Limits, TransportError};
use stage::Stage;

/// What came of a drill.
#[derive(Debug)]
pub enum Verdict {
    /// The archive restores, and what is restored is what was dumped.
    Passed,
    /// It does not, or it is not.
    Failed(JobError),
    /// Nobody knows, because of this.
    Open(JobError),
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Passed => "restores",
            Self::Failed(_) => "DOES NOT RESTORE",
            Self::Open(_) => "was not drilled",
        })
    }
}

impl Verdict {
    /// Tells a fault of the archive from one of the stage.
    async fn of(judged: Result<(), JobError>, stage: &Stage) -> Self {
        let Err(error) = judged else { return Self::Passed };
        match stage.fate().await {
            Ok(Fate { out_of_memory: true, .. }) => Self::Open(JobError::OutOfMemory),
            // Whoever ended it, the tool that failed in it says nothing of the archive.
            Ok(Fate { running: false, .. }) if stage.runs() => Self::Open(JobError::StageEnded),
            Ok(_) if speaks_of_archive(&error) => Self::Failed(error),
            _ => Self::Open(error),
        }
    }
}

/// Whether an error shows that the archive does not restore.
fn speaks_of_archive(error: &JobError) -> bool {
    let full = |said: &str| said.contains("No space left on device");
    match error {
        JobError::Transport(TransportError::Failed(failure)) => !full(&failure.stderr),
        JobError::Advised(advised) => !full(&advised.cause.to_string()),
        JobError::Transport(TransportError::Write { .. })
        | JobError::Engine(_)
        | JobError::Differs { .. }
        | JobError::Counts { .. }
        | JobError::Census(_) => true,
        _ => false,
    }
}

/// Silence is no sign of a fault in a restore: it lasts for as long as the largest index takes.
fn limits(context: &Context, deadline: Option<Instant>) -> Limits {
    let own = Instant::now() + context.drill.timeout.min(Duration::from_hours(24 * 365));
    let deadline = Some(deadline.map_or(own, |deadline| deadline.min(own)));
    Limits { stall: None, deadline, stop: context.stop.clone() }
}

/// What of a census must be in what is restored of a dump. Of tables that labels leave out, only they know:
/// so where they do, only what belongs to the tables in the dump is asked for.
fn within(seen: Census, facts: &Facts, patterns: &Patterns) -> Census {
    let Patterns { include, exclude, exclude_data } = patterns;
    if include.is_empty() && exclude.is_empty() && exclude_data.is_empty() {
        return seen;
    }
    // Some dumps tell of tables that they have no rows of.
    let dumped = facts.tables.iter().filter(|table| table.rows > 0 || exclude_data.is_empty());
    let rows: Vec<String> = dumped.map(counted).collect();
    seen.only(|thing| rows.iter().any(|own| own == thing))
}

/// What a census calls the rows of a table. Where a name would have to be quoted, it is not found and not
/// compared: the dump's own counts are, in any case.
fn counted(TableRows { schema, table, .. }: &TableRows) -> String {
    match schema.as_str() {
        "" => format!("rows {table}"),
        schema => format!("rows {schema}.{table}"),
    }
}

/// Removes what killed processes have left of their drills.
///
/// # Errors
/// [`JobError::Docker`] if that cannot be found out or done.
pub async fn reap(context: &Context) -> Result<Vec<String>, JobError> {
    Ok(context.docker.reap(super::now()).await?)
}
