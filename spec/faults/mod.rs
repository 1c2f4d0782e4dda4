//! Faults: whatever breaks, a run ends as failed, nothing half-done is visible, no process stays
//! behind, and the archives of before are untouched.

pub(crate) mod commit;
mod docker;
pub(crate) mod proxy;
mod tool;

use std::collections::BTreeMap;

use crate::world::{Ran, Server, World};

/// A world with one good archive, against which every fault is compared.
struct Guarded {
    files: BTreeMap<String, Vec<u8>>,
}

impl Guarded {
    fn new(world: &World) -> Self {
        world.ringbolt(&["backup"]).expect(0);
        Self { files: world.files() }
    }

    /// The run failed, with these words, and the store is as it was.
    #[track_caller]
    fn check(&self, world: &World, ran: Ran, words: &str) {
        ran.expect(1).says(words);
        let now = world.files();
        let changed: Vec<_> = now.keys().filter(|name| !self.files.contains_key(*name)).collect();
        assert!(changed.is_empty(), "left behind: {changed:?}");
        assert!(now == self.files, "an older archive was touched");
    }
}

/// A database whose custom dump has some megabytes, so that there is a middle to cut at.
fn fill(server: &Server) {
    server.sql(
        "keeper",
        "CREATE TABLE t AS SELECT i, md5(i::text) FROM generate_series(1, 200000) i",
    );
}

/// No process of a dump is left in the container.
#[track_caller]
fn nothing_runs(server: &Server) {
    let processes = server.processes();
    let dumps: Vec<_> =
        processes.lines().filter(|line| line.contains("dump") || line.contains("sleep")).collect();
    assert!(dumps.is_empty(), "still running: {dumps:?}");
    // Ending a process must never look like a crashed backend to the server.
    let log = crate::world::docker(&["logs", &server.name]);
    let crash = "terminating any other active server processes";
    assert!(!log.stderr.contains(crash), "the server was made to restart: {log:?}");
}
