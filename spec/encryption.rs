//! Encryption: keys that can and cannot be read, and encrypted archives through the command line.
//! What the stages do to the bytes is in `pipeline.rs`, the frozen archive in `archive/v1/`.

use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use ringbolt::archive::Manifest;
use ringbolt::model::Explain as _;
use ringbolt::pipeline::{Identities, Recipients, Unchain, generate};

use crate::pipeline::write_for;
use crate::world::{Ran, World};

/// Keys that protect nothing but these tests.
pub(crate) const ED25519: (&str, &str) =
    (include_str!("keys/ssh_ed25519.pub"), include_str!("keys/ssh_ed25519"));
pub(crate) const RSA: (&str, &str) =
    (include_str!("keys/ssh_rsa.pub"), include_str!("keys/ssh_rsa"));
pub(crate) const LOCKED: &str = include_str!("keys/ssh_locked");
pub(crate) const VECTOR: (&str, &[u8], &str) = (
    include_str!("archive/v1/encrypted.json"),
    include_bytes!("archive/v1/encrypted.sql.zst.age"),
    include_str!("archive/v1/encrypted.identity"),
);
const NATIVE: &str = "age1g7x0zeaz7mjcxzdyrrqm2yedw8url27h702xzy8ljqtl26446yjsntrtnx";

/// A new key pair: its recipient, and the text of its identity file.
pub(crate) fn pair() -> (String, String) {
    let pair = generate("2026-11-20T03:00:00Z".parse().unwrap());
    (pair.public, pair.file.to_string())
}

pub(crate) fn recipients(texts: &[&str]) -> Recipients {
    Recipients::read(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>()).unwrap()
}

#[test]
fn public_keys_are_read_and_have_fingerprints() {
    // As `ssh-keygen -l` prints them.
    let (ed25519, rsa) = (
        "SHA256:9HarKQLHkmvhOE1o6M/SWZdy6McdV9YS3vMLGoKh6Gc",
        "SHA256:swHykjJHGfDRCxEGvioP/YJD4aRQcSisnzHVpNa2V8M",
    );
    let bare = ED25519.0.split(' ').take(2).collect::<Vec<_>>().join(" ");
    for (texts, expected) in [
        (&[][..], &[][..]),
        (&[NATIVE], &[NATIVE]),
        (&[ED25519.0, RSA.0], &[ed25519, rsa]),
        (&[&bare, ED25519.0], &[ed25519]),
        (&[&format!("  {NATIVE}\n"), NATIVE], &[NATIVE]),
    ] {
        let read = recipients(texts);
        assert_eq!(read.fingerprints(), expected, "{texts:?}");
        assert_eq!(read.is_empty(), expected.is_empty());
    }
}

#[test]
fn what_is_no_public_key_is_named_and_a_secret_is_not_said() {
    let (_, file) = pair();
    let secret = file.lines().last().unwrap();
    let dsa = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBHFliOyI";
    let glued = ED25519.0.replace(" spec", "x spec");
    for (text, words) in [
        ("", "recipient 2 is neither"),
        ("hunter2", "recipient 2 is neither"),
        (dsa, "recipient 2 is neither"),
        (&NATIVE.replace('7', "8"), "recipient 2 `age1g8x"),
        (&NATIVE[..40], "characters are wrong or missing"),
        (
            "age1yubikey1qwt50d05nh5vutpdzmlg5wn80xq5negm4uj9ghv0snvdd3yysf5yw3rhl3t",
            "no whole X25519",
        ),
        ("ssh-dss AAAAB3NzaC1kc3M=", "age does not encrypt to"),
        ("ssh-ed25519 AAAA", "no whole SSH key"),
        ("ssh-rsa AAAAB3NzaC1yc2E= x", "no whole SSH key"),
        (&glued, "without a space"),
        (secret, "recipient 2 is a secret key"),
        (&secret.to_lowercase(), "recipient 2 is a secret key"),
        (ED25519.1, "recipient 2 is a secret key"),
    ] {
        let error = Recipients::read(&[NATIVE.to_owned(), text.to_owned()]).unwrap_err();
        let said = format!("{error} {:?} {error:?}", error.hint());
        assert!(said.contains(words), "{text}: {said}");
        assert!(!said.contains("hunter2") && !said.contains("SECRET-KEY-"), "{said}");
    }
}

#[test]
fn identity_files_are_read_and_what_is_none_is_not_said() {
    let (public, file) = pair();
    let both = format!("# mine\r\n\r\n{file}\n{}", VECTOR.2);
    for (text, expected) in [
        (file.as_str(), vec![public.clone()]),
        (&both, vec![public.clone(), NATIVE.to_owned()]),
        (ED25519.1, recipients(&[ED25519.0]).fingerprints()),
        (RSA.1, recipients(&[RSA.0]).fingerprints()),
    ] {
        let identities = Identities::read(text).unwrap();
        let found = Recipients::read(&identities.public()).unwrap().fingerprints();
        assert_eq!(found, expected);
        assert!(identities.check(&expected[..1]).is_ok() && identities.check(&[]).is_ok());
        assert!(identities.check(&["age1other".to_owned()]).is_err());
        let printed = format!("{identities:?}");
        assert!(!printed.contains("SECRET") && !printed.contains("PRIVATE"), "{printed}");
    }
    let secret = file.lines().last().unwrap();
    for (text, words) in [
        ("", "no identity"),
        ("# public key: age1\n", "no identity"),
        (&file[..file.len() - 2], "line 3 is no identity"),
        (&file.replace(secret, &public), "line 3 is no identity"),
        (LOCKED, "passphrase"),
        ("age-encryption.org/v1\n-> scrypt", "passphrase"),
        (&ED25519.1[..200], "SSH key cannot be used"),
        ("-----BEGIN PRIVATE KEY-----\n", "SSH key cannot be used"),
    ] {
        let error = Identities::read(text).unwrap_err();
        let said = format!("{error} {error:?}");
        assert!(said.contains(words), "{said}");
        assert!(!said.contains(&secret[16..40]), "{said}");
    }
    assert!(!format!("{:?}", generate(jiff::Timestamp::UNIX_EPOCH)).contains("SECRET"));
}

/// Puts the frozen encrypted archive into a world's store. Returns its id and its payload's path.
pub(crate) fn lay_out(world: &World) -> (String, PathBuf) {
    let manifest = Manifest::read(VECTOR.0.as_bytes()).unwrap();
    let folder = world.store().join(manifest.source.as_str()).join("@globals");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(format!("{}.manifest.json", manifest.id)), VECTOR.0).unwrap();
    let payload = folder.join(&manifest.payload);
    std::fs::write(&payload, VECTOR.1).unwrap();
    (manifest.id.to_string(), payload)
}

/// Writes an identity file into a world's folder.
pub(crate) fn key_file(world: &World, name: &str, text: &str) -> String {
    let path = world.folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn the_frozen_archive_is_decrypted_as_ever() {
    let manifest = Manifest::read(VECTOR.0.as_bytes()).unwrap();
    for identity in [VECTOR.2, ED25519.1] {
        let (identities, stored) = (Identities::read(identity).unwrap(), Box::new(VECTOR.1));
        let mut unchain =
            Unchain::new(manifest.codec, &manifest.recipients, &identities, stored).unwrap();
        let mut plain = String::new();
        unchain.read_to_string(&mut plain).unwrap();
        assert!(plain.contains("CREATE ROLE app;"));
        assert_eq!(unchain.finish().unwrap(), (manifest.stored, manifest.plain));
    }
}

#[test]
fn an_encrypted_archive_is_handed_out_to_its_recipients_only() {
    let world = World::new();
    let (id, _) = lay_out(&world);
    let own = key_file(&world, "own", VECTOR.2);
    let ssh = key_file(&world, "ssh", ED25519.1);
    let other = key_file(&world, "other", &pair().1);
    for identities in [&["--identity", &own][..], &["-i", &ssh], &["-i", &other, "-i", &own]] {
        let ran = world.ringbolt(&[&["cat", &id], identities].concat()).expect(0);
        assert!(ran.stdout.contains("CREATE ROLE app;"), "{ran:?}");
    }
    let refused = |arguments: &[&str], words: &str| {
        let ran = world.unattended(&[&["cat", &id], arguments].concat()).expect(2).says(words);
        assert_eq!(ran.stdout, "", "not one byte");
        ran
    };
    refused(&[], "no identity was given").says("--identity FILE").says(NATIVE);
    refused(&["-i", &other], "no identity that was given is one of them").says(NATIVE);
    refused(&["-i", "/nowhere"], "cannot read identity file `/nowhere`");
    refused(&["-i", &key_file(&world, "locked", LOCKED)], "passphrase").says("ssh-keygen -p");
    let garbage = refused(&["-i", &key_file(&world, "word", "hunter2\n")], "line 1 is no identity");
    assert!(!garbage.stderr.contains("hunter2"), "{garbage:?}");
    world.ringbolt(&["restore", &id, "--into", "nobody", "-i", "/nowhere"]).expect(2);
}

#[test]
fn what_can_be_known_without_a_key_needs_none() {
    let world = World::new();
    let (id, _) = lay_out(&world);
    world.ringbolt(&["verify"]).expect(0);
    let listed = &world.list()[0];
    assert_eq!((&listed["encrypted"], &listed["recipients"][0]), (&true.into(), &NATIVE.into()));
    assert!(world.ringbolt(&["list"]).expect(0).stdout.contains("ENCRYPTED"));
    let shown = world.ringbolt(&["show", &id]).expect(0).stdout;
    for words in [&format!("encrypted  to {NATIVE}, SHA256:"), "the variable IDENTITY"] {
        assert!(shown.contains(words), "{shown}");
    }
    let shown = world.ringbolt(&["show", &id, "--json"]).expect(0).json();
    let lines: Vec<&str> =
        shown["restore"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    let payload = format!("shop/@globals/{id}.sql.zst.age");
    let way =
        format!("age --decrypt --identity \"$IDENTITY\" {payload} | zstd --decompress --stdout |");
    assert!(lines.last().unwrap().starts_with(&way), "{lines:?}");
    // Typed without the variable, the lines stop before anything is restored.
    let mut shell = std::process::Command::new("sh");
    let ran = Ran::of(shell.args(["-uc", &lines[..3].join("\n")]).env_remove("IDENTITY"));
    assert!(ran.code != Some(0) && ran.stderr.contains("the path of an identity file"), "{ran:?}");
}

/// Encrypts an archive that a backup has written, as a backup with these recipients would have.
fn encrypt(world: &World, id: &str, recipients: &Recipients) {
    let files = world.files();
    let name = files.keys().find(|name| name.ends_with(&format!("{id}.manifest.json"))).unwrap();
    let path = world.store().join(name);
    let mut manifest = Manifest::read(&files[name]).unwrap();
    let old = path.with_file_name(&manifest.payload);
    let stored = Box::new(std::fs::File::open(&old).unwrap());
    let mut unchain = Unchain::new(manifest.codec, &[], &Identities::default(), stored).unwrap();
    let mut plain = Vec::new();
    unchain.read_to_end(&mut plain).unwrap();
    let ([_, compressed, stored], bytes) =
        write_for(&World::new(), manifest.codec, recipients, &plain);
    manifest.payload.push_str(".age");
    (manifest.compressed, manifest.stored) = (compressed, stored);
    manifest.recipients = recipients.fingerprints();
    std::fs::write(path.with_file_name(&manifest.payload), bytes).unwrap();
    std::fs::write(&path, manifest.write().unwrap()).unwrap();
    std::fs::remove_file(old).unwrap();
}

#[test]
fn an_encrypted_archive_is_restored_with_its_key_only() {
    let world = World::new();
    let server = world.postgres("db", &[("enable", "true")], &[]);
    server.sql(
        "keeper",
        "CREATE TABLE t AS SELECT i, md5(i::text) h FROM generate_series(1, 50000) i",
    );
    world.ringbolt(&["backup"]).expect(0);
    let id = world.newest("keeper")["id"].as_str().unwrap().to_owned();
    let (public, file) = pair();
    encrypt(&world, &id, &recipients(&[&public]));
    let own = key_file(&world, "own", &file);
    let other = key_file(&world, "other", &pair().1);
    world.ringbolt(&["verify", &id]).expect(0);
    let restore = ["restore", &id, "--into", &server.name, "--database", "back"];
    world.ringbolt(&restore).expect(2).says("no identity was given");
    world.ringbolt(&[&restore[..], &["-i", &other]].concat()).expect(2).says("one of them");
    let made = "SELECT count(*) FROM pg_database WHERE datname LIKE 'back%'";
    assert_eq!(server.sql("postgres", made), "0");
    world.ringbolt(&[&restore[..], &["-i", &own]].concat()).expect(0);
    let sums = "SELECT count(*), md5(string_agg(h, '' ORDER BY i)) FROM t";
    assert_eq!(server.sql("keeper", sums), server.sql("back", sums));
}

#[test]
fn keygen_makes_identity_files_and_overwrites_none() {
    let world = World::new();
    let printed = world.ringbolt(&["keygen"]).expect(0);
    assert_eq!(printed.stderr, "");
    let lines: Vec<&str> = printed.stdout.lines().collect();
    let [created, public, secret] = lines[..] else { panic!("{lines:?}") };
    let at = created.strip_prefix("# created: ").unwrap();
    assert!(at.parse::<jiff::Timestamp>().is_ok() && !at.contains('.'), "{at}");
    assert!(secret.starts_with("AGE-SECRET-KEY-1"));
    let public = public.strip_prefix("# public key: ").unwrap();
    assert_eq!(Identities::read(&printed.stdout).unwrap().public(), [public]);

    let path = world.folder.join("key.txt");
    let output = ["keygen", "--output", path.to_str().unwrap()];
    let written = world.ringbolt(&output).expect(0).says("public key: age1");
    assert_eq!(written.stdout, "");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(written.stderr.contains(&Identities::read(&text).unwrap().public()[0]));
    assert!(text != printed.stdout && !written.stderr.contains("SECRET"));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    world.ringbolt(&output).expect(2).says("key.txt`").says("takes its archives with it");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    let nowhere = world.folder.join("no/key.txt");
    world.ringbolt(&["keygen", "-o", nowhere.to_str().unwrap()]).expect(1).says("cannot write");
    world.ringbolt(&["keygen", "--json"]).expect(2).says("not JSON");
}

#[test]
fn that_one_key_alone_opens_the_archives_is_told_once_and_is_no_error() {
    let world = World::new();
    let (one, two) = (pair().0, pair().0);
    let told = |arguments: &[&str], keys: &str| {
        let set = format!("encryption.recipients={keys}");
        let ran = world.ringbolt(&[arguments, &["--set", &set]].concat());
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert_eq!(
            said.matches("only one recipient").count(),
            said.matches("a second public key").count()
        );
        (said.matches("only one recipient").count(), ran.code)
    };
    let twice = format!("{one},{one}");
    let both = format!("{one},{two}");
    for (keys, times) in [(&one, 1), (&twice, 1), (&both, 0), (&String::new(), 0)] {
        assert_eq!(told(&["config", "check"], keys), (times, Some(0)), "{keys}");
    }
    let group = format!("encryption.groups.team={one}");
    let ran = world.ringbolt(&["config", "check", "--set", &group]).expect(0);
    ran.says("warning: there is only one recipient").says("hint: add a second public key");
    world.postgres("db", &[("enable", "true"), ("job.more.format", "plain")], &[]);
    for (keys, times) in [(&one, 1), (&both, 0)] {
        assert_eq!(told(&["--dry-run"], keys), (times, Some(0)), "{keys}");
        assert_eq!(told(&["doctor"], keys).0, times, "{keys}");
    }
}
