//! What can go wrong with the history: which act, which file, and what to do.
//!
//! What makes a file unusable ([`HistoryError::Damaged`], [`HistoryError::Newer`]) is told apart from
//! what stands in its way: a full or read-only disk says nothing against the file.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use super::RunId;
use crate::model::Explain;

/// A failed act on the history.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    #[error("cannot {act} `{}`", path.display())]
    File { act: &'static str, path: PathBuf, source: io::Error },
    #[error("cannot {act} history `{}`", path.display())]
    Sqlite { act: &'static str, path: PathBuf, source: Box<rusqlite::Error> },
    #[error("history `{}` is damaged: {why}", path.display())]
    Damaged { path: PathBuf, why: String },
    #[error("history `{}` has version {found}, this Ringbolt knows up to {known}", path.display())]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error("history `{}` has version {found}, and looking does not change it", path.display())]
    Older { path: PathBuf, found: i64 },
    #[error("run {id} is not under way in history `{}`", path.display())]
    NotUnderWay { path: PathBuf, id: RunId },
}

impl HistoryError {
    pub(super) fn file(act: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { act, path, source }
    }

    /// SQLite's error, as damage if it is about what the file holds. Where SQLite does not say what is
    /// wrong (`SQLITE_ERROR`), it is the file, too: our statements are right.
    pub(super) fn sqlite(act: &'static str, path: &Path, source: rusqlite::Error) -> Self {
        use rusqlite::Error as E;
        let path = path.to_owned();
        let damaged = match &source {
            E::SqliteFailure(error, _) => matches!(
                error.code,
                ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::Unknown
            ),
            E::SqlInputError { .. }
            | E::FromSqlConversionFailure(..)
            | E::IntegralValueOutOfRange(..)
            | E::InvalidColumnType(..)
            | E::Utf8Error(..) => true,
            _ => false,
        };
        match damaged {
            true => Self::Damaged { path, why: said(&source) },
            false => Self::Sqlite { act, path, source: Box::new(source) },
        }
    }
}

impl Explain for HistoryError {
    fn retry(&self) -> bool {
        use ErrorCode::{DatabaseBusy, DatabaseLocked, DiskFull, SystemIoFailure};
        match self {
            Self::File { .. } => true,
            Self::Sqlite { source, .. } => matches!(
                source.sqlite_error_code(),
                Some(DatabaseBusy | DatabaseLocked | DiskFull | SystemIoFailure)
            ),
            _ => false,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::File { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull => FULL,
                _ => NOT_WRITABLE,
            },
            Self::Sqlite { source, .. } => match source.sqlite_error_code()? {
                ErrorCode::DiskFull => FULL,
                ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied => {
                    NOT_WRITABLE
                }
                ErrorCode::SystemIoFailure => "is the disk of `data_dir` full, or failing?",
                ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
                    "another process writes to it: try again"
                }
                _ => return None,
            },
            Self::Damaged { .. } => {
                "the sidecar puts it aside when it starts; no restore needs it, so it may be deleted"
            }
            Self::Newer { .. } => "look with the Ringbolt that runs as the sidecar",
            Self::Older { .. } => "the sidecar brings it up to date when it starts",
            Self::NotUnderWay { .. } => return None,
        };
        Some(hint.to_owned())
    }
}

/// SQLite's words, without the statement.
fn said(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        other => other.to_string(),
    }
}

const FULL: &str = "the disk is full: make room, or set `data_dir` to another one";

const NOT_WRITABLE: &str = "`data_dir` must be a folder that is writable for the user that runs \
    Ringbolt, also for looking: SQLite keeps its locks beside the file";
