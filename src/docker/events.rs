//! What Docker tells while it happens. Only a hint: what is so, a list tells.

use std::collections::HashMap;

use bollard::query_parameters::EventsOptionsBuilder;
use futures_util::{Stream, StreamExt as _};

use super::{Docker, DockerError};

/// Something happened to a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    pub container: String,
}

impl Docker {
    /// Hints, from now on, until the connection ends.
    pub fn events(&self) -> impl Stream<Item = Result<Hint, DockerError>> + Send + 'static {
        // Commands that run in containers, ours too, and health checks are told as well: they change
        // nothing that a list would show.
        let happened =
            ["create", "start", "die", "destroy", "rename", "pause", "unpause", "update"];
        let wanted = HashMap::from([
            ("type".to_owned(), vec!["container".to_owned()]),
            ("event".to_owned(), happened.map(str::to_owned).into()),
        ]);
        let options = EventsOptionsBuilder::default().filters(&wanted).build();
        self.client.events(Some(options)).map(|event| match event {
            Ok(event) => {
                Ok(Hint { container: event.actor.and_then(|actor| actor.id).unwrap_or_default() })
            }
            Err(error) => Err(DockerError::Asked(Box::new(error))),
        })
    }
}
