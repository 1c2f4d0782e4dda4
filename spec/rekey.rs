//! Rekeying: old archives for new recipients. The archive is readable at every moment, with the old key
//! or the new one, wherever it is killed; and what is inside stays to the byte.

use ringbolt::archive::Manifest;
use serde_json::Value;

use crate::encryption::{ED25519, VECTOR, key_file, lay_out, pair};
use crate::faults::commit::shim;
use crate::world::{Ran, World};

/// The frozen archive in a store of its own, with the labels of its manifest as given.
struct Old {
    world: World,
    id: String,
    /// The identity that opens it as it is.
    key: String,
}

fn old() -> Old {
    let world = World::new();
    let (id, _) = lay_out(&world);
    let key = key_file(&world, "old", VECTOR.2);
    Old { world, id, key }
}

impl Old {
    fn rekey(&self, more: &[&str]) -> Ran {
        self.world.unattended(&[&["rekey", &self.id, "--identity", &self.key], more].concat())
    }

    /// The plain dump, if this key opens the archive.
    fn cat(&self, key: &str) -> Option<String> {
        let ran = self.world.ringbolt(&["cat", &self.id, "-i", key]);
        (ran.code == Some(0)).then_some(ran.stdout)
    }

    fn manifest(&self) -> Manifest {
        let files = self.world.files();
        let (_, text) = files.iter().find(|(name, _)| name.ends_with(".manifest.json")).unwrap();
        Manifest::read(text).unwrap()
    }

    /// Files in the store that are no manifest and no proof.
    fn payloads(&self) -> Vec<String> {
        let files = self.world.files().into_keys();
        files.filter(|name| !name.ends_with(".json")).collect()
    }
}

#[test]
fn an_archive_goes_to_new_recipients_and_is_the_same_inside() {
    let old = old();
    let (public, file) = pair();
    let new = key_file(&old.world, "new", &file);
    let (before, plain) = (old.manifest(), old.cat(&old.key).unwrap());
    let setting = format!("encryption.recipients={public}");
    let ran = old.rekey(&["--set", &setting, "--json"]).expect(0).json();
    assert_eq!(
        (&ran[0]["rekeyed"], &ran[0]["recipients"][0]),
        (&true.into(), &public.clone().into())
    );
    let after = old.manifest();
    assert_eq!(after.recipients, std::slice::from_ref(&public));
    assert!(after.stored != before.stored && after.payload != before.payload);
    assert!(after.payload.ends_with(".sql.zst.age"), "{}", after.payload);
    let (stored, recipients, payload) =
        (before.stored, before.recipients.clone(), before.payload.clone());
    assert_eq!(Manifest { stored, recipients, payload, ..after }, before, "nothing else");
    assert_eq!(old.payloads().len(), 1);
    assert_eq!(old.cat(&new), Some(plain));
    assert_eq!(old.cat(&old.key), None, "the old key opens it no more");
    assert_eq!(old.world.list()[0]["proof"], "stored");
    old.world.ringbolt(&["verify", &old.id]).expect(0);

    // What is right stays as it is, and needs no key.
    let files = old.world.files();
    let again = ["rekey", "--all", "--set", &setting, "--json"];
    let ran = old.world.ringbolt(&again).expect(0).json();
    assert_eq!((&ran[0]["rekeyed"], &ran[0]["ok"]), (&false.into(), &true.into()));
    assert!(old.world.files() == files);
    // Again and again, its name does not grow.
    let to = ["rekey", &old.id, "-i", &new, "--to", ED25519.0];
    old.world.ringbolt(&to).expect(0);
    let ssh = key_file(&old.world, "ssh", ED25519.1);
    assert!(old.cat(&ssh).is_some());
    assert_eq!(old.manifest().payload.split('.').count(), 5, "{}", old.manifest().payload);
}

#[test]
fn who_decrypts_is_what_settings_and_the_label_of_then_say_now() {
    let old = old();
    let (public, team) = (pair().0, pair().0);
    let settings =
        [format!("encryption.recipients={public}"), format!("encryption.groups.team={team}")];
    let files = old.world.files();
    let name = files.keys().find(|name| name.ends_with(".manifest.json")).unwrap();
    let mut labelled = old.manifest();
    let mut say = |label: &str| {
        labelled.labels.insert("encrypt".to_owned(), label.to_owned());
        std::fs::write(old.world.store().join(name), labelled.write().unwrap()).unwrap();
    };
    let sets: Vec<&str> = settings.iter().flat_map(|set| ["--set", set]).collect();
    say("gone");
    old.rekey(&sets).expect(2).says("no such recipient group").says("--to");
    say("false");
    old.rekey(&sets).expect(2).says("would not encrypt it");
    old.rekey(&[]).expect(2).says("would not encrypt it");
    say("team");
    old.rekey(&sets).expect(0);
    let mut expected = vec![public, team];
    expected.sort();
    assert_eq!(old.manifest().recipients, expected);

    old.world.ringbolt(&["rekey"]).expect(2).says("--all");
    old.world.ringbolt(&["rekey", "--all", &old.id]).expect(2).says("--all");
    old.rekey(&["--to", "hunter2"]).expect(2).says("is neither");
    old.rekey(&["--to", VECTOR.2.lines().last().unwrap()]).expect(2).says("is a secret key");
}

#[test]
fn a_wrong_key_or_damage_changes_nothing() {
    let old = old();
    let (public, other) = pair();
    let files = old.world.files();
    let stranger = key_file(&old.world, "stranger", &other);
    let rekey = ["rekey", &old.id, "--to", &public];
    old.world.ringbolt(&rekey).expect(2).says("no identity was given");
    old.world.ringbolt(&[&rekey[..], &["-i", &stranger]].concat()).expect(2).says("one of them");
    assert!(old.world.files() == files);
    let (name, whole) = files.iter().find(|(name, _)| name.ends_with(".age")).unwrap();
    let path = old.world.store().join(name);
    for at in [30, whole.len() / 2, whole.len() - 1] {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        std::fs::write(&path, &flipped).unwrap();
        let before = old.world.files();
        old.rekey(&["--to", &public]).expect(1);
        assert!(old.world.files() == before, "a bit at {at}");
    }
    std::fs::write(&path, whole).unwrap();
    // What is in the store is not what its manifest says, though all of it decrypts.
    let mut other = old.manifest();
    other.compressed.bytes += 1;
    let manifest =
        old.world.store().join(files.keys().find(|n| n.ends_with(".manifest.json")).unwrap());
    std::fs::write(&manifest, other.write().unwrap()).unwrap();
    let before = old.world.files();
    old.rekey(&["--to", &public]).expect(1).says("is damaged");
    assert!(old.world.files() == before);
}

#[test]
fn killed_at_every_step_it_is_the_old_archive_or_the_new_one() {
    let (public, file) = pair();
    let server = World::new();
    server.postgres("db", &[("enable", "true")], &[]);
    let mut seen = Vec::new();
    for at in 1.. {
        let old = old();
        let new = key_file(&old.world, "new", &file);
        let log = old.world.folder.join("steps");
        let mut command = old.world.command();
        command.args(["rekey", &old.id, "--identity", &old.key, "--to", &public]);
        command.env("LD_PRELOAD", shim()).env("SHIM_LOG", &log);
        command.env("SHIM_ROOT", old.world.store()).env("SHIM_AT", at.to_string());
        let ran = Ran::of(&mut command);
        let steps = std::fs::read_to_string(&log).unwrap_or_default();
        let last = steps.lines().last().unwrap_or_default().to_owned();
        let (with_old, with_new) = (old.cat(&old.key), old.cat(&new));
        assert!(with_old.is_some() != with_new.is_some(), "step {at}: {last}");
        old.world.ringbolt(&["verify", &old.id]).expect(0);
        if ran.code.is_some() {
            ran.expect(0);
            break;
        }
        // The next backup sweeps what was left, and nothing else.
        let mut backup = server.command();
        backup
            .arg("backup")
            .env("RINGBOLT_STORES__LOCAL__URL", format!("file://{}", old.world.store().display()));
        Ran::of(&mut backup).expect(0);
        let own: Vec<String> =
            old.payloads().into_iter().filter(|name| name.contains(&old.id)).collect();
        assert_eq!(own.len(), 1, "step {at} ({last}): {own:?}");
        assert!(own[0].ends_with(&old.manifest_of().payload));
        assert!(old.cat(&old.key).is_some() || old.cat(&new).is_some());
        seen.push(last);
        assert!(at < 100, "it does not end");
    }
    let reached =
        |call: &str, end: &str| seen.iter().any(|s| s.starts_with(call) && s.ends_with(end));
    assert!(reached("rename", ".age") && reached("rename", ".manifest.json"), "{seen:#?}");
    assert!(reached("unlink", ".age") && reached("rename", ".proof.json"), "{seen:#?}");
}

impl Old {
    /// Its own manifest, where others lie in the store.
    fn manifest_of(&self) -> Manifest {
        let files = self.world.files();
        let own = format!("{}.manifest.json", self.id);
        let (_, text) = files.iter().find(|(name, _)| name.ends_with(&own)).unwrap();
        Manifest::read(text).unwrap()
    }
}

#[test]
fn a_plain_archive_is_encrypted_and_what_people_put_beside_it_stays() {
    let world = World::new();
    let server = world.postgres("db", &[("enable", "true")], &[]);
    world.ringbolt(&["backup"]).expect(0);
    let (public, file) = pair();
    let key = key_file(&world, "key", &file);
    let archive = world.newest("keeper");
    let id = archive["id"].as_str().unwrap();
    let payload =
        world.files().into_keys().find(|n| n.contains(id) && n.ends_with(".zst")).unwrap();
    let copy = world.store().join(format!("{payload}.copy"));
    std::fs::copy(world.store().join(&payload), &copy).unwrap();
    let set = format!("encryption.recipients={public}");
    let ran = world.ringbolt(&["rekey", "--all", "--set", &set, "--json"]).expect(0).json();
    assert!(ran.as_array().unwrap().iter().all(|one| one["rekeyed"] == true), "{ran}");
    assert!(world.list().iter().all(|archive| archive["encrypted"] == true));
    assert!(copy.exists() && !world.store().join(&payload).exists());
    world.ringbolt(&["backup"]).expect(0);
    assert!(copy.exists(), "a sweep leaves it, too");
    let restore = ["restore", id, "--into", &server.name, "--database", "back", "-i", &key];
    world.ringbolt(&restore).expect(0);
    let proofs: Vec<Value> = world.list().iter().map(|archive| archive["proof"].clone()).collect();
    assert!(proofs.iter().all(|proof| proof == "stored"), "{proofs:?}");
}
