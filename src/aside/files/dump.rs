//! Writes everything below a path as one tar. What it leaves out or could not read in peace, it says.

use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use glob::{MatchOptions, Pattern};
use rustix::fs::{FileType, OFlags, Stat};
use rustix::io::Errno;

use super::walk::{Found, Names, Visitor, open_quietly, walk};
use super::{AsideError, FilesError, holes, shown, way};
use crate::engine::files::Tally;
use crate::engine::tar::{END, Entry, Kind, Modified, Piece, comment, padding};

/// Longer than any attribute, of which the kernel allows 64 KiB.
const BUFFER: usize = 256 * 1024;
/// How many files are named that could not be read in peace; of more, their number is said.
const NAMED: usize = 10;
/// Attributes that belong to the host and not to the file.
const HOST_S: [&[u8]; 2] = [b"security.selinux", b"trusted.overlay."];

const MATCHING: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

type Attributes = Vec<(Vec<u8>, Vec<u8>)>;

/// Writes the tar: `[--exclude PATTERN]… -- PATH`.
pub(in crate::aside) fn dump(
    arguments: &[String],
    _: &mut dyn Read,
    output: &mut dyn Write,
) -> Result<(), AsideError> {
    let (mut exclude, mut rest) = (Vec::new(), arguments);
    while let [option, pattern, behind @ ..] = rest
        && option == "--exclude"
    {
        let wrong =
            |why: &str| FilesError::Pattern { pattern: pattern.clone(), why: why.to_owned() };
        let below = pattern.trim_end_matches('/');
        if below.is_empty() || below.starts_with('/') || below.starts_with("./") {
            return Err(wrong("it is of no path below `path`").into());
        }
        exclude.push(Pattern::new(below).map_err(|error| wrong(error.msg))?);
        rest = behind;
    }
    let [dashes, path] = rest else { return Err(AsideError::Arguments) };
    if dashes != "--" {
        return Err(AsideError::Arguments);
    }
    let mut remarks = Remarks::default();
    let written = write(Path::new(path), exclude, output, &mut remarks);
    for line in remarks.lines() {
        // Where nobody listens, nobody reads the tar either.
        writeln!(std::io::stderr(), "{line}").ok();
    }
    Ok(written?)
}

/// Writes the tar, also what there is to remark of one that fails.
pub(super) fn write(
    path: &Path,
    exclude: Vec<Pattern>,
    output: &mut dyn Write,
    remarks: &mut Remarks,
) -> Result<(), FilesError> {
    let mut dump = Dump {
        output,
        exclude,
        tally: Tally::default(),
        names: Names::default(),
        remarks,
        buffer: vec![0; BUFFER],
    };
    walk(path, &mut dump)?;
    dump.write(&comment(&dump.tally.remark()))?;
    dump.write(&END)?;
    dump.output.flush().map_err(FilesError::call("pass on", path.as_os_str().as_bytes()))
}

struct Dump<'a> {
    output: &'a mut dyn Write,
    exclude: Vec<Pattern>,
    tally: Tally,
    names: Names,
    remarks: &'a mut Remarks,
    buffer: Vec<u8>,
}

impl Visitor for Dump<'_> {
    fn visit(&mut self, found: &Found<'_>) -> Result<bool, FilesError> {
        let below = String::from_utf8_lossy(found.below);
        // The path itself is what somebody wants: no pattern takes it away.
        let excluded = |pattern: &Pattern| pattern.matches_with(&below, MATCHING);
        if !below.is_empty() && self.exclude.iter().any(excluded) {
            return Ok(false);
        }
        match found.kind(&mut self.names)? {
            None => self.remarks.sockets += 1,
            Some(Kind::File { .. }) => self.file(found)?,
            Some(kind) => {
                let attributes = attributes(found, &mut self.buffer)?;
                self.begin(&entry(found.path, &found.stat, kind, attributes))?;
            }
        }
        Ok(true)
    }

    fn vanished(&mut self, path: &[u8]) {
        self.remarks.restless(path, "vanished before it was read, and is not in the archive");
    }
}

impl Dump<'_> {
    fn begin(&mut self, entry: &Entry) -> Result<(), FilesError> {
        self.tally.add(&entry.kind);
        self.write(&entry.head())
    }

    /// Writes a file with its bytes: as many as it had at the beginning, whatever happens to it.
    fn file(&mut self, found: &Found<'_>) -> Result<(), FilesError> {
        let failed = |act| FilesError::call::<Errno>(act, found.path);
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match open_quietly(found, flags) {
            Err(Errno::NOENT | Errno::LOOP | Errno::NXIO) => {
                self.names.forget(&found.stat);
                self.vanished(found.path);
                return Ok(());
            }
            opened => opened.map_err(failed("open"))?,
        };
        let stat = rustix::fs::fstat(&file).map_err(failed("look at"))?;
        // Another file took its place: what else bears the old one's name is no link to this.
        if (stat.st_dev, stat.st_ino) != (found.stat.st_dev, found.stat.st_ino) {
            self.names.forget(&found.stat);
        }
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            self.vanished(found.path);
            return Ok(());
        }
        let kind = holes::kind(file.as_fd(), &stat).map_err(failed("read"))?;
        let whole = [Piece { at: 0, bytes: kind.bytes() }];
        let pieces = match &kind {
            Kind::Sparse { pieces, .. } => pieces.clone(),
            _ => whole.to_vec(),
        };
        let attributes = attributes(found, &mut self.buffer)?;
        self.begin(&entry(found.path, &stat, kind, attributes))?;
        let mut shrank = false;
        for piece in &pieces {
            shrank |= self.piece(&file, *piece, found.path)?;
        }
        self.write(padding(pieces.iter().map(|piece| piece.bytes).sum()))?;
        let after = rustix::fs::fstat(&file).map_err(failed("look at"))?;
        let state = |stat: &Stat| (stat.st_size, stat.st_mtime, stat.st_mtime_nsec);
        if shrank {
            let remark = "shrank while it was read, and ends in zeros in the archive";
            self.remarks.restless(found.path, remark);
        } else if state(&stat) != state(&after) {
            self.remarks.restless(found.path, "changed while it was read");
        }
        Ok(())
    }

    /// Whether the file ended too early. What is missing is zeros.
    fn piece(&mut self, file: &OwnedFd, piece: Piece, path: &[u8]) -> Result<bool, FilesError> {
        let (mut at, end) = (piece.at, piece.at + piece.bytes);
        let mut shrank = false;
        while at < end {
            let most = BUFFER.min(usize::try_from(end - at).unwrap_or(BUFFER));
            let read = if shrank {
                0
            } else {
                let read = rustix::io::pread(file, &mut self.buffer[..most], at);
                read.map_err(FilesError::call("read", path))?
            };
            let length = if read == 0 { most } else { read };
            if read == 0 {
                shrank = true;
                self.buffer[..most].fill(0);
            }
            let wrote = self.output.write_all(&self.buffer[..length]);
            wrote.map_err(FilesError::call("pass on", path))?;
            at += length as u64;
        }
        Ok(shrank)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), FilesError> {
        self.output.write_all(bytes).map_err(FilesError::call("pass on", b"the tar"))
    }
}

/// What a person must know of a tar.
#[derive(Debug, Default)]
pub(super) struct Remarks {
    sockets: u64,
    restless: Vec<String>,
    more: u64,
}

impl Remarks {
    fn restless(&mut self, path: &[u8], what: &str) {
        match self.restless.len() < NAMED {
            true => self.restless.push(format!("`{}` {what}", shown(path))),
            false => self.more += 1,
        }
    }

    /// For standard error, which becomes the archive's warnings.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = self.restless.clone();
        if self.more > 0 {
            lines.push(format!("{} more changed or vanished while they were read", self.more));
        }
        match self.sockets {
            0 => {}
            1 => lines.push("a socket is not in the archive".to_owned()),
            number => lines.push(format!("{number} sockets are not in the archive")),
        }
        lines
    }
}

fn entry(path: &[u8], stat: &Stat, kind: Kind, attributes: Attributes) -> Entry {
    let modified = Modified {
        seconds: stat.st_mtime,
        nanoseconds: u32::try_from(stat.st_mtime_nsec).unwrap_or_default(),
    };
    let (mode, uid, gid) = (stat.st_mode & 0o7777, stat.st_uid, stat.st_gid);
    Entry { name: path.to_owned(), kind, mode, uid, gid, modified, attributes }
}

/// Its extended attributes, by name. Links and devices can have some, too.
fn attributes(found: &Found<'_>, buffer: &mut [u8]) -> Result<Attributes, FilesError> {
    let failed = || FilesError::call::<Errno>("read the attributes of", found.path);
    let way = way(found.folder, found.name);
    let length = match rustix::fs::llistxattr(way.as_slice(), &mut *buffer) {
        Ok(0) | Err(Errno::OPNOTSUPP | Errno::NOENT) => return Ok(Vec::new()),
        listed => listed.map_err(failed())?,
    };
    let names = buffer[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty());
    let own = |name: &&[u8]| !HOST_S.iter().any(|host_s| name.starts_with(host_s));
    let mut names: Vec<Vec<u8>> = names.filter(own).map(<[u8]>::to_vec).collect();
    names.sort();
    let mut attributes = Vec::new();
    for name in names {
        match rustix::fs::lgetxattr(way.as_slice(), name.as_slice(), &mut *buffer) {
            Ok(length) => attributes.push((name, buffer[..length].to_vec())),
            // It went away meanwhile.
            Err(Errno::NODATA) => {}
            Err(error) => return Err(failed()(error)),
        }
    }
    Ok(attributes)
}
