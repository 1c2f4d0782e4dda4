//! The echo: where the label `digest.at` says `both`, a dump is hashed in the container too, and what came
//! here is compared with that. It finds what a validator does not see: bytes within a row that were lost,
//! doubled or changed on the way.
//!
//! How a dump is made, and what becomes of it, is not known here.

use std::borrow::Cow;

use super::JobError;
use super::session::Session;
use crate::model::{Command, Digest, DigestAt, Explain, Place};
use crate::pipeline::digest;
use crate::transport::{Exited, Input, TransportError};

/// What the line on a command's stderr begins with that says the digest.
pub const MARK: &str = "ringbolt-sha256:";
/// The word before a helper's own command that makes it say such a line.
pub const SUMMED: &str = "summed";
const SCRIPT: &str = include_str!("digest.sh");

/// A digest that is not there, or not the same.
#[derive(Debug, thiserror::Error)]
pub enum EchoError {
    #[error("container `{container}` cannot hash its own dumps, which `digest.at=both` asks for")]
    Unable { container: String, source: TransportError },
    #[error(
        "`{program}` in container `{container}` ended well, but without the digest of what it wrote; what came here has SHA-256 {here}"
    )]
    Missing { program: String, container: String, here: Digest },
    #[error(
        "`{program}` in container `{container}` wrote what has SHA-256 {there}, but what came here has {here}"
    )]
    Differs { program: String, container: String, there: String, here: Digest },
}

impl Explain for EchoError {
    fn retry(&self) -> bool {
        match self {
            Self::Unable { source, .. } => source.retry(),
            Self::Missing { .. } | Self::Differs { .. } => true,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unable { source, .. } if source.retry() => return source.hint(),
            Self::Unable { .. } => {
                "it takes a `/bin/sh`, `tee` and `sha256sum` in the image; without them, leave `digest.at` at `sidecar`"
            }
            Self::Missing { .. } | Self::Differs { .. } => {
                "bytes were lost, doubled or changed between the container and here: look at any proxy before the Docker socket"
            }
        }
        .to_owned())
    }
}

/// The command that makes a dump and says its digest, if that is asked for.
pub(super) fn wrap<'a>(at: DigestAt, session: &Session, command: &'a Command) -> Cow<'a, Command> {
    match at {
        DigestAt::Sidecar => Cow::Borrowed(command),
        DigestAt::Both => Cow::Owned(summed(session.engine.card().place, command)),
    }
}

fn summed(place: Place, command: &Command) -> Command {
    let mut summed = command.clone();
    match place {
        Place::Workload => {
            let shell = ["sh", "-c", SCRIPT, command.program()].map(str::to_owned);
            summed.argv.splice(0..0, shell);
        }
        // `ringbolt aside NAME …`: it hashes by itself.
        Place::Helper => summed.argv.insert(2, SUMMED.to_owned()),
    }
    summed
}

/// Finds out whether dumps can be hashed where they are made, if that is asked for, by hashing a word there.
///
/// # Errors
/// [`EchoError::Unable`] if they cannot.
pub(super) async fn try_out(
    at: DigestAt,
    session: &Session,
    container: &str,
) -> Result<(), JobError> {
    if at == DigestAt::Sidecar || session.engine.card().place == Place::Helper {
        return Ok(());
    }
    let unable = |source| EchoError::Unable { container: container.to_owned(), source };
    let command = Command::new(["echo", "ringbolt"]);
    let command = summed(Place::Workload, &command);
    let mut process = session.transport.start(&command, Input::Closed).await.map_err(unable)?;
    let mut answer = Vec::new();
    while let Some(piece) = process.next().await {
        match piece {
            Ok(piece) => answer.extend_from_slice(&piece),
            Err(error) => {
                process.abort().await?;
                return Err(unable(error).into());
            }
        }
    }
    let mut exited = process.finish().await.and_then(Exited::success).map_err(unable)?;
    compare(at, &mut exited, digest(&answer))
}

/// Takes the digest out of a command's words and compares it with that of what came here, if that is asked
/// for.
///
/// # Errors
/// [`EchoError::Missing`], [`EchoError::Differs`]: what came here is not what the command wrote.
pub(super) fn compare(at: DigestAt, exited: &mut Exited, here: Digest) -> Result<(), JobError> {
    if at == DigestAt::Sidecar {
        return Ok(());
    }
    let (program, container) = (exited.program().to_owned(), exited.container().to_owned());
    match exited.take_line(MARK) {
        None => Err(EchoError::Missing { program, container, here }.into()),
        Some(there) if there == here.to_string() => Ok(()),
        Some(there) => Err(EchoError::Differs { program, container, there, here }.into()),
    }
}
