//! The editor schema, judged by an independent validator: it takes what the parser takes, and
//! underlines what an editor can see to be wrong.

use figment::Figment;
use figment::providers::{Format as _, Yaml};
use jsonschema::Validator;
use ringbolt::engine::ENGINES;
use ringbolt::labels::{LABELS, schema};
use serde_json::{Value, json};

use crate::world::World;

fn validator() -> Validator {
    jsonschema::validator_for(&schema("ringbolt")).unwrap()
}

/// A Compose file with one label, as a mapping and as a list.
fn compose(key: &str, value: &str) -> [Value; 2] {
    let file = |labels: Value| json!({ "services": { "db": { "image": "x", "labels": labels } } });
    [file(json!({ key: value })), file(json!([format!("{key}={value}")]))]
}

#[test]
fn the_editor_takes_what_the_parser_takes() {
    let validator = validator();
    let keys = LABELS.iter().flat_map(|label| {
        let own = format!("ringbolt.{}", label.key);
        let job = format!("ringbolt.job.night.{}", label.key);
        label.examples.iter().flat_map(move |value| [(own.clone(), *value), (job.clone(), *value)])
    });
    let named = ("ringbolt.schedule.night".to_owned(), "@daily");
    for (key, value) in keys.chain([named]) {
        for file in compose(&key, value) {
            assert!(validator.is_valid(&file), "{file}");
        }
    }
    for unquoted in [json!(true), json!("${ENABLE:-true}")] {
        let file = json!({ "services": { "db": { "labels": { "ringbolt.enable": unquoted } } } });
        assert!(validator.is_valid(&file), "{file}");
    }
    let foreign = compose("traefik.enable", "whatever");
    assert!(foreign.iter().all(|file| validator.is_valid(file)));
}

#[test]
fn the_editor_underlines_typos() {
    let validator = validator();
    for key in ["ringbolt.enabel", "ringbolt.job.x.kep", "ringbolt.schedule.", "ringbolt.Name"] {
        for file in compose(key, "true") {
            assert!(!validator.is_valid(&file), "{file}");
        }
    }
    for (key, value) in [
        ("enable", "yes"),
        ("engine", "oracle"),
        ("keep", "7"),
        ("compress", "zip"),
        ("stall", "15 min"),
        ("schedule", "daily"),
        ("priority", "urgent"),
    ] {
        let [mapping, _] = compose(&format!("ringbolt.{key}"), value);
        assert!(!validator.is_valid(&mapping), "{mapping}");
    }
}

#[test]
fn every_example_and_every_printed_fragment_is_valid() {
    let validator = validator();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    for entry in std::fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().path().join("compose.yaml");
        let text = std::fs::read_to_string(&file).unwrap();
        let compose: Value = Figment::from(Yaml::string(&text)).extract().unwrap();
        let errors: Vec<String> = validator.iter_errors(&compose).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{}: {errors:?}", file.display());
    }
    let world = World::new();
    for engine in ENGINES {
        let name = engine.card().name;
        let ran = world.ringbolt(&["labels", "example", name]).expect(0);
        // The printed prefix is the world's own.
        let text = ran.stdout.replace(&world.prefix, "ringbolt");
        let compose: Value = Figment::from(Yaml::string(&text)).extract().unwrap();
        assert!(validator.is_valid(&compose), "{text}");
        crate::examples::check_labels(&compose, name);
    }
    let printed = world.ringbolt(&["labels", "schema"]).expect(0).json();
    assert_eq!(printed, schema(&world.prefix));
}
