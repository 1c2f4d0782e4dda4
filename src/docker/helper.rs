//! Helper containers: short-lived ones of Ringbolt's own image that see the volumes of another
//! container, for what that one has no tools for.
//!
//! A helper has no network and writes no log: what it prints is a dump. It is removed by whoever
//! started it; what a crash has left is found by its label ([`Docker::sweep_helpers`]).

use std::collections::HashMap;

use bollard::errors::Error;
use bollard::models::{ContainerCreateBody, HostConfig, HostConfigLogConfig};
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, CreateContainerOptionsBuilder, InspectContainerOptions,
    KillContainerOptionsBuilder, ListContainersOptionsBuilder, RemoveContainerOptionsBuilder,
    StartContainerOptions,
};
use futures_util::StreamExt as _;
use jiff::{SignedDuration, Timestamp};

use super::exec::frame_of;
use super::{Docker, DockerError, ExecState, Input, Output};
use crate::model::Workload;

/// The label by which helpers are known; its value is the mark of whoever started it.
const LABEL: &str = "org.ringbolt.helper";
/// Where the kernel says which files of the host are mounted here; Docker mounts some from a folder
/// that is named like the container.
const MOUNTS: &str = "/proc/self/mountinfo";

/// How long ago a helper ended whose owner will not come any more: that one looks at once.
const ABANDONED: SignedDuration = SignedDuration::from_mins(10);

/// A running helper. It is there until [`Helper::remove`].
#[derive(Debug)]
pub struct Helper {
    docker: Docker,
    id: String,
    /// The workload that it helps.
    workload: Workload,
}

impl Docker {
    /// The image of the container that this process runs in, if it does.
    ///
    /// # Errors
    /// [`DockerError::Call`] if Docker does not answer.
    pub async fn own_image(&self) -> Result<Option<String>, DockerError> {
        let Some(id) = own_container().await else { return Ok(None) };
        match self.client.inspect_container(&id, None::<InspectContainerOptions>).await {
            Ok(container) => Ok(container.image),
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
            Err(error) => Err(DockerError::call("inspect", &id)(error)),
        }
    }

    /// Starts a command of an image in a new container that has the workload's volumes.
    ///
    /// # Errors
    /// [`DockerError::Call`] if it cannot be made or started.
    pub async fn helper(
        &self,
        workload: &Workload,
        image: &str,
        mark: &str,
        arguments: &[String],
        with_input: bool,
    ) -> Result<(Helper, Output, Input), DockerError> {
        let host = HostConfig {
            volumes_from: Some(vec![workload.id.clone()]),
            network_mode: Some("none".to_owned()),
            log_config: Some(HostConfigLogConfig { typ: Some("none".to_owned()), config: None }),
            tmpfs: Some(self.scratch(workload, image).await?),
            security_opt: Some(vec!["no-new-privileges".to_owned()]),
            ..HostConfig::default()
        };
        let body = ContainerCreateBody {
            image: Some(image.to_owned()),
            cmd: Some(arguments.to_vec()),
            labels: Some(HashMap::from([(LABEL.to_owned(), mark.to_owned())])),
            attach_stdin: Some(with_input),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            open_stdin: Some(with_input),
            stdin_once: Some(with_input),
            tty: Some(false),
            host_config: Some(host),
            ..ContainerCreateBody::default()
        };
        let name = format!("ringbolt-helper-{mark}");
        let options = CreateContainerOptionsBuilder::default().name(&name).build();
        let created = self.client.create_container(Some(options), body).await;
        let id = created.map_err(DockerError::call("make a helper", &workload.name))?.id;
        let helper = Helper { docker: self.clone(), id, workload: workload.clone() };
        match helper.begin(with_input).await {
            Ok((output, input)) => Ok((helper, output, input)),
            Err(error) => {
                helper.remove().await?;
                Err(error)
            }
        }
    }

    /// Removes helpers that ended a while before `now` and are still there: their owner was killed.
    ///
    /// # Errors
    /// [`DockerError::List`], [`DockerError::Call`].
    pub async fn sweep_helpers(&self, now: Timestamp) -> Result<(), DockerError> {
        let filters =
            HashMap::from([("label", vec![LABEL]), ("status", vec!["created", "exited", "dead"])]);
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        let listed = self.client.list_containers(Some(options)).await;
        let listed = listed.map_err(|error| DockerError::List(Box::new(error)))?;
        for id in listed.into_iter().filter_map(|container| container.id) {
            let inspected = self.client.inspect_container(&id, None::<InspectContainerOptions>);
            let container = match inspected.await {
                Ok(container) => container,
                Err(Error::DockerResponseServerError { status_code: 404, .. }) => continue,
                Err(error) => return Err(DockerError::call("inspect", &id)(error)),
            };
            // One that was never started ended in the year 1.
            let ended = container.state.and_then(|state| state.finished_at);
            let times = [container.created, ended].into_iter().flatten();
            let newest = times.filter_map(|time| time.parse::<Timestamp>().ok()).max();
            if newest.is_some_and(|newest| now.duration_since(newest) > ABANDONED) {
                self.remove_helper(&id).await?;
            }
        }
        Ok(())
    }

    /// Removes every helper that has a container's volumes.
    pub(super) async fn remove_helpers_of(&self, id: &str) -> Result<(), DockerError> {
        let filters = HashMap::from([("label", vec![LABEL])]);
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        let listed = self.client.list_containers(Some(options)).await;
        let listed = listed.map_err(|error| DockerError::List(Box::new(error)))?;
        for helper in listed.into_iter().filter_map(|container| container.id) {
            let host = self.inspected(&helper).await?.host_config.unwrap_or_default();
            if host.volumes_from.unwrap_or_default().iter().any(|from| from.starts_with(id)) {
                self.remove_helper(&helper).await?;
            }
        }
        Ok(())
    }

    /// Volumes are never removed with it: they are the workload's.
    async fn remove_helper(&self, id: &str) -> Result<(), DockerError> {
        let options = RemoveContainerOptionsBuilder::default().force(true).build();
        match self.client.remove_container(id, Some(options)).await {
            // Somebody else is at it, or was.
            Ok(()) | Err(Error::DockerResponseServerError { status_code: 404 | 409, .. }) => Ok(()),
            Err(error) => Err(DockerError::call("remove a helper", id)(error)),
        }
    }

    /// What the image declares as volumes and the workload has not: made of memory, they leave no
    /// volume behind.
    async fn scratch(
        &self,
        workload: &Workload,
        image: &str,
    ) -> Result<HashMap<String, String>, DockerError> {
        let failed = |call| DockerError::call(call, &workload.name);
        let inspected = match self.client.inspect_image(image).await {
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => {
                return Err(DockerError::NoImage(image.to_owned()));
            }
            inspected => inspected.map_err(failed("inspect the helper's image"))?,
        };
        let config = inspected.config;
        let declared = config.and_then(|config| config.volumes).unwrap_or_default();
        let inspected =
            self.client.inspect_container(&workload.id, None::<InspectContainerOptions>);
        let mounts = inspected.await.map_err(failed("inspect"))?.mounts.unwrap_or_default();
        let mounted = |path: &String| mounts.iter().any(|m| m.destination.as_ref() == Some(path));
        let own = declared.into_iter().filter(|path| !mounted(path));
        Ok(own.map(|path| (path, String::new())).collect())
    }
}

impl Helper {
    /// Attaches before it starts, so that nothing it says is missed.
    async fn begin(&self, with_input: bool) -> Result<(Output, Input), DockerError> {
        let options = AttachContainerOptionsBuilder::default()
            .stream(true)
            .stdin(with_input)
            .stdout(true)
            .stderr(true)
            .build();
        let (client, name) = (&self.docker.client, self.workload.name.clone());
        let attached = client.attach_container(&self.id, Some(options)).await;
        let attached = attached.map_err(DockerError::call("attach to a helper", &name))?;
        let started = client.start_container(&self.id, None::<StartContainerOptions>).await;
        started.map_err(DockerError::call("start a helper", &name))?;
        let output = attached.output.map(move |frame| frame_of(frame, &name)).boxed();
        Ok((output, attached.input))
    }

    /// Asks Docker whether it still runs.
    ///
    /// # Errors
    /// [`DockerError::Call`] if Docker does not answer.
    pub async fn state(&self) -> Result<ExecState, DockerError> {
        let inspected =
            self.docker.client.inspect_container(&self.id, None::<InspectContainerOptions>);
        let state = match inspected.await {
            Ok(container) => container.state.unwrap_or_default(),
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => {
                return Ok(ExecState::Ended(None));
            }
            Err(error) => {
                return Err(DockerError::call("inspect a helper", &self.workload.name)(error));
            }
        };
        Ok(match state.running {
            Some(true) => ExecState::Running,
            _ => ExecState::Ended(state.exit_code),
        })
    }

    /// # Errors
    /// [`DockerError::Call`] if Docker does not answer.
    pub async fn signal(&self, signal: &str) -> Result<(), DockerError> {
        let options = KillContainerOptionsBuilder::default().signal(signal).build();
        match self.docker.client.kill_container(&self.id, Some(options)).await {
            // It has ended by itself.
            Ok(()) | Err(Error::DockerResponseServerError { status_code: 404 | 409, .. }) => Ok(()),
            Err(error) => Err(DockerError::call("end a helper", &self.workload.name)(error)),
        }
    }

    /// Removes it, running or not.
    ///
    /// # Errors
    /// [`DockerError::Call`] if Docker does not answer.
    pub async fn remove(&self) -> Result<(), DockerError> {
        self.docker.remove_helper(&self.id).await
    }
}

/// The container that this process runs in, if it does.
pub(super) async fn own_container() -> Option<String> {
    let mounts = tokio::fs::read_to_string(MOUNTS).await.unwrap_or_default();
    container_of(&mounts).map(str::to_owned)
}

/// The id of the container in whose mounts we are: `…/containers/<id>/hostname /etc/hostname …`.
fn container_of(mounts: &str) -> Option<&str> {
    mounts.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(3);
        let (from, to) = (fields.next()?, fields.next()?);
        let (_, rest) = from.split_once("/containers/")?;
        let id = rest.split('/').next()?;
        let is_id = id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        (is_id && to.starts_with("/etc/")).then_some(id)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_container_is_known_by_its_mounts() {
        let id = "0f".repeat(32);
        let mounts = format!(
            "711 640 0:52 / / rw,relatime master:1 - overlay overlay rw\n\
             731 711 254:1 /var/lib/docker/containers/{id}/hosts /etc/hosts rw - ext4 /dev/vda rw\n"
        );
        assert_eq!(container_of(&mounts), Some(id.as_str()));
        let elsewhere = mounts.replace("/etc/hosts", "/srv/hosts");
        let short = mounts.replace(&id, "0f0f");
        for other in ["", "711 640 0:52 / / rw", &elsewhere, &short] {
            assert_eq!(container_of(other), None, "{other}");
        }
    }
}
