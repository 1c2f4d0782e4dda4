//! Values of labels: reads each kind of text that a label may hold. What a label does with it is in
//! `rows.rs`.

use std::time::Duration;

use crate::engine::{self, Engine, custom};
use crate::model::{
    Codec, DatabaseName, Databases, Hold, Priority, Secret, SecretRef, Slug, nearest, units,
};
use crate::settings::Policy;

/// Who can decrypt, as a label says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Encrypt {
    Yes,
    No,
    Groups(Vec<Slug>),
}

/// Which engine, as a label says it.
#[derive(Debug, Clone)]
pub(super) enum EngineChoice {
    Ours(&'static dyn Engine),
    /// One of the operator's own. A label brings its name and never a command.
    Custom(Slug),
}

pub(super) fn flag(value: &str) -> Result<bool, String> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("it is neither".to_owned()),
    }
}

/// An engine: one of ours, or the name of one that the operator may have defined.
pub(super) fn engine(value: &str) -> Result<EngineChoice, String> {
    if let Some(own) = value.strip_prefix(custom::PREFIX) {
        return own.parse().map(EngineChoice::Custom).map_err(|error| format!("its name: {error}"));
    }
    engine::by_name(value).map(EngineChoice::Ours).ok_or_else(|| {
        let near = nearest(value, engine::names().into_iter());
        let near = near.map(|name| format!("; did you mean `{name}`?"));
        format!("there is no such engine{}", near.unwrap_or_default())
    })
}

pub(super) fn slug(value: &str) -> Result<Slug, String> {
    value.parse().map_err(|error| format!("{error}"))
}

pub(super) fn user(value: &str) -> Result<String, String> {
    match value.len() {
        0 => Err("it is empty".to_owned()),
        1..=63 => Ok(value.to_owned()),
        length => Err(format!("it is {length} bytes long")),
    }
}

/// A reference. Where the operator lets labels hold passwords, any other text is one.
pub(super) fn password(value: &str, policy: &Policy) -> Result<SecretRef, String> {
    let reference = ["env:", "file:", "secret:"].iter().any(|kind| value.starts_with(kind));
    if policy.literal_passwords && !reference && !value.is_empty() {
        return Ok(SecretRef::Literal(Secret::new(value.to_owned())));
    }
    value.parse().map_err(str::to_owned)
}

pub(super) fn databases(value: &str) -> Result<Databases, String> {
    if value == "*" {
        return Ok(Databases::All);
    }
    list(value, |name| match name {
        "*" => Err("`*` stands alone".to_owned()),
        _ => name.parse::<DatabaseName>().map_err(|error| format!("the name `{name}`: {error}")),
    })
    .map(Databases::Named)
}

pub(super) fn names(value: &str) -> Result<Vec<Slug>, String> {
    list(value, |name| name.parse().map_err(|error| format!("the name `{name}`: {error}")))
}

pub(super) fn paths(value: &str) -> Result<Vec<String>, String> {
    list(value, |path| {
        let inner = path.strip_prefix('/').ok_or(format!("`{path}` is not absolute"))?;
        match inner.split('/').any(|part| part == "..") {
            true => Err(format!("`{path}` goes up")),
            false => Ok(format!("/{}", inner.trim_end_matches('/'))),
        }
    })
}

pub(super) fn patterns(value: &str) -> Result<Vec<String>, String> {
    list(value, |pattern| match pattern.is_empty() {
        true => Err("a pattern is empty".to_owned()),
        false => Ok(pattern.to_owned()),
    })
}

pub(super) fn encrypt(value: &str) -> Result<Encrypt, String> {
    match value {
        "true" => Ok(Encrypt::Yes),
        "false" => Ok(Encrypt::No),
        _ => match names(value)? {
            groups if groups.iter().any(|name| ["true", "false"].contains(&name.as_str())) => {
                Err("`true` and `false` stand alone".to_owned())
            }
            groups => Ok(Encrypt::Groups(groups)),
        },
    }
}

pub(super) fn duration(value: &str) -> Result<Duration, String> {
    units::duration(value).ok_or_else(|| "it is no duration".to_owned())
}

pub(super) fn timeout(value: &str, policy: &Policy) -> Result<Duration, String> {
    let timeout = duration(value)?;
    match policy.timeout {
        Some(longest) if timeout > longest => {
            Err(format!("the operator's longest is {}", units::exact(longest)))
        }
        _ => Ok(timeout),
    }
}

pub(super) fn priority(value: &str, policy: &Policy) -> Result<Priority, String> {
    match value.parse()? {
        priority if priority > policy.priority => {
            Err(format!("the operator's highest is `{}`", policy.priority))
        }
        priority => Ok(priority),
    }
}

pub(super) fn hold(value: &str) -> Result<Option<Hold>, String> {
    match value {
        "none" => Ok(None),
        _ => value.parse().map(Some).map_err(str::to_owned),
    }
}

/// A command: never a shell line, so nothing in it is expanded.
pub(super) fn argv(value: &str) -> Result<Vec<String>, String> {
    match serde_json::from_str::<Vec<String>>(value) {
        Ok(argv) if argv.first().is_some_and(|program| !program.is_empty()) => Ok(argv),
        Ok(_) => Err("it names no program".to_owned()),
        Err(_) => Err("it is no JSON list of texts".to_owned()),
    }
}

pub(super) fn codec(value: &str) -> Result<Codec, String> {
    let (name, level) = match value.split_once(':') {
        Some((name, level)) => (name, Some(level)),
        None => (value, None),
    };
    let level_within = |highest: u8, default: u8| match level {
        None => Ok(default),
        Some(text) => {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            let level = text.parse().ok().filter(|level| digits && (1..=highest).contains(level));
            level.ok_or(format!("a level of {name} is 1 to {highest}"))
        }
    };
    match (name, level) {
        ("zstd", _) => level_within(19, 3).map(Codec::Zstd),
        ("gzip", _) => level_within(9, 6).map(Codec::Gzip),
        ("none", None) => Ok(Codec::None),
        _ => Err("there is no such codec".to_owned()),
    }
}

/// A comma list without anything twice: what is written twice was meant to be something else.
fn list<T: PartialEq>(
    value: &str,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    let mut found = Vec::new();
    for part in value.split(',').map(str::trim) {
        let item = read(part)?;
        if found.contains(&item) {
            return Err(format!("`{part}` is given twice"));
        }
        found.push(item);
    }
    Ok(found)
}
