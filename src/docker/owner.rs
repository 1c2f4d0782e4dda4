//! Whose throwaway containers are whose: each says which process made it, and those whose process is not
//! there any more are reaped, with their volumes and with the helpers that used these.
//!
//! A process in a container is known by that container, which may be asked about from anywhere; one on a
//! host by the boot, its number and its start, which that host alone can tell.

use std::collections::HashMap;

use bollard::errors::Error;
use bollard::models::ContainerInspectResponse;
use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListVolumesOptionsBuilder, RemoveContainerOptionsBuilder,
    RemoveVolumeOptions,
};
use jiff::{SignedDuration, Timestamp};

use super::helper::own_container;
use super::{Docker, DockerError};

/// The label by which throwaway containers and their volumes are known; its value tells runs apart.
pub(super) const MARK: &str = "org.ringbolt.throwaway";
/// The label that says who made one.
pub(super) const OWNER: &str = "org.ringbolt.owner";

/// The label that says whose archive is restored in it.
pub(super) const SOURCE: &str = "org.ringbolt.source";

/// One of another machine, or of before the machine's last start, is nobody's when it is so old.
const ABANDONED: SignedDuration = SignedDuration::from_hours(24);
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

/// Who we are.
pub(super) async fn label() -> String {
    match own_container().await {
        Some(id) => format!("container {id}"),
        None => process(std::process::id(), &boot()),
    }
}

fn boot() -> String {
    std::fs::read_to_string(BOOT).unwrap_or_default().trim().to_owned()
}

/// A process by the boot, its number and its start; another that gets its number later started later.
fn process(id: u32, boot: &str) -> String {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    // The name before the last bracket may hold anything; the start is the 20th field behind it.
    let start = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(19));
    format!("process {boot} {id} {}", start.unwrap_or("-"))
}

impl Docker {
    /// Removes throwaway containers, and volumes of theirs, that nobody will remove any more. Returns the
    /// names of the containers.
    ///
    /// # Errors
    /// [`DockerError::List`], [`DockerError::Call`].
    pub async fn reap(&self, now: Timestamp) -> Result<Vec<String>, DockerError> {
        let filters = HashMap::from([("label", vec![MARK])]);
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        let listed = self.client.list_containers(Some(options)).await;
        let mut reaped = Vec::new();
        for found in listed.map_err(|error| DockerError::List(Box::new(error)))? {
            let Some(id) = found.id else { continue };
            let owner = found.labels.unwrap_or_default().remove(OWNER).unwrap_or_default();
            let made = found.created.and_then(|at| Timestamp::from_second(at).ok());
            if !self.lives(&owner, made.unwrap_or(Timestamp::UNIX_EPOCH), now).await? {
                self.remove_throwaway(&id).await?;
                let name = found.names.unwrap_or_default().pop().unwrap_or(id);
                reaped.push(name.trim_start_matches('/').to_owned());
            }
        }
        self.reap_volumes(now).await?;
        Ok(reaped)
    }

    /// Removes what this very process has made for a source and has lost hold of.
    ///
    /// # Errors
    /// [`DockerError::List`], [`DockerError::Call`].
    pub async fn abandon(&self, source: &str) -> Result<(), DockerError> {
        let (owner, source) = (format!("{OWNER}={}", label().await), format!("{SOURCE}={source}"));
        let filters = HashMap::from([("label", vec![owner.as_str(), source.as_str()])]);
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        let listed = self.client.list_containers(Some(options)).await;
        let listed = listed.map_err(|error| DockerError::List(Box::new(error)))?;
        for id in listed.into_iter().filter_map(|found| found.id) {
            self.remove_throwaway(&id).await?;
        }
        Ok(())
    }

    /// Volumes whose container went without them, as in the middle of being made or removed.
    async fn reap_volumes(&self, now: Timestamp) -> Result<(), DockerError> {
        let filters = HashMap::from([("label", vec![MARK]), ("dangling", vec!["true"])]);
        let options = ListVolumesOptionsBuilder::default().filters(&filters).build();
        let listed = self.client.list_volumes(Some(options)).await;
        let listed = listed.map_err(|error| DockerError::List(Box::new(error)))?;
        for volume in listed.volumes.unwrap_or_default() {
            let owner = volume.labels.get(OWNER).map(String::as_str).unwrap_or_default();
            let made = volume.created_at.and_then(|at| at.parse().ok());
            if self.lives(owner, made.unwrap_or(Timestamp::UNIX_EPOCH), now).await? {
                continue;
            }
            match self.client.remove_volume(&volume.name, None::<RemoveVolumeOptions>).await {
                // Somebody else is at it, or was.
                Ok(()) | Err(Error::DockerResponseServerError { status_code: 404 | 409, .. }) => {}
                Err(error) => {
                    return Err(DockerError::call("remove a volume", &volume.name)(error));
                }
            }
        }
        Ok(())
    }

    /// Whether the process that made something is still there.
    async fn lives(
        &self,
        owner: &str,
        made: Timestamp,
        now: Timestamp,
    ) -> Result<bool, DockerError> {
        let mut words = owner.split(' ');
        match (words.next(), words.next()) {
            (Some("container"), Some(id)) => {
                let state = self.inspected(id).await?.state.unwrap_or_default();
                let started = state.started_at.and_then(|at| at.parse::<Timestamp>().ok());
                // Whole seconds are all that is known of when something was made.
                let before = |at: Timestamp| at.as_second() <= made.as_second();
                Ok(state.running == Some(true) && started.is_some_and(before))
            }
            (Some("process"), Some(own)) if own == boot() => {
                let id = words.next().and_then(|id| id.parse().ok());
                Ok(id.is_some_and(|id| process(id, own) == owner))
            }
            _ => Ok(now.duration_since(made) < ABANDONED),
        }
    }

    /// Removes one with its volumes, and first whoever still uses these.
    pub(super) async fn remove_throwaway(&self, id: &str) -> Result<(), DockerError> {
        self.remove_helpers_of(id).await?;
        let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        match self.client.remove_container(id, Some(options)).await {
            // Somebody else is at it, or was.
            Ok(()) | Err(Error::DockerResponseServerError { status_code: 404 | 409, .. }) => Ok(()),
            Err(error) => Err(DockerError::call("remove a throwaway container", id)(error)),
        }
    }

    /// A container as Docker describes it; empty if it is gone.
    pub(super) async fn inspected(
        &self,
        id: &str,
    ) -> Result<ContainerInspectResponse, DockerError> {
        use bollard::query_parameters::InspectContainerOptions;

        match self.client.inspect_container(id, None::<InspectContainerOptions>).await {
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => {
                Ok(ContainerInspectResponse::default())
            }
            found => found.map_err(DockerError::call("inspect", id)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_its_start() {
        let own = process(std::process::id(), "boot");
        assert_eq!(own, process(std::process::id(), "boot"));
        assert!(own.starts_with("process boot ") && !own.ends_with('-'), "{own}");
        assert_ne!(own, process(1, "boot"));
        assert!(process(u32::MAX, "boot").ends_with(" -"));
    }
}
