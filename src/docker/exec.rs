//! Commands inside a container: output and errors apart, input, and the exit code.
//!
//! How a command is ended is not here: Docker has no call for it (see `transport/`).

use std::pin::Pin;

use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::exec::{StartExecOptions, StartExecResults};
use bollard::models::ExecConfig;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use tokio::io::AsyncWrite;

use super::{Docker, DockerError};
use crate::model::Workload;

/// Room for a frame of output; Docker sends up to 32 KiB at once, and a larger buffer takes several
/// frames in one read.
const BUFFER: usize = 256 * 1024;

/// A piece of a command's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    Stdout(Bytes),
    Stderr(Bytes),
}

/// A command that was started in a container.
#[derive(Debug)]
pub struct Exec {
    docker: Docker,
    id: String,
    workload: Workload,
}

/// A command's output and errors. Ends when the command has closed them, or when the connection was
/// cut: the end of the stream says nothing about success.
pub type Output = BoxStream<'static, Result<Frame, DockerError>>;

/// A command's input.
pub type Input = Pin<Box<dyn AsyncWrite + Send>>;

/// What Docker knows of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExecState {
    Running,
    /// With its exit code; `None`: Docker does not know it, as when the container was killed.
    Ended(Option<i64>),
}

impl Docker {
    /// Starts a command in a container, without a terminal.
    ///
    /// # Errors
    /// [`DockerError::Call`] if it cannot be started. A program that is not there is found only by
    /// its exit code (126 or 127).
    pub async fn exec(
        &self,
        workload: &Workload,
        argv: &[String],
        env: Vec<String>,
        with_input: bool,
    ) -> Result<(Exec, Output, Input), DockerError> {
        let config = ExecConfig {
            attach_stdin: Some(with_input),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            tty: Some(false),
            cmd: Some(argv.to_vec()),
            env: Some(env),
            ..ExecConfig::default()
        };
        let container = workload.name.clone();
        let created = self.client.create_exec(&workload.id, config).await;
        let id = created.map_err(DockerError::call("create a command", &container))?.id;
        let options = StartExecOptions { output_capacity: Some(BUFFER), ..Default::default() };
        let started = self.client.start_exec(&id, Some(options)).await;
        match started.map_err(DockerError::call("start a command", &container))? {
            StartExecResults::Attached { output, input } => {
                let name = container.clone();
                let output = output.map(move |frame| frame_of(frame, &name)).boxed();
                let (docker, workload) = (self.clone(), workload.clone());
                Ok((Exec { docker, id, workload }, output, input))
            }
            StartExecResults::Detached => Err(DockerError::Cut { container, source: None }),
        }
    }
}

impl Exec {
    /// Asks Docker whether the command still runs.
    ///
    /// # Errors
    /// [`DockerError::Call`] if Docker does not answer.
    pub async fn state(&self) -> Result<ExecState, DockerError> {
        let state = match self.docker.client.inspect_exec(&self.id).await {
            Ok(state) => state,
            // The container is gone, and its commands with it.
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => {
                return Ok(ExecState::Ended(None));
            }
            Err(error) => {
                return Err(DockerError::call("inspect a command", &self.workload.name)(error));
            }
        };
        if state.running == Some(false) {
            return Ok(ExecState::Ended(state.exit_code));
        }
        // Of a container that was killed, Docker goes on saying that its commands run.
        match self.docker.runs(&self.workload).await? {
            true => Ok(ExecState::Running),
            false => Ok(ExecState::Ended(None)),
        }
    }
}

/// Anything but whole frames of output and errors means that the stream was cut: bollard hands the
/// half frame before a cut on as `Console`, which without a terminal does not exist.
pub(super) fn frame_of(
    frame: Result<LogOutput, Error>,
    container: &str,
) -> Result<Frame, DockerError> {
    let cut = |source| DockerError::Cut { container: container.to_owned(), source };
    match frame {
        Ok(LogOutput::StdOut { message }) => Ok(Frame::Stdout(message)),
        Ok(LogOutput::StdErr { message }) => Ok(Frame::Stderr(message)),
        Ok(LogOutput::Console { .. } | LogOutput::StdIn { .. }) => Err(cut(None)),
        Err(error) => Err(cut(Some(Box::new(error)))),
    }
}
