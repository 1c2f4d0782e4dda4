//! The transport family: runs a command where the data is. The only room that starts commands, and
//! the only one that ends them.
//!
//! It does not know what a command is for. [`Exited`] is made only where an exit code was read.

mod docker_exec;
mod docker_helper;
mod limits;
mod process;

use std::fmt::Debug;
use std::path::Path;

use futures_util::future::BoxFuture;

use docker_exec::DockerExec;
use docker_helper::DockerHelper;
pub use limits::{Limit, Limits, Stop, Stopper};
pub use process::{Exited, Process, Stdin};

use crate::docker::{CUT_HINT, Docker, DockerError};
use crate::model::{Command, ErrorKind, Explain, Place, Workload};

/// Every way to run a command. The first one that reaches a workload is taken.
pub static TRANSPORTS: &[Kind] = &[
    Kind { name: "docker-exec", place: Place::Workload, open: DockerExec::open },
    Kind { name: "docker-helper", place: Place::Helper, open: DockerHelper::open },
];

/// One kind of transport.
#[derive(Debug)]
pub struct Kind {
    pub name: &'static str,
    /// Where its commands run.
    pub place: Place,
    open: Opener,
}

/// Makes a transport to a workload, if this kind reaches it.
type Opener = fn(&Way<'_>) -> Option<Box<dyn Transport>>;

/// Where a transport leads, and by what.
#[derive(Debug, Clone, Copy)]
pub struct Way<'a> {
    pub docker: &'a Docker,
    pub workload: &'a Workload,
    /// Where `secret:NAME` is looked up.
    pub secrets: &'a Path,
    /// The image of helper containers, if it is not that of our own container.
    pub helper_image: Option<&'a str>,
    /// A random number by which the commands of one run are told apart from all others.
    pub run: u64,
    pub limits: &'a Limits,
}

/// Runs commands in one workload.
pub trait Transport: Debug + Send + Sync {
    /// Starts a command. Secrets are looked up now, as late as can be.
    fn start<'a>(
        &'a self,
        command: &'a Command,
        input: Input,
    ) -> BoxFuture<'a, Result<Process, TransportError>>;
}

/// A command's standard input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    Closed,
    /// Written by whoever takes it with [`Process::take_input`].
    Open,
}

/// A command that ended with another exit code than 0.
#[derive(Debug, thiserror::Error)]
#[error("`{program}` in container `{container}` failed with exit code {code}{}", said(.stderr))]
pub struct Failure {
    pub program: String,
    pub container: String,
    pub image: String,
    pub code: i64,
    /// Its last words.
    pub stderr: String,
}

/// A command that could not be run to its end.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    #[error(transparent)]
    Docker(#[from] DockerError),
    #[error("cannot find secret `{reference}` of container `{container}`: {why}")]
    Secret { reference: String, container: String, why: String },
    #[error(transparent)]
    Failed(Box<Failure>),
    #[error("`{program}` in container `{container}` was ended from outside: no exit code is known{}", said(.stderr))]
    Vanished { program: String, container: String, stderr: String },
    #[error("the output of `{program}` in container `{container}` ended while it still ran")]
    Cut { program: String, container: String },
    #[error("`{program}` in container `{container}` was ended: {limit}")]
    Limit { program: String, container: String, limit: Limit },
    #[error("`{program}` in container `{container}` answered more than {limit} bytes")]
    Flood { program: String, container: String, limit: usize },
    #[error("cannot write to `{program}` in container `{container}`")]
    Write { program: String, container: String, source: std::io::Error },
    #[error("cannot end `{program}` in container `{container}`: {why}")]
    Kill { program: String, container: String, why: String },
    #[error("no transport reaches container `{0}`")]
    None(String),
}

/// The last words of a program, as part of a message.
fn said(stderr: &str) -> String {
    let words = stderr.trim();
    if words.is_empty() { String::new() } else { format!(": {words}") }
}

impl Explain for TransportError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Docker(error) => error.kind(),
            Self::Limit { limit: Limit::Stopped, .. } => ErrorKind::Interrupted,
            _ => ErrorKind::Failed,
        }
    }

    fn retry(&self) -> bool {
        match self {
            Self::Docker(error) => error.retry(),
            Self::Vanished { .. } | Self::Cut { .. } | Self::Write { .. } => true,
            _ => false,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Docker(error) => error.hint(),
            Self::Failed(failure) if self.is_missing() => {
                let Failure { program, image, .. } = failure.as_ref();
                Some(format!(
                    "the image `{image}` has no `{program}`: is the `engine` label right?"
                ))
            }
            Self::Cut { .. } => Some(CUT_HINT.to_owned()),
            Self::Limit { limit: Limit::Stalled(_), .. } => {
                Some("a slow dump needs a longer `stall` label".to_owned())
            }
            Self::Limit { limit: Limit::TimedOut, .. } => {
                Some("a slow dump needs a longer `timeout` label".to_owned())
            }
            Self::Kill { program, container, .. } => {
                Some(format!("look for it: `docker top {container} | grep {program}`"))
            }
            _ => None,
        }
    }
}

impl TransportError {
    /// Whether a command failed because its program is not there.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Failed(failure) if matches!(failure.code, 126 | 127))
    }
}

/// Opens the transport that runs commands at a place.
///
/// # Errors
/// [`TransportError::None`] if none does.
pub fn open(way: &Way, place: Place) -> Result<Box<dyn Transport>, TransportError> {
    let mut there = TRANSPORTS.iter().filter(|kind| kind.place == place);
    let found = there.find_map(|kind| (kind.open)(way));
    found.ok_or_else(|| TransportError::None(way.workload.name.clone()))
}

/// Runs a command that answers little, to its successful end, and returns its answer. The command's
/// own text is its input.
///
/// # Errors
/// [`TransportError::Failed`] for any exit code but 0; the rest as for [`Process`].
pub async fn answer(
    transport: &dyn Transport,
    command: &Command,
) -> Result<Vec<u8>, TransportError> {
    let input = if command.stdin.is_some() { Input::Open } else { Input::Closed };
    let mut process = transport.start(command, input).await?;
    let stdin = process.take_input();
    let feeding = async {
        if let (Some(mut stdin), Some(text)) = (stdin, &command.stdin) {
            // A command that no longer reads says why by its exit code.
            stdin.write(text.as_bytes()).await.ok();
            stdin.close().await.ok();
        }
    };
    let ((), read) = tokio::join!(feeding, read_answer(&mut process));
    match read {
        Ok(answer) => process.finish().await?.success().map(|_| answer),
        Err(error) => {
            process.abort().await?;
            Err(error)
        }
    }
}

async fn read_answer(process: &mut Process) -> Result<Vec<u8>, TransportError> {
    const LIMIT: usize = 64 << 20;
    let mut answer = Vec::new();
    loop {
        match process.next().await {
            Some(Ok(piece)) if answer.len() + piece.len() <= LIMIT => {
                answer.extend_from_slice(&piece);
            }
            Some(Ok(_)) => return Err(process.flood(LIMIT)),
            Some(Err(error)) => return Err(error),
            None => return Ok(answer),
        }
    }
}
