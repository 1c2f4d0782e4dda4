//! Replacing what is there: it is backed up first, applications are let go, and whatever is killed or
//! fails, the old data is there or in an archive that is named.

use std::process::{Child, Stdio};

use super::{back_up, left, rows, shop};
use crate::world::{Server, World, docker, wait_for};

/// A program of a container that does its work but for one call, which never ends.
pub(super) fn hang(server: &Server, tool: &str, mark: &str) {
    let path = server.shell(&format!("command -v {tool}")).expect(0).stdout;
    let path = path.trim();
    server.shell(&format!("[ -e {path}.real ] || mv {path} {path}.real")).expect(0);
    let stub = format!(
        "#!/bin/sh\ncase \"$*\" in *'{mark}'*) touch /tmp/hangs; exec tail -f /dev/null;; esac\n\
         exec {path}.real \"$@\"\n"
    );
    server
        .shell_with_input(&format!("cat > {path} && chmod 755 {path}"), stub.as_bytes())
        .expect(0);
}

pub(super) fn mend(server: &Server, tool: &str) {
    let path = server.shell(&format!("command -v {tool}")).expect(0).stdout;
    let path = path.trim();
    server.shell(&format!("mv {path}.real {path}; rm -f /tmp/hangs")).expect(0);
}

/// Starts a command, waits until something hangs in the container, and kills it.
pub(super) fn kill_when_it_hangs(world: &World, server: &Server, arguments: &[&str]) {
    let mut command = world.command();
    command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child: Child = command.spawn().unwrap();
    wait_for("the step to kill it in", || server.shell("test -e /tmp/hangs").code == Some(0));
    // This is SIGKILL.
    child.kill().unwrap();
    child.wait().unwrap();
}

fn safeties(world: &World, source: &str) -> Vec<String> {
    let own = world.list().into_iter().filter(|a| a["source"] == source && a["part"] == "database");
    own.map(|archive| archive["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_database_gives_way_under_a_running_application() {
    let world = World::new();
    let (server, id) = shop(&world);
    server.sql("keeper", "INSERT INTO t SELECT generate_series(11, 25)");
    let application =
        "while :; do psql --username=keeper --quiet --command='SELECT pg_sleep(60)'; done";
    docker(&["exec", "--detach", &server.name, "sh", "-c", application]).expect(0);
    let connected = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)' AND pid <> pg_backend_pid()";
    wait_for("the application", || server.sql("template1", connected) != "0");

    let restore = ["restore", "shop@latest", "--into", &server.name, "--replace", "--json"];
    let ran = world.ringbolt(&restore).expect(0);
    let safety = ran.json()["safety"].as_str().unwrap().to_owned();
    ran.says("backing up database keeper as shop.before-restore")
        .says("what is written to it after");
    assert_eq!((rows(&server, "keeper"), left(&server)), ("10".to_owned(), "0".to_owned()));

    // What was replaced is an archive like any other, and nobody's latest.
    let shown = world.ringbolt(&["show", &safety, "--json"]).expect(0).json();
    assert_eq!(shown["manifest"]["trigger"], "before_restore");
    assert_eq!(
        (&shown["proof"], &shown["manifest"]["source"]),
        (&"stored".into(), &"shop.before-restore".into())
    );
    let latest = world.ringbolt(&["show", "shop@latest", "--json"]).expect(0).json();
    assert_eq!(latest["manifest"]["id"], id.as_str());
    world.ringbolt(&["restore", &safety, "--into", &server.name, "--replace"]).expect(0);
    assert_eq!(rows(&server, "keeper"), "25");
    assert_eq!(safeties(&world, "shop.before-restore").len(), 2);
}

#[test]
fn what_is_backed_up_first_is_all_of_it() {
    let world = World::new();
    let (_, id) = shop(&world);
    // Of a container that nobody labelled, and of one whose label leaves tables out.
    let bare = world.postgres("bare", &[], &[]);
    let labels = [("enable", "true"), ("name", "less"), ("exclude", "mine"), ("after", "shop")];
    let less = world.postgres("less", &labels, &[]);
    for (server, source) in [(&bare, bare.source()), (&less, "less")] {
        server.sql("keeper", "CREATE TABLE mine AS SELECT generate_series(1, 3) i");
        world.ringbolt(&["restore", &id, "--into", &server.name, "--replace"]).expect(0);
        assert_eq!(rows(server, "keeper"), "10");
        let safety = format!("{source}.before-restore/keeper@latest");
        let back = ["restore", &safety, "--into", &server.name, "--database", "back"];
        world.ringbolt(&back).expect(0);
        assert_eq!(server.sql("back", "SELECT count(*) FROM mine"), "3");
    }
    // The one database that every client connects to can give way, too.
    bare.sql("postgres", "CREATE TABLE mine (i int)");
    let restore = ["restore", &id, "--into", &bare.name, "--database", "postgres", "--replace"];
    world.ringbolt(&restore).expect(0);
    assert_eq!(rows(&bare, "postgres"), "10");
}

#[test]
fn without_a_backup_of_it_nothing_is_replaced() {
    let world = World::new();
    let (server, id) = shop(&world);
    let bad = world.postgres("bad", &[("enable", "true"), ("keep", "nonsense")], &[]);
    bad.sql("keeper", "CREATE TABLE mine (i int)");
    let ran = world.ringbolt(&["restore", &id, "--into", &bad.name, "--replace"]).expect(1);
    ran.says("cannot be backed up before it is replaced").says("keep");
    server.sql("keeper", "INSERT INTO t SELECT generate_series(11, 25)");
    let restore = ["restore", &id, "--into", &server.name, "--replace"];
    let store = world.files();
    let path = server.shell("command -v pg_dump").expect(0).stdout;
    let path = path.trim();
    server.shell(&format!("mv {path} {path}.real")).expect(0);
    let stub =
        format!("#!/bin/sh\ncase \"$*\" in *--format*) exit 3;; esac\nexec {path}.real \"$@\"\n");
    server
        .shell_with_input(&format!("cat > {path} && chmod 755 {path}"), stub.as_bytes())
        .expect(0);
    world
        .ringbolt(&restore)
        .expect(1)
        .says("was not replaced")
        .says("could not be backed up first");
    assert_eq!((rows(&server, "keeper"), left(&server)), ("25".to_owned(), "0".to_owned()));
    assert!(world.files() == store, "an archive was made of nothing");
}

#[test]
fn a_restore_that_fails_leaves_the_old_one_as_it_was() {
    let world = World::new();
    let (old, _) = shop(&world);
    old.sql("keeper", "CREATE ROLE ghost; CREATE TABLE b (i int); ALTER TABLE b OWNER TO ghost");
    let id = back_up(&world);
    let new = world.postgres("new", &[], &[]);
    new.sql("keeper", "CREATE TABLE t AS SELECT generate_series(1, 7) i");
    let ran = world.ringbolt(&["restore", &id, "--into", &new.name, "--replace"]).expect(1);
    ran.says("role \"ghost\" does not exist");
    assert_eq!((rows(&new, "keeper"), left(&new)), ("7".to_owned(), "0".to_owned()));
}

#[test]
fn killed_at_every_step_the_old_data_is_there_and_the_next_restore_cleans_up() {
    let world = World::new();
    let (server, id) = shop(&world);
    server.sql("keeper", "INSERT INTO t SELECT generate_series(11, 25)");
    let restore = ["restore", &id, "--into", &server.name, "--replace"];
    let dry = [&restore[..], &["--dry-run", "--json"]].concat();
    for (tool, mark, leftovers) in
        [("pg_dump", "--format", 0), ("pg_restore", "--exit-on-error", 1)]
    {
        hang(&server, tool, mark);
        kill_when_it_hangs(&world, &server, &restore);
        mend(&server, tool);
        assert_eq!(rows(&server, "keeper"), "25", "{tool}");
        let plan = world.ringbolt(&dry).expect(0).json();
        assert_eq!(plan["leftovers"].as_array().unwrap().len(), leftovers, "{tool}: {plan:#}");
        assert_eq!(left(&server), leftovers.to_string(), "{tool}: a dry run removed something");
    }
    let doctor = world.ringbolt(&["doctor", "--json"]).stdout;
    assert!(doctor.contains("is of a restore that runs, or was killed"), "{doctor}");

    // What somebody works in stays.
    let name =
        server.sql("template1", "SELECT datname FROM pg_database WHERE datname LIKE '%ringbolt%'");
    let sleep = format!("psql --username=keeper --dbname={name} --command='SELECT pg_sleep(600)'");
    docker(&["exec", "--detach", &server.name, "sh", "-c", &sleep]).expect(0);
    let used = format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}'");
    wait_for("somebody in it", || server.sql("template1", &used) == "1");
    let beside = ["restore", &id, "--into", &server.name, "--table", "t"];
    world.ringbolt(&beside).expect(1).says("has a `public.t` already");
    world.ringbolt(&restore).expect(0).says("it stays, 1 connected");
    assert_eq!((rows(&server, "keeper"), left(&server)), ("10".to_owned(), "1".to_owned()));
    server.sql(
        "template1",
        &format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"),
    );
    wait_for("nobody in it", || server.sql("template1", &used) == "0");
    let ran = world.ringbolt(&restore).expect(0);
    ran.says("nobody is connected, it is removed").says("removed `keeper_ringbolt_");
    assert_eq!((rows(&server, "keeper"), left(&server)), ("10".to_owned(), "0".to_owned()));
}

#[test]
fn what_was_removed_before_a_kill_is_named_until_it_is_put_back() {
    let world = World::new();
    let data = format!("data_dir={}", world.folder.join("data").display());
    let options = ["--env", "MARIADB_ROOT_PASSWORD=s3cret-pass", "--env", "MARIADB_DATABASE=shop"];
    let server = world.start(
        "ringbolt-spec/mariadb:10.11",
        "shop",
        &[("enable", "true"), ("name", "shop")],
        &options,
        &[],
    );
    let sql = |sql: &str| {
        let line = "MYSQL_PWD=s3cret-pass mariadb --host=127.0.0.1 --skip-column-names shop";
        server.shell_with_input(line, sql.as_bytes())
    };
    wait_for("MariaDB", || sql("SELECT 1").code == Some(0));
    sql("CREATE TABLE t (i int); INSERT INTO t VALUES (1), (2)").expect(0);
    world.ringbolt(&["backup"]).expect(0);
    sql("INSERT INTO t VALUES (3), (4), (5)").expect(0);
    let count = || sql("SELECT count(*) FROM t").stdout.trim().to_owned();
    let restore = ["restore", "shop@latest", "--into", &server.name, "--replace", "--set", &data];

    hang(&server, "mariadb", "--binary-mode");
    kill_when_it_hangs(&world, &server, &restore);
    mend(&server, "mariadb");
    let safety = safeties(&world, "shop.before-restore").remove(0);
    let doctor = world.ringbolt(&["doctor", "--json", "--set", &data]).expect(1).stdout;
    assert!(
        doctor.contains("by a restore that did not end") && doctor.contains(&safety),
        "{doctor}"
    );
    let dry = ["restore", &safety, "--into", &server.name, "--dry-run", "--set", &data];
    let plan = world.ringbolt(&dry).expect(0).stdout;
    assert!(plan.contains("an earlier restore did not end") && plan.contains(&safety), "{plan}");
    let back = ["restore", &safety, "--into", &server.name, "--set", &data];
    world.ringbolt(&back).expect(0);
    assert_eq!(count(), "5");
    let doctor = world.ringbolt(&["doctor", "--json", "--set", &data]).stdout;
    assert!(!doctor.contains("did not end"), "{doctor}");

    // One that fails says where the old data is, and how it is put back.
    let path = server.shell("command -v mariadb").expect(0).stdout;
    let path = path.trim();
    server.shell(&format!("mv {path} {path}.real")).expect(0);
    let stub = format!(
        "#!/bin/sh\ncase \"$*\" in *--binary-mode*) exit 4;; esac\nexec {path}.real \"$@\"\n"
    );
    server
        .shell_with_input(&format!("cat > {path} && chmod 755 {path}"), stub.as_bytes())
        .expect(0);
    let ran = world.ringbolt(&restore).expect(1);
    let safety = safeties(&world, "shop.before-restore").remove(0);
    let ran = ran.says(&format!("held before is in archive `{safety}`"));
    ran.says(&format!("put it back: `ringbolt restore {safety} --into {}", server.name));
    mend(&server, "mariadb");
    world.ringbolt(&["restore", &safety, "--into", &server.name, "--set", &data]).expect(0);
    assert_eq!(count(), "5");

    // An archive that is damaged is found before anything is removed.
    let id = world.ringbolt(&["show", "shop@latest", "--json"]).expect(0).json();
    let id = id["manifest"]["id"].as_str().unwrap();
    let payload = world.files().into_keys().find(|n| n.contains(id) && !n.ends_with(".json"));
    let payload = world.store().join(payload.unwrap());
    let mut bytes = std::fs::read(&payload).unwrap();
    bytes[40] ^= 1;
    std::fs::write(&payload, bytes).unwrap();
    let before = safeties(&world, "shop.before-restore").len();
    world
        .ringbolt(&["restore", id, "--into", &server.name, "--replace", "--set", &data])
        .expect(1)
        .says("is damaged");
    assert_eq!((count(), safeties(&world, "shop.before-restore").len()), ("5".to_owned(), before));
}

#[test]
fn an_old_one_goes_only_if_something_took_its_place() {
    let world = World::new();
    let (server, id) = shop(&world);
    // As of a restore that was killed between the change of names and its last step.
    server.sql("postgres", "CREATE DATABASE new_ringbolt_old_0123abcd; CREATE DATABASE newer");
    let restore = ["restore", &id, "--into", &server.name, "--database", "new"];
    world.ringbolt(&restore).expect(0).says("it stays, for nothing took its place");
    assert_eq!((rows(&server, "new"), left(&server)), ("10".to_owned(), "1".to_owned()));
    let again = [&restore[..], &["--replace"]].concat();
    world.ringbolt(&again).expect(0).says("removed `new_ringbolt_old_0123abcd`");
    assert_eq!((rows(&server, "new"), left(&server)), ("10".to_owned(), "0".to_owned()));
}

#[test]
fn two_restores_do_not_replace_one_database_at_once() {
    let world = World::new();
    let data = format!("data_dir={}", world.folder.join("data").display());
    let options = ["--env", "ALLOW_EMPTY_PASSWORD=yes"];
    let labels = [("enable", "true"), ("name", "cache")];
    let server = world.start("ringbolt-spec/redis:7", "cache", &labels, &options, &[]);
    let ask = |line: &str| server.shell(&format!("redis-cli {line}")).stdout.trim().to_owned();
    wait_for("Redis", || ask("PING") == "PONG");
    ask("SET a 1");
    world.ringbolt(&["backup"]).expect(0);
    ask("SET b 2");
    let restore = ["restore", "cache@latest", "--into", &server.name, "--replace", "--set", &data];
    // The first one stands still in its backup, before anything is removed.
    hang(&server, "redis-cli", "--rdb");
    let mut command = world.command();
    command.args(restore).stdout(Stdio::null()).stderr(Stdio::null());
    let mut first: Child = command.spawn().unwrap();
    wait_for("the first one", || server.shell("test -e /tmp/hangs").code == Some(0));
    world.ringbolt(&restore).expect(1).says("is being replaced by another restore");
    first.kill().unwrap();
    first.wait().unwrap();
    mend(&server, "redis-cli");
    assert_eq!(ask("DBSIZE"), "2");
    let doctor = world.ringbolt(&["doctor", "--json", "--set", &data]).stdout;
    assert!(!doctor.contains("did not end"), "nothing was removed: {doctor}");
    world.ringbolt(&restore).expect(0);
    assert_eq!(ask("DBSIZE"), "1");
}
