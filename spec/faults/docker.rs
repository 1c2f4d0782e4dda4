//! Docker lets us down: the container dies, the stream is cut, nobody answers.

use super::{Guarded, fill, nothing_runs, proxy};
use crate::world::{World, docker, wait_for};

#[test]
fn a_container_that_dies_in_the_middle_of_a_dump() {
    let world = World::new();
    let server = world.postgres("db", &[("enable", "true")], &[]);
    fill(&server);
    let guarded = Guarded::new(&world);
    for end in [&["kill"][..], &["stop", "--time=1"], &["rm", "--force", "--volumes"]] {
        docker(&["start", &server.name]);
        wait_for("PostgreSQL", || {
            server.shell("pg_isready --quiet --host=127.0.0.1").code == Some(0)
        });
        // The lock makes the dump wait in its middle: it has connected, and writes no data yet.
        let lock =
            "psql -U keeper -c 'BEGIN; LOCK TABLE t; SELECT pg_sleep(1000)' >/dev/null 2>&1 &";
        server.shell(lock).expect(0);
        wait_for("the lock", || {
            server.sql("keeper", "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation = 't'::regclass") == "1"
        });
        let mut command = world.command();
        let child = command.arg("backup").stderr(std::process::Stdio::piped()).spawn().unwrap();
        // Not `pg_dump --version`, which the probe runs.
        wait_for("the dump", || server.processes().contains("pg_dump --no-password"));
        docker(&[end, &[server.name.as_str()]].concat()).expect(0);
        let output = child.wait_with_output().unwrap();
        let ran = crate::world::Ran {
            code: output.status.code(),
            stdout: String::new(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        guarded.check(&world, ran, &format!("`pg_dump` in container `{}`", server.name));
    }
}

#[test]
fn a_stream_that_is_cut_is_no_end_of_a_dump() {
    for frames in [false, true] {
        let mut world = World::new();
        let name = {
            let server = world.postgres("db", &[("enable", "true")], &[]);
            fill(&server);
            server.name.clone()
        };
        let guarded = Guarded::new(&world);
        let socket = world.socket("cutting");
        proxy::listen(&socket, 1_000_000, frames);
        world.docker_host = Some(format!("unix://{}", socket.display()));
        let ran = world.ringbolt(&["backup"]);
        let words = if frames { "the dump is cut" } else { "was cut on its way" };
        let ended =
            format!("the output of `pg_dump` in container `{name}` ended while it still ran");
        let words = if ran.stderr.contains(&ended) { &ended } else { words };
        guarded.check(&world, ran, words);
        let processes = docker(&["top", &name, "-eo", "pid,args"]).stdout;
        assert!(!processes.contains("pg_dump"), "{processes}");
    }
}

#[test]
fn nobody_answers() {
    let mut world = World::new();
    world.docker_host = Some("unix:///nowhere/docker.sock".to_owned());
    let ran = world
        .ringbolt(&["backup"])
        .expect(3)
        .says("cannot reach Docker at `unix:///nowhere/docker.sock`");
    ran.says("mount the socket");
    world.docker_host = Some("tcp://127.0.0.1:1".to_owned());
    world.ringbolt(&["--dry-run"]).expect(3).says("`tcp://127.0.0.1:1`");
    world.docker_host = Some("ssh://127.0.0.1:1".to_owned());
    world.ringbolt(&["backup"]).expect(2).says("is no address of a Docker engine");
}

#[test]
fn a_restore_that_is_killed_leaves_no_database_behind() {
    let world = World::new();
    let server = world.postgres("db", &[("enable", "true")], &[]);
    fill(&server);
    world.ringbolt(&["backup"]).expect(0);
    let latest = format!("{}@latest", server.source());
    // The stock tool waits for a lock that never comes: `pg_restore` is not there to be slow.
    server.shell("mv /usr/bin/pg_restore /usr/bin/real 2>/dev/null; rm -f /usr/lib/postgresql/*/bin/pg_restore; \
        printf '#!/bin/sh\\ncat >/dev/null & sleep 98765\\n' > /usr/bin/pg_restore; chmod 755 /usr/bin/pg_restore").expect(0);
    let mut command = world.command();
    let mut child = command
        .args(["restore", &latest, "--into", &server.name, "--database", "half"])
        .spawn()
        .unwrap();
    wait_for("the restore", || server.processes().contains("sleep 98765"));
    assert_ne!(
        server.sql(
            "postgres",
            "SELECT count(*) FROM pg_database WHERE datname LIKE 'half_ringbolt_%'"
        ),
        "0"
    );
    std::process::Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(
        server.sql("postgres", "SELECT count(*) FROM pg_database WHERE datname LIKE 'half%'"),
        "0"
    );
    nothing_runs(&server);
}

#[test]
fn a_restore_that_is_stopped_ends_the_server_s_own_work_too() {
    let world = World::new();
    let server = world.postgres("db", &[("enable", "true"), ("format", "plain")], &[]);
    // Its own index function keeps the server busy long after `psql` is gone.
    server.sql("keeper", "CREATE TABLE t AS SELECT 1 AS i;
        CREATE FUNCTION slow(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS
          'BEGIN IF current_database() <> ''keeper'' THEN PERFORM pg_sleep(100); END IF; RETURN $1; END';
        CREATE INDEX ON t (slow(i))");
    world.ringbolt(&["backup"]).expect(0);
    let latest = format!("{}@latest", server.source());
    let mut command = world.command();
    let mut child = command
        .args(["restore", &latest, "--into", &server.name, "--database", "half"])
        .spawn()
        .unwrap();
    wait_for("the index", || server.processes().contains("CREATE INDEX"));
    std::process::Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(
        server.sql("postgres", "SELECT count(*) FROM pg_database WHERE datname LIKE 'half%'"),
        "0"
    );
}
