//! Limits of a run: how long it may be silent, how long it may take, and whether somebody wants it
//! to stop. Every wait of a run is under them.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// Says that everything should stop. Cloned freely; [`Stop::never`] for work that nobody stops.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<bool>);

/// The other end of a [`Stop`].
#[derive(Debug)]
pub struct Stopper(watch::Sender<bool>);

/// What a run may take.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The longest wait for one piece; `None`: it may take as long as it takes.
    pub stall: Option<Duration>,
    pub deadline: Option<Instant>,
    pub stop: Stop,
}

/// Which limit was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Limit {
    #[error("nothing came for {}", crate::model::units::span(*.0))]
    Stalled(Duration),
    #[error("the time it may take is over")]
    TimedOut,
    #[error("it was asked to stop")]
    Stopped,
}

impl Stop {
    pub fn new() -> (Stopper, Self) {
        let (sender, receiver) = watch::channel(false);
        (Stopper(sender), Self(receiver))
    }

    pub fn never() -> Self {
        Self::new().1
    }

    /// Whether somebody asked.
    pub fn asked(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until somebody asks.
    pub async fn wait(&self) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(|asked| *asked).await.is_err() {
            // Nobody is left who could ask.
            std::future::pending::<()>().await;
        }
    }
}

impl Stopper {
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Limits {
    /// The limit that is reached already, so that nothing more should begin.
    pub fn reached(&self) -> Option<Limit> {
        let late = self.deadline.is_some_and(|deadline| Instant::now() >= deadline);
        if self.stop.asked() { Some(Limit::Stopped) } else { late.then_some(Limit::TimedOut) }
    }

    /// Waits for something, within the limits.
    ///
    /// # Errors
    /// The limit that was reached first.
    pub async fn within<F: Future>(&self, work: F) -> Result<F::Output, Limit> {
        let stalled = async {
            match self.stall {
                Some(stall) => {
                    tokio::time::sleep(stall).await;
                    Limit::Stalled(stall)
                }
                None => std::future::pending().await,
            }
        };
        let timed_out = async {
            match self.deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.stop.wait() => Err(Limit::Stopped),
            done = work => Ok(done),
            () = timed_out => Err(Limit::TimedOut),
            limit = stalled => Err(limit),
        }
    }
}
