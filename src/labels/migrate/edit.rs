//! Turns the fates of a block's labels into edits of the text, and applies them.
//!
//! Gives up (`None`) on anything that is not written as people write it; whether the edits are right is
//! `verify.rs`'s business.

use std::ops::Range;

use super::compose::{Block, Entry, Holder, is_merge};
use super::plan::{Change, Fate};
use super::yaml::{Node, Shape, Style};

/// Bytes of the old text, and what stands there in the new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edit {
    range: Range<usize>,
    text: String,
}

impl Edit {
    fn new(range: Range<usize>, text: impl Into<String>) -> Self {
        Self { range, text: text.into() }
    }
}

/// The text with all edits of these changes made.
pub(super) fn apply(text: &str, changes: &[Change<'_>]) -> String {
    let mut edits: Vec<&Edit> = changes.iter().flat_map(|change| &change.edits).collect();
    edits.sort_by_key(|edit| (edit.range.start, edit.range.end));
    let mut new = String::with_capacity(text.len());
    let mut done = 0;
    for edit in edits {
        // Edits that overlap come out wrong, and `verify.rs` finds it.
        new.push_str(text.get(done..edit.range.start).unwrap_or_default());
        new.push_str(&edit.text);
        done = edit.range.end.max(done);
    }
    new.push_str(text.get(done..).unwrap_or_default());
    new
}

/// The edits of one block.
pub(super) fn edits(text: &str, block: &Block<'_>, fates: &[Fate]) -> Option<Vec<Edit>> {
    let (flow, sequence, length) = match &block.node.shape {
        Shape::Mapping { pairs, flow } => (*flow, false, pairs.len()),
        Shape::Sequence { items, flow } => (*flow, true, items.len()),
        Shape::Scalar { .. } | Shape::Alias(_) => return None,
    };
    let nothing_left = length == fates.len()
        && fates.iter().all(|fate| matches!(fate, Fate::Becomes(labels) if labels.is_empty()));
    let writer = Writer { text, sequence };
    match (nothing_left, flow) {
        (true, _) => writer.empty(block, flow),
        (false, true) if length == fates.len() => writer.flow(block, fates),
        (false, true) => None,
        (false, false) => writer.lines(block, fates),
    }
}

/// Whether the pair `labels: …` goes with its last label.
pub(super) fn holder_goes<'a>(block: &Block<'a>) -> Option<Holder<'a>> {
    let alone = |holder: &Holder<'_>| match &holder.mapping.shape {
        // Of merged mappings, what one no longer says another one says: none of them may take over.
        Shape::Mapping { pairs, .. } => {
            let merged = holder.mapping.anchor != 0 || pairs.iter().any(|(key, _)| is_merge(key));
            pairs.len() > 1 && !merged
        }
        _ => false,
    };
    block.holder.filter(alone)
}

/// One line of the text around something written on it.
struct Line {
    /// Where the line begins, and with what white space.
    start: usize,
    indent: String,
    /// Where a comment begins behind it.
    comment: Option<usize>,
    /// Behind the line's end.
    end: usize,
    /// How the line ends; nothing at the end of the text.
    newline: &'static str,
}

struct Writer<'t> {
    text: &'t str,
    sequence: bool,
}

impl Writer<'_> {
    /// Labels that stand on lines of their own.
    fn lines(&self, block: &Block<'_>, fates: &[Fate]) -> Option<Vec<Edit>> {
        let mut edits = Vec::new();
        for (entry, fate) in block.entries.iter().zip(fates) {
            let Fate::Becomes(labels) = fate else { continue };
            let lead = self.lead(entry)?;
            let line = self.line(lead..entry.range.end)?;
            let Some(((key, value), more)) = labels.split_first() else {
                edits.push(removed(lead, &line));
                continue;
            };
            edits.push(Edit::new(entry.range.clone(), self.label(entry, key, value)));
            let before = &self.text[lead..entry.range.start];
            // A dash may stand on a line of its own; those below do not copy that.
            let dash = if before.trim_end() == before { before } else { "- " };
            let dash = if self.sequence { dash } else { "" };
            let mut below = String::new();
            for (key, value) in more {
                let (indent, label) = (&line.indent, self.label(entry, key, value));
                below.push_str(&match line.newline {
                    "" => format!("\n{indent}{dash}{label}"),
                    newline => format!("{indent}{dash}{label}{newline}"),
                });
            }
            if !below.is_empty() {
                edits.push(Edit::new(line.end..line.end, below));
            }
        }
        Some(edits)
    }

    /// Labels between brackets.
    fn flow(&self, block: &Block<'_>, fates: &[Fate]) -> Option<Vec<Edit>> {
        let mut edits = Vec::new();
        let mut kept = false;
        for (at, (entry, fate)) in block.entries.iter().zip(fates).enumerate() {
            match fate {
                Fate::Stays => kept = true,
                Fate::Becomes(labels) if labels.is_empty() => {
                    // What separates it from its neighbour goes too.
                    let range = match at.checked_sub(1).filter(|_| kept) {
                        Some(before) => block.entries[before].range.end..entry.range.end,
                        None => entry.range.start..block.entries.get(at + 1)?.range.start,
                    };
                    if self.text.get(range.clone())?.contains('#') {
                        return None;
                    }
                    edits.push(Edit::new(range, ""));
                }
                Fate::Becomes(labels) => {
                    kept = true;
                    let labels = labels.iter().map(|(key, value)| self.label(entry, key, value));
                    let labels: Vec<String> = labels.collect();
                    edits.push(Edit::new(entry.range.clone(), labels.join(", ")));
                }
            }
        }
        Some(edits)
    }

    /// The last label goes.
    fn empty(&self, block: &Block<'_>, flow: bool) -> Option<Vec<Edit>> {
        let brackets = if self.sequence { "[]" } else { "{}" };
        let node = block.node;
        if let Some(holder) = holder_goes(block) {
            return match (&holder.mapping.shape, flow) {
                (Shape::Mapping { flow: true, pairs }, _) => {
                    self.flow_pair(holder.key, node, pairs)
                }
                (_, true) => {
                    let start = holder.key.range.start;
                    Some(vec![removed(start, &self.line(start..node.range.end)?)])
                }
                (_, false) => {
                    let colon = self.colon(holder.key)?;
                    let start = holder.key.range.start;
                    let mut edits = vec![removed(start, &self.line(start..colon)?)];
                    edits.extend(self.entries(block)?);
                    Some(edits)
                }
            };
        }
        if flow {
            let open = node.range.start + self.text[node.range.clone()].find(['{', '['])?;
            return Some(vec![Edit::new(open..node.range.end, brackets)]);
        }
        let at = match (self.properties(node), block.holder) {
            (Some(end), _) => end,
            (None, Some(holder)) => self.colon(holder.key)?,
            (None, None) => return None,
        };
        let mut edits = vec![Edit::new(at..at, format!(" {brackets}"))];
        edits.extend(self.entries(block)?);
        Some(edits)
    }

    fn entries(&self, block: &Block<'_>) -> Option<Vec<Edit>> {
        let entries = block.entries.iter().map(|entry| {
            let lead = self.lead(entry)?;
            Some(removed(lead, &self.line(lead..entry.range.end)?))
        });
        entries.collect()
    }

    /// A pair between brackets goes, with the comma that separates it from a neighbour.
    fn flow_pair(&self, key: &Node, value: &Node, pairs: &[(Node, Node)]) -> Option<Vec<Edit>> {
        let at = pairs.iter().position(|(own, _)| std::ptr::eq(own, key))?;
        let range = match (at.checked_sub(1), pairs.get(at + 1)) {
            (_, Some((next, _))) => key.range.start..next.range.start,
            (Some(before), None) => pairs[before].1.range.end..value.range.end,
            (None, None) => return None,
        };
        let comment = self.text.get(range.clone())?.contains('#');
        (!comment).then(|| vec![Edit::new(range, "")])
    }

    /// Where an entry begins, with its dash.
    fn lead(&self, entry: &Entry) -> Option<usize> {
        if !self.sequence {
            return Some(entry.range.start);
        }
        let before = self.text[..entry.range.start].trim_end();
        before.ends_with('-').then(|| before.len() - 1)
    }

    /// Behind the anchor and the tag of a node.
    fn properties(&self, node: &Node) -> Option<usize> {
        let written = &self.text[node.range.clone()];
        let line = written.lines().next()?;
        let length = line.split(" #").next()?.trim_end().len();
        line.starts_with(['&', '!']).then_some(node.range.start + length)
    }

    /// Behind the colon of a key.
    fn colon(&self, key: &Node) -> Option<usize> {
        let rest = &self.text[key.range.end..];
        let space = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        rest[space..].starts_with(':').then_some(key.range.end + space + 1)
    }

    /// The line around a range that has its line, or lines, for itself.
    fn line(&self, range: Range<usize>) -> Option<Line> {
        let start = self.text[..range.start].rfind('\n').map_or(0, |at| at + 1);
        let indent = &self.text[start..range.start];
        let rest = &self.text[range.end..];
        let end = range.end + rest.find('\n').map_or(rest.len(), |at| at + 1);
        let tail = &self.text[range.end..end];
        let newline = match tail {
            tail if tail.ends_with("\r\n") => "\r\n",
            tail if tail.ends_with('\n') => "\n",
            _ => "",
        };
        let behind = tail.trim();
        let comment =
            behind.starts_with('#').then(|| range.end + tail.len() - tail.trim_start().len());
        let alone =
            indent.trim_matches([' ', '\t']).is_empty() && (behind.is_empty() || comment.is_some());
        let indent = indent.to_owned();
        alone.then_some(Line { start, indent, comment, end, newline })
    }

    /// One label of ours as its neighbour is written.
    fn label(&self, like: &Entry, key: &str, value: &str) -> String {
        if self.sequence {
            return quoted(&format!("{key}={value}"), like.key_style);
        }
        let key = match like.key_style {
            Style::Single | Style::Double => quoted(key, like.key_style),
            _ => key.to_owned(),
        };
        let style = if like.value_style == Style::Single { Style::Single } else { Style::Double };
        format!("{key}: {}", quoted(value, style))
    }
}

/// Takes something off its line: its comment stays, or the line goes.
fn removed(lead: usize, line: &Line) -> Edit {
    match line.comment {
        Some(comment) => Edit::new(lead..comment, ""),
        None => Edit::new(line.start..line.end, ""),
    }
}

/// A text that YAML reads as this very string.
fn quoted(text: &str, style: Style) -> String {
    // Only what no reader of YAML takes for anything but a string.
    let bare = |c: char| c.is_ascii_alphanumeric() || "._-=/ *".contains(c);
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.contains('=')
        && !text.ends_with(' ')
        && text.chars().all(bare);
    match style {
        Style::Plain if plain => text.to_owned(),
        Style::Single => format!("'{}'", text.replace('\'', "''")),
        _ => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
    }
}
