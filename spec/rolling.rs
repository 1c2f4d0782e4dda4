//! Rolling verification on real archives: the sidecar finds what was damaged in a store, marks it, and
//! says so for as long as it is so.

use std::path::PathBuf;

use ringbolt::history;
use ringbolt::model::{ArchiveId, Finding};

use crate::encryption::pair;
use crate::life::Sidecar;
use crate::world::World;

/// A container that is only backed up by hand.
fn kept(world: &World) {
    let labels = [("enable", "true"), ("name", "shop"), ("schedule", "manual")];
    let server = world.postgres("db", &labels, &[]);
    server.sql("keeper", "CREATE TABLE t AS SELECT i, md5(i::text) FROM generate_series(1, 900) i");
}

fn ids(world: &World) -> Vec<String> {
    let id = |archive: &serde_json::Value| archive["id"].as_str().unwrap().to_owned();
    world.list().iter().map(id).collect()
}

fn proof(world: &World, id: &str) -> String {
    let list = world.list();
    let own = list.iter().find(|archive| archive["id"] == id).unwrap();
    own["proof"].as_str().unwrap().to_owned()
}

/// The files of an archive.
fn files(world: &World, id: &str) -> Vec<PathBuf> {
    let names = world.files().into_keys().filter(|name| name.contains(id));
    names.map(|name| world.store().join(name)).collect()
}

fn flip(world: &World, id: &str) {
    let is_payload = |path: &PathBuf| path.extension().is_some_and(|ending| ending != "json");
    let payload = files(world, id).into_iter().find(is_payload).unwrap();
    let mut content = std::fs::read(&payload).unwrap();
    let middle = content.len() / 2;
    content[middle] ^= 1;
    std::fs::write(&payload, content).unwrap();
}

#[test]
fn a_flipped_byte_is_found_marked_and_an_alarm_until_the_archive_is_gone() {
    let world = World::new();
    kept(&world);
    world.ringbolt(&["backup"]).expect(0);
    let broken = ids(&world).remove(0);
    flip(&world, &broken);
    world.ringbolt(&["backup"]).expect(0);
    let all = ids(&world);
    assert_eq!(all.len(), 4);

    let sidecar = Sidecar::start(&world, &["--set", "verify.share=100%"]);
    sidecar.wait(&format!("shop {broken} is BROKEN: "));
    sidecar.wait(&format!("ALARM broken shop: archive `{broken}` is broken: "));
    for id in all.iter().filter(|id| **id != broken) {
        sidecar.wait(&format!("shop {id} verified (stored)"));
        assert_eq!(proof(&world, id), "stored");
    }
    sidecar.end();
    assert_eq!(proof(&world, &broken), "broken");
    // It never counts as a good one.
    let data = world.folder.join("data");
    let told = history::look(&data).unwrap().unwrap().checks(None, 9).unwrap();
    let bad = told.iter().filter(|checked| checked.finding == Finding::Broken).count();
    assert_eq!((told.len(), bad), (4, 1));
    let set = format!("data_dir={}", data.display());
    let shown = world.ringbolt(&["history", "--set", &set]).expect(0).stdout;
    assert!(shown.contains("verify") && shown.contains("proven"), "{shown}");
    let json = world.ringbolt(&["history", "--json", "--set", &set]).expect(0).json();
    assert_eq!(json["checks"].as_array().unwrap().len(), 4, "{json:#}");
    assert_eq!(json["alarms"][0]["kind"], "broken", "{json:#}");

    // A listing that fails says nothing: the alarm stays. The day's round was, so nothing is read.
    let name = format!("{}.manifest.json", ArchiveId::new(jiff::Timestamp::UNIX_EPOCH, 1));
    let unreadable = world.store().join("shop/keeper").join(&name);
    std::fs::write(&unreadable, "no manifest").unwrap();
    for path in files(&world, &broken) {
        std::fs::remove_file(path).unwrap();
    }
    let sidecar = Sidecar::start(&world, &["--set", "verify.share=100%"]);
    sidecar.wait(&name);
    let said = sidecar.end();
    assert!(!said.contains("alarm ends") && !said.contains("verified"), "{said}");
    std::fs::remove_file(&unreadable).unwrap();
    let sidecar = Sidecar::start(&world, &["--set", "verify.share=100%"]);
    sidecar.wait("alarm ends: broken shop");
    sidecar.end();
}

#[test]
fn it_is_as_deep_and_as_much_as_was_said() {
    let world = World::new();
    kept(&world);
    let (public, secret) = pair();
    let (other, _) = pair();
    let recipients = |key: &str| format!("encryption.recipients={key}");
    world.ringbolt(&["backup", "--set", &recipients(&public)]).expect(0);
    let readable = ids(&world);
    world.ringbolt(&["backup", "--set", &recipients(&other)]).expect(0);
    let identity = world.folder.join("identity");
    std::fs::write(&identity, secret).unwrap();
    let identity = format!("encryption.identity_file={}", identity.display());
    let start = |number: u32, settings: &[&str]| {
        let data = format!("data_dir={}/data-{number}", world.folder.display());
        let mut flags: Vec<&str> = settings.iter().flat_map(|setting| ["--set", setting]).collect();
        flags.extend(["--set", &data]);
        Sidecar::start(&world, &flags)
    };
    // Off is off; the list of containers comes before anything is verified.
    let off = start(1, &["verify.share=0%"]);
    off.wait("found 1 source");
    let said = off.end();
    assert!(!said.contains("verified"), "{said}");
    // One of four at least, and the oldest.
    let few = start(2, &["verify.share=1%"]);
    few.wait("verified (stored)");
    let said = few.end();
    assert_eq!(said.matches("verified (").count(), 1, "{said}");
    assert!(readable.iter().any(|id| said.contains(id.as_str())), "{said}");
    // What the identity does not open is looked at as far as it goes.
    let deep = start(3, &["verify.share=100%", "verify.level=deep", &identity]);
    for id in ids(&world) {
        let level = if readable.contains(&id) { "deep" } else { "stored" };
        deep.wait(&format!("shop {id} verified ({level})"));
        assert_eq!(proof(&world, &id), level);
    }
    deep.end();
    let nowhere =
        ["run", "--set", "verify.level=deep", "--set", "encryption.identity_file=/nowhere"];
    world.ringbolt(&nowhere).expect(2).says("cannot read identity file `/nowhere`");
}
