//! Judges an archive of `mongodump --archive` as it streams by, and counts its documents.
//!
//! The format has no trailer, but it says itself what whole is: its prelude names every collection,
//! and each of these ends with a mark that carries the sum of its documents. An archive is whole if
//! and only if every collection that the prelude names has ended, once, with the right sum, and
//! nothing is behind the last mark. `mongorestore` finds a cut too, but when half is in the server.
//! Written from <https://github.com/mongodb/mongo-tools/blob/master/common/archive/spec.md>.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::bson::{Crc, Value, fields};
use crate::engine::{Invalid, Validator};
use crate::model::{Facts, TableRows};

const MAGIC: [u8; 4] = [0x6d, 0xe2, 0x99, 0x81];
/// The only version there is. Another one means what nobody here knows.
const VERSION: &str = "0.1";
/// What closes the prelude and every block.
const TERMINATOR: [u8; 4] = [0xff; 4];
/// `mongorestore` takes no document that is longer, so neither is it part of a whole archive.
const LONGEST: usize = 16 << 20;
/// The head of a block holds two names.
const LONGEST_HEAD: usize = 64 << 10;
/// The collection that holds a time series' rows, by servers before 8.3.
const BUCKETS: &str = "system.buckets.";
/// Under this name, in no database, an archive holds what was written while it was made.
pub(super) const OPLOG: &str = "oplog";

/// A database and a collection.
type Namespace = (String, String);

/// An archive, so far.
#[derive(Debug)]
pub(super) struct Archive {
    /// The database that it must be of; `None`: of as many as there are.
    only: Option<String>,
    stage: Stage,
    /// Bytes of the archive's own structure that are not yet whole.
    pending: Vec<u8>,
    collections: BTreeMap<Namespace, Collection>,
    current: Namespace,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Magic,
    Header,
    /// The documents that name the collections.
    Prelude,
    /// Between blocks: the only place where an archive may end.
    Between,
    /// In a block, between documents.
    Block,
    /// In somebody's document: bytes left.
    Document(usize),
    /// Behind the head that ends a collection.
    End,
}

#[derive(Debug)]
struct Collection {
    kind: Kind,
    state: State,
    crc: Crc,
    documents: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    View,
    TimeSeries,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Awaited,
    Begun,
    Ended,
}

/// As much of a collection's description as matters here.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    #[serde(rename = "type")]
    kind: String,
    options: Options,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Options {
    #[serde(rename = "viewOn")]
    view_on: Option<IgnoredAny>,
}

impl Archive {
    /// `only`: the one database that the archive is of.
    pub(super) fn new(only: Option<&str>) -> Self {
        Self {
            only: only.map(str::to_owned),
            stage: Stage::Magic,
            pending: Vec::new(),
            collections: BTreeMap::new(),
            current: Namespace::default(),
        }
    }

    /// Takes from a piece of structure what is there of it. Returns how much, and whether it is whole:
    /// four bytes, which may say that there are more.
    fn gather(&mut self, bytes: &[u8]) -> Result<(usize, bool), Invalid> {
        let mut taken = 0;
        loop {
            let wanted = match self.pending.first_chunk::<4>() {
                None => 4,
                // The length of somebody's document is enough; the rest of it is never held.
                Some(_) if matches!(self.stage, Stage::Magic | Stage::Block) => 4,
                Some(&TERMINATOR) => 4,
                Some(length) => self.length(*length)?,
            };
            let room = wanted - self.pending.len();
            let part = &bytes[taken..][..room.min(bytes.len() - taken)];
            self.pending.extend_from_slice(part);
            taken += part.len();
            if part.len() < room {
                return Ok((taken, false));
            }
            if room == 0 {
                return Ok((taken, true));
            }
        }
    }

    fn length(&self, bytes: [u8; 4]) -> Result<usize, Invalid> {
        const SHORTEST: usize = 5;
        let longest = match self.stage {
            Stage::Between | Stage::End => LONGEST_HEAD,
            _ => LONGEST,
        };
        let length = usize::try_from(u32::from_le_bytes(bytes)).unwrap_or(usize::MAX);
        let possible = (SHORTEST..=longest).contains(&length);
        let place = self.place();
        let foreign = || Invalid::Foreign(format!("{place}, {length} is no document's length"));
        possible.then_some(length).ok_or_else(foreign)
    }

    /// Reads one whole piece of structure.
    fn structure(&mut self, piece: &[u8]) -> Result<(), Invalid> {
        let terminator = piece == TERMINATOR;
        self.stage = match self.stage {
            Stage::Magic if piece == MAGIC => Stage::Header,
            Stage::Magic => {
                return Err(foreign("it does not begin as `mongodump` begins archives"));
            }
            Stage::Header if !terminator => {
                header(piece)?;
                Stage::Prelude
            }
            Stage::Prelude if terminator => Stage::Between,
            Stage::Prelude => {
                self.describe(piece)?;
                Stage::Prelude
            }
            Stage::Between if !terminator => self.head(piece)?,
            Stage::Block | Stage::End if terminator => Stage::Between,
            Stage::Block => {
                let length = piece.first_chunk::<4>().map_or(Ok(0), |bytes| self.length(*bytes))?;
                let collection = self.collection()?;
                collection.documents += 1;
                collection.crc = collection.crc.with(piece);
                Stage::Document(length - piece.len())
            }
            Stage::Header | Stage::Between => return Err(foreign("a terminator ends nothing")),
            Stage::End => return Err(foreign(&format!("{} goes on behind its end", self.name()))),
            Stage::Document(_) => unreachable!("documents are not gathered"),
        };
        Ok(())
    }

    /// Reads what the prelude says of one collection.
    fn describe(&mut self, document: &[u8]) -> Result<(), Invalid> {
        let unreadable = || foreign("its prelude is not readable");
        let fields = fields(document).ok_or_else(unreadable)?;
        let text = |wanted| {
            fields.iter().find_map(|(name, value)| match value {
                Value::Text(text) if *name == wanted => Some(*text),
                _ => None,
            })
        };
        let namespace: Namespace = match (text("db"), text("collection")) {
            (Some(database), Some(collection)) if !collection.is_empty() => {
                (database.to_owned(), collection.to_owned())
            }
            _ => return Err(unreadable()),
        };
        if self.only.as_ref().is_some_and(|only| *only != namespace.0) {
            return Err(foreign(&format!("it holds a collection of database `{}`", namespace.0)));
        }
        let metadata: Metadata = match text("metadata") {
            None | Some("") => Metadata::default(),
            Some(metadata) => serde_json::from_str(metadata).map_err(|_| {
                foreign(&format!("the metadata of {} is not readable", shown(&namespace)))
            })?,
        };
        let kind = match text("type").filter(|kind| !kind.is_empty()).unwrap_or(&metadata.kind) {
            "timeseries" => Kind::TimeSeries,
            "view" => Kind::View,
            _ if metadata.options.view_on.is_some() => Kind::View,
            _ => Kind::Plain,
        };
        let collection =
            Collection { kind, state: State::Awaited, crc: Crc::default(), documents: 0 };
        let name = shown(&namespace);
        match self.collections.insert(namespace, collection) {
            None => Ok(()),
            Some(_) => Err(foreign(&format!("its prelude names {name} twice"))),
        }
    }

    /// Reads the head of a block, which also says when a collection ends.
    fn head(&mut self, document: &[u8]) -> Result<Stage, Invalid> {
        let fields = fields(document);
        let Some(
            &[
                ("db", Value::Text(database)),
                ("collection", Value::Text(collection)),
                ("EOF", Value::Flag(end)),
                ("CRC", Value::Number(crc)),
            ],
        ) = fields.as_deref()
        else {
            return Err(foreign("the head of a block is not readable"));
        };
        self.current = (database.to_owned(), collection.to_owned());
        if let Some(series) = collection.strip_prefix(BUCKETS) {
            let series = (database.to_owned(), series.to_owned());
            if self.collections.get(&series).is_some_and(|own| own.kind == Kind::TimeSeries) {
                self.current = series;
            }
        }
        let name = self.name();
        let own = self.collection()?;
        if own.state == State::Ended {
            return Err(foreign(&format!("{name} is begun again behind its end")));
        }
        if end && own.crc.value() != crc {
            return Err(foreign(&format!("the sum of {name} is not that of its documents")));
        }
        if !end && crc != 0 {
            return Err(foreign(&format!("{name} has a sum before its end")));
        }
        own.state = if end { State::Ended } else { State::Begun };
        Ok(if end { Stage::End } else { Stage::Block })
    }

    fn collection(&mut self) -> Result<&mut Collection, Invalid> {
        let name = self.name();
        let unknown = || foreign(&format!("its prelude does not name {name}"));
        self.collections.get_mut(&self.current).ok_or_else(unknown)
    }

    fn name(&self) -> String {
        shown(&self.current)
    }

    /// Where the stream is, for messages.
    fn place(&self) -> String {
        match self.stage {
            Stage::Magic | Stage::Header | Stage::Prelude => "within its prelude".to_owned(),
            Stage::Between => "within the head of a block".to_owned(),
            Stage::Block | Stage::Document(_) => format!("within the documents of {}", self.name()),
            Stage::End => format!("behind the end of {}", self.name()),
        }
    }
}

impl Validator for Archive {
    fn check(&mut self, piece: &[u8]) -> Result<(), Invalid> {
        let mut rest = piece;
        while !rest.is_empty() {
            if let Stage::Document(left) = self.stage {
                let part = &rest[..left.min(rest.len())];
                rest = &rest[part.len()..];
                let name = self.name();
                let own = self.collection()?;
                own.crc = own.crc.with(part);
                if part.len() == left && !part.ends_with(&[0]) {
                    return Err(foreign(&format!("a document of {name} has no end")));
                }
                let left = left - part.len();
                self.stage = if left == 0 { Stage::Block } else { Stage::Document(left) };
                continue;
            }
            let (taken, whole) = self.gather(rest)?;
            rest = &rest[taken..];
            if whole {
                let mut pending = std::mem::take(&mut self.pending);
                self.structure(&pending)?;
                pending.clear();
                self.pending = pending;
            }
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Facts, Invalid> {
        if self.stage == Stage::Magic && self.pending.is_empty() {
            return Err(Invalid::Empty);
        }
        if self.stage != Stage::Between || !self.pending.is_empty() {
            return Err(Invalid::Cut(format!("it ends {}", self.place())));
        }
        let open = self.collections.iter().find(|(_, own)| own.state != State::Ended);
        if let Some((namespace, _)) = open {
            return Err(Invalid::Cut(format!("the end of {} is missing", shown(namespace))));
        }
        // A database without collections does not exist; mongodump calls it a success.
        if self.only.is_some() && self.collections.is_empty() {
            return Err(Invalid::Cut("it holds no collection".to_owned()));
        }
        Ok(facts(self.only.is_some(), self.collections))
    }
}

/// The facts that a restore is compared by. Of one database they do not name it, since it may be
/// restored under another name.
fn facts(one: bool, collections: BTreeMap<Namespace, Collection>) -> Facts {
    let views = collections.values().filter(|own| own.kind == Kind::View).count() as u64;
    let counts = (one && views > 0).then(|| ("views".to_owned(), views));
    let tables = collections
        .into_iter()
        .filter(|((database, name), own)| {
            // Users and what else the server keeps for itself: a restore adds to what is there.
            own.kind != Kind::View && !SYSTEM.contains(&&**database) && !name.starts_with('$')
        })
        .map(|((database, table), own)| {
            let schema = if one { String::new() } else { database };
            TableRows { schema, table, rows: own.documents }
        })
        .collect();
    Facts { tables, large_objects: 0, counts: counts.into_iter().collect() }
}

/// The databases that belong to the server.
pub(super) const SYSTEM: [&str; 3] = ["admin", "config", "local"];

fn header(document: &[u8]) -> Result<(), Invalid> {
    let fields = fields(document).ok_or_else(|| foreign("its header is not readable"))?;
    match fields.iter().find(|(name, _)| *name == "version") {
        Some((_, Value::Text(VERSION))) => Ok(()),
        Some((_, Value::Text(other))) => {
            Err(foreign(&format!("its format is version {other}; version {VERSION} is known")))
        }
        _ => Err(foreign("its header names no version")),
    }
}

fn foreign(what: &str) -> Invalid {
    Invalid::Foreign(what.to_owned())
}

fn shown((database, collection): &Namespace) -> String {
    match database.is_empty() {
        true => format!("`{collection}`"),
        false => format!("`{database}.{collection}`"),
    }
}

#[cfg(test)]
mod tests;
