//! The labels of other backup tools, and what each becomes here. One row a key, one table a tool.
//!
//! Pure: reads no file, asks no container, and knows nothing of YAML (`migrate/` does). Values are
//! spelt as Compose files spell them: `$$` is a dollar sign, and `${NAME}` is a text that nobody knows
//! before Compose runs. It is handed on where ours has the same meaning, and a finding elsewhere.

mod backer;
mod baktainer;
mod connection;
mod label_backup;
mod reading;
mod variables;

use std::collections::{BTreeMap, BTreeSet};

pub use variables::{BT_VARIABLES, Renamed};

use crate::model::Environment;
use reading::Reading;

/// Another tool's labels.
#[derive(Debug)]
pub struct Dialect {
    pub name: &'static str,
    /// With its dot.
    pub prefix: &'static str,
    /// Read in this order: of two rows that give the same label of ours, the earlier one wins.
    pub rows: &'static [Row],
    /// What the tool does where a label is missing, as far as that has to be said.
    absent: fn(&mut Reading<'_>),
}

/// One key of another tool.
#[derive(Debug)]
pub struct Row {
    /// Without the prefix. With a dot at its end it stands for every key that begins so.
    pub key: &'static str,
    /// The labels of ours that it may become.
    pub ours: &'static [&'static str],
    pub about: &'static str,
    read: fn(&mut Reading<'_>, Theirs<'_>),
}

/// One label as somebody wrote it.
#[derive(Debug, Clone, Copy)]
struct Theirs<'a> {
    key: &'a str,
    value: &'a str,
}

/// What is known about the container that wears the labels.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Container {
    /// Names under which other containers reach it: its service, its own name.
    pub names: BTreeSet<String>,
    /// Its environment, as far as known.
    pub env: Environment,
}

/// What another tool's labels say in ours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Translation {
    pub labels: Vec<Translated>,
    pub findings: Vec<Finding>,
}

/// One label of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Translated {
    /// The keys it comes from, without their prefix; never empty.
    pub from: Vec<String>,
    /// Without our prefix.
    pub key: String,
    pub value: String,
}

/// What a person has to look at. It never repeats a value that may be a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Their key.
    pub key: String,
    pub message: String,
}

/// Every tool whose labels can be migrated.
pub static DIALECTS: &[&Dialect] =
    &[&baktainer::BAKTAINER, &backer::BACKER, &label_backup::LABEL_BACKUP];

impl Dialect {
    /// The row of a key.
    pub fn row(&self, key: &str) -> Option<&'static Row> {
        self.rows.iter().find(|row| match row.key.ends_with('.') {
            true => key.starts_with(row.key),
            false => key == row.key,
        })
    }

    /// Whether any of these labels is one of this tool. A prefix alone proves nothing: `backup.` may be
    /// anybody's.
    pub fn claims(&self, labels: &BTreeMap<String, String>) -> bool {
        labels.keys().any(|key| self.row(key).is_some())
    }
}

/// Translates the labels under one tool's prefix; their keys come without it.
///
/// Every label is either in a translation's `from`, or is said to be without effect, or is a finding:
/// unknown keys, values that the tool itself ignored, and what has no counterpart here.
pub fn translate(
    dialect: &'static Dialect,
    labels: &BTreeMap<String, String>,
    container: &Container,
) -> Translation {
    let mut reading = Reading::new(labels, container);
    for row in dialect.rows {
        for (key, value) in labels {
            if dialect.row(key).is_some_and(|own| std::ptr::eq(own, row)) {
                (row.read)(&mut reading, Theirs { key, value });
            }
        }
    }
    for key in labels.keys().filter(|key| dialect.row(key).is_none()) {
        let message = format!("{} knows no such label; it is left as it is", dialect.name);
        reading.find(&shown(key), message);
    }
    (dialect.absent)(&mut reading);
    reading.finish()
}

/// An unknown key as far as it looks like one. Behind that may be a value that was meant to follow an
/// equals sign.
fn shown(key: &str) -> String {
    let usual = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    match key.find(|c| !usual(c)) {
        Some(end) => format!("{}…", &key[..end]),
        None => key.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_row() {
        for dialect in DIALECTS {
            assert!(dialect.prefix.ends_with('.'), "{}", dialect.name);
            for row in dialect.rows {
                let found = dialect.row(row.key).map(|found| found.key);
                assert_eq!(found, Some(row.key), "{}", dialect.name);
                assert!(!row.about.is_empty() && !row.about.ends_with('.'), "{}", row.key);
            }
        }
    }
}
