//! The file: where it is, who may read it, whether it can be used, and what becomes of one that
//! cannot.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags};

use super::schema::{self, Version};
use super::{History, HistoryError, Opened};

/// The history's name in its folder. SQLite puts files of the same name with `-wal` and `-shm` behind
/// it there, and gives them the same mode.
pub const FILE: &str = "history.sqlite";

const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;
/// Every write takes milliseconds, and no process keeps others from writing for longer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many unusable files are left lying. A disk that damages each new one must not be filled, too.
const ASIDES: usize = 3;
const ASIDE: &str = "history.aside-";
/// What SQLite keeps beside a file, and nothing.
const WITH_ITS_OWN: [&str; 3] = ["-shm", "-wal", ""];

/// Opens the history in a folder, and makes both where they are missing. A file that is damaged, of a
/// newer Ringbolt or of somebody else is put aside: a sidecar that does not start protects nobody.
///
/// # Errors
/// [`HistoryError`] if the folder or the disk does not let it; never because of what the file holds.
pub fn open(folder: &Path, now: Timestamp) -> Result<(History, Opened), HistoryError> {
    let mut builder = DirBuilder::new();
    let made = builder.recursive(true).mode(FOLDER_MODE).create(folder);
    made.map_err(HistoryError::file("make folder", folder))?;
    // Two processes that both find the file unusable must not put each other's new one aside.
    let lock = File::open(folder).and_then(|folder| folder.lock().map(|()| folder));
    let _lock = lock.map_err(HistoryError::file("lock folder", folder))?;
    let path = folder.join(FILE);
    match open_file(&path) {
        Err(HistoryError::Damaged { .. } | HistoryError::Newer { .. }) => {
            let aside = put_aside(folder, &path, now)?;
            let (history, _) = open_file(&path)?;
            Ok((history, Opened::Rebuilt { aside }))
        }
        opened => opened,
    }
}

/// Opens the history in a folder for reading. Nothing is made, changed or put aside; `None`: there is
/// none yet.
///
/// # Errors
/// [`HistoryError`] also if the file is damaged, or not of this version.
pub fn look(folder: &Path) -> Result<Option<History>, HistoryError> {
    let path = folder.join(FILE);
    match check_length(&path) {
        Err(HistoryError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            return Ok(None);
        }
        checked => checked?,
    }
    let failed = |error| HistoryError::sqlite("open", &path, error);
    let connection = connect(&path).map_err(failed)?;
    connection.pragma_update(None, "query_only", true).map_err(failed)?;
    match schema::version(&connection).map_err(failed)? {
        // Somebody is about to begin it.
        Version::Empty => return Ok(None),
        Version::Older(found) => return Err(HistoryError::Older { path, found }),
        other => check_version(&path, &other)?,
    }
    Ok(Some(History { path, connection: Mutex::new(connection) }))
}

fn open_file(path: &Path) -> Result<(History, Opened), HistoryError> {
    // SQLite would make it readable for everybody. One that is there is not opened here: to close it
    // again would take away the locks that this process has on it (`fcntl(2)`).
    match OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(HistoryError::file("make", path)(error));
        }
        _ => {}
    }
    // What is there is judged before anything is written to it.
    check_length(path)?;
    let failed = |error| HistoryError::sqlite("open", path, error);
    let mut connection = connect(path).map_err(failed)?;
    let version = schema::version(&connection).map_err(failed)?;
    check_version(path, &version)?;
    // A file can say of itself that it may only be read. If its disk says so, it cannot be put aside,
    // and that is the error then.
    if connection.is_readonly("main").map_err(failed)? {
        let why = "it cannot be written to".to_owned();
        return Err(HistoryError::Damaged { path: path.to_owned(), why });
    }
    // With a write-ahead log, looking does not wait for writing. A power cut may take the last
    // entries, but damages nothing.
    let journal = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;";
    connection.execute_batch(journal).map_err(failed)?;
    schema::migrate(&mut connection).map_err(failed)?;
    check_content(path, &connection)?;
    let history = History { path: path.to_owned(), connection: Mutex::new(connection) };
    // What cannot be read later would stop the sidecar later.
    history.memory()?;
    history.alarms()?;
    history.runs(None, READ_AHEAD)?;
    history.explained(None, READ_AHEAD)?;
    history.checks(None, READ_AHEAD)?;
    history.round()?;
    Ok((history, if version == Version::Empty { Opened::New } else { Opened::Found }))
}

/// So many of the newest entries are read at the beginning: enough to meet what damage there is, and
/// no more than fits into a little memory. The pages themselves are checked all.
const READ_AHEAD: usize = 10_000;

/// Connects to a file that is there.
fn connect(path: &Path) -> rusqlite::Result<Connection> {
    // `History` has a lock of its own around it.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(PATIENCE)?;
    // A file may be somebody's trap: nothing that it defines is run.
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(connection)
}

/// SQLite takes a file of a few bytes for an empty one, and would write over whatever they are.
fn check_length(path: &Path) -> Result<(), HistoryError> {
    const SMALLEST: u64 = 512;
    let length = fs::metadata(path).map_err(HistoryError::file("read", path))?.len();
    match length {
        1..SMALLEST => {
            let why = format!("{length} bytes are no database");
            Err(HistoryError::Damaged { path: path.to_owned(), why })
        }
        _ => Ok(()),
    }
}

fn check_version(path: &Path, version: &Version) -> Result<(), HistoryError> {
    let path = path.to_owned();
    match *version {
        Version::Foreign => {
            Err(HistoryError::Damaged { path, why: "it has tables that are not ours".to_owned() })
        }
        Version::Newer(found) => Err(HistoryError::Newer { path, found, known: schema::known() }),
        Version::Empty | Version::Older(_) | Version::Current => Ok(()),
    }
}

/// Looks at every page and every row.
fn check_content(path: &Path, connection: &Connection) -> Result<(), HistoryError> {
    let failed = |error| HistoryError::sqlite("check", path, error);
    let damaged = |why| Err(HistoryError::Damaged { path: path.to_owned(), why });
    if let Some(why) = schema::difference(connection).map_err(failed)? {
        return damaged(why);
    }
    let said: String =
        connection.query_row("PRAGMA quick_check(1)", (), |row| row.get(0)).map_err(failed)?;
    if said == "ok" { Ok(()) } else { damaged(said) }
}

/// Gives a file another name, and returns it. Only the store renames, because a rename that replaces
/// is how archives are committed; this one must replace nothing. So the file gets a second name, which
/// fails where there is one already, and then loses its first.
fn put_aside(folder: &Path, path: &Path, now: Timestamp) -> Result<PathBuf, HistoryError> {
    let failed = |error| HistoryError::file("put aside", path)(error);
    let stamp = now.strftime("%Y%m%dT%H%M%SZ").to_string();
    let names = (0..).map(|number| folder.join(format!("{ASIDE}{stamp}-{number:02}.sqlite")));
    let free = |aside: &PathBuf| aside.symlink_metadata().is_err();
    let aside = names.into_iter().find(free).expect("a folder holds fewer files than numbers");
    for own in WITH_ITS_OWN.into_iter().rev() {
        let (from, to) = (with(path, own), with(&aside, own));
        // Some file systems know one name for a file only.
        match fs::hard_link(&from, &to).or_else(|_| fs::copy(&from, &to).map(drop)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && !own.is_empty() => {}
            linked => linked.map_err(failed)?,
        }
    }
    // The log goes before the file it belongs to: SQLite would apply it to a new one.
    for own in WITH_ITS_OWN {
        match fs::remove_file(with(path, own)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            removed => removed.map_err(failed)?,
        }
    }
    forget_asides(folder, &aside).map_err(failed)?;
    Ok(aside)
}

/// Removes all but the last files that were put aside: this one stays whatever the clock was then.
/// Only [`put_aside`] makes such names, and sorting them sorts them by time.
fn forget_asides(folder: &Path, last: &Path) -> io::Result<()> {
    let mut asides = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with(ASIDE) && name.ends_with(".sqlite") && path != last {
            asides.push(path);
        }
    }
    asides.sort();
    asides.reverse();
    for aside in asides.iter().skip(ASIDES - 1) {
        for own in WITH_ITS_OWN {
            match fs::remove_file(with(aside, own)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}

fn with(path: &Path, own: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(own);
    name.into()
}
