//! The sidecar: discovers, schedules, runs, watches. What follows from what is decided in `state.rs`,
//! which does nothing itself; `life.rs` hears and does.

mod alarm;
mod book;
mod discover;
mod life;
mod reaper;
mod state;
mod words;

pub use book::BookError;
pub use life::{Connect, LifeError, Parts, Reload, Reloaded, Told, live};
pub use reaper::reap;
pub use state::State;
pub use words::{Effect, End, Event, Job, Memory, Rhythm};
