//! Judges an RDB file as it streams by, and counts its keys.
//!
//! A file ends with an opcode and a checksum of everything before it, so it can be judged to the byte in one
//! pass; values are skipped by their lengths and never held. What each part looks like is in `grammar.rs`. A
//! file of a newer version is read as long as it has nothing but known parts, since these never change their
//! shape; an unknown one is refused, because nobody knows where it ends.

use std::collections::BTreeMap;

use crc::{CRC_64_REDIS, Crc, Digest, Table};

use super::grammar::{Family, Item, Part, part};
use crate::engine::{Invalid, Validator};
use crate::model::Facts;

static CHECKSUM: Crc<u64, Table<16>> = Crc::<u64, Table<16>>::new(&CRC_64_REDIS);

/// `REDIS0011` or `VALKEY080`.
const MAGIC: usize = 9;
/// The first version that ends with a checksum.
const CHECKSUM_SINCE: u32 = 5;
/// More levels than any shape has: it bounds the memory.
const DEEPEST: usize = 8;

/// An RDB file, so far.
pub(super) struct RdbFile {
    stage: Stage,
    /// Bytes that do not yet make a whole number or head of a string; never more than 20.
    pending: Vec<u8>,
    /// The shapes that are being read, the innermost last.
    frames: Vec<Frame>,
    /// Bytes that belong to the current item and say nothing.
    skip: u64,
    family: Family,
    version: u32,
    digest: Digest<'static, u64, Table<16>>,
    databases: BTreeMap<u64, Keys>,
    database: u64,
    /// Whether the next key has an expiry.
    expires: bool,
    libraries: u64,
    received: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Magic,
    /// Between parts: the only place where a file may end.
    Part,
    /// Within a part.
    Shape,
    /// Before a database's number.
    Database,
    Checksum,
    End,
}

/// A shape that is being read.
#[derive(Debug, Clone, Copy)]
struct Frame {
    items: &'static [Item],
    next: usize,
    /// How many times more the shape follows after this one.
    rounds: u64,
}

/// The keys of one database.
#[derive(Debug, Default, Clone, Copy)]
struct Keys {
    /// Those that nothing but a client removes.
    lasting: u64,
    /// Whether there are hashes whose fields expire: these may vanish, or lose what sets them apart.
    fading: bool,
}

/// Why the next item could not be read.
enum Stop {
    /// More bytes are needed.
    Short,
    Invalid(Invalid),
}

/// The head of a string.
enum Head {
    Number(u64),
    /// How many bytes the encoded string has.
    Encoded(u64),
}

impl std::fmt::Debug for RdbFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RdbFile").field("received", &self.received).finish_non_exhaustive()
    }
}

impl Default for RdbFile {
    fn default() -> Self {
        Self {
            stage: Stage::Magic,
            pending: Vec::new(),
            frames: Vec::with_capacity(DEEPEST),
            skip: 0,
            family: Family::Redis,
            version: 0,
            digest: CHECKSUM.digest(),
            databases: BTreeMap::new(),
            database: 0,
            expires: false,
            libraries: 0,
            received: 0,
        }
    }
}

impl Validator for RdbFile {
    fn check(&mut self, piece: &[u8]) -> Result<(), Invalid> {
        self.received += piece.len() as u64;
        if !self.covered() {
            return self.behind(piece);
        }
        let mut rest = piece;
        while !rest.is_empty() {
            if self.skip > 0 {
                let skipped = rest.len().min(usize::try_from(self.skip).unwrap_or(usize::MAX));
                self.skip -= skipped as u64;
                rest = &rest[skipped..];
            } else if self.pending.is_empty() {
                match self.item(rest) {
                    Ok(taken) => rest = &rest[taken..],
                    Err(Stop::Short) => {
                        self.pending.extend_from_slice(rest);
                        rest = &[];
                    }
                    Err(Stop::Invalid(invalid)) => return Err(invalid),
                }
            } else {
                // One byte more at a time: what is pending is short, and its own length is not known.
                self.pending.push(rest[0]);
                rest = &rest[1..];
                let pending = std::mem::take(&mut self.pending);
                match self.item(&pending) {
                    Ok(_all) => {}
                    Err(Stop::Short) => self.pending = pending,
                    Err(Stop::Invalid(invalid)) => return Err(invalid),
                }
            }
            if !self.covered() {
                self.digest.update(&piece[..piece.len() - rest.len()]);
                return self.behind(rest);
            }
        }
        self.digest.update(piece);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Facts, Invalid> {
        let cut = |what: &str| Err(Invalid::Cut(what.to_owned()));
        match self.stage {
            _ if self.received == 0 => return Err(Invalid::Empty),
            Stage::Magic => return cut("it ends within its header"),
            Stage::Part => return cut("its last byte, which says that it is complete, is missing"),
            Stage::Shape | Stage::Database => return cut("it ends within a key or its value"),
            Stage::Checksum => return cut("it ends within its checksum"),
            Stage::End => {}
        }
        let named = |(number, keys): (&u64, &Keys)| {
            (!keys.fading).then(|| (lasting(*number), keys.lasting))
        };
        let mut counts: BTreeMap<String, u64> = self.databases.iter().filter_map(named).collect();
        if self.libraries > 0 {
            counts.insert(LIBRARIES.to_owned(), self.libraries);
        }
        Ok(Facts { counts, ..Facts::default() })
    }
}

/// What libraries of functions are called among facts.
pub(super) const LIBRARIES: &str = "function libraries";

/// What the keys of a database are called among facts: those with an expiry may be gone at any time, so
/// nobody can compare them.
pub(super) fn lasting(database: u64) -> String {
    format!("lasting keys in db{database}")
}

impl RdbFile {
    /// Whether what comes next is covered by the checksum.
    fn covered(&self) -> bool {
        !matches!(self.stage, Stage::Checksum | Stage::End)
    }

    /// Takes what stands behind the last opcode: the checksum, and nothing else.
    fn behind(&mut self, bytes: &[u8]) -> Result<(), Invalid> {
        let left = if self.stage == Stage::Checksum { 8 - self.pending.len() } else { 0 };
        if bytes.len() > left {
            return Err(Invalid::Foreign("something stands behind its end".to_owned()));
        }
        self.pending.extend_from_slice(bytes);
        let Ok(found) = <[u8; 8]>::try_from(self.pending.as_slice()) else { return Ok(()) };
        self.pending.clear();
        self.stage = Stage::End;
        let found = u64::from_le_bytes(found);
        // With `rdbchecksum no` a server writes 0, and nothing can be compared. The probe says so.
        if found != 0 && found != self.digest.clone().finalize() {
            let wrong = "its checksum is not that of its bytes: some have changed";
            return Err(Invalid::Foreign(wrong.to_owned()));
        }
        Ok(())
    }

    /// Reads the next item. Returns how many bytes it has, without those that are to be skipped.
    fn item(&mut self, bytes: &[u8]) -> Result<usize, Stop> {
        match self.stage {
            Stage::Magic => self.magic(bytes),
            Stage::Part => self.part(bytes[0]).map(|()| 1),
            Stage::Shape => self.shape(bytes),
            Stage::Database => {
                let (number, taken) = number(bytes)?;
                self.database = number;
                self.databases.entry(number).or_default();
                self.stage = Stage::Part;
                Ok(taken)
            }
            // Nothing of these is an item.
            Stage::Checksum | Stage::End => Ok(0),
        }
    }

    fn magic(&mut self, bytes: &[u8]) -> Result<usize, Stop> {
        let begin = |magic: &[u8]| {
            let known = bytes.len().min(magic.len());
            bytes[..known] == magic[..known]
        };
        let digits = match (begin(b"REDIS"), begin(b"VALKEY")) {
            (true, _) => 5,
            (_, true) => 6,
            _ => return Err(foreign("it does not begin with `REDIS` or `VALKEY`".to_owned())),
        };
        let Some(magic) = bytes.get(..MAGIC) else { return Err(Stop::Short) };
        let version = std::str::from_utf8(&magic[digits..]).ok().and_then(|v| v.parse().ok());
        let unreadable = || foreign("its header has no version".to_owned());
        self.version = version.filter(|version| *version > 0).ok_or_else(unreadable)?;
        self.family = if digits == 5 { Family::Redis } else { Family::Valkey };
        self.stage = Stage::Part;
        Ok(MAGIC)
    }

    /// Takes the byte that begins a part.
    fn part(&mut self, byte: u8) -> Result<(), Stop> {
        let unknown = || {
            foreign(format!(
                "it has a part of kind {byte}, which this Ringbolt does not know (the file's version is {:?} {}); \
                 it knows those of Redis up to 8.4 and Valkey up to 9.0",
                self.family, self.version
            ))
        };
        let part = part(self.family, byte).ok_or_else(unknown)?;
        match part {
            Part::Aside(items) => self.enter(items, 0)?,
            Part::Expiry(items) => {
                self.expires = true;
                self.enter(items, 0)?;
            }
            Part::Library => {
                self.libraries += 1;
                self.enter(&[Item::Text], 0)?;
            }
            Part::Database => self.stage = Stage::Database,
            Part::Value(items) | Part::Fading(items) => {
                let keys = self.databases.entry(self.database).or_default();
                keys.fading |= matches!(part, Part::Fading(_));
                keys.lasting += u64::from(!self.expires);
                self.expires = false;
                self.enter(items, 0)?;
                self.enter(&[Item::Text], 0)?;
            }
            Part::End => {
                let summed = self.version >= CHECKSUM_SINCE;
                self.stage = if summed { Stage::Checksum } else { Stage::End };
            }
        }
        Ok(())
    }

    fn enter(&mut self, items: &'static [Item], rounds: u64) -> Result<(), Stop> {
        if self.frames.len() == DEEPEST {
            return Err(foreign("its values are nested too deep".to_owned()));
        }
        self.frames.push(Frame { items, next: 0, rounds });
        self.stage = Stage::Shape;
        Ok(())
    }

    /// Reads the next item of the innermost shape.
    fn shape(&mut self, bytes: &[u8]) -> Result<usize, Stop> {
        let Some(frame) = self.frames.last() else {
            self.stage = Stage::Part;
            return Ok(0);
        };
        let item = frame.items[frame.next];
        let mut inner: Option<(&'static [Item], u64)> = None;
        let taken = match item {
            Item::Number => number(bytes)?.1,
            Item::Text => {
                let (length, taken) = text(bytes)?;
                self.skip = length;
                taken
            }
            Item::Bytes(count) => {
                self.skip = count;
                0
            }
            Item::Double => {
                // The three greatest lengths stand for values that have no text.
                self.skip = if bytes[0] < 253 { u64::from(bytes[0]) } else { 0 };
                1
            }
            Item::Each(items) => {
                let (count, taken) = number(bytes)?;
                inner = count.checked_sub(1).map(|rounds| (items, rounds));
                taken
            }
            Item::Module => {
                let (opcode, taken) = number(bytes)?;
                if opcode != 0 {
                    let items = module(opcode)?;
                    self.enter(items, 0)?;
                    return Ok(taken);
                }
                taken
            }
        };
        self.advance();
        if let Some((items, rounds)) = inner {
            self.enter(items, rounds)?;
        }
        Ok(taken)
    }

    /// Goes on behind an item, and leaves every shape that has ended.
    fn advance(&mut self) {
        if let Some(frame) = self.frames.last_mut() {
            frame.next += 1;
            if frame.next == frame.items.len() {
                frame.next = 0;
                match frame.rounds.checked_sub(1) {
                    Some(rounds) => frame.rounds = rounds,
                    None => drop(self.frames.pop()),
                }
            }
        }
        if self.frames.is_empty() {
            self.stage = Stage::Part;
        }
    }
}

fn foreign(what: String) -> Stop {
    Stop::Invalid(Invalid::Foreign(what))
}

/// A module's value is a row of marked items.
fn module(opcode: u64) -> Result<&'static [Item], Stop> {
    Ok(match opcode {
        1 | 2 => &[Item::Number],
        3 => &[Item::Bytes(4)],
        4 => &[Item::Bytes(8)],
        5 => &[Item::Text],
        _ => return Err(foreign(format!("a module's value has a part of kind {opcode}"))),
    })
}

/// A number, and how many bytes it has.
fn number(bytes: &[u8]) -> Result<(u64, usize), Stop> {
    match head(bytes)? {
        (Head::Number(number), taken) => Ok((number, taken)),
        (Head::Encoded(_), _) => {
            Err(foreign("a string stands in the place of a number".to_owned()))
        }
    }
}

/// A string's length as it is stored, and how many bytes its head has.
fn text(bytes: &[u8]) -> Result<(u64, usize), Stop> {
    let (head, taken) = head(bytes)?;
    Ok(match head {
        Head::Number(length) | Head::Encoded(length) => (length, taken),
    })
}

/// The two highest bits of the first byte tell how a number or a string begins.
fn head(bytes: &[u8]) -> Result<(Head, usize), Stop> {
    let first = *bytes.first().ok_or(Stop::Short)?;
    let low = u64::from(first & 0x3f);
    let big = |count: usize| {
        let bytes = bytes.get(1..=count).ok_or(Stop::Short)?;
        let number = bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        Ok::<_, Stop>((Head::Number(number), 1 + count))
    };
    match first {
        0x00..=0x3f => Ok((Head::Number(low), 1)),
        0x40..=0x7f => {
            let second = *bytes.get(1).ok_or(Stop::Short)?;
            Ok((Head::Number(low << 8 | u64::from(second)), 2))
        }
        0x80 => big(4),
        0x81 => big(8),
        0xc0..=0xc2 => Ok((Head::Encoded(1 << low), 1)),
        0xc3 => {
            // Compressed: the stored length, then the real one.
            let (stored, taken) = number(&bytes[1..])?;
            let (_real, more) = number(&bytes[1 + taken..])?;
            Ok((Head::Encoded(stored), 1 + taken + more))
        }
        _ => Err(foreign(format!("a length begins with byte {first:#04x}"))),
    }
}
