//! PostgreSQL in every format and on every version, and what is special about it: globals, upgrades,
//! privileges, extensions.

use super::{Subject, check_cuts, check_drill, check_flips, check_tools, equal};
use crate::world::{POSTGRES, Ran, Server, World, docker, wait_for};

const SEED: &str = include_str!("postgres.sql");
const COMPARED: &str = include_str!("postgres_facts.sql");
/// Every PostgreSQL that docker/test builds.
const VERSIONS: &[&str] = &[POSTGRES, "ringbolt-spec/postgres:17", "ringbolt-spec/postgres:18"];

fn seeded(world: &World, image: &str, name: &str, labels: &[(&str, &str)]) -> Server {
    let server = world.postgres_of(image, name, labels, &["--env", "POSTGRES_DB=shop"]);
    server.sql("shop", SEED);
    server
}

struct Postgres;

impl Subject for Postgres {
    fn engine(&self) -> &'static str {
        "postgres"
    }

    fn start(&self, world: &World, name: &str, labels: &[(&str, &str)]) -> Server {
        world.postgres_of(POSTGRES, name, labels, &["--env", "POSTGRES_DB=shop"])
    }

    fn seed(&self, server: &Server) {
        server.sql("shop", SEED);
    }

    fn compared(&self, server: &Server, database: &str) -> String {
        server.sql(database, COMPARED)
    }

    fn beside(&self) -> Option<&'static str> {
        Some("Shop \"2\" host=x")
    }

    fn tool(&self) -> (&'static str, &'static str) {
        ("pg_dump", "--format")
    }
}

#[test]
fn postgres_is_drilled() {
    for format in ["custom", "plain"] {
        check_drill(&Postgres, &[("format", format), ("verify.checksums", "true")]);
    }
}

#[test]
fn postgres_with_a_lying_tool_leaves_nothing() {
    check_tools(&Postgres);
}

#[test]
fn postgres_with_a_flipped_byte_is_refused() {
    check_flips(&Postgres);
}

fn check_round_trip(image: &str, format: &str) {
    let world = World::new();
    let shop = seeded(&world, image, "shop", &[("enable", "true"), ("format", format)]);
    let original = shop.sql("shop", COMPARED);
    assert!(original.lines().count() > 100, "the comparison compares nothing: {original}");
    world.ringbolt(&["backup"]).expect(0);
    let archive = world.newest("shop");
    let id = archive["id"].as_str().unwrap();
    assert_eq!(archive["proof"], "stored");

    // Beside the original, under another name.
    let restored = world.ringbolt(&[
        "restore",
        id,
        "--into",
        &shop.name,
        "--database",
        "Shop \"2\" host=x",
        "--json",
    ]);
    let facts = restored.expect(0).json();
    assert_eq!(
        (facts["large_objects"].as_u64(), facts["rows"].as_u64()),
        (Some(2), archive["rows"].as_u64())
    );
    equal(&original, &shop.sql("dbname='Shop \"2\" host=x'", COMPARED));

    // Into a fresh server: without its roles it is refused, with them it is the same.
    let fresh = world.postgres_of(image, "fresh", &[], &[]);
    let latest = format!("{}@latest", shop.source());
    world
        .ringbolt(&["restore", &latest, "--into", &fresh.name])
        .expect(1)
        .says("role `app`")
        .says("globals");
    let globals = format!("{}/@globals@latest", shop.source());
    let created =
        world.ringbolt(&["restore", &globals, "--into", &fresh.name, "--json"]).expect(0).json();
    assert_eq!(created["created"].as_array().unwrap().len(), 2, "{created}");
    world.ringbolt(&["restore", &globals, "--into", &fresh.name]).expect(0);
    world.ringbolt(&["restore", &latest, "--into", &fresh.name]).expect(0);
    equal(&original, &fresh.sql("shop", COMPARED));
    let roles = "SELECT rolname, rolcanlogin, rolpassword FROM pg_authid WHERE rolname IN ('app', 'Read;er') ORDER BY 1;
        SELECT roleid::regrole, member::regrole FROM pg_auth_members WHERE member = 'app'::regrole";
    assert_eq!(shop.sql("shop", roles), fresh.sql("shop", roles));

    // Not over what is there, and into what is empty.
    world.ringbolt(&["restore", &latest, "--into", &fresh.name]).expect(1).says("is not empty");
    fresh.sql("postgres", "CREATE DATABASE hollow");
    world.ringbolt(&["restore", &latest, "--into", &fresh.name, "--database", "hollow"]).expect(0);
    equal(&original, &fresh.sql("hollow", COMPARED));
    fresh.sql("postgres", "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0");
    let latin = world.ringbolt(&["restore", &latest, "--into", &fresh.name, "--database", "latin"]);
    latin.expect(1).says("has encoding LATIN1");
    let left =
        fresh.sql("postgres", "SELECT count(*) FROM pg_database WHERE datname LIKE '%ringbolt%'");
    assert_eq!(left, "0");
}

#[test]
fn postgres_15_restores_from_custom() {
    check_round_trip(VERSIONS[0], "custom");
}

#[test]
fn postgres_15_restores_from_plain() {
    check_round_trip(VERSIONS[0], "plain");
}

#[test]
fn postgres_17_restores_from_custom() {
    check_round_trip(VERSIONS[1], "custom");
}

#[test]
fn postgres_18_restores_from_plain() {
    check_round_trip(VERSIONS[2], "plain");
}

#[test]
fn an_upgrade_restores_and_a_downgrade_is_refused() {
    let world = World::new();
    let old = seeded(&world, VERSIONS[0], "old", &[("enable", "true")]);
    let new = seeded(&world, VERSIONS[1], "new", &[("enable", "true")]);
    world.ringbolt(&["backup"]).expect(0);
    let up = format!("{}@latest", old.source());
    world.ringbolt(&["restore", &up, "--into", &new.name, "--database", "up"]).expect(0);
    let rows = "SELECT count(*), md5(string_agg(p::text, ',' ORDER BY id)) FROM parent p";
    assert_eq!(old.sql("shop", rows), new.sql("up", rows));
    let down = format!("{}@latest", new.source());
    let ran = world.ringbolt(&["restore", &down, "--into", &old.name, "--database", "down"]);
    ran.expect(1).says("comes from version 17").says("runs version 15");
}

#[test]
fn transfers_during_a_dump_are_whole_or_not_there() {
    let world = World::new();
    let server = world.postgres("busy", &[("enable", "true"), ("databases", "keeper")], &[]);
    server.sql(
        "keeper",
        "CREATE TABLE a AS SELECT i, 1000 n, repeat('x', 200) t FROM generate_series(1, 100000) i;
         CREATE TABLE b AS SELECT i, 1000 n FROM generate_series(1, 100000) i;
         CREATE TABLE done (i serial)",
    );
    let transfer =
        "while psql --username=keeper --quiet --command='BEGIN; UPDATE a SET n = n - 1 WHERE i = 7;
        UPDATE b SET n = n + 1 WHERE i = 7; INSERT INTO done DEFAULT VALUES; COMMIT'; do :; done";
    docker(&["exec", "--detach", &server.name, "sh", "-c", transfer]).expect(0);
    let done = || server.sql("keeper", "SELECT count(*) FROM done").parse::<u64>().unwrap();
    wait_for("the first transfers", || done() > 3);
    let before = done();
    world.ringbolt(&["backup"]).expect(0);
    assert!(done() > before, "nobody wrote during the dump");
    let latest = format!("{}/keeper@latest", server.source());
    world.ringbolt(&["restore", &latest, "--into", &server.name, "--database", "cut"]).expect(0);
    let sums = "SELECT (SELECT sum(n) FROM a) + (SELECT sum(n) FROM b),
        (SELECT sum(n) FROM b) - 100000000 - (SELECT count(*) FROM done)";
    assert_eq!(server.sql("cut", sums), "200000000|0");
}

#[test]
fn every_database_is_found_at_run_time() {
    let world = World::new();
    let server = world.postgres("all", &[("enable", "true"), ("databases", "*")], &[]);
    server.sql("postgres", "CREATE DATABASE \"a/b ../c\"");
    server.sql("postgres", "CREATE DATABASE empty_one");
    world.ringbolt(&["backup"]).expect(0);
    server.sql("postgres", "CREATE DATABASE later");
    world.ringbolt(&["backup"]).expect(0);
    let count = |name: &str| world.list().iter().filter(|a| a["database"] == name).count();
    // `keeper` is the database that the image makes for its user.
    let found = ["a/b ../c", "empty_one", "keeper", "later", "postgres"].map(count);
    assert_eq!(found, [2, 2, 2, 1, 2]);
    let globals = world.list().iter().filter(|archive| archive["part"] == "globals").count();
    assert_eq!(globals, 2, "once per run");
    for name in world.files().keys() {
        assert_eq!(name.split('/').count(), 3, "{name}");
    }
    let empty = format!("{}/empty_one@latest", server.source());
    world.ringbolt(&["restore", &empty, "--into", &server.name, "--database", "again"]).expect(0);
}

#[test]
fn a_user_who_may_not_read_passwords_gets_the_rest_with_a_warning() {
    let world = World::new();
    let labels = [("enable", "true"), ("user", "backup"), ("databases", "keeper")];
    let server = world.postgres("least", &labels, &[]);
    server.sql(
        "keeper",
        "CREATE ROLE backup LOGIN; GRANT pg_read_all_data TO backup; CREATE TABLE t (i int)",
    );
    let ran = world.ringbolt(&["backup", "--json"]).expect(0).json();
    let archives = ran["sources"][0]["archives"].as_array().unwrap();
    let warnings: Vec<_> =
        archives.iter().map(|a| a["warnings"].as_array().unwrap().len()).collect();
    assert_eq!(warnings, [0, 1], "{ran:#}");
}

#[test]
fn passwords_are_found_where_they_are() {
    // The server asks for a password on every connection.
    let strict =
        ["--env", "POSTGRES_INITDB_ARGS=--auth-local=scram-sha-256", "--env", "OTHER=s3cret-pass"];
    let world = World::new();
    world.postgres("image", &[("enable", "true")], &strict);
    world.postgres("variable", &[("enable", "true"), ("password", "env:OTHER")], &strict);
    let file =
        world.postgres("file", &[("enable", "true"), ("password", "file:/tmp/secret")], &strict);
    file.shell("echo s3cret-pass > /tmp/secret").expect(0);
    world.postgres("sidecar", &[("enable", "true"), ("password", "secret:db")], &strict);
    std::fs::write(world.folder.join("db"), "s3cret-pass\n").unwrap();
    let mut backup = world.command();
    let ran = Ran::of(backup.arg("backup").env("RINGBOLT_SECRETS__DIRECTORY", &world.folder));
    ran.expect(0);
    assert_eq!(world.list().len(), 8);
    let recorded = world
        .files()
        .values()
        .any(|content| content.windows(11).any(|window| window == b"s3cret-pass"));
    assert!(!recorded, "the password is in the store");
}

#[test]
fn a_connection_string_in_a_label_leads_nowhere() {
    let world = World::new();
    world.postgres("evil", &[("enable", "true"), ("databases", "host=evil.example dbname=x")], &[]);
    let ran = world.ringbolt(&["backup"]).expect(1);
    ran.says("database `host=evil.example dbname=x` does not exist on the server");
}

fn check_cuts_of(image: &str) {
    let world = World::new();
    seeded(&world, image, "cut", &[("enable", "true")]);
    for format in ["custom", "plain"] {
        let tool = format!("pg_dump --username=keeper --format={format} --compress=0 shop");
        let container = format!("{}-cut", world.prefix);
        let ran = std::process::Command::new("docker")
            .args(["exec", &container, "sh", "-c", &tool])
            .output();
        let dump = ran.unwrap().stdout;
        let facts = check_cuts("postgres", format, &dump);
        let rows = |table: &str| facts.tables.iter().find(|t| t.table == table).map(|t| t.rows);
        assert_eq!(rows("child"), Some(3000));
        assert_eq!(rows("Mixed \"Case"), Some(5));
        assert_eq!(rows("rows_like_ends"), Some(5));
        assert_eq!(rows("empty_table"), Some(0));
        assert_eq!(facts.large_objects, 2);
    }
}

#[test]
fn postgres_15_dumps_cut_anywhere_are_refused() {
    check_cuts_of(VERSIONS[0]);
}

#[test]
fn postgres_18_dumps_cut_anywhere_are_refused() {
    check_cuts_of(VERSIONS[2]);
}

#[test]
fn an_extension_with_tables_of_its_own_restores() {
    let world = World::new();
    let server = world.postgres("db", &[("enable", "true")], &[]);
    // As PostGIS does with `spatial_ref_sys`: the extension brings rows, people add some.
    let install = r#"cd /usr/share/postgresql/15/extension
        printf "default_version = '1'\n" > conf.control
        printf "CREATE TABLE conf (id int, own bool); INSERT INTO conf SELECT i, true FROM generate_series(1, 100) i;
        SELECT pg_extension_config_dump('conf', 'WHERE NOT own');" > conf--1.sql"#;
    server.shell(install).expect(0);
    server.sql("keeper", "CREATE EXTENSION conf; INSERT INTO conf VALUES (101, false)");
    world.ringbolt(&["backup"]).expect(0);
    let latest = format!("{}@latest", server.source());
    world.ringbolt(&["restore", &latest, "--into", &server.name, "--database", "again"]).expect(0);
    assert_eq!(
        server.sql("again", "SELECT count(*), count(*) FILTER (WHERE own) FROM conf"),
        "101|100"
    );
}

#[test]
fn globals_change_nobody_who_is_there() {
    let world = World::new();
    let old = world.postgres("old", &[("enable", "true")], &[]);
    old.sql("keeper", "CREATE ROLE app LOGIN PASSWORD 'old'; CREATE ROLE boss SUPERUSER; GRANT boss TO app; CREATE ROLE extra; GRANT boss TO extra");
    world.ringbolt(&["backup"]).expect(0);
    let new = world.postgres("new", &[], &[]);
    new.sql("keeper", "CREATE ROLE app LOGIN PASSWORD 'new'; CREATE ROLE other SUPERUSER LOGIN");
    let before = new.sql(
        "keeper",
        "SELECT rolname, rolpassword, rolsuper FROM pg_authid WHERE rolname = 'app'",
    );
    let globals = format!("{}/@globals@latest", old.source());
    world.ringbolt(&["restore", &globals, "--into", &new.name]).expect(0);
    assert_eq!(
        before,
        new.sql(
            "keeper",
            "SELECT rolname, rolpassword, rolsuper FROM pg_authid WHERE rolname = 'app'"
        )
    );
    let members = new.sql(
        "keeper",
        "SELECT member::regrole FROM pg_auth_members WHERE roleid = 'boss'::regrole",
    );
    assert_eq!(members, "extra");
}

#[test]
fn a_restore_that_fails_in_its_middle_says_what_is_left() {
    let world = World::new();
    let old = world.postgres("old", &[("enable", "true")], &[]);
    old.sql("keeper", "CREATE TABLE a (i int); CREATE ROLE ghost; CREATE TABLE b (i int); ALTER TABLE b OWNER TO ghost");
    world.ringbolt(&["backup"]).expect(0);
    let new = world.postgres("new", &[], &[]);
    let latest = format!("{}@latest", old.source());
    let ran = world.ringbolt(&["restore", &latest, "--into", &new.name]).expect(1);
    ran.says("restore the globals of the same run first")
        .says("role \"ghost\" does not exist")
        .says("database `keeper` was empty and may now hold a part");
    world.ringbolt(&["restore", &latest, "--into", &new.name, "--database", "fresh"]).expect(1);
    assert_eq!(
        new.sql("postgres", "SELECT count(*) FROM pg_database WHERE datname LIKE 'fresh%'"),
        "0"
    );
}
