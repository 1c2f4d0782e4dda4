//! The tar format, POSIX's with PAX headers: what an entry is, how it is written (`head.rs`, `field.rs`), and how a
//! stream of them is read and judged (`reader.rs`).
//!
//! It knows neither files nor databases. Validators and the restoring helper read by the same code, so
//! what was judged is what is restored. A library would bring a second reading: the `tar` crate pulls
//! its input, which a validator is handed piece by piece, does not read sparse files as GNU writes
//! them, and its reading differed from others' three times in 2026 (RUSTSEC-2026-0067, -0068,
//! GHSA-3pv8-6f4r-ffg2).
//! <https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html>,
//! <https://www.gnu.org/software/tar/manual/html_section/Sparse-Formats.html>

mod field;
mod head;
mod reader;

pub use head::{comment, padding};
pub use reader::{Event, Reader};

/// Everything in a tar comes in blocks of this size.
pub const BLOCK: usize = 512;

/// The end of a tar: two blocks of zeros.
pub const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// What a PAX key begins with that holds an extended attribute.
const ATTRIBUTE: &[u8] = b"SCHILY.xattr.";

/// One entry. Names are bytes, as the kernel has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Without a `/` at its end, also for a folder.
    pub name: Vec<u8>,
    pub kind: Kind,
    /// Permissions with set-user-id, set-group-id and sticky.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub modified: Modified,
    /// Extended attributes, by name. POSIX ACLs and capabilities are among them.
    pub attributes: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Seconds since 1970, which may be before it, and the nanoseconds behind them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Modified {
    pub seconds: i64,
    pub nanoseconds: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Its bytes follow.
    File {
        bytes: u64,
    },
    /// Its pieces follow, one behind the other; between them are holes.
    Sparse {
        bytes: u64,
        pieces: Vec<Piece>,
    },
    Folder,
    /// Another name of an entry before it.
    HardLink {
        to: Vec<u8>,
    },
    SymbolicLink {
        to: Vec<u8>,
    },
    Fifo,
    CharacterDevice {
        major: u32,
        minor: u32,
    },
    BlockDevice {
        major: u32,
        minor: u32,
    },
}

/// A stretch of a sparse file that is no hole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    pub at: u64,
    pub bytes: u64,
}

impl Kind {
    /// How long the file is, holes included.
    pub fn bytes(&self) -> u64 {
        match self {
            Self::File { bytes } | Self::Sparse { bytes, .. } => *bytes,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Invalid;

    fn entry(name: &str, kind: Kind) -> Entry {
        let modified = Modified { seconds: 1_700_000_000, nanoseconds: 123_456_789 };
        let (mode, uid, gid) = (0o4755, 1000, 4_294_967_294);
        Entry { name: name.into(), kind, mode, uid, gid, modified, attributes: Vec::new() }
    }

    /// Everything that is difficult: long names, bytes that are no text, large numbers, old times.
    fn entries() -> Vec<Entry> {
        let long = format!("data/{}", "a long name/".repeat(30));
        let pieces = vec![Piece { at: 4096, bytes: 1000 }, Piece { at: 1 << 40, bytes: 3 }];
        let attributes = vec![
            (b"security.capability".to_vec(), b"\x01\0\0\n=\xff".to_vec()),
            (b"user.a=b%c".to_vec(), Vec::new()),
        ];
        let old = Modified { seconds: -2, nanoseconds: 750_000_000 };
        vec![
            entry("data", Kind::Folder),
            Entry { attributes, ..entry("data/a", Kind::File { bytes: 700 }) },
            Entry { name: b"data/\xff\n".to_vec(), ..entry("", Kind::File { bytes: 0 }) },
            entry(&long, Kind::File { bytes: 512 }),
            entry("data/hard", Kind::HardLink { to: long.clone().into() }),
            entry("data/soft", Kind::SymbolicLink { to: "../x".into() }),
            Entry { modified: old, ..entry("data/fifo", Kind::Fifo) },
            entry("data/tty", Kind::CharacterDevice { major: 5, minor: 1_048_575 }),
            entry("data/disk", Kind::BlockDevice { major: 259, minor: 0 }),
            entry("data/holes", Kind::Sparse { bytes: (1 << 40) + 3, pieces }),
            entry("data/hole", Kind::Sparse { bytes: 1 << 33, pieces: Vec::new() }),
            Entry {
                modified: Modified::default(),
                uid: 0,
                gid: 0,
                ..entry("data/z", Kind::Folder)
            },
        ]
    }

    fn written(entries: &[Entry]) -> Vec<u8> {
        let mut tar = Vec::new();
        for entry in entries {
            let bytes = match &entry.kind {
                Kind::Sparse { pieces, .. } => pieces.iter().map(|piece| piece.bytes).sum(),
                kind => kind.bytes(),
            };
            tar.extend(entry.head());
            tar.extend(vec![b'x'; usize::try_from(bytes).unwrap()]);
            tar.extend(padding(bytes));
        }
        tar.extend(comment("ringbolt: 12 entries"));
        tar.extend(END);
        tar
    }

    fn read(tar: &[u8], step: usize) -> Result<(Vec<Entry>, usize, Vec<String>), Invalid> {
        let mut reader = Reader::default();
        let (mut entries, mut bytes, mut comments) = (Vec::new(), 0, Vec::new());
        for mut piece in tar.chunks(step) {
            while let Some(event) = reader.next(&mut piece)? {
                match event {
                    Event::Entry(entry) => entries.push(entry),
                    Event::Data(data) => bytes += data.len(),
                    Event::Comment(text) => comments.push(text),
                }
            }
        }
        reader.finish()?;
        Ok((entries, bytes, comments))
    }

    #[test]
    fn what_is_written_is_read_in_pieces_of_any_size() {
        let tar = written(&entries());
        for step in [1, 7, 511, 512, 513, 4096, tar.len()] {
            let (found, bytes, comments) = read(&tar, step).unwrap();
            assert_eq!(found, entries(), "in steps of {step}");
            assert_eq!((bytes, comments), (2215, vec!["ringbolt: 12 entries".to_owned()]));
        }
    }

    #[test]
    fn no_beginning_is_whole_and_nothing_may_follow() {
        let tar = written(&entries());
        for end in 0..tar.len() {
            assert!(read(&tar[..end], 4096).is_err(), "cut at {end} of {}", tar.len());
        }
        for tail in [&b"\n"[..], b"\0", &[0; BLOCK], &END] {
            assert!(read(&[&tar, tail].concat(), 4096).is_err(), "{} behind", tail.len());
        }
        assert_eq!(read(b"", 1), Err(Invalid::Empty));
    }

    #[test]
    fn what_other_tools_may_read_otherwise_is_refused() {
        let file = entry("data/a", Kind::File { bytes: 1000 }).head();
        let plain = Entry { modified: Modified::default(), gid: 0, ..entry("a", Kind::Folder) };
        let with = |record: &[u8]| {
            let plain = plain.head();
            let mut extended = comment("")[..BLOCK].to_vec();
            extended[124..136].copy_from_slice(format!("{:011o}\0", record.len()).as_bytes());
            extended[156] = b'x';
            extended[148..156].copy_from_slice(b"        ");
            let sum: u32 = extended.iter().map(|byte| u32::from(*byte)).sum();
            extended[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            [&extended, record, padding(record.len() as u64), &plain, &END].concat()
        };
        assert!(read(&with(b"9 path=b\n"), 512).is_ok());
        for (what, tar) in [
            ("a wrong sum", {
                let mut tar = written(&entries());
                tar[3] ^= 1;
                tar
            }),
            ("zeros between", [&plain.head()[..], &[0; BLOCK], &file].concat()),
            ("a size for a folder", with(b"12 size=512\n")),
            ("a key twice", with(b"9 path=b\n9 path=c\n")),
            ("a length too long", with(b"11 path=b\n")),
            ("a length too short", with(b"8 path=b\n")),
            ("no length", with(b"x path=b\n")),
            ("no key", with(b"7 path\n")),
            ("a size that is none", with(b"11 size=-1\n")),
            ("an older sparse file", with(b"22 GNU.sparse.major=0\n22 GNU.sparse.minor=1\n")),
        ] {
            assert!(matches!(read(&tar, 512), Err(Invalid::Foreign(_))), "{what}");
        }
    }

    #[test]
    fn hostile_bytes_are_no_panic() {
        let tar = written(&entries());
        let heads: Vec<usize> = (0..tar.len()).filter(|at| at % 17 == 0).collect();
        for at in heads {
            for value in [0, b'7', b'\n', 0x80, 0xff] {
                let mut hostile = tar.clone();
                hostile[at] = value;
                drop(read(&hostile, 1 << 20));
            }
        }
    }
}
