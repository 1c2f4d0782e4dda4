//! Restore as people ask for it: which archive, what is said before anything is touched, and into a folder
//! of the host. What comes back in a database is in `engines/`; how one gives way is in `replace.rs`.

mod replace;
mod tables;

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use serde_json::Value;

use crate::encryption::pair;
use crate::world::{Server, World};

/// A server with one table of some rows, and one archive of it. The archive's id.
fn shop(world: &World) -> (Server, String) {
    let server = world.postgres("shop", &[("enable", "true"), ("name", "shop")], &[]);
    server.sql("keeper", "CREATE TABLE t AS SELECT generate_series(1, 10) i");
    let id = back_up(world);
    (server, id)
}

/// Backs up the database `keeper`; the archive's id.
fn back_up(world: &World) -> String {
    world.ringbolt(&["backup"]).expect(0);
    world.newest("keeper")["id"].as_str().unwrap().to_owned()
}

fn rows(server: &Server, database: &str) -> String {
    server.sql(database, "SELECT count(*) FROM t")
}

/// Databases with a name that only a restore gives.
fn left(server: &Server) -> String {
    server
        .sql("template1", "SELECT count(*) FROM pg_database WHERE datname LIKE '%\\_ringbolt\\_%'")
}

/// Moves an archive to another time: its id, and what names it, in its files.
fn move_to(world: &World, id: &str, stamp: &str, started: &str) -> String {
    let moved = format!("{stamp}{}", &id[16..]);
    for (name, content) in world.files() {
        let path = world.store().join(&name);
        if !name.contains(id) {
            continue;
        }
        if name.ends_with(".manifest.json") {
            let mut manifest: Value = serde_json::from_slice(&content).unwrap();
            manifest["id"] = moved.clone().into();
            manifest["started_at"] = started.into();
            manifest["payload"] = manifest["payload"].as_str().unwrap().replace(id, &moved).into();
            std::fs::write(&path, serde_json::to_vec(&manifest).unwrap()).unwrap();
        }
        std::fs::rename(&path, world.store().join(name.replace(id, &moved))).unwrap();
    }
    moved
}

#[test]
fn a_moment_means_the_newest_archive_until_then() {
    let world = World::new();
    let (server, first) = shop(&world);
    let first = move_to(&world, &first, "20261120T030000Z", "2026-11-20T03:00:00.250Z");
    let second = back_up(&world);
    let second = move_to(&world, &second, "20261121T030000Z", "2026-11-21T03:00:00.250Z");
    let third = back_up(&world);
    let third = move_to(&world, &third, "20261122T030000Z", "2026-11-22T03:00:00.250Z");
    let meant = |moment: &str| {
        let ran = world.ringbolt(&["show", &format!("shop@{moment}"), "--json"]).expect(0);
        ran.json()["manifest"]["id"].as_str().unwrap().to_owned()
    };
    for (moment, expected) in [
        ("latest", &third),
        ("2026-11-20", &first),
        ("2026-11-20T03:00", &first),
        ("2026-11-20T03:00:00Z", &first),
        ("2026-11-21T02:59", &first),
        ("2026-11-21T04:00+01:00", &second),
        ("2026-11-21T03:59+01:00", &first),
        ("2026-11-21T12:00:00", &second),
    ] {
        assert_eq!(&meant(moment), expected, "{moment}");
    }
    let newer = world.ringbolt(&["show", "shop@2027-01-01"]).expect(0);
    newer.says("no archive is newer than").says(&third);
    let older = world.ringbolt(&["show", "shop@2026-11-20T02:59"]).expect(2);
    older.says("the oldest was started at 2026-11-20T03:00:00.25Z").says(&first);
    world.ringbolt(&["show", "shop@yesterday"]).expect(2).says("`yesterday` in").says("UTC");
    world.ringbolt(&["show", "shop/nothing@2027-01-01"]).expect(2).says("no archive is named");
    world.ringbolt(&["cat", "shop/keeper@2026-11-20"]).expect(0);

    // One that is broken is passed over, and that is said; by its id it is still meant.
    let payload = world.files().into_keys().find(|n| n.contains(&third) && n.contains(".pgdump"));
    let payload = world.store().join(payload.unwrap());
    let mut bytes = std::fs::read(&payload).unwrap();
    bytes[20] ^= 1;
    std::fs::write(&payload, bytes).unwrap();
    world.ringbolt(&["verify", &third]).expect(1);
    let ran = world.ringbolt(&["show", "shop@2027-01-01"]).expect(0);
    ran.says(&format!("archive {third} is broken and is passed over")).says(&second);
    world.ringbolt(&["show", &third]).expect(0);
    let into = ["restore", "shop@2026-11-20", "--into", &server.name, "--database", "early"];
    world.ringbolt(&into).expect(0).says(&first);
    assert_eq!(rows(&server, "early"), "10");
}

#[test]
fn a_plan_is_said_first_and_a_dry_run_changes_nothing() {
    let world = World::new();
    let (server, id) = shop(&world);
    let databases = || server.sql("keeper", "SELECT string_agg(datname, ' ') FROM pg_database");
    let (before, files) = (databases(), world.files());
    let restore = |more: &[&str]| {
        world.ringbolt(&[&["restore", &id, "--into", &server.name][..], more].concat())
    };
    let dry = restore(&["--database", "new", "--dry-run"]).expect(0);
    for words in
        [&*id, "shop/keeper", "proof: stored", "postgres 15", "database new", "nothing was"]
    {
        assert!(dry.stdout.contains(words), "{words}: {dry:?}");
    }
    let json = restore(&["--database", "new", "--dry-run", "--json"]).expect(0).json();
    assert_eq!((&json["there"], &json["does"]), (&"nothing".into(), &"create".into()));
    assert_eq!((&json["rows"], &json["safety"]), (&10.into(), &Value::Null));
    let json = restore(&["--replace", "--dry-run", "--json"]).expect(0).json();
    assert_eq!((&json["there"], &json["does"]), (&"filled".into(), &"swap".into()));
    assert_eq!(json["safety"]["source"], "shop.before-restore");
    assert_eq!(json["safety"]["encrypted"], false);
    // What a restore refuses, its dry run refuses.
    restore(&["--dry-run"]).expect(1).says("is not empty").says("--replace");
    restore(&["--table", "nobody", "--dry-run"]).expect(2).says("holds no table `nobody`");
    let globals = world.ringbolt(&[
        "restore",
        "shop/@globals@latest",
        "--into",
        &server.name,
        "--dry-run",
        "--json",
    ]);
    assert_eq!(globals.expect(0).json()["does"], "globals");
    assert_eq!((databases(), world.files() == files), (before, true));
    // A real one says the same first, on the side of talk.
    let real = restore(&["--database", "new"]).expect(0);
    real.says("nothing of that name").says("a new database is made");
}

#[test]
fn a_manifest_of_a_newer_format_is_refused_before_anything_is_touched() {
    let world = World::new();
    let (server, id) = shop(&world);
    let name = world.files().into_keys().find(|n| n.ends_with(&format!("{id}.manifest.json")));
    let path = world.store().join(name.unwrap());
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("\"version\": 1", "\"version\": 9", 1)).unwrap();
    let ran = world.ringbolt(&["restore", &id, "--into", &server.name, "--database", "new"]);
    ran.expect(2).says("its version is 9").says("no archive is named");
    assert_eq!(left(&server), "0");
}

#[test]
fn a_dump_is_written_into_a_folder_once_and_whole() {
    let world = World::new();
    let (recipient, identity) = pair();
    let key = world.folder.join("key.txt");
    std::fs::write(&key, identity).unwrap();
    let server = world.postgres("db", &[("enable", "true"), ("name", "shop")], &[]);
    server.sql("keeper", "CREATE TABLE t AS SELECT generate_series(1, 10) i");
    let recipients = format!("encryption.recipients={recipient}");
    world.ringbolt(&["backup", "--set", &recipients]).expect(0);
    let id = world.newest("keeper")["id"].as_str().unwrap().to_owned();
    let (folder, key) = (world.folder.join("out/here"), key.display().to_string());
    let folder = folder.display().to_string();
    let restore = ["restore", "shop@latest", "--into", &folder];
    let list = || -> Vec<String> {
        let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().into_string().unwrap()).collect()
    };

    world.ringbolt(&restore).expect(2).says("no identity was given");
    let with_key = [&restore[..], &["-i", &key]].concat();
    let dry = world.ringbolt(&[&with_key[..], &["--dry-run"]].concat()).expect(0);
    assert!(dry.stdout.contains("would write") && !Path::new(&folder).exists(), "{dry:?}");
    for option in [&["--replace"][..], &["--database", "x"], &["--table", "t"]] {
        let ran = world.ringbolt(&[&with_key[..], option].concat()).expect(2);
        ran.says("means something to a container only");
    }
    // Docker is not asked.
    let mut command = world.command();
    command.args(&with_key).env("RINGBOLT_DOCKER__HOST", "unix:///nowhere");
    crate::world::Ran::of(&mut command).expect(0);
    let name = format!("{id}.pgdump");
    assert_eq!(list(), [name.as_str()]);
    let path = Path::new(&folder).join(&name);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let cat = world.command().args(["cat", "shop@latest", "-i", &key]).output().unwrap();
    assert!(std::fs::read(&path).unwrap() == cat.stdout);
    // Never over a file that is there.
    std::fs::write(&path, "mine").unwrap();
    world.ringbolt(&with_key).expect(1).says("is there already");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");

    // Nothing of a damaged one.
    std::fs::remove_file(&path).unwrap();
    let payload = world.files().into_keys().find(|n| n.contains(&id) && n.ends_with(".age"));
    let payload = world.store().join(payload.unwrap());
    let mut bytes = std::fs::read(&payload).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&payload, bytes).unwrap();
    world.ringbolt(&with_key).expect(1).says("is damaged");
    assert!(list().is_empty(), "{:?}", list());
}

#[test]
fn files_are_unpacked_into_a_folder_as_they_were() {
    let world = World::with_helper();
    let labels = [("enable", "true"), ("name", "web"), ("engine", "files"), ("path", "/data/site")];
    let options = ["--volume", "/data"];
    let server = world.start(
        "ringbolt-spec/app:bookworm",
        "web",
        &labels,
        &options,
        &["tail", "-f", "/dev/null"],
    );
    let make = "mkdir -p /data/site/in && echo hello > /data/site/in/a && chmod 640 /data/site/in/a \
                && chown 1234:567 /data/site/in/a && ln -s in/a /data/site/link";
    server.shell(make).expect(0);
    world.ringbolt(&["backup"]).expect(0);
    let folder = world.folder.join("out");
    let restore = ["restore", "web@latest", "--into", &folder.display().to_string()];
    world.ringbolt(&restore).expect(0);
    let file = folder.join("site/in/a");
    let found = std::fs::metadata(&file).unwrap();
    assert_eq!((found.uid(), found.gid(), found.mode() & 0o7777), (1234, 567, 0o640));
    assert_eq!(std::fs::read_to_string(folder.join("site/link")).unwrap(), "hello\n");
    world.ringbolt(&restore).expect(1).says("is there already");
    let entries: Vec<_> = std::fs::read_dir(&folder).unwrap().collect();
    assert_eq!(entries.len(), 1, "{entries:?}");
}

#[test]
fn a_restore_that_was_killed_is_started_again() {
    let world = World::new();
    let (server, id) = shop(&world);
    let restore = ["restore", &id, "--into", &server.name, "--database", "new"];
    replace::hang(&server, "pg_restore", "--exit-on-error");
    replace::kill_when_it_hangs(&world, &server, &restore);
    replace::mend(&server, "pg_restore");
    assert_eq!(left(&server), "1");
    world.ringbolt(&restore).expect(0).says("nobody is connected, it is removed");
    assert_eq!((rows(&server, "new"), left(&server)), ("10".to_owned(), "0".to_owned()));
    // What another engine dumped is not for this one.
    let labels = [("engine", "redis")];
    let other = world.start("ringbolt-spec/redis:7", "cache", &labels, &[], &[]);
    let ran = world.ringbolt(&["restore", &id, "--into", &other.name, "--dry-run"]).expect(1);
    ran.says("is of engine postgres").says("holds redis");
}
