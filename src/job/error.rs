//! What can go wrong with a job, which kind it is of, and what to do about it.

use std::path::PathBuf;

use super::echo::EchoError;
use super::hold;
use super::restore::RestoreError;
use crate::archive::ArchiveError;
use crate::docker::DockerError;
use crate::engine::{Engine, EngineError};
use crate::model::units::Bytes;
use crate::model::{
    ArchiveId, DatabaseName, Difference, ErrorKind, Explain, Hold, Problem, TableRows,
};
use crate::pipeline::PipelineError;
use crate::store::StoreError;
use crate::transport::{Limit, TransportError};

/// A job that failed.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    #[error(transparent)]
    Docker(#[from] DockerError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Transport(#[from] TransportError),
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Restore(#[from] Box<RestoreError>),
    #[error(transparent)]
    Echo(#[from] EchoError),
    #[error("{cause}; and cleaning up behind it failed")]
    LeftBehind { cause: Box<JobError>, source: TransportError },
    #[error(transparent)]
    Advised(Box<Advised>),
    #[error("{cause}; database `{name}` was empty and may now hold a part of the archive")]
    HalfFilled { cause: Box<JobError>, name: DatabaseName },
    #[error("database `{name}` does not exist on the server")]
    NoDatabase { name: DatabaseName, found: Vec<DatabaseName> },
    #[error("the server has no database to back up")]
    NoDatabases,
    #[error("container `{container}` cannot be restored into: {}", said(.problems))]
    Target { container: String, problems: Vec<Problem> },
    #[error("archive `{id}` is of engine {archive}, container `{container}` holds {target}")]
    WrongEngine { id: ArchiveId, archive: String, container: String, target: String },
    #[error("archive `{id}` comes from version {from}, container `{container}` runs version {to}")]
    Downgrade { id: ArchiveId, from: String, container: String, to: String },
    #[error("engine {engine} holds one `{name}` and no databases by name")]
    OneOnly { engine: String, name: &'static str },
    #[error("database `{name}` in container `{container}` is not empty")]
    NotEmpty { name: DatabaseName, container: String },
    #[error("the database names role `{role}`, which does not exist in container `{container}`")]
    NoRole { role: String, container: String },
    #[error("database `{name}` has encoding {found}, the archive has {expected}")]
    Encoding { name: DatabaseName, expected: String, found: String },
    #[error("archive `{0}` does not say how its database was made")]
    NoProperties(ArchiveId),
    #[error("archive `{0}` holds globals, which have no database name")]
    GlobalsNamed(ArchiveId),
    #[error("the restored database differs from the dump: {}", differences(.expected, .found))]
    Differs { expected: Vec<TableRows>, found: Vec<TableRows> },
    #[error("the restored database has {found} {what}, the dump has {expected}")]
    Counts { what: String, expected: u64, found: u64 },
    #[error("the restored database is not the one that was dumped: {}", first(.0))]
    Census(Vec<Difference>),
    #[error("an archive of {0} cannot be drilled")]
    Undrillable(String),
    #[error("the server in the throwaway container takes no work: {}", words(.said))]
    Unready { said: String },
    #[error("there is room for {} in the throwaway container, and {} may be needed", Bytes(*.free), Bytes(*.needed))]
    NoRoom { free: u64, needed: u64 },
    #[error("the throwaway container ran out of memory")]
    OutOfMemory,
    #[error("the throwaway container was ended from outside")]
    StageEnded,
    #[error("the archive was published and is no good: {0}")]
    ProofFailed(Box<JobError>),
    #[error("cannot ask `{program}` in container `{container}` for its version: there is no shell")]
    NoShell { program: &'static str, container: String },
    #[error("archive `{0}` is encrypted, and settings and labels would not encrypt it")]
    WouldDecrypt(ArchiveId),
    #[error("it is not clear who shall decrypt archive `{id}`: {wrong}")]
    NoRecipients { id: ArchiveId, wrong: String },
    #[error("engine `{0}` is not known to this Ringbolt")]
    UnknownEngine(String),
    #[error("cannot mark in `{path}` that a container is held")]
    Mark { path: PathBuf, source: std::io::Error },
    #[error(
        "the container went on while its files were read: somebody else ended its hold (`{0}`)"
    )]
    Broken(Hold),
    #[error("container `{container}` is still held (`{hold}`)")]
    StillHeld { container: String, hold: Hold, source: Box<DockerError> },
    #[error("the hook {when} the backup failed: {source}")]
    Hook { when: &'static str, source: TransportError },
    #[error(
        "`signing.public_keys` demands signed archives, and there is no `signing.key` to sign them with"
    )]
    Unsignable,
    #[error("cannot write the dump out")]
    Output(#[source] std::io::Error),
    #[error("it was not begun or not finished: {0}")]
    Stopped(Limit),
    #[error("a part of it panicked: {0}")]
    Panicked(String),
}

/// A failure that the engine knows, with what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("{cause}")]
pub struct Advised {
    pub(super) cause: TransportError,
    hint: &'static str,
}

impl From<RestoreError> for JobError {
    fn from(error: RestoreError) -> Self {
        Self::Restore(Box::new(error))
    }
}

/// Asks the engine what it knows of a tool's failure.
pub(super) fn advised(engine: &dyn Engine, cause: TransportError) -> JobError {
    let hint = match &cause {
        TransportError::Failed(failure) => engine.advice(&failure.stderr),
        _ => None,
    };
    match hint {
        Some(hint) => JobError::Advised(Box::new(Advised { cause, hint })),
        None => cause.into(),
    }
}

/// The first of many differences.
fn first(differences: &[Difference]) -> String {
    const SHOWN: usize = 5;
    let mut said: Vec<String> = differences.iter().take(SHOWN).map(ToString::to_string).collect();
    if differences.len() > SHOWN {
        said.push(format!("and {} more", differences.len() - SHOWN));
    }
    said.join("; ")
}

/// The last lines that a server said.
fn words(said: &str) -> String {
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    match lines[lines.len().saturating_sub(3)..].join(" | ") {
        said if said.is_empty() => "it said nothing".to_owned(),
        said => said,
    }
}

pub(super) fn said(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("; ")
}

fn differences(expected: &[TableRows], found: &[TableRows]) -> String {
    let differ = expected.iter().zip(found).filter(|(expected, found)| expected != found);
    let shown: Vec<String> = differ
        .take(3)
        .map(|(expected, found)| format!("{expected} expected, {} found", found.rows))
        .collect();
    shown.join("; ")
}

impl Explain for JobError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Docker(error) => error.kind(),
            Self::Store(error) => error.kind(),
            Self::Transport(error) => error.kind(),
            Self::Pipeline(error) => error.kind(),
            Self::Archive(error) => error.kind(),
            Self::Restore(error) => error.kind(),
            Self::Hook { source, .. } => source.kind(),
            Self::LeftBehind { cause, .. } | Self::HalfFilled { cause, .. } => cause.kind(),
            Self::ProofFailed(cause) => cause.kind(),
            Self::Undrillable(_) => ErrorKind::Usage,
            Self::Stopped(Limit::Stopped) => ErrorKind::Interrupted,
            Self::Target { .. } | Self::GlobalsNamed(_) | Self::OneOnly { .. } => ErrorKind::Usage,
            Self::WouldDecrypt(_) | Self::NoRecipients { .. } => ErrorKind::Usage,
            _ => ErrorKind::Failed,
        }
    }

    fn retry(&self) -> bool {
        match self {
            Self::Docker(error) => error.retry(),
            Self::Store(error) => error.retry(),
            Self::Transport(error) => error.retry(),
            Self::Archive(error) => error.retry(),
            Self::Pipeline(error) => error.retry(),
            Self::Echo(error) => error.retry(),
            Self::Hook { source, .. } => source.retry(),
            Self::LeftBehind { cause, .. } => cause.retry(),
            _ => false,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Docker(error) => error.hint(),
            Self::Store(error) => error.hint(),
            Self::Transport(error) => error.hint(),
            Self::Pipeline(error) => error.hint(),
            Self::Archive(error) => error.hint(),
            Self::Restore(error) => error.hint(),
            Self::Echo(error) => error.hint(),
            Self::LeftBehind { source, .. } | Self::Hook { source, .. } => source.hint(),
            Self::NoDatabase { found, .. } => {
                let found: Vec<&str> = found.iter().map(DatabaseName::as_str).collect();
                Some(format!("the server has {}", found.join(", ")))
            }
            Self::Downgrade { .. } => Some("restore into the same or a newer version".to_owned()),
            Self::NotEmpty { .. } => Some(
                "choose another name with `--database` where there can be several, empty it first, or say \
                 `--replace`: then it is backed up and gives way"
                    .to_owned(),
            ),
            Self::Mark { .. } => Some("`data_dir` must be a folder that can be written".to_owned()),
            Self::StillHeld { container, hold, .. } => Some(hold::advice(container, *hold)),
            Self::NoRole { .. } => Some(
                "restore the globals of the same run first: `ringbolt list` shows them".to_owned(),
            ),
            Self::Advised(advised) => Some(advised.hint.to_owned()),
            Self::ProofFailed(cause) => cause.hint().or_else(|| {
                Some("keep an older archive until the next one is drilled; `ringbolt show` says more".to_owned())
            }),
            Self::OutOfMemory | Self::NoRoom { .. } => Some(
                "raise `drill.memory`, or free space where Docker keeps its volumes".to_owned(),
            ),
            Self::StageEnded => Some(
                "drill the archive again: `ringbolt drill`; a restart of Docker ends it, and so does who removes it"
                    .to_owned(),
            ),
            Self::Unready { .. } => Some(
                "the image must start an empty server without what the container had mounted for its data"
                    .to_owned(),
            ),
            Self::HalfFilled { cause, .. } if cause.hint().is_some() => {
                cause.hint().map(|hint| format!("drop that database, then: {hint}"))
            }
            Self::HalfFilled { .. } => Some(
                "drop that database; a restore then makes a new one, whole or not at all"
                    .to_owned(),
            ),
            Self::Encoding { .. } => {
                Some("drop the empty database: a new one is made as it was".to_owned())
            }
            Self::GlobalsNamed(_) | Self::OneOnly { .. } => {
                Some("leave `--database` away".to_owned())
            }
            Self::WouldDecrypt(_) | Self::NoRecipients { .. } => {
                Some("say with `--to` who shall decrypt it".to_owned())
            }
            Self::NoShell { .. } => Some(
                "the image needs `/bin/sh`: without it, no command could be ended either"
                    .to_owned(),
            ),
            _ => None,
        }
    }
}
