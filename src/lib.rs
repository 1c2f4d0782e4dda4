//! Ringbolt: label a database container, get backups that are proven to restore.
//!
//! `src/README.md` is the map of this house: its floors, families and rules.

pub mod app;
pub mod archive;
pub mod aside;
pub mod cli;
pub mod docker;
pub mod engine;
pub mod history;
pub mod job;
pub mod labels;
pub mod model;
pub mod pipeline;
pub mod retention;
pub mod schedule;
pub mod settings;
pub mod sidecar;
pub mod store;
pub mod transport;
