//! Deep verification: what is stored is the whole dump that was made, and can be read back. Damage in every
//! region of an encrypted archive, wrong keys, and manifests that fit their bytes and not the dump.

use std::path::PathBuf;

use ringbolt::archive::Manifest;
use ringbolt::model::{Sum, TableRows};
use ringbolt::pipeline;

use crate::encryption::pair;
use crate::faults::commit::shim;
use crate::world::{Ran, Server, World};

/// A world with one encrypted archive of a real server, and the identity that decrypts it.
struct Kept {
    world: World,
    server: Server,
    id: String,
    identity: String,
    payload: PathBuf,
    manifest: PathBuf,
}

fn kept(labels: &[(&str, &str)]) -> Kept {
    let world = World::new();
    let server = world.postgres("db", &[&[("enable", "true")], labels].concat(), &[]);
    server
        .sql("keeper", "CREATE TABLE t AS SELECT i, md5(i::text) FROM generate_series(1, 9000) i");
    let (public, secret) = pair();
    let recipients = format!("encryption.recipients={public}");
    world.ringbolt(&["backup", "--set", &recipients]).expect(0);
    let identity = world.folder.join("identity").display().to_string();
    std::fs::write(&identity, secret).unwrap();
    let archive = world.newest("keeper");
    assert_eq!((&archive["encrypted"], &archive["recipients"][0]), (&true.into(), &public.into()));
    let id = archive["id"].as_str().unwrap().to_owned();
    let path = |ending: &str| {
        let files = world.files();
        let name = files.keys().find(|name| name.contains(&id) && name.ends_with(ending)).unwrap();
        world.store().join(name)
    };
    let (payload, manifest) = (path(".age"), path(".manifest.json"));
    Kept { world, server, id, identity, payload, manifest }
}

impl Kept {
    fn proof(&self) -> String {
        self.world.newest("keeper")["proof"].as_str().unwrap().to_owned()
    }
}

#[test]
fn what_is_encrypted_is_proven_deep_without_a_key_on_the_host() {
    let kept = kept(&[("verify", "deep")]);
    assert_eq!(kept.proof(), "deep");
    // The key of the moment is gone: without the recipient's, nobody reads it.
    kept.world.ringbolt(&["cat", &kept.id]).expect(2).says("no identity was given");
    let cat = kept.world.ringbolt(&["cat", &kept.id, "-i", &kept.identity]).expect(0);
    assert!(cat.stdout.starts_with("PGDMP"));
    let manifest = std::fs::read_to_string(&kept.manifest).unwrap();
    assert_eq!(Manifest::read(manifest.as_bytes()).unwrap().recipients.len(), 1);
}

#[test]
fn what_is_encrypted_is_drilled_without_a_key_on_the_host() {
    let kept = kept(&[("verify", "drill")]);
    assert_eq!(kept.proof(), "drill");
    kept.world.ringbolt(&["drill", &kept.id]).expect(2).says("no identity was given");
    kept.world.ringbolt(&["drill", &kept.id, "-i", &kept.identity]).expect(0);
    crate::drill::nothing_is_left(&kept.server);
}

#[test]
fn an_old_archive_is_proven_deep_with_its_key_only() {
    let kept = kept(&[]);
    assert_eq!(kept.proof(), "stored");
    let deep = ["verify", &kept.id, "--level", "deep"];
    // Who has no key knows nothing of the archive, good or bad.
    kept.world.ringbolt(&deep).expect(2).says("no identity was given").says("--identity FILE");
    let other = kept.world.folder.join("other").display().to_string();
    std::fs::write(&other, pair().1).unwrap();
    kept.world.ringbolt(&[&deep[..], &["-i", &other]].concat()).expect(2).says("one of them");
    assert_eq!(kept.proof(), "stored");
    kept.world.ringbolt(&[&deep[..], &["-i", &kept.identity]].concat()).expect(0);
    assert_eq!(kept.proof(), "deep");
}

/// Every byte of the header, and bytes of the nonce and of the first, a middle and the last chunk.
fn regions(payload: &[u8]) -> Vec<usize> {
    let header = payload.windows(5).position(|window| window == b"\n--- ").unwrap() + 5;
    let end = header + payload[header..].iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let chunks = [end + 17, end + 16 + 65_536 + 8, payload.len() / 2, payload.len() - 1];
    (0..end).step_by(3).chain(header..end).chain([end, end + 15]).chain(chunks).collect()
}

#[test]
fn a_flipped_bit_anywhere_and_a_cut_anywhere_give_not_one_byte() {
    let kept = kept(&[]);
    let whole = std::fs::read(&kept.payload).unwrap();
    let places = regions(&whole);
    let cuts = places.iter().step_by(9).copied().chain([0, whole.len() - 1, whole.len() - 16]);
    let mut damaged: Vec<Vec<u8>> = cuts.map(|end| whole[..end].to_vec()).collect();
    damaged.push([&whole[..], b"\0"].concat());
    for place in places.iter().step_by(4) {
        let mut flipped = whole.clone();
        flipped[*place] ^= 1 << (place % 8);
        damaged.push(flipped);
    }
    let manifest = std::fs::read(&kept.manifest).unwrap();
    for bytes in damaged {
        std::fs::write(&kept.payload, &bytes).unwrap();
        let cat = kept.world.ringbolt(&["cat", &kept.id, "-i", &kept.identity]).expect(1);
        assert_eq!(cat.stdout, "", "plain text came out: {cat:?}");
        let deep = ["verify", &kept.id, "--level", "deep", "-i", &kept.identity];
        kept.world.ringbolt(&deep).expect(1).says("is damaged");
    }
    assert_eq!(kept.proof(), "broken");
    // Somebody who also writes the manifest anew cannot make such a payload good: it does not decrypt.
    for place in places.iter().step_by(16) {
        let mut flipped = whole.clone();
        flipped[*place] ^= 1 << (place % 8);
        std::fs::write(&kept.payload, &flipped).unwrap();
        let mut forged = Manifest::read(&manifest).unwrap();
        forged.stored = Sum { bytes: flipped.len() as u64, sha256: pipeline::digest(&flipped) };
        std::fs::write(&kept.manifest, forged.write().unwrap()).unwrap();
        kept.world.ringbolt(&["verify", &kept.id]).expect(0);
        let deep = ["verify", &kept.id, "--level", "deep", "-i", &kept.identity];
        kept.world.ringbolt(&deep).expect(1);
        assert_eq!(kept.proof(), "broken", "a flip at {place}");
    }
    // What was marked is good again when as much is proven.
    std::fs::write(&kept.payload, &whole).unwrap();
    std::fs::write(&kept.manifest, &manifest).unwrap();
    kept.world.ringbolt(&["verify", &kept.id]).expect(0);
    assert_eq!(kept.proof(), "broken");
    kept.world.ringbolt(&["verify", &kept.id, "--level", "deep", "-i", &kept.identity]).expect(0);
    assert_eq!(kept.proof(), "deep");
}

#[test]
fn a_manifest_that_tells_of_another_dump_is_found() {
    let kept = kept(&[]);
    let deep = ["verify", &kept.id, "--level", "deep", "-i", &kept.identity];
    let true_one = Manifest::read(&std::fs::read(&kept.manifest).unwrap()).unwrap();
    let mut rows = true_one.clone();
    rows.facts.tables[0].rows += 1;
    let mut table = true_one.clone();
    table.facts.tables.push(TableRows { schema: "x".into(), table: "y".into(), rows: 0 });
    let mut plain = true_one.clone();
    plain.plain.bytes += 1;
    let mut format = true_one.clone();
    "plain".clone_into(&mut format.format);
    for (forged, words) in [
        (rows, "another dump"),
        (table, "another dump"),
        (plain, "is damaged"),
        (format, "no whole dump"),
    ] {
        std::fs::write(&kept.manifest, forged.write().unwrap()).unwrap();
        kept.world.ringbolt(&["verify", &kept.id]).expect(0);
        kept.world.ringbolt(&deep).expect(1).says(words);
        assert_eq!(kept.proof(), "broken");
    }
}

/// A disk that was right when it was asked, and is not a moment later. What a drill has heard on the way
/// restores; what is stored is no good all the same.
#[test]
fn a_store_that_rots_at_once_is_found_by_the_deep_check() {
    for level in ["deep", "drill"] {
        let world = World::new();
        let server = world.postgres("db", &[("enable", "true"), ("verify", level)], &[]);
        server.sql("keeper", "CREATE TABLE t AS SELECT i FROM generate_series(1, 9000) i");
        let mut command = world.command();
        command.arg("backup").env("LD_PRELOAD", shim()).env("SHIM_ROT", "1");
        command.env("SHIM_ROOT", world.store()).env("SHIM_AT", "0");
        Ran::of(&mut command).expect(1).says("is no good").says("is damaged");
        assert_eq!(world.newest("keeper")["proof"], "broken", "{level}");
        crate::drill::nothing_is_left(&server);
        let latest = format!("{}@latest", server.source());
        world.ringbolt(&["show", &latest]).expect(2).says("which is broken");
    }
}
