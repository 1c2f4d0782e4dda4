//! The archive format: frozen vectors of every version, and manifests that must be refused.
//!
//! `FORMAT.md` beside this file is the description for people. A vector is never changed.

use ringbolt::archive::{Manifest, ManifestError};
use ringbolt::pipeline::{Signature, Signing};

use crate::world::World;

const V1: [(&str, &str); 4] = [
    ("database", include_str!("v1/database.json")),
    ("globals", include_str!("v1/globals.json")),
    ("signed", include_str!("v1/signed.json")),
    // Its payload is read in `encryption.rs`.
    ("encrypted", include_str!("v1/encrypted.json")),
];

#[test]
fn version_1_is_read_and_written_as_ever() {
    for (name, text) in V1 {
        let manifest = Manifest::read(text.as_bytes()).unwrap();
        let written = String::from_utf8(manifest.write().unwrap()).unwrap();
        assert_eq!(written, text, "{name}");
    }
}

#[test]
fn the_signature_of_version_1_fits_as_ever() {
    let (_, text) = V1[2];
    let signature = include_bytes!("v1/signed.json.minisig");
    let public = include_str!("v1/signed.pub").lines().nth(1).unwrap().to_owned();
    let signing = Signing::read(None, &[public]).unwrap();
    let signer = Manifest::read(text.as_bytes()).unwrap().signer;
    let judged = |text: &str| signing.judge(text.as_bytes(), Some(signature), signer);
    assert!(matches!(judged(text), Signature::By(key) if Some(key.id()) == signer));
    assert!(matches!(judged(&text.replace('1', "2")), Signature::Refused(_)));
}

#[test]
fn doubtful_manifests_are_refused() {
    let (_, whole) = V1[0];
    let read = |text: &str| Manifest::read(text.as_bytes());
    assert!(matches!(
        read(&whole.replace("\"version\": 1", "\"version\": 2")),
        Err(ManifestError::Newer(2))
    ));
    assert!(matches!(read("{}"), Err(ManifestError::NoVersion)));
    assert!(matches!(read(""), Err(ManifestError::Unreadable(_))));
    assert!(read(&whole[..whole.len() / 2]).is_err());
    for (from, to) in [
        ("\"source\": \"shop\"", "\"source\": \"../shop\""),
        ("\"source\": \"shop\"", "\"sauce\": \"shop\""),
        ("\"source\": \"shop\"", "\"source\": \"shop\", \"more\": 1"),
        ("\"id\": \"2026", "\"id\": \"x2026"),
        ("\"sha256\": \"", "\"sha256\": \"zz"),
    ] {
        assert!(whole.contains(from), "{from}");
        assert!(read(&whole.replace(from, to)).is_err(), "{to}");
    }
}

#[test]
fn a_damaged_manifest_is_said_and_never_a_shorter_list() {
    let world = World::new();
    world.postgres("db", &[("enable", "true")], &[]);
    world.ringbolt(&["backup"]).expect(0);
    let name = world.files().into_keys().find(|name| name.ends_with(".manifest.json")).unwrap();
    let path = world.store().join(&name);
    let whole = std::fs::read_to_string(&path).unwrap();
    let elsewhere = whole.replace("\"source\": \"", "\"source\": \"x");
    let stolen = {
        let at = whole.find("\"payload\": \"").unwrap() + "\"payload\": \"".len();
        format!("{}../../{}", &whole[..at], &whole[at..])
    };
    for (text, words) in [
        ("{", "is not readable"),
        (&elsewhere, "lies elsewhere"),
        (&stolen, "is no key of a store"),
        (&whole.replace("\"version\": 1", "\"version\": 7"), "its version is 7"),
    ] {
        std::fs::write(&path, text).unwrap();
        let ran = world.ringbolt(&["list", "--json"]).expect(1).says(words);
        assert_eq!(ran.json().as_array().unwrap().len(), 1, "the other is listed");
    }
    // And it is nobody's leftover: a run sweeps, and leaves it and its payload alone.
    let files = world.files();
    world.ringbolt(&["backup"]).expect(0);
    assert!(files.keys().all(|name| world.files().contains_key(name)));
}

#[test]
fn the_store_alone_is_enough() {
    let world = World::new();
    let server = world.postgres("db", &[("enable", "true")], &[]);
    world.ringbolt(&["backup"]).expect(0);
    let moved = World::new();
    std::fs::rename(world.store(), moved.store()).unwrap();
    let ran = moved.ringbolt(&["list", "--json"]).expect(0);
    assert_eq!(ran.json().as_array().unwrap().len(), 2);
    moved.ringbolt(&["verify"]).expect(0);
    let latest = format!("{}/keeper@latest", server.source());
    moved.ringbolt(&["restore", &latest, "--into", &server.name, "--database", "back"]).expect(0);
}

#[test]
fn a_proof_that_cannot_be_read_takes_nothing_from_its_archive() {
    let world = World::new();
    let server = world.postgres("db", &[("enable", "true")], &[]);
    world.ringbolt(&["backup"]).expect(0);
    let latest = format!("{}@latest", server.source());
    let proof = world
        .files()
        .into_keys()
        .find(|name| name.contains("keeper") && name.ends_with(".proof.json"));
    let path = world.store().join(proof.unwrap());
    for text in [
        "{",
        "{\"version\": 2, \"checks\": []}",
        "{\"version\": 1, \"checks\": [{\"level\": \"new\"}]}",
    ] {
        std::fs::write(&path, text).unwrap();
        let ran =
            world.ringbolt(&["list", "--json"]).expect(1).says("proof `").says("ringbolt verify");
        assert_eq!(ran.json().as_array().unwrap().len(), 2);
        world.ringbolt(&["show", &latest]).expect(0);
    }
    std::fs::remove_file(&path).unwrap();
    assert_eq!(world.newest("keeper")["proof"], "none");
    world.ringbolt(&["verify"]).expect(0);
    assert_eq!(world.newest("keeper")["proof"], "stored");
}

#[test]
fn a_payload_without_a_manifest_is_left_alone() {
    let world = World::new();
    world.postgres("db", &[("enable", "true")], &[]);
    world.ringbolt(&["backup"]).expect(0);
    let manifest = world.files().into_keys().find(|name| name.ends_with(".manifest.json")).unwrap();
    let path = world.store().join(&manifest);
    // Set aside by a person, or on its way from another disk.
    std::fs::rename(&path, path.with_extension("json.aside")).unwrap();
    let before = world.files();
    world.ringbolt(&["backup"]).expect(0);
    assert!(before.keys().all(|name| world.files().contains_key(name)));
}
