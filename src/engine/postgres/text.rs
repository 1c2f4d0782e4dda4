//! Judges a plain-text dump of `pg_dump` or `pg_dumpall` as it streams by.
//!
//! A plain dump cut at 60 % replays with exit code 0, so the server cannot be asked whether a dump
//! is whole. This validator can say it to the byte: the tools end their output with fixed lines,
//! and since August 2025 (CVE-2025-8714) also with the `\unrestrict` key that the `\restrict` line
//! at the top announced. How statements are told apart is in `sql.rs`.

use std::collections::BTreeMap;

use super::sql::{Scanner, Token};
use crate::engine::{Invalid, Validator};
use crate::model::{Facts, TableRows};

/// Bytes of the stream's end that are kept to compare with the trailer; a key has 63.
const TAIL: usize = 256;

/// The fixed lines of one tool's output.
#[derive(Debug)]
struct Frame {
    header: &'static [u8],
    trailer: &'static [u8],
    /// `pg_dump` lifts the restriction behind its trailer, `pg_dumpall` before it.
    unrestrict_last: bool,
}

const DATABASE: Frame = Frame {
    header: b"-- PostgreSQL database dump",
    trailer: b"-- PostgreSQL database dump complete",
    unrestrict_last: true,
};

const CLUSTER: Frame = Frame {
    header: b"-- PostgreSQL database cluster dump",
    trailer: b"-- PostgreSQL database cluster dump complete",
    unrestrict_last: false,
};

/// A plain-text dump, so far.
#[derive(Debug)]
pub(super) struct TextDump {
    frame: &'static Frame,
    scanner: Scanner,
    /// The table whose rows are streaming by.
    copying: Option<Rows>,
    tables: BTreeMap<(String, String), u64>,
    large_objects: u64,
    comments: u64,
    header_seen: bool,
    trailer_seen: bool,
    restricted: Option<Vec<u8>>,
    unrestricted: bool,
    tail: Vec<u8>,
}

/// Rows of one `COPY` block.
#[derive(Debug)]
struct Rows {
    table: (String, String),
    count: u64,
    /// The current line's first bytes, enough to know `\.`.
    line: Vec<u8>,
    /// Whether the rest of the `COPY` line has ended and rows follow.
    begun: bool,
}

impl TextDump {
    pub(super) fn database() -> Self {
        Self::new(&DATABASE)
    }

    pub(super) fn cluster() -> Self {
        Self::new(&CLUSTER)
    }

    fn new(frame: &'static Frame) -> Self {
        Self {
            frame,
            scanner: Scanner::default(),
            copying: None,
            tables: BTreeMap::new(),
            large_objects: 0,
            comments: 0,
            header_seen: false,
            trailer_seen: false,
            restricted: None,
            unrestricted: false,
            tail: Vec::new(),
        }
    }

    fn token(&mut self, token: Token) -> Result<(), Invalid> {
        match token {
            Token::Comment(line) => {
                self.comments += 1;
                self.header_seen |= line == self.frame.header && self.comments <= 2;
                self.trailer_seen |= line == self.frame.trailer;
            }
            Token::Meta(line) => {
                if let Some(key) = line.strip_prefix(b"\\restrict ") {
                    self.restricted = Some(key.to_vec());
                } else if let Some(key) = line.strip_prefix(b"\\unrestrict ") {
                    self.unrestricted |= self.restricted.as_deref() == Some(key);
                }
            }
            Token::Statement(text) => {
                if let Some(table) = copied_table(&text) {
                    self.copying = Some(Rows { table, count: 0, line: Vec::new(), begun: false });
                } else if is_large_object(&text) {
                    self.large_objects += 1;
                }
            }
        }
        if self.header_seen || self.comments < 2 {
            return Ok(());
        }
        let header = String::from_utf8_lossy(self.frame.header);
        Err(Invalid::Foreign(format!("it does not begin with `{header}`")))
    }

    /// The exact bytes with which a whole dump ends.
    fn ending(&self) -> Vec<u8> {
        let mut ending = [b"--\n", self.frame.trailer, b"\n--\n\n"].concat();
        if let (Some(key), true) = (&self.restricted, self.frame.unrestrict_last) {
            ending.extend([b"\\unrestrict ", key.as_slice(), b"\n\n"].concat());
        }
        ending
    }

    fn remember(&mut self, piece: &[u8]) {
        if piece.len() >= TAIL {
            self.tail.clear();
            self.tail.extend_from_slice(&piece[piece.len() - TAIL..]);
        } else {
            let surplus = (self.tail.len() + piece.len()).saturating_sub(TAIL);
            self.tail.drain(..surplus);
            self.tail.extend_from_slice(piece);
        }
    }
}

impl Validator for TextDump {
    fn check(&mut self, piece: &[u8]) -> Result<(), Invalid> {
        self.remember(piece);
        let mut rest = piece;
        while !rest.is_empty() {
            if let Some(rows) = &mut self.copying {
                let (taken, ended) = rows.take(rest);
                rest = &rest[taken..];
                if ended && let Some(rows) = self.copying.take() {
                    *self.tables.entry(rows.table).or_default() += rows.count;
                }
            } else {
                let (taken, token) = self.scanner.next(rest);
                rest = &rest[taken..];
                token.map_or(Ok(()), |token| self.token(token))?;
            }
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Facts, Invalid> {
        let cut = |what: &str| Err(Invalid::Cut(what.to_owned()));
        if self.tail.is_empty() {
            return Err(Invalid::Empty);
        }
        if let Some(rows) = &self.copying {
            let (schema, table) = &rows.table;
            return cut(&format!("it ends within the rows of {schema}.{table}"));
        }
        if !self.header_seen {
            return cut("it ends within its header");
        }
        if !self.scanner.at_rest() {
            return cut("it ends within a statement");
        }
        if !self.trailer_seen {
            return cut("its last line, which says that it is complete, is missing");
        }
        if self.restricted.is_some() && !self.unrestricted {
            return cut("its `\\unrestrict` line is missing");
        }
        if !self.tail.ends_with(&self.ending()) {
            return cut("its last bytes are not those of a whole dump");
        }
        let table = |((schema, table), rows)| TableRows { schema, table, rows };
        Ok(Facts {
            tables: self.tables.into_iter().map(table).collect(),
            large_objects: self.large_objects,
            ..Facts::default()
        })
    }
}

impl Rows {
    /// Takes rows up to the end of the block. Returns how many bytes were taken, and whether the
    /// block ended.
    fn take(&mut self, bytes: &[u8]) -> (usize, bool) {
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', bytes) {
            self.line_part(&bytes[start..end]);
            start = end + 1;
            let last = self.line == b"\\.";
            self.line.clear();
            if !self.begun {
                self.begun = true;
            } else if last {
                return (start, true);
            } else {
                self.count += 1;
            }
        }
        self.line_part(&bytes[start..]);
        (bytes.len(), false)
    }

    fn line_part(&mut self, part: &[u8]) {
        // Three bytes tell `\.` from every row.
        let room = 3 - self.line.len().min(3);
        self.line.extend_from_slice(&part[..part.len().min(room)]);
    }
}

/// The table of a `COPY schema.table (…) FROM stdin` statement.
fn copied_table(statement: &[u8]) -> Option<(String, String)> {
    let rest = statement.strip_prefix(b"COPY ")?;
    if !statement.ends_with(b" FROM stdin") {
        return None;
    }
    let text = String::from_utf8_lossy(rest);
    let (schema, rest) = leading_identifier(&text)?;
    let (table, _) = leading_identifier(rest.strip_prefix('.')?)?;
    Some((schema, table))
}

/// Splits off a leading identifier, quoted or not.
fn leading_identifier(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(['.', ' ', '(', ';']).unwrap_or(text.len());
        return (end > 0).then(|| (text[..end].to_owned(), &text[end..]));
    };
    let mut name = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' if quoted[at + 1..].starts_with('"') => {
                name.push('"');
                characters.next();
            }
            '"' => return Some((name, &quoted[at + 1..])),
            other => name.push(other),
        }
    }
    None
}

/// One large object is created by one such statement, in every version.
fn is_large_object(statement: &[u8]) -> bool {
    statement.starts_with(b"SELECT pg_catalog.lo_create(")
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "--\n-- PostgreSQL database dump\n--\n\n\\restrict k3y\n\n\
        -- Dumped from database version 15.18\n\nSET statement_timeout = 0;\n\n\
        CREATE FUNCTION public.f() RETURNS text LANGUAGE sql AS $$\n\
        COPY public.fake (a) FROM stdin;\n$$;\n\n\
        COPY public.t (a, b) FROM stdin;\n1\tx\n2\t\\\\.\n\\N\t\\N\n\\.\n\n\n\
        COPY public.\"Mixed \"\"Case\" (a) FROM stdin;\n\\.\n\n\n\
        --\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict k3y\n\n";

    fn judge(dump: &[u8], piece: usize) -> Result<Facts, Invalid> {
        let mut validator = TextDump::database();
        dump.chunks(piece).try_for_each(|piece| validator.check(piece))?;
        Box::new(validator).finish()
    }

    #[test]
    fn rows_are_counted_and_quoted_text_is_not() {
        for piece in [1, 7, 4096] {
            let facts = judge(WHOLE.as_bytes(), piece).unwrap();
            let shown: Vec<String> = facts.tables.iter().map(ToString::to_string).collect();
            assert_eq!(shown, ["public.Mixed \"Case: 0 rows", "public.t: 3 rows"]);
        }
    }

    #[test]
    fn every_cut_is_refused() {
        for end in 0..WHOLE.len() {
            assert!(judge(&WHOLE.as_bytes()[..end], 64).is_err(), "cut at {end} was accepted");
        }
    }

    #[test]
    fn dumps_of_before_the_restrict_line_are_whole_too() {
        let old = WHOLE.replace("\\restrict k3y\n\n", "").replace("\\unrestrict k3y\n\n", "");
        assert!(judge(old.as_bytes(), 64).is_ok());
        for end in 0..old.len() {
            assert!(judge(&old.as_bytes()[..end], 64).is_err(), "cut at {end} was accepted");
        }
    }

    #[test]
    fn garbage_is_refused() {
        for garbage in ["", "hello", "-- a\n-- b\n-- c\n", "pg_dump: error: connection refused\n"] {
            assert!(judge(garbage.as_bytes(), 64).is_err(), "{garbage:?}");
        }
        assert!(judge(&[WHOLE.as_bytes(), b"x"].concat(), 64).is_err());
    }
}
