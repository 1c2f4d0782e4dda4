//! Signed manifests: stock minisign checks what Ringbolt signs, and whoever changes, removes or exchanges a
//! manifest or its signature is found.

use std::path::{Path, PathBuf};
use std::process::Command;

use ringbolt::archive::{self, Manifest};
use ringbolt::model::Secret;
use ringbolt::pipeline::{Signature, Signing};
use ringbolt::store;

use crate::world::{Ran, Server, World};

/// A key that signs, and its public line.
struct Key {
    file: PathBuf,
    public: String,
}

fn key(world: &World, name: &str) -> Key {
    let file = world.folder.join(format!("{name}.key"));
    let ran = world.ringbolt(&["keygen", "--signing", "--output", &file.display().to_string()]);
    let public = ran.expect(0).stderr.trim().strip_prefix("public key: ").unwrap().to_owned();
    Key { file, public }
}

impl Key {
    fn signs(&self) -> [String; 2] {
        ["--set".to_owned(), format!("signing.key_file={}", self.file.display())]
    }

    fn trusted(&self) -> [String; 2] {
        ["--set".to_owned(), format!("signing.public_keys={}", self.public)]
    }
}

fn run(world: &World, words: &[&str], flags: &[String]) -> Ran {
    Ran::of(world.command().args(words).args(flags))
}

fn minisign(arguments: &[&str]) -> Ran {
    Ran::of(Command::new("minisign").args(arguments))
}

/// A world with one PostgreSQL whose archives are signed.
fn signed() -> (World, Server, Key) {
    let world = World::new();
    let server = world.postgres("db", &[("enable", "true"), ("databases", "keeper")], &[]);
    let key = key(&world, "own");
    run(&world, &["backup"], &key.signs()).expect(0);
    (world, server, key)
}

/// Where the newest archive of the database has its manifest.
fn manifest(world: &World) -> PathBuf {
    let id = world.newest("keeper")["id"].as_str().unwrap().to_owned();
    let name = format!("{id}.manifest.json");
    let found = world.files().into_keys().find(|file| file.ends_with(&name)).unwrap();
    world.store().join(found)
}

fn beside(manifest: &Path) -> PathBuf {
    manifest.with_extension("json.minisig")
}

#[test]
fn stock_minisign_checks_what_is_signed() {
    use std::os::unix::fs::PermissionsExt as _;

    let (world, server, key) = signed();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&key.file), 0o600);
    let path = manifest(&world);
    let text = path.display().to_string();
    let ran = minisign(&["-V", "-m", &text, "-P", &key.public]).expect(0);
    let id = world.newest("keeper")["id"].as_str().unwrap().to_owned();
    assert!(ran.stdout.contains(&format!("Trusted comment: archive {id} finished ")), "{ran:?}");
    let public = key.file.with_extension("pub").display().to_string();
    minisign(&["-V", "-m", &text, "-p", &public]).expect(0);
    // One archive for the database, one for the globals; a signature is none.
    assert_eq!(world.list().len(), 2);

    let both = [key.signs(), key.trusted()].concat();
    for flags in [&[][..], &key.signs(), &key.trusted(), &both] {
        run(&world, &["verify"], flags).expect(0);
        run(&world, &["cat", &id], flags).expect(0);
    }
    let latest = format!("{}@latest", server.source());
    let restore = ["restore", &latest, "--into", &server.name, "--database", "back"];
    run(&world, &restore, &key.trusted()).expect(0);

    // What `show` says is true, typed as it stands.
    let shown = run(&world, &["show", &id, "--json"], &key.trusted()).expect(0).json();
    let signer = shown["manifest"]["signer"].as_str().unwrap();
    assert_eq!(shown["signature"], format!("by key {signer}"));
    let steps = shown["restore"].as_array().unwrap().iter().map(|step| step.as_str().unwrap());
    let lines: Vec<&str> =
        steps.filter(|line| line.starts_with("cd ") || line.starts_with("minisign ")).collect();
    assert_eq!(lines.len(), 2);
    Ran::of(Command::new("sh").args(["-euc", &lines.join("\n")])).expect(0);
    let unknown = run(&world, &["show", &id, "--json"], &[]).expect(0).json();
    assert_eq!(unknown["signature"], format!("by key {signer}, which was not checked"));

    // A key of stock minisign's own signs, too.
    let theirs = world.folder.join("theirs.key").display().to_string();
    let public = world.folder.join("theirs.pub").display().to_string();
    minisign(&["-G", "-W", "-p", &public, "-s", &theirs]).expect(0);
    let flag = ["--set".to_owned(), format!("signing.key_file={theirs}")];
    run(&world, &["backup"], &flag).expect(0);
    minisign(&["-V", "-m", &manifest(&world).display().to_string(), "-p", &public]).expect(0);
}

/// What somebody does to a manifest or its signature.
type Damage = fn(&World, &Path, &Key);

#[test]
fn whoever_changes_a_manifest_or_its_signature_is_found() {
    fn edit(path: &Path, from: &str, to: &str) {
        let text = std::fs::read_to_string(path).unwrap();
        assert!(text.contains(from), "{from} in {text}");
        std::fs::write(path, text.replacen(from, to, 1)).unwrap();
    }
    fn sign(path: &Path, key: &Key) {
        std::fs::remove_file(beside(path)).ok();
        let (file, path) = (key.file.display().to_string(), path.display().to_string());
        minisign(&["-S", "-s", &file, "-m", &path]).expect(0);
    }
    let (world, server, key) = signed();
    let stranger = self::key(&world, "stranger");
    run(&world, &["backup"], &key.signs()).expect(0);
    let path = manifest(&world);
    let (whole, signature) = (std::fs::read(&path).unwrap(), std::fs::read(beside(&path)).unwrap());
    let id = world.newest("keeper")["id"].as_str().unwrap().to_owned();
    let cases: [(Damage, &str, bool); 9] = [
        (|_, path, _| edit(path, "\"rows\": ", "\"rows\": 1"), "it is not what key", false),
        (|_, path, _| edit(path, "\n", " \n"), "it is not what key", false),
        (|_, path, _| edit(&beside(path), "archive ", "archivE "), "it is not what key", false),
        (|_, path, _| std::fs::write(beside(path), "RWQ").unwrap(), "not readable", true),
        (|_, path, _| std::fs::remove_file(beside(path)).unwrap(), "its signature is gone", true),
        (
            |world, path, _| {
                let others = world.files();
                let own = path.file_name().unwrap().to_str().unwrap();
                let other = others.iter().find(|(name, _)| {
                    name.ends_with(".minisig") && !name.contains(own) && name.contains("/keeper/")
                });
                std::fs::write(beside(path), other.unwrap().1).unwrap();
            },
            "it is not what key",
            false,
        ),
        (|_, path, stranger| sign(path, stranger), "but key", true),
        (
            // Everything is exchanged, and fits.
            |_, path, stranger| {
                let text = std::fs::read_to_string(path).unwrap();
                let from = text.lines().find(|line| line.contains("\"signer\"")).unwrap();
                sign(path, stranger);
                let signature = std::fs::read_to_string(beside(path)).unwrap();
                let to = serde_json::json!(key_id(&signature));
                edit(path, from, &format!("  \"signer\": {to},"));
                edit(path, "\"rows\": ", "\"rows\": 1");
                sign(path, stranger);
            },
            "which is not trusted",
            false,
        ),
        (
            |_, path, _| {
                let text = std::fs::read_to_string(path).unwrap();
                let signer = text.lines().find(|line| line.contains("\"signer\"")).unwrap();
                edit(path, &format!("{signer}\n"), "");
                std::fs::remove_file(beside(path)).unwrap();
            },
            "it is not signed",
            false,
        ),
    ];
    // A table, so that there is something to change.
    server.sql("keeper", "CREATE TABLE t AS SELECT 1 AS i");
    drop((whole, signature, id));
    run(&world, &["backup"], &key.signs()).expect(0);
    let path = manifest(&world);
    let (whole, signature) = (std::fs::read(&path).unwrap(), std::fs::read(beside(&path)).unwrap());
    let id = world.newest("keeper")["id"].as_str().unwrap().to_owned();
    for (damage, words, without) in cases {
        damage(&world, &path, &stranger);
        let trusted = key.trusted();
        run(&world, &["verify", &id], &trusted).expect(1).says(words).says("hint: ");
        assert_eq!(world.newest("keeper")["proof"], "broken", "{words}");
        let cat = run(&world, &["cat", &id], &trusted).expect(1).says(words);
        assert_eq!(cat.stdout, "", "not one byte of what may not be believed");
        let restore = ["restore", &id, "--into", &server.name, "--database", "evil"];
        run(&world, &restore, &trusted).expect(1).says(&format!("archive `{id}` is refused"));
        let evil = "SELECT count(*) FROM pg_database WHERE datname LIKE 'evil%'";
        assert_eq!(server.sql("postgres", evil), "0");
        run(&world, &["show", &id], &trusted).expect(0);
        // Nobody signs it over.
        let sign = run(&world, &["sign", &id], &[key.signs(), key.trusted()].concat());
        assert_eq!(sign.code == Some(0), words == "it is not signed", "{sign:?}");
        // Without a list of keys, what contradicts itself is found all the same.
        let alone = run(&world, &["verify", &id], &[]).code;
        assert_eq!(alone == Some(1), without, "{words}");
        std::fs::write(&path, &whole).unwrap();
        std::fs::write(beside(&path), &signature).unwrap();
        run(&world, &["verify", &id], &trusted).expect(0);
        assert_eq!(world.newest("keeper")["proof"], "stored");
    }
}

/// The key id in a signature, as minisign prints it.
fn key_id(signature: &str) -> String {
    match Signing::default().judge(b"", Some(signature.as_bytes()), None) {
        Signature::Unchecked(id) => id.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_from_before_is_signed_once_it_is_verified() {
    let world = World::new();
    world.postgres("db", &[("enable", "true"), ("databases", "keeper")], &[]);
    world.ringbolt(&["backup"]).expect(0);
    let before = world.files();
    let key = key(&world, "own");
    let both = [key.signs(), key.trusted()].concat();
    let ran = run(&world, &["verify"], &key.trusted()).expect(1).says("it is not signed");
    ran.says("`ringbolt sign` signs it");
    world.ringbolt(&["sign"]).expect(2).says("there is no key").says("`signing.key`");
    // A damaged one is not signed, the other is.
    let payload = before.keys().find(|name| name.ends_with(".pgdump.zst")).unwrap();
    std::fs::write(world.store().join(payload), "rotten").unwrap();
    run(&world, &["sign"], &both).expect(1).says("is damaged");
    std::fs::write(world.store().join(payload), &before[payload]).unwrap();
    assert!(!beside(&manifest(&world)).exists());
    run(&world, &["sign"], &both).expect(0);
    run(&world, &["verify"], &both).expect(0);
    for (name, content) in before.iter().filter(|(name, _)| !name.ends_with(".proof.json")) {
        assert_eq!(world.files()[name], *content, "{name} stays as it is");
    }
    let ran = run(&world, &["sign"], &both).expect(0).says("there is nothing to sign");
    assert!(ran.stdout.lines().count() <= 1);
    let id = world.newest("keeper")["id"].as_str().unwrap().to_owned();
    run(&world, &["sign", &id], &both).expect(2).says("is signed already, by key");
    minisign(&["-V", "-m", &manifest(&world).display().to_string(), "-P", &key.public]).expect(0);
}

#[test]
fn keys_that_cannot_be_used_are_told_at_once() {
    let world = World::new();
    world.postgres("db", &[("enable", "true")], &[]);
    let (own, other) = (key(&world, "own"), key(&world, "other"));
    let locked = std::fs::read_to_string(&own.file).unwrap().replace("RWQAAEIy", "RWRTY0Iy");
    std::fs::write(world.folder.join("locked.key"), locked).unwrap();
    let set = |setting: String| ["--set".to_owned(), setting];
    let file = |name: &str| set(format!("signing.key_file={}", world.folder.join(name).display()));
    let untrusted = [own.signs(), other.trusted()].concat();
    for (flags, words) in [
        (&file("locked.key")[..], "no secret key of minisign without a password"),
        (&file("own.pub"), "no secret key of minisign without a password"),
        (&file("nowhere.key"), "cannot be read"),
        (&set("signing.public_keys=RWshort".to_owned()), "entry 1 is no public key of minisign"),
        (&untrusted, "is not among those that are trusted"),
    ] {
        let ran = run(&world, &["list"], flags).expect(2).says(words);
        let secret = std::fs::read_to_string(&own.file).unwrap();
        assert!(!ran.stderr.contains(secret.lines().nth(1).unwrap()), "{ran:?}");
    }
    // What would be refused is not made.
    for command in [&["--dry-run"][..], &["backup"]] {
        run(&world, command, &own.trusted()).expect(1).says("there is no `signing.key`");
    }
    assert!(world.files().is_empty());
    // A pair is never written over another one.
    let text = own.file.display().to_string();
    world.ringbolt(&["keygen", "--signing", "--output", &text]).expect(2).says("cannot write");
    world.ringbolt(&["keygen", "--signing"]).expect(2);
    assert_eq!(key(&world, "third").public.len(), 56);
}

#[test]
fn a_manifest_that_is_written_anew_is_signed_anew() {
    let (world, _, key) = signed();
    let url = format!("file://{}", world.store().display());
    let store = store::open("local".parse().unwrap(), &url).unwrap();
    let secret = Secret::new(std::fs::read_to_string(&key.file).unwrap());
    let signing = Signing::read(Some(&secret), std::slice::from_ref(&key.public)).unwrap();
    let found = |signing: &Signing| archive::catalogue(&store, signing).unwrap().archives;
    let first = found(&signing).remove(0);
    let mut manifest: Manifest = first.manifest.clone();
    manifest.warnings.push("written anew".to_owned());
    archive::rewrite(store.as_ref(), manifest.clone(), &Signing::default()).unwrap_err();
    assert_eq!(found(&signing)[0].manifest, first.manifest);
    let written = archive::rewrite(store.as_ref(), manifest, &signing).unwrap();
    let again = found(&signing).remove(0);
    assert_eq!((&again.manifest, again.manifest.warnings.len()), (&written, 1));
    assert!(matches!(again.signature, Signature::By(_)), "{:?}", again.signature);
    run(&world, &["verify"], &key.trusted()).expect(0);
}

/// What each setting about signatures does.
pub(crate) fn effects() -> Vec<(&'static str, bool)> {
    let (world, _, key) = signed();
    let path = manifest(&world);
    let signed = beside(&path).exists();
    std::fs::remove_file(beside(&path)).unwrap();
    let other = self::key(&world, "other");
    let refused = run(&world, &["verify"], &other.trusted()).code == Some(1);
    let _ = key;
    vec![("signing.key", signed), ("signing.public_keys", refused)]
}
