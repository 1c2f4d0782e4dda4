//! SQLite's part of a helper: finds database files, copies them while they are in use, and puts copies
//! back, with the SQLite that is built in. How the answers read is known to `engine::sqlite`.
//!
//! It works as root and leaves whose files are whose: what SQLite makes beside a database, root gives to
//! the database's owner.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, lchown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, ErrorCode, OpenFlags};
use rustix::fs::OFlags;

use super::scratch::Scratch;
use super::{AsideError, volumes};
use crate::engine::sqlite::answers::{self, FOUND, NAMED, OTHER};
use crate::engine::sqlite::{file, glob};

/// How long a lock of the application's is waited for.
const PATIENCE: Duration = Duration::from_mins(1);
/// What SQLite keeps beside a database.
const BESIDE: [&str; 3] = ["-journal", "-wal", "-shm"];
/// All that a database holds, as SQLite says it.
const OBJECTS: &str = "SELECT count(*) FROM sqlite_master";

/// What went wrong with a database.
#[derive(Debug, thiserror::Error)]
pub enum SqliteError {
    #[error("cannot {act} `{path}`: {why}")]
    Call { act: &'static str, path: String, why: String },
    #[error("`{0}` is damaged: {1}")]
    Damaged(String, String),
    #[error("no place for a copy of {bytes} bytes in {places}")]
    NoPlace { bytes: u64, places: String },
    #[error("`{0}` is not empty any more")]
    NotEmpty(String),
    #[error("there is no file `{0}`")]
    NoFile(String),
    #[error("there is no folder `{0}`: make it first")]
    NoFolder(String),
    #[error("`{0}` of an earlier database is still there: move it away first")]
    Leftover(String),
    #[error("the names of the tables cannot be read")]
    Names,
}

impl SqliteError {
    fn call(act: &'static str, path: &Path) -> impl FnOnce(rusqlite::Error) -> Self {
        let path = path.display().to_string();
        // Its source would say the same again.
        move |error| Self::Call { act, path, why: error.to_string() }
    }
}

fn failed(act: &'static str, path: &Path) -> impl FnOnce(io::Error) -> AsideError {
    let path = path.display().to_string();
    move |source| AsideError::File { act, path, source }
}

/// Takes exactly so many arguments.
fn taken<const N: usize>(arguments: &[String]) -> Result<[&str; N], AsideError> {
    let taken: Vec<&str> = arguments.iter().map(String::as_str).collect();
    taken.try_into().map_err(|_| AsideError::Arguments)
}

/// Says which files the paths mean, and that there is SQLite.
pub(super) fn probe(
    paths: &[String],
    _input: &mut dyn Read,
    output: &mut dyn Write,
) -> Result<(), AsideError> {
    let own = format!("{} in Ringbolt {}\n0\0", rusqlite::version(), env!("CARGO_PKG_VERSION"));
    output.write_all(own.as_bytes()).map_err(AsideError::Pipe)?;
    for path in paths {
        if Path::new(path).exists() {
            tell(output, NAMED, Path::new(path))?;
            continue;
        }
        let named = if glob::is_pattern(path) { expand(path) } else { Vec::new() };
        for found in named {
            // In an empty file there is nothing yet.
            if !found.metadata().is_ok_and(|about| about.is_file() && about.len() > 0) {
                continue;
            }
            let name = found.to_string_lossy();
            if begins_like_one(&found) {
                tell(output, FOUND, &found)?;
            } else if !BESIDE.iter().any(|ending| name.ends_with(ending)) {
                tell(output, OTHER, &found)?;
            }
        }
    }
    Ok(())
}

fn tell(output: &mut dyn Write, kind: &str, path: &Path) -> Result<(), AsideError> {
    let about = path.metadata().map_err(failed("look at", path))?;
    let (uid, gid, mode) = (about.uid(), about.gid(), about.mode() & 0o7777);
    let line = format!("{kind}\0{} {uid}:{gid} {mode:o}\0", about.len());
    let parts = [line.as_bytes(), path.as_os_str().as_bytes(), b"\0"];
    parts.iter().try_for_each(|part| output.write_all(part)).map_err(AsideError::Pipe)
}

fn begins_like_one(path: &Path) -> bool {
    let mut begin = [0; file::MAGIC.len()];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut begin));
    read.is_ok() && begin == *file::MAGIC
}

/// What a shell makes of a pattern.
fn expand(pattern: &str) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::from("/")];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        let next = found.iter().flat_map(|folder| {
            if !glob::is_pattern(part) {
                return vec![folder.join(part)];
            }
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            let names = entries.map(|entry| entry.file_name());
            let names = names.filter(|name| glob::matches_name(part, &name.to_string_lossy()));
            names.map(|name| folder.join(name)).collect()
        });
        found = next.filter(|path| path.exists()).collect();
    }
    found.sort();
    found
}

/// Writes a consistent copy of a database, checked.
pub(super) fn dump(
    arguments: &[String],
    _input: &mut dyn Read,
    output: &mut dyn Write,
) -> Result<(), AsideError> {
    let [path] = taken(arguments)?.map(Path::new);
    if !path.is_file() {
        return Err(SqliteError::NoFile(path.display().to_string()).into());
    }
    copy(path, PATIENCE, output)
}

/// In one step, under one lock: a state of the database while the application goes on. In several steps,
/// each write of the application's would make it begin anew, and perhaps never end.
fn copy(path: &Path, patience: Duration, output: &mut dyn Write) -> Result<(), AsideError> {
    let source = read(path, patience)?;
    let size = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
    let bytes = source.query_row(size, [], |row| row.get::<_, i64>(0));
    let bytes = bytes.map_err(SqliteError::call("read", path))?.unsigned_abs();
    let own = std::env::var_os("TMPDIR").map(PathBuf::from);
    // A helper has room of its own in its root; its image has no other folders.
    let places = ["/tmp", "/var/tmp", "/"].map(PathBuf::from);
    let places = own.into_iter().chain(places).chain(path.parent().map(Path::to_owned));
    let places: Vec<PathBuf> = places.collect();
    let scratch = Scratch::with_room(&places, bytes).ok_or_else(|| {
        let places: Vec<_> = places.iter().map(|place| place.display().to_string()).collect();
        SqliteError::NoPlace { bytes, places: places.join(", ") }
    })?;
    let snapshot = scratch.join("snapshot");
    let mut to = Connection::open(&snapshot).map_err(SqliteError::call("make", &snapshot))?;
    // Nobody needs half a copy, so it is not made durable.
    let quick = to.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF");
    quick.map_err(SqliteError::call("make", &snapshot))?;
    step(&source, &mut to).map_err(SqliteError::call("copy", path))?;
    drop((source, to));
    if let Some(why) = check(&snapshot, path)? {
        // Nobody hears of it if standard error is closed; the copy is none the worse.
        let warning = format!("{}: checked without its indexes: {why}\n", path.display());
        io::stderr().write_all(warning.as_bytes()).ok();
    }
    let mut whole = File::open(&snapshot).map_err(failed("open", &snapshot))?;
    drop(scratch);
    io::copy(&mut whole, output).map_err(AsideError::Pipe)?;
    output.flush().map_err(AsideError::Pipe)
}

/// Opens a database for reading and begins a transaction: from now on it does not change for us.
///
/// Who may not write does not make a checkpoint when leaving. What a killed application left half written
/// is undone by whoever comes next, and for that one must write.
fn read(path: &Path, patience: Duration) -> Result<Connection, SqliteError> {
    let begin = |flags| {
        let connection =
            Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(patience)?;
        connection.execute_batch("BEGIN")?;
        connection.query_row(OBJECTS, [], |_| Ok(()))?;
        Ok(connection)
    };
    match begin(OpenFlags::SQLITE_OPEN_READ_ONLY) {
        Err(rusqlite::Error::SqliteFailure(error, _)) if error.code == ErrorCode::ReadOnly => {
            begin(OpenFlags::SQLITE_OPEN_READ_WRITE)
        }
        begun => begun,
    }
    .map_err(SqliteError::call("read", path))
}

/// Copies a database into another as a whole.
fn step(from: &Connection, to: &mut Connection) -> rusqlite::Result<()> {
    match Backup::new(from, to)?.step(-1)? {
        StepResult::Done => Ok(()),
        // The connection has waited already.
        _ => Err(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY),
            Some("database is locked".to_owned()),
        )),
    }
}

/// Lets SQLite check a copy that nobody else uses. `of`: what it is a copy of. `Some`: why its indexes
/// could not be checked.
fn check(copy: &Path, of: &Path) -> Result<Option<String>, SqliteError> {
    let escaped = copy.as_os_str().as_bytes().iter().map(|byte| match byte {
        b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
            char::from(*byte).to_string()
        }
        other => format!("%{other:02x}"),
    });
    // SQLite makes no files beside one that nobody changes.
    let uri = format!("file:{}?immutable=1", escaped.collect::<String>());
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let opened = Connection::open_with_flags(uri, flags).map_err(SqliteError::call("check", of))?;
    let checked = |how: &str| {
        let mut asked = opened.prepare(how)?;
        let lines = asked.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
        Ok(lines.join("; "))
    };
    let damaged = |said: String| SqliteError::Damaged(of.display().to_string(), said);
    let verdict = |said: rusqlite::Result<String>| match said {
        Ok(said) if said == "ok" => Ok(None),
        Ok(said) => Err(damaged(said)),
        // An application may bring collations and functions of its own, without which no index can be
        // checked, and perhaps nothing else.
        Err(error) => match error.to_string() {
            said if said.contains("no such ") || said.contains("unknown ") => Ok(Some(said)),
            said => Err(damaged(said)),
        },
    };
    let unknown = verdict(checked("PRAGMA integrity_check(20)"))?;
    if unknown.is_some() {
        verdict(checked("PRAGMA quick_check(20)"))?;
    }
    Ok(unknown)
}

/// Says why a path that was not found cannot be dumped.
pub(super) fn absent(
    arguments: &[String],
    _input: &mut dyn Read,
    _output: &mut dyn Write,
) -> Result<(), AsideError> {
    let [path] = taken(arguments)?;
    volumes::check(Path::new(path))?;
    Err(SqliteError::NoFile(path.to_owned()).into())
}

/// Reads a dump into a new file, which gets its name later.
pub(super) fn load(
    arguments: &[String],
    input: &mut dyn Read,
    _output: &mut dyn Write,
) -> Result<(), AsideError> {
    let [staged, name] = taken(arguments)?.map(Path::new);
    volumes::check(name)?;
    receive(staged, name, input)
}

fn receive(staged: &Path, name: &Path, input: &mut dyn Read) -> Result<(), AsideError> {
    let folder = folder_of(name)?;
    // SQLite would take what an earlier database left for this one's latest changes.
    for left in [beside(name, "-wal"), beside(name, "-journal")] {
        if left.metadata().is_ok_and(|about| about.len() > 0) {
            return Err(SqliteError::Leftover(left.display().to_string()).into());
        }
    }
    write(staged, input)?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed("flush", folder))?;
    check(staged, name)?;
    Ok(())
}

/// Writes a new file, which nobody else may read.
fn write(path: &Path, input: &mut dyn Read) -> Result<(), AsideError> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = made.map_err(failed("make", path))?;
    io::copy(input, &mut file).map_err(failed("write", path))?;
    file.sync_all().map_err(failed("flush", path))
}

/// Puts a dump into an empty database, in one transaction: its users may have it open.
pub(super) fn fill(
    arguments: &[String],
    input: &mut dyn Read,
    _output: &mut dyn Write,
) -> Result<(), AsideError> {
    let [name] = taken(arguments)?.map(Path::new);
    volumes::check(name)?;
    replace(name, PATIENCE, input)
}

fn replace(name: &Path, patience: Duration, input: &mut dyn Read) -> Result<(), AsideError> {
    let folder = folder_of(name)?;
    let scratch = Scratch::within(folder).map_err(failed("write into", folder))?;
    let dump = scratch.join("dump");
    write(&dump, input)?;
    check(&dump, name)?;
    let filled = Connection::open(&dump).and_then(|from| {
        let mut to = Connection::open(name)?;
        to.busy_timeout(patience)?;
        // It was empty when the restore began, and somebody may have it open.
        let objects: i64 = to.query_row(OBJECTS, [], |row| row.get(0))?;
        if objects > 0 {
            return Ok(false);
        }
        step(&from, &mut to).map(|()| true)
    });
    if filled.map_err(SqliteError::call("fill", name))? {
        return Ok(());
    }
    Err(SqliteError::NotEmpty(name.display().to_string()).into())
}

/// Gives a restored file its owner, its mode and its name, which nobody has taken meanwhile.
pub(super) fn settle(
    arguments: &[String],
    _input: &mut dyn Read,
    _output: &mut dyn Write,
) -> Result<(), AsideError> {
    let [staged, name, owner, mode] = taken(arguments)?;
    let (staged, name) = (Path::new(staged), Path::new(name));
    for ending in BESIDE {
        remove(&beside(staged, ending))?;
    }
    let owner = owner.split_once(':').and_then(|(u, g)| Some((u.parse().ok()?, g.parse().ok()?)));
    // Others than root own what they make, and can give nothing away.
    if let Some((user, group)) = owner.filter(|_| rustix::process::geteuid().is_root()) {
        lchown(staged, Some(user), Some(group)).map_err(failed("give away", staged))?;
    }
    if let Ok(mode) = u32::from_str_radix(mode, 8) {
        // The workload may write into this folder: nothing that it puts here leads us elsewhere.
        let flags = OFlags::NOFOLLOW.bits().cast_signed();
        let file = OpenOptions::new().read(true).custom_flags(flags).open(staged);
        let set = file.and_then(|file| file.set_permissions(Permissions::from_mode(mode)));
        set.map_err(failed("set the mode of", staged))?;
    }
    // Unlike moving it, this never replaces a file.
    fs::hard_link(staged, name).map_err(failed("make", name))?;
    remove(staged)?;
    let folder = folder_of(name)?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed("flush", folder))
}

/// Removes what a restore that failed left.
pub(super) fn discard(
    arguments: &[String],
    _input: &mut dyn Read,
    _output: &mut dyn Write,
) -> Result<(), AsideError> {
    let [staged] = taken(arguments)?.map(Path::new);
    BESIDE.iter().try_for_each(|ending| remove(&beside(staged, ending)))?;
    remove(staged)
}

/// Counts what is in a database.
pub(super) fn count(
    arguments: &[String],
    _input: &mut dyn Read,
    output: &mut dyn Write,
) -> Result<(), AsideError> {
    let [path] = taken(arguments)?.map(Path::new);
    let found = read(path, PATIENCE)?.query_row(OBJECTS, [], |row| row.get::<_, i64>(0));
    let found = found.map_err(SqliteError::call("read", path))?;
    writeln!(output, "{found}").map_err(AsideError::Pipe)
}

/// Counts the rows of the tables whose names it reads.
pub(super) fn facts(
    arguments: &[String],
    input: &mut dyn Read,
    output: &mut dyn Write,
) -> Result<(), AsideError> {
    let [path] = taken(arguments)?.map(Path::new);
    let database = read(path, PATIENCE)?;
    for line in BufReader::new(input).lines() {
        let line = line.map_err(AsideError::Pipe)?;
        let table = answers::unhex(&line).ok_or(SqliteError::Names)?;
        let counted = database.query_row(&answers::count_rows(&table), [], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))
        });
        let (table, rows) = counted.map_err(SqliteError::call("count the rows of", path))?;
        writeln!(output, "{table}|{rows}").map_err(AsideError::Pipe)?;
    }
    Ok(())
}

fn folder_of(path: &Path) -> Result<&Path, SqliteError> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    match folder.is_dir() {
        true => Ok(folder),
        false => Err(SqliteError::NoFolder(folder.display().to_string())),
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn remove(path: &Path) -> Result<(), AsideError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
