//! What people wrote: one value at one key, and where it was written. Files, variables and flags are
//! read here into the same shape; what a key means is not known here.

use std::ffi::OsString;
use std::fmt;
use std::path::Path;

use figment::providers::{Format as _, Toml, Yaml};
use figment::value::{Dict, Value};
use figment::{Profile, Provider as _};

use super::docker;
use crate::model::Problem;

/// What a variable of ours begins with.
pub(super) const PREFIX: &str = "RINGBOLT_";
/// Names the settings file, or marks a command in a container: no settings.
const NO_SETTINGS: [&str; 2] = ["RINGBOLT_CONFIG", "RINGBOLT_RUN"];

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    Default,
    File(String),
    Variable(String),
    Flag,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "file {path}"),
            Self::Variable(name) => write!(f, "variable {name}"),
            Self::Flag => f.write_str("flag --set"),
        }
    }
}

/// One value as written.
#[derive(Clone)]
pub(super) struct Given {
    pub(super) key: Vec<String>,
    pub(super) origin: Origin,
    value: Value,
}

impl Given {
    /// The whole key as people write it.
    pub(super) fn name(&self) -> String {
        self.key.join(".")
    }

    /// A text. Numbers and `true` are texts too: a person need not know which.
    pub(super) fn text(&self) -> Result<String, String> {
        scalar(&self.value).ok_or_else(|| "it is no text".to_owned())
    }

    pub(super) fn flag(&self) -> Result<bool, String> {
        match self.text()?.as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err("it is neither `true` nor `false`".to_owned()),
        }
    }

    /// A list: `["a", "b"]`, or in one text `a,b`.
    pub(super) fn list(&self) -> Result<Vec<String>, String> {
        let list = |values: &[Value]| {
            let texts = values.iter().map(|value| scalar(value).ok_or("it holds more than texts"));
            texts.collect::<Result<Vec<String>, _>>().map_err(str::to_owned)
        };
        if let Value::Array(_, values) = &self.value {
            return list(values);
        }
        let text = self.text()?;
        if text.trim_start().starts_with('[') {
            return match array(text.trim()) {
                Some(values) => list(&values),
                None => Err("it is no list like `[\"a\", \"b\"]`".to_owned()),
            };
        }
        Ok(text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(Into::into).collect())
    }

    /// The value as a person would write it, for messages.
    pub(super) fn shown(&self) -> String {
        match (&self.value, self.text()) {
            (_, Ok(text)) if docker::is_pem(&text) => "(PEM)".to_owned(),
            (_, Ok(text)) => text,
            (Value::Array(..), _) => {
                let list = self.list().unwrap_or_default().into_iter();
                let shown = |text: String| match docker::is_pem(&text) {
                    true => "(PEM)".to_owned(),
                    false => text,
                };
                list.map(shown).collect::<Vec<_>>().join(",")
            }
            _ => "…".to_owned(),
        }
    }
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (key, origin) = (self.name(), &self.origin);
        f.debug_struct("Given").field("key", &key).field("origin", origin).finish_non_exhaustive()
    }
}

/// Reads every value of a settings file, TOML or (by its extension) YAML.
pub(super) fn file(path: &Path, text: &str) -> Result<Vec<Given>, Vec<Problem>> {
    let yaml = matches!(path.extension().and_then(|end| end.to_str()), Some("yaml" | "yml"));
    let origin = Origin::File(path.display().to_string());
    let read = match yaml {
        // An empty document is no error: everything in it may be commented out.
        true if text
            .lines()
            .all(|line| line.trim_start().starts_with('#') || line.trim().is_empty()) =>
        {
            return Ok(Vec::new());
        }
        true => Yaml::string(text).data(),
        false => Toml::string(text).data(),
    };
    let mut read = read.map_err(|error| {
        vec![Problem::new(&origin.to_string(), format!("cannot be read: {}", said(&error)))]
    })?;
    let values = read.remove(&Profile::Default).unwrap_or_default();
    let mut given = Vec::new();
    leaves(values, &[], &origin, &mut given);
    Ok(given)
}

/// Reads every variable of ours: `RINGBOLT_STORES__LOCAL__URL` is `stores.local.url`. Its value is a
/// text, whatever it looks like: a password of digits stays as it is.
pub(super) fn variables(
    environment: impl Iterator<Item = (OsString, OsString)>,
) -> Result<Vec<Given>, Vec<Problem>> {
    let mut given = Vec::new();
    let mut problems = Vec::new();
    for (name, value) in environment {
        let Some(name) = name.to_str() else { continue };
        let Some(key) = name.strip_prefix(PREFIX) else { continue };
        if NO_SETTINGS.contains(&name) {
            continue;
        }
        let Ok(value) = value.into_string() else {
            problems.push(Problem::new(&format!("variable {name}"), "is not UTF-8"));
            continue;
        };
        let key = key.to_lowercase().split("__").map(str::to_owned).collect();
        let origin = Origin::Variable(name.to_owned());
        given.push(Given { key, origin, value: value.into() });
    }
    // The environment has no order; messages have.
    given.sort_by(|a, b| a.key.cmp(&b.key));
    if problems.is_empty() { Ok(given) } else { Err(problems) }
}

/// A value given by hand as `KEY=VALUE`.
pub(super) fn flag(text: &str) -> Result<Vec<Given>, Vec<Problem>> {
    match text.split_once('=') {
        Some((key, value)) => Ok(vec![Given {
            key: key.split('.').map(str::to_owned).collect(),
            origin: Origin::Flag,
            value: value.into(),
        }]),
        // What was given instead may be a secret.
        None => Err(vec![Problem::new(&Origin::Flag.to_string(), "takes KEY=VALUE")]),
    }
}

/// What the parser said, without the line it quotes: that may hold a secret.
fn said(error: &figment::Error) -> String {
    let text = error.kind.to_string();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.contains('|'));
    lines.collect::<Vec<_>>().join(": ")
}

fn leaves(values: Dict, key: &[String], origin: &Origin, given: &mut Vec<Given>) {
    for (name, value) in values {
        let key = [key, &[name]].concat();
        match value {
            Value::Dict(_, inner) => leaves(inner, &key, origin, given),
            value => given.push(Given { key, origin: origin.clone(), value }),
        }
    }
}

/// A list as a settings file has it. figment's own reader of single values panics on some texts
/// (`["ä\n"]`), and knows no depth at which it gives up.
fn array(text: &str) -> Option<Vec<Value>> {
    let read = Toml::string(&format!("list = {text}")).data().ok()?;
    let mut values = read.into_values().next()?.into_values();
    // A text of several lines may hold more than a list.
    match (values.next(), values.next()) {
        (Some(Value::Array(_, list)), None) => Some(list),
        _ => None,
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(_, text) => Some(text.clone()),
        Value::Char(_, character) => Some(character.to_string()),
        Value::Bool(_, flag) => Some(flag.to_string()),
        Value::Num(_, number) => {
            let whole = number.to_u128().map(|number| number.to_string());
            whole.or_else(|| number.to_i128().map(|number| number.to_string()))
        }
        Value::Empty(..) | Value::Dict(..) | Value::Array(..) => None,
    }
}
