//! Life, played through: thousands of random events with a fixed seed, and what must be so after each
//! of them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use ringbolt::model::{Outcome, Slug};
use ringbolt::schedule;
use ringbolt::sidecar::{Effect, End, Event, Job, Rhythm, State, Verification};

use super::{at, job, listed, rhythm};

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
    /// When what verifies now ends.
    verifying: Option<Timestamp>,
    rounds: BTreeSet<Timestamp>,
    pauses: usize,
}

impl Play {
    fn new(seed: u64) -> Self {
        let now = at("2026-10-20T12:00:00Z");
        let rhythm = Rhythm {
            concurrency: 3,
            jitter: Duration::from_mins(5),
            blackout: vec![schedule::read_blackout("10:00-11:00 Europe/Berlin").unwrap()],
            ..rhythm()
        };
        Self {
            dice: Dice(seed),
            now,
            state: State::new(rhythm, BTreeMap::new(), BTreeSet::new(), None),
            docker: true,
            containers: BTreeMap::new(),
            runs: BTreeMap::new(),
            handled: BTreeSet::new(),
            newest: BTreeMap::new(),
            listed: Vec::new(),
            started: 0,
            verifying: None,
            rounds: BTreeSet::new(),
            pauses: 0,
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
                    assert_eq!(self.verifying, None, "{source} begins beside verification");
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
                Effect::Verify { what, .. } => {
                    assert!(self.docker && self.runs.is_empty(), "verification beside a backup");
                    assert_eq!(self.verifying, None, "two rounds at once");
                    let closed = schedule::read_blackout("10:00-11:00 Europe/Berlin").unwrap();
                    assert_eq!(closed.end(self.now), None, "verification in a blackout");
                    if let Verification::Round { due_at } = what {
                        assert!(self.rounds.insert(due_at), "two rounds of {due_at}");
                    }
                    let time = SignedDuration::from_secs(self.dice.roll(3600).cast_signed());
                    self.verifying = Some(self.now + time);
                }
                Effect::StopVerifying => {
                    assert!(self.verifying.is_some(), "nothing verifies");
                    self.verifying = Some(self.now);
                    self.pauses += 1;
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
        if let Some(end) = self.verifying.filter(|end| *end <= self.now) {
            self.verifying = None;
            // One that was broken off has something left.
            let rest = end == self.now;
            self.tell(Event::Verified { rest });
        }
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
        for _ in 0..300 {
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
    let (mut started, mut rounds, mut pauses) = (0, 0, 0);
    for seed in 1..=10 {
        let mut play = Play::new(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
        for _ in 0..1000 {
            play.step();
        }
        play.settle();
        started += play.started;
        rounds += play.rounds.len();
        pauses += play.pauses;
    }
    assert!(started > 2000, "only {started} runs began: nothing was tried");
    assert!(
        rounds > 30 && pauses > 30,
        "only {rounds} rounds and {pauses} pauses: nothing was tried"
    );
}
