//! What can go wrong with a drill without saying anything of the archive, and what is left then: nothing.

use std::process::Stdio;

use super::{left, nothing_is_left};
use crate::world::{Ran, Server, World, docker, wait_for};

/// The settings whose effect is looked for here.
pub(crate) const SETTINGS: [&str; 4] =
    ["drill.memory", "drill.cpus", "drill.share", "drill.timeout"];

const ROWS: &str =
    "CREATE TABLE t AS SELECT i, md5(i::text) AS h FROM generate_series(1, 300000) i;
    CREATE INDEX ON t (h); CREATE ROLE clerk; GRANT SELECT ON t TO clerk;";

fn postgres(world: &World, labels: &[(&str, &str)]) -> Server {
    let server = world.postgres("db", &[&[("enable", "true")], labels].concat(), &[]);
    server.sql("keeper", ROWS);
    server
}

/// It is published and not drilled; that is told, and is no failure.
fn check_open(world: &World, server: &Server, ran: Ran, words: &str) {
    ran.expect(0).says("was not drilled").says(words);
    nothing_is_left(server);
    assert_eq!(world.newest("keeper")["proof"], "deep");
}

#[test]
fn what_is_wrong_with_the_stage_says_nothing_of_the_archive() {
    let world = World::new();
    let server = postgres(&world, &[("verify", "drill")]);
    let ran = world.ringbolt(&["backup", "--set", "drill.memory=16m"]);
    check_open(&world, &server, ran, "drill.memory");
    let ran = world.ringbolt(&["backup", "--set", "drill.timeout=1s"]);
    check_open(&world, &server, ran, "the time it may take is over");
}

/// A restore that is equal to its dump proves little if nobody knows what was there.
#[test]
fn without_a_witness_nothing_is_proven() {
    let world = World::new();
    let server = postgres(&world, &[("verify", "drill")]);
    let path = server.shell("command -v psql").expect(0).stdout.trim().to_owned();
    let stub = format!(
        "#!/bin/sh\ncase \"$*\" in *dbname=keeper*) {path}.real \"$@\" | head -n 1;; *) exec {path}.real \"$@\";; esac\n"
    );
    let write = format!("mv {path} {path}.real; cat >{path} && chmod 755 {path}");
    server.shell_with_input(&write, stub.as_bytes()).expect(0);
    let ran = world.ringbolt(&["backup"]);
    check_open(&world, &server, ran, "it has no end");
}

/// How many archives are in the store. By names only: files come and go meanwhile.
fn published(world: &World) -> usize {
    let mut find = std::process::Command::new("find");
    let found = Ran::of(find.arg(world.store()).args(["-name", "*.manifest.json"]));
    found.stdout.lines().count()
}

/// An image whose restore begins when it is told to.
const PATIENT: &str = "FROM ringbolt-spec/postgres:15\n\
    RUN tool=$(command -v pg_restore) && mv \"$tool\" \"$tool.real\" && chmod 755 \"$tool.real\" \
    && printf '#!/bin/sh\\nwhile [ ! -e /tmp/go ]; do sleep 0.1; done\\nexec %s.real \"$@\"\\n' \"$tool\" >\"$tool\" \
    && chmod 755 \"$tool\"\n";

/// With no share to give, a dump passes a stage that stands still; with one, it waits.
#[test]
fn a_drill_that_falls_behind_reads_the_rest_from_the_archive() {
    let world = World::new();
    let image = image(&world, PATIENT);
    let labels =
        [("enable", "true"), ("engine", "postgres"), ("verify", "drill"), ("compress", "none")];
    let server = world.postgres_of(&image, "db", &labels, &[]);
    server.sql("keeper", ROWS);
    for (share, behind) in [("drill.share=100%", true), ("drill.share=1%", false)] {
        let before = published(&world);
        let mut command = world.command();
        command.args(["backup", "--set", share]).stdout(Stdio::null()).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        let works = |stage: &String| docker(&["top", stage]).stdout.contains("pg_restore");
        wait_for("a restore", || stage(&server).as_ref().is_some_and(works));
        if behind {
            wait_for("the archive", || published(&world) > before);
        }
        docker(&["exec", &stage(&server).unwrap(), "touch", "/tmp/go"]).expect(0);
        let ended = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success() && said.contains(" restores"), "{said}");
        assert_eq!(said.contains("read back from the archive"), behind, "{said}");
        assert_eq!(world.newest("keeper")["proof"], "drill");
        nothing_is_left(&server);
    }
    docker(&["rm", "--force", "--volumes", &server.name]).expect(0);
    docker(&["rmi", "--force", &image]).expect(0);
}

/// Builds an image of a world's own; who makes it removes it.
fn image(world: &World, file: &str) -> String {
    let image = format!("ringbolt-spec/{}", world.prefix);
    let label = format!("org.ringbolt.spec={}", world.prefix);
    let mut build = std::process::Command::new("docker");
    build.args(["build", "--quiet", "--tag", &image, "--label", &label, "-"]);
    Ran::with_input(&mut build, file.as_bytes()).expect(0);
    image
}

/// An image that writes where none should, and a server that is configured by a file from outside.
#[test]
fn what_a_workload_is_started_with_its_stage_is_started_with() {
    let world = World::new();
    let file = "FROM ringbolt-spec/postgres:15\n\
        ENTRYPOINT [\"sh\", \"-c\", \"touch /opt/started && exec docker-entrypoint.sh \\\"$@\\\"\", \"sh\"]\n\
        CMD [\"postgres\"]\n";
    let image = image(&world, file);
    let settings = world.folder.join("server.conf");
    let data = "/var/lib/postgresql/data";
    let text = format!(
        "data_directory = '{data}'\nhba_file = '{data}/pg_hba.conf'\nident_file = '{data}/pg_ident.conf'\n\
         max_connections = 17\n"
    );
    std::fs::write(&settings, text).unwrap();
    let mount = format!("{}:/etc/server.conf", settings.display());
    let always = ["--env", "POSTGRES_PASSWORD=s3cret-pass", "--env", "POSTGRES_USER=keeper"];
    let options = [&always[..], &["--volume", &mount]].concat();
    let labels = [("enable", "true"), ("engine", "postgres"), ("verify", "drill")];
    let arguments = ["postgres", "-c", "config_file=/etc/server.conf"];
    let server = world.start(&image, "db", &labels, &options, &arguments);
    wait_for("PostgreSQL", || {
        let ready = ["exec", &server.name, "pg_isready", "--quiet", "--host=127.0.0.1"];
        docker(&ready).code == Some(0)
    });
    assert_eq!(server.sql("postgres", "SHOW max_connections"), "17");
    server.sql("keeper", ROWS);
    let ran = world.ringbolt(&["backup"]);
    nothing_is_left(&server);
    ran.expect(0).says("restores");
    assert_eq!(world.newest("keeper")["proof"], "drill");
    docker(&["rm", "--force", "--volumes", &server.name]).expect(0);
    docker(&["rmi", "--force", &image]).expect(0);
}

#[test]
fn an_extension_and_an_image_of_one_s_own_are_drilled() {
    let world = World::new();
    let file = "FROM ringbolt-spec/postgres:15\n\
        RUN cd \"$(pg_config --sharedir 2>/dev/null || echo /usr/share/postgresql/15)/extension\" \
        && printf \"default_version = '1'\\nrelocatable = true\\n\" >knots.control \
        && printf 'CREATE FUNCTION knots(int) RETURNS int LANGUAGE sql IMMUTABLE AS $$SELECT $1 * 2$$;\\n' >knots--1.sql\n";
    let image = image(&world, file);
    let labels = [("enable", "true"), ("engine", "postgres"), ("verify", "drill")];
    let server = world.postgres_of(&image, "db", &labels, &[]);
    server.sql(
        "keeper",
        "CREATE EXTENSION knots; CREATE EXTENSION hstore;
         CREATE TABLE t (i int, twice int GENERATED ALWAYS AS (knots(i)) STORED, h hstore);
         INSERT INTO t (i, h) SELECT i, hstore('i', i::text) FROM generate_series(1, 50) i;
         CREATE INDEX ON t (knots(i));",
    );
    let ran = world.ringbolt(&["backup"]);
    nothing_is_left(&server);
    ran.expect(0).says("restores");
    assert_eq!(world.newest("keeper")["proof"], "drill");
    // The container is gone, and its image is not: an old archive is drilled all the same.
    docker(&["rm", "--force", "--volumes", &server.name]).expect(0);
    let id = world.newest("keeper")["id"].as_str().unwrap().to_owned();
    world.ringbolt(&["drill", &id]).expect(0);
    docker(&["rmi", "--force", &image]).expect(0);
    world.ringbolt(&["drill", &id]).expect(2).says("is not there").says("--image");
    // Another image lacks the extension: what was dumped does not restore there.
    let other = ["drill", &id, "--image", "ringbolt-spec/postgres:15"];
    world.ringbolt(&other).expect(1).says("knots");
    assert_eq!(left(server.source()), Vec::<String>::new());
}

#[test]
fn what_is_restored_needs_its_roles() {
    let world = World::new();
    let server = postgres(&world, &[("verify", "drill")]);
    server.sql(
        "keeper",
        "CREATE ROLE boss LOGIN PASSWORD 'x'; CREATE TABLE own (i int); ALTER TABLE own OWNER TO boss;
         ALTER DATABASE keeper OWNER TO boss; GRANT CONNECT ON DATABASE keeper TO clerk;",
    );
    world.ringbolt(&["backup"]).expect(0).says("restores");
    world.ringbolt(&["drill", server.source()]).expect(0);
    nothing_is_left(&server);
}

/// Starts a backup and kills it as soon as something is so.
fn kill_when(
    world: &World,
    flags: &[&str],
    signal: &str,
    what: &str,
    so: impl FnMut() -> bool,
) -> Option<i32> {
    let mut command = world.command();
    command.arg("backup").args(flags).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    wait_for(what, so);
    Ran::of(std::process::Command::new("kill").args([signal, &child.id().to_string()])).expect(0);
    child.wait().unwrap().code()
}

/// The throwaway container of a server, if there is one.
fn stage(server: &Server) -> Option<String> {
    left(server.source()).into_iter().find(|name| name.starts_with("ringbolt-drill-"))
}

/// Whether something of the dump is there already.
fn restores(server: &Server) -> bool {
    let ask = "SELECT count(*) FROM pg_database WHERE datname LIKE 'keeper_ringbolt_%'";
    stage(server).is_some_and(|stage| {
        let line = ["exec", &stage, "psql", "--username=keeper", "--tuples-only", "--command", ask];
        docker(&line).stdout.trim() == "1"
    })
}

#[test]
fn a_killed_drill_leaves_nothing_for_long() {
    let world = World::new();
    let server = postgres(&world, &[("verify", "drill")]);
    kill_when(&world, &[], "-KILL", "a stage", || stage(&server).is_some());
    assert!(stage(&server).is_some());
    kill_when(&world, &[], "-KILL", "a restore", || restores(&server));
    kill_when(&world, &[], "-KILL", "an archive", || published(&world) > 0);
    assert!(stage(&server).is_some());
    world.ringbolt(&["backup"]).expect(0).says("a killed drill had left").says("restores");
    nothing_is_left(&server);
}

#[test]
fn a_drill_that_is_asked_to_stop_ends_with_nothing_left() {
    let world = World::new();
    let server = postgres(&world, &[("verify", "drill")]);
    for what in ["a stage", "a restore"] {
        let so = || if what == "a stage" { stage(&server).is_some() } else { restores(&server) };
        assert_eq!(kill_when(&world, &[], "-TERM", what, so), Some(130), "{what}");
        nothing_is_left(&server);
    }
}

#[test]
fn a_stage_has_no_network_no_data_of_the_original_and_limits() {
    let world = World::new();
    let server = postgres(&world, &[("verify", "drill")]);
    let mut seen = String::new();
    let format = "{{json .HostConfig}} {{json .Mounts}} {{json .Config.Labels}}";
    let small = ["--set", "drill.memory=512m", "--set", "drill.cpus=0.5"];
    kill_when(&world, &small, "-TERM", "a stage", || {
        let Some(stage) = stage(&server) else { return false };
        seen = docker(&["inspect", "--format", format, &stage]).stdout;
        !seen.trim().is_empty()
    });
    let original = docker(&["inspect", "--format", "{{json .Mounts}}", &server.name]).stdout;
    let volume = original.split("\"Name\":\"").nth(1).unwrap().split('"').next().unwrap();
    assert!(!seen.contains(volume), "it has the original's volume: {seen}");
    for words in [
        "\"NetworkMode\":\"none\"",
        "\"Memory\":536870912",
        "\"NanoCpus\":500000000",
        "\"ReadonlyRootfs\":true",
        "\"no-new-privileges\"",
        "\"PortBindings\":null",
        "\"Type\":\"none\"",
    ] {
        assert!(seen.contains(words), "{words}: {seen}");
    }
    // It is no source of its own.
    assert!(!seen.contains(&format!("{}.enable", world.prefix)));
}

/// What a Ringbolt in a container has made is nobody's when that container does not run any more.
#[test]
fn what_belongs_to_a_living_container_is_left_alone() {
    let world = World::new();
    let server = postgres(&world, &[]);
    world.ringbolt(&["backup"]).expect(0);
    let app = "ringbolt-spec/app:bookworm";
    let owner = world.start(app, "sidecar", &[], &[], &["sleep", "600"]);
    let id = docker(&["inspect", "--format", "{{.Id}}", &owner.name]).expect(0).stdout;
    let labels = [
        "org.ringbolt.throwaway=0".to_owned(),
        format!("org.ringbolt.owner=container {}", id.trim()),
        format!("org.ringbolt.source={}", server.source()),
    ];
    let labels = labels.map(|label| format!("--label={label}"));
    let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
    let volume = [&labels[..], &["--volume", "/data"]].concat();
    let stage = world.start(app, "stage", &[], &volume, &["sleep", "600"]);
    let id = world.newest("keeper")["id"].as_str().unwrap().to_owned();
    world.ringbolt(&["drill", &id]).expect(0);
    assert_eq!(left(server.source()), [stage.name.as_str()]);
    docker(&["stop", "--time", "0", &owner.name]).expect(0);
    world.ringbolt(&["drill", &id]).expect(0).says("a killed drill had left");
    nothing_is_left(&server);
}

/// A stage that dies in the middle has proven nothing, whatever its tools said last.
#[test]
fn a_stage_that_is_ended_from_outside_says_nothing_of_the_archive() {
    let world = World::new();
    let server = postgres(&world, &[("verify", "drill")]);
    let more = "INSERT INTO t SELECT i, repeat(md5(i::text), 4) FROM generate_series(1, 600000) i";
    server.sql("keeper", more);
    let mut command = world.command();
    command.arg("backup").stdout(Stdio::null()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let works = |stage: &String| docker(&["top", stage]).stdout.contains("pg_restore");
    wait_for("a restore", || stage(&server).as_ref().is_some_and(works));
    docker(&["kill", &stage(&server).unwrap()]).expect(0);
    let ended = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(0), "{said}");
    assert!(said.contains("the throwaway container was ended from outside"), "{said}");
    assert_eq!(world.newest("keeper")["proof"], "deep");
    nothing_is_left(&server);
}
