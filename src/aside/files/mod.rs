//! The part of files in a helper: looks at paths, writes them as a tar, puts them back. How the answers
//! read is known to `engine::files`.
//!
//! It walks by open folders and never follows a link below the path it was given, so what the
//! workload changes meanwhile leads nowhere else.

mod dump;
mod holes;
mod load;
mod walk;

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
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
fn way(folder: impl std::os::fd::AsRawFd, name: &[u8]) -> Vec<u8> {
    [format!("/proc/self/fd/{}/", folder.as_raw_fd()).as_bytes(), name].concat()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

    use super::*;
    use crate::engine::tar::{END, Entry, Kind, Modified, comment, padding};

    /// A folder of its own for each test.
    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let folder = format!("ringbolt-files-{}-{name}", std::process::id());
            let folder = std::env::temp_dir().join(folder);
            fs::create_dir(&folder).unwrap();
            Self(folder)
        }

        fn path(&self, name: &str) -> String {
            self.0.join(name).display().to_string()
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).ok();
        }
    }

    fn dumped(arguments: &[&str]) -> Result<Vec<u8>, AsideError> {
        let arguments: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
        let mut tar = Vec::new();
        dump(&arguments, &mut io::empty(), &mut tar)?;
        Ok(tar)
    }

    fn loaded(path: &str, mut tar: &[u8]) -> Result<(), AsideError> {
        load(&[path.to_owned()], &mut tar, &mut io::sink())
    }

    fn asked(
        run: fn(&[String], &mut dyn Read, &mut dyn Write) -> Result<(), AsideError>,
        path: &str,
    ) -> String {
        let mut answer = Vec::new();
        run(&[path.to_owned()], &mut io::empty(), &mut answer).unwrap();
        String::from_utf8(answer).unwrap()
    }

    #[test]
    fn what_is_dumped_is_loaded() {
        let place = Place::new("round");
        let (old, new) = (place.path("old"), place.path("new"));
        fs::create_dir_all(place.0.join("old/sub/deep")).unwrap();
        fs::write(place.0.join("old/a"), "text").unwrap();
        fs::set_permissions(place.0.join("old/a"), fs::Permissions::from_mode(0o640)).unwrap();
        fs::hard_link(place.0.join("old/a"), place.0.join("old/sub/b")).unwrap();
        symlink("/nowhere", place.0.join("old/sub/c")).unwrap();
        let holes = fs::File::create(place.0.join("old/holes")).unwrap();
        holes.set_len(10 << 20).unwrap();
        let tar = dumped(&["--", &old]).unwrap();
        assert!(tar.len() < 1 << 20, "a hole is no content: {}", tar.len());
        loaded(&new, &tar).unwrap();
        assert_eq!(asked(facts, &old), asked(facts, &new));
        assert_eq!(dumped(&["--", &old]).unwrap(), tar, "twice the same");
        let about = |name: &str| fs::symlink_metadata(place.0.join(name)).unwrap();
        for name in ["", "/a", "/sub", "/sub/c", "/sub/deep", "/holes"] {
            let (old, new) = (about(&format!("old{name}")), about(&format!("new{name}")));
            let facts = |about: &fs::Metadata| (about.mode(), about.mtime(), about.mtime_nsec());
            assert_eq!((facts(&old), old.len()), (facts(&new), new.len()), "{name}");
        }
        assert_eq!(about("new/a").ino(), about("new/sub/b").ino());
        assert_eq!(fs::read_link(place.0.join("new/sub/c")).unwrap(), Path::new("/nowhere"));
        assert!(about("new/holes").blocks() < 100, "{}", about("new/holes").blocks());
    }

    #[test]
    fn what_is_excluded_is_left_out() {
        let place = Place::new("exclude");
        for name in ["a.log", "keep", "sub/a.log", "sub/x/a.log", "cache/x", "tmp/x"] {
            let path = place.0.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let path = place.path("");
        let kept = |patterns: &[&str]| {
            let mut arguments = Vec::new();
            patterns.iter().for_each(|pattern| arguments.extend(["--exclude", *pattern]));
            arguments.extend(["--", &path]);
            let tar = dumped(&arguments).unwrap();
            let (mut reader, mut names) = (crate::engine::tar::Reader::default(), Vec::new());
            let mut rest = tar.as_slice();
            while let Some(event) = reader.next(&mut rest).unwrap() {
                if let crate::engine::tar::Event::Entry(entry) = event {
                    let name = String::from_utf8(entry.name).unwrap();
                    let root = path.trim_matches('/').len();
                    names.push(name[root..].trim_start_matches('/').to_owned());
                }
            }
            names.join(" ")
        };
        for (patterns, expected) in [
            (&["*.log", "sub", "tmp"][..], " cache cache/x keep"),
            (&["**/*.log", "cache/**", "tmp/"], " cache keep sub sub/x"),
            (&["?", "sub/*", "[ct]*"], " a.log keep sub"),
        ] {
            assert_eq!(kept(patterns), expected, "{patterns:?}");
        }
        assert!(dumped(&["--exclude", "[", "--", &path]).is_err());
        assert!(dumped(&["--", &place.path("nothing")]).is_err());
    }

    fn entry(name: &str, kind: Kind) -> Entry {
        let own = fs::metadata("/proc/self").unwrap();
        let (name, uid, gid) = (name.as_bytes().to_vec(), own.uid(), own.gid());
        let modified = Modified::default();
        Entry { name, kind, mode: 0o700, uid, gid, modified, attributes: Vec::new() }
    }

    fn tar(entries: &[(&str, Kind)]) -> Vec<u8> {
        let (mut tar, mut tally) = (Vec::new(), Tally::default());
        for (name, kind) in entries {
            tally.add(kind);
            tar.extend(entry(name, kind.clone()).head());
            tar.extend(vec![b'x'; usize::try_from(kind.bytes()).unwrap()]);
            tar.extend(padding(kind.bytes()));
        }
        tar.extend(comment(&tally.remark()));
        tar.extend(END);
        tar
    }

    #[test]
    fn nothing_is_written_outside() {
        let place = Place::new("hostile");
        let file = || Kind::File { bytes: 1 };
        let link = |to: &str| Kind::SymbolicLink { to: to.into() };
        let hard = |to: &str| Kind::HardLink { to: to.into() };
        let outside = place.path("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(place.path("outside/secret"), "").unwrap();
        let cases: [(&str, Vec<(&str, Kind)>); 9] = [
            ("up", vec![("r", Kind::Folder), ("r/../x", file())]),
            ("up at its end", vec![("r", Kind::Folder), ("r/..", Kind::Folder)]),
            ("absolute", vec![("r", Kind::Folder), ("/r/x", file())]),
            ("elsewhere", vec![("r", Kind::Folder), ("s/x", file())]),
            (
                "through a link",
                vec![("r", Kind::Folder), ("r/l", link(&outside)), ("r/l/x", file())],
            ),
            ("over a link", vec![("r", Kind::Folder), ("r/l", link(&outside)), ("r/l", file())]),
            ("linked up", vec![("r", Kind::Folder), ("r/l", hard("r/../outside/secret"))]),
            (
                "linked through a link",
                vec![("r", Kind::Folder), ("r/l", link(&outside)), ("r/m", hard("r/l/secret"))],
            ),
            ("below a file", vec![("r", file()), ("r/x", file())]),
        ];
        for (number, (what, entries)) in cases.into_iter().enumerate() {
            let path = place.path(&format!("{number}"));
            assert!(loaded(&path, &tar(&entries)).is_err(), "{what}");
        }
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
        assert_eq!(fs::metadata(place.path("outside/secret")).unwrap().nlink(), 1);
        let whole = tar(&[("r", Kind::Folder), ("r/x", file())]);
        loaded(&place.path("whole"), &whole).unwrap();
        // Neither over what is there, nor a part of it.
        assert!(loaded(&place.path("whole"), &whole).is_err());
        assert!(loaded(&place.path("cut"), &whole[..whole.len() - 512]).is_err());
        let fewer = [&entry("r", Kind::Folder).head()[..], &comment("ringbolt: 2"), &END].concat();
        assert!(loaded(&place.path("fewer"), &fewer).is_err());
    }

    #[test]
    fn only_what_a_restore_has_staged_is_discarded() {
        let place = Place::new("discard");
        let (staged, other) = (place.path("data_ringbolt_0123abcd"), place.path("data"));
        let done = |path: &str| discard(&[path.to_owned()], &mut io::empty(), &mut io::sink());
        fs::create_dir_all(place.0.join("data_ringbolt_0123abcd/sub")).unwrap();
        fs::create_dir(&other).unwrap();
        done(&staged).unwrap();
        done(&staged).unwrap();
        assert!(
            done(&other).is_err() && Path::new(&other).exists() && !Path::new(&staged).exists()
        );
        fs::write(&staged, "").unwrap();
        let settled = |from: &str, to: &str| {
            settle(&[from.to_owned(), to.to_owned()], &mut io::empty(), &mut io::sink())
        };
        assert!(settled(&staged, &other).is_err());
        settled(&staged, &place.path("new")).unwrap();
        assert_eq!((asked(count, &other), asked(count, &staged)), ("0\n".into(), "0\n".into()));
        assert_eq!(asked(count, &place.path("new")), "1\n");
    }
}
