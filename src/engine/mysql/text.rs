//! Judges a dump of `mysqldump` or `mariadb-dump` as it streams by, and counts its rows.
//!
//! A dump cut anywhere loads with exit code 0 up to the cut, so the server cannot be asked whether it
//! is whole. But both tools end with a fixed line (`--skip-dump-date` keeps the time out of it), and
//! where it stands, no statement, string or comment may be open. How globals look is in `accounts.rs`.

use std::collections::BTreeMap;

use crate::engine::{Invalid, Validator};
use crate::model::{Facts, TableRows};

/// The first bytes of a statement or line, enough for a table's name with every character doubled.
const HEAD: usize = 1024;

/// With which comment a dump begins: the tools' own, or ours before a first call.
const BEGINS: [&[u8]; 4] =
    [b"-- MySQL dump ", b"-- MariaDB dump ", b"-- Ringbolt: ", b"-- Broken view "];
/// The tools' own.
const HEADERS: [&[u8]; 2] = [b"-- MySQL dump ", b"-- MariaDB dump "];
const TRAILER: &[u8] = b"-- Dump completed";
/// A statement of the dump's end, of every version.
const FOOTER: &[u8] = b"/*!40101 SET SQL_MODE=@OLD_SQL_MODE */";
/// What begins MariaDB's first line: a comment that no semicolon ends.
const SANDBOX: [&[u8]; 2] = [b"/*M!999999\\-", b"/*!999999\\-"];
const VALUES: u64 = u64::from_be_bytes(*b"\0\0VALUES");
const SIX_BYTES: u64 = (1 << 48) - 1;

/// A dump of one database, so far.
#[derive(Debug, Default)]
#[allow(clippy::struct_excessive_bools)] // what was seen is seen in any order
pub(super) struct TextDump {
    state: State,
    head: Vec<u8>,
    /// The last unquoted bytes of a statement, newest lowest.
    recent: u64,
    /// The table whose rows stream by, and how many there were.
    inserting: Option<(String, u64)>,
    depth: u32,
    tables: BTreeMap<String, u64>,
    begun: bool,
    header_seen: bool,
    footer_seen: bool,
    completed: bool,
    received: u64,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Between statements.
    #[default]
    Rest,
    /// A line: a comment, or `DELIMITER`.
    Line,
    Statement,
    /// Rows of an `INSERT`, behind `VALUES`.
    Rows,
    Quoted(u8),
    Escaped(u8),
    QuotedRow,
    EscapedRow,
    /// Lines of a routine, trigger or event, up to `DELIMITER ;`.
    Body,
}

impl Validator for TextDump {
    fn check(&mut self, piece: &[u8]) -> Result<(), Invalid> {
        self.received += piece.len() as u64;
        let mut rest = piece;
        while !rest.is_empty() {
            let taken = match self.state {
                State::Rows => self.rows(rest),
                State::QuotedRow => self.quoted_row(rest),
                State::Quoted(quote) => self.quoted(quote, rest),
                State::Line | State::Body => self.line(rest)?,
                _ => self.byte(rest[0])?,
            };
            rest = &rest[taken..];
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Facts, Invalid> {
        let cut = |what: &str| Err(Invalid::Cut(what.to_owned()));
        if self.received == 0 {
            return Err(Invalid::Empty);
        }
        if let Some((table, _)) = &self.inserting {
            return cut(&format!("it ends within the rows of {table}"));
        }
        if !self.begun && self.head.len() >= BEGINS[0].len() {
            return Err(foreign());
        }
        if self.state != State::Rest {
            return cut("it ends within a statement or a comment");
        }
        if !self.header_seen || !self.footer_seen {
            return cut("its header or its last statements are missing");
        }
        if !self.completed {
            return cut("its last line, which says that it is complete, is missing");
        }
        let table = |(table, rows)| TableRows { schema: String::new(), table, rows };
        Ok(Facts { tables: self.tables.into_iter().map(table).collect(), ..Facts::default() })
    }
}

fn foreign() -> Invalid {
    Invalid::Foreign("it does not begin with `-- MySQL dump` or `-- MariaDB dump`".to_owned())
}

impl TextDump {
    fn keep(&mut self, byte: u8) {
        if self.head.len() < HEAD {
            self.head.push(byte);
        }
    }

    /// Takes one byte between or within statements.
    fn byte(&mut self, byte: u8) -> Result<usize, Invalid> {
        match self.state {
            State::Rest => self.begin(byte)?,
            State::Escaped(quote) => {
                self.keep(byte);
                self.state = State::Quoted(quote);
            }
            State::EscapedRow => self.state = State::QuotedRow,
            _ => self.statement(byte)?,
        }
        Ok(1)
    }

    fn begin(&mut self, byte: u8) -> Result<(), Invalid> {
        if self.completed {
            return Err(Invalid::Foreign("something follows its last line".to_owned()));
        }
        if !byte.is_ascii_whitespace() {
            self.head.clear();
            self.recent = 0;
            // Every line comment of the tools has two dashes.
            self.state = if byte == b'-' { State::Line } else { State::Statement };
            if self.state == State::Line {
                self.keep(byte);
            } else {
                self.statement(byte)?;
            }
        }
        Ok(())
    }

    /// Takes one unquoted byte of a statement.
    fn statement(&mut self, byte: u8) -> Result<(), Invalid> {
        self.keep(byte);
        self.recent = (self.recent << 8 | u64::from(byte)) & SIX_BYTES;
        match byte {
            b'\'' | b'"' | b'`' => {
                self.recent = 0;
                self.state = State::Quoted(byte);
            }
            b';' => self.end_statement()?,
            b'/' if self.recent & 0xffff == u64::from(u16::from_be_bytes(*b"*/"))
                && SANDBOX.iter().any(|mark| self.head.starts_with(mark)) =>
            {
                self.state = State::Rest;
            }
            b' ' if self.head == b"DELIMITER " => self.state = State::Line,
            b'(' => self.depth += 1,
            b')' => self.depth = self.depth.saturating_sub(1),
            b'S' if self.recent == VALUES
                && self.depth == 0
                && self.head.starts_with(b"INSERT ") =>
            {
                let table = named(&self.head, &["INSERT ", "IGNORE ", "INTO "]);
                let unnamed =
                    || Invalid::Foreign("it inserts into a table without a name".to_owned());
                self.inserting = Some((table.ok_or_else(unnamed)?, 0));
                self.state = State::Rows;
            }
            _ => {}
        }
        Ok(())
    }

    fn end_statement(&mut self) -> Result<(), Invalid> {
        self.state = State::Rest;
        self.depth = 0;
        if !self.begun {
            return Err(foreign());
        }
        self.footer_seen |= self.head.starts_with(FOOTER);
        if let Some(table) = named(&self.head, &["CREATE ", "TABLE ", "IF NOT EXISTS "]) {
            self.tables.entry(table).or_default();
        } else if self.head.starts_with(b"INSERT ") {
            return Err(Invalid::Foreign("it inserts something else than rows".to_owned()));
        }
        Ok(())
    }

    /// Takes unquoted bytes among rows: numbers, brackets, `NULL`, hexadecimal texts.
    fn rows(&mut self, bytes: &[u8]) -> usize {
        for (at, byte) in bytes.iter().enumerate() {
            match byte {
                b'(' => self.depth += 1,
                b')' => {
                    self.depth = self.depth.saturating_sub(1);
                    if let (0, Some((_, count))) = (self.depth, &mut self.inserting) {
                        *count += 1;
                    }
                }
                b'\'' => {
                    self.state = State::QuotedRow;
                    return at + 1;
                }
                b';' => {
                    if let Some((table, count)) = self.inserting.take() {
                        *self.tables.entry(table).or_default() += count;
                    }
                    self.state = State::Rest;
                    self.depth = 0;
                    return at + 1;
                }
                _ => {}
            }
        }
        bytes.len()
    }

    fn quoted_row(&mut self, bytes: &[u8]) -> usize {
        let Some(at) = memchr::memchr2(b'\'', b'\\', bytes) else { return bytes.len() };
        // A doubled quote ends one text and begins another, which counts the same.
        self.state = if bytes[at] == b'\\' { State::EscapedRow } else { State::Rows };
        at + 1
    }

    /// Takes bytes of a text or a name. In a name, a backslash is a backslash.
    fn quoted(&mut self, quote: u8, bytes: &[u8]) -> usize {
        let end = match quote {
            b'`' => memchr::memchr(b'`', bytes),
            quote => memchr::memchr2(quote, b'\\', bytes),
        };
        let taken = end.map_or(bytes.len(), |at| at + 1);
        let room = HEAD - self.head.len().min(HEAD);
        self.head.extend_from_slice(&bytes[..taken.min(room)]);
        if let Some(at) = end {
            self.state = if bytes[at] == quote { State::Statement } else { State::Escaped(quote) };
        }
        taken
    }

    /// Takes bytes of a line.
    fn line(&mut self, bytes: &[u8]) -> Result<usize, Invalid> {
        let end = memchr::memchr(b'\n', bytes);
        let part = &bytes[..end.unwrap_or(bytes.len())];
        let room = HEAD - self.head.len().min(HEAD);
        self.head.extend_from_slice(&part[..part.len().min(room)]);
        if end.is_some() {
            self.end_line()?;
        }
        Ok(part.len() + usize::from(end.is_some()))
    }

    fn end_line(&mut self) -> Result<(), Invalid> {
        if let Some(delimiter) = self.head.strip_prefix(b"DELIMITER ") {
            self.state = if delimiter == b";" { State::Rest } else { State::Body };
        } else if self.state == State::Line {
            self.state = State::Rest;
            let begins = |starts: &[&[u8]]| starts.iter().any(|start| self.head.starts_with(start));
            if begins(&HEADERS) {
                // What ended before it was a first call, not the dump.
                self.header_seen = true;
                self.footer_seen = false;
            }
            self.begun |= begins(&BEGINS);
            if !self.begun {
                return Err(foreign());
            }
            self.completed = self.head == TRAILER && self.header_seen && self.footer_seen;
        }
        self.head.clear();
        Ok(())
    }
}

/// The quoted name behind these words, each of which may be missing but for the first.
fn named(statement: &[u8], words: &[&str]) -> Option<String> {
    let mut rest = statement.strip_prefix(words[0].as_bytes())?;
    for word in &words[1..] {
        rest = rest.trim_ascii_start();
        rest = rest.strip_prefix(word.as_bytes()).unwrap_or(rest);
    }
    let quoted = String::from_utf8_lossy(rest.trim_ascii_start().strip_prefix(b"`")?).into_owned();
    let mut name = String::new();
    let mut characters = quoted.chars().peekable();
    while let Some(character) = characters.next() {
        if character == '`' && characters.next_if_eq(&'`').is_none() {
            return Some(name);
        }
        name.push(character);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "/*M!999999\\- enable the sandbox mode */ \n\
        -- MariaDB dump 10.19  Distrib 10.11.19-MariaDB, for debian-linux-gnu (x86_64)\n--\n\
        -- Host: localhost    Database: shop\n\n\
        /*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;\n\n\
        --\n-- Table structure for table `t`\n--\n\n\
        DROP TABLE IF EXISTS `t`;\n\
        CREATE TABLE `t` (\n  `a;` int COMMENT 'it''s; \\'(',\n  `b` text\n) ENGINE=InnoDB;\n\
        CREATE TABLE `Mixed ``Case` (\n  `a` int\n);\n\
        LOCK TABLES `t` WRITE;\n\
        INSERT INTO `t` VALUES\n(1,'a);\\'(\\\\'),\n(2,NULL),(3,'');\n\
        INSERT INTO `t` (`VALUES`, `b(`) VALUES (-1.5e3,_binary 'x''(y'),(0x00FF,'-- Dump completed\\n');\n\
        UNLOCK TABLES;\n\
        /*!50001 CREATE VIEW `v` AS SELECT\n 1 AS `a`*/;\n\
        DELIMITER ;;\n\
        CREATE PROCEDURE `p`()\nBEGIN\n-- Dump completed\n  SELECT 'it\\'; -- '';\nINSERT INTO `t` VALUES (1);\nEND ;;\n\
        DELIMITER ;\n\
        /*!40101 SET SQL_MODE=@OLD_SQL_MODE */;\n\n-- Dump completed\n";

    fn judge(dump: &[u8], piece: usize) -> Result<Facts, Invalid> {
        let mut validator = TextDump::default();
        dump.chunks(piece).try_for_each(|piece| validator.check(piece))?;
        Box::new(validator).finish()
    }

    #[test]
    fn rows_are_counted_through_every_kind_of_quote() {
        for piece in [1, 7, 4096] {
            let facts = judge(WHOLE.as_bytes(), piece).unwrap();
            let shown: Vec<_> = facts.tables.iter().map(|t| (t.table.as_str(), t.rows)).collect();
            assert_eq!(shown, [("Mixed `Case", 0), ("t", 5)]);
        }
    }

    #[test]
    fn every_cut_is_refused_and_so_is_a_tail() {
        for end in 0..WHOLE.len() {
            assert!(judge(&WHOLE.as_bytes()[..end], 64).is_err(), "cut at {end} was accepted");
        }
        for tail in ["\n", "x", ";", "-- \n", "-- Dump completed\n"] {
            assert!(judge(format!("{WHOLE}{tail}").as_bytes(), 64).is_err(), "{tail:?}");
        }
    }

    #[test]
    fn two_calls_are_whole_when_the_second_one_is() {
        let first = "-- Ringbolt: tables without their rows\n/*M!999999\\- enable the sandbox mode */ \n\
            CREATE TABLE `log` (\n  `a` int\n);\n/*!40101 SET SQL_MODE=@OLD_SQL_MODE */;\n\n";
        let both = format!("{first}{WHOLE}");
        let facts = judge(both.as_bytes(), 64).unwrap();
        assert!(facts.tables.iter().any(|table| table.table == "log" && table.rows == 0));
        for end in 0..both.len() {
            assert!(judge(&both.as_bytes()[..end], 64).is_err(), "cut at {end} was accepted");
        }
    }

    #[test]
    fn garbage_is_refused() {
        for garbage in
            ["", "hello", "all is well\n", "-- a\n-- b\n", "SELECT 1;", "-- Dump completed\n"]
        {
            assert!(judge(garbage.as_bytes(), 64).is_err(), "{garbage:?}");
        }
    }
}
