//! Passphrases: archives that are encrypted with one, identity files that are locked with one, and who is
//! asked for it.

use std::io::Write as _;
use std::process::Command;

use ringbolt::model::{Codec, Explain as _, Secret};
use ringbolt::pipeline::{Identities, Recipients};

use crate::encryption::{ED25519, LOCKED, VECTOR, key_file, lay_out};
use crate::pipeline::write_for;
use crate::world::{Ran, World};

const WORDS: &str = "correct-horse-battery-staple";
const SETTING: &str = "RINGBOLT_ENCRYPTION__PASSPHRASE";

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

/// A world with one backup that is encrypted with a passphrase, and the archive's id.
fn backed_up() -> (World, String, String) {
    let world = World::new();
    let server = world.postgres("db", &[("enable", "true"), ("verify", "deep")], &[]);
    server.sql("keeper", "CREATE TABLE t AS SELECT 1 i");
    let mut command = world.command();
    let ran = Ran::of(command.arg("backup").env(SETTING, WORDS)).expect(0);
    assert!(!ran.stdout.contains(WORDS) && !ran.stderr.contains(WORDS));
    let id = world.newest("keeper")["id"].as_str().unwrap().to_owned();
    (world, id, server.name)
}

fn with(world: &World, passphrase: &str, arguments: &[&str]) -> Ran {
    let mut command = Command::new("setsid");
    world.settle(&mut command);
    command.env(SETTING, passphrase);
    Ran::of(command.args(["--wait", crate::world::BINARY]).args(arguments))
}

#[test]
fn an_archive_goes_round_with_its_passphrase_and_with_no_other() {
    let (world, id, server) = backed_up();
    let archive = world.newest("keeper");
    assert_eq!(
        (&archive["recipients"][0], &archive["proof"]),
        (&"passphrase".into(), &"deep".into())
    );
    let shown = world.ringbolt(&["show", &id]).expect(0).stdout;
    assert!(shown.contains("encrypted  with a passphrase"), "{shown}");
    assert!(shown.contains("age --decrypt ") && !shown.contains("IDENTITY"), "{shown}");
    for file in world.files().values() {
        assert!(!file.windows(WORDS.len()).any(|window| window == WORDS.as_bytes()));
    }
    let cat = with(&world, WORDS, &["cat", &id]).expect(0);
    assert!(cat.stdout.starts_with("PGDMP"));
    with(&world, WORDS, &["restore", &id, "--into", &server, "--database", "back"]).expect(0);
    with(&world, WORDS, &["verify", "--level", "deep"]).expect(0);

    let wrong = with(&world, "not-the-right-words", &["cat", &id]).expect(2);
    assert_eq!(wrong.says("this is not its passphrase").stdout, "");
    let ran = with(&world, "not-the-right-words", &["verify", &id, "--level", "deep"]).expect(2);
    assert!(ran.stdout.contains("NOT LOOKED AT"), "{ran:?}");
    let none = world.unattended(&["cat", &id]).expect(2).says("encryption.passphrase_file");
    assert_eq!(none.says("is encrypted with a passphrase").stdout, "");
    let identity = key_file(&world, "own", VECTOR.2);
    world.unattended(&["cat", &id, "-i", &identity]).expect(2).says("encrypted with a passphrase");

    // A person is asked, and what is typed is not shown.
    let ran = world.at_a_terminal(&["verify", "--level", "deep", "--json"], &[WORDS]).expect(0);
    assert!(
        ran.stdout.contains("passphrase of archive ") && !ran.stdout.contains(WORDS),
        "{ran:?}"
    );
    let ran = world.at_a_terminal(&["cat", &id], &["wrong"]).expect(2);
    assert!(ran.stdout.contains("this is not its passphrase"), "{ran:?}");
}

#[test]
fn a_passphrase_is_whole_alone_and_never_said() {
    let world = World::new();
    let file = key_file(&world, "words", &format!("{WORDS}\n"));
    let check = |sets: &[String]| {
        let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
        world.ringbolt(&[&["config", "check"], &sets[..]].concat())
    };
    let recipient = Identities::read(VECTOR.2).unwrap().public().remove(0);
    check(&[format!("encryption.passphrase_file={file}")]).expect(0);
    for (sets, words) in [
        (vec!["encryption.passphrase=hunter2".to_owned()], "at least 12 characters"),
        (vec!["encryption.passphrase=".to_owned()], "at least 12 characters"),
        (vec!["encryption.passphrase_file=/nowhere".to_owned()], "cannot be read"),
        (
            vec![
                format!("encryption.passphrase_file={file}"),
                format!("encryption.recipients={recipient}"),
            ],
            "never to both",
        ),
        (
            vec![
                format!("encryption.passphrase_file={file}"),
                format!("encryption.passphrase={WORDS}"),
            ],
            "keep one",
        ),
    ] {
        let ran = check(&sets).expect(2).says(words);
        assert!(!ran.stderr.contains("hunter2") && !ran.stderr.contains(WORDS), "{ran:?}");
    }
    let shown = ["config", "show", "--set", &format!("encryption.passphrase={WORDS}")];
    assert!(!world.ringbolt(&shown).expect(0).stdout.contains(WORDS));
    assert!(!format!("{:?}", Recipients::with_passphrase(secret(WORDS))).contains(WORDS));
    assert!(!format!("{:?}", Identities::passphrase(&secret(WORDS))).contains(WORDS));

    // A label's group is a mix that the format does not allow.
    world.postgres("db", &[("enable", "true"), ("encrypt", "team")], &[]);
    let mixed = [
        "--dry-run",
        "--set",
        &format!("encryption.passphrase_file={file}"),
        "--set",
        &format!("encryption.groups.team={recipient}"),
    ];
    world.ringbolt(&mixed).expect(2).says("goes with no recipients");
}

#[test]
fn a_header_that_asks_for_hours_of_work_is_refused() {
    let world = World::new();
    let words = Recipients::with_passphrase(secret(WORDS)).unwrap();
    let (_, bytes) = write_for(&world, Codec::None, &words, b"a dump");
    let header = String::from_utf8_lossy(&bytes[..150]).into_owned();
    let line = header.lines().nth(1).unwrap().to_owned();
    assert!(line.starts_with("-> scrypt ") && line.ends_with(" 16"), "{line}");
    for factor in ["21", "63", "99", "255", "256", "016", "-1", "16x"] {
        let hostile = format!("{} {factor}", line.strip_suffix(" 16").unwrap());
        let at = bytes.windows(line.len()).position(|window| window == line.as_bytes()).unwrap();
        let bytes = [&bytes[..at], hostile.as_bytes(), &bytes[at + line.len()..]].concat();
        let stored = Box::new(std::io::Cursor::new(bytes.clone()));
        let own = Identities::passphrase(&secret(WORDS));
        let fingerprints = ["passphrase".to_owned()];
        let read = ringbolt::pipeline::Unchain::new(Codec::None, &fingerprints, &own, stored);
        let said = read.unwrap_err().to_string();
        let refused = said.contains("more work") || said.contains("cannot be decrypted");
        assert!(refused, "{factor}: {said}");
        // The same within a locked identity file.
        assert!(Identities::unlock(&bytes, &secret(WORDS)).is_err());
    }
}

#[test]
fn locked_identity_files_are_unlocked_by_who_is_asked() {
    let world = World::new();
    let (id, _) = lay_out(&world);
    let words = Recipients::with_passphrase(secret(WORDS)).unwrap();
    let (_, locked) = write_for(&World::new(), Codec::None, &words, VECTOR.2.as_bytes());
    let own = world.folder.join("own.age");
    std::fs::File::create(&own).unwrap().write_all(&locked).unwrap();
    let own = own.display().to_string();
    let cat = ["cat", &id, "--identity", &own];
    let refused = world.unattended(&cat).expect(2).says("which nobody is there to type");
    assert_eq!(refused.says("use it at a terminal").stdout, "");
    let ran = world.at_a_terminal(&cat, &[WORDS]).expect(0);
    assert!(ran.stdout.contains("CREATE ROLE app;") && !ran.stdout.contains(WORDS), "{ran:?}");
    let ran = world.at_a_terminal(&cat, &["something-else"]).expect(2);
    assert!(ran.stdout.contains("this is not its passphrase"), "{ran:?}");
    assert!(!ran.stdout.contains("CREATE ROLE"));
    // Whoever presses Ctrl-C instead is heard.
    world.at_a_terminal(&cat, &["\u{3}"]).expect(130);
    assert!(
        world.at_a_terminal(&["verify", "--level", "deep", "-i", &own], &[WORDS]).code.is_some()
    );

    // An SSH key, as `ssh-keygen -N` locks it.
    let unlocked = Identities::unlock(LOCKED, &secret("passphrase"));
    assert!(unlocked.is_err() || !unlocked.unwrap().public().is_empty());
    let key = key_file(&world, "ssh", ED25519.1);
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let mut keygen = Command::new("ssh-keygen");
    Ran::of(keygen.args(["-q", "-p", "-f", &key, "-P", "", "-N", WORDS])).expect(0);
    let cat = ["cat", &id, "--identity", &key];
    world.unattended(&cat).expect(2).says("passphrase");
    let ran = world.at_a_terminal(&cat, &[WORDS]).expect(0);
    assert!(ran.stdout.contains("CREATE ROLE app;"), "{ran:?}");
    let text = std::fs::read_to_string(&key).unwrap();
    let wrong = Identities::unlock(&text, &secret("x")).unwrap_err();
    assert!(wrong.to_string().contains("not its passphrase") && wrong.hint().is_none());
}
