//! The sidecar: discovers, schedules, runs, watches. What follows from what is decided in `state.rs`,
//! which does nothing itself; `life.rs` hears and does.

mod alarm;
mod book;
mod discover;
mod life;
mod reaper;
mod round;
mod state;
mod stoppable;
mod verifying;
mod words;

pub use book::BookError;
pub use life::{Connect, LifeError, Parts, Reload, Reloaded, Told, live};
pub use reaper::reap;
pub use state::State;
pub use verifying::Broken;
pub use words::{Effect, End, Event, Job, Memory, Rhythm, Verification};
