//! Rewrites a Compose file: other tools' labels become ours, in place, and every other byte stays.
//!
//! What a label becomes is `dialect/`'s business; this folder knows where labels stand. The text is
//! edited by byte ranges and never printed anew, and what comes out is read again and compared before
//! anybody sees it: a place that cannot be edited for certain stays as it is, with a finding.
//!
//! * A label that becomes several ones grows new lines below its own.
//! * A comment behind a label that goes stays as a line of its own; comment lines stay where they are.
//! * With the last label goes `labels:` itself, or it becomes `{}` (`[]`) where something refers to it,
//!   merged labels would take its place, or nothing else is left beside it.
//! * Labels that several services share through an anchor are translated if they mean the same for
//!   each of them. Foreign labels that are merged into others (`<<`) are left to a person.

mod compose;
mod edit;
mod plan;
mod verify;
mod yaml;

use std::collections::BTreeSet;

use super::dialect::{DIALECTS, Finding};
use crate::model::{ErrorKind, Explain, Slug};
use compose::Block;
use plan::Change;
use yaml::{Node, Shape};

/// A migrated file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    pub text: String,
    /// By service, or by line where no service wears the label. Keys have their prefix.
    pub findings: Vec<(String, Finding)>,
    /// How many foreign labels were replaced or removed.
    pub changed: usize,
}

/// Why a file was not migrated.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    #[error("line {line}, column {column}: no YAML: {reason}")]
    Unreadable { line: usize, column: usize, reason: String },
    #[error("line {line}: nested too deep")]
    TooDeep { line: usize },
    #[error("labels cannot be migrated to `{0}`, the prefix of {1}")]
    SamePrefix(Slug, &'static str),
}

impl Explain for MigrateError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Usage
    }
}

/// Replaces foreign labels in a Compose file by ours under this prefix.
///
/// # Errors
/// The text is no YAML (with the place), is nested too deep, or the prefix is another tool's.
pub fn migrate(compose_text: &str, to_prefix: &Slug) -> Result<Migrated, MigrateError> {
    let own = format!("{to_prefix}.");
    if let Some(dialect) = DIALECTS.iter().find(|dialect| dialect.prefix == own) {
        return Err(MigrateError::SamePrefix(to_prefix.clone(), dialect.name));
    }
    let documents = yaml::read(compose_text)?;
    let anchors = yaml::anchors(&documents);
    let blocks = compose::blocks(compose_text, &documents, &anchors);
    let merged = merged_foreign(&blocks, &anchors);
    let mut findings = Vec::new();
    let mut changes = Vec::new();
    for block in &blocks {
        let planned = plan::plan(block, to_prefix, &merged);
        findings.extend(planned.findings);
        let Some(fates) = planned.fates else { continue };
        match edit::edits(compose_text, block, &fates) {
            Some(edits) => changes.push(Change { block, fates, edits }),
            None => findings.extend(plan::left(block)),
        }
    }
    let (text, rest) = apply(compose_text, &documents, &mut changes);
    findings.extend(rest);
    findings.extend(leftovers(&documents, &blocks, &merged));
    // A service that wears the same labels twice, on itself and under `deploy`, is told once.
    let mut told = BTreeSet::new();
    findings.retain(|(service, finding)| {
        told.insert((service.clone(), finding.key.clone(), finding.message.clone()))
    });
    let changed = changes.iter().map(Change::count).sum();
    Ok(Migrated { text, findings, changed })
}

/// Applies all changes, or, where that does not give what was meant, those that do one by one.
fn apply(
    text: &str,
    documents: &[Node],
    changes: &mut Vec<Change<'_>>,
) -> (String, Vec<(String, Finding)>) {
    let whole = edit::apply(text, changes);
    if verify::holds(documents, &whole, changes) {
        return (whole, Vec::new());
    }
    let (mut good, mut findings) = (Vec::new(), Vec::new());
    for change in changes.drain(..) {
        let block = change.block;
        good.push(change);
        if !verify::holds(documents, &edit::apply(text, &good), &good) {
            good.pop();
            findings.extend(plan::left(block));
        }
    }
    let text = edit::apply(text, &good);
    *changes = good;
    (text, findings)
}

/// Where mappings with foreign labels begin that are merged into others.
fn merged_foreign(blocks: &[Block<'_>], anchors: &yaml::Anchors<'_>) -> BTreeSet<usize> {
    let starts: BTreeSet<usize> = blocks.iter().flat_map(|block| &block.merged).copied().collect();
    let merged = anchors.values().filter(|node| starts.contains(&node.range.start));
    let foreign = merged.filter(|node| names(node).any(|(name, _)| foreign_key(name).is_some()));
    foreign.map(|node| node.range.start).collect()
}

/// Foreign labels that no service wears: under `build`, in an extension that nobody refers to, in a
/// file without services.
fn leftovers(
    documents: &[Node],
    blocks: &[Block<'_>],
    merged: &BTreeSet<usize>,
) -> Vec<(String, Finding)> {
    let seen: BTreeSet<usize> = blocks.iter().map(|block| block.node.range.start).collect();
    let mut findings = Vec::new();
    let mut visit = |node: &Node| {
        let collection = !matches!(node.shape, Shape::Scalar { .. } | Shape::Alias(_));
        let known = seen.contains(&node.range.start) || merged.contains(&node.range.start);
        if !collection || known {
            return;
        }
        for (name, line) in names(node) {
            if let Some(key) = foreign_key(name) {
                let message = "is no label of a service here: it is left as it is".to_owned();
                findings.push((format!("line {line}"), Finding { key: key.to_owned(), message }));
            }
        }
    };
    for document in documents {
        yaml::walk(document, &mut visit);
    }
    findings
}

/// What may be labels in a collection: a mapping's keys, and a sequence's texts with an equals sign.
fn names(node: &Node) -> impl Iterator<Item = (&str, usize)> {
    let (pairs, items) = match &node.shape {
        Shape::Mapping { pairs, .. } => (pairs.as_slice(), [].as_slice()),
        Shape::Sequence { items, .. } => ([].as_slice(), items.as_slice()),
        Shape::Scalar { .. } | Shape::Alias(_) => ([].as_slice(), [].as_slice()),
    };
    let key = |node: &Node| matches!(node.shape, Shape::Scalar { .. });
    let keys = pairs.iter().map(|(key, _)| key).filter(move |node| key(node));
    let texts = items.iter().filter(|node| match &node.shape {
        Shape::Scalar { text, .. } => text.contains('='),
        _ => false,
    });
    keys.chain(texts).map(|node| match &node.shape {
        Shape::Scalar { text, .. } => (text.as_str(), node.line),
        _ => ("", node.line),
    })
}

/// The key of a label, `key` or `key=value`, if another tool reads it.
fn foreign_key(text: &str) -> Option<&str> {
    let key = text.split('=').next().unwrap_or_default();
    let known = DIALECTS.iter().any(|dialect| {
        key.strip_prefix(dialect.prefix).is_some_and(|key| dialect.row(key).is_some())
    });
    known.then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_result_is_not_taken_for_a_right_one() {
        let text = "services:\n  db:\n    image: x\n    labels:\n      a: b\n      \
                    baktainer.backup: 'true'\n      baktainer.db.engine: mysql\n";
        let documents = yaml::read(text).unwrap();
        let blocks = compose::blocks(text, &documents, &yaml::anchors(&documents));
        let prefix = "ringbolt".parse().unwrap();
        let fates = plan::plan(&blocks[0], &prefix, &BTreeSet::new()).fates.unwrap();
        let edits = edit::edits(text, &blocks[0], &fates).unwrap();
        let changes = [Change { block: &blocks[0], fates, edits }];
        let right = edit::apply(text, &changes);
        assert!(verify::holds(&documents, &right, &changes));
        for (part, damaged) in [
            ("image: x", "image: y"),
            ("image: x\n", ""),
            ("a: b\n", ""),
            ("a: b", "a: 'b'"),
            ("'true'", "true"),
            ("'true'", "'false'"),
            ("      ringbolt.engine: \"mysql\"\n", ""),
            ("ringbolt.engine", "baktainer.db.engine"),
            ("    labels", "  labels"),
            ("\"mysql\"", "\"mysql\"\n      more: x"),
            ("\"mysql\"", "\"mysql"),
        ] {
            assert!(right.contains(part), "{part}");
            let damaged = right.replace(part, damaged);
            assert!(!verify::holds(&documents, &damaged, &changes), "{damaged}");
        }
    }
}
