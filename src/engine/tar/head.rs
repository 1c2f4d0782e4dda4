//! How an entry's head is written: a PAX header for what the fixed fields have no room for, the block of
//! fixed fields, and the map of a sparse file.
//!
//! The bytes of files are not its business, but for the zeros behind them.

use super::field::{checksum, escaped, octal, record, text};
use super::{ATTRIBUTE, BLOCK, Entry, Kind, Piece};

/// What a field of seven octal digits has room for.
const LARGEST_ID: u32 = 0o777_7777;
/// What a field of eleven octal digits has room for.
const LARGEST_SIZE: u64 = 0o777_7777_7777;
/// The longest name that is written into the fixed field.
const LONGEST_NAME: usize = 100;

impl Entry {
    /// Everything in front of the file's bytes.
    pub fn head(&self) -> Vec<u8> {
        let map = match &self.kind {
            Kind::Sparse { bytes, pieces } => map(*bytes, pieces),
            _ => Vec::new(),
        };
        let stored = map.len() as u64 + stored(&self.kind);
        let records = self.records(stored);
        let mut head = Vec::new();
        if !records.is_empty() {
            head.extend(extended(b'x', &self.extended_name(), &records));
        }
        head.extend(self.fields(stored));
        head.extend(map);
        head
    }

    /// What the fixed fields cannot say.
    fn records(&self, stored: u64) -> Vec<u8> {
        let mut records = Vec::new();
        let mut add = |key: &[u8], value: &[u8]| records.extend(record(key, value));
        if let Kind::Sparse { bytes, .. } = &self.kind {
            add(b"GNU.sparse.major", b"1");
            add(b"GNU.sparse.minor", b"0");
            add(b"GNU.sparse.name", &self.name);
            add(b"GNU.sparse.realsize", bytes.to_string().as_bytes());
        } else if self.written_name().len() > LONGEST_NAME {
            add(b"path", &self.written_name());
        }
        if let Kind::HardLink { to } | Kind::SymbolicLink { to } = &self.kind
            && to.len() > LONGEST_NAME
        {
            add(b"linkpath", to);
        }
        if stored > LARGEST_SIZE {
            add(b"size", stored.to_string().as_bytes());
        }
        for (key, id) in [(b"uid", self.uid), (b"gid", self.gid)] {
            if id > LARGEST_ID {
                add(key, id.to_string().as_bytes());
            }
        }
        let modified = self.modified;
        if modified.nanoseconds != 0 || !fits(modified.seconds) {
            add(b"mtime", modified.to_string().as_bytes());
        }
        for (name, value) in &self.attributes {
            add(&[ATTRIBUTE, &escaped(name)].concat(), value);
        }
        records
    }

    fn fields(&self, stored: u64) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        let name = match &self.kind {
            // Who does not know sparse files finds this one condensed, under a name that says so.
            Kind::Sparse { .. } => {
                let (folder, base) = split(&self.name);
                [folder, b"GNUSparseFile.0/", base].concat()
            }
            _ => self.written_name(),
        };
        text(&mut block[0..100], &name);
        octal(&mut block[100..108], u64::from(self.mode & 0o7777));
        octal(
            &mut block[108..116],
            u64::from(Some(self.uid).filter(|id| *id <= LARGEST_ID).unwrap_or(0)),
        );
        octal(
            &mut block[116..124],
            u64::from(Some(self.gid).filter(|id| *id <= LARGEST_ID).unwrap_or(0)),
        );
        octal(&mut block[124..136], Some(stored).filter(|size| *size <= LARGEST_SIZE).unwrap_or(0));
        let seconds = Some(self.modified.seconds).filter(|seconds| fits(*seconds)).unwrap_or(0);
        octal(&mut block[136..148], seconds.unsigned_abs());
        block[156] = match &self.kind {
            Kind::File { .. } | Kind::Sparse { .. } => b'0',
            Kind::HardLink { .. } => b'1',
            Kind::SymbolicLink { .. } => b'2',
            Kind::CharacterDevice { .. } => b'3',
            Kind::BlockDevice { .. } => b'4',
            Kind::Folder => b'5',
            Kind::Fifo => b'6',
        };
        match &self.kind {
            Kind::HardLink { to } | Kind::SymbolicLink { to } => text(&mut block[157..257], to),
            Kind::CharacterDevice { major, minor } | Kind::BlockDevice { major, minor } => {
                octal(&mut block[329..337], u64::from(*major));
                octal(&mut block[337..345], u64::from(*minor));
            }
            _ => {}
        }
        sign(&mut block);
        block
    }

    fn written_name(&self) -> Vec<u8> {
        let slash: &[u8] = if self.kind == Kind::Folder { b"/" } else { b"" };
        [&self.name, slash].concat()
    }

    /// The name of the PAX header itself, which only those see who do not know PAX.
    fn extended_name(&self) -> Vec<u8> {
        let (_, base) = split(&self.name);
        [b"PaxHeaders/", base].concat()
    }
}

/// A remark that stock tools pass over in silence: the `comment` of a global PAX header.
pub fn comment(text: &str) -> Vec<u8> {
    extended(b'g', b"GlobalHead/comment", &record(b"comment", text.as_bytes()))
}

/// The zeros behind so many bytes of a file.
pub fn padding(bytes: u64) -> &'static [u8] {
    static ZEROS: [u8; BLOCK] = [0; BLOCK];
    let over = usize::try_from(bytes % BLOCK as u64).unwrap_or_default();
    &ZEROS[..(BLOCK - over) % BLOCK]
}

/// How many bytes of a file follow its head.
fn stored(kind: &Kind) -> u64 {
    match kind {
        Kind::File { bytes } => *bytes,
        Kind::Sparse { pieces, .. } => pieces.iter().map(|piece| piece.bytes).sum(),
        _ => 0,
    }
}

/// The map in front of a sparse file's pieces. GNU tar makes a hole at the end only if an empty piece
/// says where it ends.
fn map(bytes: u64, pieces: &[Piece]) -> Vec<u8> {
    let end = pieces.last().map_or(0, |last| last.at + last.bytes);
    let closing = (end != bytes).then_some(Piece { at: bytes, bytes: 0 });
    let all = pieces.iter().chain(&closing);
    let mut text = format!("{}\n", all.clone().count());
    all.for_each(|piece| text.push_str(&format!("{}\n{}\n", piece.at, piece.bytes)));
    let mut map = text.into_bytes();
    map.extend(padding(map.len() as u64));
    map
}

/// A PAX header of its own: `x` for the next entry, `g` for all.
fn extended(flag: u8, name: &[u8], records: &[u8]) -> Vec<u8> {
    let mut block = [0; BLOCK];
    text(&mut block[0..100], name);
    octal(&mut block[100..108], 0o644);
    octal(&mut block[108..116], 0);
    octal(&mut block[116..124], 0);
    octal(&mut block[124..136], records.len() as u64);
    octal(&mut block[136..148], 0);
    block[156] = flag;
    sign(&mut block);
    [&block, records, padding(records.len() as u64)].concat()
}

/// Says that this is POSIX's format, and adds the sum that comes last.
fn sign(block: &mut [u8; BLOCK]) {
    block[257..265].copy_from_slice(b"ustar\x0000");
    let sum = checksum(block);
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

fn fits(seconds: i64) -> bool {
    u64::try_from(seconds).is_ok_and(|seconds| seconds <= LARGEST_SIZE)
}

/// A name's folder, with its slash, and the rest.
fn split(name: &[u8]) -> (&[u8], &[u8]) {
    name.split_at(memchr::memrchr(b'/', name).map_or(0, |at| at + 1))
}
