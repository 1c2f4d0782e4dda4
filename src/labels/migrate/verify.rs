//! Reads an edited text again and compares it with what was meant: every label as planned, everything
//! else as it was.
//!
//! The safety net under `edit.rs`: edits of bytes are only as good as the positions they come from.

use super::edit::holder_goes;
use super::plan::{Change, Fate};
use super::yaml::{self, Node, Shape, Style};

/// Whether the new text says what the old one said, but for these changes.
pub(super) fn holds(before: &[Node], new: &str, changes: &[Change<'_>]) -> bool {
    let Ok(after) = yaml::read(new) else { return false };
    before.len() == after.len()
        && before.iter().zip(&after).all(|(old, new)| same(old, new, changes))
}

fn same(before: &Node, after: &Node, changes: &[Change<'_>]) -> bool {
    if before.anchor != after.anchor {
        return false;
    }
    if let Some(change) = changes.iter().find(|change| std::ptr::eq(change.block.node, before)) {
        return labels(before, after, change);
    }
    match (&before.shape, &after.shape) {
        (Shape::Scalar { text: old, style }, Shape::Scalar { text: new, style: now }) => {
            old == new && style == now
        }
        (Shape::Alias(old), Shape::Alias(new)) => old == new,
        (Shape::Sequence { items: old, .. }, Shape::Sequence { items: new, .. }) => {
            old.len() == new.len() && old.iter().zip(new).all(|(old, new)| same(old, new, changes))
        }
        (Shape::Mapping { pairs: old, .. }, Shape::Mapping { pairs: new, .. }) => {
            let stays = |value: &Node| !changes.iter().any(|change| goes(change, before, value));
            let mut old = old.iter().filter(|(_, value)| stays(value));
            let mut new = new.iter();
            loop {
                match (old.next(), new.next()) {
                    (None, None) => return true,
                    (Some(old), Some(new)) if same_pair(old, new, changes) => {}
                    _ => return false,
                }
            }
        }
        _ => false,
    }
}

fn same_pair(old: &(Node, Node), new: &(Node, Node), changes: &[Change<'_>]) -> bool {
    same(&old.0, &new.0, changes) && same(&old.1, &new.1, changes)
}

/// Whether this pair goes because its value, the labels, has nothing left.
fn goes(change: &Change<'_>, mapping: &Node, value: &Node) -> bool {
    let nothing = |fate: &Fate| matches!(fate, Fate::Becomes(labels) if labels.is_empty());
    std::ptr::eq(change.block.node, value)
        && change.fates.iter().all(nothing)
        && length(value) == change.fates.len()
        && holder_goes(change.block).is_some_and(|holder| std::ptr::eq(holder.mapping, mapping))
}

fn length(node: &Node) -> usize {
    match &node.shape {
        Shape::Mapping { pairs, .. } => pairs.len(),
        Shape::Sequence { items, .. } => items.len(),
        Shape::Scalar { .. } | Shape::Alias(_) => 0,
    }
}

/// Compares labels one by one: those that stay in their order, ours where they belong.
fn labels(before: &Node, after: &Node, change: &Change<'_>) -> bool {
    let fate = |start: usize| {
        let at = change.block.entries.iter().position(|entry| entry.range.start == start);
        at.and_then(|at| change.fates.get(at)).unwrap_or(&Fate::Stays)
    };
    match (&before.shape, &after.shape) {
        (Shape::Mapping { pairs: old, .. }, Shape::Mapping { pairs: new, .. }) => {
            let mut new = new.iter();
            let told = old.iter().all(|pair| match fate(pair.0.range.start) {
                Fate::Stays => new.next().is_some_and(|new| same_pair(pair, new, &[])),
                Fate::Becomes(labels) => labels.iter().all(|(key, value)| {
                    new.next().is_some_and(|(own, text)| is(own, key) && is_string(text, value))
                }),
            });
            told && new.next().is_none()
        }
        (Shape::Sequence { items: old, .. }, Shape::Sequence { items: new, .. }) => {
            let mut new = new.iter();
            let told = old.iter().all(|item| match fate(item.range.start) {
                Fate::Stays => new.next().is_some_and(|new| same(item, new, &[])),
                Fate::Becomes(labels) => labels.iter().all(|(key, value)| {
                    new.next().is_some_and(|text| is(text, &format!("{key}={value}")))
                }),
            });
            told && new.next().is_none()
        }
        _ => false,
    }
}

fn is(node: &Node, expected: &str) -> bool {
    matches!(&node.shape, Shape::Scalar { text, .. } if text == expected)
}

/// A quoted text is a string whatever it looks like.
fn is_string(node: &Node, expected: &str) -> bool {
    let quoted = |style: Style| matches!(style, Style::Single | Style::Double);
    matches!(&node.shape, Shape::Scalar { text, style } if text == expected && quoted(*style))
}
