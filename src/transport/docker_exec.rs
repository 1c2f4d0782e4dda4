//! Runs commands with Docker exec, and ends them there.
//!
//! Docker has no call that ends an exec: hanging up leaves the dump running in the container. So
//! every command carries a mark in its environment, and is ended by a second exec that signals all
//! processes with this mark: the command and whatever it started.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;

use super::process::{Control, Process};
use super::{Input, Limits, Transport, TransportError, Way, answer};
use crate::docker::{Docker, DockerError, Exec, ExecState, Frame};
use crate::model::{Command, Secret, SecretRef, Value, Workload};

/// The variable that marks a command's processes.
const MARK: &str = "RINGBOLT_RUN";
/// How long the container may take to answer how many processes are left.
const ANSWER_TIME: Duration = Duration::from_mins(1);
/// `$1` is the mark, `$2` the signal. Uses only what POSIX and BusyBox have; reading another's
/// environment works because both commands run as the same user.
///
/// Children are ended before their parents, so that these reap them. An orphan would become a child
/// of the container's first process, and PostgreSQL up to 17 takes an adopted child that a signal
/// ended for a crashed backend of its own: it restarts the whole server. What Docker started itself
/// has no parent inside the container (0) and is reaped outside; it comes last. The answer is the
/// number of processes that are left: Docker's own word is not enough, for when a stream is cut it
/// calls the command ended, with code 126, while it still runs.
const SIGNAL: &str = r#"
for tool in tr grep cut cat wc sleep; do
  command -v $tool >/dev/null || { echo "the image has no $tool"; exit; }
done
marked() {
  for directory in /proc/[0-9]*; do
    if tr '\0' '\n' <"$directory/environ" | grep -qxF "$1"; then
      stat=$(cat "$directory/stat") && rest=${stat##*) } && rest=${rest#* } &&
        echo "${directory#/proc/} ${rest%% *}"
    fi
  done 2>/dev/null
}
round=0
while [ $round -lt 30 ]; do
  round=$((round + 1))
  all=$(marked "$1")
  children=$(echo "$all" | grep -v ' 0$' | cut -d' ' -f1)
  [ -n "$children" ] || break
  for child in $children; do
    echo "$all" | grep -q " $child$" || kill -"$2" "$child" 2>/dev/null
  done
  sleep 0.1
done
for process in $(marked "$1" | cut -d' ' -f1); do kill -"$2" "$process" 2>/dev/null; done
marked "$1" | wc -l
"#;

/// Docker exec into one container.
#[derive(Debug)]
pub(super) struct DockerExec {
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
    workload: Workload,
    mark: String,
    program: String,
}

impl DockerExec {
    #[allow(clippy::unnecessary_wraps)] // other transports reach only some workloads
    pub(super) fn open(way: &Way<'_>) -> Option<Box<dyn Transport>> {
        Some(Box::new(Self {
            docker: way.docker.clone(),
            workload: way.workload.clone(),
            secrets: way.secrets.to_owned(),
            run: way.run,
            started: AtomicU64::new(0),
            limits: way.limits.clone(),
        }))
    }

    async fn secret(&self, reference: &SecretRef) -> Result<Secret, TransportError> {
        let missing = |why: &str| TransportError::Secret {
            reference: reference.to_string(),
            container: self.workload.name.clone(),
            why: why.to_owned(),
        };
        match reference {
            SecretRef::Literal(secret) => Ok(secret.clone()),
            SecretRef::Env(name) => {
                let value = self.workload.env.secret(name);
                value.cloned().ok_or_else(|| missing("the container has no such variable"))
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
            let open = input == Input::Open;
            let (exec, output, stdin) =
                self.docker.exec(&self.workload, &command.argv, env, open).await?;
            let (docker, workload) = (self.docker.clone(), self.workload.clone());
            let program = command.program().to_owned();
            Ok(Process {
                program: program.clone(),
                container: self.workload.name.clone(),
                image: self.workload.image.clone(),
                output,
                input: open.then_some(stdin),
                control: Box::new(Handle { exec, docker, workload, mark, program }),
                limits: self.limits.clone(),
                head: Vec::new(),
                stderr: Vec::new(),
            })
        })
    }
}

impl Control for Handle {
    fn state(&self) -> BoxFuture<'_, Result<ExecState, DockerError>> {
        Box::pin(self.exec.state())
    }

    fn signal<'a>(&'a self, signal: &'a str) -> BoxFuture<'a, Result<u64, TransportError>> {
        Box::pin(async move {
            let argv = ["sh", "-c", SIGNAL, "ringbolt", &self.mark, signal].map(str::to_owned);
            let (_, mut output, _) =
                self.docker.exec(&self.workload, &argv, Vec::new(), false).await?;
            let mut said = Vec::new();
            let listening = async {
                while let Some(frame) = output.next().await {
                    if let Frame::Stdout(piece) = frame? {
                        said.extend_from_slice(&piece);
                    }
                }
                Ok::<(), DockerError>(())
            };
            match tokio::time::timeout(ANSWER_TIME, listening).await {
                Ok(heard) => heard?,
                Err(_) => said = b"nothing in time".to_vec(),
            }
            let said = String::from_utf8_lossy(&said);
            said.trim().parse().map_err(|_| TransportError::Kill {
                program: self.program.clone(),
                container: self.workload.name.clone(),
                why: format!("the image's shell answered `{}`", said.trim()),
            })
        })
    }
}
