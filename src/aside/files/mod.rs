//! The part of files in a helper: looks at paths, writes them as a tar, puts them back. How the answers
//! read is known to `engine::files`.
//!
//! It walks by open folders and never follows a link below the path it was given, so what the
//! workload changes meanwhile leads nowhere else.

mod dump;
mod holes;
mod load;
#[cfg(test)]
mod tests;
mod walk;

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, RenameFlags};

pub(super) use dump::dump;
pub(super) use load::load;

use super::{AsideError, volumes};
use crate::engine::Invalid;
use crate::engine::files::{ProbeAnswer, Tally};

/// What a staged name has in it, whatever the final one is: nothing else is ever discarded.
const STAGED: &[u8] = b"_ringbolt_";

/// What went wrong with files.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    #[error("cannot {act} `{path}`: {source}")]
    Call { act: &'static str, path: String, source: io::Error },
    #[error("the pattern `{pattern}` is none: {why}")]
    Pattern { pattern: String, why: String },
    #[error("there is no `{0}`")]
    Missing(String),
    #[error("`{0}` is there and not empty")]
    NotEmpty(String),
    #[error("`{0}` is there already")]
    There(String),
    #[error("`{0}` was not made by a restore")]
    NotOurs(String),
    #[error("the entry `{0}` would not be below the path that is restored")]
    Outside(String),
    #[error("`{0}` leads to nothing in the archive before it")]
    Link(String),
    #[error(transparent)]
    Invalid(#[from] Invalid),
}

impl FilesError {
    fn call<E: Into<io::Error>>(act: &'static str, path: &[u8]) -> impl FnOnce(E) -> Self {
        let path = shown(path);
        move |source| Self::Call { act, path, source: source.into() }
    }
}

/// Says which paths are there. Every one must be on a volume, there or not.
pub(super) fn probe(
    paths: &[String],
    _: &mut dyn Read,
    output: &mut dyn Write,
) -> Result<(), AsideError> {
    let mut answer =
        ProbeAnswer { ringbolt: env!("CARGO_PKG_VERSION").to_owned(), paths: Vec::new() };
    for path in paths {
        volumes::check(Path::new(path))?;
        if path_is_there(Path::new(path))? {
            answer.paths.push(path.clone());
        }
    }
    tell(output, &answer)
}

/// Counts what is in a folder: 0 if nothing is.
pub(super) fn count(
    arguments: &[String],
    _: &mut dyn Read,
    output: &mut dyn Write,
) -> Result<(), AsideError> {
    let [path] = arguments else { return Err(AsideError::Arguments) };
    let path = Path::new(path);
    let failed = FilesError::call("read", path.as_os_str().as_bytes());
    let count = match fs::read_dir(path) {
        Ok(entries) => entries.count(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        // A file is something by itself.
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => 1,
        Err(error) => return Err(failed(error).into()),
    };
    writeln!(output, "{count}").map_err(AsideError::Pipe)
}

/// Counts by kind what a tar of the path would hold.
pub(super) fn facts(
    arguments: &[String],
    _: &mut dyn Read,
    output: &mut dyn Write,
) -> Result<(), AsideError> {
    let [path] = arguments else { return Err(AsideError::Arguments) };
    let mut counter = Counter::default();
    walk::walk(Path::new(path), &mut counter)?;
    tell(output, &counter.tally)
}

#[derive(Default)]
struct Counter {
    tally: Tally,
    names: walk::Names,
}

impl walk::Visitor for Counter {
    fn visit(&mut self, found: &walk::Found<'_>) -> Result<bool, FilesError> {
        if let Some(kind) = found.kind(&mut self.names)? {
            self.tally.add(&kind);
        }
        Ok(true)
    }

    fn vanished(&mut self, _: &[u8]) {}
}

/// Gives what is restored its final name, if nothing has it.
pub(super) fn settle(
    arguments: &[String],
    _: &mut dyn Read,
    _: &mut dyn Write,
) -> Result<(), AsideError> {
    let [staged, name] = arguments else { return Err(AsideError::Arguments) };
    let there = || FilesError::There(name.clone());
    let only_new = RenameFlags::NOREPLACE;
    let done = match rustix::fs::renameat_with(CWD, staged, CWD, name, only_new) {
        // Not every file system can promise it.
        Err(rustix::io::Errno::INVAL) if !path_is_there(Path::new(name))? => {
            rustix::fs::renameat(CWD, staged, CWD, name)
        }
        Err(rustix::io::Errno::EXIST | rustix::io::Errno::INVAL) => return Err(there().into()),
        done => done,
    };
    done.map_err(FilesError::call("rename", staged.as_bytes()))?;
    let (parent, _) = open_parent(Path::new(name))?;
    rustix::fs::fsync(parent).map_err(FilesError::call("write down", name.as_bytes()))?;
    Ok(())
}

/// Removes what a restore has left half done.
pub(super) fn discard(
    arguments: &[String],
    _: &mut dyn Read,
    _: &mut dyn Write,
) -> Result<(), AsideError> {
    let [path] = arguments else { return Err(AsideError::Arguments) };
    if memchr::memmem::find(path.as_bytes(), STAGED).is_none() {
        return Err(FilesError::NotOurs(path.clone()).into());
    }
    let removed = match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => fs::remove_file(path),
        removed => removed,
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => Ok(removed.map_err(FilesError::call("remove", path.as_bytes()))?),
    }
}

fn tell(output: &mut dyn Write, answer: &impl serde::Serialize) -> Result<(), AsideError> {
    let text = serde_json::to_vec(answer).map_err(io::Error::from).map_err(AsideError::Pipe)?;
    output.write_all(&text).map_err(AsideError::Pipe)
}

fn path_is_there(path: &Path) -> Result<bool, FilesError> {
    let failed = FilesError::call("look at", path.as_os_str().as_bytes());
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(failed(error)),
    }
}

/// Opens the folder in which a path is, and gives the path's own name.
fn open_parent(path: &Path) -> Result<(OwnedFd, OsString), FilesError> {
    let own = path.as_os_str().as_bytes();
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(FilesError::Missing(shown(own)));
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = rustix::fs::openat(CWD, parent, flags, Mode::empty());
    Ok((opened.map_err(FilesError::call("open the folder of", own))?, name.to_owned()))
}

/// A path for a message.
fn shown(path: &[u8]) -> String {
    PathBuf::from(OsString::from_vec(path.to_owned()))
        .display()
        .to_string()
        .escape_debug()
        .to_string()
}

/// The way to an entry of an open folder that calls take which know no folders.
fn way(folder: BorrowedFd<'_>, name: &[u8]) -> Vec<u8> {
    [format!("/proc/self/fd/{}/", folder.as_raw_fd()).as_bytes(), name].concat()
}
