//! Runs: the instants at which schedules are due, one by one, merged, and how far they lie apart.
//!
//! croner is asked about the calendar only, never about zones. Given a zone, it tells jobs with one
//! fixed time of day from all others, and for the others it leaves out what the clock skips and
//! runs twice what the clock repeats: `0 2,14 * * *` would lose its night run in spring, and have
//! two in autumn. So it walks the local calendar, which has neither gaps nor repetitions, and each
//! local time becomes exactly one instant here, whatever the expression looks like:
//!
//! * A time that the clock skips is due as if the clock had not been changed yet: in Berlin's gap
//!   from 2:00 to 3:00, 2:30 is due at 3:30. So schedules that were set apart stay apart. If
//!   something is due at 3:30 anyway, it is one run.
//! * A time that the clock repeats is due when it comes first.
//!
//! This is what RFC 5545 (section 3.3.5) says about local times, and what `once` does too.

use std::time::Duration;

use croner::Cron;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp, civil};

use super::cron;
use crate::model::Schedule;

const SECOND: SignedDuration = SignedDuration::from_secs(1);
/// Longer than any clock was ever put forward: Samoa left out a whole day in 2011.
const LONGEST_GAP: SignedDuration = SignedDuration::from_hours(25);

/// Schedules that rest at night, at weekends or for most of a month show it within this time…
const PERIOD_TIME: SignedDuration = SignedDuration::from_hours(32 * 24);
/// …and those that are seldom due show it within so many runs.
const PERIOD_RUNS: usize = 60;
/// A run every minute for the whole [`PERIOD_TIME`]; a bound for those that are due every second.
const PERIOD_MOST: usize = 32 * 24 * 60;

/// Missed runs are counted up to here: a day and a half of a run every minute.
const MOST_MISSED: u32 = 2000;

/// When the schedule is next due, strictly after `after`; `None`: never again.
///
/// For [`Schedule::Every`], `after` is the last run, or the time from which to count.
pub fn next(schedule: &Schedule, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
    Runs::new(schedule, zone, after).next()
}

/// Due times that have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// The newest.
    pub at: Timestamp,
    /// How many came before it.
    pub missed: u32,
}

/// What has become due after `after` and until `now`: one run makes up for all of it. `None`:
/// nothing.
pub fn due_until(
    schedule: &Schedule,
    zone: &TimeZone,
    after: Timestamp,
    now: Timestamp,
) -> Option<Due> {
    let mut due: Option<Due> = None;
    for at in Runs::new(schedule, zone, after).take_while(|at| *at <= now) {
        let missed = due.map_or(0, |earlier| earlier.missed + 1);
        due = Some(Due { at, missed });
        if missed == MOST_MISSED {
            // Nobody wants to know it more exactly, and it must not take long to find out.
            return Some(Due { at: now, missed });
        }
    }
    due
}

/// The next `count` instants at which any of the schedules is due, in order, each once.
pub fn upcoming(
    schedules: &[Schedule],
    zone: &TimeZone,
    after: Timestamp,
    count: usize,
) -> Vec<Timestamp> {
    Merged::new(schedules, zone, after).take(count).collect()
}

/// The longest time between two runs that follow one another, among those that come next; `None`
/// if there are no two.
///
/// It is seen from `now`: one night a year is an hour longer, and only shows when it is near. A
/// promise that is made from it needs some slack.
pub fn period(schedules: &[Schedule], zone: &TimeZone, now: Timestamp) -> Option<Duration> {
    let enough = now.checked_add(PERIOD_TIME).unwrap_or(Timestamp::MAX);
    let mut runs = Merged::new(schedules, zone, now);
    let mut last = runs.next()?;
    let mut longest = None;
    for (number, run) in runs.take(PERIOD_MOST).enumerate() {
        longest = longest.max(Some(run.duration_since(last)));
        if run > enough && number >= PERIOD_RUNS {
            break;
        }
        last = run;
    }
    longest?.try_into().ok()
}

/// The runs of one schedule, from the next one on.
struct Runs<'a> {
    clock: Clock,
    zone: &'a TimeZone,
    last: Timestamp,
}

enum Clock {
    Never,
    Cron(Box<Cron>),
    Every(SignedDuration),
    Once(Timestamp),
}

impl<'a> Runs<'a> {
    fn new(schedule: &Schedule, zone: &'a TimeZone, after: Timestamp) -> Self {
        let clock = match schedule {
            Schedule::Manual => None,
            Schedule::Cron(expression) => {
                cron::parse(expression).ok().map(|cron| Clock::Cron(Box::new(cron)))
            }
            Schedule::Every(duration) => (*duration).try_into().ok().map(Clock::Every),
            Schedule::Once(at) => zone.to_timestamp(*at).ok().map(Clock::Once),
        };
        Self { clock: clock.unwrap_or(Clock::Never), zone, last: after }
    }
}

impl Iterator for Runs<'_> {
    type Item = Timestamp;

    fn next(&mut self) -> Option<Timestamp> {
        let next = match &self.clock {
            Clock::Never => None,
            Clock::Cron(cron) => due(cron, self.zone, self.last),
            Clock::Every(duration) => self.last.checked_add(*duration).ok(),
            Clock::Once(at) => Some(*at),
        };
        // No schedule can hold its caller up, whatever is wrong with it.
        self.last = next.filter(|next| *next > self.last)?;
        Some(self.last)
    }
}

/// The first instant after `after` that a matching local time falls on.
fn due(cron: &Cron, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
    let passed = zone.to_datetime(after);
    let mut local = skipped(zone, after).unwrap_or(passed);
    let mut moved: Option<Timestamp> = None;
    while let Ok(matching) = cron.find_next_occurrence(&local, false) {
        let instant = zone.to_ambiguous_timestamp(matching);
        let offset = instant.offset();
        // Beyond the last year that can be told, nothing is due.
        let Ok(at) = instant.compatible() else { break };
        if let AmbiguousOffset::Gap { after: clock, .. } = offset {
            // What comes later in the calendar, behind the gap, may be due earlier.
            moved = moved.or(Some(at));
            let change = zone.preceding(at.checked_add(SECOND).ok()?).next()?.timestamp();
            local = clock.to_datetime(change).checked_sub(SECOND).ok()?.max(matching);
        } else if at > after {
            return Some(moved.map_or(at, |moved| moved.min(at)));
        } else {
            // The clock shows this time again, or there is nothing left of what it skipped.
            local = matching.max(passed);
        }
    }
    moved
}

/// The local time from which to look, if the clock was put forward a short while ago: that of the
/// clock as it was before, because times that were skipped may still be to come.
fn skipped(zone: &TimeZone, after: Timestamp) -> Option<civil::DateTime> {
    let before = zone.to_offset(after.checked_sub(LONGEST_GAP).ok()?);
    (before < zone.to_offset(after)).then(|| before.to_datetime(after))
}

/// The runs of several schedules; what is due at one instant is one run.
struct Merged<'a> {
    heads: Vec<(Option<Timestamp>, Runs<'a>)>,
}

impl<'a> Merged<'a> {
    fn new(schedules: &[Schedule], zone: &'a TimeZone, after: Timestamp) -> Self {
        let runs = schedules.iter().map(|schedule| Runs::new(schedule, zone, after));
        Self { heads: runs.map(|mut runs| (runs.next(), runs)).collect() }
    }
}

impl Iterator for Merged<'_> {
    type Item = Timestamp;

    fn next(&mut self) -> Option<Timestamp> {
        let first = self.heads.iter().filter_map(|(head, _)| *head).min()?;
        for (head, runs) in &mut self.heads {
            if *head == Some(first) {
                *head = runs.next();
            }
        }
        Some(first)
    }
}
