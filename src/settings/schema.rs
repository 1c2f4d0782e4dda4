//! The settings table as a JSON Schema, for editors. Generated, so that it cannot say anything else
//! than the parser's own rows.

use serde_json::{Map, Value, json};

use super::table::{SETTINGS, Setting, Shape};

/// A JSON Schema (2020-12) of the settings file.
pub fn schema() -> Value {
    let mut root = object();
    for setting in SETTINGS {
        let mut parts: Vec<&str> = setting.key.split('.').collect();
        let last = parts.pop().unwrap_or_default();
        let mut place = &mut root;
        for part in parts {
            place = child(place, part).or_insert_with(object);
        }
        child(place, last).or_insert_with(|| value(setting));
        if setting.is_secret() {
            let about = format!("The path of a file that holds `{}`.", setting.key);
            let file = json!({ "type": "string", "description": about });
            child(place, &format!("{last}_file")).or_insert(file);
        }
    }
    root["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    root["title"] = "Ringbolt's settings".into();
    root
}

fn object() -> Value {
    json!({ "type": "object", "properties": {}, "additionalProperties": false })
}

/// The place of a key's part in an object: a name that people choose goes among its patterns.
fn child<'a>(place: &'a mut Value, part: &str) -> serde_json::map::Entry<'a> {
    let (among, key) = match part.starts_with('<') {
        true => ("patternProperties", r"^[A-Za-z0-9][A-Za-z0-9._-]*$"),
        false => ("properties", part),
    };
    let among = &mut place[among];
    if among.is_null() {
        *among = Value::Object(Map::new());
    }
    among.as_object_mut().expect("it was made an object above").entry(key)
}

fn value(setting: &Setting) -> Value {
    let scalar = json!(["string", "number", "boolean"]);
    let mut schema = match setting.shape {
        Shape::Text => json!({ "type": scalar }),
        Shape::Flag => json!({ "enum": [true, false, "true", "false"] }),
        Shape::List => json!({ "type": ["array", "string"], "items": { "type": scalar } }),
    };
    // A label may be written as a list, as `stores` is, and have dots of its own.
    if setting.key.ends_with("<label>") {
        schema = json!({ "type": ["string", "number", "boolean", "array", "object"] });
    }
    schema["description"] = format!("{} Expected: {}.", setting.about, setting.expects).into();
    schema["examples"] = json!(setting.examples);
    schema
}
