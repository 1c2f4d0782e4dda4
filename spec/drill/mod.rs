//! Drills: restores that are wrong though everything about the dump is right, stages that cannot be set up,
//! and what killed drills leave. That each engine's archives are drilled is in `engines/`.

pub(crate) mod faults;
mod wrong;

use crate::world::{Server, docker};

/// Every throwaway container and every volume of one, of this world's containers.
pub(crate) fn left(source: &str) -> Vec<String> {
    let label = format!("label=org.ringbolt.source={source}");
    let containers = docker(&["ps", "--all", "--format", "{{.Names}}", "--filter", &label]).stdout;
    let volumes = docker(&["volume", "ls", "--format", "{{.Name}}", "--filter", &label]).stdout;
    containers.lines().chain(volumes.lines()).map(str::to_owned).collect()
}

#[track_caller]
pub(crate) fn nothing_is_left(server: &Server) {
    assert_eq!(left(server.source()), Vec::<String>::new());
}
