//! Alarms: what is not as promised, judged from what is remembered of a source. Pure.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::state::AHEAD;
use super::words::{Effect, Job, Memory, Rhythm};
use crate::history::Alarm;
use crate::model::AlarmKind;
use crate::model::units::{Bytes, exact, span};
use crate::schedule;

/// How many sizes are remembered to know what is usual.
pub(super) const SIZES: usize = 8;
/// With fewer sizes nobody knows what is usual.
const ENOUGH: usize = 3;
/// What a schedule promises is not broken by a run that takes its time, nor by the night in which
/// clocks are put back: a quarter of its period, and two hours at least.
const LEAST_SLACK: SignedDuration = SignedDuration::from_hours(2);

/// The alarm of a container that is labelled and has no plan.
pub(super) fn unprotected(container: &str) -> Alarm {
    Alarm { kind: AlarmKind::Unprotected, subject: container.to_owned() }
}

/// How old the newest archive may be: what was promised, or what the schedules let expect.
pub(super) fn promise(job: &Job, now: Timestamp) -> Option<SignedDuration> {
    if let Some(rpo) = job.rpo {
        return SignedDuration::try_from(rpo).ok();
    }
    let schedules: Vec<_> = job.schedules.values().cloned().collect();
    let period = schedule::period(&schedules, &job.zone, now)?;
    let period = SignedDuration::try_from(period).ok()?;
    period.checked_add((period / 4).max(LEAST_SLACK))
}

/// When a promise is broken, if nothing happens until then.
pub(super) fn breaks(memory: &Memory, promise: SignedDuration) -> Option<Timestamp> {
    memory.last_success.or(memory.first_seen)?.checked_add(promise).ok()
}

/// Everything that is wrong with a source.
pub(super) fn judge(
    job: &Job,
    memory: &Memory,
    promise: Option<SignedDuration>,
    rhythm: &Rhythm,
    now: Timestamp,
) -> Vec<(Alarm, String)> {
    let mut found = Vec::new();
    let mut raise = |kind, message| {
        found.push((Alarm { kind, subject: job.source.to_string() }, message));
    };
    let end = promise.and_then(|promise| breaks(memory, promise));
    // A success from far ahead tells of a clock that was wrong, and of nothing else.
    let ahead = memory.last_success.is_some_and(|at| at.duration_since(now) > AHEAD);
    let broken = end.is_some_and(|at| at <= now) || (end.is_some() && ahead);
    match memory.last_success {
        Some(at) if broken => {
            let age = span(now.duration_since(at).unsigned_abs());
            let promised = job.rpo.map(|rpo| format!(", promised is {}", exact(rpo)));
            raise(
                AlarmKind::Overdue,
                format!("the newest archive is {age} old{}", promised.unwrap_or_default()),
            );
        }
        None if broken => {
            raise(AlarmKind::NeverSucceeded, "there is no archive of it yet".to_owned());
        }
        _ => {}
    }
    if rhythm.failing > 0 && memory.failures >= rhythm.failing {
        raise(AlarmKind::Failing, format!("its last {} runs failed", memory.failures));
    }
    if let [newest, before @ ..] = memory.sizes.as_slice()
        && before.len() >= ENOUGH
    {
        let usual = median(before);
        let least = u128::from(usual) * u128::from(100 - rhythm.shrunk_percent.min(100)) / 100;
        if u128::from(*newest) < least {
            let (newest, usual) = (Bytes(*newest), Bytes(usual));
            raise(
                AlarmKind::Shrunk,
                format!("its newest archives have {newest}, usual are {usual}"),
            );
        }
    }
    found
}

/// Ends what is not found any more, and raises what was not open or says another thing now. `stays`:
/// what nobody can judge just now.
pub(super) fn settle(
    alarms: &mut BTreeMap<Alarm, String>,
    mut found: BTreeMap<Alarm, String>,
    stays: impl Fn(&Alarm) -> bool,
    effects: &mut Vec<Effect>,
) {
    found.retain(|alarm, _| !stays(alarm));
    for alarm in alarms.keys().filter(|alarm| !stays(alarm) && !found.contains_key(alarm)) {
        effects.push(Effect::Clear { alarm: alarm.clone() });
    }
    for (alarm, message) in &found {
        // What is wrong with labels or archives may become another thing; an age only grows.
        let changes = matches!(alarm.kind, AlarmKind::Unprotected | AlarmKind::Broken);
        let changed = |said: &String| said.is_empty() || (changes && said != message);
        if alarms.get(alarm).is_none_or(changed) {
            effects.push(Effect::Raise { alarm: alarm.clone(), message: message.clone() });
        }
    }
    alarms.retain(|alarm, _| stays(alarm));
    alarms.extend(found);
}

fn median(sizes: &[u64]) -> u64 {
    let mut sorted = sizes.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}
