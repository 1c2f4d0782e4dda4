//! The digest of a dump that is taken in the container too: every byte that changes on its way is found, and
//! where it cannot be taken, that is said.

use std::process::Command;

use crate::faults::proxy;
use crate::world::{Ran, Server, World, docker};

/// The script around a dump, as it is shipped.
const SCRIPT: &str = include_str!("../src/job/digest.sh");

/// A row that a proxy finds in the stream.
const ROWS: &str = "CREATE TABLE t AS SELECT 'needle ' || i AS row FROM generate_series(1, 1000) i";

fn both<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&[("enable", "true"), ("digest.at", "both")], more].concat()
}

fn manifest(world: &World, database: &str) -> serde_json::Value {
    let id = world.newest(database)["id"].as_str().unwrap().to_owned();
    world.ringbolt(&["show", &id, "--json"]).expect(0).json()["manifest"].clone()
}

/// Whether anything of the script or of what it starts is left.
#[track_caller]
fn nothing_left(server: &Server) {
    let processes = server.processes();
    for word in ["dump", "tee", "sha256sum"] {
        assert!(!processes.contains(word), "still running: {processes}");
    }
}

/// Where a row lies within a frame of output.
fn row(payload: &[u8]) -> Option<std::ops::Range<usize>> {
    let from = payload.windows(8).position(|window| window == b"\nneedle ")? + 1;
    let length = payload[from..].iter().position(|byte| *byte == b'\n')? + 1;
    Some(from..from + length)
}

#[allow(clippy::ptr_arg)] // others change its length
fn changed(_: u8, payload: &mut Vec<u8>) -> bool {
    let found = row(payload);
    found.is_some_and(|row| {
        payload[row.start] = b'N';
        true
    })
}

fn lost(_: u8, payload: &mut Vec<u8>) -> bool {
    row(payload).is_some_and(|row| payload.drain(row).len() > 0)
}

fn doubled(_: u8, payload: &mut Vec<u8>) -> bool {
    let found = row(payload);
    found.is_some_and(|row| {
        let twice = payload[row.clone()].to_vec();
        payload.splice(row.start..row.start, twice);
        true
    })
}

/// Takes away what is said on stderr.
fn silenced(stream: u8, payload: &mut Vec<u8>) -> bool {
    if stream == 2 {
        payload.clear();
    }
    false
}

#[test]
fn a_dump_is_hashed_in_the_container_and_says_so() {
    let world = World::new();
    let server = world.postgres("db", &both(&[("job.alone.digest.at", "sidecar")]), &[]);
    server.sql("keeper", ROWS);
    world.ringbolt(&["--dry-run"]).expect(0);
    world.ringbolt(&["backup", server.source()]).expect(0);
    let own = manifest(&world, "keeper");
    assert_eq!(own["digest_at"], "both");
    // The line is none of the tool's words.
    assert_eq!(own["warnings"], serde_json::json!([]));
    assert_eq!(own["command"][0], "pg_dump");
    nothing_left(&server);
    let latest = format!("{}/keeper@latest", server.source());
    world.ringbolt(&["show", &latest]).expect(0).stdout.contains("hashed at  both");
    world.ringbolt(&["restore", &latest, "--into", &server.name, "--database", "back"]).expect(0);
    assert_eq!(server.sql("back", "SELECT count(*) FROM t"), "1000");

    world.ringbolt(&["backup", &format!("{}-alone", server.source())]).expect(0);
    assert!(manifest(&world, "keeper").get("digest_at").is_none());
}

#[test]
fn bytes_that_change_on_the_way_are_found() {
    for spoil in [changed, lost, doubled] as [fn(u8, &mut Vec<u8>) -> bool; 3] {
        let mut world = World::new();
        let labels = both(&[("format", "plain"), ("job.alone.digest.at", "sidecar")]);
        let server = world.postgres("db", &labels, &[]);
        server.sql("keeper", ROWS);
        world.docker_host = Some(proxy::spoiling(&world, spoil));
        // What no validator sees: it is a whole dump, of something else.
        let alone = format!("{}-alone/keeper@latest", server.source());
        world.ringbolt(&["backup", &format!("{}-alone", server.source())]).expect(0);
        let dump = world.ringbolt(&["cat", &alone]).expect(0).stdout;
        let rows = |word: &str| dump.lines().filter(|line| line.starts_with(word)).count();
        assert!(rows("needle ") != 1000, "the proxy spoils the stream");

        let before = world.files();
        let ran = world.ringbolt(&["backup", server.source()]).expect(1);
        assert!(ran.stderr.matches("SHA-256 ").count() >= 1, "{ran:?}");
        ran.says("but what came here has").says("any proxy before the Docker socket");
        let left: Vec<_> = world.files().into_keys().filter(|f| !before.contains_key(f)).collect();
        assert!(left.iter().all(|name| !name.contains("keeper")), "left behind: {left:?}");
        nothing_left(&server);
    }
}

#[test]
fn a_digest_that_never_comes_is_a_failure() {
    let mut world = World::new();
    let server = world.postgres("db", &both(&[]), &[]);
    world.docker_host = Some(proxy::spoiling(&world, silenced));
    let ran = world.ringbolt(&["--dry-run"]).expect(1);
    ran.says("without the digest of what it wrote");
    let ran = world.ringbolt(&["backup"]).expect(1).says("without the digest of what it wrote");
    ran.says("what came here has SHA-256");
    assert!(world.files().is_empty());
    nothing_left(&server);
}

#[test]
fn what_cannot_hash_is_told_before_and_in_the_backup() {
    for (gone, words) in [
        ("rm -f /usr/bin/sha256sum /bin/sha256sum", "has no `sha256sum`"),
        ("rm -f /usr/bin/tee /bin/tee", "has no `tee`"),
    ] {
        let world = World::new();
        let server = world.postgres("db", &both(&[]), &[]);
        server.shell(gone).expect(0);
        for command in [&["--dry-run"][..], &["backup"]] {
            let ran = world.ringbolt(command).expect(1).says(words);
            ran.says("cannot hash its own dumps").says("leave `digest.at` at `sidecar`");
        }
        assert!(world.files().is_empty());
    }
}

#[test]
fn every_way_to_dump_can_be_hashed_where_it_runs() {
    let world = World::with_helper();
    let labels = both(&[("engine", "files"), ("path", "/data")]);
    let app =
        world.start("ringbolt-spec/app:bookworm", "app", &labels, &["--volume", "/data"], &[]);
    app.shell("echo content > /data/file").expect(0);
    let redis = world.start("ringbolt-spec/redis:7", "redis", &both(&[]), &[], &[]);
    crate::world::wait_for("Redis", || redis.shell("redis-cli ping").stdout.contains("PONG"));
    redis.shell("redis-cli set key value").expect(0);
    world.ringbolt(&["--dry-run"]).expect(0);
    world.ringbolt(&["backup"]).expect(0);
    for archive in world.list() {
        let id = archive["id"].as_str().unwrap();
        let shown = world.ringbolt(&["show", id, "--json"]).expect(0).json()["manifest"].clone();
        assert_eq!(shown["digest_at"], "both", "{shown}");
        assert!(!shown["warnings"].to_string().contains("ringbolt-sha256"), "{shown}");
        world.ringbolt(&["cat", id]).expect(0);
    }
    // With the users of Redis.
    assert_eq!(world.list().len(), 3);
    nothing_left(&redis);
}

#[test]
fn a_hashed_dump_that_hangs_leaves_nothing_behind() {
    let world = World::new();
    let server = world.postgres("db", &both(&[("stall", "2s")]), &[]);
    server.sql("keeper", ROWS);
    let lock = "psql -U keeper -c 'BEGIN; LOCK TABLE t; SELECT pg_sleep(1000)' >/dev/null 2>&1 &";
    server.shell(lock).expect(0);
    crate::world::wait_for("the lock", || {
        let held = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation = 't'::regclass";
        server.sql("keeper", held) == "1"
    });
    world
        .ringbolt(&["backup"])
        .expect(1)
        .says("`pg_dump` in container")
        .says("nothing came for 2.0s");
    assert!(world.files().keys().all(|name| !name.contains("keeper")));
    nothing_left(&server);
    assert_eq!(server.shell("ls /tmp").expect(0).stdout, "");
}

/// Runs the script around a shell line, with the shell at hand.
fn around(line: &str) -> Ran {
    Ran::of(Command::new("sh").args(["-c", SCRIPT, "dump", "sh", "-c", line]))
}

#[test]
fn the_script_keeps_output_words_and_exit_code() {
    let ran = around("echo out; echo words >&2");
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "out\n"));
    assert!(ran.stderr.starts_with("words\n\nringbolt-sha256: "), "{ran:?}");
    let said = Ran::with_input(&mut Command::new("sha256sum"), b"out\n").stdout;
    let sum = said.split(' ').next().unwrap();
    assert!(ran.stderr.trim_end().ends_with(sum), "{ran:?}");
    for code in [1, 3, 126, 127, 143] {
        let ran = around(&format!("echo half; exit {code}"));
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(code), "half\n"));
        assert!(!ran.stderr.contains("ringbolt-sha256"), "{ran:?}");
    }
    let mut missing = Command::new("sh");
    let ran = Ran::of(missing.args(["-c", SCRIPT, "dump", "no-such-program", "--all"]));
    assert_eq!(ran.code, Some(127), "{ran:?}");
    // In a container that has no place to write, as nobody in particular.
    let image = "ringbolt-spec/app:bookworm";
    let options = ["run", "--rm", "--user", "1234", "--read-only", "--entrypoint", "sh", image];
    let ran = docker(&[&options[..], &["-c", SCRIPT, "dump", "echo", "out"]].concat()).expect(0);
    assert!(ran.stdout == "out\n" && ran.stderr.trim_end().ends_with(sum), "{ran:?}");
    // Nothing, and much without a line break.
    for line in ["true", "head -c 3000000 /dev/zero"] {
        let ran = around(line);
        let sum = Ran::with_input(&mut Command::new("sha256sum"), ran.stdout.as_bytes()).stdout;
        assert!(ran.stderr.trim_end().ends_with(sum.split(' ').next().unwrap()), "{line}");
    }
}
