//! Pauses and stops containers, and lets them go again. Who remembers that this must happen is not here.

use bollard::errors::Error;
use bollard::query_parameters::{
    InspectContainerOptions, StartContainerOptions, StopContainerOptions,
};

use super::{Docker, DockerError};
use crate::model::Hold;

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

    /// # Errors
    /// [`DockerError::Call`] if it can be neither paused nor stopped.
    pub async fn hold(&self, id: &str, hold: Hold) -> Result<(), DockerError> {
        match hold {
            Hold::Pause => {
                let paused = self.client.pause_container(id).await;
                paused.map_err(DockerError::call("pause what runs", id))
            }
            Hold::Stop => {
                let stopped = self.client.stop_container(id, None::<StopContainerOptions>).await;
                unless(304, stopped).map_err(DockerError::call("stop what runs", id))
            }
        }
    }

    /// Lets a container go on that was held. One that goes on already, or is gone, is none to fail for.
    ///
    /// # Errors
    /// [`DockerError::Call`] if it still does not run.
    pub async fn release(&self, id: &str, hold: Hold) -> Result<(), DockerError> {
        let released = match hold {
            // Of one that is not paused, Docker says that it is in conflict.
            Hold::Pause => unless(409, self.client.unpause_container(id).await),
            Hold::Stop => {
                unless(304, self.client.start_container(id, None::<StartContainerOptions>).await)
            }
        };
        unless(404, released).map_err(DockerError::call("let go on what was held", id))
    }
}

/// An answer that means: it is so already.
fn unless(code: u16, answer: Result<(), Error>) -> Result<(), Error> {
    match answer {
        Err(Error::DockerResponseServerError { status_code, .. }) if status_code == code => Ok(()),
        other => other,
    }
}
