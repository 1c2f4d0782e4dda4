//! The Docker edge: one connection, containers as workloads, commands inside containers, hints that
//! something happened.
//!
//! Every type of bollard, and of TLS below it, stops here. It knows nothing of databases or backups,
//! and never connects again by itself: whoever watches decides when.

mod about;
mod endpoint;
mod error;
mod events;
mod exec;
mod handshake;
mod helper;
mod hold;
mod owner;
mod throwaway;
mod tls;
mod workloads;

use std::sync::Arc;
use std::time::Duration;

use bollard::errors::Error;
use jiff::Timestamp;
use tokio::sync::OnceCell;

pub use about::About;
pub use endpoint::Endpoint;
pub use error::{CUT_HINT, DockerError};
pub use events::{Hint, Hints};
pub use exec::{Exec, ExecState, Frame, Input, Output};
pub use handshake::Refusal;
pub use helper::Helper;
pub use throwaway::{Fate, Making, Runs, Throwaway};
pub use tls::{Certificate, TlsError, TlsFault};

/// Seconds until an unanswered call fails. Streams of output are not bound by it.
const CALL_TIMEOUT: u64 = 60;
/// How long an engine may take to say that it is there: it has nothing to look up for that.
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection to a Docker engine.
#[derive(Clone)]
pub struct Docker {
    client: bollard::Docker,
    endpoint: Endpoint,
    /// Asked once: the answer counts all of the engine's containers and images.
    host_name: Arc<OnceCell<String>>,
}

impl std::fmt::Debug for Docker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Docker").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl Docker {
    /// Connects and agrees on the newest API version that both sides speak: connecting again, after
    /// an engine was upgraded, agrees anew.
    ///
    /// # Errors
    /// [`DockerError::Tls`] if our own certificate has expired by `now`, [`DockerError::Refused`] if
    /// one side does not trust the other, [`DockerError::Unreachable`] if nobody answers.
    pub async fn connect(endpoint: &Endpoint, now: Timestamp) -> Result<Self, DockerError> {
        endpoint.check(now)?;
        let unreachable = |error| DockerError::unreachable(endpoint, error);
        let client = endpoint.client(CALL_TIMEOUT).map_err(unreachable)?;
        let limit = Duration::from_secs(CALL_TIMEOUT);
        match within(limit, client.negotiate_version()).await {
            Ok(client) => {
                let (client, endpoint) = (pinned(client), endpoint.clone());
                Ok(Self { client, endpoint, host_name: Arc::default() })
            }
            Err(error) => match endpoint.refusal(&error).await {
                Some(source) => Err(DockerError::Refused { host: endpoint.to_string(), source }),
                None => Err(unreachable(error)),
            },
        }
    }

    /// Asks whether the engine is there.
    ///
    /// # Errors
    /// [`DockerError::Unreachable`] if it does not say so within ten seconds.
    pub async fn ping(&self) -> Result<(), DockerError> {
        let unreachable = |error| DockerError::unreachable(&self.endpoint, error);
        within(PING_TIMEOUT, self.client.ping()).await.map(drop).map_err(unreachable)
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

/// bollard's own time limit ends with the head of an answer; this one holds for all of it.
async fn within<T>(
    limit: Duration,
    call: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    tokio::time::timeout(limit, call).await.unwrap_or(Err(Error::RequestTimeoutError))
}

/// Says the agreed version in every call. bollard asks for it and then leaves it out, which makes
/// an engine answer in its newest one.
fn pinned(client: bollard::Docker) -> bollard::Docker {
    let version = client.client_version();
    client.with_request_modifier(move |mut request| {
        let said = request.uri().to_string();
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let host = said.strip_suffix(path).unwrap_or_default();
        *request.uri_mut() = format!("{host}/v{version}{path}")
            .parse()
            .expect("an address with a version in its path is an address");
        request
    })
}
