//! Judges a dump in `pg_dump`'s custom format as it streams by, and counts its rows.
//!
//! The format has no trailer: `pg_restore --list` accepts an archive cut anywhere behind its table
//! of contents. But the table says which entries carry data, and each of these is a chain of
//! counted chunks with a closing mark. A dump is whole if and only if every entry that carries data
//! was seen once, to its mark, and nothing follows. Written from the format's only description:
//! <https://github.com/postgres/postgres/blob/master/src/bin/pg_dump/pg_backup_archiver.c> and
//! `pg_backup_custom.c` beside it. Versions 1.12 (PostgreSQL 9.0) to 1.16 (18) are read.

mod contents;

use std::collections::BTreeMap;

pub(super) use contents::CustomContents;

use crate::engine::{Invalid, Validator};
use crate::model::{Facts, TableRows};

const OLDEST: (u8, u8) = (1, 12);
const NEWEST: (u8, u8) = (1, 16);
const ALGORITHM_SINCE: (u8, u8) = (1, 15);
const TABLE_AM_SINCE: (u8, u8) = (1, 14);
const RELKIND_SINCE: (u8, u8) = (1, 16);
/// One entry of the table of contents (a function's text, say) is held in memory up to this.
const LONGEST_ENTRY: usize = 256 << 20;
/// What `COPY` writes behind the last row.
const COPY_END: &[u8] = b"\\.\n\n\n";

const BLOCK_DATA: u8 = 1;
const BLOCK_LARGE_OBJECTS: u8 = 3;

/// A custom-format dump, so far.
#[derive(Debug, Default)]
pub(super) struct CustomDump {
    stage: Stage,
    /// Bytes that do not yet make a whole piece of structure.
    pending: Vec<u8>,
    header: Header,
    /// Every entry that carries data, by its dump id.
    entries: BTreeMap<i64, Entry>,
    /// The entry whose data streams by, and its rows so far.
    current: i64,
    newlines: u64,
    last: Vec<u8>,
    large_objects: u64,
    received: u64,
}

#[derive(Debug, Default, Clone, Copy)]
enum Stage {
    #[default]
    Header,
    /// The table of contents: how many entries are still to come.
    Contents(i64),
    /// Between data blocks: the only place where a dump may end.
    Block,
    /// Before a chunk's length.
    Chunk(Kind),
    /// Within a chunk: bytes left.
    Data(Kind, u64),
    /// Before a large object's id, or the end of their block.
    LargeObject,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Rows,
    LargeObject,
}

#[derive(Debug, Default, Clone, Copy)]
struct Header {
    version: (u8, u8),
    integer: usize,
    offset: usize,
}

#[derive(Debug)]
struct Entry {
    description: String,
    schema: String,
    tag: String,
    rows: Option<u64>,
    seen: bool,
}

/// An entry of the table of contents, as it is written there.
#[derive(Debug)]
struct Listed {
    id: i64,
    has_data: bool,
    description: String,
    schema: String,
    tag: String,
    /// The entries that must be there before it.
    needs: Vec<i64>,
}

/// Why the next piece of structure could not be read.
enum Stop {
    /// More bytes are needed.
    Short,
    Invalid(Invalid),
}

impl From<Invalid> for Stop {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}

impl Validator for CustomDump {
    fn check(&mut self, piece: &[u8]) -> Result<(), Invalid> {
        self.received += piece.len() as u64;
        let mut rest = piece;
        while !rest.is_empty() {
            if let Stage::Data(kind, left) = self.stage {
                let taken = rest.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                self.data(kind, &rest[..taken]);
                rest = &rest[taken..];
                let left = left - taken as u64;
                self.stage = if left == 0 { Stage::Chunk(kind) } else { Stage::Data(kind, left) };
            } else if self.pending.is_empty() {
                match self.structure(rest) {
                    Ok(taken) => rest = &rest[taken..],
                    Err(Stop::Short) => {
                        self.pending.extend_from_slice(rest);
                        rest = &[];
                    }
                    Err(Stop::Invalid(invalid)) => return Err(invalid),
                }
            } else {
                rest = self.continue_pending(rest)?;
            }
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Facts, Invalid> {
        let cut = |what: String| Err(Invalid::Cut(what));
        if self.received == 0 {
            return Err(Invalid::Empty);
        }
        match self.stage {
            Stage::Header => return cut("it ends within its header".to_owned()),
            Stage::Contents(left) => {
                return cut(format!("{left} entries of its table of contents are missing"));
            }
            Stage::Chunk(_) | Stage::Data(..) | Stage::LargeObject => {
                let name = self.entries.get(&self.current).map(Entry::name).unwrap_or_default();
                return cut(format!("it ends within the data of {name}"));
            }
            Stage::Block if !self.pending.is_empty() => {
                return cut("it ends within the head of a data block".to_owned());
            }
            Stage::Block => {}
        }
        if let Some(entry) = self.entries.values().find(|entry| !entry.seen) {
            return cut(format!("the data of {} is missing", entry.name()));
        }
        let mut tables: Vec<TableRows> = self
            .entries
            .into_values()
            .filter_map(|entry| {
                let rows = entry.rows?;
                Some(TableRows { schema: entry.schema, table: entry.tag, rows })
            })
            .collect();
        tables.sort();
        Ok(Facts { tables, large_objects: self.large_objects, ..Facts::default() })
    }
}

impl CustomDump {
    /// Adds bytes to the pending ones until they make a whole piece of structure. Between chunks
    /// that is a handful of bytes; a long entry of the table of contents takes the whole piece.
    fn continue_pending<'a>(&mut self, rest: &'a [u8]) -> Result<&'a [u8], Invalid> {
        let whole = matches!(self.stage, Stage::Header | Stage::Contents(_));
        let step = if whole { rest.len() } else { 1 };
        let before = self.pending.len();
        self.pending.extend_from_slice(&rest[..step]);
        if self.pending.len() > LONGEST_ENTRY {
            return Err(Invalid::Foreign(
                "an entry of its table of contents has no end".to_owned(),
            ));
        }
        let pending = std::mem::take(&mut self.pending);
        match self.structure(&pending) {
            Ok(taken) => Ok(&rest[taken - before..]),
            Err(Stop::Short) => {
                self.pending = pending;
                Ok(&rest[step..])
            }
            Err(Stop::Invalid(invalid)) => Err(invalid),
        }
    }

    /// Reads one piece of structure from the start of `bytes`. Returns its length.
    fn structure(&mut self, bytes: &[u8]) -> Result<usize, Stop> {
        let mut cursor = Cursor { bytes, at: 0, header: self.header };
        match self.stage {
            Stage::Header => {
                let count = cursor.header()?;
                self.header = cursor.header;
                self.stage = if count == 0 { Stage::Block } else { Stage::Contents(count) };
            }
            Stage::Contents(left) => {
                let Listed { id, has_data, description, schema, tag, .. } = cursor.entry()?;
                if has_data {
                    let entry = Entry { description, schema, tag, rows: None, seen: false };
                    self.entries.insert(id, entry);
                }
                self.stage = if left == 1 { Stage::Block } else { Stage::Contents(left - 1) };
            }
            Stage::Block => {
                let block = cursor.byte()?;
                let id = cursor.integer()?;
                self.begin_block(block, id)?;
            }
            Stage::LargeObject => {
                if cursor.integer()? == 0 {
                    self.end_block(None);
                } else {
                    self.large_objects += 1;
                    self.stage = Stage::Chunk(Kind::LargeObject);
                }
            }
            Stage::Chunk(kind) => match (cursor.integer()?, kind) {
                (0, Kind::Rows) => self.end_rows()?,
                (0, Kind::LargeObject) => self.stage = Stage::LargeObject,
                (length, _) => {
                    let length = u64::try_from(length)
                        .map_err(|_| Invalid::Foreign("a chunk's length is negative".to_owned()))?;
                    self.stage = Stage::Data(kind, length);
                }
            },
            Stage::Data(..) => {}
        }
        Ok(cursor.at)
    }

    fn begin_block(&mut self, block: u8, id: i64) -> Result<(), Invalid> {
        let Some(entry) = self.entries.get_mut(&id) else {
            return Err(Invalid::Foreign(format!(
                "data block {id} is not in its table of contents"
            )));
        };
        if std::mem::replace(&mut entry.seen, true) {
            return Err(Invalid::Foreign(format!("the data of {} comes twice", entry.name())));
        }
        self.current = id;
        self.newlines = 0;
        self.last.clear();
        self.stage = match block {
            BLOCK_DATA => Stage::Chunk(Kind::Rows),
            BLOCK_LARGE_OBJECTS => Stage::LargeObject,
            other => {
                return Err(Invalid::Foreign(format!("it holds a data block of type {other}")));
            }
        };
        Ok(())
    }

    fn data(&mut self, kind: Kind, data: &[u8]) {
        if kind == Kind::Rows {
            self.newlines += memchr::memchr_iter(b'\n', data).count() as u64;
            let surplus = (self.last.len() + data.len()).saturating_sub(COPY_END.len());
            self.last.drain(..surplus.min(self.last.len()));
            let new = data.len().min(COPY_END.len());
            self.last.extend_from_slice(&data[data.len() - new..]);
        }
    }

    fn end_rows(&mut self) -> Result<(), Invalid> {
        let table = self.entries.get(&self.current).is_some_and(|e| e.description == "TABLE DATA");
        if !table {
            self.end_block(None);
            return Ok(());
        }
        if self.last != COPY_END {
            let name = self.entries.get(&self.current).map(Entry::name).unwrap_or_default();
            return Err(Invalid::Cut(format!("the rows of {name} have no end mark")));
        }
        self.end_block(Some(self.newlines - 3));
        Ok(())
    }

    fn end_block(&mut self, rows: Option<u64>) {
        if let Some(entry) = self.entries.get_mut(&self.current) {
            entry.rows = rows;
        }
        self.stage = Stage::Block;
    }
}

impl Entry {
    fn name(&self) -> String {
        match self.description.as_str() {
            "TABLE DATA" => format!("table {}.{}", self.schema, self.tag),
            other => format!("{} {}", other.to_lowercase(), self.tag),
        }
    }
}

/// Reads the format's integers and strings.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    header: Header,
}

impl Cursor<'_> {
    fn take(&mut self, length: usize) -> Result<&[u8], Stop> {
        let end = self.at.checked_add(length).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or(Stop::Short)?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Stop> {
        Ok(self.take(1)?[0])
    }

    /// A sign byte, then the value, least significant byte first.
    fn integer(&mut self) -> Result<i64, Stop> {
        let length = self.header.integer;
        let bytes = self.take(1 + length)?;
        let value = bytes[1..].iter().rev().fold(0, |value, byte| value << 8 | i64::from(*byte));
        match bytes[0] {
            0 => Ok(value),
            1 => Ok(-value),
            _ => Err(Invalid::Foreign("an integer's sign is neither 0 nor 1".to_owned()).into()),
        }
    }

    /// A length, then that many bytes; a negative length is no string at all.
    fn string(&mut self) -> Result<Option<String>, Stop> {
        let length = self.integer()?;
        let Ok(length) = usize::try_from(length) else { return Ok(None) };
        Ok(Some(String::from_utf8_lossy(self.take(length)?).into_owned()))
    }

    fn skip_strings(&mut self, count: usize) -> Result<(), Stop> {
        for _ in 0..count {
            if let Ok(length) = usize::try_from(self.integer()?) {
                self.take(length)?;
            }
        }
        Ok(())
    }

    /// The head up to the number of entries, which it returns.
    fn header(&mut self) -> Result<i64, Stop> {
        let foreign = |what: String| Stop::Invalid(Invalid::Foreign(what));
        let known = self.bytes.len().min(5);
        if self.bytes[..known] != b"PGDMP"[..known] {
            return Err(foreign("it does not begin with `PGDMP`".to_owned()));
        }
        self.take(5)?;
        let version = (self.byte()?, self.byte()?);
        let _revision = self.byte()?;
        if version < OLDEST || version > NEWEST {
            let (major, minor) = version;
            return Err(foreign(format!(
                "its format version is {major}.{minor}, which is not known"
            )));
        }
        let (integer, offset, format) =
            (usize::from(self.byte()?), usize::from(self.byte()?), self.byte()?);
        if !(4..=8).contains(&integer) || !(4..=8).contains(&offset) || format != 1 {
            return Err(foreign("it is not in the custom format".to_owned()));
        }
        self.header = Header { version, integer, offset };
        let compressed = match version >= ALGORITHM_SINCE {
            true => self.byte()? != 0,
            false => self.integer()? != 0,
        };
        if compressed {
            return Err(foreign("it is compressed, so its rows cannot be counted".to_owned()));
        }
        for _creation_time in 0..7 {
            self.integer()?;
        }
        self.skip_strings(3)?;
        let count = self.integer()?;
        if count < 0 {
            return Err(foreign("its table of contents has a negative length".to_owned()));
        }
        Ok(count)
    }

    /// One entry of the table of contents.
    fn entry(&mut self) -> Result<Listed, Stop> {
        let version = self.header.version;
        let id = self.integer()?;
        let has_data = self.integer()? != 0;
        self.skip_strings(2)?;
        let tag = self.string()?.unwrap_or_default();
        let description = self.string()?.unwrap_or_default();
        let _section = self.integer()?;
        self.skip_strings(3)?;
        let schema = self.string()?.unwrap_or_default();
        self.skip_strings(1)?;
        if version >= TABLE_AM_SINCE {
            self.skip_strings(1)?;
        }
        if version >= RELKIND_SINCE {
            self.integer()?;
        }
        self.skip_strings(2)?;
        let mut needs = Vec::new();
        while let Some(need) = self.string()? {
            needs.extend(need.parse::<i64>());
        }
        self.take(1 + self.header.offset)?;
        Ok(Listed { id, has_data, description, schema, tag, needs })
    }
}
