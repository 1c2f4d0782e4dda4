//! Decides what happens to each label of a block: it stays, or it becomes none, one or several of ours.
//!
//! Pure: knows no text and edits nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::compose::{Block, Entry};
use super::edit::Edit;
use super::yaml::Style;
use crate::labels::dialect::{DIALECTS, Dialect, Finding, Translated, Translation, translate};
use crate::model::Slug;

/// What becomes of one label. Parallel to a block's entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    Stays,
    /// Whole keys and values of ours; none: it goes.
    Becomes(Vec<(String, String)>),
}

/// A block's fates, and how the text gets there.
#[derive(Debug)]
pub(super) struct Change<'a> {
    pub(super) block: &'a Block<'a>,
    pub(super) fates: Vec<Fate>,
    pub(super) edits: Vec<Edit>,
}

impl Change<'_> {
    pub(super) fn count(&self) -> usize {
        self.fates.iter().filter(|fate| **fate != Fate::Stays).count()
    }
}

#[derive(Debug, Default)]
pub(super) struct Planned {
    /// `None`: nothing is to be changed.
    pub(super) fates: Option<Vec<Fate>>,
    pub(super) findings: Vec<(String, Finding)>,
}

/// Plans one block. `merged` says where foreign labels begin that are merged into others: neither
/// they nor what they are merged into is touched, because their meaning depends on both.
pub(super) fn plan(block: &Block<'_>, prefix: &Slug, merged: &BTreeSet<usize>) -> Planned {
    let foreign: Vec<(&'static Dialect, BTreeMap<String, String>)> = DIALECTS
        .iter()
        .map(|dialect| (*dialect, labels_of(dialect, &block.entries)))
        .filter(|(dialect, labels)| dialect.claims(labels))
        .collect();
    let mixed = !block.merged.is_disjoint(merged);
    if mixed || (merged.contains(&block.node.range.start) && !foreign.is_empty()) {
        let message = "foreign labels are merged in with `<<` here: nothing is changed; write them \
                       out in each service first";
        return Planned { fates: None, findings: for_all(block, "<<", message) };
    }
    if foreign.is_empty() {
        return Planned::default();
    }
    if let Some((key, message)) = unmovable(block, &foreign) {
        return Planned { fates: None, findings: for_all(block, &key, message) };
    }
    let mut planned = Planned::default();
    let mut fates = vec![Fate::Stays; block.entries.len()];
    for (dialect, labels) in &foreign {
        let translations: Vec<Translation> = block
            .wearers
            .iter()
            .map(|wearer| translate(dialect, labels, &wearer.container))
            .collect();
        let Some((first, others)) = translations.split_first() else { continue };
        if let Some(other) = others.iter().find(|other| other.labels != first.labels) {
            let key = differing(first, other);
            let message = "services that share these labels would get different ones: nothing is \
                           changed; write them out in each service first";
            let key = format!("{}{key}", dialect.prefix);
            return Planned { fates: None, findings: for_all(block, &key, message) };
        }
        for (wearer, translation) in block.wearers.iter().zip(&translations) {
            planned.findings.extend(translation.findings.iter().map(|finding| {
                let key = format!("{}{}", dialect.prefix, finding.key);
                (wearer.service.clone(), Finding { key, message: finding.message.clone() })
            }));
            if wearer.extends {
                let message = "`extends` adds another service's labels to these, which were \
                               translated by themselves: compare what comes out of both";
                planned.findings.push(said(&wearer.service, "extends", message));
            }
        }
        for (entry, fate) in block.entries.iter().zip(&mut fates) {
            let key = entry.key.strip_prefix(dialect.prefix);
            if key.is_some_and(|key| dialect.row(key).is_some()) {
                *fate = Fate::Becomes(Vec::new());
            }
        }
        for label in &first.labels {
            let dropped = place(block, prefix, dialect, label, &mut fates);
            planned.findings.extend(dropped);
        }
    }
    // A tool whose labels are all unknown is not ours to remove.
    planned.fates = fates.iter().any(|fate| *fate != Fate::Stays).then_some(fates);
    planned
}

/// Findings for a block that stays because its text cannot be edited for certain.
pub(super) fn left(block: &Block<'_>) -> Vec<(String, Finding)> {
    let message = "these labels are written in a way that cannot be edited in place: nothing is \
                   changed; write them plainly first";
    for_all(block, "labels", message)
}

/// Puts a label of ours where the first label stands that it comes from. One that is there already
/// stays: somebody wrote it for Ringbolt.
fn place(
    block: &Block<'_>,
    prefix: &Slug,
    dialect: &Dialect,
    label: &Translated,
    fates: &mut [Fate],
) -> Vec<(String, Finding)> {
    let whole = format!("{prefix}.{}", label.key);
    let written = block.entries.iter().find(|entry| entry.key == whole);
    let placed = fates.iter().find_map(|fate| match fate {
        Fate::Becomes(labels) => labels.iter().find(|(key, _)| *key == whole),
        Fate::Stays => None,
    });
    let there = written.map(|entry| &entry.value).or(placed.map(|(_, value)| value));
    if let Some(there) = there {
        if *there == label.value {
            return Vec::new();
        }
        let theirs = label.from.first().map(String::as_str).unwrap_or_default();
        let message = format!("is dropped: `{whole}` is there already and says otherwise");
        return for_all(block, &format!("{}{theirs}", dialect.prefix), &message);
    }
    let is_source = |entry: &Entry| {
        let key = entry.key.strip_prefix(dialect.prefix);
        key.is_some_and(|key| label.from.iter().any(|from| from == key))
    };
    let at = block.entries.iter().position(is_source);
    if let Some(Fate::Becomes(labels)) = at.and_then(|at| fates.get_mut(at)) {
        labels.push((whole, label.value.clone()));
    }
    Vec::new()
}

fn labels_of(dialect: &Dialect, entries: &[Entry]) -> BTreeMap<String, String> {
    let own = entries.iter().filter_map(|entry| {
        let key = entry.key.strip_prefix(dialect.prefix)?;
        Some((key.to_owned(), entry.value.clone()))
    });
    own.collect()
}

/// A foreign label that is written twice, or over several lines with `|` or `>`.
fn unmovable(
    block: &Block<'_>,
    foreign: &[(&'static Dialect, BTreeMap<String, String>)],
) -> Option<(String, &'static str)> {
    let mut seen = BTreeSet::new();
    let own = |entry: &&Entry| {
        let known = |one: &Dialect| entry.key.strip_prefix(one.prefix).and_then(|key| one.row(key));
        foreign.iter().any(|(one, _)| known(one).is_some())
    };
    block.entries.iter().filter(own).find_map(|entry| {
        if !seen.insert(&entry.key) {
            return Some((entry.key.clone(), "is written twice: nothing is changed"));
        }
        let lines = [entry.key_style, entry.value_style].contains(&Style::Block);
        let message =
            "is written as a block (`|` or `>`): nothing is changed; write it on one line";
        lines.then(|| (entry.key.clone(), message))
    })
}

/// The first key of theirs by which two translations differ.
fn differing<'a>(one: &'a Translation, other: &'a Translation) -> &'a str {
    let only = |labels: &'a [Translated], others: &[Translated]| {
        labels.iter().find(|label| !others.contains(label)).and_then(|label| label.from.first())
    };
    let found = only(&one.labels, &other.labels).or_else(|| only(&other.labels, &one.labels));
    found.map(String::as_str).unwrap_or_default()
}

fn for_all(block: &Block<'_>, key: &str, message: &str) -> Vec<(String, Finding)> {
    block.wearers.iter().map(|wearer| said(&wearer.service, key, message)).collect()
}

fn said(service: &str, key: &str, message: &str) -> (String, Finding) {
    (service.to_owned(), Finding { key: key.to_owned(), message: message.to_owned() })
}
