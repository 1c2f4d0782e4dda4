//! What must hold for any archives and any rules.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use proptest::prelude::*;
use ringbolt::model::{ArchiveId, Keep};
use ringbolt::retention::{self, Candidate, Decision, State, Verdict};
use ringbolt::schedule;

const ZONES: [&str; 5] =
    ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"];

/// The middle of the time that [`any_archives`] spreads over: two in three archives are before it.
fn now() -> Timestamp {
    "2026-10-25T01:30:00Z".parse().unwrap()
}

/// Archives that lie minutes, hours or months apart, some at one instant and some in the future.
fn any_archives() -> impl Strategy<Value = Vec<Candidate>> {
    let minutes = prop_oneof![-300i64..150, -6000i64..3000, -1_200_000i64..600_000];
    let state = prop_oneof![
        3 => Just(State::Proven),
        2 => Just(State::Unproven),
        1 => Just(State::Broken),
    ];
    proptest::collection::vec((minutes, state), 0..40).prop_map(|archives| {
        let archive = |(at, (minutes, state)): (u64, (i64, State))| {
            let started_at = now() + SignedDuration::from_mins(minutes);
            Candidate { id: ArchiveId::new(started_at, at), started_at, state }
        };
        (0..).zip(archives).map(archive).collect()
    })
}

fn any_keep() -> impl Strategy<Value = Keep> {
    let count = || proptest::option::weighted(0.4, 1u32..6);
    let within = proptest::option::weighted(0.3, 1u64..60 * 24);
    ((count(), count(), count()), (count(), count(), count()), within).prop_map(
        |((last, hourly, daily), (weekly, monthly, yearly), hours)| Keep {
            last,
            hourly,
            daily,
            weekly,
            monthly,
            yearly,
            within: hours.map(std::time::Duration::from_hours),
        },
    )
}

fn any_zone() -> impl Strategy<Value = TimeZone> {
    proptest::sample::select(&ZONES[..]).prop_map(|name| schedule::zone(name).unwrap())
}

/// The archives that a plan leaves.
fn left(archives: &[Candidate], keep: &Keep, zone: &TimeZone) -> Vec<Candidate> {
    let plan = retention::plan(archives, keep, zone, now());
    let kept = |verdict: &Verdict| matches!(verdict.decision, Decision::Keep(_));
    archives
        .iter()
        .zip(&plan)
        .filter(|(_, verdict)| kept(verdict))
        .map(|(a, _)| a.clone())
        .collect()
}

fn ids(archives: &[Candidate]) -> BTreeSet<ArchiveId> {
    archives.iter().map(|archive| archive.id.clone()).collect()
}

fn good(archives: &[Candidate]) -> usize {
    let good = |archive: &&Candidate| archive.state != State::Broken && archive.started_at <= now();
    archives.iter().filter(good).count()
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None, ..ProptestConfig::with_cases(1000)
    })]

    #[test]
    fn nothing_goes_unless_something_newer_and_proven_remains(
        archives in any_archives(), keep in any_keep(), zone in any_zone(),
    ) {
        let left = left(&archives, &keep, &zone);
        prop_assert_eq!(left.is_empty(), archives.is_empty());
        for gone in archives.iter().filter(|archive| !left.contains(archive)) {
            let guard = left.iter().find(|archive| {
                archive.state == State::Proven
                    && archive.started_at > gone.started_at
                    && archive.started_at <= now()
            });
            prop_assert!(guard.is_some(), "{gone:?}");
            prop_assert!(gone.started_at <= now());
        }
        let proven = |archives: &[Candidate]| {
            let proven = archives.iter().filter(|archive| archive.state == State::Proven);
            proven.map(|archive| (archive.started_at, archive.id.clone())).max()
        };
        prop_assert_eq!(proven(&left), proven(&archives));
    }

    #[test]
    fn a_verdict_is_reached_for_each_in_order_with_a_reason(
        archives in any_archives(), keep in any_keep(), zone in any_zone(),
    ) {
        let plan = retention::plan(&archives, &keep, &zone, now());
        let asked: Vec<&ArchiveId> = archives.iter().map(|archive| &archive.id).collect();
        let told: Vec<&ArchiveId> = plan.iter().map(|verdict| &verdict.id).collect();
        prop_assert_eq!(told, asked);
        for verdict in &plan {
            let silent = verdict.decision == Decision::Keep(Vec::new());
            prop_assert!(!silent, "{:?}", verdict);
        }
    }

    #[test]
    fn the_order_of_the_archives_does_not_matter(
        (archives, shuffled) in any_archives()
            .prop_flat_map(|archives| (Just(archives.clone()), Just(archives).prop_shuffle())),
        keep in any_keep(),
        zone in any_zone(),
    ) {
        let sorted = |archives: &[Candidate]| {
            let mut plan = retention::plan(archives, &keep, &zone, now());
            plan.sort_by(|one, other| one.id.cmp(&other.id));
            plan
        };
        prop_assert_eq!(sorted(&archives), sorted(&shuffled));
    }

    #[test]
    fn deciding_again_deletes_nothing_more(
        archives in any_archives(), keep in any_keep(), zone in any_zone(),
    ) {
        let once = left(&archives, &keep, &zone);
        prop_assert_eq!(ids(&left(&once, &keep, &zone)), ids(&once));
    }

    #[test]
    fn a_higher_count_never_deletes_more(
        archives in any_archives(),
        keep in any_keep(),
        zone in any_zone(),
        raised in 0usize..7,
        by in 1u32..9,
    ) {
        let mut higher = keep.clone();
        let counts = [
            &mut higher.last,
            &mut higher.hourly,
            &mut higher.daily,
            &mut higher.weekly,
            &mut higher.monthly,
            &mut higher.yearly,
        ];
        match counts.into_iter().nth(raised) {
            // Giving the first rule takes away from "everything"; that is no raising.
            Some(count) if keep != Keep::default() => *count = Some(count.unwrap_or(0) + by),
            Some(_) => {}
            None => higher.within = higher.within.map(|within| within * by),
        }
        prop_assert!(
            ids(&left(&archives, &keep, &zone)).is_subset(&ids(&left(&archives, &higher, &zone)))
        );
    }

    #[test]
    fn of_the_last_so_many_remain(
        archives in any_archives(), count in 1u32..6, state in 0..2, zone in any_zone(),
    ) {
        let keep = Keep { last: Some(count), ..Keep::default() };
        let before = left(&archives, &keep, &zone);
        prop_assert!(good(&before) >= good(&archives).min(count as usize));
        // One that is newer than all of them comes in.
        let mut more = before.clone();
        let state = if state == 0 { State::Proven } else { State::Unproven };
        more.push(Candidate { id: ArchiveId::new(now(), u64::MAX), started_at: now(), state });
        let after = left(&more, &keep, &zone);
        prop_assert!(good(&after) >= good(&more).min(count as usize));
        let proven = |archives: &[Candidate]| {
            let counted = |archive: &&Candidate| {
                archive.state == State::Proven && archive.started_at <= now()
            };
            archives.iter().filter(counted).count()
        };
        prop_assert!(proven(&after) >= proven(&more).min(count as usize));
    }

    #[test]
    fn what_is_not_proven_costs_nothing_that_is(
        archives in any_archives(), keep in any_keep(), zone in any_zone(),
    ) {
        let proven: Vec<Candidate> = archives
            .iter()
            .filter(|archive| archive.state == State::Proven)
            .cloned()
            .collect();
        let alone = ids(&left(&proven, &keep, &zone));
        prop_assert!(alone.is_subset(&ids(&left(&archives, &keep, &zone))));
    }
}
