//! Throwaway containers: made of a workload's own image, command and environment, for a restore that nobody
//! keeps. They have no network, no published port, limits, and volumes of their own.
//!
//! What the workload keeps its data in is never mounted there; what else it has mounted (configuration,
//! certificates) can only be read. Who made one is written on it, so that whoever comes next can tell
//! what a killed process has left ([`Docker::reap`]). What is restored there is not known here.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, HealthConfig, HostConfig, HostConfigLogConfig,
    Mount, MountPoint, MountType, MountVolumeOptions,
};
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, CreateContainerOptionsBuilder, StartContainerOptions,
};
use futures_util::StreamExt as _;

use super::owner::{self, MARK, OWNER, SOURCE};
use super::{Docker, DockerError};
use crate::model::Workload;

/// What an entry point that changes its user needs, and no more.
const CAPABILITIES: [&str; 5] = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"];
/// What a server may write that is not its data: made of memory where all else is read-only.
const SCRATCH: [&str; 3] = ["/run", "/tmp", "/var/tmp"];
/// Nothing is mounted there from the workload: sockets and pseudo file systems.
const RUNTIME: [&str; 6] = ["/run", "/var/run", "/tmp", "/dev", "/proc", "/sys"];
/// But what Compose calls secrets and configs is.
const SECRETS: &str = "/run/secrets";
const PROCESSES: i64 = 4096;
/// How much of what a server says is kept until it takes work.
const LAST_WORDS: usize = 4 * 1024;

/// A shell that waits, and can be asked to end.
const WAIT: &str = "trap 'exit 0' TERM INT; while :; do sleep 3600 & wait $!; done";

/// How a throwaway container is made.
#[derive(Debug)]
pub struct Making<'a> {
    /// An image's digest or name.
    pub image: &'a str,
    /// Whose command, user, environment and configuration it gets, if that is still there.
    pub like: Option<&'a Workload>,
    pub runs: Runs,
    pub unset: &'a [&'static str],
    /// Further variables: `NAME=value`.
    pub env: Vec<String>,
    /// Where the data are that it must not see.
    pub data: &'a [String],
    /// Folders of the workload that are left out.
    pub omit: &'a [&'static str],
    /// A further folder of its own.
    pub folder: Option<&'a str>,
    /// Bytes.
    pub memory: u64,
    /// Thousandths of a processor.
    pub millicpus: u32,
    /// Whose archive is restored in it.
    pub source: &'a str,
    pub mark: &'a str,
    /// Whether it can write nothing but its volumes, and may do little.
    pub confined: bool,
}

/// What runs in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runs {
    /// What the image, or the workload, runs.
    Command,
    /// A shell that waits.
    Shell,
    /// Nothing: it is made and not started.
    Nothing,
}

/// A throwaway container. It is there until [`Throwaway::remove`].
#[derive(Debug)]
pub struct Throwaway {
    docker: Docker,
    /// As a workload, for transports.
    pub workload: Workload,
    words: Arc<Mutex<Vec<u8>>>,
    listening: Option<tokio::task::JoinHandle<()>>,
}

/// What became of one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fate {
    pub running: bool,
    /// The kernel ended something in it for want of memory.
    pub out_of_memory: bool,
}

impl Docker {
    /// Makes and starts one.
    ///
    /// # Errors
    /// [`DockerError::NoImage`] if its image is not there, [`DockerError::Call`] if it cannot be made or
    /// started; nothing is left then.
    pub async fn throwaway(&self, making: &Making<'_>) -> Result<Throwaway, DockerError> {
        let about = making.like.map_or(making.image, |workload| &workload.name).to_owned();
        let image = match self.client.inspect_image(making.image).await {
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => {
                return Err(DockerError::NoThrowawayImage(making.image.to_owned()));
            }
            found => found.map_err(DockerError::call("inspect the image", &about))?,
        };
        let like = match making.like {
            Some(workload) => self.inspected(&workload.id).await?,
            None => ContainerInspectResponse::default(),
        };
        let declared = image.config.and_then(|config| config.volumes).unwrap_or_default();
        let body = body(making, like, &declared, owner::label().await);
        let name = format!("ringbolt-drill-{}", making.mark);
        let options = CreateContainerOptionsBuilder::default().name(&name).build();
        let created = self.client.create_container(Some(options), body).await;
        let id = created.map_err(DockerError::call("make a throwaway container", &about))?.id;
        let begun = self.begin(&id, &about, making.runs).await;
        match begun {
            Ok(throwaway) => Ok(throwaway),
            Err(error) => {
                self.remove_throwaway(&id).await?;
                Err(error)
            }
        }
    }

    async fn begin(&self, id: &str, about: &str, runs: Runs) -> Result<Throwaway, DockerError> {
        let gone = || DockerError::NoContainer(id.to_owned());
        let workload = self.inspect(id).await?.ok_or_else(gone)?;
        let words = Arc::default();
        let mut made = Throwaway { docker: self.clone(), workload, words, listening: None };
        if runs == Runs::Nothing {
            return Ok(made);
        }
        // Attached before it starts, so that its first words are heard.
        let options =
            AttachContainerOptionsBuilder::default().stream(true).stdout(true).stderr(true);
        let attached = self.client.attach_container(id, Some(options.build())).await;
        let attached =
            attached.map_err(DockerError::call("attach to a throwaway container", about))?;
        let (mut output, words) = (attached.output, made.words.clone());
        made.listening = Some(tokio::spawn(async move {
            while let Some(Ok(LogOutput::StdOut { message } | LogOutput::StdErr { message })) =
                output.next().await
            {
                let mut words = words.lock().unwrap_or_else(PoisonError::into_inner);
                words.extend_from_slice(&message);
                let surplus = words.len().saturating_sub(LAST_WORDS);
                words.drain(..surplus);
            }
        }));
        let started = self.client.start_container(id, None::<StartContainerOptions>).await;
        started.map_err(DockerError::call("start a throwaway container", about))?;
        made.workload.running = true;
        Ok(made)
    }
}

impl Throwaway {
    /// # Errors
    /// [`DockerError::Call`] if Docker does not answer.
    pub async fn fate(&self) -> Result<Fate, DockerError> {
        let state = self.docker.inspected(&self.workload.id).await?.state.unwrap_or_default();
        Ok(Fate {
            running: state.running == Some(true),
            out_of_memory: state.oom_killed == Some(true),
        })
    }

    /// What it has said lately. Call it before data is in it: a server quotes them when it complains.
    pub fn words(&self) -> String {
        let words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&words).trim().to_owned()
    }

    /// Removes it with all that is in it, running or not.
    ///
    /// # Errors
    /// [`DockerError::Call`] if Docker does not answer.
    pub async fn remove(self) -> Result<(), DockerError> {
        if let Some(listening) = &self.listening {
            listening.abort();
        }
        self.docker.remove_throwaway(&self.workload.id).await
    }
}

fn body(
    making: &Making<'_>,
    like: ContainerInspectResponse,
    declared: &[String],
    owner: String,
) -> ContainerCreateBody {
    let labels = HashMap::from([
        (MARK.to_owned(), making.mark.to_owned()),
        (OWNER.to_owned(), owner),
        (SOURCE.to_owned(), making.source.to_owned()),
    ]);
    let config = like.config.unwrap_or_default();
    let host = like.host_config.unwrap_or_default();
    let mounts = mounts(making, like.mounts.unwrap_or_default(), declared, &labels);
    let limit = i64::try_from(making.memory).unwrap_or(i64::MAX);
    let scratch = SCRATCH.map(|path| (path.to_owned(), "mode=1777".to_owned()));
    let keep = |entry: &String| {
        let name = entry.split('=').next().unwrap_or_default();
        let given = making.env.iter().any(|own| own.split('=').next() == Some(name));
        !given && !making.unset.contains(&name)
    };
    let env = config.env.unwrap_or_default().into_iter().filter(keep).chain(making.env.clone());
    let (entrypoint, cmd) = match making.runs {
        Runs::Shell => (Some(["sh", "-c", WAIT].map(str::to_owned).into()), Some(Vec::new())),
        Runs::Command | Runs::Nothing => (config.entrypoint, config.cmd),
    };
    ContainerCreateBody {
        image: Some(making.image.to_owned()),
        entrypoint,
        cmd,
        env: Some(env.collect()),
        user: config.user,
        working_dir: config.working_dir,
        labels: Some(labels),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        tty: Some(false),
        healthcheck: Some(HealthConfig {
            test: Some(vec!["NONE".to_owned()]),
            ..HealthConfig::default()
        }),
        host_config: Some(HostConfig {
            network_mode: Some("none".to_owned()),
            // What it says may quote data, and Docker would write that to the disk.
            log_config: Some(HostConfigLogConfig { typ: Some("none".to_owned()), config: None }),
            memory: Some(limit),
            memory_swap: Some(limit),
            nano_cpus: Some(i64::from(making.millicpus) * 1_000_000),
            pids_limit: Some(PROCESSES),
            shm_size: host.shm_size,
            security_opt: Some(vec!["no-new-privileges".to_owned()]),
            cap_drop: making.confined.then(|| vec!["ALL".to_owned()]),
            cap_add: making.confined.then(|| CAPABILITIES.map(str::to_owned).into()),
            readonly_rootfs: Some(making.confined),
            tmpfs: making.confined.then(|| scratch.into()),
            mounts: Some(mounts),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}

/// Empty volumes where data are kept, and what else the workload has, to be read only.
fn mounts(
    making: &Making<'_>,
    theirs: Vec<MountPoint>,
    declared: &[String],
    labels: &HashMap<String, String>,
) -> Vec<Mount> {
    let below = |path: &str, folder: &str| {
        path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let related = |path: &str, folder: &str| below(path, folder) || below(folder, path);
    let data = || making.data.iter().chain(declared).map(String::as_str).chain(making.folder);
    let is_data = |path: &str| data().any(|folder| related(path, folder));
    let mut empty: BTreeSet<String> = declared.iter().cloned().collect();
    empty.extend(making.folder.map(str::to_owned));
    let mut mounts = Vec::new();
    for mount in theirs {
        let Some(target) = mount.destination else { continue };
        let source = mount.name.clone().or(mount.source.clone()).unwrap_or_default();
        let runtime = RUNTIME.iter().any(|folder| below(&target, folder));
        let socket = mount.source.is_some_and(|source| source.ends_with(".sock"));
        if is_data(&target) {
            empty.insert(target);
        } else if !socket
            && (!runtime || below(&target, SECRETS))
            && !making.omit.iter().any(|folder| below(&target, folder))
        {
            let typ = match mount.typ.as_deref() {
                Some("bind") => MountType::BIND,
                Some("volume") => MountType::VOLUME,
                _ => continue,
            };
            let (typ, read_only) = (Some(typ), Some(true));
            let (target, source) = (Some(target), Some(source));
            mounts.push(Mount { target, source, typ, read_only, ..Mount::default() });
        }
    }
    mounts.extend(empty.into_iter().map(|target| Mount {
        target: Some(target),
        typ: Some(MountType::VOLUME),
        volume_options: Some(MountVolumeOptions {
            labels: Some(labels.clone()),
            ..MountVolumeOptions::default()
        }),
        ..Mount::default()
    }));
    mounts
}
