//! The suite: one binary, one room a file. Everything runs against a real Docker engine with real
//! servers; without one it fails, loudly. `docker/test` prepares what it needs.
#![allow(clippy::unwrap_used, clippy::print_stderr, clippy::too_many_lines)]

mod archive;
mod cli;
mod consumed;
mod deep;
mod digest;
mod docker;
mod doctor;
mod drill;
mod dry_run;
mod encryption;
mod engines;
mod examples;
mod faults;
mod flipped;
mod fuzz;
mod history;
mod hold;
mod hooks;
mod labels;
mod life;
mod migrate;
mod openpgp;
mod passphrase;
mod pipeline;
mod regression;
mod rekey;
mod restore;
mod retention;
mod rolling;
mod schedule;
mod secrets;
mod settings;
mod sidecar;
mod signing;
mod stores;
mod tidy;
mod world;
