//! Dumps that are whole, end with their trailer, exit with 0 and have the right digests, and do not restore
//! what was there. Only a drill finds them.

use super::nothing_is_left;
use crate::world::{Server, World, docker, wait_for};

/// Puts a program before the dump tool of a container that changes what it says. The image still has the
/// true one.
fn lie(server: &Server, tool: &str, change: &str) {
    let found = server.shell(&format!("command -v {tool}")).expect(0).stdout;
    let path = found.trim();
    let stub = format!(
        "#!/bin/sh\ncase \"$*\" in *--version* | *--help* | *globals*) exec {path}.real \"$@\";; esac\n\
         {path}.real \"$@\" | {change}\n"
    );
    let write =
        format!("[ -e {path}.real ] || mv {path} {path}.real; cat >{path} && chmod 755 {path}");
    server.shell_with_input(&write, stub.as_bytes()).expect(0);
}

/// A backup whose drill finds what is wrong: it fails, and what it has made is marked, and is not what
/// `@latest` means.
fn check_found(world: &World, server: &Server, database: &str, words: &str) {
    let before = world.list().len();
    let ran = world.ringbolt(&["backup"]).expect(1).says("is no good").says(words);
    nothing_is_left(server);
    assert!(world.list().len() > before, "{ran:?}");
    let archive = world.newest(database);
    assert_eq!(archive["proof"], "broken", "{ran:?}");
    let meant =
        world.ringbolt(&["show", &format!("{}/{database}@latest", server.source()), "--json"]);
    assert_ne!(meant.json()["manifest"]["id"], archive["id"]);
    // It stays what it is when its bytes are looked at: they are as they were written.
    let id = archive["id"].as_str().unwrap();
    world.ringbolt(&["verify", id]).expect(0);
    assert_eq!(world.newest(database)["proof"], "broken");
}

#[test]
fn a_wrong_dump_of_postgres_is_found() {
    let world = World::new();
    let labels = [
        ("enable", "true"),
        ("format", "plain"),
        ("verify", "drill"),
        ("verify.checksums", "true"),
    ];
    let server = world.postgres("db", &labels, &[]);
    server.sql(
        "keeper",
        "CREATE TABLE t AS SELECT i, timestamptz '2026-01-01 00:00Z' + i * interval '1 hour' AS at
           FROM generate_series(1, 100) i;
         CREATE INDEX t_at ON t (at);",
    );
    world.ringbolt(&["backup"]).expect(0).says("restores");
    for (change, words) in [
        ("sed '/^CREATE INDEX t_at/d'", "index public.t_at is missing"),
        ("sed '/^42\\t/d'", "rows public.t is `99, sum"),
        ("sed 's/^\\(42\\t2026-01-02 \\)[0-9][0-9]/\\100/'", "rows public.t is `100, sum"),
    ] {
        lie(&server, "pg_dump", change);
        check_found(&world, &server, "keeper", words);
    }
}

#[test]
fn a_wrong_dump_of_mariadb_is_found() {
    let world = World::new();
    let labels = [("enable", "true"), ("verify", "drill"), ("verify.checksums", "true")];
    let options = ["--env", "MARIADB_ROOT_PASSWORD=s3cret-pass", "--env", "MARIADB_DATABASE=shop"];
    let zone = ["--default-time-zone=+05:30"];
    let server = world.start("ringbolt-spec/mariadb:11.8", "db", &labels, &options, &zone);
    wait_for("the server", || {
        docker(&["exec", &server.name, "mariadb-admin", "--host=127.0.0.1", "ping"]).code == Some(0)
    });
    let seed = "MYSQL_PWD=s3cret-pass mariadb --user=root shop --execute='
        CREATE TABLE t (i INT PRIMARY KEY, at TIMESTAMP NOT NULL, KEY at (at));
        INSERT INTO t SELECT seq, FROM_UNIXTIME(1780000000 + seq * 3600) FROM seq_1_to_100'";
    server.shell(seed).expect(0);
    world.ringbolt(&["backup"]).expect(0).says("restores");
    for (change, words) in [
        // The times were written as UTC; nothing says so any more.
        ("sed '/SET TIME_ZONE=/d'", "rows t is `100, sum"),
        ("sed '/KEY `at`/d; s/PRIMARY KEY (`i`),/PRIMARY KEY (`i`)/'", "index t.at is missing"),
        ("sed 's/(42,[^)]*),//; /^(42,/d'", "rows t is `99, sum"),
    ] {
        lie(&server, "mariadb-dump", change);
        check_found(&world, &server, "shop", words);
    }
}
