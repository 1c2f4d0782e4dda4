//! An engine of the operator's own, on a real container: its commands are chosen by a label and come
//! from the settings alone.

use super::{Subject, check_flips, check_round_trip, check_tools};
use crate::world::{POSTGRES, Server, World, docker};

/// A program that dumps a folder of texts, with a mark at its end, and one that takes such a dump.
const PROGRAMS: &str = r#"cat > /usr/local/bin/own-dump <<'END' && cat > /usr/local/bin/own-load <<'END2'
#!/bin/sh
set -e
[ "$1" != --version ] || { echo "own-dump 1.2"; exit 0; }
[ "$1" = --all ]
[ "$RINGBOLT_USER/$RINGBOLT_PASSWORD" = "keeper/s3cret-pass" ] || { echo "no such user" >&2; exit 4; }
cd "$RINGBOLT_PATH"
echo "-- dump of own"
for file in *; do echo "-- $file"; sed 's/^/ /' "$file"; done
echo "-- dump complete"
END
#!/bin/sh
set -e
mkdir -p "$RINGBOLT_PATH"
cd "$RINGBOLT_PATH"
while IFS= read -r line; do
  case $line in
    "-- dump of own" | "-- dump complete") ;;
    "-- "*) file=${line#-- }; : > "$file" ;;
    *) printf '%s\n' "${line# }" >> "$file" ;;
  esac
done
END2
chmod 755 /usr/local/bin/own-*"#;

/// What an operator says, but for the mark.
const SETTINGS: [(&str, &str); 5] = [
    ("RINGBOLT_ENGINES__OWN__DUMP", r#"["own-dump", "--all"]"#),
    ("RINGBOLT_ENGINES__OWN__RESTORE", r#"["own-load"]"#),
    (
        "RINGBOLT_ENGINES__OWN__EMPTY",
        r#"["sh", "-c", "test -z \"$(ls -A \"$RINGBOLT_PATH\" 2>/dev/null)\""]"#,
    ),
    ("RINGBOLT_ENGINES__OWN__VERSION", r#"["own-dump", "--version"]"#),
    ("RINGBOLT_ENGINES__OWN__EXTENSION", "txt"),
];
const MARK: (&str, &str) = ("RINGBOLT_ENGINES__OWN__ENDS_WITH", "-- dump complete");

struct Own;

impl Subject for Own {
    fn engine(&self) -> &'static str {
        "custom:own"
    }

    fn start(&self, world: &World, name: &str, labels: &[(&str, &str)]) -> Server {
        let server = world.postgres_of(POSTGRES, name, labels, &[]);
        server.shell(PROGRAMS).expect(0);
        server
    }

    fn seed(&self, server: &Server) {
        let seed = r#"mkdir -p /srv/own; cd /srv/own; seq 2000 > numbers; printf '%s\n' "a'b" '$(id)' '\n' > text; : > empty"#;
        server.shell(seed).expect(0);
    }

    fn compared(&self, server: &Server, database: &str) -> String {
        let line = r#"cd "$(cat)" && for file in *; do echo "-- $file"; cat "$file"; done"#;
        server.shell_with_input(line, database.as_bytes()).expect(0).stdout
    }

    fn database(&self) -> &'static str {
        "/srv/own"
    }

    fn beside(&self) -> Option<&'static str> {
        Some("/srv/it's $(another) \"one\"")
    }

    fn labels(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("engine", "custom:own"),
            ("path", "/srv/own"),
            ("user", "keeper"),
            ("password", "env:POSTGRES_PASSWORD"),
        ]
    }

    fn world(&self) -> World {
        let mut world = World::new();
        world.settings = [&SETTINGS[..], &[MARK]].concat();
        world
    }

    fn tool(&self) -> (&'static str, &'static str) {
        ("own-dump", "--all")
    }
}

#[test]
fn custom_restores_what_it_dumped() {
    check_round_trip(&Own, &[]);
}

#[test]
fn custom_with_a_lying_tool_leaves_nothing() {
    check_tools(&Own);
}

#[test]
fn custom_with_a_flipped_byte_is_refused() {
    check_flips(&Own);
}

#[test]
fn a_custom_dump_is_as_whole_as_the_settings_can_tell() {
    let mut world = Own.world();
    let server = super::start(&world, &Own, "own", &[]);
    world.ringbolt(&["backup"]).expect(0);
    let shown = world.ringbolt(&["show", &format!("{}@latest", server.source()), "--json"]);
    let manifest = shown.expect(0).json()["manifest"].clone();
    assert_eq!(manifest["warnings"], serde_json::json!([]), "{manifest:#}");
    assert_eq!(manifest["server_version"], "own-dump 1.2");
    assert!(manifest["payload"].as_str().unwrap().ends_with(".txt.zst"));
    assert!(!manifest.to_string().contains("s3cret-pass"));

    world.settings = SETTINGS.to_vec();
    world.ringbolt(&["backup"]).expect(0);
    let latest = format!("{}@latest", server.source());
    let manifest =
        world.ringbolt(&["show", &latest, "--json"]).expect(0).json()["manifest"].clone();
    let warning = manifest["warnings"][0].as_str().unwrap();
    assert!(warning.contains("engines.own.ends_with"), "{warning}");
}

#[test]
fn a_custom_archive_goes_nowhere_without_the_operator_s_commands() {
    let mut world = Own.world();
    let server = super::start(&world, &Own, "own", &[]);
    world.ringbolt(&["backup"]).expect(0);
    let latest = format!("{}@latest", server.source());
    let restore = ["restore", &latest, "--into", &server.name, "--database", "/srv/new"];
    world.ringbolt(&[&restore[..5], &["srv"]].concat()).expect(1).says("`srv` is no absolute path");
    server.shell("mkdir /srv/new; echo x > /srv/new/mine").expect(0);
    world.ringbolt(&restore).expect(1).says("is not empty");

    world.settings = vec![SETTINGS[0], MARK];
    world.ringbolt(&restore).expect(1).says("no `engines.own.restore`");
    let dump = world.ringbolt(&["cat", &latest]).expect(0).stdout;
    assert!(dump.ends_with("-- dump complete\n"));
    world.settings = vec![SETTINGS[1]];
    world.ringbolt(&["list"]).expect(2).says("engine `own` has no `dump`");
    world.settings = vec![SETTINGS[0], SETTINGS[1]];
    world.ringbolt(&["list"]).expect(2).says("has a `restore` and no `empty`");

    // The operator has thought better of it: what is there stays readable.
    world.settings = vec![("RINGBOLT_ENGINES__OWNER__DUMP", "own-dump")];
    world.ringbolt(&["backup"]).expect(2).says("the operator defines no engine `own`");
    world.ringbolt(&["backup"]).says("did you mean `custom:owner`?");
    world.ringbolt(&restore).expect(2).says("the operator defines no engine `own`");
    assert_eq!(world.ringbolt(&["cat", &latest]).expect(0).stdout, dump);
    world.ringbolt(&["show", &latest]).says("custom:own");
    assert_eq!(server.shell("ls /srv/new").stdout, "mine\n");
}

#[test]
fn a_label_never_carries_a_command() {
    let world = Own.world();
    for (at, engine) in
        ["custom:sh -c id", "custom:own --all; id", "custom:../own", "custom:"].iter().enumerate()
    {
        let labels = [("enable", "true"), ("engine", engine)];
        let server = world.start(
            POSTGRES,
            &format!("label{at}"),
            &labels,
            &["--entrypoint", "sleep"],
            &["600"],
        );
        let ran = world.ringbolt(&["backup"]).expect(2);
        assert!(ran.stderr.contains(".engine=custom:"), "{engine}: {ran:#?}");
        docker(&["rm", "--force", "--volumes", &server.name]).expect(0);
    }
    assert!(world.files().is_empty());
}

/// What each of these settings does.
pub(crate) fn effects() -> Vec<(&'static str, bool)> {
    let mut world = Own.world();
    let server = super::start(&world, &Own, "effects", &[]);
    world.ringbolt(&["backup"]).expect(0);
    let latest = format!("{}@latest", server.source());
    let shown = world.ringbolt(&["show", &latest, "--json"]).expect(0).json()["manifest"].clone();
    let restore = ["restore", &latest, "--into", &server.name, "--database", "/srv/again"];
    let mut with = |more: &[(&'static str, &'static str)], words: &[&str]| {
        world.settings = [&SETTINGS[..], &[MARK], more].concat();
        world.ringbolt(words)
    };
    let full = [("RINGBOLT_ENGINES__OWN__EMPTY", r#"["false"]"#)];
    let begin = [("RINGBOLT_ENGINES__OWN__BEGINS_WITH", "-- dump of other")];
    let end = [("RINGBOLT_ENGINES__OWN__ENDS_WITH", "-- dump of other")];
    vec![
        ("engines.<name>.dump", shown["command"] == serde_json::json!(["own-dump", "--all"])),
        ("engines.<name>.version", shown["server_version"] == "own-dump 1.2"),
        ("engines.<name>.extension", shown["payload"].as_str().unwrap().ends_with(".txt.zst")),
        ("engines.<name>.empty", with(&full, &restore).stderr.contains("is not empty")),
        ("engines.<name>.begins_with", with(&begin, &["backup"]).stderr.contains("begin")),
        ("engines.<name>.ends_with", with(&end, &["backup"]).stderr.contains("does not end")),
        ("engines.<name>.restore", with(&[], &restore).code == Some(0)),
    ]
}
