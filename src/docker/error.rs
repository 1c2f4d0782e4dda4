//! What can go wrong with Docker: which call, which container, and what to do.

use crate::model::{ErrorKind, Explain};

/// A failed call to Docker.
#[derive(Debug, thiserror::Error)]
pub enum DockerError {
    #[error("`{0}` is no address of a Docker engine")]
    Host(String),
    #[error("cannot reach Docker at `{host}`")]
    Unreachable { host: String, source: Box<bollard::errors::Error> },
    #[error("cannot {call} in container `{container}`")]
    Call { call: &'static str, container: String, source: Box<bollard::errors::Error> },
    #[error("cannot list containers")]
    List(#[source] Box<bollard::errors::Error>),
    #[error("there is no container `{0}`")]
    NoContainer(String),
    #[error("the output of a command in container `{container}` was cut on its way through Docker")]
    Cut { container: String, source: Option<Box<bollard::errors::Error>> },
}

impl DockerError {
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
            Self::Host(_) | Self::NoContainer(_) => ErrorKind::Usage,
            Self::Unreachable { .. } => ErrorKind::DockerUnreachable,
            Self::Call { .. } | Self::List(_) | Self::Cut { .. } => ErrorKind::Failed,
        }
    }

    fn retry(&self) -> bool {
        !matches!(self, Self::Host(_) | Self::NoContainer(_))
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Host(_) => {
                Some("use `unix:///var/run/docker.sock` or `tcp://host:2375`".to_owned())
            }
            Self::Unreachable { host, .. } => Some(unreachable_hint(host)),
            Self::NoContainer(_) => Some("`docker ps --all` lists them".to_owned()),
            Self::Cut { .. } => Some(
                "if a proxy stands before the Docker socket, raise its time limits \
                 (HAProxy: `timeout client`, `timeout server`, `timeout tunnel`)"
                    .to_owned(),
            ),
            Self::Call { .. } | Self::List(_) => None,
        }
    }
}

/// Says what stands between us and the socket: it is missing, or it belongs to another group.
fn unreachable_hint(host: &str) -> String {
    use std::os::unix::fs::MetadataExt as _;

    let Some(path) = host.strip_prefix("unix://") else {
        return "is the engine or the proxy running there?".to_owned();
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
