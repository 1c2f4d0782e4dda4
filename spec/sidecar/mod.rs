//! Decisions of the sidecar, told in a few events each; `simulation.rs` plays life through.

mod simulation;
mod verifying;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use ringbolt::app::App;
use ringbolt::model::{Level, Outcome, Priority, Slug};
use ringbolt::schedule;
use ringbolt::settings::{VerifySettings, Written};
use ringbolt::sidecar::{Broken, Effect, End, Event, Job, Memory, Rhythm, State};

fn slug(text: &str) -> Slug {
    text.parse().unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn rhythm() -> Rhythm {
    Rhythm {
        concurrency: 2,
        per_store: BTreeMap::new(),
        jitter: Duration::ZERO,
        blackout: Vec::new(),
        retries: 3,
        failing: 3,
        shrunk_percent: 50,
        verify: VerifySettings { share_percent: 5, level: Level::Stored },
    }
}

fn job(source: &str, expression: &str) -> Job {
    Job {
        source: slug(source),
        container: format!("{source}-1"),
        schedules: BTreeMap::from([(None, schedule::read(expression).unwrap())]),
        zone: schedule::zone("Europe/Berlin").unwrap(),
        priority: Priority::Normal,
        after: BTreeSet::new(),
        rpo: None,
        store: slug("local"),
    }
}

fn listed(jobs: &[Job]) -> Event {
    let alive = jobs.iter().map(|job| job.container.clone()).collect();
    Event::Listed { jobs: jobs.to_vec(), unprotected: BTreeMap::new(), alive }
}

fn ended(source: &str, outcome: Outcome) -> Event {
    let end = End { outcome, retry: true, stored_bytes: 1000 };
    Event::Ended { source: slug(source), end }
}

/// What begins, as `source trigger`.
fn starts(effects: &[Effect]) -> Vec<String> {
    let start = |effect: &Effect| match effect {
        Effect::Start { source, trigger, .. } => Some(format!("{source} {trigger}")),
        _ => None,
    };
    effects.iter().filter_map(start).collect()
}

fn alarms(effects: &[Effect]) -> Vec<String> {
    let change = |effect: &Effect| match effect {
        Effect::Raise { alarm, .. } => Some(format!("+{} {}", alarm.kind, alarm.subject)),
        Effect::Clear { alarm } => Some(format!("-{} {}", alarm.kind, alarm.subject)),
        _ => None,
    };
    effects.iter().filter_map(change).collect()
}

/// A state whose verification finds nothing and ends at once.
struct Calm(State);

impl Calm {
    fn apply(&mut self, event: Event, now: Timestamp) -> Vec<Effect> {
        let verifies = |effect: &Effect| matches!(effect, Effect::Verify { .. });
        let mut effects = self.0.apply(event, now);
        while effects.iter().any(verifies) {
            effects.retain(|effect| !verifies(effect));
            effects.extend(self.0.apply(Event::Looked(Broken::new()), now));
            effects.extend(self.0.apply(Event::Verified { rest: false }, now));
        }
        effects
    }

    fn wake(&self, now: Timestamp) -> Option<Timestamp> {
        self.0.wake(now)
    }
}

fn fresh(rhythm: Rhythm) -> Calm {
    Calm(State::new(rhythm, BTreeMap::new(), BTreeSet::new(), None))
}

#[test]
fn every_setting_of_life_reaches_the_state() {
    let of = |flag: &str| {
        let flags = ["stores.local.url=file:///x", flag].map(str::to_owned).into();
        let written = Written { file: Some("/dev/null".into()), flags, ..Written::default() };
        let app = App::open(&written).unwrap();
        Rhythm::new(&app.settings, app.blackout)
    };
    let usual = of("schedule.concurrency=2");
    assert_eq!(usual, rhythm(), "what the tests here begin with is what nobody has changed");
    let blackout = vec![schedule::read_blackout("08:00-18:00").unwrap()];
    let verify = rhythm().verify;
    for (flag, expected) in [
        ("schedule.concurrency=7", Rhythm { concurrency: 7, ..rhythm() }),
        (
            "stores.local.concurrency=1",
            Rhythm { per_store: [(slug("local"), 1)].into(), ..rhythm() },
        ),
        ("schedule.jitter=10m", Rhythm { jitter: Duration::from_mins(10), ..rhythm() }),
        ("schedule.blackout=08:00-18:00", Rhythm { blackout, ..rhythm() }),
        ("schedule.retries=0", Rhythm { retries: 0, ..rhythm() }),
        ("alarms.failures=9", Rhythm { failing: 9, ..rhythm() }),
        (
            "verify.share=0%",
            Rhythm { verify: VerifySettings { share_percent: 0, ..verify }, ..rhythm() },
        ),
        (
            "verify.level=deep",
            Rhythm { verify: VerifySettings { level: Level::Deep, ..verify }, ..rhythm() },
        ),
        ("alarms.shrunk=90%", Rhythm { shrunk_percent: 90, ..rhythm() }),
    ] {
        assert_eq!(of(flag), expected, "{flag}");
    }
    let mut state = fresh(Rhythm { retries: 0, ..rhythm() });
    state.apply(listed(&[job("a", "0 3 * * *")]), at("2026-11-20T00:00:00Z"));
    state.apply(Event::Tick, at("2026-11-20T02:00:00Z"));
    state.apply(ended("a", Outcome::Failed), at("2026-11-20T02:01:00Z"));
    assert_eq!(starts(&state.apply(Event::Tick, at("2026-11-20T03:00:00Z"))), [""; 0]);
}

#[test]
fn a_day_goes_by() {
    let mut state = fresh(rhythm());
    let jobs = [job("a", "0 3 * * *"), job("b", "0 3 * * *"), job("c", "0 3 * * *")];
    assert_eq!(starts(&state.apply(listed(&jobs), at("2026-11-20T00:00:00Z"))), [""; 0]);
    assert_eq!(state.wake(at("2026-11-20T00:00:00Z")), Some(at("2026-11-20T02:00:00Z")));
    let due = at("2026-11-20T02:00:00Z");
    assert_eq!(starts(&state.apply(Event::Tick, due)), ["a schedule", "b schedule"]);
    assert_eq!(starts(&state.apply(Event::Tick, due)), [""; 0], "once is once");
    let later = at("2026-11-20T02:10:00Z");
    assert_eq!(starts(&state.apply(ended("a", Outcome::Succeeded), later)), ["c schedule"]);
    state.apply(ended("b", Outcome::Succeeded), later);
    state.apply(ended("c", Outcome::Succeeded), later);
    let round = at("2026-11-21T00:00:00Z");
    assert_eq!(state.wake(later), Some(round), "a day after the first round of verification");
    state.apply(Event::Tick, round);
    assert_eq!(state.wake(round), Some(at("2026-11-21T02:00:00Z")));
}

#[test]
fn downtime_is_made_up_for_once() {
    let handled = BTreeMap::from([(None, at("2026-11-10T02:00:00Z"))]);
    let first_seen = Some(at("2026-11-01T00:00:00Z"));
    let memory = Memory { handled, first_seen, ..Memory::default() };
    let memory = BTreeMap::from([(slug("a"), memory)]);
    let mut state = Calm(State::new(rhythm(), memory, BTreeSet::new(), None));
    let now = at("2026-11-20T12:00:00Z");
    assert_eq!(starts(&state.apply(listed(&[job("a", "0 3 * * *")]), now)), ["a catch_up"]);
    state.apply(ended("a", Outcome::Succeeded), now);
    assert_eq!(starts(&state.apply(Event::Tick, now)), [""; 0]);
}

#[test]
fn priority_age_and_order_decide_who_goes_first() {
    let mut state = fresh(Rhythm { concurrency: 1, ..rhythm() });
    let low = Job { priority: Priority::Low, ..job("low", "0 3 * * *") };
    let high = Job { priority: Priority::High, ..job("z-high", "0 3 * * *") };
    let after = Job {
        priority: Priority::Critical,
        after: [slug("low")].into(),
        ..job("after", "0 3 * * *")
    };
    state.apply(listed(&[low, high, after]), at("2026-11-20T00:00:00Z"));
    assert_eq!(starts(&state.apply(Event::Tick, at("2026-11-20T02:00:00Z"))), ["z-high schedule"]);
    let next = state.apply(ended("z-high", Outcome::Succeeded), at("2026-11-20T02:01:00Z"));
    assert_eq!(starts(&next), ["low schedule"], "what is after it has to wait");
    let next = state.apply(ended("low", Outcome::Failed), at("2026-11-20T02:02:00Z"));
    assert_eq!(starts(&next), ["after schedule"], "finished, well or not");

    // Whoever waits long rises over whoever comes later with a higher priority.
    let mut state = fresh(Rhythm { concurrency: 1, ..rhythm() });
    let first = job("first", "0 3 * * *");
    let old = Job { priority: Priority::Low, ..job("old", "0 3 * * *") };
    let new = Job { priority: Priority::High, ..job("new", "0 5 * * *") };
    state.apply(listed(&[first, old, new]), at("2026-11-20T00:00:00Z"));
    assert_eq!(starts(&state.apply(Event::Tick, at("2026-11-20T02:00:00Z"))), ["first schedule"]);
    state.apply(Event::Tick, at("2026-11-20T04:00:00Z"));
    let next = state.apply(ended("first", Outcome::Succeeded), at("2026-11-20T04:01:00Z"));
    assert_eq!(starts(&next), ["old schedule"]);
}

#[test]
fn a_store_takes_as_many_as_it_may() {
    let per_store = BTreeMap::from([(slug("local"), 1)]);
    let mut state = fresh(Rhythm { concurrency: 5, per_store, ..rhythm() });
    let other = Job { store: slug("other"), ..job("c", "0 3 * * *") };
    state.apply(
        listed(&[job("a", "0 3 * * *"), job("b", "0 3 * * *"), other]),
        at("2026-11-20T00:00:00Z"),
    );
    assert_eq!(
        starts(&state.apply(Event::Tick, at("2026-11-20T02:00:00Z"))),
        ["a schedule", "c schedule"]
    );
    // The number of runs may change while they go on.
    let more = Event::Configured(Rhythm { concurrency: 5, ..rhythm() });
    assert_eq!(starts(&state.apply(more, at("2026-11-20T02:01:00Z"))), ["b schedule"]);
}

#[test]
fn failures_are_tried_again_with_longer_pauses() {
    let mut state = fresh(rhythm());
    let mut now = at("2026-11-20T02:00:00Z");
    state.apply(listed(&[job("a", "0 3 * * *")]), at("2026-11-20T00:00:00Z"));
    assert_eq!(starts(&state.apply(Event::Tick, now)), ["a schedule"]);
    for pause in [1, 2, 4] {
        let effects = state.apply(ended("a", Outcome::Failed), now);
        assert_eq!(alarms(&effects).len(), usize::from(pause == 4), "three in a row are an alarm");
        let again = now + SignedDuration::from_mins(pause);
        assert_eq!(state.wake(now), Some(again));
        assert_eq!(
            starts(&state.apply(Event::Tick, again - SignedDuration::from_secs(1))),
            [""; 0]
        );
        assert_eq!(starts(&state.apply(Event::Tick, again)), ["a retry"]);
        now = again;
    }
    state.apply(ended("a", Outcome::Failed), now);
    let round = at("2026-11-21T00:00:00Z");
    assert_eq!(starts(&state.apply(Event::Tick, round)), [""; 0], "enough for today");
    assert_eq!(state.wake(round).unwrap(), at("2026-11-21T02:00:00Z"), "enough for today");
    assert_eq!(starts(&state.apply(Event::Tick, at("2026-11-21T02:00:00Z"))), ["a schedule"]);
    // A new due time is a new beginning: the failures of yesterday take no try away.
    state.apply(ended("a", Outcome::Failed), at("2026-11-21T02:00:10Z"));
    assert_eq!(starts(&state.apply(Event::Tick, at("2026-11-21T02:01:10Z"))), ["a retry"]);
    let well = state.apply(ended("a", Outcome::Succeeded), at("2026-11-21T02:10:00Z"));
    assert_eq!(alarms(&well), ["-failing a"]);
    // What cannot get better by itself is not tried again.
    state.apply(Event::Tick, at("2026-11-22T02:00:00Z"));
    let end = End { outcome: Outcome::Failed, retry: false, stored_bytes: 0 };
    state.apply(Event::Ended { source: slug("a"), end }, at("2026-11-22T02:01:00Z"));
    assert_eq!(starts(&state.apply(Event::Tick, at("2026-11-22T12:00:00Z"))), [""; 0]);
}

#[test]
fn a_run_whose_container_is_replaced_is_cancelled_and_done_again() {
    let mut state = fresh(rhythm());
    let old = job("a", "0 3 * * *");
    state.apply(listed(std::slice::from_ref(&old)), at("2026-11-20T00:00:00Z"));
    state.apply(Event::Tick, at("2026-11-20T02:00:00Z"));
    let new = Job { container: "a-2".to_owned(), ..old };
    let effects = state.apply(listed(&[new]), at("2026-11-20T02:01:00Z"));
    assert!(effects.contains(&Effect::Cancel { source: slug("a") }), "{effects:?}");
    let end = state.apply(ended("a", Outcome::Cancelled), at("2026-11-20T02:01:05Z"));
    assert_eq!(starts(&end), [""; 0]);
    assert_eq!(starts(&state.apply(Event::Tick, at("2026-11-20T02:02:05Z"))), ["a retry"]);

    // One that is away for a while is owed its run when it comes back.
    let gone = state.apply(listed(&[]), at("2026-11-20T02:03:00Z"));
    assert!(gone.contains(&Effect::Cancel { source: slug("a") }), "{gone:?}");
    state.apply(ended("a", Outcome::Cancelled), at("2026-11-20T02:03:05Z"));
    let back = state.apply(listed(&[job("a", "0 3 * * *")]), at("2026-11-20T05:00:00Z"));
    assert_eq!(starts(&back), ["a retry"]);
}

#[test]
fn a_dump_that_a_stopping_server_ended_is_done_again() {
    let mut state = fresh(rhythm());
    let old = job("a", "0 3 * * *");
    state.apply(listed(std::slice::from_ref(&old)), at("2026-11-20T00:00:00Z"));
    state.apply(Event::Tick, at("2026-11-20T02:00:00Z"));
    let end = End { outcome: Outcome::Failed, retry: false, stored_bytes: 0 };
    state.apply(Event::Ended { source: slug("a"), end }, at("2026-11-20T02:00:30Z"));
    let new = Job { container: "a-2".to_owned(), ..old };
    assert_eq!(starts(&state.apply(listed(&[new]), at("2026-11-20T02:01:00Z"))), ["a retry"]);
}

#[test]
fn a_clock_that_was_years_ahead_silences_nobody() {
    let mut state = fresh(rhythm());
    state.apply(listed(&[job("a", "0 3 * * *")]), at("2030-01-01T00:00:00Z"));
    assert_eq!(starts(&state.apply(Event::Tick, at("2030-01-01T02:00:00Z"))), ["a schedule"]);
    state.apply(ended("a", Outcome::Succeeded), at("2030-01-01T02:01:00Z"));
    let back = state.apply(Event::Tick, at("2026-11-20T12:00:00Z"));
    assert_eq!(alarms(&back), ["+overdue a"]);
    assert_eq!(state.wake(at("2026-11-20T12:00:00Z")), Some(at("2026-11-21T02:00:00Z")));
    assert_eq!(starts(&state.apply(Event::Tick, at("2026-11-21T02:00:00Z"))), ["a schedule"]);
    let well = state.apply(ended("a", Outcome::Succeeded), at("2026-11-21T02:01:00Z"));
    assert_eq!(alarms(&well), ["-overdue a"]);
    // The history remembers the wrong time, too.
    let successes = BTreeMap::from([(slug("a"), at("2030-01-01T02:00:00Z"))]);
    assert_eq!(state.apply(Event::Known { successes }, at("2026-11-21T02:02:00Z")), []);
}

#[test]
fn what_comes_after_waits_also_within_the_jitter() {
    let jitter = Duration::from_mins(30);
    let mut state = fresh(Rhythm { jitter, ..rhythm() });
    let names = ["a", "b", "c", "d", "e"];
    let first = job("first", "0 3 * * *");
    let after = names.map(|name| Job { after: [slug("first")].into(), ..job(name, "0 3 * * *") });
    let jobs: Vec<Job> = after.into_iter().chain([first]).collect();
    state.apply(listed(&jobs), at("2026-11-20T00:00:00Z"));
    for minute in 0..40 {
        let now = at("2026-11-20T02:00:00Z") + SignedDuration::from_mins(minute);
        let begun = starts(&state.apply(Event::Tick, now));
        if !begun.is_empty() {
            assert_eq!(begun, ["first schedule"]);
            return;
        }
    }
    panic!("nothing began");
}

#[test]
fn nothing_begins_in_a_blackout_without_docker_or_at_the_end() {
    let blackout = vec![schedule::read_blackout("01:00-04:00").unwrap()];
    let mut state = fresh(Rhythm { blackout, ..rhythm() });
    state.apply(listed(&[job("a", "0 3 * * *")]), at("2026-11-20T00:00:00Z"));
    assert_eq!(starts(&state.apply(Event::Tick, at("2026-11-20T02:00:00Z"))), [""; 0]);
    assert_eq!(state.wake(at("2026-11-20T02:00:00Z")), Some(at("2026-11-20T04:00:00Z")));
    assert_eq!(starts(&state.apply(Event::Tick, at("2026-11-20T04:00:00Z"))), ["a schedule"]);
    state.apply(ended("a", Outcome::Succeeded), at("2026-11-20T04:01:00Z"));

    state.apply(Event::DockerLost, at("2026-11-21T00:00:00Z"));
    assert_eq!(starts(&state.apply(Event::Tick, at("2026-11-21T05:00:00Z"))), [""; 0]);
    let found = state.apply(listed(&[job("a", "0 3 * * *")]), at("2026-11-21T06:00:00Z"));
    assert_eq!(starts(&found).len(), 1);
    state.apply(ended("a", Outcome::Succeeded), at("2026-11-21T06:01:00Z"));

    state.apply(Event::Stopping, at("2026-11-22T00:00:00Z"));
    assert_eq!(starts(&state.apply(Event::Tick, at("2026-11-22T05:00:00Z"))), [""; 0]);
}

#[test]
fn promises_that_are_broken_are_alarms_with_an_end() {
    let mut state = fresh(rhythm());
    let promised = Job { rpo: Some(Duration::from_hours(26)), ..job("a", "0 3 * * *") };
    let unplanned = job("hand", "manual");
    let jobs = [promised, unplanned];
    state.apply(listed(&jobs), at("2026-11-20T00:00:00Z"));
    assert_eq!(
        state.apply(Event::Tick, at("2026-11-21T01:59:00Z")).len(),
        1,
        "the run of the 20th"
    );
    let late = state.apply(Event::Tick, at("2026-11-21T02:00:00Z"));
    assert_eq!(alarms(&late), ["+never_succeeded a"]);
    let end = state.apply(ended("a", Outcome::Succeeded), at("2026-11-21T02:05:00Z"));
    assert_eq!(alarms(&end), ["-never_succeeded a"]);
    state.apply(Event::DockerLost, at("2026-11-21T02:06:00Z"));
    assert_eq!(alarms(&state.apply(Event::Tick, at("2026-11-22T04:05:00Z"))), ["+overdue a"]);

    let unprotected = BTreeMap::from([("shop-db".to_owned(), "its `keep` is wrong".to_owned())]);
    let seen = Event::Listed { jobs: vec![], unprotected, alive: BTreeSet::new() };
    let effects = state.apply(seen, at("2026-11-22T05:00:00Z"));
    assert_eq!(alarms(&effects), ["-overdue a", "+unprotected shop-db"]);
    assert_eq!(
        alarms(&state.apply(listed(&[]), at("2026-11-22T05:01:00Z"))),
        ["-unprotected shop-db"]
    );
}

#[test]
fn an_archive_that_shrinks_is_an_alarm() {
    let mut state = fresh(rhythm());
    state.apply(listed(&[job("a", "every 1h")]), at("2026-11-20T00:00:00Z"));
    let mut now = at("2026-11-20T00:00:00Z");
    for (bytes, expected) in [
        (1000, &[][..]),
        (1100, &[]),
        (900, &[]),
        (1000, &[]),
        (499, &["+shrunk a"]),
        (1000, &["-shrunk a"]),
    ] {
        now += SignedDuration::from_hours(1);
        assert_eq!(starts(&state.apply(Event::Tick, now)), ["a schedule"]);
        let end = End { outcome: Outcome::Succeeded, retry: false, stored_bytes: bytes };
        assert_eq!(alarms(&state.apply(Event::Ended { source: slug("a"), end }, now)), expected);
    }
}
