//! The sidecar: discovers, schedules, runs, watches. What follows from what is decided in `state.rs`,
//! which does nothing itself; `life.rs` hears and does.

mod alarm;
mod discover;
mod life;
mod reaper;
mod state;

pub use alarm::Alarm;
pub use life::{Connect, Parts, Reload, Reloaded, Told, live};
pub use reaper::reap;
pub use state::{Effect, End, Event, Job, Memory, Rhythm, State};
