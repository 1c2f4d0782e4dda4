//! The witness of a drill: what the original has, seen at the very moment of its dump.
//!
//! Where a dump can be made of a witness's snapshot, both see the same. Elsewhere a second witness looks when
//! the dump has begun, and what both say alike was so in between, too.

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::super::JobError;
use crate::engine::{Answer, EngineError, Questions};
use crate::model::Census;
use crate::transport::{Exited, Input, Process, Stdin, Transport};

/// One that has begun to see.
#[derive(Debug)]
pub(super) struct Witness {
    /// By which a dump can see the same; empty: by nothing.
    pub(super) snapshot: String,
    /// Lets it ask. Before a dump sees the same, no failing question may end the snapshot.
    go: Option<oneshot::Sender<()>>,
    /// Ends the snapshot.
    release: oneshot::Sender<()>,
    task: JoinHandle<Result<Census, JobError>>,
}

impl Witness {
    /// Begins to see. It asks when it is told to.
    ///
    /// # Errors
    /// [`JobError`] if it cannot be begun.
    pub(super) async fn begin(
        transport: &dyn Transport,
        questions: &Questions,
    ) -> Result<Self, JobError> {
        let mut process = transport.start(&questions.command, Input::Open).await?;
        let mut lines = Lines::default();
        let begun = async {
            let mut stdin = process.take_input().ok_or_else(closed)?;
            stdin.write(questions.begin.as_bytes()).await?;
            match lines.next(&mut process).await? {
                Some(Answer::Snapshot(name)) => Ok((name, stdin)),
                _ => Err(EngineError::AnswerShape("it names no snapshot".to_owned()).into()),
            }
        };
        match begun.await {
            Ok((snapshot, stdin)) => {
                let (go, told) = oneshot::channel();
                let (release, released) = oneshot::channel();
                let questions = questions.ask.clone();
                let asking = async move {
                    // Whoever gave up has told it, too.
                    told.await.ok();
                    ask(process, stdin, lines, questions, released).await
                };
                Ok(Self { snapshot, go: Some(go), release, task: tokio::spawn(asking) })
            }
            Err(error) => {
                // A client that failed says why by its exit code and its last words.
                let ended = process.finish().await.and_then(Exited::success);
                Err(ended.err().map_or(error, JobError::from))
            }
        }
    }

    /// Asks, from now on and on its own.
    pub(super) fn ask(&mut self) {
        if let Some(go) = self.go.take() {
            go.send(()).ok();
        }
    }

    /// What it saw. Its snapshot ends.
    ///
    /// # Errors
    /// [`JobError`] if it could not ask everything.
    pub(super) async fn end(mut self) -> Result<Census, JobError> {
        self.ask();
        self.release.send(()).ok();
        self.task.await.unwrap_or_else(|error| Err(JobError::Panicked(error.to_string())))
    }
}

fn closed() -> JobError {
    EngineError::AnswerShape("it takes no questions".to_owned()).into()
}

/// Asks everything, keeps the snapshot until it is released, and lets the client end.
async fn ask(
    mut process: Process,
    mut stdin: Stdin,
    mut lines: Lines,
    questions: String,
    released: oneshot::Receiver<()>,
) -> Result<Census, JobError> {
    let asked = async {
        // Answers are read while questions are written: neither side waits for the other.
        let writing = async { stdin.write(questions.as_bytes()).await.map(|()| stdin) };
        let (written, read) = tokio::join!(writing, lines.census(&mut process));
        Ok::<_, JobError>((written?, read?))
    };
    match asked.await {
        Ok((stdin, census)) => {
            // Whoever gave up has released it, too.
            released.await.ok();
            stdin.close().await?;
            while let Some(piece) = process.next().await {
                piece?;
            }
            process.finish().await?.success()?;
            Ok(census)
        }
        // A client that failed says why by its exit code and its last words.
        Err(error @ JobError::Engine(_)) => {
            let ended = process.finish().await.and_then(Exited::success);
            Err(ended.err().map_or(error, JobError::from))
        }
        Err(error) => {
            process.abort().await?;
            Err(error)
        }
    }
}

/// What was answered, line by line.
#[derive(Debug, Default)]
struct Lines(Vec<u8>);

impl Lines {
    async fn next(&mut self, process: &mut Process) -> Result<Option<Answer>, JobError> {
        loop {
            if let Some(at) = self.0.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.0.drain(..=at).collect();
                match line.trim_ascii() {
                    [] => continue,
                    line => return Ok(Some(Answer::read(line)?)),
                }
            }
            match process.next().await {
                Some(piece) => self.0.extend_from_slice(&piece?),
                None => return Ok(None),
            }
        }
    }

    async fn census(&mut self, process: &mut Process) -> Result<Census, JobError> {
        let mut things = Vec::new();
        loop {
            match self.next(process).await? {
                Some(Answer::Thing(thing, known)) => things.push((thing, known)),
                Some(Answer::End) => return Ok(things.into_iter().collect()),
                Some(Answer::Snapshot(_)) | None => {
                    return Err(EngineError::AnswerShape("it has no end".to_owned()).into());
                }
            }
        }
    }
}
