//! Deep verification: an archive is decrypted, decompressed and read to its last byte, by hand and right
//! after it was written. For every archive that passes there are damaged twins that do not.

use std::collections::BTreeMap;

use ringbolt::archive::Manifest;
use ringbolt::model::Sum;
use ringbolt::pipeline::{Recipients, digest};
use serde_json::Value;

use crate::encryption::{key_file, pair, recipients};
use crate::faults::commit::shim;
use crate::pipeline::write_for;
use crate::world::{Ran, Server, World};

/// Writes an archive anew with other plain bytes, as a backup that did not look would have: every sum of
/// its manifest is right.
fn rewrite(world: &World, id: &str, change: impl FnOnce(&mut Vec<u8>, &mut Manifest)) {
    let files = world.files();
    let name = files.keys().find(|name| name.ends_with(&format!("{id}.manifest.json"))).unwrap();
    let path = world.store().join(name);
    let mut manifest = Manifest::read(&files[name]).unwrap();
    let payload = path.with_file_name(&manifest.payload);
    let mut plain = world.ringbolt_bytes(&["cat", id]);
    change(&mut plain, &mut manifest);
    let ([sum, compressed, stored], bytes) =
        write_for(&World::new(), manifest.codec, &Recipients::default(), &plain);
    (manifest.plain, manifest.compressed, manifest.stored) = (sum, compressed, stored);
    std::fs::write(payload, bytes).unwrap();
    std::fs::write(path, manifest.write().unwrap()).unwrap();
}

/// What is done to plain bytes and manifest.
type Change = fn(&mut Vec<u8>, &mut Manifest);

fn proof(world: &World, id: &str) -> Value {
    world.list().into_iter().find(|archive| archive["id"] == id).unwrap()["proof"].clone()
}

fn checks(world: &World, id: &str) -> Value {
    world.ringbolt(&["show", id, "--json"]).expect(0).json()["checks"].clone()
}

fn filled(world: &World, labels: &[(&str, &str)], more: &[&str]) -> Server {
    let server = world.postgres("db", &[&[("enable", "true")], labels].concat(), more);
    server
        .sql("keeper", "CREATE TABLE t AS SELECT i, md5(i::text) FROM generate_series(1, 9000) i");
    server
}

#[test]
fn a_whole_dump_passes_and_one_that_only_hashes_does_not() {
    let world = World::new();
    filled(&world, &[("format", "plain")], &[]);
    world.ringbolt(&["backup"]).expect(0);
    let ran = world.ringbolt(&["verify", "--level", "deep", "--json"]).expect(0).json();
    assert!(ran.as_array().unwrap().iter().all(|one| one["ok"] == true && one["level"] == "deep"));
    assert_eq!(ran.as_array().unwrap().len(), 2, "the database and the globals");
    let id = world.newest("keeper")["id"].as_str().unwrap().to_owned();
    assert_eq!(proof(&world, &id), "deep");
    let before = world.files();
    let back = |world: &World| {
        for (name, bytes) in &before {
            std::fs::write(world.store().join(name), bytes).unwrap();
        }
    };
    let cases: [(&str, Change, &str); 4] = [
        ("a cut dump", |plain, _| plain.truncate(plain.len() / 2), "the dump is cut"),
        ("no dump", |plain, _| *plain = b"hello\n".repeat(9000), "the dump is cut"),
        ("another count", |_, manifest| manifest.facts.tables[0].rows += 1, "its manifest says"),
        ("an empty dump", |plain, _| plain.clear(), "the dump is empty"),
    ];
    for (name, change, words) in cases {
        rewrite(&world, &id, change);
        world.ringbolt(&["verify", &id]).expect(0);
        let ran = world.ringbolt(&["verify", &id, "--level", "deep", "--json"]).expect(1);
        let ran = ran.says(words);
        let one = &ran.json()[0];
        assert!(one["ok"] == false && one["broken"] == true, "{name}: {one}");
        assert_eq!(proof(&world, &id), "broken", "{name}");
        // That its bytes are as they were written does not make it good again; a good archive does.
        world.ringbolt(&["verify", &id]).expect(0);
        assert_eq!(proof(&world, &id), "broken", "{name}");
        back(&world);
        assert_eq!(proof(&world, &id), "deep", "{name}");
    }
    // A manifest with other sums than its payload.
    let files = world.files();
    let manifest =
        files.keys().find(|name| name.ends_with(&format!("{id}.manifest.json"))).unwrap();
    let mut other = Manifest::read(&files[manifest]).unwrap();
    other.plain = Sum { sha256: digest(b"other"), ..other.plain };
    std::fs::write(world.store().join(manifest), other.write().unwrap()).unwrap();
    world.ringbolt(&["verify", &id]).expect(0);
    world.ringbolt(&["verify", &id, "--level", "deep"]).expect(1).says("the dump inside");
}

#[test]
fn what_cannot_be_looked_at_is_not_broken_and_stops_no_other() {
    let world = World::new();
    let labels = [("databases", "keeper"), ("job.sealed.encrypt", "team")];
    let (public, file) = pair();
    filled(&world, &labels, &[]);
    let group = format!("encryption.groups.team={public}");
    world.ringbolt(&["backup", "--set", &group]).expect(0);
    let find = |archive: &Value| archive["encrypted"] == true && archive["part"] == "database";
    let sealed = world.list().into_iter().find(find).unwrap()["id"].as_str().unwrap().to_owned();
    let name = |name: &String| name.contains(&sealed) && name.ends_with(".age");
    let path = world.store().join(world.files().into_keys().find(name).unwrap());
    let before = world.files();
    let ran = world.ringbolt(&["verify", "--level", "deep", "--json"]).expect(2);
    let ran = ran.says("no identity was given").says("--identity FILE");
    let of = |ran: &Ran, id: &str| {
        ran.json().as_array().unwrap().iter().find(|one| one["id"] == id).unwrap().clone()
    };
    let one = of(&ran, &sealed);
    assert!(one["ok"] == false && one["broken"] == false, "{one}");
    let results = ran.json();
    let count = |ok: bool| results.as_array().unwrap().iter().filter(|one| one["ok"] == ok).count();
    assert_eq!((count(true), count(false)), (2, 2));
    let recorded = |files: &BTreeMap<String, Vec<u8>>| {
        files
            .iter()
            .find(|(name, _)| name.ends_with(&format!("{sealed}.proof.json")))
            .unwrap()
            .1
            .clone()
    };
    assert!(recorded(&before) == recorded(&world.files()), "nothing is recorded");
    assert_eq!(proof(&world, &sealed), "stored");
    let other = key_file(&world, "other", &pair().1);
    let deep = ["verify", "--level", "deep", &sealed, "--identity"];
    world.ringbolt(&[&deep[..], &[&other]].concat()).expect(2).says("is one of them");
    // A folder in the place of the payload cannot be read: a fault of the disk, not of the archive.
    let whole = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    let own = key_file(&world, "own", &file);
    let ran = world.ringbolt(&[&deep[..], &[&own]].concat()).expect(1);
    assert!(ran.stdout.contains("NOT LOOKED AT"), "{ran:?}");
    assert_eq!(proof(&world, &sealed), "stored");
    std::fs::remove_dir(&path).unwrap();
    world.ringbolt(&[&deep[..], &[&own]].concat()).expect(1).says("has no `");
    assert_eq!(proof(&world, &sealed), "broken");
    std::fs::write(&path, whole).unwrap();
    world.ringbolt(&[&deep[..], &[&own]].concat()).expect(0);
    assert_eq!(proof(&world, &sealed), "deep");

    world.ringbolt(&["verify", "--identity", &own]).expect(2).says("--level deep");
    world.ringbolt(&["verify", "--level", "drill"]).expect(2).says("ringbolt drill");
    world.ringbolt(&["verify", "--level", "most"]).expect(2);
}

#[test]
fn an_encrypted_backup_is_verified_deeply_without_a_key_on_the_host() {
    let world = World::new();
    let (public, file) = pair();
    let server = filled(&world, &[("verify", "deep")], &[]);
    let backup = ["backup", "--set", &format!("encryption.recipients={public}")].map(str::to_owned);
    let backup: Vec<&str> = backup.iter().map(String::as_str).collect();
    world.ringbolt(&backup).expect(0);
    let archive = world.newest("keeper");
    let id = archive["id"].as_str().unwrap();
    assert_eq!(
        (&archive["proof"], &archive["recipients"]),
        (&"deep".into(), &[&*public][..].into())
    );
    let levels: Vec<Value> =
        checks(&world, id).as_array().unwrap().iter().map(|c| c["level"].clone()).collect();
    assert_eq!(levels, ["stored", "deep"]);
    // Its recipient reads it, also with the stock tool, and the header has one stanza more than that.
    let own = key_file(&world, "own", &file);
    assert!(world.ringbolt(&["cat", id, "-i", &own]).expect(0).stdout.starts_with("PGDMP"));
    let payload = world
        .store()
        .join(world.files().into_keys().find(|n| n.contains(id) && n.ends_with(".age")).unwrap());
    let header = std::fs::read(&payload).unwrap();
    let header = String::from_utf8_lossy(&header[..600]).into_owned();
    assert_eq!(header.matches("-> X25519").count(), 2, "{header}");
    world.ringbolt(&["verify", id, "--level", "deep"]).expect(2);
    let restore = ["restore", id, "--into", &server.name, "--database", "back", "-i", &own];
    world.ringbolt(&restore).expect(0);
    // What is verified by its stored bytes only has no such stanza.
    let stored = [&backup[..], &["--set", "defaults.verify=stored"]].concat();
    assert_eq!(world.ringbolt(&stored).expect(0).code, Some(0));
}

#[test]
fn an_archive_that_fails_its_deep_check_is_marked_and_never_the_latest() {
    let world = World::new();
    let server = filled(&world, &[("verify", "deep"), ("keep", "last=1")], &[]);
    world.ringbolt(&["backup"]).expect(0);
    let good = world.newest("keeper")["id"].as_str().unwrap().to_owned();
    // A disk that gives back what it was given when it is asked at once, and not a little later.
    let mut command = world.command();
    command.arg("backup").env("LD_PRELOAD", shim());
    command.env("SHIM_ROOT", world.store()).env("SHIM_ROT", "1");
    Ran::of(&mut command).expect(1).says("is damaged");
    let archive = world.newest("keeper");
    assert_eq!(archive["proof"], "broken");
    let latest = format!("{}/keeper@latest", server.source());
    let shown = world.ringbolt(&["show", &latest, "--json"]).expect(0).json();
    assert_eq!(shown["manifest"]["id"], good.as_str());
    let dry = world.ringbolt(&["--dry-run", "--json"]).expect(0).json();
    let deletes = dry["sources"][0]["retention"].to_string();
    assert!(!deletes.contains(&good), "the good one stays: {deletes}");
}

#[test]
fn the_witness_opens_what_it_saw_and_nothing_else() {
    let world = World::new();
    let (public, _) = pair();
    let (own, witness) = recipients(&[&public]).with_witness();
    assert_eq!(own.fingerprints(), [public]);
    assert!(witness.public().is_empty() && !witness.is_empty(), "nobody is told of its key");
    let (other, stranger) = own.clone().with_witness();
    assert_eq!(other.fingerprints(), own.fingerprints());
    let data = b"a dump of no great length".repeat(9000);
    let codec = ringbolt::model::Codec::Zstd(3);
    let (sums, bytes) = write_for(&world, codec, &own, &data);
    let read = |identities| {
        use std::io::Read as _;
        let stored = Box::new(std::io::Cursor::new(bytes.clone()));
        let mut unchain =
            ringbolt::pipeline::Unchain::new(codec, &own.fingerprints(), identities, stored)?;
        let mut plain = Vec::new();
        unchain.read_to_end(&mut plain).map_err(ringbolt::pipeline::PipelineError::Read)?;
        unchain.finish().map(|sums| (plain, sums))
    };
    let (plain, (stored, sum)) = read(&witness).unwrap();
    assert!(plain == data && stored == sums[2] && sum == sums[0]);
    assert!(read(&stranger).is_err());
    let (none, nobody) = Recipients::default().with_witness();
    assert!(none.is_empty() && nobody.is_empty());
}
