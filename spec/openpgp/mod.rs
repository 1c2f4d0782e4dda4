//! OpenPGP: certificates that can and cannot be encrypted to, and messages through the chain, through stock
//! GnuPG and through the command line.

mod damage;

use std::io::{Read as _, Write};
use std::path::Path;
use std::process::Command;

use jiff::Timestamp;
use ringbolt::archive::Manifest;
use ringbolt::job::doctor::{self, State};
use ringbolt::model::{Codec, Explain as _, Secret};
use ringbolt::pipeline::{Chain, Identities, PipelineError, Recipients, Scheme, Unchain};
use ringbolt::settings::{self, Written};
use ringbolt::store::{StoreError, Upload};

use crate::encryption::{ED25519, VECTOR, key_file, lay_out, pair};
use crate::pipeline::{Anything, write_for};
use crate::world::{Ran, World};

/// Keys that protect nothing but these tests, as GnuPG exports them. `MODERN` is signed by another key, too.
const MODERN: (&str, &str) =
    (include_str!("../keys/openpgp_modern.pub.asc"), include_str!("../keys/openpgp_modern.asc"));
const RSA: (&str, &str) =
    (include_str!("../keys/openpgp_rsa.pub.asc"), include_str!("../keys/openpgp_rsa.asc"));
const LOCKED: (&str, &str) =
    (include_str!("../keys/openpgp_locked.pub.asc"), include_str!("../keys/openpgp_locked.asc"));
/// The secret subkeys of `MODERN` without its primary key, which is kept elsewhere.
const SUBKEYS: &str = include_str!("../keys/openpgp_subkeys.asc");
/// Its primary key without any subkey.
const PRIMARY: &str = include_str!("../keys/openpgp_primary.asc");
const EXPIRED: &str = include_str!("../keys/openpgp_expired.pub.asc");
const REVOKED: &str = include_str!("../keys/openpgp_revoked.pub.asc");
const SIGNER: &str = include_str!("../keys/openpgp_signer.pub.asc");
const WORDS: &str = "correct horse battery";

const OF_MODERN: &str = "openpgp:1D1FD25A6210B11619E6B20A1D53C575EAB1C3F9";
const OF_RSA: &str = "openpgp:1D1C041A4942A875F9D220B7B32ECCC7EC281001";

fn read_all(texts: &[&str]) -> Recipients {
    let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
    Recipients::read(&texts).unwrap_or_else(|error| panic!("{error}"))
}

fn at(moment: &str) -> Timestamp {
    moment.parse().unwrap()
}

#[test]
fn certificates_are_read_and_told_as_gnupg_tells_them() {
    let both = read_all(&[MODERN.0, RSA.0, MODERN.0]);
    assert_eq!(both.fingerprints(), [OF_MODERN, OF_RSA]);
    assert_eq!(both.scheme(), Scheme::OpenPgp);
    // `cat` of several files, as people put them into one variable.
    let one_text = format!("{}\n{}", MODERN.0, RSA.0);
    assert_eq!(read_all(&[&one_text]).fingerprints(), [OF_MODERN, OF_RSA]);
    assert!(both.until().is_none() && both.at(at("2030-01-01T00:00:00Z")).is_ok());
    let (recipients, _) = read_all(&[MODERN.0]).for_the_moment();
    assert_eq!(recipients.fingerprints(), [OF_MODERN]);
}

#[test]
fn who_cannot_be_encrypted_to_is_refused_with_the_reason() {
    let flipped = MODERN.0.replacen("mDME", "mDMF", 1);
    let half = format!("{}\n-----END PGP PUBLIC KEY BLOCK-----", &MODERN.0[..300]);
    for (text, words) in [
        (REVOKED, "was revoked"),
        (SIGNER, "without a key that encrypts"),
        (&flipped, "recipient 1 is no"),
        (&half, "recipient 1 is no"),
        (&format!("{}age1", MODERN.0), "recipient 1 is no"),
        (&format!("{}{half}", MODERN.0), "recipient 1 is no"),
        (&MODERN.0[..200], "recipient 1 is no"),
        (MODERN.1, "recipient 1 is a secret key"),
    ] {
        let error = Recipients::read(&[text.to_owned()]).unwrap_err();
        let said = format!("{error} {:?} {error:?}", error.hint());
        assert!(said.contains(words), "{said}");
        assert!(!said.contains("lQ") && !said.contains("mDME"), "{said}");
    }
    let mixed = Recipients::read(&[MODERN.0.to_owned(), ED25519.0.to_owned()]).unwrap_err();
    assert!(mixed.to_string().contains("mixed"), "{mixed}");

    // What has expired can be read, and told of, and decrypted with; only nothing is encrypted to it.
    let expired = read_all(&[MODERN.0, EXPIRED]);
    let (fingerprint, until) = expired.until().unwrap();
    assert_eq!(until, at("2025-11-02T00:00:00Z"));
    let now = expired.clone().at(at("2026-01-01T00:00:00Z")).unwrap_err().to_string();
    assert!(now.contains(&fingerprint) && now.contains("has expired"), "{now}");
    assert!(expired.clone().at(at("2025-11-01T12:00:00Z")).is_ok());
    let early = expired.at(at("2025-10-01T00:00:00Z")).unwrap_err().to_string();
    assert!(early.contains("begins only later"), "{early}");
}

#[test]
fn secret_keys_are_read_and_what_is_none_is_not_said() {
    for (text, fingerprint) in [(MODERN.1, OF_MODERN), (SUBKEYS, OF_MODERN), (RSA.1, OF_RSA)] {
        let identities = Identities::read(text).unwrap();
        assert!(identities.check(&[fingerprint.to_owned()]).is_ok());
        assert!(identities.check(&["openpgp:00".to_owned()]).is_err());
        assert_eq!(Recipients::read(&identities.public()).unwrap().fingerprints(), [fingerprint]);
    }
    // `cat` of several files: none is left unread.
    let both = Identities::read(format!("{}\n{}", RSA.1, MODERN.1)).unwrap();
    assert!([OF_MODERN, OF_RSA].iter().all(|one| both.check(&[(*one).to_owned()]).is_ok()));
    let error = Identities::read(LOCKED.1).unwrap_err();
    assert!(error.to_string().contains("locked"), "{error}");
    let error = Identities::unlock(LOCKED.1, &Secret::new("hunter2".to_owned())).unwrap_err();
    assert!(error.to_string().contains("not its passphrase"), "{error}");
    assert!(Identities::unlock(LOCKED.1, &Secret::new(WORDS.to_owned())).is_ok());
    for text in [&MODERN.1[..300], &MODERN.1.replace("lFg", "lFh"), MODERN.0] {
        let error = Identities::read(text).unwrap_err();
        assert!(!format!("{error} {error:?}").contains(&text[120..140]), "{error}");
    }
}

/// Bytes that no codec makes shorter.
fn noise(length: u32) -> Vec<u8> {
    (0..length).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn read_with(
    codec: Codec,
    fingerprints: &[String],
    identities: &Identities,
    stored: &[u8],
) -> Result<Vec<u8>, String> {
    let reader = Box::new(std::io::Cursor::new(stored.to_vec()));
    let unchain = Unchain::new(codec, fingerprints, identities, reader);
    let mut unchain = unchain.map_err(|error| error.to_string())?;
    let mut plain = Vec::new();
    unchain.read_to_end(&mut plain).map_err(|error| error.to_string())?;
    unchain.finish().map(|_| plain).map_err(|error| error.to_string())
}

#[test]
fn dumps_go_round_and_each_recipient_reads_them() {
    let world = World::new();
    let keys = read_all(&[MODERN.0, RSA.0, LOCKED.0]);
    let (keys, witness) = keys.for_the_moment();
    let fingerprints = keys.fingerprints();
    let unlocked = Identities::unlock(LOCKED.1, &Secret::new(WORDS.to_owned())).unwrap();
    let read = |text: &str| Identities::read(text).unwrap();
    for (codec, length) in [
        (Codec::Zstd(3), 3_000_000),
        (Codec::Gzip(6), 131_072),
        (Codec::None, 65_536),
        (Codec::None, 1),
        (Codec::None, 0),
    ] {
        let data = noise(length);
        let ([plain, ..], stored) = write_for(&world, codec, &keys, &data);
        assert_eq!(plain.bytes, u64::from(length));
        for own in [&read(MODERN.1), &read(SUBKEYS), &read(RSA.1), &unlocked, &witness] {
            let found = read_with(codec, &fingerprints, own, &stored);
            assert!(found.as_ref() == Ok(&data), "{codec:?} {length}: {:?}", found.err());
        }
        // It says that it is one of them, and is not: a key of the moment of another run.
        let (_, other) = read_all(&[MODERN.0]).for_the_moment();
        assert!(read_with(codec, &fingerprints, &other, &stored).is_err());
        let stranger = Identities::read(pair().1).unwrap();
        let error = read_with(codec, &fingerprints, &stranger, &stored).unwrap_err();
        assert!(error.contains("no identity that was given is one of them"), "{error}");
    }
}

/// A home of GnuPG's own, with these secret keys. Its agent ends with it.
struct Gnupg<'a>(&'a World);

impl Gnupg<'_> {
    fn home(&self) -> std::path::PathBuf {
        self.0.folder.join("gnupg")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("GNUPGHOME", self.home());
        command
    }

    fn with_keys<'a>(world: &'a World, keys: &[&str]) -> Gnupg<'a> {
        use std::os::unix::fs::DirBuilderExt as _;

        let own = Gnupg(world);
        std::fs::DirBuilder::new().mode(0o700).create(own.home()).unwrap();
        for key in keys {
            let import = ["--batch", "--quiet", "--import"];
            Ran::with_input(own.command("gpg").args(import), key.as_bytes()).expect(0);
        }
        own
    }
}

impl Drop for Gnupg<'_> {
    fn drop(&mut self) {
        self.command("gpgconf").args(["--kill", "all"]).status().ok();
    }
}

fn decrypted(gnupg: &Gnupg, path: &Path) -> Vec<u8> {
    let mut command = gnupg.command("gpg");
    let out = command.args(["--batch", "--quiet", "--decrypt"]).arg(path).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    out.stdout
}

#[test]
fn stock_gnupg_decrypts_what_is_written_and_what_it_writes_is_read() {
    let world = World::new();
    let data = noise(400_000);
    let (keys, _) = read_all(&[MODERN.0, RSA.0]).for_the_moment();
    let (_, stored) = write_for(&world, Codec::None, &keys, &data);
    let path = world.folder.join("written.gpg");
    std::fs::write(&path, &stored).unwrap();
    for (at, key) in [SUBKEYS, RSA.1].iter().enumerate() {
        let home = World::new();
        let gnupg = Gnupg::with_keys(&home, &[key]);
        assert!(decrypted(&gnupg, &path) == data, "key {at}");
        let mut dearmor = gnupg.command("gpg");
        let armored = key_file(&home, "armored", key);
        let binary = dearmor.args(["--batch", "--output", "-", "--dearmor", &armored]).output();
        let binary = Identities::read(binary.unwrap().stdout).unwrap();
        assert!(binary.check(&[[OF_MODERN, OF_RSA][at].to_owned()]).is_ok(), "not armored");
        // What people encrypt by hand, as our own archives are: for this the name of a key is enough.
        let flags = ["--batch", "--quiet", "--trust-model=always", "--compress-algo=none"];
        let whom = ["--recipient", if at == 0 { "modern" } else { "rsa" }, "--encrypt"];
        let mut encrypt = gnupg.command("gpg");
        let input = path.display().to_string();
        let by_hand = encrypt.args(flags).args(["--output", "-"]).args(whom).arg(&input).output();
        let by_hand = by_hand.unwrap().stdout;
        let fingerprints = [[OF_MODERN, OF_RSA][at].to_owned()];
        let own = Identities::read(key).unwrap();
        assert!(read_with(Codec::None, &fingerprints, &own, &by_hand).as_ref() == Ok(&stored));
    }
}

/// What takes so many bytes, and then the disk is full.
#[derive(Debug)]
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(std::io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Upload for Full {
    fn target(&self) -> String {
        "full".to_owned()
    }

    fn commit(self: Box<Self>) -> Result<(), StoreError> {
        unreachable!("it takes too little")
    }
}

#[test]
fn a_full_disk_is_told_as_one_and_what_is_given_up_leaves_nothing() {
    for room in [0, 100_000, 950_000] {
        let chain = Chain::new(
            Box::new(Anything),
            Codec::None,
            &read_all(&[MODERN.0]),
            Box::new(Full(room)),
        );
        let mut chain = chain.unwrap();
        let data = noise(1_000_000);
        let written = data.chunks(50_000).try_for_each(|piece| chain.write(piece));
        let error = written.and_then(|()| chain.finish().map(drop)).unwrap_err();
        let PipelineError::Write { source, .. } = &error else { panic!("{error}") };
        assert_eq!(source.kind(), std::io::ErrorKind::StorageFull, "{room}");
    }
    let world = World::new();
    let store = ringbolt::store::open(
        "local".parse().unwrap(),
        &format!("file://{}", world.store().display()),
    );
    let upload = store.unwrap().create(&ringbolt::store::Key::new("a").unwrap()).unwrap();
    let keys = read_all(&[MODERN.0]);
    let mut chain = Chain::new(Box::new(Anything), Codec::None, &keys, upload).unwrap();
    chain.write(&noise(1_000_000)).unwrap();
    drop(chain);
    assert_eq!(world.files().keys().filter(|name| !name.contains("lock")).count(), 0);
}

/// A disk that cannot be read.
struct Unreadable;

impl std::io::Read for Unreadable {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        Err(std::io::Error::other("input/output error"))
    }
}

#[test]
fn a_disk_that_cannot_be_read_is_no_damage() {
    let age = Manifest::read(VECTOR.0.as_bytes()).unwrap().recipients;
    for (fingerprints, key) in [(vec![OF_MODERN.to_owned()], MODERN.1), (age, VECTOR.2)] {
        let identities = Identities::read(key).unwrap();
        let read = Unchain::new(Codec::None, &fingerprints, &identities, Box::new(Unreadable));
        assert!(matches!(read, Err(PipelineError::Read(_))), "{read:?}");
    }
}

#[test]
fn a_certificate_that_ends_soon_is_told_a_month_before() {
    let recipients = format!("encryption.recipients=[\"{}\"]", EXPIRED.replace('\n', "\\n"));
    let settings = settings::read(&Written {
        file: Some("/dev/null".into()),
        environment: Vec::new(),
        flags: vec!["stores.local.url=file:///backups".to_owned(), recipients],
    })
    .unwrap();
    let found = |now: &str| {
        let found = doctor::certificates(&settings, at(now));
        found.iter().map(|finding| finding.state).collect::<Vec<_>>()
    };
    assert_eq!(found("2025-10-01T00:00:00Z"), []);
    assert_eq!(found("2025-10-20T00:00:00Z"), [State::Doubtful]);
    assert_eq!(found("2025-11-02T00:00:00Z"), [State::Bad]);
}

/// The frozen archive, rekeyed to `MODERN` and `RSA`; with its id and its payload's path.
fn rekeyed() -> (World, String, std::path::PathBuf) {
    let world = World::new();
    let (id, _) = lay_out(&world);
    let old = key_file(&world, "old", VECTOR.2);
    world.ringbolt(&["rekey", &id, "--identity", &old, "--to", MODERN.0, "--to", RSA.0]).expect(0);
    let name = world.files().into_keys().find(|name| name.ends_with(".gpg")).unwrap();
    let path = world.store().join(name);
    (world, id, path)
}

#[test]
fn an_archive_goes_to_certificates_and_back_and_its_recipe_works_as_printed() {
    let (world, id, _) = rekeyed();
    let old = key_file(&world, "old", VECTOR.2);
    world.ringbolt(&["cat", &id, "-i", &old]).expect(2).says(OF_MODERN);
    let own = key_file(&world, "own", SUBKEYS);
    let plain = world.ringbolt(&["cat", &id, "-i", &own]).expect(0).stdout;
    assert!(plain.contains("CREATE ROLE"), "{plain}");
    world.ringbolt(&["verify", &id]).expect(0);
    // The certificate's primary key without the subkey: nobody can tell whether the archive is whole.
    let primary = key_file(&world, "primary", PRIMARY);
    let deep = ["verify", &id, "--level", "deep", "-i", &primary];
    world.ringbolt(&deep).expect(2).says("another subkey").says("gpg --list-packets");
    assert_eq!(world.list()[0]["proof"], "stored");

    let shown = world.ringbolt(&["show", &id, "--json"]).expect(0).json();
    let steps = shown["restore"].as_array().unwrap().iter().map(|step| step.as_str().unwrap());
    let mut lines: Vec<String> = steps.map(str::to_owned).collect();
    // All but the last command, which loads the dump into a container.
    let pipe = lines.pop().unwrap();
    lines.push(pipe[..pipe.find(" | docker").unwrap()].to_owned());
    for key in [MODERN.1, RSA.1] {
        let home = World::new();
        let gnupg = Gnupg::with_keys(&home, &[key]);
        let mut shell = gnupg.command("sh");
        let ran = Ran::of(shell.args(["-euc", &lines.join("\n")])).expect(0);
        assert!(ran.stdout.ends_with(&plain), "{}", ran.stdout);
    }
    let other = World::new();
    let nobody = Gnupg::with_keys(&other, &[]);
    assert_ne!(Ran::of(nobody.command("sh").args(["-euc", &lines.join("\n")])).code, Some(0));

    let (public, file) = pair();
    let new = key_file(&world, "new", &file);
    world.ringbolt(&["rekey", &id, "-i", &own, "--to", &public]).expect(0);
    assert_eq!(world.ringbolt(&["cat", &id, "-i", &new]).expect(0).stdout, plain);
    let left: Vec<String> =
        world.files().into_keys().filter(|name| name.contains(".gpg")).collect();
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn what_is_written_for_certificates_is_proven_without_a_key_on_the_host() {
    let world = World::new();
    let server = world.postgres("db", &[("enable", "true"), ("verify", "drill")], &[]);
    server
        .sql("keeper", "CREATE TABLE t AS SELECT i, md5(i::text) FROM generate_series(1, 9000) i");
    let recipients = format!("encryption.recipients=[\"{}\"]", MODERN.0.replace('\n', "\\n"));
    world.ringbolt(&["backup", "--set", &recipients]).expect(0);
    let archive = world.newest("keeper");
    assert_eq!(
        (&archive["proof"], &archive["recipients"][0]),
        (&"drill".into(), &OF_MODERN.into())
    );
    let id = archive["id"].as_str().unwrap().to_owned();
    world.ringbolt(&["cat", &id]).expect(2).says("no identity was given");
    let own = key_file(&world, "own", MODERN.1);
    let restore = ["restore", &id, "--into", &server.name, "--database", "back", "-i", &own];
    world.ringbolt(&restore).expect(0);
    let sums = "SELECT count(*), md5(string_agg(md5, '' ORDER BY i)) FROM t";
    assert_eq!(server.sql("keeper", sums), server.sql("back", sums));
    crate::drill::nothing_is_left(&server);

    // An expired certificate stops backups and dry runs, and no restore.
    let both = format!(
        "encryption.recipients=[\"{}\", \"{}\"]",
        MODERN.0.replace('\n', "\\n"),
        EXPIRED.replace('\n', "\\n")
    );
    let count = world.list().len();
    world.ringbolt(&["backup", "--set", &both]).expect(1).says("has expired");
    world.ringbolt(&["--dry-run", "--set", &both]).expect(1).says("has expired");
    assert_eq!(world.list().len(), count);
    world.ringbolt(&["cat", &id, "-i", &own, "--set", &both]).expect(0);
    let doctor = world.ringbolt(&["doctor", "--set", &both]).expect(1);
    assert!(doctor.stdout.contains("ends on 2025-11-02"), "{doctor:?}");
}
