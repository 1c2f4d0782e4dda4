//! Hints that something happened to a container.
//!
//! A hint says where to look and nothing else: what is so is listed (`workloads.rs`). Connecting
//! again after the end of a stream is not done here.

use std::collections::HashMap;

use bollard::query_parameters::EventsOptionsBuilder;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;

use super::{Docker, DockerError};

/// What can change a plan, or whether it can be followed. Commands in containers are left out: each
/// backup starts some.
const CHANGES: [&str; 10] = [
    "create",
    "start",
    "stop",
    "die",
    "destroy",
    "rename",
    "pause",
    "unpause",
    "health_status",
    "update",
];

/// Something happened to a container: list again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// The container's id. It may be gone already.
    pub container: String,
}

/// Hints, as they come. Dropping it closes its connection.
pub type Hints = BoxStream<'static, Result<Hint, DockerError>>;

impl Docker {
    /// Everything that happens from now on. The connection is made when the stream is first polled:
    /// list after that, or what happens in between is seen by the next listing only. It never ends
    /// by itself; an end or a [`DockerError::Watch`] means that the connection is gone.
    pub fn events(&self) -> Hints {
        let events = CHANGES.map(str::to_owned).to_vec();
        let only = [("type", vec!["container".to_owned()]), ("event", events)];
        let only: HashMap<&str, Vec<String>> = only.into();
        let options = EventsOptionsBuilder::default().filters(&only).build();
        let hints = self.client.events(Some(options)).map(|event| match event {
            Ok(event) => {
                let container = event.actor.and_then(|actor| actor.id).unwrap_or_default();
                Ok(Hint { container })
            }
            Err(error) => Err(DockerError::Watch(Box::new(error))),
        });
        hints.boxed()
    }
}
