//! Life, played through: thousands of random events with a fixed seed, and what must be so after each
//! of them. And single stories, told in a few events.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use ringbolt::model::{Outcome, Priority, Slug};
use ringbolt::schedule;
use ringbolt::sidecar::{Effect, End, Event, Job, Memory, Rhythm, State};

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

fn fresh(rhythm: Rhythm) -> State {
    State::new(rhythm, BTreeMap::new(), BTreeSet::new())
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
    assert!(state.is_idle());
    assert_eq!(state.wake(later), Some(at("2026-11-21T02:00:00Z")));
}

#[test]
fn downtime_is_made_up_for_once() {
    let handled = BTreeMap::from([(None, at("2026-11-10T02:00:00Z"))]);
    let first_seen = Some(at("2026-11-01T00:00:00Z"));
    let memory = Memory { handled, first_seen, ..Memory::default() };
    let memory = BTreeMap::from([(slug("a"), memory)]);
    let mut state = State::new(rhythm(), memory, BTreeSet::new());
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
    assert_eq!(state.wake(now).unwrap(), at("2026-11-21T02:00:00Z"), "enough for today");
    assert_eq!(starts(&state.apply(Event::Tick, at("2026-11-21T02:00:00Z"))), ["a schedule"]);
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
fn nothing_begins_in_a_blackout_without_docker_or_at_the_end() {
    let blackout = vec![schedule::read_blackout("01:00-04:00").unwrap()];
    let mut state = fresh(Rhythm { blackout, ..rhythm() });
    state.apply(listed(&[job("a", "0 3 * * *")]), at("2026-11-20T00:00:00Z"));
    assert_eq!(starts(&state.apply(Event::Tick, at("2026-11-20T02:00:00Z"))), [""; 0]);
    assert_eq!(state.wake(at("2026-11-20T02:00:00Z")), Some(at("2026-11-20T04:00:00Z")));
    assert_eq!(starts(&state.apply(Event::Asked(slug("a")), at("2026-11-20T02:30:00Z"))), [""; 0]);
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

/// A fixed row of numbers that look random: every run of the test is the same.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// The world outside the state, and a book of everything that it did.
struct Play {
    dice: Dice,
    now: Timestamp,
    state: State,
    docker: bool,
    containers: BTreeMap<String, Job>,
    runs: BTreeMap<Slug, (Timestamp, Outcome)>,
    handled: BTreeSet<(Slug, Option<Slug>, Timestamp)>,
    newest: BTreeMap<(Slug, Option<Slug>), Timestamp>,
    listed: Vec<Job>,
    started: usize,
}

impl Play {
    fn new(seed: u64) -> Self {
        let now = at("2026-10-20T12:00:00Z");
        Self {
            dice: Dice(seed),
            now,
            state: fresh(Rhythm {
                concurrency: 3,
                jitter: Duration::from_mins(5),
                blackout: vec![schedule::read_blackout("10:00-11:00 Europe/Berlin").unwrap()],
                ..rhythm()
            }),
            docker: true,
            containers: BTreeMap::new(),
            runs: BTreeMap::new(),
            handled: BTreeSet::new(),
            newest: BTreeMap::new(),
            listed: Vec::new(),
            started: 0,
        }
    }

    fn tell(&mut self, event: Event) {
        let effects = self.state.apply(event, self.now);
        for effect in effects {
            match effect {
                Effect::Start { source, schedule, due_at, .. } => {
                    self.started += 1;
                    assert!(!self.runs.contains_key(&source), "two runs of {source}");
                    assert!(
                        self.listed.iter().any(|job| job.source == source),
                        "{source} is not there"
                    );
                    assert!(self.docker, "{source} begins without Docker");
                    let time = SignedDuration::from_secs(self.dice.roll(7200).cast_signed());
                    let outcome =
                        if self.dice.roll(4) == 0 { Outcome::Failed } else { Outcome::Succeeded };
                    self.runs.insert(source.clone(), (self.now + time, outcome));
                    assert!(self.runs.len() <= 3, "more runs than there may be");
                    self.note(source, schedule, due_at);
                }
                Effect::Explain { source, schedule, due_at, .. } => {
                    self.note(source, schedule, Some(due_at));
                }
                Effect::Cancel { source } => {
                    let end = self.runs.get_mut(&source).expect("only what runs is cancelled");
                    *end = (self.now, Outcome::Cancelled);
                }
                Effect::Seen { .. } | Effect::Raise { .. } | Effect::Clear { .. } => {}
            }
        }
    }

    fn note(&mut self, source: Slug, schedule: Option<Slug>, due_at: Option<Timestamp>) {
        let Some(due_at) = due_at else { return };
        let own = (source.clone(), schedule.clone(), due_at);
        assert!(self.handled.insert(own), "{source} at {due_at} is handled twice");
        let newest = self.newest.entry((source, schedule)).or_insert(due_at);
        *newest = (*newest).max(due_at);
    }

    fn list(&mut self) {
        self.listed = self.containers.values().cloned().collect();
        self.tell(listed(&self.listed.clone()));
    }

    fn ends(&mut self) {
        let over: Vec<Slug> = self
            .runs
            .iter()
            .filter(|(_, (end, _))| *end <= self.now)
            .map(|(s, _)| s.clone())
            .collect();
        for source in over {
            let (_, outcome) = self.runs.remove(&source).unwrap();
            let retry = self.dice.roll(2) == 0;
            let end = End { outcome, retry, stored_bytes: 1000 + self.dice.roll(100) };
            self.tell(Event::Ended { source, end });
        }
    }

    fn step(&mut self) {
        let name = format!("s{}", self.dice.roll(8));
        let expressions =
            ["*/20 * * * *", "30 2 * * *", "0 3 * * 0", "every 45m", "@hourly", "manual"];
        match self.dice.roll(12) {
            // A container comes, is replaced, changes its labels, or goes.
            0 | 1 => {
                let expression = expressions[usize::try_from(self.dice.roll(6)).unwrap()];
                let container = format!("{name}-{}", self.dice.roll(1000));
                self.containers.insert(name.clone(), Job { container, ..job(&name, expression) });
            }
            2 => drop(self.containers.remove(&name)),
            // Docker goes and comes back.
            3 if self.docker => {
                self.docker = false;
                self.tell(Event::DockerLost);
            }
            4 => self.docker = true,
            5 => self.tell(Event::Asked(slug(&name))),
            // The clock jumps.
            6 if self.dice.roll(20) == 0 => self.now += SignedDuration::from_hours(30),
            7 if self.dice.roll(20) == 0 => self.now -= SignedDuration::from_mins(90),
            _ => {}
        }
        // Hints of Docker get lost; a list comes all the same, now and then.
        if self.docker && self.dice.roll(3) == 0 {
            self.list();
        }
        self.ends();
        self.tell(Event::Tick);
        let wake = self.state.wake(self.now);
        let most = self.now + SignedDuration::from_mins(self.dice.roll(40).cast_signed());
        self.now =
            wake.map_or(most, |wake| wake.min(most)).max(self.now + SignedDuration::from_secs(1));
    }

    /// Everything that was due until now is run or explained, once Docker is there and all runs end.
    fn settle(&mut self) {
        self.docker = true;
        self.list();
        for _ in 0..2000 {
            self.now += SignedDuration::from_mins(7);
            self.ends();
            self.tell(Event::Tick);
        }
        let slack = self.now - SignedDuration::from_hours(8);
        for job in self.listed.clone() {
            for (id, expression) in &job.schedules {
                let newest = self.newest.get(&(job.source.clone(), id.clone()));
                let after = newest.copied().unwrap_or(at("2026-10-20T00:00:00Z"));
                let next = schedule::next(expression, &job.zone, after);
                let forgotten = next.filter(|next| newest.is_some() && *next < slack);
                assert_eq!(forgotten, None, "{} was due", job.source);
            }
        }
    }
}

#[test]
fn thousands_of_random_events_break_no_promise() {
    let mut started = 0;
    for seed in 1..=20 {
        let mut play = Play::new(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
        for _ in 0..2000 {
            play.step();
        }
        play.settle();
        started += play.started;
    }
    assert!(started > 10_000, "only {started} runs began: nothing was tried");
}
