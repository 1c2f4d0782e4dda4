//! The history: what goes in comes out, what is forgotten, and the command that shows it. Faults and
//! laws are beside this file.

mod faults;
mod laws;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use ringbolt::history::{self, Adopted, Alarm, End, History, HistoryError, NewRun, Opened};
use ringbolt::model::{AlarmKind, Outcome, Slug, Trigger};
use serde_json::{Value, json};

use crate::world::World;

/// A folder for one test, gone at its end.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        let name = format!("history-{:016x}", getrandom::u64().unwrap());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    /// A folder that is not there yet.
    fn folder(&self) -> PathBuf {
        self.0.join("lib/ringbolt")
    }

    fn file(&self) -> PathBuf {
        self.folder().join(history::FILE)
    }

    fn open(&self) -> (History, Opened) {
        history::open(&self.folder(), at(0)).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// Minutes after a time, which has a fraction of a second to the last digit.
fn at(minutes: i64) -> Timestamp {
    let begin: Timestamp = "2026-11-20T03:00:00.123456789Z".parse().unwrap();
    begin + SignedDuration::from_mins(minutes)
}

fn slug(text: &str) -> Slug {
    text.parse().unwrap()
}

fn new_run(source: &str, minute: i64) -> NewRun {
    NewRun {
        source: slug(source),
        schedule: None,
        trigger: Trigger::Manual,
        due_at: None,
        started_at: at(minute),
    }
}

fn ended(outcome: Outcome, minute: i64, stored_bytes: u64) -> End {
    let succeeded = outcome == Outcome::Succeeded;
    End {
        finished_at: at(minute),
        outcome,
        error: (!succeeded).then(|| "the dump failed".to_owned()),
        warnings: Vec::new(),
        archives: u32::from(succeeded),
        stored_bytes,
        plain_bytes: stored_bytes * 3,
    }
}

/// A run of one minute.
fn write(history: &History, source: &str, minute: i64, outcome: Outcome, stored_bytes: u64) {
    let id = history.begin(&new_run(source, minute)).unwrap();
    history.end(id, &ended(outcome, minute + 1, stored_bytes)).unwrap();
}

fn alarm(kind: AlarmKind, subject: &str) -> Alarm {
    Alarm { kind, subject: subject.to_owned() }
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_run_is_remembered_as_it_was() {
    let place = Place::new();
    let (history, opened) = place.open();
    assert_eq!(opened, Opened::New);
    let new = NewRun {
        schedule: Some(slug("nightly")),
        trigger: Trigger::CatchUp,
        due_at: Some(at(-1)),
        ..new_run("shop", 0)
    };
    let id = history.begin(&new).unwrap();
    let begun = history.runs(None, 10).unwrap().remove(0);
    assert_eq!((begun.id, &begun.source, &begun.schedule), (id, &new.source, &new.schedule));
    assert_eq!((begun.trigger, begun.due_at), (new.trigger, new.due_at));
    assert_eq!((begun.started_at, begun.finished_at, begun.outcome), (at(0), None, None));

    let end = End {
        error: Some("it's \"text\"\nwith\0all ä'; DROP TABLE run; --".to_owned()),
        warnings: vec!["one".to_owned(), String::new(), "[\"two\"]".to_owned()],
        stored_bytes: i64::MAX.unsigned_abs(),
        ..ended(Outcome::Failed, 2, 7)
    };
    history.end(id, &end).unwrap();
    drop(history);
    let (history, opened) = place.open();
    assert_eq!(opened, Opened::Found);
    let run = history.runs(Some(&slug("shop")), 10).unwrap().remove(0);
    assert_eq!((run.finished_at, run.outcome), (Some(end.finished_at), Some(end.outcome)));
    assert_eq!((&run.error, &run.warnings), (&end.error, &end.warnings));
    assert_eq!((run.archives, run.stored_bytes, run.plain_bytes), (0, end.stored_bytes, 21));

    // A run ends once.
    let again = history.end(id, &end).unwrap_err();
    assert!(matches!(again, HistoryError::NotUnderWay { .. }), "{again}");
    assert!(again.to_string().contains("run 1 is not under way"), "{again}");
    assert!(history.runs(Some(&slug("other")), 10).unwrap().is_empty());
}

#[test]
fn the_newest_runs_come_first() {
    let place = Place::new();
    let (history, _) = place.open();
    for (source, minute) in [("a", 5), ("b", 9), ("a", 1), ("a", 5), ("b", 0)] {
        history.begin(&new_run(source, minute)).unwrap();
    }
    let runs = |of: Option<&Slug>, limit| -> Vec<(String, Timestamp)> {
        let runs = history.runs(of, limit).unwrap();
        assert!(
            runs.windows(2)
                .all(|two| { (two[0].started_at, two[0].id) > (two[1].started_at, two[1].id) })
        );
        runs.into_iter().map(|run| (run.source.to_string(), run.started_at)).collect()
    };
    assert_eq!(runs(None, 2), [("b".to_owned(), at(9)), ("a".to_owned(), at(5))]);
    assert_eq!(runs(Some(&slug("a")), 9).len(), 3);
    assert_eq!(runs(None, 0), []);
}

#[test]
fn a_run_without_an_end_is_interrupted() {
    let place = Place::new();
    let (history, _) = place.open();
    write(&history, "shop", 0, Outcome::Succeeded, 5);
    let id = history.begin(&new_run("shop", 10)).unwrap();
    drop(history);
    let (history, _) = place.open();
    let found = history.interrupted(at(20)).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].id, id);
    assert_eq!(found[0].outcome, Some(Outcome::Interrupted));
    assert_eq!(found, history.runs(None, 1).unwrap());
    assert!(history.interrupted(at(30)).unwrap().is_empty());
    assert_eq!(history.memory().unwrap()[&slug("shop")].failures, 0);
    // Another process had it in hand after all.
    history.end(id, &ended(Outcome::Failed, 40, 0)).unwrap();
    assert_eq!(history.runs(None, 1).unwrap()[0].outcome, Some(Outcome::Failed));
    assert_eq!(history.memory().unwrap()[&slug("shop")].failures, 1);
}

#[test]
fn the_memory_is_what_runs_come_to() {
    let place = Place::new();
    let (history, _) = place.open();
    assert!(history.memory().unwrap().is_empty());
    let (shop, nightly) = (slug("shop"), slug("nightly"));
    history.seen(&shop, at(5)).unwrap();
    history.seen(&shop, at(9)).unwrap();
    let memory = history.memory().unwrap().remove(&shop).unwrap();
    assert_eq!((memory.first_seen, memory.last_success, memory.failures), (at(5), None, 0));
    assert!(memory.handled.is_empty() && memory.sizes.is_empty());

    for minute in 1..=10 {
        write(&history, "shop", minute * 10, Outcome::Succeeded, minute.unsigned_abs());
    }
    for outcome in [Outcome::Failed, Outcome::Interrupted, Outcome::Cancelled, Outcome::Failed] {
        write(&history, "shop", 200, outcome, 0);
    }
    history.explain(&shop, Some(&nightly), at(60), "merged into `hourly`").unwrap();
    history.explain(&shop, Some(&nightly), at(50), "in a blackout").unwrap();
    history.begin(&NewRun { due_at: Some(at(70)), ..new_run("shop", 71) }).unwrap();
    write(&history, "other", 300, Outcome::Failed, 0);
    let all = history.memory().unwrap();
    let memory = &all[&shop];
    assert_eq!(memory.last_success, Some(at(100)));
    assert_eq!(memory.failures, 2);
    assert_eq!(memory.sizes, [10, 9, 8, 7, 6, 5, 4, 3]);
    let handled = [(None, at(70)), (Some(nightly), at(60))];
    assert_eq!(memory.handled, handled.into());
    assert_eq!((all[&slug("other")].failures, all.len()), (1, 2));
    write(&history, "shop", 400, Outcome::Succeeded, 11);
    assert_eq!(history.memory().unwrap()[&shop].failures, 0);

    let explained = history.explained(Some(&shop), 5).unwrap();
    let said: Vec<&str> = explained.iter().map(|explained| explained.why.as_str()).collect();
    assert_eq!(said, ["merged into `hourly`", "in a blackout"]);
}

#[test]
fn an_alarm_is_raised_once_and_cleared_once() {
    let place = Place::new();
    let (history, _) = place.open();
    let overdue = alarm(AlarmKind::Overdue, "shop");
    assert!(!history.clear(&overdue, at(0)).unwrap());
    assert!(history.raise(&overdue, at(1), "for 1h").unwrap());
    assert!(!history.raise(&overdue, at(2), "for 2h").unwrap());
    assert!(history.raise(&alarm(AlarmKind::Failing, "shop"), at(3), "3 runs").unwrap());
    assert!(history.raise(&alarm(AlarmKind::Overdue, "blog"), at(0), "for 3h").unwrap());
    let open = history.alarms().unwrap();
    let shown: Vec<_> = open.iter().map(|open| (open.raised_at, open.message.as_str())).collect();
    assert_eq!(shown, [(at(0), "for 3h"), (at(1), "for 2h"), (at(3), "3 runs")]);
    assert_eq!(open[1].alarm, overdue);
    assert!(history.clear(&overdue, at(5)).unwrap());
    assert!(!history.clear(&overdue, at(6)).unwrap());
    assert_eq!(history.alarms().unwrap().len(), 2);
    assert!(history.raise(&overdue, at(7), "again").unwrap());
    history.prune(at(1000)).unwrap();
    assert_eq!(history.alarms().unwrap().len(), 3);
}

#[test]
fn past_successes_are_adopted_once() {
    let place = Place::new();
    let (history, _) = place.open();
    let adopted = |source: &str, minute, stored_bytes| Adopted {
        source: slug(source),
        trigger: Trigger::Schedule,
        started_at: at(minute),
        finished_at: at(minute + 5),
        archives: 2,
        stored_bytes,
        plain_bytes: 9,
    };
    let past = [adopted("shop", 0, 1), adopted("shop", 60, 2), adopted("blog", 0, 3)];
    write(&history, "shop", 120, Outcome::Succeeded, 4);
    for _ in 0..2 {
        history.adopt(&past).unwrap();
        // The archive of a run that is known begins a little later than the run.
        let known =
            Adopted { started_at: at(120) + SignedDuration::from_secs(1), ..past[0].clone() };
        history.adopt(&[known]).unwrap();
    }
    let memory = history.memory().unwrap();
    assert_eq!(memory[&slug("shop")].sizes, [4, 2, 1]);
    assert_eq!(memory[&slug("shop")].first_seen, at(0));
    assert_eq!(memory[&slug("blog")].last_success, Some(at(0)));
    let runs = history.runs(None, 10).unwrap();
    assert_eq!(runs.len(), 4);
    let (run, told) = (&runs[1], &past[1]);
    assert_eq!((run.trigger, run.archives, run.plain_bytes), (told.trigger, 2, 9));
    assert_eq!(run.finished_at, Some(told.finished_at));
}

#[test]
fn pruning_leaves_what_counts() {
    let place = Place::new();
    let (history, _) = place.open();
    for minute in 0..20 {
        write(&history, "shop", minute * 10, Outcome::Succeeded, 1);
        write(&history, "shop", minute * 10 + 5, Outcome::Failed, 1);
    }
    for minute in [300, 310, 320] {
        write(&history, "shop", minute, Outcome::Failed, 0);
        write(&history, "shop", minute, Outcome::Cancelled, 0);
    }
    write(&history, "gone", 0, Outcome::Interrupted, 0);
    history.begin(&new_run("gone", -5)).unwrap();
    history.explain(&slug("shop"), None, at(7), "merged").unwrap();
    let cleared = alarm(AlarmKind::Shrunk, "shop");
    history.raise(&cleared, at(1), "half").unwrap();
    history.clear(&cleared, at(2)).unwrap();
    let memory = history.memory().unwrap();
    assert_eq!(history.prune(at(-100)).unwrap(), 0);
    // 12 old successes, 19 failures between successes, 2 cancelled runs, a due time and an alarm go.
    assert_eq!(history.prune(at(1000)).unwrap(), 12 + 19 + 2 + 2);
    assert_eq!(history.prune(at(1000)).unwrap(), 0);
    assert_eq!(history.memory().unwrap(), memory);
    let left = history.runs(Some(&slug("shop")), 100).unwrap();
    assert_eq!(left.iter().filter(|run| run.outcome == Some(Outcome::Succeeded)).count(), 8);
    assert_eq!(left[0].outcome, Some(Outcome::Cancelled), "the newest run stays");
    assert_eq!(left.len(), 8 + 4 + 1);
    assert_eq!(history.runs(Some(&slug("gone")), 9).unwrap().len(), 2, "one is under way");
    assert!(history.explained(None, 9).unwrap().is_empty());
}

#[test]
fn ten_thousand_runs_are_read_and_pruned_at_once() {
    let place = Place::new();
    let (history, _) = place.open();
    let source = |number: i64| slug(&format!("source-{}", number % 100));
    let past: Vec<Adopted> = (0..10_000)
        .map(|number| Adopted {
            source: source(number),
            trigger: Trigger::Schedule,
            started_at: at(number),
            finished_at: at(number),
            archives: 1,
            stored_bytes: 1,
            plain_bytes: 1,
        })
        .collect();
    history.adopt(&past).unwrap();
    drop(history);
    let begin = std::time::Instant::now();
    let (history, _) = place.open();
    let opened = begin.elapsed();
    let memory = history.memory().unwrap();
    assert_eq!(history.prune(at(9_000)).unwrap(), 9_000);
    assert_eq!((history.memory().unwrap() == memory, memory.len()), (true, 100));
    // Much more than it takes on a slow machine, much less than a scan for each run would take.
    let took = begin.elapsed();
    assert!(took.as_secs() < 5, "opened in {opened:?}, all in {took:?}");
    assert_eq!(history.runs(None, usize::MAX).unwrap().len(), 1_000);
}

#[test]
fn nobody_else_can_read_it() {
    let place = Place::new();
    let (history, _) = place.open();
    write(&history, "shop", 0, Outcome::Succeeded, 1);
    assert_eq!((mode(&place.folder()), mode(place.folder().parent().unwrap())), (0o700, 0o700));
    let mut names = Vec::new();
    for entry in std::fs::read_dir(place.folder()).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        names.push(path.file_name().unwrap().to_str().unwrap().to_owned());
    }
    names.sort();
    assert_eq!(names, ["history.sqlite", "history.sqlite-shm", "history.sqlite-wal"]);
    // A folder that an operator made stays as it is.
    let own = place.0.join("own");
    std::fs::create_dir(&own).unwrap();
    std::fs::set_permissions(&own, std::fs::Permissions::from_mode(0o750)).unwrap();
    history::open(&own, at(0)).unwrap();
    assert_eq!(mode(&own), 0o750);
}

#[test]
fn looking_changes_nothing() {
    let place = Place::new();
    assert!(history::look(&place.folder()).unwrap().is_none());
    assert!(!place.folder().exists(), "looking makes nothing");
    let (history, _) = place.open();
    write(&history, "shop", 0, Outcome::Succeeded, 1);
    // While the sidecar has it open, and while it does not.
    for open in [Some(history), None] {
        let seen = history::look(&place.folder()).unwrap().unwrap();
        assert_eq!(seen.runs(None, 9).unwrap().len(), 1);
        let refused = seen.begin(&new_run("shop", 5)).unwrap_err();
        assert!(refused.to_string().starts_with("cannot write the begin of a run to"), "{refused}");
        drop((seen, open));
        let names = std::fs::read_dir(place.folder()).unwrap();
        assert_eq!(names.count(), 1, "nothing lies beside the file");
    }
    assert_eq!(place.open().0.runs(None, 9).unwrap().len(), 1);
}

#[test]
fn the_command_shows_runs_and_alarms() {
    let world = World::new();
    std::fs::create_dir(world.store()).unwrap();
    let data = world.folder.join("data");
    let set = format!("data_dir={}", data.display());
    let ringbolt = |words: &[&str]| world.ringbolt(&[&["history", "--set", &set], words].concat());

    let nothing = json!({ "runs": [], "skipped": [], "checks": [], "alarms": [] });
    assert_eq!(ringbolt(&["--json"]).expect(0).json(), nothing);
    assert_eq!(ringbolt(&[]).expect(0).stdout.lines().count(), 1);
    ringbolt(&["shop"]).expect(2).says("there is no source `shop`");
    ringbolt(&["--limit", "0"]).expect(2).says("--limit");
    assert!(!data.exists(), "looking makes nothing");

    let (history, _) = history::open(&data, at(0)).unwrap();
    write(&history, "shop", 0, Outcome::Succeeded, 1_400_000);
    let id = history.begin(&NewRun { trigger: Trigger::Schedule, ..new_run("shop", 60) }).unwrap();
    let error = Some("cannot dump\n  `shop`".to_owned());
    history.end(id, &End { error, ..ended(Outcome::Failed, 62, 0) }).unwrap();
    history.begin(&new_run("blog", 70)).unwrap();
    history.explain(&slug("shop"), Some(&slug("hourly")), at(65), "in a blackout").unwrap();
    history.raise(&alarm(AlarmKind::NeverSucceeded, "blog"), at(80), "no archive yet").unwrap();

    let keep = ["--set", "history.keep=36500d"];
    let text = ringbolt(&keep).expect(0).stdout;
    let lines: Vec<Vec<&str>> =
        text.lines().map(|line| line.split_whitespace().collect()).collect();
    let head = ["STARTED", "SOURCE", "TRIGGER", "OUTCOME", "TOOK", "STORED", "WHY"];
    assert_eq!(lines[0], head, "{text}");
    assert_eq!(lines[1], ["2026-11-20T04:10:00Z", "blog", "manual", "unfinished", "-", "-"]);
    assert_eq!(lines[2][1..], ["shop", "schedule", "skipped", "-", "-", "in", "a", "blackout"]);
    let failed = ["shop", "schedule", "failed", "2m", "0s", "-", "cannot", "dump", "`shop`"];
    assert_eq!(lines[3][1..], failed);
    assert_eq!(lines[4][1..], ["shop", "manual", "succeeded", "1m", "0s", "1.4", "MB"]);
    assert_eq!(lines[7][1..], ["never_succeeded", "blog", "no", "archive", "yet"], "{text}");

    let shown = |words: &[&str]| ringbolt(&[&keep, words, &["--json"]].concat()).expect(0).json();
    let one = shown(&["shop", "--limit", "2"]);
    assert_eq!((&one["alarms"], one["runs"].as_array().unwrap().len()), (&json!([]), 1));
    assert_eq!(one["runs"][0]["error"], "cannot dump\n  `shop`");
    assert_eq!(one["skipped"][0]["schedule"], "hourly");
    let all = shown(&[]);
    assert_eq!(all["runs"][0]["outcome"], Value::Null);
    assert_eq!(all["alarms"][0]["kind"], "never_succeeded");
    assert_eq!(all["runs"][2]["stored_bytes"], 1_400_000);
    ringbolt(&["shop", "bolg"]).expect(2).says("there are blog, shop");

    drop(history);
    std::fs::write(data.join(history::FILE), "no database at all, but a text of some length")
        .unwrap();
    ringbolt(&[]).expect(1).says("is damaged").says("hint: the sidecar puts it aside");
}
