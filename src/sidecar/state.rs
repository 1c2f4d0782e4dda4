//! What the sidecar knows, and what follows from it: `apply(event, now) → effects`. No clock, no
//! Docker, no store, no database is in here, so years of life can be played through in a test.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::alarm;
use super::verifying::Verifying;
use super::words::{Effect, End, Event, Job, Memory, Rhythm};
use crate::history::Alarm;
use crate::model::{AlarmKind, Outcome, Slug, Trigger};
use crate::schedule;

/// A due time that comes this late was missed by somebody.
const LATE: SignedDuration = SignedDuration::from_mins(5);
/// The first pause before a failed run is tried again; each further one is twice as long…
const FIRST_PAUSE: SignedDuration = SignedDuration::from_mins(1);
/// …up to this.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_hours(1);
/// What is remembered from further ahead than this comes from a clock that was wrong; less may be a
/// clock that was put back, and what was done then is done.
pub(super) const AHEAD: SignedDuration = SignedDuration::from_hours(24);
/// Who waits for so long goes before whoever has one more priority.
const AGEING: SignedDuration = SignedDuration::from_mins(30);

/// All that is known.
#[derive(Debug)]
pub struct State {
    rhythm: Rhythm,
    /// Whether Docker answered last time.
    docker: bool,
    stopping: bool,
    jobs: BTreeMap<Slug, Job>,
    /// How old the newest archive of a source may be.
    promises: BTreeMap<Slug, SignedDuration>,
    unprotected: BTreeMap<String, String>,
    /// Also of sources that are away just now.
    memory: BTreeMap<Slug, Memory>,
    waiting: BTreeMap<Slug, Waiting>,
    /// The container in which each run goes on.
    running: BTreeMap<Slug, Running>,
    /// When a failed run is tried again.
    retries: BTreeMap<Slug, Timestamp>,
    /// How often in a row each source was tried since it was last due.
    attempts: BTreeMap<Slug, u32>,
    /// The container in which a source's last run failed: if that goes away, the run is owed.
    failed_in: BTreeMap<Slug, String>,
    /// Open alarms, with what was said last; those of an earlier process are said once more.
    alarms: BTreeMap<Alarm, String>,
    verifying: Verifying,
}

/// A run that has to begin.
#[derive(Debug, Clone)]
struct Waiting {
    since: Timestamp,
    trigger: Trigger,
    schedule: Option<Slug>,
    due_at: Option<Timestamp>,
}

#[derive(Debug, Clone)]
struct Running {
    since: Timestamp,
    container: String,
    store: Slug,
}

impl State {
    /// `alarms`: those that were open when the last process ended. `round`: when its last round was due.
    pub fn new(
        rhythm: Rhythm,
        memory: BTreeMap<Slug, Memory>,
        alarms: BTreeSet<Alarm>,
        round: Option<Timestamp>,
    ) -> Self {
        Self {
            rhythm,
            docker: false,
            stopping: false,
            jobs: BTreeMap::new(),
            promises: BTreeMap::new(),
            unprotected: BTreeMap::new(),
            memory,
            waiting: BTreeMap::new(),
            running: BTreeMap::new(),
            retries: BTreeMap::new(),
            attempts: BTreeMap::new(),
            failed_in: BTreeMap::new(),
            alarms: alarms.into_iter().map(|alarm| (alarm, String::new())).collect(),
            verifying: Verifying::new(round),
        }
    }

    pub fn apply(&mut self, event: Event, now: Timestamp) -> Vec<Effect> {
        let mut effects = Vec::new();
        // A clock that was far ahead for a while must not silence a source until then.
        let handled = self.memory.values_mut().flat_map(|memory| memory.handled.values_mut());
        for at in handled.chain(self.retries.values_mut()) {
            if at.duration_since(now) > AHEAD {
                *at = now;
            }
        }
        self.verifying.correct(now);
        match event {
            Event::Tick => {}
            Event::Listed { jobs, unprotected, alive } => {
                self.unprotected = unprotected;
                self.listed(jobs, &alive, now, &mut effects);
            }
            Event::Known { successes } => {
                // What a clock that was wrong has left in the history must not come back each time.
                let sound = |at: &Timestamp| at.duration_since(now) <= AHEAD;
                for (source, at) in successes.into_iter().filter(|(_, at)| sound(at)) {
                    let memory = self.memory.entry(source).or_default();
                    if memory.last_success < Some(at) {
                        memory.last_success = Some(at);
                        memory.failures = 0;
                    }
                }
            }
            Event::DockerLost => self.docker = false,
            Event::Ended { source, end } => self.ended(&source, end, now),
            Event::FoundBroken { source, archive, failure } => {
                self.verifying.found_broken(source, archive, failure);
            }
            Event::Looked(broken) => self.verifying.looked(broken),
            Event::Verified { rest } => self.verifying.ended(rest),
            Event::Configured(rhythm) => self.rhythm = rhythm,
            Event::Stopping => {
                // What waits is due again when the next process begins.
                self.stopping = true;
                self.waiting.clear();
                self.verifying.makes_room(&mut effects);
            }
        }
        if !self.stopping {
            self.come_due(now, &mut effects);
            self.begin(now, &mut effects);
            let idle = self.running.is_empty() && self.waiting.is_empty();
            let free = self.docker && idle && !self.is_closed(now);
            self.verifying.begin(self.rhythm.verify, free, now, &mut effects);
        }
        self.judge(now, &mut effects);
        effects
    }

    /// The next time at which something happens by itself; `None`: not before the next event.
    pub fn wake(&self, now: Timestamp) -> Option<Timestamp> {
        let due = self.jobs.values().flat_map(|job| {
            let own = job.schedules.iter();
            own.filter_map(|(id, schedule)| {
                let next =
                    schedule::next(schedule, &job.zone, self.handled(job, id.as_ref(), now))?;
                next.checked_add(self.delay(job)).ok()
            })
        });
        let alarms = self.jobs.values().filter_map(|job| {
            alarm::breaks(self.memory.get(&job.source)?, *self.promises.get(&job.source)?)
        });
        let ends = self.rhythm.blackout.iter().filter_map(|window| window.end(now));
        let all = due.chain(self.retries.values().copied()).chain(alarms).chain(ends);
        let all = all.chain(self.verifying.wake(self.rhythm.verify));
        // What is due already waits for something else: a place, or the end of another run.
        all.filter(|at| *at > now).min()
    }

    fn listed(
        &mut self,
        jobs: Vec<Job>,
        alive: &BTreeSet<String>,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        self.docker = true;
        let before = std::mem::take(&mut self.jobs);
        self.jobs = jobs.into_iter().map(|job| (job.source.clone(), job)).collect();
        for (source, job) in &self.jobs {
            if before.get(source) != Some(job) {
                self.promises.remove(source);
                self.promises.extend(alarm::promise(job, now).map(|most| (source.clone(), most)));
            }
            let memory = self.memory.entry(source.clone()).or_default();
            if memory.first_seen.is_none() {
                memory.first_seen = Some(now);
                effects.push(Effect::Seen { source: source.clone() });
            }
            // A further schedule of a known source counts from now; all of a source whose history is
            // lost, from its last success.
            let known =
                memory.first_seen.max(memory.last_success).filter(|_| memory.handled.is_empty());
            for id in job.schedules.keys() {
                memory.handled.entry(id.clone()).or_insert(known.unwrap_or(now));
            }
            if std::mem::take(&mut memory.interrupted) {
                self.retries.insert(source.clone(), now);
            }
        }
        // What waited is due again when its source comes back; a retry is owed, too.
        self.waiting.retain(|source, _| self.jobs.contains_key(source));
        let away = |source: &Slug, _: &mut Timestamp| !self.jobs.contains_key(source);
        for (source, _) in self.retries.extract_if(.., away) {
            self.memory.entry(source).or_default().interrupted = true;
        }
        // A server that is stopped ends its dumps before its container ends: that was no failure.
        let replaced = |_: &Slug, container: &mut String| !alive.contains(container);
        for (source, _) in self.failed_in.extract_if(.., replaced) {
            if self.jobs.contains_key(&source) && !self.running.contains_key(&source) {
                self.retries.insert(source, now);
            } else {
                self.memory.entry(source).or_default().interrupted = true;
            }
        }
        for (source, _) in self.running.iter().filter(|(_, own)| !alive.contains(&own.container)) {
            effects.push(Effect::Cancel { source: source.clone() });
        }
    }

    fn ended(&mut self, source: &Slug, end: End, now: Timestamp) {
        // A run fails, too, if its archive's own proof did.
        if end.outcome == Outcome::Failed || self.verifying.has_broken() {
            self.verifying.look_soon();
        }
        let running = self.running.remove(source);
        let since = running.as_ref().map_or(now, |running| running.since);
        let container = running.map(|running| running.container);
        let memory = self.memory.entry(source.clone()).or_default();
        match end.outcome {
            Outcome::Succeeded => {
                memory.failures = 0;
                // Its archives are as old as its begin.
                memory.last_success = Some(since);
                memory.sizes.insert(0, end.stored_bytes);
                memory.sizes.truncate(alarm::SIZES);
                self.retries.remove(source);
                self.failed_in.remove(source);
            }
            Outcome::Failed | Outcome::Interrupted => {
                memory.failures += 1;
                let attempts = self.attempts.entry(source.clone()).or_default();
                *attempts += 1;
                if end.retry && *attempts <= self.rhythm.retries {
                    let pause = FIRST_PAUSE * 2_i32.saturating_pow(*attempts - 1);
                    self.owe(source, pause.min(LONGEST_PAUSE), now);
                }
                self.failed_in.extend(container.map(|container| (source.clone(), container)));
            }
            // Its container went away, and may have come back as another.
            Outcome::Cancelled => self.owe(source, FIRST_PAUSE, now),
        }
    }

    /// A run that did not end well is tried again: in a while, or when its source comes back.
    fn owe(&mut self, source: &Slug, pause: SignedDuration, now: Timestamp) {
        if self.jobs.contains_key(source) {
            self.retries.insert(source.clone(), now.checked_add(pause).unwrap_or(now));
        } else {
            self.memory.entry(source.clone()).or_default().interrupted = true;
        }
    }

    /// From when on a schedule's due times count.
    fn handled(&self, job: &Job, id: Option<&Slug>, now: Timestamp) -> Timestamp {
        let memory = self.memory.get(&job.source);
        memory.and_then(|memory| memory.handled.get(&id.cloned())).copied().unwrap_or(now)
    }

    /// Each source has a place of its own within the jitter, the same every day.
    fn delay(&self, job: &Job) -> SignedDuration {
        let jitter = i64::try_from(self.rhythm.jitter.as_secs()).unwrap_or(i64::MAX);
        // FNV-1a: the same in every version, which the standard library's hash does not promise.
        let hash = job.source.as_str().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let place = i64::try_from(hash >> 1).unwrap_or(0).checked_rem(jitter);
        SignedDuration::from_secs(place.unwrap_or(0))
    }

    /// Lets what is due wait for its turn. One run makes up for all that was missed; a source that
    /// waits or runs already takes it in.
    fn come_due(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let mut due = Vec::new();
        for job in self.jobs.values() {
            let until = now.checked_sub(self.delay(job)).unwrap_or(now);
            for (id, schedule) in &job.schedules {
                let after = self.handled(job, id.as_ref(), now);
                if let Some(found) = schedule::due_until(schedule, &job.zone, after, until) {
                    due.push((job.source.clone(), id.clone(), found));
                }
            }
        }
        for (source, schedule, found) in due {
            let late = found.missed > 0 || now.duration_since(found.at) > LATE + self.jitter();
            let trigger = if late { Trigger::CatchUp } else { Trigger::Schedule };
            let own =
                Waiting { since: now, trigger, schedule: schedule.clone(), due_at: Some(found.at) };
            match self.waiting.get_mut(&source) {
                // The newest due time of the same schedule stands for those before.
                Some(waiting) if waiting.schedule == schedule && waiting.due_at.is_some() => {
                    waiting.due_at = Some(found.at);
                }
                Some(_) => self.explain(
                    &source,
                    schedule,
                    found.at,
                    "merged with a run that waits",
                    effects,
                ),
                None if self.running.contains_key(&source) => {
                    self.explain(
                        &source,
                        schedule,
                        found.at,
                        "merged with a run that goes on",
                        effects,
                    );
                }
                None => drop(self.waiting.insert(source, own)),
            }
        }
        let again: Vec<Slug> = self
            .retries
            .iter()
            .filter(|(_, at)| **at <= now)
            .map(|(source, _)| source.clone())
            .collect();
        for source in again {
            self.retries.remove(&source);
            if !self.running.contains_key(&source) && self.jobs.contains_key(&source) {
                let retry =
                    Waiting { since: now, trigger: Trigger::Retry, schedule: None, due_at: None };
                self.waiting.entry(source).or_insert(retry);
            }
        }
    }

    fn jitter(&self) -> SignedDuration {
        SignedDuration::try_from(self.rhythm.jitter).unwrap_or(SignedDuration::MAX)
    }

    fn explain(
        &mut self,
        source: &Slug,
        schedule: Option<Slug>,
        due_at: Timestamp,
        why: &'static str,
        effects: &mut Vec<Effect>,
    ) {
        self.memory.entry(source.clone()).or_default().handled.insert(schedule.clone(), due_at);
        effects.push(Effect::Explain { source: source.clone(), schedule, due_at, why });
    }

    /// Begins what waits, as far as there is room: the highest priority first, but whoever waits
    /// long rises.
    fn begin(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let closed = self.is_closed(now);
        while self.docker && self.running.len() < self.rhythm.concurrency {
            let rank = |(source, waiting): (&Slug, &Waiting)| {
                let job = self.jobs.get(source)?;
                let free = !closed
                    && !self.running.contains_key(source)
                    && self.has_room(&job.store)
                    && !job
                        .after
                        .iter()
                        .any(|other| self.is_busy(other) || self.is_due(other, now));
                let steps = now.duration_since(waiting.since).as_secs() / AGEING.as_secs();
                let level = job.priority as i64 + steps;
                free.then(|| {
                    ((std::cmp::Reverse(level), waiting.since, source.clone()), source.clone())
                })
            };
            let Some((_, source)) = self.waiting.iter().filter_map(rank).min() else { break };
            // A backup goes before verification, and not beside it.
            if self.verifying.makes_room(effects) {
                break;
            }
            self.start(source, now, effects);
        }
    }

    fn start(&mut self, source: Slug, now: Timestamp, effects: &mut Vec<Effect>) {
        let (Some(waiting), Some(job)) = (self.waiting.remove(&source), self.jobs.get(&source))
        else {
            return;
        };
        let running =
            Running { since: now, container: job.container.clone(), store: job.store.clone() };
        self.running.insert(source.clone(), running);
        self.retries.remove(&source);
        let Waiting { trigger, schedule, due_at, .. } = waiting;
        self.failed_in.remove(&source);
        if trigger != Trigger::Retry {
            self.attempts.remove(&source);
        }
        if let Some(due_at) = due_at {
            let memory = self.memory.entry(source.clone()).or_default();
            memory.handled.insert(schedule.clone(), due_at);
        }
        effects.push(Effect::Start { source, trigger, schedule, due_at });
    }

    fn is_closed(&self, now: Timestamp) -> bool {
        self.rhythm.blackout.iter().any(|window| window.end(now).is_some())
    }

    fn has_room(&self, store: &Slug) -> bool {
        let busy = self.running.values().filter(|running| running.store == *store).count();
        self.rhythm.per_store.get(store).is_none_or(|most| busy < *most)
    }

    fn is_busy(&self, source: &Slug) -> bool {
        self.waiting.contains_key(source) || self.running.contains_key(source)
    }

    /// Whether a source is due by its schedules alone, perhaps at a later place within the jitter.
    fn is_due(&self, source: &Slug, now: Timestamp) -> bool {
        self.jobs.get(source).is_some_and(|job| {
            job.schedules.iter().any(|(id, schedule)| {
                let after = self.handled(job, id.as_ref(), now);
                schedule::due_until(schedule, &job.zone, after, now).is_some()
            })
        })
    }

    /// Raises and clears alarms.
    fn judge(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        // Without Docker, nobody knows what is labelled; what is known stays as it is.
        let mut found: BTreeMap<Alarm, String> = self
            .unprotected
            .iter()
            .map(|(name, why)| (alarm::unprotected(name), why.clone()))
            .collect();
        for job in self.jobs.values() {
            if let Some(memory) = self.memory.get(&job.source) {
                let promise = self.promises.get(&job.source).copied();
                found.extend(alarm::judge(job, memory, promise, &self.rhythm, now));
            }
        }
        let broken = self.verifying.alarms();
        found.extend(broken.clone().unwrap_or_default());
        // What nobody knows stays as it is.
        let stays = |alarm: &Alarm| match alarm.kind {
            AlarmKind::Broken => broken.is_none(),
            _ => self.jobs.is_empty() && self.unprotected.is_empty() && !self.docker,
        };
        alarm::settle(&mut self.alarms, found, stays, effects);
    }
}
