//! YAML with positions: what a text says, and where in its bytes each part stands.
//!
//! Reads only. The one file that knows the parser, whose positions count characters, and whose ends of
//! quoted texts include the comment behind them; here they are bytes, and right.

use std::collections::BTreeMap;
use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::MigrateError;

/// Deeper than any Compose file. Every walk over the nodes is recursive, so depth is bounded here.
const DEEPEST: usize = 64;

/// One value with its place in the text.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) shape: Shape,
    /// Bytes, with the anchor and the tag in front, without white space and comments behind.
    pub(super) range: Range<usize>,
    /// 0: none.
    pub(super) anchor: usize,
    pub(super) line: usize,
}

#[derive(Debug)]
pub(super) enum Shape {
    Scalar {
        text: String,
        style: Style,
    },
    Mapping {
        pairs: Vec<(Node, Node)>,
        flow: bool,
    },
    Sequence {
        items: Vec<Node>,
        flow: bool,
    },
    /// Whatever the anchor of this number stands for.
    Alias(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// Nothing at all, as in `labels:`.
    Absent,
    Plain,
    Single,
    Double,
    /// `|` and `>`: begins before its range.
    Block,
}

/// Nodes by the number of their anchor.
pub(super) type Anchors<'a> = BTreeMap<usize, &'a Node>;

/// Reads every document of a text.
pub(super) fn read(text: &str) -> Result<Vec<Node>, MigrateError> {
    let places = Places::new(text);
    let mut documents = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| MigrateError::Unreadable {
            line: error.marker().line(),
            column: error.marker().col() + 1,
            reason: error.info().to_owned(),
        })?;
        let range = places.bytes(&span);
        let line = span.start.line();
        let node = match event {
            Event::MappingStart(anchor, _) | Event::SequenceStart(anchor, _) => {
                if open.len() >= DEEPEST {
                    return Err(MigrateError::TooDeep { line });
                }
                let sequence = matches!(event, Event::SequenceStart(..));
                let flow = after_properties(text, range.start, &['{', '[']).is_some();
                open.push(Open { sequence, flow, anchor, line, start: range.start, nodes: vec![] });
                continue;
            }
            Event::MappingEnd | Event::SequenceEnd => match open.pop() {
                // Its span goes on over the comment behind the bracket.
                Some(open) => open.close((range.start + 1).min(text.len())),
                None => continue,
            },
            Event::Alias(number) => Node { shape: Shape::Alias(number), range, anchor: 0, line },
            Event::Scalar(value, style, anchor, _) => {
                let (style, range) = scalar(text, &value, style, range);
                let shape = Shape::Scalar { text: value.into_owned(), style };
                Node { shape, range, anchor, line }
            }
            _ => continue,
        };
        match open.last_mut() {
            Some(parent) => parent.nodes.push(node),
            None => documents.push(node),
        }
    }
    Ok(documents)
}

/// Collects what is anchored in these documents.
pub(super) fn anchors(documents: &[Node]) -> Anchors<'_> {
    let mut anchors = Anchors::new();
    for document in documents {
        walk(document, &mut |node| {
            if node.anchor != 0 {
                anchors.insert(node.anchor, node);
            }
        });
    }
    anchors
}

/// Visits a node and everything below it.
pub(super) fn walk<'a>(node: &'a Node, visit: &mut impl FnMut(&'a Node)) {
    visit(node);
    match &node.shape {
        Shape::Scalar { .. } | Shape::Alias(_) => {}
        Shape::Sequence { items, .. } => items.iter().for_each(|item| walk(item, visit)),
        Shape::Mapping { pairs, .. } => {
            for (key, value) in pairs {
                walk(key, visit);
                walk(value, visit);
            }
        }
    }
}

/// A collection whose end has not been seen.
struct Open {
    sequence: bool,
    flow: bool,
    anchor: usize,
    line: usize,
    start: usize,
    nodes: Vec<Node>,
}

impl Open {
    /// `bracket` is the end of the closing bracket, where there is one.
    fn close(self, bracket: usize) -> Node {
        let Self { sequence, flow, anchor, line, start, nodes } = self;
        // The parser ends an indented collection where the next thing begins.
        let last = nodes.last().map_or(start, |node| node.range.end);
        let range = start..if flow { bracket } else { last };
        let shape = if sequence {
            Shape::Sequence { items: nodes, flow }
        } else {
            let mut pairs = Vec::with_capacity(nodes.len() / 2);
            let mut nodes = nodes.into_iter();
            while let (Some(key), Some(value)) = (nodes.next(), nodes.next()) {
                pairs.push((key, value));
            }
            Shape::Mapping { pairs, flow }
        };
        Node { shape, range, anchor, line }
    }
}

/// Bytes of a text by the number of the character.
struct Places {
    starts: Vec<usize>,
    end: usize,
}

impl Places {
    fn new(text: &str) -> Self {
        Self { starts: text.char_indices().map(|(at, _)| at).collect(), end: text.len() }
    }

    fn bytes(&self, span: &Span) -> Range<usize> {
        let byte = |index: usize| self.starts.get(index).copied().unwrap_or(self.end);
        let start = byte(span.start.index());
        start..byte(span.end.index()).max(start)
    }
}

fn scalar(
    text: &str,
    value: &str,
    style: ScalarStyle,
    range: Range<usize>,
) -> (Style, Range<usize>) {
    let Range { start, end } = range;
    let quoted = |quote: char| {
        let open = after_properties(text, start, &[quote]);
        start..open.map_or(end, |open| closing(text, open, quote))
    };
    match style {
        ScalarStyle::Plain if value.is_empty() => (Style::Absent, start..start),
        ScalarStyle::Plain => (Style::Plain, start..start + text[start..end].trim_end().len()),
        ScalarStyle::SingleQuoted => (Style::Single, quoted('\'')),
        ScalarStyle::DoubleQuoted => (Style::Double, quoted('"')),
        ScalarStyle::Literal | ScalarStyle::Folded => {
            (Style::Block, start..start + text[start..end].trim_end().len())
        }
    }
}

/// Where one of these characters stands behind nothing but anchors and tags.
fn after_properties(text: &str, start: usize, wanted: &[char]) -> Option<usize> {
    let mut at = start;
    loop {
        let rest = &text[at..];
        at += rest.len() - rest.trim_start().len();
        let rest = &text[at..];
        if rest.starts_with(wanted) {
            return Some(at);
        }
        if !rest.starts_with(['&', '!']) {
            return None;
        }
        at += rest.find(char::is_whitespace)?;
    }
}

/// The end of a quoted text: behind the quote that is neither doubled nor escaped.
fn closing(text: &str, open: usize, quote: char) -> usize {
    let mut characters = text[open..].char_indices().skip(1).peekable();
    while let Some((at, character)) = characters.next() {
        if quote == '"' && character == '\\' {
            characters.next();
        } else if character == quote {
            let doubled = characters.peek().is_some_and(|(_, next)| *next == quote);
            if quote == '\'' && doubled {
                characters.next();
            } else {
                return open + at + 1;
            }
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What stands at every scalar's place, and at that of everything in brackets.
    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let documents = read(text).unwrap();
        let mut found = Vec::new();
        for document in &documents {
            walk(document, &mut |node| {
                let flow = matches!(
                    node.shape,
                    Shape::Mapping { flow: true, .. } | Shape::Sequence { flow: true, .. }
                );
                if flow || matches!(node.shape, Shape::Scalar { .. }) {
                    found.push(&text[node.range.clone()]);
                }
            });
        }
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn places_are_bytes_without_comments() {
        check("ä: 'ö''ü' # é\nb: \"c\\\"d\"\n", &["ä", "'ö''ü'", "b", "\"c\\\"d\""]);
        check("\u{feff}- \"c=d\"  # hey\n- x  # y\n", &["\"c=d\"", "x"]);
        check("a: &n !!str 'x'\r\nb:\r\n", &["a", "&n !!str 'x'", "b", ""]);
        let list = "[b, 'c' , &m {d: e} ]";
        check(&format!("a: {list} # f\n"), &["a", list, "b", "'c'", "&m {d: e}", "d", "e"]);
    }

    #[test]
    fn what_cannot_be_read_has_a_place() {
        let error = read("a: b\nc: [d\ne: f\n").unwrap_err();
        assert!(matches!(error, MigrateError::Unreadable { line: 2.., .. }), "{error}");
        let deep = "- ".repeat(DEEPEST + 1);
        assert!(matches!(read(&deep), Err(MigrateError::TooDeep { line: 1 })));
    }
}
