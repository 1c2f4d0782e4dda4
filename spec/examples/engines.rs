//! The example of each engine: what `labels example` prints lies in `examples/`, and it runs.

use std::path::Path;
use std::process::Command;

use ringbolt::engine::ENGINES;
use serde_json::{Value, json};

use crate::world::{HELPER_IMAGE, Ran, World, wait_for};

/// What stands for an example's service here: its image, and what must be in its volume.
fn stand_in(engine: &str) -> Option<Value> {
    let fill = |line: &str| json!(["sh", "-c", format!("{line}; exec sleep infinity")]);
    Some(match engine {
        "postgres" => json!({"image": "ringbolt-spec/postgres:17"}),
        "mysql" => json!({"image": "ringbolt-spec/mysql:9.7"}),
        "mariadb" => json!({"image": "ringbolt-spec/mariadb:11.8"}),
        "redis" => json!({"image": "ringbolt-spec/redis:8"}),
        "influxdb" => json!({"image": "ringbolt-spec/influxdb:1.6"}),
        "sqlite" => json!({
            "image": "ringbolt-spec/sqlite:3.40",
            "command": fill("sqlite3 /data/app.db 'CREATE TABLE t (i); INSERT INTO t VALUES (1)'"),
        }),
        "files" => json!({
            "image": "ringbolt-spec/app:bookworm",
            "command": fill("echo something > /data/file"),
        }),
        // No server of it can be had where the suite runs.
        "mongodb" => return None,
        other => panic!("what stands for {other}?"),
    })
}

/// A Compose project that is gone when this is.
struct Project {
    world: World,
}

impl Project {
    fn compose(&self, arguments: &[&str]) -> Ran {
        let new = Command::new("docker").args(["compose", "version"]).output();
        let mut command = match new {
            Ok(output) if output.status.success() => {
                let mut command = Command::new("docker");
                command.arg("compose");
                command
            }
            _ => Command::new("docker-compose"),
        };
        command.args(["--project-name", &self.world.prefix]);
        command.args(["--file", "compose.yaml", "--file", "here.yaml"]);
        Ran::of(command.args(arguments).current_dir(&self.world.folder))
    }

    fn ringbolt(&self, arguments: &[&str]) -> Ran {
        self.compose(&[&["run", "--rm", "-T", "ringbolt"], arguments].concat())
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        self.compose(&["down", "--volumes", "--remove-orphans"]);
    }
}

fn example(prefix: &str, engine: &str) -> String {
    let ran = Ran::of(
        Command::new(crate::world::BINARY).args(["labels", "--prefix", prefix, "example", engine]),
    );
    ran.expect(0).stdout
}

#[test]
fn what_is_printed_lies_in_examples() {
    for engine in ENGINES {
        let name = engine.card().name;
        let path = format!("examples/{name}/compose.yaml");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        let text = example("ringbolt", name);
        if std::env::var_os("UPDATE").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
        } else {
            let old = std::fs::read_to_string(&path).unwrap();
            assert!(old == text, "{} is stale: run `UPDATE=1 cargo test`", path.display());
        }
    }
}

fn check(engine: &str) {
    let Some(service) = stand_in(engine) else { return };
    let project = Project { world: World::with_helper() };
    let world = &project.world;
    let here = json!({"services": {
        "db": service,
        "ringbolt": {
            "image": HELPER_IMAGE,
            "environment": {"RINGBOLT_LABELS__PREFIX": world.prefix},
        },
    }});
    std::fs::write(world.folder.join("compose.yaml"), example(&world.prefix, engine)).unwrap();
    std::fs::write(world.folder.join("here.yaml"), here.to_string()).unwrap();
    project.compose(&["up", "--detach", "db"]).expect(0);
    let source = format!("{}-db", world.prefix);
    let mut last = None;
    wait_for(&format!("a backup of the example of {engine}"), || {
        let ran = project.ringbolt(&["backup", &source]);
        let done = ran.code == Some(0);
        if !done && last.as_ref().is_none_or(|(_, stderr)| *stderr != ran.stderr) {
            eprintln!("{engine}: {}", ran.stderr);
        }
        last = Some((ran.code, ran.stderr));
        done
    });
    project.ringbolt(&["verify"]).expect(0);
    let listed = project.ringbolt(&["list", "--json"]).expect(0).json();
    assert!(listed.as_array().is_some_and(|archives| !archives.is_empty()), "{engine}");
}

#[test]
fn the_examples_of_servers_run() {
    for engine in ENGINES.iter().filter(|engine| !engine.card().takes.contains(&"path")) {
        check(engine.card().name);
    }
}

/// Here Ringbolt runs in a container, and finds out by itself what helpers are made of.
#[test]
fn the_examples_of_files_run() {
    for engine in ENGINES.iter().filter(|engine| engine.card().takes.contains(&"path")) {
        check(engine.card().name);
    }
}
