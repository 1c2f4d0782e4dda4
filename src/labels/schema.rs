//! The label table as a JSON Schema of Compose files, for editors: a mistyped label is underlined
//! while it is typed. Generated from the rows; whatever the parser takes, it takes.

use serde_json::{Map, Value, json};

use super::rows::LABELS;
use super::table::{Label, Shape};
use crate::engine::{self, custom};

/// A JSON Schema (2020-12) that checks our labels in a Compose file, and nothing else of it.
pub fn schema(prefix: &str) -> Value {
    let prefix = escape(prefix);
    let mut patterns = Map::new();
    let mut keys: Vec<String> = Vec::new();
    for label in LABELS {
        // Several schedules are told apart by an id.
        let id = if label.key == "schedule" { r"(\.[A-Za-z0-9][A-Za-z0-9._-]*)?" } else { "" };
        let key = format!("{}{id}", escape(label.key));
        patterns.insert(format!("^{prefix}\\.{JOB}{key}$"), value(label));
        keys.push(key);
    }
    let known = format!("^{prefix}\\.{JOB}({})$", keys.join("|"));
    let name =
        json!({ "if": { "pattern": format!("^{prefix}\\.") }, "then": { "pattern": known } });
    // In a list, the whole label is one text.
    let item = json!({
        "type": "string",
        "if": { "pattern": format!("^{prefix}\\.") },
        "then": { "pattern": format!("^{prefix}\\.{JOB}({})(=|$)", keys.join("|")) },
    });
    let labels = json!({
        "type": ["object", "array", "null"],
        "propertyNames": name,
        "patternProperties": patterns,
        "items": item,
    });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Ringbolt's labels in a Compose file",
        "type": "object",
        "$defs": { "labels": labels },
        "properties": {
            "services": {
                "type": "object",
                "additionalProperties": {
                    "type": ["object", "null"],
                    "properties": { "labels": { "$ref": "#/$defs/labels" } },
                },
            },
        },
    })
}

/// A label may belong to a further job.
const JOB: &str = r"(job\.[A-Za-z0-9][A-Za-z0-9_-]*\.)?";

fn value(label: &Label) -> Value {
    let mut schema = match label.shape {
        Shape::Text => json!({ "type": "string" }),
        Shape::OneOf(values) => one_of(values.iter().copied()),
        Shape::Engine => {
            let mut known = one_of(engine::names().into_iter());
            let own = format!("^{}[A-Za-z0-9][A-Za-z0-9._-]*$", custom::PREFIX);
            known["anyOf"].as_array_mut().expect("it is a list").push(json!({ "pattern": own }));
            known
        }
        // Compose lets people write numbers and `true` without quotes.
        Shape::Pattern(pattern) => json!({
            "type": ["string", "number", "boolean"],
            "anyOf": [{ "pattern": pattern }, interpolated()],
        }),
    };
    schema["description"] = format!("{} Expected: {}.", label.about, label.expects).into();
    schema["default"] = label.default.replace('`', "").into();
    schema["examples"] = json!(label.examples);
    schema
}

fn one_of(values: impl Iterator<Item = &'static str>) -> Value {
    let mut known: Vec<Value> = values.map(Value::from).collect();
    // What Compose is given without quotes arrives as text.
    let unquoted: Vec<Value> =
        known.iter().filter_map(|value| serde_json::from_str(value.as_str()?).ok()).collect();
    known.extend(unquoted);
    json!({ "anyOf": [{ "enum": known }, interpolated()] })
}

/// A value that Compose fills in is judged when it is there.
fn interpolated() -> Value {
    json!({ "type": "string", "pattern": r"\$\{?[A-Za-z_]" })
}

fn escape(text: &str) -> String {
    text.replace('.', r"\.")
}
