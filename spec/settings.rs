//! Settings: every key with right and nearly right values, where they come from, what is said of
//! wrong ones, and that each of them has an effect.

use std::collections::BTreeSet;
use std::ffi::OsString;

use ringbolt::model::Problem;
use ringbolt::settings::{self, SETTINGS, Settings, Shape, Written};
use serde_json::{Value, json};

use crate::tidy::check_generated;
use crate::world::{Ran, World};

const KEY: &str = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
const STORE: &str = "stores.local.url=file:///backups";

fn with(world: &World, file: Option<(&str, &str)>, env: &[(&str, &str)]) -> Ran {
    let mut command = world.command();
    command.arg("list").env_remove("RINGBOLT_STORES__LOCAL__URL");
    if let Some((name, content)) = file {
        let path = world.folder.join(name);
        std::fs::write(&path, content).unwrap();
        command.arg("--config").arg(path);
    }
    Ran::of(command.envs(env.iter().copied()))
}

/// Reads settings without a file, from flags and variables.
fn read(flags: &[&str], variables: &[(&str, &str)]) -> Result<Settings, Vec<Problem>> {
    let own = |(name, value): &(&str, &str)| (OsString::from(*name), OsString::from(*value));
    settings::read(&Written {
        file: Some("/dev/null".into()),
        environment: variables.iter().map(own).collect(),
        flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
    })
}

fn wrong(flags: &[&str], variables: &[(&str, &str)]) -> Vec<String> {
    read(flags, variables).map(drop).unwrap_err().iter().map(ToString::to_string).collect()
}

/// A key of a row, with a name where it takes one.
fn concrete(key: &str) -> String {
    key.replace("<name>", "own").replace("<label>", "compress")
}

/// What a setting is right with only: TLS is whole or not there.
fn beside(flag: &str) -> &'static [&'static str] {
    const ALL: &[&str] = &[
        "docker.host=tcp://docker:2376",
        "docker.tls.ca=/ca.pem",
        "docker.tls.cert=/cert.pem",
        "docker.tls.key=/key.pem",
    ];
    match flag.starts_with("docker.tls.") {
        true => ALL,
        false if flag.starts_with("engines.") => {
            &["engines.own.dump=dump", "engines.own.empty=true"]
        }
        false if flag.contains("=https://") => &ALL[1..],
        false => &[],
    }
}

#[test]
fn every_example_is_right_and_every_mistake_is_a_problem() {
    for setting in SETTINGS {
        let key = concrete(setting.key);
        let (url, container) = ("stores.own.url=file:///x", "sources.own.container=x");
        for example in setting.examples {
            let flag = format!("{key}={example}");
            let beside = beside(&flag);
            let found = read(&[beside, &[STORE, url, container, &flag]].concat(), &[]).map(drop);
            assert_eq!(found, Ok(()), "{flag}");
        }
        for mistake in setting.mistakes {
            let flag = format!("{key}={mistake}");
            let found = wrong(&[STORE, &flag], &[]);
            assert!(
                !found.is_empty() && found[0].starts_with("flag --set: `"),
                "{flag}: {found:?}"
            );
            assert!(found[0].contains(&key) && found[0].contains("expected"), "{found:?}");
        }
        // Every text may be a name, a label or a secret; those have tests of their own.
        let any = [
            "defaults.<label>",
            "docker.tls.key",
            "encryption.identity",
            "encryption.passphrase",
            "labels.policy.refuse",
            "schedule.blackout",
            "signing.key",
            "sources.<name>.<label>",
        ];
        assert_eq!(any.contains(&setting.key), setting.mistakes.is_empty(), "{key}");
    }
}

#[test]
fn every_problem_is_told_at_once_with_its_origin() {
    let world = World::new();
    let toml = "[stores.local]\nurl = \"file:///x\"\nfsync = false\n[docker]\nhost = \"ssh://x\"\n";
    let file = world.folder.join("a.toml");
    std::fs::write(&file, toml).unwrap();
    let variables = [("RINGBOLT_DOCKR__HOST", "unix:///x"), ("RINGBOLT_LABELS__PREFIX", "a b")];
    let written = Written {
        file: Some(file.clone()),
        environment: variables.map(|(name, value)| (name.into(), value.into())).into(),
        flags: vec!["labels.policy.priority=urgent".to_owned(), "nonsense".to_owned()],
    };
    let found = settings::read(&written).map(drop).unwrap_err();
    let said: Vec<String> = found.iter().map(ToString::to_string).collect();
    let file = format!("file {}", file.display());
    for (place, key, words) in [
        (file.as_str(), "stores.local.fsync", "no such setting"),
        (&file, "docker.host", "expected `unix:///path`"),
        ("variable RINGBOLT_DOCKR__HOST", "dockr.host", "did you mean `docker.host`?"),
        ("variable RINGBOLT_LABELS__PREFIX", "labels.prefix", "expected letters"),
        ("flag --set", "labels.policy.priority", "expected `low`"),
        ("flag --set", "", "takes KEY=VALUE"),
    ] {
        let one =
            said.iter().find(|s| s.starts_with(place) && s.contains(key) && s.contains(words));
        assert!(one.is_some(), "{place} {key} {words}: {said:#?}");
    }
    assert_eq!(said.len(), 6, "{said:#?}");
    let ran = with(&world, Some(("b.toml", toml)), &variables).expect(2);
    ran.says("fsync").says("ssh://x").says("RINGBOLT_DOCKR__HOST").says("RINGBOLT_LABELS__PREFIX");
}

#[test]
fn one_variable_is_enough_and_none_is_too_few() {
    let world = World::new();
    std::fs::create_dir(world.store()).unwrap();
    let url = format!("file://{}", world.store().display());
    with(&world, None, &[("RINGBOLT_STORES__LOCAL__URL", &url)]).expect(0);
    with(&world, None, &[])
        .expect(2)
        .says("no store is configured")
        .says("RINGBOLT_STORES__LOCAL__URL=");
}

#[test]
fn later_origins_win() {
    let world = World::new();
    std::fs::create_dir(world.store()).unwrap();
    let url = format!("file://{}", world.store().display());
    let toml = "[stores.local]\nurl = \"file:///nowhere\"\n";
    with(&world, Some(("a.toml", toml)), &[]).expect(4).says("`file:///nowhere`");
    with(&world, Some(("a.toml", toml)), &[("RINGBOLT_STORES__LOCAL__URL", &url)]).expect(0);
    let yaml = format!("# ours\nstores:\n  local:\n    url: {url}\n");
    with(&world, Some(("a.yaml", &yaml)), &[]).expect(0);
    let flag = format!("stores.local.url={url}");
    let mut command = world.command();
    command.env("RINGBOLT_STORES__LOCAL__URL", "file:///nowhere").args(["list", "--set", &flag]);
    Ran::of(&mut command).expect(0);
    let gone = world.folder.join("gone.toml");
    let ran = Ran::of(world.command().arg("list").arg("--config").arg(gone)).expect(2);
    ran.says("gone.toml");
}

#[test]
fn a_file_that_cannot_be_read_is_a_problem_that_quotes_nothing() {
    let world = World::new();
    for (name, text) in [
        ("a.toml", "[encryption\nidentity = \"AGE-SECRET-KEY-1PLANTED\"\n"),
        ("a.toml", "encryption.identity = AGE-SECRET-KEY-1PLANTED\n"),
        ("a.yaml", "encryption:\n  identity: \"AGE-SECRET-KEY-1PLANTED\n"),
        ("b.yaml", "- AGE-SECRET-KEY-1PLANTED\n"),
    ] {
        let ran = with(&world, Some((name, text)), &[]).expect(2).says(name).says("cannot be read");
        assert!(!ran.stderr.contains("PLANTED"), "{ran:?}");
    }
    for (name, text) in [("c.yaml", ""), ("d.yaml", "# nothing\n\n"), ("e.toml", "")] {
        with(&world, Some((name, text)), &[]).expect(2).says("no store is configured");
    }
}

#[test]
fn a_variable_s_text_stays_as_it_is() {
    let variables = [
        ("RINGBOLT_STORES__LOCAL__URL", "file:///0123"),
        ("RINGBOLT_LABELS__PREFIX", "0123"),
        ("RINGBOLT_ENCRYPTION__RECIPIENTS", &format!("[\"{KEY}\"]")),
        ("RINGBOLT_LABELS__POLICY__REFUSE", "encrypt, stores"),
        ("RINGBOLT_CONFIG", "/etc/elsewhere.toml"),
        ("RINGBOLT_RUN", "a mark"),
        ("OTHER", "x"),
    ];
    let settings = read(&[], &variables).unwrap();
    assert_eq!(settings.labels.prefix.as_str(), "0123");
    assert_eq!(settings.encryption.recipients, [KEY]);
    let refused: Vec<&str> = settings.labels.policy.refuse.iter().map(String::as_str).collect();
    assert_eq!(refused, ["encrypt", "stores"]);
}

#[test]
fn a_secret_is_given_by_file_and_never_shown() {
    let world = World::new();
    let identity = world.folder.join("identity.txt");
    std::fs::write(&identity, "AGE-SECRET-KEY-1PLANTED\n").unwrap();
    let path = identity.display().to_string();
    let by_file = read(&[STORE], &[("RINGBOLT_ENCRYPTION__IDENTITY_FILE", &path)]).unwrap();
    let secret = by_file.encryption.identity.as_ref().unwrap().read().unwrap();
    assert_eq!(secret.reveal().trim(), "AGE-SECRET-KEY-1PLANTED");
    assert_eq!(
        by_file.effective().iter().find(|e| e.key.contains("identity")).unwrap().value,
        path
    );

    let here = [("RINGBOLT_ENCRYPTION__IDENTITY", "AGE-SECRET-KEY-1PLANTED")];
    let settings = read(&[STORE], &here).unwrap();
    let seen = format!("{settings:?} {:?}", settings.effective());
    assert!(!seen.contains("PLANTED") && seen.contains("(secret)"), "{seen}");
    let both = [here[0], ("RINGBOLT_ENCRYPTION__IDENTITY_FILE", path.as_str())];
    let found = wrong(&[STORE], &both);
    assert!(found[0].contains("keep one") && !found[0].contains("PLANTED"), "{found:?}");

    // A private key where a public one belongs is not repeated either.
    for key in ["encryption.recipients", "encryption.groups.team"] {
        let found = wrong(&[STORE, &format!("{key}=AGE-SECRET-KEY-1PLANTED")], &[]);
        assert!(found[0].contains("no public key") && !found[0].contains("PLANTED"), "{found:?}");
    }
    let unknown = wrong(&[STORE, "encryption.identty=AGE-SECRET-KEY-1PLANTED"], &[]);
    assert!(!unknown[0].contains("PLANTED"), "{unknown:?}");
}

#[test]
fn stores_are_whole_and_one_of_them_is_the_default() {
    let found = wrong(&["stores.a.default=true"], &[]);
    assert!(found[0].contains("store `a` has no `url`"), "{found:?}");
    let two = ["stores.a.url=file:///a", "stores.b.url=file:///b"];
    read(&two, &[]).unwrap();
    let both = [&two[..], &["stores.a.default=true", "stores.b.default=true"]].concat();
    let found = wrong(&both, &[]);
    assert!(found[0].contains("store `a` is the default already"), "{found:?}");
    let world = World::new();
    let url = [("RINGBOLT_STORES__LOCAL__URL", "s3://bucket")];
    let ran = with(&world, None, &url).expect(2).says("`s3://bucket`");
    ran.says("variable RINGBOLT_STORES__LOCAL__URL");
}

#[test]
fn config_checks_and_shows() {
    let world = World::new();
    let ran = world.ringbolt(&["config", "check"]).expect(0);
    assert!(ran.stdout.contains("2 given"), "{ran:?}");
    world
        .ringbolt(&["config", "check", "--set", "defaults.keep=7"])
        .expect(2)
        .says("defaults.keep");
    let ran = world.ringbolt(&["config", "show", "--json", "--set", "defaults.keep=last=7"]);
    let shown = ran.expect(0).json();
    let of = |key: &str| {
        let found = shown.as_array().unwrap().iter().find(|shown| shown["key"] == key);
        found.unwrap_or_else(|| panic!("{key}: {shown:#}")).clone()
    };
    assert_eq!(of("labels.prefix")["origin"], "variable RINGBOLT_LABELS__PREFIX");
    assert_eq!(of("docker.host")["origin"], "default");
    assert_eq!(of("docker.host")["value"], "unix:///var/run/docker.sock");
    let keep = json!({ "key": "defaults.keep", "value": "last=7", "origin": "flag --set" });
    assert_eq!(of("defaults.keep"), keep);
    let keys = shown.as_array().unwrap().iter().map(|shown| shown["key"].as_str().unwrap());
    let keys: BTreeSet<&str> = keys.collect();
    for setting in SETTINGS.iter().filter(|setting| !setting.is_named()) {
        assert!(keys.contains(setting.key), "{}", setting.key);
    }
}

#[test]
fn the_schema_takes_what_the_parser_takes() {
    let schema = settings::schema();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for setting in SETTINGS {
        let nest = |value: Value| {
            let key = concrete(setting.key);
            key.rsplit('.').fold(value, |inner, part| json!({ part: inner }))
        };
        for example in setting.examples {
            let value = match setting.shape {
                Shape::List => json!(example.split(',').collect::<Vec<_>>()),
                Shape::Flag => json!(*example == "true"),
                Shape::Text => json!(example),
            };
            assert!(validator.is_valid(&nest(value)), "{}={example}", setting.key);
        }
    }
    for wrong in [
        json!({ "dockr": {} }),
        json!({ "stores": { "a": { "uri": "file:///x" } } }),
        json!({ "stores": { "a b": {} } }),
        json!({ "labels": { "policy": { "literal_passwords": "yes" } } }),
    ] {
        assert!(!validator.is_valid(&wrong), "{wrong}");
    }
    let world = World::new();
    assert_eq!(world.ringbolt(&["config", "schema"]).expect(0).json(), schema);
}

#[test]
fn the_readme_s_table_is_this_table() {
    let mut table = String::from("| setting | value | default | |\n|---|---|---|---|\n");
    for setting in SETTINGS {
        let cells = [setting.expects, setting.default, setting.about];
        let cells = cells.map(|text| text.replace('|', "\\|")).join(" | ");
        table.push_str(&format!("| `{}` | {cells} |\n", setting.key));
    }
    check_generated("README.md", "<!-- settings -->", "<!-- /settings -->", &table);
}
