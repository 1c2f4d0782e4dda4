//! Reads a tar as it streams by, and says whether it is whole: every head true to its sum, every file of
//! its length, two blocks of zeros at the end, and nothing behind them.
//!
//! What it does not know it refuses, instead of reading it otherwise than another tool would.

use std::collections::BTreeMap;

use super::field::{checksum, decimal, foreign, number, records, time, unescaped, until_zero};
use super::{ATTRIBUTE, BLOCK, Entry, Kind, Modified, Piece};
use crate::engine::Invalid;

/// PAX records are held in memory up to this: an attribute has at most 64 KiB, a file a handful.
const LONGEST_RECORDS: u64 = 16 << 20;
/// A sparse file's map is held in memory up to this: over a million holes.
const LONGEST_MAP: usize = 64 << 20;

/// What comes next in a tar.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    Entry(Entry),
    /// The next bytes of the last entry: of a sparse file, without its holes.
    Data(&'a [u8]),
    /// A remark, as [`super::comment`] writes it.
    Comment(String),
}

/// A tar, so far.
#[derive(Debug, Default)]
pub struct Reader {
    stage: Stage,
    /// Whether anything came.
    begun: bool,
    /// Bytes that do not yet make a whole block.
    block: Vec<u8>,
    /// The content of an extended header, or a sparse file's map.
    gathered: Vec<u8>,
    /// What extended headers say of the next entry.
    records: BTreeMap<Vec<u8>, Vec<u8>>,
}

#[derive(Debug, Default)]
enum Stage {
    #[default]
    Head,
    /// Within an extended header of this type: bytes left, and zeros behind them.
    Extended(u8, u64, u64),
    /// In front of a sparse file's pieces: what it will be, the bytes stored of it, map included, and
    /// how many lines of the map are there.
    Map(Box<Entry>, u64, u64),
    /// Within a file: bytes left, and zeros behind them.
    Data(u64, u64),
    /// Behind the first block of zeros.
    Zeros,
    Ended,
}

impl Reader {
    /// Reads on. Takes from the front of the input what it has used; `None`: all of it.
    ///
    /// # Errors
    /// [`Invalid`]; the tar can no longer become whole.
    pub fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Event<'a>>, Invalid> {
        self.begun |= !input.is_empty();
        let event = self.advance(input);
        if event.is_err() {
            *input = &[];
        }
        event
    }

    /// Whether this was a whole tar.
    ///
    /// # Errors
    /// [`Invalid`] says where it ends.
    pub fn finish(&self) -> Result<(), Invalid> {
        let cut = |what: &str| Err(Invalid::Cut(what.to_owned()));
        match &self.stage {
            _ if !self.begun => Err(Invalid::Empty),
            Stage::Ended => Ok(()),
            Stage::Zeros => cut("half of its end mark is missing"),
            Stage::Head => cut("its end mark is missing"),
            Stage::Extended(..) => cut("it ends within the head of an entry"),
            Stage::Map(entry, ..) => cut(&format!("it ends within {}", shown(&entry.name))),
            Stage::Data(0, _) => cut("the zeros behind a file are missing"),
            Stage::Data(left, _) => cut(&format!("the last {left} bytes of a file are missing")),
        }
    }

    fn advance<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Event<'a>>, Invalid> {
        while !input.is_empty() {
            match &mut self.stage {
                Stage::Data(0, 0) => self.stage = Stage::Head,
                Stage::Data(0, zeros) => *zeros -= self::take(input, *zeros).len() as u64,
                Stage::Data(left, _) => {
                    let data = self::take(input, *left);
                    *left -= data.len() as u64;
                    return Ok(Some(Event::Data(data)));
                }
                Stage::Extended(_, 0, zeros) if *zeros > 0 => {
                    *zeros -= self::take(input, *zeros).len() as u64;
                }
                Stage::Extended(_, left, _) if *left > 0 => {
                    let data = self::take(input, *left);
                    *left -= data.len() as u64;
                    self.gathered.extend_from_slice(data);
                }
                Stage::Ended => return Err(foreign("something follows its end mark")),
                // Everything else comes in blocks.
                _ => {
                    let missing = (BLOCK - self.block.len()) as u64;
                    self.block.extend_from_slice(self::take(input, missing));
                    if self.block.len() < BLOCK {
                        return Ok(None);
                    }
                    let mut block = [0; BLOCK];
                    block.copy_from_slice(&self.block);
                    self.block.clear();
                    if let Some(event) = self.block(&block)? {
                        return Ok(Some(event));
                    }
                }
            }
            if let Some(event) = self.extended()? {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    fn block(&mut self, block: &[u8; BLOCK]) -> Result<Option<Event<'static>>, Invalid> {
        let zeros = block.iter().all(|byte| *byte == 0);
        match std::mem::take(&mut self.stage) {
            Stage::Head if zeros && !self.records.is_empty() => {
                Err(foreign("an extended header has no entry behind it"))
            }
            Stage::Head if zeros => {
                self.stage = Stage::Zeros;
                Ok(None)
            }
            Stage::Head => self.head(block),
            Stage::Map(entry, stored, lines) => {
                self.gathered.extend_from_slice(block);
                self.map(entry, stored, lines + memchr::memchr_iter(b'\n', block).count() as u64)
            }
            _ if zeros => {
                self.stage = Stage::Ended;
                Ok(None)
            }
            _ => Err(foreign("a block of zeros stands between its entries")),
        }
    }

    /// Reads the block of fixed fields, and makes an entry of it with what was said before.
    fn head(&mut self, block: &[u8; BLOCK]) -> Result<Option<Event<'static>>, Invalid> {
        if number(&block[148..156])? != u64::from(checksum(block)) {
            return Err(foreign("the sum of an entry's head is wrong"));
        }
        let posix = &block[257..263] == b"ustar\0";
        if !posix && &block[257..263] != b"ustar " {
            return Err(foreign("an entry's head is not of a known kind"));
        }
        let flag = block[156];
        let size = number(&block[124..136])?;
        if matches!(flag, b'x' | b'g' | b'L' | b'K') {
            if size > LONGEST_RECORDS {
                return Err(foreign("an extended header has no end"));
            }
            self.gathered.clear();
            self.stage = Stage::Extended(flag, size, behind(size));
            return Ok(None);
        }
        let mut said = std::mem::take(&mut self.records);
        let mut take = |key: &str| said.remove(key.as_bytes());
        let sparse = match (take("GNU.sparse.major"), take("GNU.sparse.minor")) {
            (None, None) => None,
            (Some(major), Some(minor)) if major == b"1" && minor == b"0" => {
                let real = take("GNU.sparse.realsize");
                let real = real.as_deref().ok_or_else(|| foreign("a sparse file has no size"))?;
                Some((take("GNU.sparse.name"), decimal(real)?))
            }
            _ => return Err(foreign("a sparse file is not in PAX format 1.0")),
        };
        let size = take("size").map_or(Ok(size), |said| decimal(&said))?;
        let id = |said: Option<Vec<u8>>, field: &[u8]| {
            let id = said.map_or_else(|| number(field), |said| decimal(&said))?;
            u32::try_from(id).map_err(|_| foreign("an owner's number is too large"))
        };
        let (uid, gid) = (id(take("uid"), &block[108..116])?, id(take("gid"), &block[116..124])?);
        let modified = if let Some(said) = take("mtime") {
            time(&said).ok_or_else(|| foreign("a time is no number"))?
        } else {
            let seconds = i64::try_from(number(&block[136..148])?);
            let seconds = seconds.map_err(|_| foreign("a time is too large"))?;
            Modified { seconds, nanoseconds: 0 }
        };
        let mode = u32::try_from(number(&block[100..108])? & 0o7777).unwrap_or_default();
        let to = take("linkpath").unwrap_or_else(|| until_zero(&block[157..257]).to_owned());
        let mut name = match take("path") {
            Some(name) => name,
            None => match until_zero(&block[345..500]) {
                prefix if posix && !prefix.is_empty() => {
                    [prefix, b"/", until_zero(&block[0..100])].concat()
                }
                _ => until_zero(&block[0..100]).to_owned(),
            },
        };
        let number = |field: &[u8]| {
            u32::try_from(number(field)?).or(Err(foreign("a device's number is too large")))
        };
        let kind = match flag {
            b'0' | b'7' | 0 => Kind::File { bytes: size },
            b'1' => Kind::HardLink { to },
            b'2' => Kind::SymbolicLink { to },
            b'3' | b'4' => {
                let (major, minor) = (number(&block[329..337])?, number(&block[337..345])?);
                match flag {
                    b'3' => Kind::CharacterDevice { major, minor },
                    _ => Kind::BlockDevice { major, minor },
                }
            }
            b'5' => Kind::Folder,
            b'6' => Kind::Fifo,
            other => {
                let other = char::from(other).escape_default();
                return Err(foreign(&format!("an entry is of type `{other}`")));
            }
        };
        if kind == Kind::Folder && name.ends_with(b"/") {
            name.pop();
        }
        let mut entry =
            Entry { name, kind, mode, uid, gid, modified, attributes: attributes(said) };
        match (&mut entry.kind, sparse) {
            (Kind::File { .. }, Some((name, real))) => {
                entry.name = name.unwrap_or(entry.name);
                entry.kind = Kind::Sparse { bytes: real, pieces: Vec::new() };
                self.gathered.clear();
                self.stage = Stage::Map(Box::new(entry), size, 0);
                return Ok(None);
            }
            (_, Some(_)) => return Err(foreign("a sparse entry is no file")),
            (Kind::File { .. }, None) => self.stage = Stage::Data(size, behind(size)),
            (_, None) if size != 0 => {
                return Err(foreign("an entry that is no file has content"));
            }
            (_, None) => self.stage = Stage::Head,
        }
        Ok(Some(Event::Entry(entry)))
    }

    /// Understands an extended header, once it is all there.
    fn extended(&mut self) -> Result<Option<Event<'static>>, Invalid> {
        let Stage::Extended(flag, 0, 0) = self.stage else { return Ok(None) };
        self.stage = Stage::Head;
        let gathered = std::mem::take(&mut self.gathered);
        // GNU's older way to say a long name, or what a link leads to.
        let key: &[u8] = match flag {
            b'L' => b"path",
            b'K' => b"linkpath",
            _ => {
                let mut comment = None;
                for (key, value) in records(&gathered)? {
                    match flag {
                        b'g' if key == b"comment" => {
                            comment = Some(String::from_utf8_lossy(value).into_owned());
                        }
                        b'g' => return Err(foreign("a global header changes its entries")),
                        _ => self.say(key, value)?,
                    }
                }
                return Ok(comment.map(Event::Comment));
            }
        };
        self.say(key, until_zero(&gathered))?;
        Ok(None)
    }

    fn say(&mut self, key: &[u8], value: &[u8]) -> Result<(), Invalid> {
        match self.records.insert(key.to_owned(), value.to_owned()) {
            None => Ok(()),
            Some(_) => Err(foreign(&format!("an entry's {} is said twice", shown(key)))),
        }
    }

    /// Reads a sparse file's map, once all its lines are there.
    fn map(
        &mut self,
        mut entry: Box<Entry>,
        stored: u64,
        whole: u64,
    ) -> Result<Option<Event<'static>>, Invalid> {
        let wrong = || foreign("the map of a sparse file is wrong");
        let length = self.gathered.len() as u64;
        if length > stored || self.gathered.len() > LONGEST_MAP {
            return Err(wrong());
        }
        let mut lines = self.gathered.split(|byte| *byte == b'\n');
        let mut line = || decimal(lines.next().ok_or_else(wrong)?);
        let count = if whole == 0 { u64::MAX } else { line()? };
        if count.saturating_mul(2).saturating_add(1) > whole {
            self.stage = Stage::Map(entry, stored, whole);
            return Ok(None);
        }
        let (mut pieces, mut end, mut sum) = (Vec::new(), 0_u64, 0_u64);
        for _ in 0..count {
            let piece = Piece { at: line()?, bytes: line()? };
            if piece.at < end {
                return Err(wrong());
            }
            end = piece.at.checked_add(piece.bytes).ok_or_else(wrong)?;
            sum += piece.bytes;
            if piece.bytes > 0 {
                pieces.push(piece);
            }
        }
        if end > entry.kind.bytes() || sum != stored - length {
            return Err(wrong());
        }
        entry.kind = Kind::Sparse { bytes: entry.kind.bytes(), pieces };
        self.stage = Stage::Data(sum, behind(sum));
        Ok(Some(Event::Entry(*entry)))
    }
}

fn take<'a>(input: &mut &'a [u8], most: u64) -> &'a [u8] {
    let length = input.len().min(usize::try_from(most).unwrap_or(usize::MAX));
    let (taken, rest) = input.split_at(length);
    *input = rest;
    taken
}

/// How many zeros are behind so many bytes.
fn behind(bytes: u64) -> u64 {
    super::padding(bytes).len() as u64
}

/// A name for a message.
fn shown(name: &[u8]) -> String {
    format!("`{}`", name.escape_ascii())
}

fn attributes(said: BTreeMap<Vec<u8>, Vec<u8>>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let own = |(key, value): (Vec<u8>, Vec<u8>)| {
        let name = key.strip_prefix(ATTRIBUTE)?;
        Some((unescaped(name), value))
    };
    said.into_iter().filter_map(own).collect()
}
