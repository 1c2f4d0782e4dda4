//! Runs commands with Docker exec, and ends them there.
//!
//! Docker has no call that ends an exec: hanging up leaves the dump running in the container. So
//! every command carries a mark in its environment, and is ended by a second exec that signals all
//! processes with this mark: the command and whatever it started.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;

use super::process::{Control, Process};
use super::{Input, Limits, Transport, TransportError, answer};
use crate::docker::{Docker, DockerError, Exec, ExecState};
use crate::model::{Command, Secret, SecretRef, Value, Workload};

/// The variable that marks a command's processes.
const MARK: &str = "RINGBOLT_RUN";
/// `$1` is the mark, `$2` the signal. Uses only what POSIX and BusyBox have; reading another's
/// environment works because both commands run as the same user.
const SIGNAL: &str = r#"
for directory in /proc/[0-9]*; do
  if tr '\0' '\n' 2>/dev/null <"$directory/environ" | grep -qxF "$1"; then
    kill -"$2" "${directory#/proc/}"
  fi
done 2>/dev/null
exit 0
"#;

/// Docker exec into one container.
#[derive(Debug)]
pub struct DockerExec {
    docker: Docker,
    workload: Workload,
    secrets: PathBuf,
    /// What the marks of this transport's commands begin with.
    run: u64,
    started: AtomicU64,
    limits: Limits,
}

/// A running command's exec, and the way to signal it.
struct Handle {
    exec: Exec,
    docker: Docker,
    container: String,
    mark: String,
}

impl DockerExec {
    pub(super) fn open(
        docker: &Docker,
        workload: &Workload,
        secrets: &Path,
        run: u64,
        limits: &Limits,
    ) -> Option<Box<dyn Transport>> {
        let (docker, workload, secrets) = (docker.clone(), workload.clone(), secrets.to_owned());
        Some(Box::new(Self {
            docker,
            workload,
            secrets,
            run,
            started: AtomicU64::new(0),
            limits: limits.clone(),
        }))
    }

    async fn secret(&self, reference: &SecretRef) -> Result<Secret, TransportError> {
        let missing = |why: &str| TransportError::Secret {
            reference: reference.to_string(),
            container: self.workload.name.clone(),
            why: why.to_owned(),
        };
        match reference {
            SecretRef::Env(name) => {
                let value = self.workload.env.get(name);
                let value = value.ok_or_else(|| missing("the container has no such variable"))?;
                Ok(Secret::new(value.clone()))
            }
            SecretRef::File(path) => {
                let command = Command::new(["cat", "--"]).arg(path);
                let read = answer(self, &command).await;
                let content = read.map_err(|error| missing(&error.to_string()))?;
                line(content).ok_or_else(|| missing("it is not UTF-8"))
            }
            SecretRef::Sidecar(name) => {
                let content = tokio::fs::read(self.secrets.join(name.as_str())).await;
                let content = content.map_err(|error| missing(&error.to_string()))?;
                line(content).ok_or_else(|| missing("it is not UTF-8"))
            }
        }
    }
}

/// A secret file's content without the line break that editors add.
fn line(content: Vec<u8>) -> Option<Secret> {
    let text = String::from_utf8(content).ok()?;
    Some(Secret::new(text.trim_end_matches(['\r', '\n']).to_owned()))
}

impl Transport for DockerExec {
    fn start<'a>(
        &'a self,
        command: &'a Command,
        input: Input,
    ) -> BoxFuture<'a, Result<Process, TransportError>> {
        Box::pin(async move {
            let number = self.started.fetch_add(1, Ordering::Relaxed);
            let mark = format!("{MARK}={:016x}.{number}", self.run);
            let mut env = vec![mark.clone()];
            for (name, value) in &command.env {
                env.push(match value {
                    Value::Text(text) => format!("{name}={text}"),
                    Value::Secret(reference) => {
                        format!("{name}={}", self.secret(reference).await?.reveal())
                    }
                });
            }
            let container = &self.workload.id;
            let open = input == Input::Open;
            let (exec, output, stdin) =
                self.docker.exec(container, &command.argv, env, open).await?;
            let (docker, container) = (self.docker.clone(), container.clone());
            Ok(Process {
                program: command.program().to_owned(),
                container: self.workload.name.clone(),
                output,
                input: open.then_some(stdin),
                control: Box::new(Handle { exec, docker, container, mark }),
                limits: self.limits.clone(),
                stderr: Vec::new(),
            })
        })
    }
}

impl Control for Handle {
    fn state(&self) -> BoxFuture<'_, Result<ExecState, DockerError>> {
        Box::pin(self.exec.state())
    }

    fn signal<'a>(&'a self, signal: &'a str) -> BoxFuture<'a, Result<(), TransportError>> {
        Box::pin(async move {
            let argv = ["sh", "-c", SIGNAL, "ringbolt", &self.mark, signal].map(str::to_owned);
            let (_, mut output, _) =
                self.docker.exec(&self.container, &argv, Vec::new(), false).await?;
            // Whether it worked is seen by asking about the command, not here.
            while output.next().await.is_some() {}
            Ok(())
        })
    }
}
