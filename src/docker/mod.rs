//! The Docker edge: one connection, containers as workloads, commands inside containers.
//!
//! Every type of bollard stops here. It knows nothing of databases or backups.

mod about;
mod error;
mod events;
mod exec;
mod workloads;

pub use about::About;
pub use error::{CUT_HINT, DockerError};
pub use events::Hint;
pub use exec::{Exec, ExecState, Frame, Input, Output};

use std::sync::Arc;

use bollard::API_DEFAULT_VERSION;
use tokio::sync::OnceCell;

/// Seconds until an unanswered call fails. Streams of output are not bound by it.
const CALL_TIMEOUT: u64 = 60;

/// A connection to a Docker engine.
#[derive(Clone)]
pub struct Docker {
    client: bollard::Docker,
    host: String,
    /// Asked once: the answer counts all of the engine's containers and images.
    host_name: Arc<OnceCell<String>>,
}

impl std::fmt::Debug for Docker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Docker").field("host", &self.host).finish_non_exhaustive()
    }
}

impl Docker {
    /// Connects to `unix:///path` or `tcp://host:port` and agrees on the newest API version that
    /// both sides speak.
    ///
    /// # Errors
    /// [`DockerError::Host`] for any other address, [`DockerError::Unreachable`] if nobody answers.
    pub async fn connect(host: &str) -> Result<Self, DockerError> {
        let client = if let Some(path) = host.strip_prefix("unix://") {
            bollard::Docker::connect_with_unix(path, CALL_TIMEOUT, API_DEFAULT_VERSION)
        } else if host.starts_with("tcp://") {
            bollard::Docker::connect_with_http(host, CALL_TIMEOUT, API_DEFAULT_VERSION)
        } else {
            return Err(DockerError::Host(host.to_owned()));
        };
        let unreachable =
            |error| DockerError::Unreachable { host: host.to_owned(), source: Box::new(error) };
        let client = client.map_err(unreachable)?.negotiate_version().await.map_err(unreachable)?;
        Ok(Self { client, host: host.to_owned(), host_name: Arc::default() })
    }

    /// The agreed API version, `1.41`.
    pub fn api_version(&self) -> String {
        self.client.client_version().to_string()
    }

    /// The name of the engine's host, if whoever stands before the socket lets us ask.
    pub async fn host_name(&self) -> Option<String> {
        let ask = || async { self.client.info().await.ok().and_then(|info| info.name).ok_or(()) };
        self.host_name.get_or_try_init(ask).await.ok().cloned()
    }
}
