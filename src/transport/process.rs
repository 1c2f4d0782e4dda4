//! A running command: its output, its input, its end.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use tokio::io::AsyncWriteExt as _;
use tokio::time::Instant;

use super::{Failure, Limit, Limits, TransportError};
use crate::docker::{DockerError, ExecState, Frame, Input, Output};

/// How much of a program's last words is kept.
const LAST_WORDS: usize = 8 * 1024;
/// How long a program may go on after it has closed its output. One that runs longer has not closed
/// it: the stream was cut.
const AFTERLIFE: Duration = Duration::from_secs(20);
/// How long a program gets to end by itself when it is asked to.
const GRACE: Duration = Duration::from_secs(5);
/// Between two looks at whether it has.
const PAUSE: Duration = Duration::from_millis(50);
/// What Docker answers for a program that could not be started, and for one whose stream was cut.
const CUT_OR_MISSING: i64 = 126;
/// How Docker tells the two apart: it writes this where the program's output would be.
const NOT_STARTED: &[u8] = b"OCI runtime exec failed";

/// A way to ask about a running command and to end it.
pub(super) trait Control: Send + Sync {
    fn state(&self) -> BoxFuture<'_, Result<ExecState, DockerError>>;

    /// Sends a signal to the command and everything it started. Returns how many of these
    /// processes are left.
    fn signal<'a>(&'a self, signal: &'a str) -> BoxFuture<'a, Result<u64, TransportError>>;

    /// Removes what is still there of a command that has ended.
    fn clear(&self) -> BoxFuture<'_, Result<(), DockerError>> {
        Box::pin(async { Ok(()) })
    }
}

/// A command at work. End it with [`Process::finish`] or [`Process::abort`].
pub struct Process {
    pub(super) program: String,
    pub(super) container: String,
    pub(super) image: String,
    pub(super) output: Output,
    pub(super) input: Option<Input>,
    pub(super) control: Box<dyn Control>,
    pub(super) limits: Limits,
    /// The first bytes of its output.
    pub(super) head: Vec<u8>,
    pub(super) stderr: Vec<u8>,
}

/// The writing end of a command's input.
pub struct Stdin {
    program: String,
    container: String,
    input: Input,
    limits: Limits,
}

/// A command whose exit code was read. Made only by [`Process::finish`].
#[derive(Debug)]
pub struct Exited {
    program: String,
    container: String,
    image: String,
    code: i64,
    stderr: String,
}

impl std::fmt::Debug for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Process").field("program", &self.program).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Stdin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stdin").field("program", &self.program).finish_non_exhaustive()
    }
}

impl Process {
    /// The next piece of output; `None` at the end of the stream, which says nothing of success.
    pub async fn next(&mut self) -> Option<Result<Bytes, TransportError>> {
        loop {
            match self.limits.within(self.output.next()).await {
                Ok(None) => return None,
                Ok(Some(Ok(Frame::Stdout(piece)))) => {
                    if self.head.is_empty() {
                        self.head.extend_from_slice(&piece[..piece.len().min(NOT_STARTED.len())]);
                    }
                    return Some(Ok(piece));
                }
                Ok(Some(Ok(Frame::Stderr(words)))) => self.remember(&words),
                Ok(Some(Err(error))) => return Some(Err(error.into())),
                Err(limit) => return Some(Err(self.limit(limit))),
            }
        }
    }

    /// Takes the input away, to be written while the output is read.
    pub fn take_input(&mut self) -> Option<Stdin> {
        let input = self.input.take()?;
        let (program, container) = (self.program.clone(), self.container.clone());
        Some(Stdin { program, container, input, limits: self.limits.clone() })
    }

    /// Reads the exit code. Call it at the end of the stream.
    ///
    /// # Errors
    /// [`TransportError::Cut`] if the command still runs: then its output ended on the way to us, and
    /// the command is ended too. [`TransportError::Vanished`] if nobody knows how it ended.
    pub async fn finish(self) -> Result<Exited, TransportError> {
        let (program, container) = (self.program.clone(), self.container.clone());
        match ended_within(self.control.as_ref(), AFTERLIFE).await {
            Ok(Some(Some(CUT_OR_MISSING))) if !self.head.starts_with(NOT_STARTED) => {
                self.abort().await?;
                Err(TransportError::Cut { program, container })
            }
            Ok(Some(Some(code))) => {
                self.control.clear().await?;
                let stderr = String::from_utf8_lossy(&self.stderr).into_owned();
                Ok(Exited { program, container, image: self.image, code, stderr })
            }
            Ok(Some(None)) => {
                self.control.clear().await?;
                let stderr = String::from_utf8_lossy(&self.stderr).into_owned();
                Err(TransportError::Vanished { program, container, stderr })
            }
            Ok(None) => {
                self.abort().await?;
                Err(TransportError::Cut { program, container })
            }
            Err(error) => {
                // The first error is the one to tell; whether the command could be ended is not.
                self.abort().await.ok();
                Err(error)
            }
        }
    }

    /// Ends the command inside its container, gently at first, and everything it started.
    ///
    /// # Errors
    /// [`TransportError::Kill`] if something of it still runs, or nobody can tell.
    pub async fn abort(self) -> Result<(), TransportError> {
        let Self { program, container, mut output, input, control, .. } = self;
        drop(input);
        // Output that nobody reads would block Docker's own handling of the command's end, and with it
        // of every other command in the container.
        let draining = tokio::spawn(async move { while output.next().await.is_some() {} });
        let mut left = 0;
        for signal in ["TERM", "KILL"] {
            match end(control.as_ref(), signal).await {
                Ok(0) => {
                    draining.abort();
                    return Ok(control.clear().await?);
                }
                Ok(number) => left = number,
                Err(error) => {
                    draining.abort();
                    return Err(error);
                }
            }
            // Whoever stands between us and Docker may have stopped passing anything on.
            draining.abort();
        }
        let why = format!("{left} of its processes survived SIGKILL");
        Err(TransportError::Kill { program, container, why })
    }

    pub fn limit(&self, limit: Limit) -> TransportError {
        let (program, container) = (self.program.clone(), self.container.clone());
        TransportError::Limit { program, container, limit }
    }

    pub(super) fn flood(&self, limit: usize) -> TransportError {
        let (program, container) = (self.program.clone(), self.container.clone());
        TransportError::Flood { program, container, limit }
    }

    fn remember(&mut self, words: &[u8]) {
        self.stderr.extend_from_slice(words);
        let surplus = self.stderr.len().saturating_sub(LAST_WORDS);
        self.stderr.drain(..surplus);
    }
}

impl Stdin {
    /// # Errors
    /// [`TransportError::Write`] if the command no longer reads.
    pub async fn write(&mut self, piece: &[u8]) -> Result<(), TransportError> {
        match self.limits.within(self.input.write_all(piece)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(source)) => Err(self.failed(source)),
            Err(limit) => {
                let (program, container) = (self.program.clone(), self.container.clone());
                Err(TransportError::Limit { program, container, limit })
            }
        }
    }

    /// Says that nothing more comes.
    ///
    /// # Errors
    /// [`TransportError::Write`] if the command no longer reads.
    pub async fn close(mut self) -> Result<(), TransportError> {
        self.input.shutdown().await.map_err(|source| self.failed(source))
    }

    fn failed(&self, source: std::io::Error) -> TransportError {
        let (program, container) = (self.program.clone(), self.container.clone());
        TransportError::Write { program, container, source }
    }
}

impl Exited {
    /// Turns every exit code but 0 into an error that carries the program's last words.
    ///
    /// # Errors
    /// [`TransportError::Failed`].
    pub fn success(self) -> Result<Self, TransportError> {
        match self {
            Self { code: 0, .. } => Ok(self),
            Self { program, container, image, code, stderr } => {
                let failure = Failure { program, container, image, code, stderr };
                Err(TransportError::Failed(Box::new(failure)))
            }
        }
    }

    pub fn program(&self) -> &str {
        &self.program
    }

    pub fn container(&self) -> &str {
        &self.container
    }

    /// Takes the last line that begins with a mark out of what the program said. Returns what is behind
    /// the mark.
    pub fn take_line(&mut self, mark: &str) -> Option<String> {
        let mark = format!("\n{mark}");
        let line = self.stderr.split_off(self.stderr.rfind(&mark)?);
        let line = &line[mark.len()..];
        let (line, more) = line.split_once('\n').unwrap_or((line, ""));
        self.stderr.push_str(more);
        Some(line.trim().to_owned())
    }

    /// What the program said while it succeeded: its warnings.
    pub fn stderr(&self) -> &str {
        self.stderr.trim()
    }
}

/// The exit code (if known) of a command that has ended within this time.
async fn ended_within(
    control: &dyn Control,
    time: Duration,
) -> Result<Option<Option<i64>>, TransportError> {
    let deadline = Instant::now() + time;
    let mut pause = Duration::from_millis(2);
    loop {
        if let ExecState::Ended(code) = control.state().await? {
            return Ok(Some(code));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(250));
    }
}

/// Sends a signal until nothing of the command is left, or a grace period is over. Returns how many
/// processes are left.
async fn end(control: &dyn Control, signal: &str) -> Result<u64, TransportError> {
    let deadline = Instant::now() + GRACE;
    loop {
        let left = match control.signal(signal).await {
            // Where no container runs, no command does.
            Err(TransportError::Docker(error)) if error.is_gone() => return Ok(0),
            other => other?,
        };
        // A command that Docker has not started yet has no process, and no exit code either.
        let ended = matches!(control.state().await?, ExecState::Ended(Some(_)));
        if (left == 0 && ended) || Instant::now() >= deadline {
            return Ok(left);
        }
        tokio::time::sleep(PAUSE).await;
    }
}
