//! Runs Ringbolt's own commands in a helper container that has the workload's volumes.
//!
//! The helper is the command: it ends when the command does, and is removed then. It is given no secret.

use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::BoxFuture;

use super::process::{Control, Process};
use super::{Input, Limits, Transport, TransportError, Way};
use crate::docker::{Docker, DockerError, ExecState, Helper};
use crate::model::{Command, Value, Workload};

/// Helpers for one workload.
#[derive(Debug)]
pub(super) struct DockerHelper {
    docker: Docker,
    workload: Workload,
    /// As the operator says; else it is that of our own container.
    image: Option<String>,
    run: u64,
    started: AtomicU64,
    limits: Limits,
}

impl DockerHelper {
    #[allow(clippy::unnecessary_wraps)] // other transports reach only some workloads
    pub(super) fn open(way: &Way<'_>) -> Option<Box<dyn Transport>> {
        Some(Box::new(Self {
            docker: way.docker.clone(),
            workload: way.workload.clone(),
            image: way.helper_image.map(str::to_owned),
            run: way.run,
            started: AtomicU64::new(0),
            limits: way.limits.clone(),
        }))
    }

    async fn image(&self) -> Result<String, DockerError> {
        let own = match &self.image {
            Some(image) => Some(image.clone()),
            None => self.docker.own_image().await?,
        };
        own.ok_or_else(|| DockerError::NoOwnImage(self.workload.name.clone()))
    }
}

impl Transport for DockerHelper {
    fn start<'a>(
        &'a self,
        command: &'a Command,
        input: Input,
    ) -> BoxFuture<'a, Result<Process, TransportError>> {
        Box::pin(async move {
            let container = self.workload.name.clone();
            for (name, value) in &command.env {
                if let Value::Secret(reference) = value {
                    let (reference, why) =
                        (reference.to_string(), format!("a helper gets no {name}"));
                    return Err(TransportError::Secret { reference, container, why });
                }
            }
            let number = self.started.fetch_add(1, Ordering::Relaxed);
            let mark = format!("{:016x}.{number}", self.run);
            let (image, open) = (self.image().await?, input == Input::Open);
            // The image's own entry point is the program.
            let arguments = command.argv.get(1..).unwrap_or_default();
            let (helper, output, stdin) =
                self.docker.helper(&self.workload, &image, &mark, arguments, open).await?;
            Ok(Process {
                program: command.program().to_owned(),
                container,
                image,
                output,
                input: open.then_some(stdin),
                control: Box::new(helper),
                limits: self.limits.clone(),
                head: Vec::new(),
                stderr: Vec::new(),
            })
        })
    }
}

impl Control for Helper {
    fn state(&self) -> BoxFuture<'_, Result<ExecState, DockerError>> {
        Box::pin(Helper::state(self))
    }

    fn signal<'a>(&'a self, signal: &'a str) -> BoxFuture<'a, Result<u64, TransportError>> {
        Box::pin(async move {
            Helper::signal(self, signal).await?;
            Ok(u64::from(Helper::state(self).await? == ExecState::Running))
        })
    }

    fn clear(&self) -> BoxFuture<'_, Result<(), DockerError>> {
        Box::pin(self.remove())
    }
}
