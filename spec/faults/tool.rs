//! Tools that fail, lie, hang or are not there; servers that refuse.

use super::{Guarded, fill, nothing_runs};
use crate::world::{World, wait_for};

/// Stands before the real `pg_dump` and does what `/tmp/stub` says.
const STUB: &str = r#"#!/bin/sh
for real in /usr/lib/postgresql/*/bin/pg_dump /usr/local/bin/real-pg_dump; do [ -x "$real" ] && break; done
mode=$(cat /tmp/stub 2>/dev/null)
case "$mode $1" in
  "broken --version") echo "pg_dump: error while loading shared libraries" >&2; exit 3 ;;
  "chatty --version") echo "ERROR: ld.so: object cannot be preloaded" >&2; exec "$real" "$@" ;;
  "mute --version") sleep 98765 ;;
  *--version) exec "$real" "$@" ;;
esac
case "$mode" in
  half-1) "$real" "$@" | head -c 3000000; echo "pg_dump: error: connection lost" >&2; exit 1 ;;
  half-0) "$real" "$@" | head -c 3000000; exit 0 ;;
  less-1-byte) "$real" "$@" | head -c -1; exit 0 ;;
  nothing) exit 0 ;;
  garbage) echo "I am a dump, trust me"; exit 0 ;;
  hang) "$real" "$@" | head -c 3000000; sleep 98765 ;;
  stubborn) trap '' TERM; "$real" "$@" | head -c 3000000; exec sleep 98765 ;;
  slow) "$real" "$@" | head -c 3000000 >/tmp/half; "$real" "$@" >/tmp/whole
        cat /tmp/half; sleep 3; tail -c +3000001 /tmp/whole; exit 0 ;;
  *) exec "$real" "$@" ;;
esac
"#;

fn stubbed(world: &World, labels: &[(&str, &str)]) -> crate::world::Server {
    let stub = world.folder.join("pg_dump");
    std::fs::write(&stub, STUB).unwrap();
    let mount = format!("{}:/usr/local/bin/pg_dump:ro", stub.display());
    std::fs::set_permissions(&stub, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let server = world.postgres("db", labels, &["--volume", &mount]);
    fill(&server);
    server
}

#[test]
fn a_tool_that_fails_or_lies_publishes_nothing() {
    let world = World::new();
    let server = stubbed(&world, &[("enable", "true")]);
    let guarded = Guarded::new(&world);
    for (mode, words) in [
        ("half-1", "`pg_dump` in container"),
        ("half-0", "the dump is cut: it ends within the data of table public.t"),
        ("less-1-byte", "the dump is cut"),
        ("nothing", "the dump is empty"),
        ("garbage", "this is not a dump: it does not begin with `PGDMP`"),
    ] {
        server.shell(&format!("echo {mode} > /tmp/stub")).expect(0);
        guarded.check(&world, world.ringbolt(&["backup"]), words);
        nothing_runs(&server);
    }
    let said = {
        server.shell("echo half-1 > /tmp/stub");
        world.ringbolt(&["backup"])
    };
    said.expect(1).says("failed with exit code 1: pg_dump: error: connection lost");
    server.shell("rm /tmp/stub").expect(0);
    world.ringbolt(&["backup"]).expect(0);
}

#[test]
fn the_plain_format_is_guarded_too() {
    let world = World::new();
    let server = stubbed(&world, &[("enable", "true"), ("format", "plain")]);
    let guarded = Guarded::new(&world);
    for (mode, words) in [
        ("half-0", "the dump is cut: it ends within the rows of public.t"),
        ("less-1-byte", "the dump is cut"),
        ("nothing", "the dump is empty"),
        ("garbage", "the dump is cut"),
    ] {
        server.shell(&format!("echo {mode} > /tmp/stub")).expect(0);
        guarded.check(&world, world.ringbolt(&["backup"]), words);
    }
}

#[test]
fn a_silent_dump_is_ended_inside_the_container() {
    let world = World::new();
    let server = stubbed(&world, &[("enable", "true"), ("stall", "2s")]);
    let guarded = Guarded::new(&world);
    for mode in ["hang", "stubborn"] {
        server.shell(&format!("echo {mode} > /tmp/stub")).expect(0);
        guarded.check(&world, world.ringbolt(&["backup"]), "nothing came for 2.0s");
        nothing_runs(&server);
    }
}

#[test]
fn a_dump_may_be_silent_below_the_limit_and_no_longer_than_the_timeout() {
    let world = World::new();
    let patient = stubbed(&world, &[("enable", "true"), ("stall", "30s")]);
    patient.shell("echo slow > /tmp/stub").expect(0);
    world.ringbolt(&["backup"]).expect(0);

    let world = World::new();
    let hasty = stubbed(&world, &[("enable", "true"), ("timeout", "5s")]);
    let guarded = Guarded::new(&world);
    hasty.shell("echo hang > /tmp/stub").expect(0);
    guarded.check(&world, world.ringbolt(&["backup"]), "the time it may take is over");
    nothing_runs(&hasty);
}

#[test]
fn asked_to_stop_it_stops_and_leaves_nothing() {
    let world = World::new();
    let server = stubbed(&world, &[("enable", "true")]);
    let guarded = Guarded::new(&world);
    server.shell("echo hang > /tmp/stub").expect(0);
    for signal in ["TERM", "INT"] {
        let mut child = world.command().arg("backup").spawn().unwrap();
        wait_for("the dump", || server.processes().contains("sleep 98765"));
        let pid = child.id().to_string();
        std::process::Command::new("kill").args(["-s", signal, &pid]).status().unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130));
        nothing_runs(&server);
        assert!(world.files() == guarded.files);
    }
}

#[test]
fn a_tool_that_is_not_there_is_named() {
    let world = World::new();
    let server = world.postgres("db", &[("enable", "true")], &[]);
    let guarded = Guarded::new(&world);
    server.shell("mv $(readlink -f $(command -v pg_dump)) /tmp/; rm -f /usr/lib/postgresql/*/bin/pg_dump").expect(0);
    server.shell("rm -f /usr/bin/pg_dump").expect(0);
    let ran = world.ringbolt(&["backup"]).says("has no `pg_dump`");
    guarded.check(&world, ran, "`pg_dump` in container");
}

/// The tool is asked for its version in the same command as the server, by a shell.
#[test]
fn a_tool_that_does_not_tell_its_version_is_named() {
    let world = World::new();
    let server = stubbed(&world, &[("enable", "true"), ("stall", "2s")]);
    let guarded = Guarded::new(&world);
    for (mode, words) in [
        ("broken", "failed with exit code 3: pg_dump: error while loading shared libraries"),
        ("mute", "nothing came for 2.0s"),
    ] {
        server.shell(&format!("echo {mode} > /tmp/stub")).expect(0);
        guarded.check(&world, world.ringbolt(&["backup"]), words);
        nothing_runs(&server);
    }
    server.shell("echo chatty > /tmp/stub").expect(0);
    let answer = world.ringbolt(&["--dry-run", "--json"]).expect(0).json();
    let version = answer["sources"][0]["tool_version"].as_str().unwrap();
    assert!(version.starts_with("pg_dump (PostgreSQL)") && !version.contains('\n'), "{version}");

    server.shell("rm /bin/sh").expect(0);
    let ran = world.ringbolt(&["--dry-run"]).expect(1);
    ran.says("cannot ask `pg_dump` in container").says("the image needs `/bin/sh`");
}

#[test]
fn a_wrong_password_and_a_missing_database_are_told() {
    let strict =
        ["--env", "POSTGRES_INITDB_ARGS=--auth-local=scram-sha-256", "--env", "WRONG=hunter2"];
    let world = World::new();
    world.postgres("db", &[("enable", "true"), ("password", "env:WRONG")], &strict);
    let ran = world
        .ringbolt(&["backup"])
        .expect(1)
        .says("password authentication failed for user \"keeper\"");
    assert!(ran.stderr.contains("hint: the password is looked up"), "{ran:?}");
    assert!(!ran.stderr.contains("hunter2") && world.files().is_empty());
    world.ringbolt(&["--dry-run"]).expect(1).says("password authentication failed");

    let world = World::new();
    world.postgres("db", &[("enable", "true"), ("databases", "keeper, nowhere")], &[]);
    let ran = world.ringbolt(&["backup"]).expect(1);
    ran.says("database `nowhere` does not exist on the server")
        .says("the server has keeper, postgres");
    assert_eq!(world.list().len(), 2, "the other database went on");

    let world = World::new();
    world.postgres("db", &[("enable", "true"), ("password", "env:NOWHERE")], &[]);
    world.ringbolt(&["backup"]).expect(1).says("cannot find secret `env:NOWHERE`");
}

#[test]
fn one_source_s_failure_never_stops_another() {
    let world = World::new();
    world.postgres("a-bad", &[("enable", "true"), ("databases", "nowhere")], &[]);
    let good = world.postgres("b-good", &[("enable", "true")], &[]);
    world.ringbolt(&["backup"]).expect(1);
    assert!(world.list().iter().all(|archive| archive["source"] == good.source()));
    assert_eq!(world.list().len(), 2);
}
