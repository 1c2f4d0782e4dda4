//! What to keep: which archives of one series the rules leave, and why.
//!
//! The rules are restic's. `daily=14` keeps the newest archive of each of the newest 14 local days
//! that have one; `within=30d` counts back from the newest archive, not from now, so that a source
//! whose backups stopped does not lose the ones it has.
//!
//! The promises, beside and above the rules:
//!
//! * An archive is deleted only while a newer one that is proven remains. So the newest proven one
//!   is always kept, and nothing at all is deleted where nothing is proven.
//! * A broken archive fulfils no rule. It goes as soon as something newer is proven.
//! * An archive that nobody has checked keeps its place, and pushes out nothing that is proven: the
//!   rules are applied twice, to all archives that are not broken and to the proven ones alone, and
//!   what either keeps is kept.
//! * An archive from the future is kept and fulfils no rule: a clock was wrong, and the archives
//!   that are rightly dated must not pay for it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use crate::model::{ArchiveId, Keep, units};

/// One archive, as far as retention needs to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    pub id: ArchiveId,
    pub started_at: Timestamp,
    pub state: State,
}

/// What is known about an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Its newest check passed.
    Proven,
    /// Nothing was checked since it was written.
    Unproven,
    /// Its newest check failed.
    Broken,
}

/// What is to be done with one archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub id: ArchiveId,
    pub decision: Decision,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// With every reason, at least one.
    Keep(Vec<Reason>),
    Delete(Reason),
}

/// Why an archive is kept or deleted. People read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Its place among the newest so many.
    Last {
        place: u32,
        count: u32,
    },
    /// The newest of a period, such as `2026-11-20` for the rule `daily`.
    Period {
        rule: &'static str,
        period: String,
    },
    Within(Duration),
    /// A rule would keep something newer in its place, if that were proven.
    Unreplaced,
    NewestProven,
    NothingNewerProven,
    NoRules,
    Future,
    NoRuleKeeps,
    BrokenAndReplaced,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Last { place, count } => return write!(f, "last {place} of {count}"),
            Self::Period { rule, period } => return write!(f, "{rule} {period}"),
            Self::Within(duration) => return write!(f, "within {}", units::exact(*duration)),
            Self::Unreplaced => "what would replace it is not proven",
            Self::NewestProven => "the newest proven archive",
            Self::NothingNewerProven => "nothing newer is proven",
            Self::NoRules => "no rule given: everything is kept",
            Self::Future => "started in the future",
            Self::NoRuleKeeps => "no rule keeps it",
            Self::BrokenAndReplaced => "broken, and a newer archive is proven",
        };
        f.write_str(text)
    }
}

/// Decides about every archive of one series, which is one part of one source; in the order of
/// `archives`, on which nothing else depends.
pub fn plan(archives: &[Candidate], keep: &Keep, zone: &TimeZone, now: Timestamp) -> Vec<Verdict> {
    let mut past: Vec<&Candidate> =
        archives.iter().filter(|archive| archive.started_at <= now).collect();
    past.sort_by_key(|archive| std::cmp::Reverse((archive.started_at, &archive.id)));
    let good: Vec<&Candidate> =
        past.iter().copied().filter(|archive| archive.state != State::Broken).collect();
    let proven: Vec<&Candidate> =
        past.iter().copied().filter(|archive| archive.state == State::Proven).collect();
    let newest = proven.first().copied();
    let kept = reasons(&good, keep, zone);
    let kept_if_proven = reasons(&proven, keep, zone);

    let decide = |archive: &Candidate| {
        if archive.started_at > now {
            return Decision::Keep(vec![Reason::Future]);
        }
        if *keep == Keep::default() {
            return Decision::Keep(vec![Reason::NoRules]);
        }
        let mut reasons = kept.get(&archive.id).cloned().unwrap_or_default();
        if let (true, Some(others)) = (reasons.is_empty(), kept_if_proven.get(&archive.id)) {
            reasons.clone_from(others);
            reasons.push(Reason::Unreplaced);
        }
        if newest.is_some_and(|newest| newest.id == archive.id) {
            reasons.push(Reason::NewestProven);
        }
        // Of two archives that started at one instant, neither is newer.
        let replaced = newest.is_some_and(|newest| newest.started_at > archive.started_at);
        match (reasons.is_empty(), replaced) {
            (false, _) => Decision::Keep(reasons),
            (true, false) => Decision::Keep(vec![Reason::NothingNewerProven]),
            (true, true) if archive.state == State::Broken => {
                Decision::Delete(Reason::BrokenAndReplaced)
            }
            (true, true) => Decision::Delete(Reason::NoRuleKeeps),
        }
    };
    archives
        .iter()
        .map(|archive| Verdict { id: archive.id.clone(), decision: decide(archive) })
        .collect()
}

/// What the rules keep of `archives`, which are given newest first.
fn reasons<'a>(
    archives: &[&'a Candidate],
    keep: &Keep,
    zone: &TimeZone,
) -> BTreeMap<&'a ArchiveId, Vec<Reason>> {
    let mut reasons: BTreeMap<&ArchiveId, Vec<Reason>> = BTreeMap::new();
    let mut add = |archive: &'a Candidate, reason| {
        reasons.entry(&archive.id).or_default().push(reason);
    };
    if let Some(count) = keep.last {
        for (place, archive) in (1..=count).zip(archives) {
            add(archive, Reason::Last { place, count });
        }
    }
    // A local hour that the clock repeats is one hour. A week belongs to the year that ISO 8601
    // gives it to.
    let periods = [
        ("hourly", keep.hourly, "%Y-%m-%d %H:00"),
        ("daily", keep.daily, "%Y-%m-%d"),
        ("weekly", keep.weekly, "%G-W%V"),
        ("monthly", keep.monthly, "%Y-%m"),
        ("yearly", keep.yearly, "%Y"),
    ];
    for (rule, count, format) in periods {
        let Some(count) = count else { continue };
        // Not only the last one is remembered: a clock that is put back over midnight returns to a
        // day that was over.
        let mut seen: BTreeSet<String> = BTreeSet::new();
        for archive in archives {
            if u32::try_from(seen.len()).unwrap_or(u32::MAX) >= count {
                break;
            }
            let local = archive.started_at.to_zoned(zone.clone());
            let period = local.strftime(format).to_string();
            if seen.insert(period.clone()) {
                add(archive, Reason::Period { rule, period });
            }
        }
    }
    if let (Some(within), Some(newest)) = (keep.within, archives.first()) {
        let reach = SignedDuration::try_from(within).unwrap_or(SignedDuration::MAX);
        let young =
            |archive: &&&Candidate| newest.started_at.duration_since(archive.started_at) <= reach;
        for archive in archives.iter().take_while(young) {
            add(archive, Reason::Within(within));
        }
    }
    reasons
}
