//! Migration: Compose files before and after, byte for byte, with what is said about them; and what must
//! hold for every file there is.
//!
//! A case is a folder beside this file. `UPDATE=1` writes what comes out; look at the change.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use figment::Figment;
use figment::providers::{Format as _, Yaml};
use proptest::prelude::*;
use ringbolt::labels::dialect::{Container, DIALECTS, Finding, translate};
use ringbolt::labels::migrate::{Migrated, migrate};
use ringbolt::labels::resolve;
use ringbolt::model::{Slug, Workload};
use serde_json::Value;

use crate::world::{BINARY, Ran};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("spec/migrate")
}

fn cases() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    cases.sort();
    assert!(cases.len() >= 10);
    cases
}

fn prefix() -> Slug {
    "ringbolt".parse().unwrap()
}

fn lines(findings: &[(String, Finding)]) -> String {
    let line = |(service, finding): &(String, Finding)| {
        format!("{service}: {}: {}\n", finding.key, finding.message)
    };
    findings.iter().map(line).collect()
}

#[track_caller]
fn migrated(text: &str) -> Migrated {
    migrate(text, &prefix()).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// What Compose makes of a value without any variable set.
fn filled(text: &str) -> String {
    let mut parts = text.split("${");
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (variable, rest) = part.split_once('}').unwrap();
        filled.push_str(variable.split_once(":-").map_or("", |(_, default)| default));
        filled.push_str(rest);
    }
    filled.replace("$$", "$")
}

fn word(value: &Value) -> String {
    filled(&value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned))
}

/// A key of a service, or of what is merged into it.
fn get<'a>(service: &'a Value, key: &str) -> &'a Value {
    let merged = match &service["<<"] {
        Value::Array(several) => several.first().map_or(&Value::Null, |first| &first[key]),
        one => &one[key],
    };
    if service[key].is_null() { merged } else { &service[key] }
}

fn strings(value: &Value) -> BTreeMap<String, String> {
    let pair = |text: &str| {
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        (key.to_owned(), value.to_owned())
    };
    match value {
        Value::Object(pairs) => {
            pairs.iter().map(|(key, value)| (key.clone(), word(value))).collect()
        }
        Value::Array(items) => items.iter().map(|item| pair(&word(item))).collect(),
        _ => BTreeMap::new(),
    }
}

/// Resolves a file's services with the real label parser, and returns what is wrong with them.
fn problems(text: &str) -> Vec<String> {
    let compose: Value = Figment::from(Yaml::string(text)).extract().unwrap();
    let workload = |(name, service): (&String, &Value)| {
        let mut labels = strings(get(service, "labels"));
        labels.extend(strings(&service["deploy"]["labels"]));
        Workload {
            id: name.clone(),
            name: name.clone(),
            image: get(service, "image").as_str().unwrap_or_default().to_owned(),
            image_digest: String::new(),
            labels,
            env: strings(get(service, "environment")).into_iter().collect(),
            running: true,
            created: String::new(),
        }
    };
    let services = compose["services"].as_object().into_iter().flatten();
    // What a migrated file may choose, the operator has: the stores and groups of the cases.
    let rules = crate::labels::rules(&[
        "stores.minio.url=file:///minio",
        "stores.local.default=true",
        "encryption.recipients=age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p",
    ]);
    let fleet = resolve(&rules, services.map(workload).collect());
    fleet.problems.iter().map(ToString::to_string).collect()
}

#[test]
fn every_case_comes_out_as_written() {
    for case in cases() {
        let read = |name: &str| std::fs::read_to_string(case.join(name)).unwrap_or_default();
        let migrated = migrated(&read("before.yaml"));
        let said = lines(&migrated.findings);
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(case.join("after.yaml"), &migrated.text).unwrap();
            std::fs::write(case.join("findings.txt"), &said).unwrap();
            continue;
        }
        assert_eq!(migrated.text, read("after.yaml"), "{}", case.display());
        assert_eq!(said, read("findings.txt"), "{}", case.display());
        assert_eq!(migrated.changed == 0, read("before.yaml") == read("after.yaml"));
    }
}

#[test]
fn what_comes_out_is_right_and_is_not_migrated_twice() {
    for case in cases() {
        let after = std::fs::read_to_string(case.join("after.yaml")).unwrap();
        let again = migrated(&after);
        assert_eq!((again.text.as_str(), again.changed), (after.as_str(), 0), "{}", case.display());
        assert_eq!(problems(&after), Vec::<String>::new(), "{}", case.display());
    }
}

#[test]
fn no_planted_password_is_repeated() {
    let mut planted = 0;
    for case in cases() {
        let before = std::fs::read_to_string(case.join("before.yaml")).unwrap();
        let migrated = migrated(&before);
        let said = lines(&migrated.findings);
        for word in ["planted", "swordfish", "pa$$word", "p@ss", "co$$t", "co$t"] {
            planted += usize::from(before.contains(word));
            assert!(!said.contains(word), "{}: {said}", case.display());
            let labels = migrated.text.lines().filter(|line| line.contains("ringbolt."));
            for line in labels {
                assert!(!line.contains(word), "{}: {line}", case.display());
            }
        }
    }
    assert!(planted > 5);
}

#[test]
fn line_ends_and_a_missing_one_stay() {
    let before =
        "services:\r\n  db:\r\n    labels:\r\n      - backer.enabled=true\r\n      - a=b\r\n";
    let after = "services:\r\n  db:\r\n    labels:\r\n      - ringbolt.enable=true\r\n      \
                 - ringbolt.schedule=0 0 * * *\r\n      - ringbolt.keep=last=10\r\n      - a=b\r\n";
    assert_eq!(migrated(before).text, after);
    let before = "\u{feff}services:\n  dß:\n    labels:\n      backer.enabled: 'true'  # ä";
    let after = "\u{feff}services:\n  dß:\n    labels:\n      ringbolt.enable: 'true'  # ä\n      \
                 ringbolt.schedule: 'X'\n      ringbolt.keep: 'last=10'";
    assert_eq!(migrated(before).text, after.replace('X', "0 0 * * *"));
}

#[test]
fn another_prefix_is_kept_apart_from_theirs() {
    let text = "services: {db: {labels: {baktainer.backup: 'true'}}}";
    let other = migrate(text, &"backups.shop".parse().unwrap()).unwrap();
    assert_eq!(other.text, "services: {db: {labels: {backups.shop.enable: 'true'}}}");
    let error = migrate(text, &"baktainer".parse().unwrap()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "labels cannot be migrated to `baktainer`, the prefix of baktainer"
    );
}

#[test]
fn every_document_of_a_file_is_migrated() {
    let text = "services: {a: {labels: [baktainer.backup=true]}}\n---\n\
                services: {b: {labels: [baktainer.backup=false]}}\n";
    let expected = text.replace("baktainer.backup", "ringbolt.enable");
    assert_eq!(migrated(text).text, expected);
}

#[test]
fn what_is_no_yaml_is_told_with_its_place() {
    let error = migrate("services:\n  db: [\n  x: y\n", &prefix()).unwrap_err().to_string();
    assert!(error.starts_with("line ") && error.contains(", column "), "{error}");
    for text in ["", "\n", "# nothing\n", "services:\n", "services: [db]\n", "[]", "--- |\n x\n"] {
        assert_eq!(migrated(text).text, text);
    }
}

#[test]
fn the_command_prints_and_says_what_is_left_to_do() {
    let case = |name: &str| folder().join(name);
    let run = |arguments: &[&Path]| {
        Ran::of(Command::new(BINARY).env_clear().args(["labels", "migrate"]).args(arguments))
    };
    let before = case("nothing/before.yaml");
    let text = std::fs::read_to_string(&before).unwrap();
    let ran = run(&[&before]).expect(0);
    assert_eq!(ran.stdout, text, "one file comes out as it is");
    let ran = run(&[&before, &before]).expect(0);
    let part = format!("# {}\n{text}", before.display());
    assert_eq!(ran.stdout, format!("{part}{part}"));

    let odd = case("merges/before.yaml");
    run(&[&odd]).expect(2).says("problem: merged: `<<`: foreign labels are merged in");
    let ran = run(&[Path::new("/nonexistent.yaml"), &before]).expect(2);
    assert!(ran.stderr.contains("error: cannot read `/nonexistent.yaml`"), "{ran:?}");
    assert!(ran.stdout.ends_with(&text), "the other file is printed");
    let ran = run(&[&odd, Path::new("--json")]).expect(2);
    assert_eq!(ran.json()[0]["changed"].as_u64(), Some(2), "{ran:?}");
    run(&[&before, Path::new("--prefix=baktainer")]).expect(2).says("the prefix of baktainer");
    run(&[]).expect(2);
}

/// A translation that keeps its promises for labels of these keys.
fn check_translation(labels: &BTreeMap<String, String>, container: &Container) {
    for dialect in DIALECTS {
        let translation = translate(dialect, labels, container);
        for label in &translation.labels {
            assert!(!label.from.is_empty());
            assert!(label.from.iter().all(|from| labels.contains_key(from)), "{label:?}");
            assert!(!label.value.is_empty() && !label.value.contains(char::is_control));
            let sources = label.from.iter().filter_map(|from| dialect.row(from));
            let known = sources.flat_map(|row| row.ours).any(|ours| *ours == label.key);
            // Defaults of backer are anchored at the label that switches it on.
            assert!(known || label.from == ["enabled"], "{label:?}");
        }
        for (at, label) in translation.labels.iter().enumerate() {
            assert!(translation.labels[at + 1..].iter().all(|other| other.key != label.key));
        }
    }
}

fn known_keys() -> Vec<String> {
    let rows =
        DIALECTS.iter().flat_map(|dialect| dialect.rows.iter().map(move |row| (dialect, row)));
    rows.map(|(dialect, row)| format!("{}{}", dialect.prefix, row.key)).collect()
}

fn value() -> impl Strategy<Value = String> {
    let usual = prop::sample::select(vec![
        "true",
        "false",
        "30",
        "0",
        "7d",
        "1h30m",
        "${X}",
        "${X:-y}",
        "$$",
        "Env:A",
        "Text:b",
        "*",
        "postgres",
        "sqlite",
        "mysql://u:p@db/x?y#z",
        "%zz",
        "@every 6h",
        "0 3 * * *",
        "/a",
        "a,b",
    ]);
    prop_oneof![usual.prop_map(str::to_owned), any::<String>()]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1500) })]

    #[test]
    fn no_labels_panic_the_translation(
        picked in prop::collection::vec((any::<prop::sample::Index>(), value()), 0..8),
        wild in prop::collection::btree_map("\\PC{0,20}", value(), 0..3),
    ) {
        let keys = known_keys();
        let strip = |key: &str| key.split_once('.').map(|(_, key)| key.to_owned()).unwrap();
        let mut labels: BTreeMap<String, String> = wild.clone();
        labels.extend(picked.into_iter().map(|(at, value)| (strip(at.get::<String>(&keys)), value)));
        let names = ["db".to_owned()].into();
        check_translation(&labels, &Container { names, env: wild.into_iter().collect() });
    }

    #[test]
    fn no_text_panics_the_migration(text in "[ \\-:#&*<\\[\\]{}\"'|>,!?\n\r\tabß$.=]{0,60}") {
        migrate(&text, &prefix()).ok();
    }

    #[test]
    fn any_labels_are_migrated_once(
        flow in any::<bool>(),
        list in any::<bool>(),
        picked in prop::collection::vec((any::<prop::sample::Index>(), value(), 0..6_usize), 0..8),
    ) {
        let keys = known_keys();
        let mut labels = String::new();
        for (at, value, style) in picked {
            let key = at.get::<String>(&keys);
            let text = if list { format!("{key}={value}") } else { value };
            let text = match style {
                0 | 1 => text,
                2 => format!("'{}'", text.replace('\'', "''")),
                3 => format!("&a{} '{}'", labels.len(), text.replace('\'', "''")),
                4 => "*known".to_owned(),
                _ => serde_json::to_string(&text).unwrap(),
            };
            let name = if list { "- ".to_owned() } else { format!("{key}: ") };
            let name = if flow && list { "" } else { &name };
            labels.push_str(&match flow {
                true => format!("{name}{text}, "),
                false => format!("      {name}{text} # {key}\n"),
            });
        }
        let (open, close) = if list { ("[", "]") } else { ("{", "}") };
        let labels = if flow { format!("{open}{labels}{close}") } else { format!("\n{labels}") };
        let text = format!("x: &known a=b\nservices:\n  db:\n    labels: {labels}\n    image: x # y\n");
        if let Ok(first) = migrate(&text, &prefix()) {
            prop_assert!(first.text.ends_with("image: x # y\n"));
            // Every label on a line of its own has a comment behind it, and none may get lost.
            for key in &keys {
                let comments = |text: &str| text.matches(&format!("# {key}\n")).count();
                prop_assert_eq!(comments(&first.text), comments(&text));
            }
            prop_assert_eq!(first.changed == 0, first.text == text);
            let second = migrate(&first.text, &prefix()).unwrap();
            prop_assert_eq!((second.text, second.changed), (first.text, 0));
        }
    }
}
