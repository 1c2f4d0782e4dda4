//! SQLite among those who use it: applications that write, hold locks and die, files that are not there,
//! are not whole or are no databases, and what a restore finds in its place.

use std::process::Command;

use super::sqlite::{APP, DATABASE, ENABLED, LABELS, SQLITE, sqlite};
use crate::world::{Ran, Server, World, docker, wait_for};

/// What an application does without end: it takes from one table, gives to another, and writes it down.
const WRITER: &str = r#"while :; do echo "BEGIN IMMEDIATE;
UPDATE a SET v = v - 1 WHERE id = abs(random()) % 100 + 1;
UPDATE b SET v = v + 1 WHERE id = abs(random()) % 100 + 1;
UPDATE filler SET x = randomblob(1000) WHERE rowid = abs(random()) % 20000 + 1;
INSERT INTO log DEFAULT VALUES; COMMIT;"; done 2>/dev/null | sh -c 'echo $$ > /tmp/pid; exec "$@"' sh \
sqlite3 -batch -bail -cmd '.timeout 20000' -cmd 'PRAGMA synchronous = OFF' /data/app.db"#;
const WRITTEN: &str = "CREATE TABLE a (id INTEGER PRIMARY KEY, v INTEGER);
CREATE TABLE b (id INTEGER PRIMARY KEY, v INTEGER);
CREATE TABLE log (i INTEGER PRIMARY KEY AUTOINCREMENT);
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)
INSERT INTO a SELECT i, 1000 FROM n;
INSERT INTO b SELECT * FROM a;
CREATE TABLE filler AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
SELECT randomblob(1000) AS x FROM n;";
/// How much is missing in the one, is in the other, and how often it was written down.
const BALANCE: &str = "SELECT 100000 - (SELECT sum(v) FROM a), (SELECT sum(v) FROM b) - 100000, (SELECT count(*) FROM log);";

/// A container without `sqlite3` whose files a helper reads, and one with it that uses the same.
fn neighbours(world: &World, labels: &[(&str, &str)]) -> (Server, Server) {
    let app = world.start(APP, "app", labels, &[], &[]);
    let other = world.start(SQLITE, "other", &[], &["--volumes-from", &app.name], &[]);
    (app, other)
}

fn detached(server: &Server, line: &str) {
    docker(&["exec", "--detach", &server.name, "sh", "-c", line]).expect(0);
}

/// Kills the process whose number lies in `/tmp/pid`, and waits until it is gone.
fn killed(server: &Server) {
    server.shell("kill -KILL $(cat /tmp/pid)").expect(0);
    wait_for("the end", || server.shell("test -d /proc/$(cat /tmp/pid)").code != Some(0));
}

fn check_while_writing(world: &World, server: &Server, writer: &Server) {
    for mode in ["delete", "wal"] {
        let begin = format!("PRAGMA journal_mode = {mode}; {WRITTEN}");
        sqlite(server, DATABASE, &begin);
        detached(writer, WRITER);
        let logged = || {
            let found = sqlite(server, DATABASE, "SELECT count(*) FROM log;");
            found.parse::<u64>().unwrap()
        };
        wait_for("the writer", || logged() > 20);
        for round in 0..2 {
            let before = logged();
            world.ringbolt(&["backup", server.source()]).expect(0);
            // The writer has not given up.
            let now = logged();
            wait_for("more to be written", || logged() > now);
            let beside = format!("/data/{mode}{round}.db");
            let latest = format!("{}@latest", server.source());
            let arguments = ["restore", &latest, "--into", &server.name, "--database", &beside];
            world.ringbolt(&arguments).expect(0);
            let balance = sqlite(server, &beside, BALANCE);
            let sums: Vec<u64> = balance.split('|').map(|sum| sum.parse().unwrap()).collect();
            assert!(sums[0] == sums[1] && sums[1] == sums[2], "{mode}: {balance}");
            assert!(sums[0] >= before, "{mode}: {balance}, {before} before");
        }
        killed(writer);
        server.shell("rm /data/*").expect(0);
    }
}

#[test]
fn a_dump_is_one_state_while_the_application_writes() {
    let world = World::with_helper();
    let server = world.start(SQLITE, "own", ENABLED, &[], &[]);
    check_while_writing(&world, &server, &server);
    let (app, other) = neighbours(&world, ENABLED);
    check_while_writing(&world, &app, &other);
}

#[test]
fn a_lock_held_for_long_is_said() {
    let world = World::with_helper();
    let server = world.start(SQLITE, "own", ENABLED, &[], &[]);
    let (app, other) = neighbours(&world, ENABLED);
    for (own, holder) in [(&server, &server), (&app, &other)] {
        sqlite(own, DATABASE, "CREATE TABLE t (i);");
        detached(
            holder,
            "(echo 'BEGIN EXCLUSIVE; SELECT 1;'; exec sleep infinity) | sqlite3 /data/app.db > /tmp/held",
        );
        wait_for("the lock", || holder.shell("test -s /tmp/held").code == Some(0));
    }
    std::thread::scope(|scope| {
        for source in [server.source(), app.source()] {
            scope.spawn(|| {
                let ran = world.ringbolt(&["backup", source]).expect(1);
                ran.says("database is locked").says("back up when it is quiet");
            });
        }
    });
    assert!(world.files().is_empty());
}

#[test]
fn several_files_and_patterns_are_found() {
    let world = World::with_helper();
    let path = "/data/app.db, /data/many/*.db, /data/[x-z]*/?.db, /data/none/*.db, /data/many/b.db, /data/missing.db";
    let labels = [("enable", "true"), ("engine", "sqlite"), ("path", path)];
    let server = world.start(SQLITE, "own", &labels, &[], &[]);
    let (app, _other) = neighbours(&world, &labels);
    for server in [&server, &app] {
        server
            .shell("mkdir -p /data/many/x.db '/data/y y' && echo text > /data/many/text.db")
            .expect(0);
        server.shell("touch /data/many/empty.db && ln -s b.db /data/many/link.db").expect(0);
        for name in ["app.db", "many/a $(id) 'b'.db", "many/b.db", "many/.hidden.db", "y y/1.db"] {
            let sql = "PRAGMA journal_mode = wal; CREATE TABLE t (i); INSERT INTO t VALUES (1);";
            sqlite(server, &format!("/data/{name}"), sql);
        }
        let ran = world.ringbolt(&["backup", server.source(), "--json"]);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        let ran = ran.says("/data/missing.db").says("/data/none/*.db").says("there is no ");
        let report = &ran.json()["sources"][0];
        let archives = report["archives"].as_array().unwrap();
        let found: Vec<_> = archives.iter().map(|a| a["database"].as_str().unwrap()).collect();
        let expected = ["app.db", "many/a $(id) 'b'.db", "many/b.db", "many/link.db", "y y/1.db"];
        let expected: Vec<String> = expected.iter().map(|name| format!("/data/{name}")).collect();
        assert_eq!(found, expected, "{ran:#?}");
        assert_eq!(
            archives[0]["warnings"][0], "no database files, left out: `/data/many/text.db`",
            "{ran:#?}"
        );
        let dry = world.ringbolt(&["backup", "--dry-run", server.source()]);
        assert_ne!(dry.code, Some(0));
        let nasty = format!("{}//data/many/a $(id) 'b'.db@latest", server.source());
        let restored = ["restore", &nasty, "--into", &server.name, "--database", "/data/new.db"];
        world.ringbolt(&restored).expect(0);
        assert_eq!(sqlite(server, "/data/new.db", "SELECT * FROM t"), "1");
    }
}

#[test]
fn what_is_no_whole_database_fails() {
    let world = World::with_helper();
    let server = world.start(SQLITE, "own", ENABLED, &[], &[]);
    let (app, _other) = neighbours(&world, ENABLED);
    for server in [&server, &app] {
        let fails = |words: &str| {
            let ran = world.ringbolt(&["backup", server.source()]);
            assert_eq!(ran.code, Some(1), "{words}: {ran:?}");
            ran.says(words).says(DATABASE);
            assert!(world.files().is_empty(), "{words}");
        };
        fails("there is no ");
        // So begins what SQLCipher encrypts.
        server.shell("head -c 8192 /dev/urandom > /data/app.db").expect(0);
        fails("not a database");
        server.shell("rm /data/app.db; mkdir /data/app.db").expect(0);
        fails("there is no ");
        server.shell("rmdir /data/app.db").expect(0);
        sqlite(server, DATABASE, WRITTEN);
        server.shell("cp /data/app.db /data/whole").expect(0);
        // In the middle of a page of the filler's tree.
        let flip = "printf 'XXXXXXXXXXXXXXXX' | dd of=/data/app.db bs=1 seek=$((4096 * 1000)) conv=notrunc";
        server.shell(flip).expect(0);
        fails("damaged");
        server.shell("cp /data/whole /data/app.db && truncate -s -4096 /data/app.db").expect(0);
        fails("malformed");
        server.shell("cp /data/whole /data/app.db").expect(0);
        world.ringbolt(&["backup", server.source()]).expect(0);
        std::fs::remove_dir_all(world.store()).unwrap();
    }
}

#[test]
fn what_only_the_application_can_check_is_warned_of() {
    let world = World::with_helper();
    let server = world.start(SQLITE, "own", ENABLED, &[], &[]);
    let (app, _other) = neighbours(&world, ENABLED);
    for server in [&server, &app] {
        let sql = "CREATE TABLE t (a TEXT COLLATE NOCASE PRIMARY KEY); INSERT INTO t VALUES ('x'), ('y');
            PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = replace(sql, 'NOCASE', 'THEIRS');";
        sqlite(server, DATABASE, sql);
        let ran = world.ringbolt(&["backup", server.source(), "--json"]).expect(0).json();
        let warning = ran["sources"][0]["archives"][0]["warnings"][0].as_str().unwrap();
        assert!(warning.contains("no such collation sequence: THEIRS"), "{warning}");
        let latest = format!("{}@latest", server.source());
        let beside = ["restore", &latest, "--into", &server.name, "--database", "/data/2.db"];
        world.ringbolt(&beside).expect(0);
        assert_eq!(sqlite(server, "/data/2.db", "SELECT count(*) FROM t"), "2");
    }
}

#[test]
fn what_is_on_no_volume_is_told_and_never_written() {
    let world = World::with_helper();
    let path = "/srv/app.db";
    let labels = [("enable", "true"), ("engine", "sqlite"), ("path", path)];
    let app = world.start(APP, "app", &labels, &[], &[]);
    app.shell("touch /srv/app.db").expect(0);
    let ran = world.ringbolt(&["backup"]).expect(1);
    ran.says("`/srv/app.db` is on no volume of the container").says("has no `sqlite3`");
    let server = world.start(SQLITE, "own", ENABLED, &[], &[]);
    sqlite(&server, DATABASE, "CREATE TABLE t (i);");
    world.ringbolt(&["backup", server.source()]).expect(0);
    let latest = format!("{}@latest", server.source());
    for (folder, words) in [
        ("/srv", "is on no volume"),
        ("/tmp", "is on no volume"),
        ("/backups", "is on no volume"),
        ("/data/none", "there is no folder"),
    ] {
        let database = format!("{folder}/new.db");
        let arguments = ["restore", &latest, "--into", &app.name, "--database", &database];
        world.ringbolt(&arguments).expect(1).says(words);
    }
    let arguments = ["restore", &latest, "--into", &server.name, "--database", "/data/none/new.db"];
    world.ringbolt(&arguments).expect(1).says("there is no folder");
}

/// An empty database that is open elsewhere is filled in place; what an earlier one left is not touched.
#[test]
fn a_restore_heeds_what_is_there() {
    let world = World::with_helper();
    let server = world.start(SQLITE, "own", ENABLED, &[], &[]);
    let (app, other) = neighbours(&world, LABELS);
    sqlite(&server, DATABASE, &format!("PRAGMA journal_mode = wal; {WRITTEN}"));
    world.ringbolt(&["backup", server.source()]).expect(0);
    let latest = format!("{}@latest", server.source());
    for (into, user) in [(&server, &server), (&app, &other)] {
        let restore = |database: &str| {
            world.ringbolt(&["restore", &latest, "--into", &into.name, "--database", database])
        };
        into.shell("touch /data/empty && chown 1000:1000 /data/empty").expect(0);
        restore("/data/empty").expect(0);
        assert_eq!(sqlite(into, "/data/empty", BALANCE), "0|0|0");
        let owner = into.shell("stat -c %u:%g /data/empty").expect(0).stdout;
        assert_eq!(owner.trim(), "1000:1000");

        sqlite(into, "/data/wal", "PRAGMA journal_mode = wal; CREATE TABLE t (i); DROP TABLE t;");
        detached(
            user,
            "(sleep infinity) | sqlite3 -cmd 'SELECT count(*) FROM sqlite_master' /data/wal > /tmp/open",
        );
        wait_for("a user", || user.shell("test -s /tmp/open").code == Some(0));
        restore("/data/wal").expect(0);
        assert_eq!(sqlite(into, "/data/wal", BALANCE), "0|0|0");
        restore("/data/wal").expect(1).says("is not empty");

        into.shell("echo left > /data/gone-wal").expect(0);
        restore("/data/gone").expect(1).says("of an earlier database is still there");
        into.shell("rm /data/gone-wal && echo other > /data/other").expect(0);
        restore("/data/other").expect(1).says("not a database");
        restore("/data/gone").expect(0);
        let left = into.shell("ls -a /data").expect(0).stdout;
        assert!(!left.contains("ringbolt"), "{left}");
    }
}

/// A dump that was killed leaves its copy; the next one removes it.
#[test]
fn a_killed_dump_is_swept() {
    let world = World::new();
    let server = world.start(SQLITE, "own", ENABLED, &[], &[]);
    sqlite(&server, DATABASE, WRITTEN);
    let host = server.shell("cat /proc/sys/kernel/hostname").expect(0).stdout;
    let host = host.trim();
    let make = format!(
        "cd /tmp && mkdir ringbolt-sqlite.{host}.99999.abc ringbolt-sqlite.{host}.1.abc && touch ringbolt-sqlite.{host}.99999.abc/snapshot"
    );
    server.shell(&make).expect(0);
    world.ringbolt(&["backup"]).expect(0);
    let left = server.shell("ls /tmp").expect(0).stdout;
    assert_eq!(left.trim(), format!("ringbolt-sqlite.{host}.1.abc"));
}

/// What an application that was killed left half written is undone, as its next start would.
#[test]
fn a_crash_of_the_application_is_no_hindrance() {
    let world = World::with_helper();
    let server = world.start(SQLITE, "own", ENABLED, &[], &[]);
    let (app, other) = neighbours(&world, ENABLED);
    for (own, user) in [(&server, &server), (&app, &other)] {
        for mode in ["delete", "wal"] {
            sqlite(own, DATABASE, &format!("PRAGMA journal_mode = {mode}; {WRITTEN}"));
            // So small a cache writes to the file before the transaction ends.
            let line = "(echo 'PRAGMA cache_size = 1; PRAGMA cache_spill = 1; BEGIN; UPDATE filler SET x = zeroblob(1000); SELECT 1;'; exec sleep infinity) |
                sh -c 'echo $$ > /tmp/pid; exec sqlite3 /data/app.db' > /tmp/half";
            detached(user, &format!("rm -f /tmp/half; {line}"));
            wait_for("half a transaction", || user.shell("test -s /tmp/half").code == Some(0));
            killed(user);
            world.ringbolt(&["backup", own.source()]).expect(0);
            let beside = format!("/data/{mode}.db");
            let latest = format!("{}@latest", own.source());
            let arguments = ["restore", &latest, "--into", &own.name, "--database", &beside];
            world.ringbolt(&arguments).expect(0);
            let zeros = "SELECT count(*) FROM filler WHERE x = zeroblob(1000)";
            assert_eq!(sqlite(own, &beside, zeros), "0");
            own.shell("rm /data/app.db*").expect(0);
        }
    }
}

/// The application's own files stay its own, also where the dump is root's.
#[test]
fn files_beside_a_database_belong_to_its_owner() {
    let world = World::with_helper();
    let server = world.start(SQLITE, "own", ENABLED, &[], &[]);
    let (app, _other) = neighbours(&world, ENABLED);
    for own in [&server, &app] {
        sqlite(own, DATABASE, "PRAGMA journal_mode = wal; CREATE TABLE t (i);");
        own.shell("chown -R 1000:1000 /data && rm -f /data/app.db-*").expect(0);
        let before = own.shell("sha256sum /data/app.db").expect(0).stdout;
        world.ringbolt(&["backup", own.source()]).expect(0);
        assert_eq!(own.shell("sha256sum /data/app.db").expect(0).stdout, before);
        let owners = own.shell("stat -c %u:%g /data/* | sort -u").expect(0).stdout;
        assert_eq!(owners.trim(), "1000:1000");
        let mut command = Command::new("docker");
        command.args([
            "exec",
            "--user",
            "1000:1000",
            &server.name,
            "sqlite3",
            DATABASE,
            "INSERT INTO t VALUES (1)",
        ]);
        Ran::of(&mut command).expect(0);
    }
}
