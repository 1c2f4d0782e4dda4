//! Walks everything below a path, in the order of names, and says what each thing is in a tar.

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::{FilesError, open_parent, shown};
use crate::engine::tar::Kind;

/// Something that is there.
pub(super) struct Found<'a> {
    /// The open folder in which it is.
    pub(super) folder: BorrowedFd<'a>,
    pub(super) name: &'a [u8],
    /// Its name in a tar: the path without the first `/`.
    pub(super) path: &'a [u8],
    /// Its path below the one that is walked; of that itself, nothing.
    pub(super) below: &'a [u8],
    pub(super) stat: Stat,
}

pub(super) trait Visitor {
    /// Whether to look into it, if it is a folder.
    fn visit(&mut self, found: &Found<'_>) -> Result<bool, FilesError>;

    /// It was there a moment ago.
    fn vanished(&mut self, path: &[u8]);
}

/// First names of what has several, by device and inode.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<(u64, u64), Vec<u8>>);

impl Names {
    /// Forgets a first name that is not in the archive after all.
    pub(super) fn forget(&mut self, stat: &Stat) {
        self.0.remove(&(stat.st_dev, stat.st_ino));
    }
}

/// A folder on the way: what is still to be looked at in it, the last first.
struct Level {
    folder: OwnedFd,
    names: Vec<Vec<u8>>,
    /// The length of its own path.
    path: usize,
}

/// Walks. A path that leads through links, or to one, is walked where it leads.
pub(super) fn walk(path: &Path, visitor: &mut dyn Visitor) -> Result<(), FilesError> {
    let own = path.as_os_str().as_bytes();
    let real = match path.canonicalize() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(FilesError::Missing(shown(own)));
        }
        real => real.map_err(FilesError::call("find", own))?,
    };
    let (folder, name) = open_parent(&real)?;
    // In the tar it has the name that it was asked by.
    let slash = |byte: &u8| *byte == b'/';
    let mut name_in_tar: Vec<u8> = own.iter().copied().skip_while(slash).collect();
    while name_in_tar.last().is_some_and(slash) {
        name_in_tar.pop();
    }
    let root = name_in_tar.len();
    let stat = look(folder.as_fd(), name.as_bytes(), own)?;
    let stat = stat.ok_or_else(|| FilesError::Missing(shown(own)))?;
    let mut levels = Vec::new();
    let mut path = name_in_tar;
    let found =
        Found { folder: folder.as_fd(), name: name.as_bytes(), path: &path, below: &[], stat };
    if visitor.visit(&found)? && is_folder(&stat) {
        levels.extend(open(&found)?);
    }
    while let Some(level) = levels.last_mut() {
        path.truncate(level.path);
        let Some(name) = level.names.pop() else {
            levels.pop();
            continue;
        };
        path.push(b'/');
        path.extend_from_slice(&name);
        let Some(stat) = look(level.folder.as_fd(), &name, &path)? else {
            visitor.vanished(&path);
            continue;
        };
        let below = &path[root + 1..];
        let found = Found { folder: level.folder.as_fd(), name: &name, path: &path, below, stat };
        if visitor.visit(&found)? && is_folder(&stat) {
            match open(&found)? {
                Some(next) => levels.push(next),
                None => visitor.vanished(&path),
            }
        }
    }
    Ok(())
}

impl Found<'_> {
    /// What it is in a tar; `None` for a socket, which is nothing without who listens on it. A second
    /// name of something is a link to the first.
    pub(super) fn kind(&self, names: &mut Names) -> Result<Option<Kind>, FilesError> {
        let stat = &self.stat;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind == FileType::Socket {
            return Ok(None);
        }
        if kind != FileType::Directory && stat.st_nlink > 1 {
            let first = names.0.entry((stat.st_dev, stat.st_ino));
            let first = first.or_insert_with(|| self.path.to_owned());
            if first != self.path {
                return Ok(Some(Kind::HardLink { to: first.clone() }));
            }
        }
        let major = rustix::fs::major(stat.st_rdev);
        let minor = rustix::fs::minor(stat.st_rdev);
        Ok(Some(match kind {
            FileType::Directory => Kind::Folder,
            FileType::Symlink => {
                let to = rustix::fs::readlinkat(self.folder, self.name, Vec::new());
                let to = to.map_err(FilesError::call("read", self.path))?;
                Kind::SymbolicLink { to: to.into_bytes() }
            }
            FileType::Fifo => Kind::Fifo,
            FileType::CharacterDevice => Kind::CharacterDevice { major, minor },
            FileType::BlockDevice => Kind::BlockDevice { major, minor },
            _ => Kind::File { bytes: u64::try_from(stat.st_size).unwrap_or_default() },
        }))
    }
}

pub(super) fn is_folder(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

/// `None`: it is not there any more.
fn look(folder: BorrowedFd<'_>, name: &[u8], path: &[u8]) -> Result<Option<Stat>, FilesError> {
    match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(FilesError::call("look at", path)(error)),
    }
}

/// Opens a folder and reads its names. `None`: it is not there any more.
fn open(found: &Found<'_>) -> Result<Option<Level>, FilesError> {
    let failed = |act| FilesError::call::<Errno>(act, found.path);
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = match open_quietly(found, flags) {
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
        opened => opened.map_err(failed("open"))?,
    };
    let mut names = Vec::new();
    for entry in Dir::read_from(&folder).map_err(failed("read"))? {
        let entry = entry.map_err(failed("read"))?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(name.to_owned());
        }
    }
    names.sort_unstable_by(|a, b| b.cmp(a));
    Ok(Some(Level { folder, names, path: found.path.len() }))
}

/// Opens without changing when it was last read, where that is allowed.
pub(super) fn open_quietly(found: &Found<'_>, flags: OFlags) -> Result<OwnedFd, Errno> {
    let open = |flags| rustix::fs::openat(found.folder, found.name, flags, Mode::empty());
    match open(flags | OFlags::NOATIME) {
        Err(Errno::PERM) => open(flags),
        opened => opened,
    }
}
