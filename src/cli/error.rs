//! Errors that end a command early: what went wrong below, and what people typed that cannot be.

use super::keys;
use crate::archive::{ArchiveError, MeantError};
use crate::aside::AsideError;
use crate::engine;
use crate::history::HistoryError;
use crate::job::JobError;
use crate::model::{ErrorKind, Explain, Problem};
use crate::sidecar::LifeError;

/// Ends a command early with an error that explains itself.
#[derive(Debug, thiserror::Error)]
pub(super) enum CliError {
    #[error("the settings cannot be used")]
    Settings(Vec<Problem>),
    #[error(transparent)]
    Life(#[from] LifeError),
    #[error(transparent)]
    Aside(#[from] AsideError),
    #[error(transparent)]
    Job(#[from] JobError),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error(transparent)]
    Meant(#[from] MeantError),
    #[error(transparent)]
    History(#[from] HistoryError),
    #[error(transparent)]
    Key(#[from] keys::KeyError),
    #[error("cannot print")]
    Print(#[from] std::io::Error),
    #[error("cannot print JSON")]
    Json(#[from] serde_json::Error),
    #[error("there is no source `{0}`")]
    NoSource(String, Vec<String>),
    #[error("`{0}` is no database name: {1}")]
    Database(String, crate::model::NameError),
    #[error("this command reads no settings, so `--set` has no meaning here")]
    NoSettings,
    #[error("`--dry-run` goes with `backup` and `restore`, or stands alone")]
    NoDryRun,
    #[error("`{0}` means something to a container only, and `--into {1}` is a folder")]
    IntoFolder(&'static str, String),
    #[error("`{0}` writes {1} as it is, not JSON")]
    NoJson(&'static str, &'static str),
    #[error("a stored archive is verified without keys, so `--identity` has no meaning here")]
    NoIdentityNeeded,
    #[error("`rekey` takes the archives that are meant, or `--all`")]
    NothingToRekey,
    #[error("there is no label `{0}`")]
    NoLabel(String, Option<&'static str>),
    #[error("there is no engine `{0}`")]
    NoEngine(String),
    #[error("no container is labelled `{0}.enable=true`")]
    NothingLabelled(String),
}

impl Explain for CliError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Job(error) => error.kind(),
            Self::Archive(error) => error.kind(),
            Self::Meant(error) => error.kind(),
            Self::History(error) => error.kind(),
            Self::Key(error) => error.kind(),
            Self::Life(error) => error.kind(),
            Self::Print(_) | Self::Json(_) | Self::Aside(_) => ErrorKind::Failed,
            _ => ErrorKind::Usage,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Settings(_) => Some("`ringbolt config schema` knows them all".to_owned()),
            Self::Job(error) => error.hint(),
            Self::Archive(error) => error.hint(),
            Self::Meant(error) => error.hint(),
            Self::History(error) => error.hint(),
            Self::Key(error) => error.hint(),
            Self::Life(error) => error.hint(),
            Self::NoSource(_, known) if known.is_empty() => None,
            Self::NoSource(_, known) => Some(format!("there are {}", known.join(", "))),
            Self::NoIdentityNeeded => Some("did you mean `--level deep`?".to_owned()),
            Self::NoLabel(_, near) => near.map(|near| format!("did you mean `{near}`?")),
            Self::NoEngine(_) => Some(format!("there are {}", engine::names().join(", "))),
            Self::NothingLabelled(prefix) => Some(format!(
                "add `{prefix}.enable=true` to a database container's labels and recreate it"
            )),
            Self::Print(_)
            | Self::Json(_)
            | Self::Aside(_)
            | Self::Database(..)
            | Self::NoDryRun
            | Self::NothingToRekey
            | Self::NoSettings
            | Self::IntoFolder(..)
            | Self::NoJson(..) => None,
        }
    }
}
