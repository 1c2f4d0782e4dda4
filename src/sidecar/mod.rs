//! The sidecar: discovers, schedules, runs, watches. What follows from what is decided in `state.rs`,
//! which does nothing itself.

mod alarm;
mod state;

pub use alarm::Alarm;
pub use state::{Effect, End, Event, Job, Memory, Rhythm, State};
