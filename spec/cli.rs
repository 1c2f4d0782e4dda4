//! The command line: exit codes, data on stdout, talk on stderr, recipes that work as printed.

use std::process::Command;

use crate::world::{Ran, World, docker};

#[test]
fn wrong_words_are_usage() {
    let world = World::new();
    std::fs::create_dir(world.store()).unwrap();
    world.ringbolt(&[]).expect(2).says("Usage:");
    world.ringbolt(&["bakcup"]).expect(2).says("backup");
    world.ringbolt(&["verify", "--level", "hope"]).expect(2);
    world
        .ringbolt(&["show", "20261120T030000Z-01jd8abcde"])
        .expect(2)
        .says("no archive is named")
        .says("ringbolt list");
    world.ringbolt(&["cat", "nobody@latest"]).expect(2);
    world.ringbolt(&["--dry-run", "verify"]).expect(2).says("`--dry-run` goes with");
    world.ringbolt(&["--dry-run", "restore", "x@latest", "--into", "y"]).expect(2);
    world.ringbolt(&["cat", "x@latest", "--json"]).expect(2);
    for deaf in [&["labels"][..], &["labels", "schema"], &["config", "schema"], &["keygen"]] {
        let set = [deaf, &["--set", "labels.prefix=x"]].concat();
        world.ringbolt(&set).expect(2).says("reads no settings");
    }
    world.ringbolt(&["--help"]).expect(0);
    world.ringbolt(&["list", "nobody"]).expect(2).says("there is no source `nobody`");
    world.ringbolt(&["verify"]).expect(0).says("the store holds no archives");
    let ran = world.ringbolt(&["list"]).expect(0);
    assert!(ran.stdout.starts_with("ARCHIVE"), "{ran:?}");
    assert_eq!(world.ringbolt(&["list", "--json"]).expect(0).stdout, "[]\n");
    assert_eq!(world.ringbolt(&["verify", "--json"]).expect(0).stdout, "[]\n");
}

#[test]
fn nothing_labelled_is_not_a_success() {
    let world = World::new();
    for arguments in [&["backup"][..], &["--dry-run"], &["backup", "--dry-run"]] {
        let label = format!("no container is labelled `{}.enable=true`", world.prefix);
        world.ringbolt(arguments).expect(2).says(&label);
    }
}

#[test]
fn data_goes_to_stdout_and_talk_to_stderr() {
    let world = World::new();
    let server = world.postgres("db", &[("enable", "true")], &["--env", "POSTGRES_DB=shop"]);
    server.sql("shop", "CREATE TABLE t AS SELECT generate_series(1, 10) i");

    let dry = world.ringbolt(&["backup", "--dry-run", "--json"]).expect(0).json();
    assert_eq!(dry["sources"][0]["databases"][0], "shop");
    assert_eq!(dry["sources"][0]["user"], "keeper");
    assert_eq!(dry["stores"][0]["state"], "new");
    assert!(!world.store().exists(), "a dry run makes nothing, not even the store's folder");

    let backup =
        world.ringbolt(&["backup", "--json"]).expect(0).says("published").says("is made now");
    let json = backup.json();
    assert_eq!(json["sources"][0]["outcome"], "succeeded");
    assert_eq!(json["sources"][0]["archives"][0]["rows"], 10);
    let quiet = world.ringbolt(&["backup", "--quiet"]).expect(0);
    assert_eq!(quiet.stderr, "");

    let list = world.list();
    assert_eq!(list.len(), 4);
    let newest = list.iter().find(|archive| archive["part"] == "database").unwrap();
    for field in [
        "id",
        "source",
        "database",
        "engine",
        "started_at",
        "stored_bytes",
        "plain_bytes",
        "proof",
        "stores",
    ] {
        assert!(!newest[field].is_null(), "{field}: {newest:#}");
    }
    let at = |archive: &serde_json::Value| {
        archive["started_at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap()
    };
    assert!(list.windows(2).all(|two| at(&two[0]) >= at(&two[1])), "newest first");
    let ids: std::collections::BTreeSet<_> =
        list.iter().map(|a| a["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 4, "two runs within a second are two archives");

    world.ringbolt(&["backup", server.source()]).expect(0);
    world
        .ringbolt(&["backup", "elsewhere"])
        .expect(2)
        .says("there is no source `elsewhere`")
        .says(server.source());
    world.ringbolt(&["restore", "x@latest", "--into", &server.name]).expect(2);
    let latest = format!("{}@latest", server.source());
    world
        .ringbolt(&["restore", &latest, "--into", "nobody"])
        .expect(2)
        .says("there is no container `nobody`");
}

#[test]
fn two_databases_want_a_choice() {
    let world = World::new();
    let server = world.postgres("db", &[("enable", "true"), ("databases", "*")], &[]);
    world.ringbolt(&["backup"]).expect(0);
    let latest = format!("{}@latest", server.source());
    world
        .ringbolt(&["show", &latest])
        .expect(2)
        .says("names more than one")
        .says("/postgres@latest");
    let one = format!("{}/postgres@latest", server.source());
    world.ringbolt(&["show", &one]).expect(0);
}

/// What `show` prints is typed into a shell as it is.
fn check_recipe(format: &str, codec: &str) {
    let world = World::new();
    let labels = [("enable", "true"), ("format", format), ("compress", codec), ("name", "shop")];
    let strict =
        ["--env", "POSTGRES_INITDB_ARGS=--auth-local=scram-sha-256", "--env", "POSTGRES_DB=it's"];
    let server = world.postgres("db", &labels, &strict);
    server.sql("it's", "CREATE TABLE t AS SELECT i, md5(i::text) h FROM generate_series(1, 5000) i; CREATE ROLE app");
    world.ringbolt(&["backup"]).expect(0);
    let shown = world.ringbolt(&["show", "shop@latest", "--json"]).expect(0).json();
    let lines: Vec<&str> =
        shown["restore"].as_array().unwrap().iter().map(|l| l.as_str().unwrap()).collect();
    let ran = Ran::of(
        Command::new("sh").args(["-euc", &lines.join("\n")]).env("PGPASSWORD", "s3cret-pass"),
    );
    ran.expect(0);
    let sums = "SELECT count(*), md5(string_agg(h, '' ORDER BY i)) FROM t";
    assert_eq!(server.sql("it's", sums), server.sql("dbname='it\\'s_restored'", sums));
    let printed = world.ringbolt(&["show", "shop@latest"]).expect(0).stdout;
    assert!(lines.iter().all(|line| printed.contains(line)), "{printed}");
    assert!(!printed.contains("s3cret-pass"));

    let globals = world.ringbolt(&["show", "shop/@globals@latest", "--json"]).expect(0).json();
    server.sql("postgres", "DROP ROLE app");
    let lines: Vec<&str> =
        globals["restore"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    let mut shell = Command::new("sh");
    Ran::of(shell.args(["-euc", &lines.join("\n")]).env("PGPASSWORD", "s3cret-pass")).expect(0);
    assert_eq!(server.sql("postgres", "SELECT count(*) FROM pg_roles WHERE rolname = 'app'"), "1");

    // `cat` gives the same bytes as the stock tools.
    let cat = world.command().args(["cat", "shop@latest"]).output().unwrap();
    assert_eq!(Some(cat.stdout.len() as u64), shown["manifest"]["plain"]["bytes"].as_u64());
}

#[test]
fn the_recipe_restores_a_custom_dump() {
    check_recipe("custom", "zstd:1");
}

#[test]
fn the_recipe_restores_a_plain_dump() {
    check_recipe("plain", "gzip");
}

#[test]
fn it_works_over_tcp() {
    let mut world = World::new();
    world.postgres("db", &[("enable", "true")], &[]);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    world.docker_host = Some(format!("tcp://{}", listener.local_addr().unwrap()));
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let client = client.unwrap();
            let docker = std::os::unix::net::UnixStream::connect("/var/run/docker.sock").unwrap();
            let (from, to) = (client.try_clone().unwrap(), docker.try_clone().unwrap());
            std::thread::spawn(move || {
                std::io::copy(&mut &from, &mut &to).ok();
                to.shutdown(std::net::Shutdown::Write).ok();
            });
            std::thread::spawn(move || {
                std::io::copy(&mut &docker, &mut &client).ok();
                client.shutdown(std::net::Shutdown::Both).ok();
            });
        }
    });
    world.ringbolt(&["backup"]).expect(0);
}

#[test]
fn no_secret_is_said_anywhere() {
    let world = World::new();
    let server =
        world.postgres("db", &[("enable", "true"), ("password", "env:POSTGRES_PASSWORD")], &[]);
    server.sql(
        "keeper",
        "CREATE TABLE t AS SELECT i, md5(i::text) FROM generate_series(1, 400000) i",
    );
    // Whatever Docker knows of our commands, and what the container's process list shows meanwhile.
    let mut command = world.command();
    let mut child = command.arg("backup").spawn().unwrap();
    let mut watched = String::new();
    while child.try_wait().unwrap().is_none() {
        watched.push_str(&server.processes());
        let inspected = docker(&["inspect", "--format", "{{json .ExecIDs}}", &server.name]).stdout;
        for id in inspected.split('"').filter(|id| id.len() == 64) {
            let socket = ["--silent", "--unix-socket", "/var/run/docker.sock"];
            let exec = Command::new("curl")
                .args(socket)
                .arg(format!("http://docker/exec/{id}/json"))
                .output();
            watched.push_str(&String::from_utf8_lossy(&exec.unwrap().stdout));
        }
    }
    assert!(watched.contains("pg_dump"), "nothing was watched");
    let mut said = watched;
    for arguments in
        [&["--dry-run"][..], &["--dry-run", "--json"], &["list", "--json"], &["backup", "--json"]]
    {
        let ran = world.ringbolt(arguments).expect(0);
        said.push_str(&ran.stdout);
        said.push_str(&ran.stderr);
    }
    for (name, content) in world.files() {
        if name.ends_with(".json") {
            said.push_str(&String::from_utf8_lossy(&content));
        }
    }
    assert!(!said.contains("s3cret-pass"));
}

#[test]
fn a_terminal_gets_a_bar_and_a_log_gets_lines() {
    let world = World::new();
    let server = world.postgres("db", &[("enable", "true")], &[]);
    server.sql(
        "keeper",
        "CREATE TABLE t AS SELECT i, md5(i::text) FROM generate_series(1, 500000) i",
    );
    // `script` gives the program a terminal of its own.
    let line = format!("{} backup", crate::world::BINARY);
    let mut script = Command::new("script");
    world.settle(&mut script);
    let ran = Ran::of(
        script.args(["--quiet", "--return", "--command", &line, "/dev/null"]).env("TERM", "xterm"),
    );
    assert!(ran.stdout.contains("of about") && ran.stdout.contains("/s"), "{ran:?}");
    let plain = world.ringbolt(&["backup"]).expect(0).says("dumping");
    assert!(!plain.stderr.contains("of about") && !plain.stderr.contains('\u{1b}'), "{plain:?}");
}

#[test]
fn a_reader_who_hangs_up_changes_nothing_and_a_full_one_is_told() {
    let world = World::new();
    let server = world.postgres("db", &[("enable", "true"), ("databases", "keeper, nowhere")], &[]);
    let hung_up = |arguments: &[&str]| {
        let mut child =
            world.command().args(arguments).stdout(std::process::Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        child.wait().unwrap().code()
    };
    assert_eq!(hung_up(&["backup"]), Some(1), "a failure stays a failure");
    assert_eq!(hung_up(&["list"]), Some(0));
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let latest = format!("{}@latest", server.source());
    for arguments in [&["cat", latest.as_str()][..], &["list"]] {
        let ran = world.command().args(arguments).stdout(full()).output().unwrap();
        assert_eq!(ran.status.code(), Some(1), "{ran:?}");
    }
}
