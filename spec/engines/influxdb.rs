//! InfluxDB 1.x on a real server, with authentication on: every kind of field, retention policies,
//! continuous queries, grants, and a writer at work. What 2.x does is in the engine's own tests only.

use super::{Subject, check_cuts, check_flips, check_round_trip, check_tools, judge};
use crate::world::{Server, World, docker, wait_for};

const IMAGE: &str = "ringbolt-spec/influxdb:1.6";
const SEED: &str = include_str!("influxdb.txt");
const LOGIN: [&str; 5] =
    ["exec", "--env", "INFLUX_USERNAME=keeper", "--env", "INFLUX_PASSWORD=s3cret \"pass\""];

struct InfluxDb;

impl Subject for InfluxDb {
    fn engine(&self) -> &'static str {
        "influxdb"
    }

    fn start(&self, world: &World, name: &str, labels: &[(&str, &str)]) -> Server {
        let mut options = vec!["--env", "TZ=Asia/Kolkata"];
        for variable in [
            "INFLUXDB_DB=shop",
            "INFLUXDB_HTTP_AUTH_ENABLED=true",
            "INFLUXDB_ADMIN_USER=keeper",
            "INFLUXDB_ADMIN_PASSWORD=s3cret \"pass\"",
            "INFLUXDB_USER=app, \"the\" one",
            "INFLUXDB_USER_PASSWORD=x",
        ] {
            options.extend(["--env", variable]);
        }
        let server = world.start(IMAGE, name, labels, &options, &[]);
        wait_for("InfluxDB", || {
            server.shell("influx -host \"$(hostname)\" -execute exit").code == Some(0)
        });
        server
    }

    fn seed(&self, server: &Server) {
        for statement in [
            "CREATE RETENTION POLICY forever ON shop DURATION INF REPLICATION 1 DEFAULT",
            "CREATE RETENTION POLICY \"two decades\" ON shop DURATION 1040w REPLICATION 1 SHARD DURATION 1d",
            "CREATE CONTINUOUS QUERY hourly ON shop BEGIN SELECT mean(v) INTO \"two decades\".averages FROM daily GROUP BY time(1h) END",
        ] {
            ask(server, "shop", statement);
        }
        let import = format!(
            "INFLUX_USERNAME=keeper INFLUX_PASSWORD='s3cret \"pass\"' influx {}",
            "-import -path=/dev/stdin -precision=ns"
        );
        server.shell_with_input(&import, SEED.as_bytes()).expect(0);
    }

    fn compared(&self, server: &Server, database: &str) -> String {
        let mut facts = String::new();
        for statement in [
            "SHOW RETENTION POLICIES",
            "SHOW SERIES",
            "SHOW FIELD KEYS FROM forever./.*/",
            "SHOW TAG KEYS FROM \"two decades\"./.*/",
            "SELECT * FROM forever./.*/",
            "SELECT * FROM \"two decades\"./.*/",
            "SELECT * FROM autogen./.*/",
        ] {
            facts.push_str(&ask(server, database, statement));
        }
        facts
    }

    fn beside(&self) -> Option<&'static str> {
        Some("Shop \"2\", <x> host=y")
    }

    fn tool(&self) -> (&'static str, &'static str) {
        ("influxd", "backup")
    }

    fn half(&self) -> &'static str {
        r#""$real" "$@"; for folder; do :; done
           for shard in "$folder"/*.gz; do head -c 100 "$shard" >"$folder"/cut; mv "$folder"/cut "$shard"; done
           exit 0"#
    }
}

/// Asks as an administrator; the answer comes as CSV.
#[track_caller]
fn ask(server: &Server, database: &str, statement: &str) -> String {
    let client = ["influx", "-format", "csv", "-database", database, "-execute", statement];
    let ran = docker(&[&LOGIN[..], &[&server.name], &client].concat());
    assert_eq!(ran.code, Some(0), "{statement}: {ran:?}");
    ran.stdout
}

/// Everything in the container's folder for what is temporary that is ours.
fn leftovers(server: &Server) -> String {
    server.shell("ls /tmp").expect(0).stdout.lines().filter(|l| l.contains("ringbolt")).collect()
}

#[test]
fn influxdb_restores() {
    check_round_trip(&InfluxDb, &[]);
}

#[test]
fn influxdb_with_a_lying_tool_leaves_nothing() {
    check_tools(&InfluxDb);
}

#[test]
fn influxdb_with_a_flipped_byte_is_refused() {
    check_flips(&InfluxDb);
}

fn plain_dump(world: &World) -> Vec<u8> {
    world.ringbolt(&["backup"]).expect(0);
    let mut files = world.files().into_iter();
    files.find(|(name, _)| name.ends_with(".tar")).unwrap().1
}

#[test]
fn an_influxdb_backup_cut_anywhere_is_refused() {
    let world = World::new();
    let server = InfluxDb.start(&world, "cuts", &[("enable", "true"), ("compress", "none")]);
    InfluxDb.seed(&server);
    let dump = plain_dump(&world);
    let facts = check_cuts("influxdb", "portable", &dump);
    assert!(facts.counts["shards"] > 5, "{facts}");
    assert_eq!(leftovers(&server), "");
    // A flipped byte within a shard is found by the shard's own sum, wherever it is.
    let data: Vec<usize> = (0..dump.len()).filter(|at| dump[*at] != 0).collect();
    let shard = data[data.len() * 2 / 3];
    let mut flipped = dump.clone();
    flipped[shard] ^= 1;
    assert!(judge("influxdb", "portable", &flipped).is_err(), "flipped at {shard}");
}

#[test]
fn every_influx_database_is_found_and_an_empty_one_restores() {
    let world = World::new();
    let server = InfluxDb.start(&world, "all", &[("enable", "true"), ("databases", "*")]);
    ask(&server, "shop", "CREATE DATABASE \"an, \\\"empty\\\" one\"");
    let policy =
        "CREATE RETENTION POLICY kept ON \"an, \\\"empty\\\" one\" DURATION 1h REPLICATION 1";
    ask(&server, "shop", "INSERT m v=1");
    world.ringbolt(&["backup"]).expect(0);
    let mut names: Vec<String> = world
        .list()
        .iter()
        .map(|archive| archive["database"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    // `_internal` is the server's own.
    assert_eq!(names, ["an, \"empty\" one", "shop"]);
    let empty = world.newest("an, \"empty\" one");
    let id = empty["id"].as_str().unwrap();
    world.ringbolt(&["restore", id, "--into", &server.name]).expect(0);
    ask(&server, "shop", policy);
    world.ringbolt(&["restore", id, "--into", &server.name]).expect(1).says("is not empty");
    world.ringbolt(&["backup"]).expect(0);
    let empty = world.newest("an, \"empty\" one");
    let id = empty["id"].as_str().unwrap();
    world.ringbolt(&["restore", id, "--into", &server.name, "--database", "again"]).expect(0);
    let policies = ask(&server, "again", "SHOW RETENTION POLICIES");
    assert!(policies.contains("kept,1h0m0s"), "{policies}");
}

#[test]
fn grants_and_continuous_queries_survive_a_restore_in_place() {
    let world = World::new();
    let old = InfluxDb.start(&world, "old", &[("enable", "true")]);
    InfluxDb.seed(&old);
    let queries = ask(&old, "shop", "SHOW CONTINUOUS QUERIES");
    assert!(queries.contains("hourly"), "{queries}");
    world.ringbolt(&["backup"]).expect(0);
    let archive = world.newest("shop");
    let files = world.files();
    let manifest = files.iter().find(|(name, _)| name.ends_with(".json")).unwrap().1;
    assert!(String::from_utf8_lossy(manifest).contains("neither users"));
    let new = InfluxDb.start(&world, "new", &[]);
    let grants = "SHOW GRANTS FOR \"app, \\\"the\\\" one\"";
    let granted = ask(&new, "shop", grants);
    assert!(granted.contains("shop,ALL PRIVILEGES"), "{granted}");
    world.ringbolt(&["restore", archive["id"].as_str().unwrap(), "--into", &new.name]).expect(0);
    assert_eq!(ask(&new, "shop", grants), granted);
    assert_eq!(ask(&new, "shop", "SHOW CONTINUOUS QUERIES").trim(), queries.trim());
    assert_eq!(leftovers(&new), "");
}

#[test]
fn what_is_written_during_a_backup_is_there_up_to_some_point() {
    let world = World::new();
    let server = InfluxDb.start(&world, "busy", &[("enable", "true")]);
    let writer = "i=0; while i=$((i+1)); do echo \"written v=${i}i $i\"; done | head -n 200000 >/tmp/points;
        { echo '# DML'; echo '# CONTEXT-DATABASE: shop'; cat /tmp/points; } >/tmp/import;
        INFLUX_USERNAME=keeper INFLUX_PASSWORD='s3cret \"pass\"' influx -import -path=/tmp/import -precision=ns -pps 20000";
    docker(&["exec", "--detach", &server.name, "sh", "-c", writer]).expect(0);
    let written = |database: &str| {
        let answer = ask(&server, database, "SELECT count(v), max(v) FROM written");
        let line = answer.lines().last().unwrap_or_default().to_owned();
        let numbers: Vec<u64> = line.split(',').filter_map(|field| field.parse().ok()).collect();
        numbers.get(1..3).map_or((0, 0), |numbers| (numbers[0], numbers[1]))
    };
    wait_for("a writer", || written("shop").0 > 0);
    world.ringbolt(&["backup"]).expect(0);
    let latest = format!("{}@latest", server.source());
    world.ringbolt(&["restore", &latest, "--into", &server.name, "--database", "then"]).expect(0);
    let (count, last) = written("then");
    assert!(count > 0 && count == last, "{count} points up to {last}");
}

#[test]
fn a_wrong_password_and_a_closed_port_are_explained() {
    let world = World::new();
    let labels = [("enable", "true"), ("password", "env:TZ")];
    InfluxDb.start(&world, "wrong", &labels);
    world.ringbolt(&["backup"]).expect(1).says("authorization failed").says("label `password`");
}
