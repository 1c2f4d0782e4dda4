//! What a restore refuses, and what can go wrong in one that no other job knows.

use std::path::PathBuf;

use crate::aside::AsideError;
use crate::job::recipe::quoted;
use crate::job::{JobError, said};
use crate::model::{ArchiveId, DatabaseName, ErrorKind, Explain, Problem};

/// A restore that failed, or was refused.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    #[error(
        "archive `{0}` holds globals, which are added to those that are there, and have no tables"
    )]
    GlobalsOnly(ArchiveId),
    #[error("engine {engine} does not replace what is there")]
    NotReplaced { engine: String, instead: &'static str },
    #[error("what is in container `{container}` cannot be backed up before it is replaced: {}", said(.problems))]
    NoSafety { container: String, problems: Vec<Problem> },
    #[error("database `{name}` was not replaced, because it could not be backed up first: {cause}")]
    Safety { name: DatabaseName, cause: Box<JobError> },
    #[error("{cause}; what database `{name}` held before is in archive `{safety}`")]
    Replaced {
        cause: Box<JobError>,
        name: DatabaseName,
        safety: ArchiveId,
        container: String,
        /// Whether the engine knows no databases by name.
        whole: bool,
    },
    #[error(
        "the restored database has its name, but the old one is still there as `{old}`: {cause}"
    )]
    OldOne { old: DatabaseName, cause: Box<JobError> },
    #[error("database `{0}` is being replaced by another restore")]
    Busy(DatabaseName),
    #[error("cannot keep in `{path}` what a restore replaces")]
    Mark { path: PathBuf, source: std::io::Error },
    #[error("tables are added to what is there, so they do not go with replacing it")]
    TablesReplace,
    #[error("single tables cannot be restored from a dump of {engine} in the format `{format}`")]
    NoTables { engine: String, format: String },
    #[error("the archive holds no table `{table}`")]
    NoTable { table: String, near: Option<String> },
    #[error("the archive holds more than one table `{table}`")]
    ManyTables { table: String, choices: Vec<String> },
    #[error("database `{name}` has a `{table}` already")]
    TableThere { table: String, name: DatabaseName },
    #[error("{cause}; the tables are in database `{name}` all the same")]
    TablesDiffer { cause: Box<JobError>, name: DatabaseName },
    #[error("cannot {act} `{path}`")]
    File { act: &'static str, path: PathBuf, source: std::io::Error },
    #[error("`{0}` is there already")]
    FileThere(PathBuf),
    #[error("cannot unpack `{path}`")]
    Unpack { path: PathBuf, source: AsideError },
    #[error("the engine answers otherwise than a moment ago")]
    Changed,
}

impl Explain for RestoreError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::GlobalsOnly(_)
            | Self::TablesReplace
            | Self::NoTables { .. }
            | Self::NoTable { .. }
            | Self::ManyTables { .. }
            | Self::NotReplaced { .. } => ErrorKind::Usage,
            Self::Safety { cause, .. }
            | Self::Replaced { cause, .. }
            | Self::OldOne { cause, .. }
            | Self::TablesDiffer { cause, .. } => cause.kind(),
            _ => ErrorKind::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::GlobalsOnly(_) => Some("leave `--replace` and `--table` away".to_owned()),
            Self::NotReplaced { instead, .. } => Some((*instead).to_owned()),
            Self::NoSafety { .. } => Some("mend that first: nothing is replaced unseen".to_owned()),
            Self::Safety { cause, .. } => cause.hint(),
            Self::Replaced { name, safety, container, whole, .. } => {
                let line = put_back(container, name, safety, *whole);
                Some(format!("put it back: {line} (with `--replace`, should it not be empty)"))
            }
            Self::OldOne { old, .. } => Some(format!("drop `{old}`, or let the next restore do it")),
            Self::Mark { .. } => Some("`data_dir` must be a folder that can be written".to_owned()),
            Self::TablesReplace => {
                Some("restore them into a new database, with `--database NAME`".to_owned())
            }
            Self::NoTables { .. } => Some(
                "restore all of it into a new database, with `--database NAME`, and copy from there"
                    .to_owned(),
            ),
            Self::NoTable { near, .. } => {
                near.as_ref().map(|near| format!("did you mean `{near}`?"))
            }
            Self::ManyTables { choices, .. } => Some(format!("choose one: {}", choices.join(", "))),
            Self::TableThere { .. } => Some(
                "rename it first, or restore into a new database, with `--database NAME`"
                    .to_owned(),
            ),
            _ => None,
        }
    }
}

/// The command that puts back what was replaced.
pub fn put_back(container: &str, name: &DatabaseName, safety: &ArchiveId, whole: bool) -> String {
    match whole {
        true => format!("`ringbolt restore {safety} --into {container}`"),
        false => format!(
            "`ringbolt restore {safety} --into {container} --database {}`",
            quoted(name.as_str())
        ),
    }
}
