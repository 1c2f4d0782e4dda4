//! The dry run: one row for each source, every probe tried, a shape that programs can rely on, and
//! nothing changed.

use serde_json::{Value, json};

use crate::world::World;

/// Judges the answer by the published schema, which knows every field.
#[track_caller]
fn check_shape(answer: &Value) {
    let schema: Value = serde_json::from_str(include_str!("schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(answer).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}\n{answer:#}");
}

/// The answer with what differs from run to run replaced by its kind.
fn normal(mut answer: Value, world: &World) -> String {
    fn walk(value: &mut Value) {
        if let Value::Object(fields) = value {
            for (key, value) in fields {
                match (key.as_str(), &value) {
                    ("free_bytes" | "last_bytes" | "database_bytes", Value::Number(_)) => {
                        *value = "<bytes>".into();
                    }
                    ("last_archive_at" | "archive", Value::String(_)) => {
                        *value = "<archive>".into();
                    }
                    ("next_runs", Value::Array(runs)) => *value = json!(runs.len()),
                    (
                        "api_version" | "server_version" | "tool_version" | "host",
                        Value::String(_),
                    ) => {
                        *value = "<version>".into();
                    }
                    _ => walk(value),
                }
            }
        } else if let Value::Array(items) = value {
            items.iter_mut().for_each(walk);
        }
    }
    walk(&mut answer);
    let text = serde_json::to_string_pretty(&answer).unwrap();
    text.replace(&world.folder.display().to_string(), "<folder>").replace(&world.prefix, "<world>")
}

#[test]
fn the_answer_is_as_it_was() {
    let world = World::new();
    let labels = [
        ("enable", "true"),
        ("name", "shop"),
        ("schedule", "0 3 * * *"),
        ("timezone", "Europe/Berlin"),
        ("keep", "last=1"),
        ("rpo", "26h"),
    ];
    world.postgres("db", &labels, &[]);
    world.postgres("bad", &[("enable", "true"), ("kep", "last=1"), ("password", "hunter2")], &[]);
    world.ringbolt(&["backup", "shop"]).expect(0);
    world.ringbolt(&["backup", "shop"]).expect(0);
    let before = world.files();
    let answer = world.ringbolt(&["--dry-run", "--json"]).expect(2).json();
    check_shape(&answer);
    assert_eq!(world.files(), before, "a dry run changes nothing");
    let (fresh, file) = (normal(answer, &world) + "\n", "spec/dry_run/snapshot.json");
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &fresh).unwrap();
    }
    assert_eq!(fresh, std::fs::read_to_string(path).unwrap(), "{file} is stale");
}

#[test]
fn people_see_runs_deletions_and_what_is_unprotected() {
    let world = World::new();
    let labels = [
        ("enable", "true"),
        ("name", "shop"),
        ("schedule", "@daily"),
        ("keep", "last=1"),
        ("rpo", "26h"),
    ];
    world.postgres("db", &labels, &[]);
    let ran = world.ringbolt(&["--dry-run"]).expect(0);
    for words in ["custom", "zstd:3, not encrypted", "00:00", "UTC", "OVERDUE: promised every 26h"]
    {
        assert!(words == "custom" || ran.stdout.contains(words), "{words}: {ran:#?}");
    }
    assert!(ran.stdout.contains("not there yet, would be made"), "{ran:#?}");
    world.ringbolt(&["backup"]).expect(0);
    world.ringbolt(&["backup"]).expect(0);
    world.postgres("bad", &[("enable", "yes")], &[]);
    let ran = world.ringbolt(&["--dry-run"]).expect(2);
    assert!(ran.stdout.contains("shop: retention would delete"), "{ran:#?}");
    assert!(ran.stdout.contains("no rule keeps it"), "{ran:#?}");
    assert!(!ran.stdout.contains("OVERDUE"), "{ran:#?}");
    let bad = format!("labelled but UNPROTECTED: {}-bad", world.prefix);
    assert!(ran.stdout.contains(&bad), "{ran:#?}");
    assert_eq!(world.list().len(), 4, "it only says so");
}

#[test]
fn every_probe_that_is_not_green_is_told() {
    let world = World::new();
    let server = world.postgres(
        "db",
        &[("enable", "true"), ("name", "shop"), ("password", "env:NOT_THERE")],
        &[],
    );
    world.postgres("good", &[("enable", "true"), ("name", "good")], &[]);
    let ran =
        world.ringbolt(&["--dry-run", "--json"]).expect(1).says("shop would not be backed up");
    let answer = ran.json();
    check_shape(&answer);
    assert_eq!(answer["ready"], false);
    let source = |name: &str| {
        let all = answer["sources"].as_array().unwrap();
        all.iter().find(|source| source["source"] == name).unwrap()
    };
    assert_eq!(source("good")["ready"], true);
    assert!(source("shop")["error"].as_str().unwrap().contains("env:NOT_THERE"), "{answer:#}");
    // A store that cannot be written, and one beside it that can.
    let blocked = world.folder.join("blocked");
    std::fs::write(&blocked, "a file").unwrap();
    let url = format!("stores.blocked.url=file://{}/x", blocked.display());
    let flags = ["--dry-run", "--json", "--set", &url, "--set", "stores.local.default=true"];
    let answer = world.ringbolt(&flags).expect(1).says("store blocked").json();
    check_shape(&answer);
    let states: Vec<_> = answer["stores"].as_array().unwrap().iter().map(|s| &s["state"]).collect();
    assert_eq!(states, ["failed", "new"]);
    server.shell("rm $(command -v pg_dump)").expect(0);
    let ran = world.ringbolt(&["backup", "--dry-run", "good"]).expect(0);
    assert!(!ran.stdout.contains("shop"), "{ran:?}");
}
