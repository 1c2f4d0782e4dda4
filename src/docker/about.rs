//! What a Docker engine says of itself, and what whoever stands before it lets through.

use bollard::errors::Error;
use bollard::models::ExecConfig;
use jiff::Timestamp;

use super::{Docker, DockerError};

/// A container that is not there: asking for it changes nothing.
const NOBODY: &str = "ringbolt-asks-what-it-may";

/// What an engine says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    pub name: String,
    pub version: String,
    /// The clock of its machine.
    pub time: Option<Timestamp>,
}

impl Docker {
    /// `None`: whoever stands before the engine does not let us ask.
    ///
    /// # Errors
    /// [`DockerError::Asked`] if it does not answer.
    pub async fn about(&self) -> Result<Option<About>, DockerError> {
        match self.client.info().await {
            Ok(info) => Ok(Some(About {
                name: info.name.unwrap_or_default(),
                version: info.server_version.unwrap_or_default(),
                time: info.system_time.and_then(|time| time.parse().ok()),
            })),
            Err(Error::DockerResponseServerError { status_code: 401 | 403, .. }) => Ok(None),
            Err(error) => Err(DockerError::Asked(Box::new(error))),
        }
    }

    /// Whether commands may be started: an engine answers that it has no such container, a proxy
    /// that forbids it never asks the engine.
    ///
    /// # Errors
    /// [`DockerError::Asked`] if nobody answers.
    pub async fn may_exec(&self) -> Result<bool, DockerError> {
        let nothing = ExecConfig { cmd: Some(vec!["true".to_owned()]), ..ExecConfig::default() };
        match self.client.create_exec(NOBODY, nothing).await {
            Err(Error::DockerResponseServerError { status_code: 401 | 403 | 405, .. }) => Ok(false),
            Ok(_) | Err(Error::DockerResponseServerError { .. }) => Ok(true),
            Err(error) => Err(DockerError::Asked(Box::new(error))),
        }
    }
}
