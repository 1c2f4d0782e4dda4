//! What every dialect's rows have in common: taking a label as far as ours has the same meaning, and
//! saying so where it has not.
//!
//! Which key means what is in the dialects' own files.

use std::collections::BTreeMap;

use super::{Container, Finding, Theirs, Translated, Translation};
use crate::model::{DatabaseName, SecretRef, Slug};
use crate::schedule;

/// The longest value of any label of ours.
const LONGEST: usize = 4096;
/// The longest user name of any label of ours.
const LONGEST_USER: usize = 63;
/// How variables that hold passwords are usually called. Of several with the same value these come
/// first: `POSTGRES_DB=shop` says nothing about a password that happens to be `shop`.
const PASSWORD_WORDS: [&str; 4] = ["PASS", "PWD", "SECRET", "TOKEN"];

/// One container's labels on their way into ours.
#[derive(Debug)]
pub(super) struct Reading<'a> {
    labels: &'a BTreeMap<String, String>,
    pub(super) container: &'a Container,
    translation: Translation,
}

impl<'a> Reading<'a> {
    pub(super) fn new(labels: &'a BTreeMap<String, String>, container: &'a Container) -> Self {
        Self { labels, container, translation: Translation::default() }
    }

    pub(super) fn finish(self) -> Translation {
        self.translation
    }

    /// Another of their labels.
    pub(super) fn get(&self, key: &str) -> Option<&'a str> {
        self.labels.get(key).map(String::as_str)
    }

    pub(super) fn find(&mut self, key: &str, message: impl Into<String>) {
        let (key, message) = (key.to_owned(), message.into());
        self.translation.findings.push(Finding { key, message });
    }

    /// Says a label of ours. What it already says is not said twice, and what contradicts it is a
    /// finding: the row that was read first wins.
    pub(super) fn put(&mut self, from: &[&str], key: &str, value: impl Into<String>) {
        let (value, theirs) = (value.into(), from.first().copied().unwrap_or_default());
        if let Some(wrong) = unfit(&value) {
            return self.find(theirs, format!("cannot become `{key}`: its value {wrong}"));
        }
        let from = from.iter().map(|key| (*key).to_owned());
        match self.translation.labels.iter_mut().find(|label| label.key == key) {
            Some(label) if label.value == value => label.from.extend(from),
            Some(label) => {
                let other = label.from.join("` and `");
                self.find(theirs, format!("is dropped: `{key}` already comes from `{other}`"));
            }
            None => {
                let (from, key) = (from.collect(), key.to_owned());
                self.translation.labels.push(Translated { from, key, value });
            }
        }
    }

    /// The value, if it is known before Compose runs. Otherwise a finding says which label has to be
    /// written by hand.
    pub(super) fn known<'b>(&mut self, theirs: Theirs<'b>, ours: &str) -> Option<&'b str> {
        if !interpolated(theirs.value) {
            return Some(theirs.value);
        }
        let message = "holds a variable of Compose, whose value is not known here";
        self.find(theirs.key, format!("{message}: write `{ours}` by hand"));
        None
    }

    /// `true` enables. What else the tool may do is nobody's wish any more, so anything else disables
    /// and is said.
    pub(super) fn enable(&mut self, theirs: Theirs<'_>, tool: &str) {
        match theirs.value {
            "true" | "false" => self.put(&[theirs.key], "enable", theirs.value),
            value if interpolated(value) => self.put(&[theirs.key], "enable", value),
            _ => {
                self.put(&[theirs.key], "enable", "false");
                self.find(
                    theirs.key,
                    format!(
                        "{tool} takes nothing but `true`, so it never backed this up: \
                         `enable=false` keeps it so"
                    ),
                );
            }
        }
    }

    /// One of the engines that both sides have, by either's name.
    pub(super) fn engine(&mut self, theirs: Theirs<'_>, engines: &[(&str, &str)]) {
        let value = theirs.value.trim();
        if interpolated(value) {
            return self.put(&[theirs.key], "engine", value);
        }
        let lower = value.to_ascii_lowercase();
        match engines.iter().find(|(name, _)| *name == lower) {
            Some((_, ours)) => self.put(&[theirs.key], "engine", *ours),
            None => self.find(
                theirs.key,
                "names no engine that can be taken over: write `engine` by hand, or leave it to \
                 the image's name",
            ),
        }
    }

    pub(super) fn name(&mut self, theirs: Theirs<'_>) {
        let name = theirs.value.trim();
        match name.parse::<Slug>() {
            Err(error) if !interpolated(name) => {
                self.find(theirs.key, format!("cannot become `name`: {error}"));
            }
            _ => self.put(&[theirs.key], "name", name),
        }
    }

    pub(super) fn user(&mut self, key: &str, user: &str) {
        match user.len() {
            0 => self.find(key, "names no user"),
            1..=LONGEST_USER => self.put(&[key], "user", user),
            length => self.find(key, format!("cannot become `user`: it is {length} bytes long")),
        }
    }

    /// Names of databases; the first of `from` is the one that is at fault.
    pub(super) fn databases(&mut self, from: &[&str], names: &[&str]) {
        let theirs = from.first().copied().unwrap_or_default();
        let wrong = names.iter().find_map(|name| match name.parse::<DatabaseName>() {
            Err(error) => Some(error.to_string()),
            Ok(_) if *name == "*" => Some("`*` is no name".to_owned()),
            Ok(_) if name.contains(',') => Some("a name with a comma cannot be listed".to_owned()),
            Ok(_) => None,
        });
        match wrong {
            Some(wrong) => self.find(theirs, format!("cannot become `databases`: {wrong}")),
            None => self.put(from, "databases", names.join(",")),
        }
    }

    /// A password in clear text. It is never copied: a variable of the container that has the same
    /// value is referred to, or a person has to choose where the password shall be.
    pub(super) fn literal_password(&mut self, key: &str, literal: &str) {
        let usual = |name: &str| {
            let name = name.to_ascii_uppercase();
            PASSWORD_WORDS.iter().any(|word| name.contains(word))
        };
        let mut references: Vec<(bool, String)> = self
            .container
            .env
            .holding(literal)
            .map(|name| (!usual(name), format!("env:{name}")))
            .filter(|(_, reference)| reference.parse::<SecretRef>().is_ok())
            .collect();
        references.sort();
        match references.into_iter().next() {
            Some((_, reference)) => self.put(&[key], "password", reference),
            None => self.find(
                key,
                "holds a password that no known variable of the container has: it is not copied; \
                 put it in a file or a variable and write `password=file:…`, `env:…` or `secret:…`",
            ),
        }
    }

    pub(super) fn reference(&mut self, key: &str, reference: &str) {
        match reference.parse::<SecretRef>() {
            Ok(_) => self.put(&[key], "password", reference),
            Err(wrong) => self.find(key, format!("cannot become `password`: {wrong}")),
        }
    }

    pub(super) fn schedule(&mut self, from: &[&str], expression: &str) {
        match schedule::read(expression) {
            Err(wrong) if !interpolated(expression) => {
                let theirs = from.first().copied().unwrap_or_default();
                self.find(theirs, format!("cannot become `schedule`: {wrong}"));
            }
            _ => self.put(from, "schedule", expression),
        }
    }
}

/// Whether Compose puts something in the place of a part of this value.
pub(super) fn interpolated(value: &str) -> bool {
    value.replace("$$", "").contains('$')
}

/// A count as other tools write it: digits, nothing else.
pub(super) fn count(value: &str) -> Option<u32> {
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    if digits { value.parse().ok() } else { None }
}

/// What keeps a text out of any label of ours.
fn unfit(value: &str) -> Option<&'static str> {
    match value {
        "" => Some("is empty"),
        long if long.len() > LONGEST => Some("is too long"),
        text if text.chars().any(char::is_control) => Some("holds a control character"),
        _ => None,
    }
}
