//! Examples: each Compose file is read with the real label parser, and the demonstration runs.

mod engines;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use figment::Figment;
use figment::providers::{Format as _, Yaml};
use ringbolt::app::App;
use ringbolt::labels::resolve;
use ringbolt::model::Workload;
use ringbolt::settings::Written;
use serde_json::Value;

use crate::world::{Ran, World, docker};

/// `${NAME:-default}` as Compose reads it without the variable.
fn default_of(text: &str) -> &str {
    match text.strip_prefix("${").and_then(|inner| inner.strip_suffix('}')) {
        Some(inner) => inner.split_once(":-").map_or("", |(_, default)| default),
        None => text,
    }
}

fn strings(service: &Value, key: &str) -> BTreeMap<String, String> {
    let pair = |text: &str| {
        let (name, value) = text.split_once('=').unwrap();
        (name.to_owned(), value.to_owned())
    };
    match &service[key] {
        Value::Array(items) => items.iter().map(|item| pair(item.as_str().unwrap())).collect(),
        pairs => pairs
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.clone(), default_of(value.as_str().unwrap()).to_owned()))
            .collect(),
    }
}

/// The image that the demonstration has built, as a user who is in the socket's group and nothing else.
fn the_image_needs_no_root() {
    use std::os::unix::fs::{MetadataExt as _, chown};

    let world = World::new();
    world.postgres("db", &[("enable", "true")], &[]);
    std::fs::create_dir(world.store()).unwrap();
    chown(world.store(), Some(65532), Some(65532)).unwrap();
    let socket = "/var/run/docker.sock";
    let group = std::fs::metadata(socket).unwrap().gid().to_string();
    let (socket, store) =
        (format!("{socket}:{socket}"), format!("{}:/backups", world.store().display()));
    let prefix = format!("RINGBOLT_LABELS__PREFIX={}", world.prefix);
    let run = |more: &[&str]| {
        let always = [
            "run",
            "--rm",
            "--user",
            "65532:65532",
            "--volume",
            &socket,
            "--volume",
            &store,
            "--env",
            &prefix,
        ];
        docker(&[&always, more, &["ringbolt:local", "backup"]].concat())
    };
    // Where nothing is mounted, every archive would go with the container.
    let inside = ["run", "--rm", "--volume", "/var/run/docker.sock:/var/run/docker.sock"];
    let elsewhere = ["ringbolt:local", "doctor", "--set", "stores.local.url=file:///elsewhere"];
    let ran = docker(&[&inside[..], &elsewhere].concat()).expect(1);
    assert!(ran.stdout.contains("local lies in the container's own layer"), "{ran:?}");
    let mounted = docker(&[&inside[..], &["ringbolt:local", "doctor"]].concat());
    assert!(!mounted.stdout.contains("own layer"), "{mounted:?}");
    run(&[]).expect(3).says(&format!("--group-add {group}"));
    run(&["--group-add", &group]).expect(0);
    assert_eq!(world.list().len(), 2);
}

#[test]
fn every_example_has_right_labels() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().path().join("compose.yaml");
        let compose: Value = Figment::from(Yaml::file_exact(&file)).extract().unwrap();
        check_labels(&compose, &file.display().to_string());
        files += 1;
    }
    assert!(files > 0);
}

/// Reads a Compose file's labels with the real parser: no problem, and something to back up.
#[track_caller]
pub(crate) fn check_labels(compose: &Value, file: &str) {
    // The settings of the example are right, too; the image brings the store.
    let services = compose["services"].as_object().unwrap();
    let mut environment = strings(&services["ringbolt"], "environment");
    environment
        .entry("RINGBOLT_STORES__LOCAL__URL".to_owned())
        .or_insert_with(|| "file:///backups".to_owned());
    let environment = environment.into_iter().map(|(name, value)| (name.into(), value.into()));
    let written = Written {
        file: Some("/dev/null".into()),
        environment: environment.collect(),
        ..Written::default()
    };
    let rules = App::open(&written).unwrap_or_else(|problems| panic!("{file}: {problems:?}")).rules;
    let workload = |(name, service): (&String, &Value)| Workload {
        id: name.clone(),
        name: name.clone(),
        image: default_of(service["image"].as_str().unwrap()).to_owned(),
        image_digest: String::new(),
        labels: strings(service, "labels"),
        env: strings(service, "environment").into_iter().collect(),
        running: true,
        created: String::new(),
    };
    let workloads = services.iter().map(workload).collect();
    let fleet = resolve(&rules, workloads);
    assert!(fleet.problems.is_empty(), "{file}: {:?}", fleet.problems);
    assert!(!fleet.plans.is_empty(), "{file} backs nothing up");
}

#[test]
fn the_demonstration_runs_and_cleans_up() {
    let root = env!("CARGO_MANIFEST_DIR");
    let ran = Ran::of(Command::new("docker/demo").current_dir(root)).expect(0);
    assert!(ran.stdout.contains("Equal: same rows, same checksums, same grants."), "{ran:?}");
    assert!(ran.stdout.contains("verified"), "{ran:?}");
    the_image_needs_no_root();
    Ran::of(Command::new("docker/demo").arg("--down").current_dir(root)).expect(0);
    let filter = "label=com.docker.compose.project=ringbolt-demo";
    for what in [&["ps", "--all"][..], &["volume", "ls"], &["network", "ls"]] {
        let left = docker(&[what, &["--quiet", "--filter", filter]].concat());
        assert_eq!(left.expect(0).stdout, "", "{what:?}");
    }
}
