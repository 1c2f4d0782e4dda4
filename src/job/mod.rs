//! Jobs: backup, restore, verify, survey. Plain async functions that put the lower floors together.
//!
//! No job prints, exits or schedules. What happens on the way is told through [`Event`]s, what came
//! out is returned.

pub mod backup;
pub mod cat;
pub mod doctor;
pub mod hold;
mod hook;
mod load;
pub mod recipe;
pub mod rekey;
pub mod restore;
mod session;
pub mod survey;
pub mod verify;

use std::path::PathBuf;
use std::sync::Arc;

pub use hold::Left;

use crate::archive::ArchiveError;
use crate::docker::{Docker, DockerError, Endpoint};
use crate::engine::{Engine, EngineError};
use crate::labels::Rules;
use crate::model::{
    ArchiveId, DatabaseName, ErrorKind, Explain, Hold, PASSPHRASE, Part, Place, Plan, Problem,
    Secret, Slug, Sum, TableRows, Workload,
};
use crate::pipeline::{Identities, PipelineError, Recipients};
use crate::settings::DockerSettings;
use crate::store::{Store, StoreError, Stores};
use crate::transport::{self, Limit, Limits, Stop, Transport, TransportError, Way};

/// What every job needs.
#[derive(Clone)]
pub struct Context {
    pub docker: Docker,
    pub stores: Stores,
    /// What the operator offers to labels.
    pub rules: Arc<Rules>,
    /// Where `secret:NAME` is looked up.
    pub secrets: PathBuf,
    /// Where it is marked which containers are held.
    pub held: PathBuf,
    /// The image of helper containers, if it is not that of our own container.
    pub helper_image: Option<String>,
    /// What encrypted archives are read with.
    pub identities: Identities,
    /// What archives are encrypted with where a plan says so.
    pub passphrase: Option<Secret>,
    pub stop: Stop,
    /// Told what happens, from any thread.
    pub watcher: Arc<dyn Fn(&Event) + Send + Sync>,
}

impl Context {
    /// A transport to a workload, with a mark of its own for the commands that it starts.
    fn open(
        &self,
        workload: &Workload,
        place: Place,
        limits: &Limits,
    ) -> Result<Box<dyn Transport>, TransportError> {
        let (docker, secrets) = (&self.docker, self.secrets.as_path());
        let helper_image = self.helper_image.as_deref();
        let way = Way { docker, workload, secrets, helper_image, run: random(), limits };
        transport::open(&way, place)
    }

    /// The engine with this name, as a plan or a manifest says it.
    fn engine(&self, name: &str) -> Result<&'static dyn Engine, JobError> {
        self.rules.engine(name).ok_or_else(|| JobError::UnknownEngine(name.to_owned()))
    }

    /// Who can decrypt the archives of a plan.
    fn recipients(&self, plan: &Plan) -> Result<Recipients, JobError> {
        match (&plan.recipients[..], &self.passphrase) {
            ([only], Some(own)) if only == PASSPHRASE => {
                Ok(Recipients::with_passphrase(own.clone()).map_err(PipelineError::from)?)
            }
            (texts, _) => Ok(Recipients::read(texts).map_err(PipelineError::from)?),
        }
    }

    /// The store of a plan.
    fn store(&self, plan: &Plan) -> Arc<dyn Store> {
        self.stores.get(&plan.store).expect("the rules let only known stores into a plan").clone()
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("stores", &self.stores).finish_non_exhaustive()
    }
}

/// Something that happened in a job.
#[derive(Debug)]
pub enum Event {
    /// Leftovers of a crash were removed.
    LeftoversSwept {
        removed: Vec<String>,
    },
    /// Containers that a killed run had left held go on, or still do not.
    HeldReleased(Left),
    /// `expected`: a guess at the plain size, for progress only.
    DumpStarted {
        source: Slug,
        part: Part,
        expected: u64,
    },
    DumpAdvanced {
        bytes: u64,
    },
    ArchivePublished {
        source: Slug,
        part: Part,
        id: ArchiveId,
        plain: Sum,
        stored: Sum,
    },
    DumpFailed {
        source: Slug,
        part: Part,
    },
    RestoreStarted {
        id: ArchiveId,
        expected: u64,
    },
    RestoreAdvanced {
        bytes: u64,
    },
    RestoreEnded,
}

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
    cause: TransportError,
    hint: &'static str,
}

/// Asks the engine what it knows of a tool's failure.
fn advised(engine: &dyn Engine, cause: TransportError) -> JobError {
    let hint = match &cause {
        TransportError::Failed(failure) => engine.advice(&failure.stderr),
        _ => None,
    };
    match hint {
        Some(hint) => JobError::Advised(Box::new(Advised { cause, hint })),
        None => cause.into(),
    }
}

fn said(problems: &[Problem]) -> String {
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
            Self::Hook { source, .. } => source.kind(),
            Self::LeftBehind { cause, .. } | Self::HalfFilled { cause, .. } => cause.kind(),
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
            Self::LeftBehind { source, .. } | Self::Hook { source, .. } => source.hint(),
            Self::NoDatabase { found, .. } => {
                let found: Vec<&str> = found.iter().map(DatabaseName::as_str).collect();
                Some(format!("the server has {}", found.join(", ")))
            }
            Self::Downgrade { .. } => Some("restore into the same or a newer version".to_owned()),
            Self::NotEmpty { .. } => Some(
                "empty it first, or choose another name with `--database` where there can be several"
                    .to_owned(),
            ),
            Self::Mark { .. } => Some("`data_dir` must be a folder that can be written".to_owned()),
            Self::StillHeld { container, hold, .. } => Some(hold::advice(container, *hold)),
            Self::NoRole { .. } => Some(
                "restore the globals of the same run first: `ringbolt list` shows them".to_owned(),
            ),
            Self::Advised(advised) => Some(advised.hint.to_owned()),
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

/// Connects to Docker, or connects again: certificates and keys are read anew, and the API version
/// is agreed anew.
///
/// # Errors
/// [`JobError::Docker`] if it is not reachable, or one side does not trust the other.
pub async fn connect(settings: &DockerSettings) -> Result<Docker, JobError> {
    let endpoint = Endpoint::read(settings).map_err(DockerError::from)?;
    Ok(Docker::connect(&endpoint, now()).await?)
}

/// Runs work that blocks on a thread that may.
async fn blocking<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, JobError>
where
    T: Send + 'static,
    E: Into<JobError> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(Into::into),
        Err(error) => Err(JobError::Panicked(error.to_string())),
    }
}

/// The time, as precise as anybody wants to read it.
fn now() -> jiff::Timestamp {
    let now = jiff::Timestamp::now();
    now.round(jiff::Unit::Millisecond).unwrap_or(now)
}

/// 64 random bits from the system.
fn random() -> u64 {
    getrandom::u64().expect("the system gives random numbers")
}
