//! Pauses and stops containers, and lets them go again. Who remembers that this must happen is not here.

use std::time::Duration;

use bollard::errors::Error;
use bollard::query_parameters::{
    InspectContainerOptions, StartContainerOptions, StopContainerOptions,
};

use super::helper::own_container;
use super::{Docker, DockerError};
use crate::model::Hold;

/// How long a container may take to stop: as long as its own grace period, which may be long.
const LONGEST_STOP: Duration = Duration::from_hours(1);

impl Docker {
    /// Whether a container does something that it can be held from: it runs, and is not paused.
    ///
    /// # Errors
    /// [`DockerError::Call`] if Docker does not answer.
    pub async fn is_active(&self, id: &str) -> Result<bool, DockerError> {
        let inspected = self.client.inspect_container(id, None::<InspectContainerOptions>).await;
        let state = inspected.map_err(DockerError::call("inspect", id))?.state.unwrap_or_default();
        Ok(state.running == Some(true) && state.paused != Some(true))
    }

    /// Whether it is paused; one that is gone is not.
    async fn is_paused(&self, id: &str) -> Result<bool, DockerError> {
        Ok(self.inspected(id).await?.state.is_some_and(|state| state.paused == Some(true)))
    }

    /// # Errors
    /// [`DockerError::Unholdable`] for a container that would not go on, [`DockerError::Call`] if it
    /// can be neither paused nor stopped.
    pub async fn hold(&self, id: &str, hold: Hold) -> Result<(), DockerError> {
        if own_container().await.is_some_and(|own| own == id) {
            return Err(DockerError::Unholdable("it is the one that Ringbolt runs in"));
        }
        match hold {
            Hold::Pause => {
                let paused = self.client.pause_container(id).await;
                paused.map_err(DockerError::call("pause what runs", id))
            }
            Hold::Stop => {
                let inspected = self.client.inspect_container(id, None::<InspectContainerOptions>);
                let host = inspected.await.map_err(DockerError::call("inspect", id))?.host_config;
                if host.and_then(|host| host.auto_remove) == Some(true) {
                    return Err(DockerError::Unholdable("it is removed when it stops (`--rm`)"));
                }
                let patient = self.client.clone().with_timeout(LONGEST_STOP);
                let stopped = patient.stop_container(id, None::<StopContainerOptions>).await;
                unless(304, stopped).map(drop).map_err(DockerError::call("stop what runs", id))
            }
        }
    }

    /// Lets a container go on that was held. `false`: it went on already, or is gone.
    ///
    /// # Errors
    /// [`DockerError::Call`] if it still does not run.
    pub async fn release(&self, id: &str, hold: Hold) -> Result<bool, DockerError> {
        let released = match hold {
            // Of one that is not paused, engines say that it is in conflict, or that they have failed.
            Hold::Pause => match self.client.unpause_container(id).await {
                Err(_) if !self.is_paused(id).await? => Ok(false),
                other => other.map(|()| true),
            },
            Hold::Stop => {
                unless(304, self.client.start_container(id, None::<StartContainerOptions>).await)
            }
        };
        match released {
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(false),
            other => other.map_err(DockerError::call("let go on what was held", id)),
        }
    }
}

/// `false` for an answer that means: it is so already.
fn unless(code: u16, answer: Result<(), Error>) -> Result<bool, Error> {
    match answer {
        Ok(()) => Ok(true),
        Err(Error::DockerResponseServerError { status_code, .. }) if status_code == code => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}
