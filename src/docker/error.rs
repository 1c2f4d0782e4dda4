//! What can go wrong with Docker: which call, which container, and what to do.

use super::{Endpoint, Refusal, TlsError};
use crate::model::{ErrorKind, Explain};

/// What to do about a stream that was cut.
pub const CUT_HINT: &str = "if a proxy stands before the Docker socket, raise its time limits \
    (HAProxy: `timeout client`, `timeout server`, `timeout tunnel`)";

/// A failed call to Docker.
#[derive(Debug, thiserror::Error)]
pub enum DockerError {
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("cannot reach Docker at `{host}`")]
    Unreachable { host: String, source: Box<bollard::errors::Error> },
    #[error("cannot reach Docker at `{host}`")]
    Refused { host: String, source: Refusal },
    #[error("cannot {call} in container `{container}`")]
    Call { call: &'static str, container: String, source: Box<bollard::errors::Error> },
    #[error("cannot list containers")]
    List(#[source] Box<bollard::errors::Error>),
    #[error("cannot watch what happens to containers")]
    Watch(#[source] Box<bollard::errors::Error>),
    #[error("Docker does not answer a question about itself")]
    Asked(#[source] Box<bollard::errors::Error>),
    #[error("Docker tells no more what happens")]
    EventsEnded,
    #[error("container `{0}` needs a helper container, and Ringbolt does not know its own image")]
    NoOwnImage(String),
    #[error("the image `{0}` of helper containers is not there")]
    NoImage(String),
    #[error("the image `{0}`, of which a throwaway container is to be made, is not there")]
    NoThrowawayImage(String),
    #[error("it cannot be held: {0}")]
    Unholdable(&'static str),
    #[error("there is no container `{0}`")]
    NoContainer(String),
    #[error("the output of a command in container `{container}` was cut on its way through Docker")]
    Cut { container: String, source: Option<Box<bollard::errors::Error>> },
}

impl DockerError {
    /// Whether the container was stopped or removed.
    pub fn is_gone(&self) -> bool {
        use bollard::errors::Error::DockerResponseServerError as Refused;
        let Self::Call { source, .. } = self else { return false };
        matches!(**source, Refused { status_code: 404 | 409, .. })
    }

    pub(super) fn unreachable(endpoint: &Endpoint, error: bollard::errors::Error) -> Self {
        Self::Unreachable { host: endpoint.to_string(), source: Box::new(error) }
    }

    pub(super) fn call(
        call: &'static str,
        container: &str,
    ) -> impl FnOnce(bollard::errors::Error) -> Self {
        let container = container.to_owned();
        move |source| Self::Call { call, container, source: Box::new(source) }
    }
}

impl Explain for DockerError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Tls(_)
            | Self::NoContainer(_)
            | Self::NoOwnImage(_)
            | Self::NoImage(_)
            | Self::NoThrowawayImage(_)
            | Self::Unholdable(_) => ErrorKind::Usage,
            Self::Unreachable { .. } | Self::Refused { .. } => ErrorKind::DockerUnreachable,
            Self::Call { .. }
            | Self::List(_)
            | Self::Watch(_)
            | Self::Asked(_)
            | Self::EventsEnded
            | Self::Cut { .. } => ErrorKind::Failed,
        }
    }

    fn retry(&self) -> bool {
        // Certificates and keys are read anew at each try: they may have been renewed.
        !matches!(self, Self::NoContainer(_))
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Tls(error) => Some(error.fault.hint().to_owned()),
            Self::Refused { source, .. } => Some(source.hint().to_owned()),
            Self::Unreachable { host, .. } => Some(unreachable_hint(host)),
            Self::EventsEnded | Self::Unholdable(_) => None,
            Self::NoImage(_) => Some(
                "build or pull it where the containers run, or set `docker.helper_image`"
                    .to_owned(),
            ),
            Self::NoThrowawayImage(_) => Some(
                "pull it, or name another one that holds the same server with `--image`".to_owned(),
            ),
            Self::NoOwnImage(_) => Some(
                "Ringbolt runs outside of a container: set `docker.helper_image` to its image"
                    .to_owned(),
            ),
            Self::NoContainer(_) => Some("`docker ps --all` lists them".to_owned()),
            Self::Cut { .. } => Some(CUT_HINT.to_owned()),
            Self::Call { source, .. }
            | Self::List(source)
            | Self::Watch(source)
            | Self::Asked(source) => Some(refused_hint(source).to_owned()),
        }
    }
}

/// Says what to do about a call that Docker, or who stands before it, did not fulfil.
fn refused_hint(error: &bollard::errors::Error) -> &'static str {
    match error {
        bollard::errors::Error::DockerResponseServerError { status_code: 401 | 403, .. } => {
            "a proxy before the Docker socket must allow CONTAINERS, EXEC and POST; for helpers and drills also IMAGES and VOLUMES"
        }
        bollard::errors::Error::DockerResponseServerError { status_code: 404 | 409, .. } => {
            "the container was stopped or removed meanwhile: try again when it runs"
        }
        _ => "is the Docker engine still running? `docker info` tells",
    }
}

/// Says what stands between us and the socket: it is missing, or it belongs to another group.
fn unreachable_hint(host: &str) -> String {
    use std::os::unix::fs::MetadataExt as _;

    let Some(path) = host.strip_prefix("unix://") else {
        return "is the engine or the proxy running there? If it speaks TLS, `docker.tls.ca` must be set"
            .to_owned();
    };
    match std::fs::metadata(path) {
        Err(_) => format!("mount the socket: `--volume {path}:{path}`"),
        Ok(socket) => format!(
            "the socket belongs to group {gid}: run as root, or with `--group-add {gid}` \
             (Compose: `group_add: [\"{gid}\"]`); and is the engine running?",
            gid = socket.gid()
        ),
    }
}
