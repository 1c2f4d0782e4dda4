//! Puts a tar back below a path that is not there yet, or an empty folder.
//!
//! The tar's first entry stands for the path itself, whatever it was called. Every other must be below it,
//! in a folder that came before it: those folders are held open, so no link can lead elsewhere. Only
//! tars of our own writer are read, whose order is that of a walk.

use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::{
    AtFlags, Dir, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid, XattrFlags,
};
use rustix::io::Errno;

use super::{AsideError, FilesError, open_parent, shown, way};
use crate::engine::files::Tally;
use crate::engine::tar::{Entry, Event, Kind, Piece, Reader};

const BUFFER: usize = 256 * 1024;

/// Reads a tar from standard input: `PATH`.
pub(in crate::aside) fn load(
    arguments: &[String],
    input: &mut dyn Read,
    _: &mut dyn Write,
) -> Result<(), AsideError> {
    let [path] = arguments else { return Err(AsideError::Arguments) };
    let (parent, name) = open_parent(Path::new(path))?;
    let mut load = Load {
        path: path.clone(),
        parent,
        name: name.as_bytes().to_owned(),
        root: Vec::new(),
        levels: Vec::new(),
        file: None,
    };
    let (mut reader, mut tally, mut said) = (Reader::default(), Tally::default(), None);
    let mut buffer = vec![0; BUFFER];
    loop {
        let length = match input.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(AsideError::Pipe(error)),
        };
        let mut piece = &buffer[..length];
        while let Some(event) = reader.next(&mut piece).map_err(FilesError::from)? {
            match event {
                Event::Data(data) => load.data(data)?,
                Event::Comment(text) => said = Some(text),
                Event::Entry(entry) => {
                    load.close_file()?;
                    tally.add(&entry.kind);
                    load.entry(entry)?;
                }
            }
        }
    }
    reader.finish().and_then(|()| tally.check(said.as_deref())).map_err(FilesError::from)?;
    load.close_file()?;
    load.close_levels(0)?;
    rustix::fs::syncfs(&load.parent).map_err(FilesError::call("write down", path.as_bytes()))?;
    Ok(())
}

struct Load {
    /// Where all of it goes, its folder, and its own name.
    path: String,
    parent: OwnedFd,
    name: Vec<u8>,
    /// The name of the first entry.
    root: Vec<u8>,
    /// The folders from the path itself down to where we are. Each gets its owner, mode and times when
    /// everything is in it.
    levels: Vec<Level>,
    file: Option<Writing>,
}

struct Level {
    folder: OwnedFd,
    entry: Entry,
}

/// The file whose bytes come.
struct Writing {
    file: OwnedFd,
    entry: Entry,
    /// Where the next bytes belong, the next piece last.
    pieces: Vec<Piece>,
}

impl Load {
    fn entry(&mut self, entry: Entry) -> Result<(), FilesError> {
        let outside = || FilesError::Outside(shown(&entry.name));
        if self.root.is_empty() {
            if entry.name.is_empty() {
                return Err(outside());
            }
            self.root.clone_from(&entry.name);
            return self.first(entry);
        }
        let (folder, name) = match memchr::memrchr(b'/', &entry.name) {
            Some(at) => (&entry.name[..at], entry.name[at + 1..].to_vec()),
            None => return Err(outside()),
        };
        if !is_name(&name) {
            return Err(outside());
        }
        // Out of the folders that are done, into the one that it is in.
        let level = self.levels.iter().rposition(|level| level.entry.name == folder);
        let level = level.ok_or_else(outside)?;
        self.close_levels(level + 1)?;
        let to = match &entry.kind {
            Kind::HardLink { to } => Some(self.linked(to)?),
            _ => None,
        };
        let folder = self.levels[level].folder.as_fd();
        let made = make(folder, &name, &entry, to.as_ref())?;
        self.hold(made, entry);
        Ok(())
    }

    /// The path itself.
    fn first(&mut self, entry: Entry) -> Result<(), FilesError> {
        let made = make(self.parent.as_fd(), &self.name, &entry, None);
        let made = match made {
            Err(FilesError::There(_)) if entry.kind == Kind::Folder => {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
                let opened = rustix::fs::openat(&self.parent, &*self.name, flags, Mode::empty());
                let folder = opened.map_err(FilesError::call("open", &entry.name))?;
                if !is_empty(&folder).map_err(FilesError::call("read", &entry.name))? {
                    return Err(FilesError::NotEmpty(self.path.clone()));
                }
                Some(folder)
            }
            made => made?,
        };
        self.hold(made, entry);
        Ok(())
    }

    fn hold(&mut self, made: Option<OwnedFd>, entry: Entry) {
        match (made, &entry.kind) {
            (Some(folder), Kind::Folder) => self.levels.push(Level { folder, entry }),
            (Some(file), Kind::Sparse { pieces, .. }) => {
                let pieces = pieces.iter().rev().copied().collect();
                self.file = Some(Writing { file, entry, pieces });
            }
            (Some(file), _) => {
                let pieces = vec![Piece { at: 0, bytes: entry.kind.bytes() }];
                self.file = Some(Writing { file, entry, pieces });
            }
            (None, _) => {}
        }
    }

    fn data(&mut self, mut data: &[u8]) -> Result<(), FilesError> {
        let Some(writing) = &mut self.file else { return Ok(()) };
        while !data.is_empty() {
            // The reader has compared the sum of the pieces with what comes.
            let Some(piece) = writing.pieces.last_mut() else { return Ok(()) };
            if piece.bytes == 0 {
                writing.pieces.pop();
                continue;
            }
            let most = data.len().min(usize::try_from(piece.bytes).unwrap_or(usize::MAX));
            let wrote = rustix::io::pwrite(&writing.file, &data[..most], piece.at);
            let wrote = wrote.map_err(FilesError::call("write", &writing.entry.name))?;
            data = &data[wrote..];
            piece.at += wrote as u64;
            piece.bytes -= wrote as u64;
        }
        Ok(())
    }

    fn close_file(&mut self) -> Result<(), FilesError> {
        match self.file.take() {
            Some(Writing { file, entry, .. }) => dress(&file, &entry),
            None => Ok(()),
        }
    }

    /// Ends the folders from this one on, the innermost first.
    fn close_levels(&mut self, from: usize) -> Result<(), FilesError> {
        while self.levels.len() > from
            && let Some(Level { folder, entry }) = self.levels.pop()
        {
            dress(&folder, &entry)?;
        }
        Ok(())
    }

    /// Opens the folder of an entry that came before, and gives the entry's own name.
    fn linked(&self, to: &[u8]) -> Result<(OwnedFd, Vec<u8>), FilesError> {
        let lost = || FilesError::Link(shown(to));
        let below = to.strip_prefix(&*self.root).and_then(|rest| rest.strip_prefix(b"/"));
        let mut names: Vec<&[u8]> = below.ok_or_else(lost)?.split(|byte| *byte == b'/').collect();
        if !names.iter().all(|name| is_name(name)) {
            return Err(lost());
        }
        let name = names.pop().ok_or_else(lost)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let first = self.levels.first().ok_or_else(lost)?;
        let mut folder = first.folder.try_clone().map_err(FilesError::call("open", to))?;
        for name in names {
            let next = rustix::fs::openat(&folder, name, flags, Mode::empty());
            folder = next.map_err(FilesError::call("open the folder of", to))?;
        }
        Ok((folder, name.to_owned()))
    }
}

/// Makes an entry, with nothing in it. What is filled later comes back open.
fn make(
    folder: BorrowedFd<'_>,
    name: &[u8],
    entry: &Entry,
    to: Option<&(OwnedFd, Vec<u8>)>,
) -> Result<Option<OwnedFd>, FilesError> {
    let failed = |error: Errno| match error {
        Errno::EXIST => FilesError::There(shown(&entry.name)),
        error => FilesError::call("make", &entry.name)(error),
    };
    let private = Mode::RUSR | Mode::WUSR | Mode::XUSR;
    let node = |kind, major, minor| {
        let device = rustix::fs::makedev(major, minor);
        rustix::fs::mknodat(folder, name, kind, private, device).map_err(failed)
    };
    match &entry.kind {
        Kind::Folder => {
            rustix::fs::mkdirat(folder, name, private).map_err(failed)?;
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let opened = rustix::fs::openat(folder, name, flags, Mode::empty());
            return Ok(Some(opened.map_err(failed)?));
        }
        Kind::File { .. } | Kind::Sparse { .. } => {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            let file = rustix::fs::openat(folder, name, flags, private).map_err(failed)?;
            if let Kind::Sparse { bytes, .. } = &entry.kind {
                rustix::fs::ftruncate(&file, *bytes).map_err(failed)?;
            }
            return Ok(Some(file));
        }
        Kind::HardLink { .. } => {
            // Owner, mode and times are those of the other name.
            let none = || FilesError::Link(shown(&entry.name));
            let (other, other_name) = to.ok_or_else(none)?;
            let flags = AtFlags::empty();
            return match rustix::fs::linkat(other, &**other_name, folder, name, flags) {
                Ok(()) => Ok(None),
                Err(Errno::NOENT) => Err(none()),
                Err(error) => Err(failed(error)),
            };
        }
        Kind::SymbolicLink { to } => {
            rustix::fs::symlinkat(&**to, folder, name).map_err(failed)?;
        }
        Kind::Fifo => node(FileType::Fifo, 0, 0)?,
        Kind::CharacterDevice { major, minor } => node(FileType::CharacterDevice, *major, *minor)?,
        Kind::BlockDevice { major, minor } => node(FileType::BlockDevice, *major, *minor)?,
    }
    // These are never opened: to open a device can do something.
    let failed = |act| FilesError::call::<Errno>(act, &entry.name);
    let link = AtFlags::SYMLINK_NOFOLLOW;
    let (owner, group) = owners(entry);
    rustix::fs::chownat(folder, name, owner, group, link).map_err(failed("give away"))?;
    if !matches!(entry.kind, Kind::SymbolicLink { .. }) {
        let mode = Mode::from_raw_mode(entry.mode);
        let set = rustix::fs::chmodat(folder, name, mode, AtFlags::empty());
        set.map_err(failed("set the mode of"))?;
    }
    let way = way(folder, name);
    for (name, value) in &entry.attributes {
        let set = rustix::fs::lsetxattr(way.as_slice(), &**name, value, XattrFlags::empty());
        set.map_err(failed("set an attribute of"))?;
    }
    let set = rustix::fs::utimensat(folder, name, &times(entry), link);
    set.map_err(failed("set the time of"))?;
    Ok(None)
}

/// Gives an open file or folder its owner, mode, attributes and time, in the order in which none undoes
/// another: a new owner takes capabilities and set-user-id away, and every change sets the time.
fn dress(file: &OwnedFd, entry: &Entry) -> Result<(), FilesError> {
    let failed = |act| FilesError::call::<Errno>(act, &entry.name);
    let (owner, group) = owners(entry);
    rustix::fs::fchown(file, owner, group).map_err(failed("give away"))?;
    rustix::fs::fchmod(file, Mode::from_raw_mode(entry.mode)).map_err(failed("set the mode of"))?;
    for (name, value) in &entry.attributes {
        rustix::fs::fsetxattr(file, &**name, value, XattrFlags::empty())
            .map_err(failed("set an attribute of"))?;
    }
    rustix::fs::futimens(file, &times(entry)).map_err(failed("set the time of"))
}

fn owners(entry: &Entry) -> (Option<Uid>, Option<Gid>) {
    (Some(Uid::from_raw(entry.uid)), Some(Gid::from_raw(entry.gid)))
}

fn times(entry: &Entry) -> Timestamps {
    let time =
        Timespec { tv_sec: entry.modified.seconds, tv_nsec: i64::from(entry.modified.nanoseconds) };
    Timestamps { last_access: time, last_modification: time }
}

fn is_empty(folder: &OwnedFd) -> Result<bool, Errno> {
    for entry in Dir::read_from(folder)? {
        if ![&b"."[..], b".."].contains(&entry?.file_name().to_bytes()) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name != b"." && name != b".." && !name.contains(&b'/')
}
