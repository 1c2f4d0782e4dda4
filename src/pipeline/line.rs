//! Carries bytes from the asynchronous side to a [`Chain`] on a thread that may block.

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::{Chain, Finished, PipelineError};

/// Pieces on their way. Docker's frames have up to 32 KiB, so this is 2 MiB at the most: enough that
/// neither side waits for the other's hiccups, little enough that memory stays flat.
const PIECES: usize = 64;

/// A chain at work.
#[derive(Debug)]
pub struct Line {
    pieces: mpsc::Sender<Piece>,
    thread: JoinHandle<Result<Finished, PipelineError>>,
}

/// The end is said in so many words: a sender that is merely dropped has given up.
enum Piece {
    Bytes(Bytes),
    End,
}

impl Line {
    pub fn start(chain: Chain) -> Self {
        let (pieces, received) = mpsc::channel(PIECES);
        Self { pieces, thread: tokio::task::spawn_blocking(move || run(chain, received)) }
    }

    /// Hands one piece on, waiting while the chain is busy. `false`: the chain has failed, and
    /// [`Line::abort`] says why.
    pub async fn send(&self, piece: Bytes) -> bool {
        self.pieces.send(Piece::Bytes(piece)).await.is_ok()
    }

    /// Says that the dump is complete and waits for the last stage to close.
    ///
    /// # Errors
    /// The chain's own.
    pub async fn finish(self) -> Result<Finished, PipelineError> {
        // If nobody listens any more, the thread has its reason.
        self.pieces.send(Piece::End).await.ok();
        joined(self.thread.await)
    }

    /// Gives the dump up, waits until nothing of it is left, and returns the chain's own error if it
    /// was the one that failed.
    pub async fn abort(self) -> Option<PipelineError> {
        drop(self.pieces);
        match joined(self.thread.await) {
            Err(PipelineError::Aborted) | Ok(_) => None,
            Err(error) => Some(error),
        }
    }
}

fn run(mut chain: Chain, mut pieces: mpsc::Receiver<Piece>) -> Result<Finished, PipelineError> {
    while let Some(piece) = pieces.blocking_recv() {
        match piece {
            Piece::Bytes(bytes) => chain.write(&bytes)?,
            Piece::End => return chain.finish(),
        }
    }
    Err(PipelineError::Aborted)
}

fn joined(
    result: Result<Result<Finished, PipelineError>, tokio::task::JoinError>,
) -> Result<Finished, PipelineError> {
    result.unwrap_or_else(|error| Err(PipelineError::Panicked(error.to_string())))
}
