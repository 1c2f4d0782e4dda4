//! Rolling verification, decided: when a day's round is due, which archives it takes, and which sources
//! have broken ones. Pure: archives are read and told of elsewhere.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::state::AHEAD;
use super::words::{Effect, Verification};
use crate::history::Alarm;
use crate::model::{AlarmKind, ArchiveId, Slug};
use crate::settings::VerifySettings;

/// From one round to the next.
const DAY: SignedDuration = SignedDuration::from_hours(24);
/// While something is broken, it is looked this often whether it still is.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_hours(1);

/// The broken archives of each source, with what is wrong with them.
pub type Broken = BTreeMap<Slug, BTreeMap<ArchiveId, String>>;

/// What is known of rounds.
#[derive(Debug)]
pub(super) struct Verifying {
    /// When the round was due that began last.
    round: Option<Timestamp>,
    /// Whether that one was broken off and goes on when there is time.
    rest: bool,
    /// What goes on, and whether it was asked to stop.
    running: Option<bool>,
    /// `None`: nobody has looked yet, so alarms stay as the last process left them.
    broken: Option<Broken>,
    /// When it was last looked, or tried; `None`: it is to be looked as soon as possible.
    looked: Option<Timestamp>,
}

impl Verifying {
    pub(super) fn new(round: Option<Timestamp>) -> Self {
        Self { round, rest: false, running: None, broken: None, looked: None }
    }

    /// A clock that was far ahead for a while must not silence verification until then.
    pub(super) fn correct(&mut self, now: Timestamp) {
        for at in self.round.iter_mut().chain(&mut self.looked) {
            if at.duration_since(now) > AHEAD {
                *at = now;
            }
        }
    }

    /// What can begin now. `free`: no backup runs or waits, no blackout is, and Docker is there.
    pub(super) fn begin(
        &mut self,
        settings: VerifySettings,
        free: bool,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        if !free || self.running.is_some() {
            return;
        }
        let wanted = settings.share_percent > 0;
        let what = match due(self.round, now).filter(|_| wanted) {
            Some(due_at) => {
                self.round = Some(due_at);
                Verification::Round { due_at }
            }
            None if self.rest && wanted => Verification::Rest,
            None if self.looks_at().is_none_or(|at| at <= now) => Verification::Look,
            None => return,
        };
        self.rest = false;
        self.running = Some(false);
        self.looked = Some(now);
        effects.push(Effect::Verify { what, settings });
    }

    /// Asks what goes on to make room. Returns whether something still goes on, beside which nothing may
    /// begin.
    pub(super) fn makes_room(&mut self, effects: &mut Vec<Effect>) -> bool {
        if let Some(asked @ false) = &mut self.running {
            *asked = true;
            effects.push(Effect::StopVerifying);
        }
        self.running.is_some()
    }

    /// One archive was found to be broken.
    pub(super) fn found_broken(&mut self, source: Slug, archive: ArchiveId, failure: String) {
        // What else is broken nobody knows before it was looked: no alarm ends by this.
        if let Some(broken) = &mut self.broken {
            broken.entry(source).or_default().insert(archive, failure);
        }
    }

    /// Everything was listed, and this is known to be broken.
    pub(super) fn looked(&mut self, broken: Broken) {
        self.broken = Some(broken);
    }

    pub(super) fn ended(&mut self, rest: bool) {
        self.running = None;
        self.rest |= rest;
    }

    /// What is broken may have changed.
    pub(super) fn look_soon(&mut self) {
        self.looked = None;
    }

    pub(super) fn has_broken(&self) -> bool {
        self.broken.as_ref().is_some_and(|broken| !broken.is_empty())
    }

    /// The next time at which something is due.
    pub(super) fn wake(&self, settings: VerifySettings) -> Option<Timestamp> {
        let wanted = settings.share_percent > 0;
        let round = self.round.filter(|_| wanted).and_then(|at| at.checked_add(DAY).ok());
        round.into_iter().chain(self.looks_at()).min()
    }

    /// When it is looked again; `None`: now. What a failed listing said nothing about is asked again.
    fn looks_at(&self) -> Option<Timestamp> {
        let pause = match self.broken.as_ref().is_none_or(|broken| !broken.is_empty()) {
            true => LOOK_AGAIN,
            false => DAY,
        };
        self.looked.and_then(|at| at.checked_add(pause).ok())
    }

    /// The alarms that must be open; `None`: nobody knows.
    pub(super) fn alarms(&self) -> Option<BTreeMap<Alarm, String>> {
        let alarm = |(source, archives): (&Slug, &BTreeMap<ArchiveId, String>)| {
            let (archive, failure) = archives.last_key_value()?;
            let more = match archives.len() - 1 {
                0 => String::new(),
                more => format!("; {more} more of it are broken"),
            };
            let alarm = Alarm { kind: AlarmKind::Broken, subject: source.to_string() };
            Some((alarm, format!("archive `{archive}` is broken: {failure}{more}")))
        };
        Some(self.broken.as_ref()?.iter().filter_map(alarm).collect())
    }
}

/// When the round was due that has to begin now. Rounds keep their hour, so that they do not wander
/// through the day; one makes up for all that were missed.
pub(super) fn due(last: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
    let Some(last) = last else { return Some(now) };
    let days = now.duration_since(last).as_secs() / DAY.as_secs();
    let passed = SignedDuration::from_hours(24 * days);
    (days > 0).then(|| last.checked_add(passed).unwrap_or(now))
}

/// An archive of one store, as far as the choice needs to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) id: ArchiveId,
    /// When somebody last looked at it, or tried; when it was written, it was read back.
    pub(super) looked_at: Timestamp,
}

/// The share of one store's archives, at least one, that was looked at longest ago.
pub(super) fn choose(share_percent: u8, mut all: Vec<Candidate>, now: Timestamp) -> Vec<ArchiveId> {
    let share = (all.len() * usize::from(share_percent)).div_ceil(100);
    // A look from the future tells of a clock that was wrong, and counts as none.
    let sound = |at: Timestamp| Some(at).filter(|at| at.duration_since(now) <= AHEAD);
    all.sort_by_key(|one| (sound(one.looked_at), Reverse(one.id.clone())));
    all.into_iter().take(share).map(|one| one.id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn id(number: u64) -> ArchiveId {
        ArchiveId::new(at("2026-11-01T00:00:00Z"), number)
    }

    #[test]
    fn a_round_a_day_and_one_for_all_that_were_missed() {
        let last = Some(at("2026-11-20T03:00:00Z"));
        for (last, now, expected) in [
            (None, "2026-11-20T03:00:00Z", Some("2026-11-20T03:00:00Z")),
            (last, "2026-11-21T02:59:59Z", None),
            (last, "2026-11-21T03:00:00Z", Some("2026-11-21T03:00:00Z")),
            (last, "2026-11-21T09:30:00Z", Some("2026-11-21T03:00:00Z")),
            (last, "2026-11-29T02:00:00Z", Some("2026-11-28T03:00:00Z")),
            (last, "2026-11-19T00:00:00Z", None),
        ] {
            assert_eq!(due(last, at(now)), expected.map(at), "{now}");
        }
    }

    #[test]
    fn what_was_looked_at_longest_ago_comes_first() {
        let now = at("2026-11-20T00:00:00Z");
        let all = |days: &[i64]| {
            let days = days.iter().zip(0..);
            let one = |(days, number): (&i64, u64)| Candidate {
                id: id(number),
                looked_at: now - SignedDuration::from_hours(24 * days),
            };
            days.map(one).collect::<Vec<_>>()
        };
        let many: Vec<i64> = (0..41).collect();
        for (share, days, expected) in [
            (5, &[][..], &[][..]),
            (5, &[3], &[0]),
            (0, &[3], &[]),
            (5, &[1, 9, 3], &[1]),
            (67, &[1, 9, 3], &[1, 2, 0]),
            (66, &[1, 9, 3], &[1, 2]),
            (100, &[1, 9, 3], &[1, 2, 0]),
            (5, &many, &[40, 39, 38]),
            // A clock that was wrong must not spare an archive for years.
            (34, &[1, -400, 3], &[1, 2]),
            (1, &[1, 9, 3, 9], &[3]),
        ] {
            let chosen = choose(share, all(days), now);
            assert_eq!(
                chosen,
                expected.iter().map(|n| id(*n)).collect::<Vec<_>>(),
                "{share} {days:?}"
            );
        }
    }

    #[test]
    fn every_archive_has_its_turn() {
        let mut now = at("2026-01-01T00:00:00Z");
        let mut looked: BTreeMap<ArchiveId, Timestamp> = (0..50).map(|n| (id(n), now)).collect();
        for _ in 0..17 {
            now += DAY;
            let all = looked.iter().map(|(id, at)| Candidate { id: id.clone(), looked_at: *at });
            for id in choose(5, all.collect(), now) {
                looked.insert(id, now);
            }
        }
        assert!(looked.values().all(|at| *at > "2026-01-01T00:00:00Z".parse().unwrap()));
    }
}
