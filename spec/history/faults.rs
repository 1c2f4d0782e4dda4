//! The history and what happens to it: damage of every kind, a disk that is full or read-only, a
//! writer that is killed, two writers at once. None of it may keep a sidecar from starting, or make
//! it panic.

use std::path::Path;
use std::process::{Command, Stdio};

use ringbolt::history::{self, HistoryError, Opened};
use ringbolt::model::{ErrorKind, Explain as _, Outcome};
use rusqlite::Connection;

use super::{Place, at, mode, new_run, slug, write};
use crate::world::{Ran, wait_for};

/// Tells a process of this binary where the history is, and so that it is the other process.
const FOLDER: &str = "RINGBOLT_SPEC_HISTORY";

/// This binary, to run one test as another process.
fn other_process(test: &str, folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("history::faults::{test}"), "--nocapture"]);
    command.env(FOLDER, folder);
    command
}

/// A history with something in it, closed, as bytes.
fn sound(place: &Place) -> Vec<u8> {
    let (history, _) = place.open();
    for minute in 0..50 {
        write(&history, &format!("source-{}", minute % 5), minute, Outcome::Succeeded, 1);
        history.explain(&slug("shop"), None, at(minute), "merged").unwrap();
    }
    drop(history);
    std::fs::read(place.file()).unwrap()
}

#[track_caller]
fn check_rebuilt(what: &str, place: &Place) {
    let damaged = std::fs::read(place.file()).unwrap();
    let looked = history::look(&place.folder()).map(drop);
    let looked = looked.expect_err(what);
    assert_eq!((looked.kind(), looked.hint().is_some()), (ErrorKind::Failed, true), "{what}");
    assert_eq!(std::fs::read(place.file()).unwrap(), damaged, "{what}: looking changed it");
    let (history, opened) = place.open();
    let Opened::Rebuilt { aside } = opened else { panic!("{what}: {opened:?}") };
    assert_eq!(std::fs::read(&aside).unwrap(), damaged, "{what}: it lies aside as it was");
    assert!(history.memory().unwrap().is_empty(), "{what}");
    write(&history, "shop", 0, Outcome::Succeeded, 1);
    drop(history);
    assert_eq!(mode(&place.file()), 0o600, "{what}");
    let (history, opened) = place.open();
    assert_eq!((opened, history.runs(None, 9).unwrap().len()), (Opened::Found, 1), "{what}");
}

#[test]
fn a_file_that_is_no_history_is_put_aside() {
    let text =
        b"Dear diary, this is a text file of more than a hundred bytes, which is the length \
        of the header that SQLite looks for in a file.";
    for (what, content) in [
        ("text", &text[..]),
        ("a few bytes", b"x"),
        ("zeros", &[0; 8192]),
        ("garbage", &(0..20_000u32).map(|i| ((i * i) >> 3).to_le_bytes()[0]).collect::<Vec<_>>()),
    ] {
        let place = Place::new();
        std::fs::create_dir_all(place.folder()).unwrap();
        std::fs::write(place.file(), content).unwrap();
        std::fs::set_permissions(place.file(), std::os::unix::fs::PermissionsExt::from_mode(0o600))
            .unwrap();
        check_rebuilt(what, &place);
    }
    // A crash between making a file and writing to it.
    let place = Place::new();
    std::fs::create_dir_all(place.folder()).unwrap();
    std::fs::write(place.file(), b"").unwrap();
    assert!(history::look(&place.folder()).unwrap().is_none());
    assert_eq!(place.open().1, Opened::New);
}

#[test]
fn a_history_that_cannot_be_meant_is_put_aside() {
    for sql in [
        "PRAGMA user_version = 99",
        "PRAGMA user_version = -1",
        "PRAGMA user_version = 0",
        "DROP TABLE alarm",
        "DROP INDEX alarm_open",
        "ALTER TABLE run ADD COLUMN more TEXT",
        "CREATE TRIGGER mine AFTER INSERT ON run BEGIN DELETE FROM run; END",
    ] {
        let place = Place::new();
        sound(&place);
        Connection::open(place.file()).unwrap().execute_batch(sql).unwrap();
        // Only opening looks at everything.
        let (history, opened) = place.open();
        assert!(matches!(opened, Opened::Rebuilt { .. }), "{sql}: {opened:?}");
        assert!(history.memory().unwrap().is_empty(), "{sql}");
    }
    for sql in [
        "UPDATE run SET \"trigger\" = 'whim'",
        "UPDATE run SET outcome = 'Succeeded'",
        "UPDATE run SET stored_bytes = -1",
        "UPDATE run SET warnings = 'none'",
        "UPDATE source SET source = '../../etc' WHERE source = 'shop'",
        "UPDATE handled SET schedule = 'a b'",
        "INSERT INTO alarm (kind, subject, raised_at, message) VALUES ('fire', 'shop', 0, '')",
    ] {
        let place = Place::new();
        sound(&place);
        Connection::open(place.file()).unwrap().execute_batch(sql).unwrap();
        let opened = place.open().1;
        assert!(matches!(opened, Opened::Rebuilt { .. }), "{sql}: {opened:?}");
    }
}

#[test]
fn a_newer_history_is_left_for_the_newer_ringbolt() {
    let place = Place::new();
    sound(&place);
    let connection = Connection::open(place.file()).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    let looked = history::look(&place.folder()).map(drop).unwrap_err();
    assert!(matches!(looked, HistoryError::Newer { found: 99, .. }), "{looked}");
    let Opened::Rebuilt { aside } = place.open().1 else { panic!("a newer one was used") };
    let runs: u32 = Connection::open(aside)
        .unwrap()
        .query_one("SELECT count(*) FROM run", (), |row| row.get(0))
        .unwrap();
    assert_eq!(runs, 50);
}

#[test]
fn no_damage_keeps_it_from_opening() {
    let place = Place::new();
    let whole = sound(&place);
    let mut rebuilt = 0;
    let mut damaged: Vec<Vec<u8>> = Vec::new();
    damaged.extend((1..whole.len()).step_by(1711).map(|length| whole[..length].to_vec()));
    damaged.extend([100, 4095, 4096, whole.len() - 1].map(|length| whole[..length].to_vec()));
    for position in (0..100).chain((100..whole.len()).step_by(997)) {
        let mut flipped = whole.clone();
        flipped[position] ^= 0x41;
        damaged.push(flipped);
    }
    let all = damaged.len();
    for content in damaged {
        std::fs::remove_dir_all(place.folder()).unwrap();
        std::fs::create_dir(place.folder()).unwrap();
        std::fs::write(place.file(), &content).unwrap();
        history::look(&place.folder()).map(drop).ok();
        let (history, opened) = place.open();
        rebuilt += usize::from(opened != Opened::Found);
        write(&history, "shop", 900, Outcome::Failed, 0);
        assert_eq!(history.runs(None, 1).unwrap()[0].source, slug("shop"));
    }
    // Many a flipped bit is in free space, or makes another number of a number.
    assert!(rebuilt > all / 4, "{rebuilt} of {all}");
}

#[test]
fn only_the_last_files_stay_aside() {
    let place = Place::new();
    for minute in 0..8 {
        let (history, opened) = history::open(&place.folder(), at(-minute)).unwrap();
        assert_eq!(matches!(opened, Opened::Rebuilt { .. }), minute > 0);
        if let Opened::Rebuilt { aside } = opened {
            assert!(aside.exists());
        }
        drop(history);
        std::fs::write(place.file(), b"not a database, whatever the name may say").unwrap();
    }
    // Two within one second have two names.
    for _ in 0..2 {
        place.open();
        std::fs::write(place.file(), b"not a database, whatever the name may say").unwrap();
    }
    let asides = std::fs::read_dir(place.folder()).unwrap().flatten();
    let asides = asides.filter(|entry| entry.file_name().to_string_lossy().contains("aside"));
    assert_eq!(asides.count(), 3);
}

#[test]
fn a_log_is_never_applied_to_another_file() {
    // As a kill leaves it: the newest is in the log still.
    let place = Place::new();
    let whole = sound(&place);
    let (history, _) = place.open();
    write(&history, "late", 99, Outcome::Succeeded, 1);
    let log = place.folder().join("history.sqlite-wal");
    let content = std::fs::read(&log).unwrap();
    drop(history);
    assert!(!log.exists() && content.len() > 4096);
    let mut rebuilt = 0;
    for (file, found) in [
        (&whole[..], true),
        (&whole[..4096], false),
        (&[&[0; 4096], &whole[4096..]].concat(), false),
        (&[7; 9000], false),
        (b"not a database, whatever the name may say", false),
    ] {
        std::fs::remove_dir_all(place.folder()).unwrap();
        std::fs::create_dir(place.folder()).unwrap();
        std::fs::write(place.file(), file).unwrap();
        std::fs::write(&log, &content).unwrap();
        let (history, opened) = place.open();
        let memory = history.memory().unwrap();
        assert_eq!(opened == Opened::Found, found, "{opened:?}");
        assert_eq!(memory.contains_key(&slug("late")), found, "{opened:?}");
        if let Opened::Rebuilt { aside } = opened {
            assert!(memory.is_empty(), "an old log was applied to a new file");
            rebuilt += usize::from(Path::new(&format!("{}-wal", aside.display())).exists());
        }
    }
    assert!(rebuilt > 0, "no log went aside");
}

/// Runs one of these tests again where mounts are its own.
fn in_namespace(test: &str, folder: &Path, mount: &str) -> Ran {
    std::fs::create_dir_all(folder).unwrap();
    let line = format!("{mount}; exec \"$0\" --exact history::faults::{test} --nocapture");
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-euc", &line]).arg(std::env::current_exe().unwrap());
    Ran::of(command.env(FOLDER, folder))
}

#[test]
fn a_read_only_folder_is_told() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        let error = history::open(Path::new(&folder), at(0)).map(drop).unwrap_err();
        let hint = error.hint().unwrap();
        assert!(hint.contains("`data_dir` must be a folder that is writable"), "{error}: {hint}");
        assert_eq!(error.kind(), ErrorKind::Failed);
        return;
    }
    let read_only = "mount --bind \"$RINGBOLT_SPEC_HISTORY\" \"$RINGBOLT_SPEC_HISTORY\"; \
        mount -o remount,bind,ro \"$RINGBOLT_SPEC_HISTORY\"";
    let test = "a_read_only_folder_is_told";
    let place = Place::new();
    in_namespace(test, &place.folder(), read_only).expect(0);
    let whole = sound(&place);
    in_namespace(test, &place.folder(), read_only).expect(0);
    // Also a damaged one, which cannot be put aside there.
    std::fs::write(place.file(), &whole[..5000]).unwrap();
    in_namespace(test, &place.folder(), read_only).expect(0);
    // Where the folder should be is a file.
    std::fs::remove_dir_all(place.folder()).unwrap();
    std::fs::write(place.folder(), "a file").unwrap();
    let error = history::open(&place.folder(), at(0)).map(drop).unwrap_err();
    assert!(error.to_string().starts_with("cannot make folder"), "{error}");
}

#[test]
fn a_full_disk_is_told() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        let folder = Path::new(&folder);
        let (history, opened) = match history::open(folder, at(0)) {
            Ok(opened) => opened,
            // There is no room to begin.
            Err(error) => {
                assert!(error.hint().unwrap().contains("full"), "{error}");
                return;
            }
        };
        assert_eq!(opened, Opened::New);
        let written = (0..100_000).find_map(|minute| {
            history.begin(&new_run("shop", minute)).err().map(|error| (minute, error))
        });
        let (written, error) = written.unwrap();
        assert!(error.hint().unwrap().contains("full"), "{error}");
        assert!(error.retry() && error.kind() == ErrorKind::Failed);
        // What was written before is there, and what was not, is not.
        let count = history.runs(None, usize::MAX).unwrap().len();
        assert_eq!(i64::try_from(count).unwrap(), written);
        drop(history);
        // Whether there is room to open it now or not: nothing is taken for damaged.
        match history::open(folder, at(0)) {
            Ok((history, opened)) => {
                assert_eq!(opened, Opened::Found);
                assert_eq!(history.runs(None, usize::MAX).unwrap().len(), count);
            }
            Err(error) => assert!(error.hint().unwrap().contains("full"), "{error}"),
        }
        return;
    }
    let place = Place::new();
    for kilobytes in [4, 16, 64, 1024] {
        let mount = format!("mount -t tmpfs -o size={kilobytes}k tmpfs \"$RINGBOLT_SPEC_HISTORY\"");
        in_namespace("a_full_disk_is_told", &place.folder(), &mount).expect(0);
    }
}

#[test]
fn a_killed_writer_damages_nothing() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        let (history, opened) = history::open(Path::new(&folder), at(0)).unwrap();
        assert!(matches!(opened, Opened::Found | Opened::New), "{opened:?}");
        for minute in 0.. {
            write(&history, "shop", minute, Outcome::Succeeded, 1);
            history.prune(at(minute - 50)).unwrap();
        }
    }
    let place = Place::new();
    let mut newest = 0;
    for _ in 0..8 {
        let mut writer = other_process("a_killed_writer_damages_nothing", &place.folder());
        let mut writer = writer.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut committed = 0;
        wait_for("the writer", || {
            assert!(writer.try_wait().unwrap().is_none(), "the writer ended");
            let Ok(Some(history)) = history::look(&place.folder()) else { return false };
            let runs = history.runs(None, 1).unwrap_or_default();
            committed = runs.first().map_or(0, |run| run.id.to_string().parse().unwrap());
            committed > newest + 20
        });
        // This is SIGKILL.
        writer.kill().unwrap();
        writer.wait().unwrap();
        let (history, opened) = place.open();
        assert_eq!(opened, Opened::Found);
        assert!(history.interrupted(at(0)).unwrap().len() <= 1);
        newest = history
            .runs(None, usize::MAX)
            .unwrap()
            .iter()
            .fold(0, |newest, run| newest.max(run.id.to_string().parse::<i64>().unwrap()));
        assert!(newest >= committed, "{committed} runs were seen, {newest} are left");
    }
}

#[test]
fn two_processes_and_two_threads_write_at_once() {
    const RUNS: i64 = 100;
    if let Some(folder) = std::env::var_os(FOLDER) {
        let (history, _) = history::open(Path::new(&folder), at(0)).unwrap();
        let writer = |source: &'static str| {
            let history = &history;
            move || (0..RUNS).for_each(|minute| write(history, source, minute, Outcome::Failed, 0))
        };
        std::thread::scope(|scope| {
            scope.spawn(writer("one"));
            scope.spawn(writer("two"));
        });
        return;
    }
    // With nothing there, with a history, and with something that has to be put aside.
    let place = Place::new();
    for damaged in [false, false, true] {
        let (before, folder) = (place.file().exists(), place.folder());
        if damaged {
            std::fs::write(place.file(), b"not a database, whatever the name may say").unwrap();
        }
        let test = "two_processes_and_two_threads_write_at_once";
        let start = || other_process(test, &folder).stdout(Stdio::null()).spawn().unwrap();
        for mut process in [start(), start()] {
            assert!(process.wait().unwrap().success());
        }
        let (history, opened) = place.open();
        assert_eq!(opened, Opened::Found);
        let rounds = if before && !damaged { 2 } else { 1 };
        let memory = history.memory().unwrap();
        for source in ["one", "two"] {
            assert_eq!(i64::from(memory[&slug(source)].failures), 2 * rounds * RUNS);
        }
        drop(history);
        let entries = std::fs::read_dir(&folder).unwrap();
        assert_eq!(entries.count(), if damaged { 2 } else { 1 }, "one was put aside, once");
    }
}
