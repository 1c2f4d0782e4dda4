//! Schedules: when they are due, above all where clocks are changed, and what no expression may do.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp, civil, tz::TimeZone};
use proptest::prelude::*;
use ringbolt::model::Schedule;
use ringbolt::schedule;

fn read(expressions: &[&str]) -> Vec<Schedule> {
    let read = |expression: &&str| {
        schedule::read(expression).unwrap_or_else(|error| panic!("{expression}: {error}"))
    };
    expressions.iter().map(read).collect()
}

/// The runs that follow `after`, as the clock on the wall shows them.
#[track_caller]
fn check(zone: &str, expressions: &[&str], after: &str, expected: &[&str]) {
    let zone = schedule::zone(zone).unwrap();
    let after = after.parse().unwrap();
    let runs = schedule::upcoming(&read(expressions), &zone, after, expected.len());
    let shown: Vec<String> = runs
        .into_iter()
        .map(|run| run.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M%:z").to_string())
        .collect();
    assert_eq!(shown, expected, "{expressions:?}");
}

#[test]
fn a_time_that_the_clock_skips_is_due_once() {
    let berlin = "Europe/Berlin";
    check(
        berlin,
        &["30 2 * * *"],
        "2026-03-27T12:00:00Z",
        &["2026-03-28T02:30+01:00", "2026-03-29T03:30+02:00", "2026-03-30T02:30+02:00"],
    );
    // croner would leave the first of these out, because there are two of them.
    check(
        berlin,
        &["0 2,14 * * *"],
        "2026-03-28T13:00:00Z",
        &["2026-03-29T03:00+02:00", "2026-03-29T14:00+02:00", "2026-03-30T02:00+02:00"],
    );
    // Times that fall together are one run; times that were set apart stay apart.
    check(
        berlin,
        &["*/30 * * * *"],
        "2026-03-29T00:00:00Z",
        &["2026-03-29T01:30+01:00", "2026-03-29T03:00+02:00", "2026-03-29T03:30+02:00"],
    );
    check(
        berlin,
        &["0 2 * * *", "20 2 * * *", "0 3 * * *"],
        "2026-03-29T00:00:00Z",
        &["2026-03-29T03:00+02:00", "2026-03-29T03:20+02:00", "2026-03-30T02:00+02:00"],
    );
    // Also when one looks from between the end of the gap and the moved time.
    check(berlin, &["30 2 * * *"], "2026-03-29T01:10:00Z", &["2026-03-29T03:30+02:00"]);
    check(berlin, &["30 2 * * *"], "2026-03-29T01:30:00Z", &["2026-03-30T02:30+02:00"]);
    check(berlin, &["once 2026-03-29T02:30"], "2026-01-01T00:00:00Z", &["2026-03-29T03:30+02:00"]);
    check(
        "America/New_York",
        &["30 2 * * *"],
        "2026-03-08T05:00:00Z",
        &["2026-03-08T03:30-04:00", "2026-03-09T02:30-04:00"],
    );
}

#[test]
fn a_time_that_the_clock_repeats_is_due_once() {
    let berlin = "Europe/Berlin";
    check(
        berlin,
        &["30 2 * * *"],
        "2026-10-24T12:00:00Z",
        &["2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"],
    );
    // croner would run these twice.
    check(
        berlin,
        &["0 2,14 * * *"],
        "2026-10-24T13:00:00Z",
        &["2026-10-25T02:00+02:00", "2026-10-25T14:00+01:00", "2026-10-26T02:00+01:00"],
    );
    check(
        berlin,
        &["30 * * * *"],
        "2026-10-24T23:45:00Z",
        &["2026-10-25T02:30+02:00", "2026-10-25T03:30+01:00"],
    );
    // Seen from the second time round, the first is over.
    check(berlin, &["30 2 * * *"], "2026-10-25T01:00:00Z", &["2026-10-26T02:30+01:00"]);
    check(berlin, &["once 2026-10-25T02:30"], "2026-01-01T00:00:00Z", &["2026-10-25T02:30+02:00"]);
    check(
        "America/New_York",
        &["30 1 * * *"],
        "2026-11-01T04:00:00Z",
        &["2026-11-01T01:30-04:00", "2026-11-02T01:30-05:00"],
    );
}

#[test]
fn clocks_are_changed_by_half_an_hour_at_midnight_and_for_ramadan() {
    // Forward from 2:00 to 2:30, and back from 2:00 to 1:30.
    check(
        "Australia/Lord_Howe",
        &["15 2 * * *"],
        "2026-10-03T00:00:00Z",
        &["2026-10-04T02:45+11:00", "2026-10-05T02:15+11:00"],
    );
    check(
        "Australia/Lord_Howe",
        &["15,30 2 * * *"],
        "2026-10-03T15:00:00Z",
        &["2026-10-04T02:30+11:00", "2026-10-04T02:45+11:00", "2026-10-05T02:15+11:00"],
    );
    check(
        "Australia/Lord_Howe",
        &["45 1 * * *"],
        "2026-04-04T00:00:00Z",
        &["2026-04-05T01:45+11:00", "2026-04-06T01:45+10:30"],
    );
    // Days without a midnight, and one with two.
    check(
        "America/Sao_Paulo",
        &["@daily"],
        "2018-11-03T12:00:00Z",
        &["2018-11-04T01:00-02:00", "2018-11-05T00:00-02:00"],
    );
    check(
        "America/Sao_Paulo",
        &["30 23 * * *"],
        "2018-02-17T12:00:00Z",
        &["2018-02-17T23:30-02:00", "2018-02-18T23:30-03:00"],
    );
    check(
        "Africa/Cairo",
        &["@midnight"],
        "2026-04-23T12:00:00Z",
        &["2026-04-24T01:00+03:00", "2026-04-25T00:00+03:00"],
    );
    // Morocco leaves summer time for the month of Ramadan.
    check(
        "Africa/Casablanca",
        &["30 2 * * *"],
        "2026-02-14T12:00:00Z",
        &["2026-02-15T02:30+01:00", "2026-02-16T02:30+00:00"],
    );
    check(
        "Africa/Casablanca",
        &["30 2 * * *"],
        "2026-03-21T12:00:00Z",
        &["2026-03-22T03:30+01:00", "2026-03-23T02:30+01:00"],
    );
    // Samoa had no 30 December in 2011.
    check(
        "Pacific/Apia",
        &["0 3 * * *"],
        "2011-12-29T00:00:00Z",
        &["2011-12-29T03:00-10:00", "2011-12-31T03:00+14:00", "2012-01-01T03:00+14:00"],
    );
}

#[test]
fn several_schedules_are_merged() {
    check(
        "UTC",
        &["0 3 * * *", "every 8h", "once 2026-11-20T12:00", "0 */12 * * *", "manual"],
        "2026-11-20T03:00:00Z",
        &[
            "2026-11-20T11:00+00:00",
            "2026-11-20T12:00+00:00",
            "2026-11-20T19:00+00:00",
            "2026-11-21T00:00+00:00",
            "2026-11-21T03:00+00:00",
            "2026-11-21T11:00+00:00",
        ],
    );
    let after = "2026-11-20T03:00:00Z".parse().unwrap();
    let few =
        schedule::upcoming(&read(&["manual", "once 2026-12-01T03:00"]), &TimeZone::UTC, after, 9);
    assert_eq!(few.len(), 1, "what ends has an end");
    assert_eq!(schedule::upcoming(&[], &TimeZone::UTC, after, 9), []);
}

#[test]
fn the_period_is_the_longest_wait() {
    let after = "2026-11-20T12:00:00Z".parse().unwrap();
    let hours = |hours| Some(Duration::from_hours(hours));
    for (expressions, expected) in [
        (&["0 3 * * *"][..], hours(24)),
        (&["every 6h"], hours(6)),
        (&["* * * * *"], Some(Duration::from_mins(1))),
        (&["0 3 * * 1-5"], hours(72)),
        (&["*/5 9-16 * * 1-5"], Some(Duration::from_mins(64 * 60 + 5))),
        (&["*/5 * 1-20 * *"], Some(Duration::from_mins(11 * 24 * 60 + 5))),
        (&["*/5 * * * *", "0 3 * * *"], Some(Duration::from_mins(5))),
        (&["0 0 1 * *"], hours(31 * 24)),
        // There is none in 2100.
        (&["0 0 29 2 *"], hours(8 * 365 * 24 + 24)),
        (&["once 2026-12-01T03:00"], None),
        (&["once 2026-12-01T03:00", "once 2026-12-03T03:00"], hours(48)),
        (&["manual"], None),
        (&[], None),
    ] {
        let begun = Instant::now();
        let period = schedule::period(&read(expressions), &TimeZone::UTC, after);
        assert_eq!(period, expected, "{expressions:?}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{expressions:?}");
    }
    // Shortly before summer time ends, the longer night shows.
    let berlin = schedule::zone("Europe/Berlin").unwrap();
    let before = "2026-10-20T12:00:00Z".parse().unwrap();
    assert_eq!(schedule::period(&read(&["0 3 * * *"]), &berlin, before), hours(25));
    assert_eq!(schedule::period(&read(&["0 * * * *"]), &berlin, before), hours(2));
    // Looking for skipped times over and over once took a minute here.
    let begun = Instant::now();
    let change = "2026-03-29T00:00:00Z".parse().unwrap();
    let period = schedule::period(&read(&["* * * * * *"]), &berlin, change);
    assert_eq!(period, Some(Duration::from_secs(1)));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[test]
fn what_is_never_due_is_refused_at_once() {
    for never in ["0 0 30 2 *", "* * 31 4 *", "*/7 * 30 2 *", "0 0 31 2,4,6,9,11 *"] {
        let begun = Instant::now();
        let error = schedule::read(never).unwrap_err();
        assert_eq!(error, "it is never due: no date matches it", "{never}");
        assert!(begun.elapsed() < Duration::from_secs(2), "{never}: {:?}", begun.elapsed());
    }
    // Seldom is not never: 29 February is next a Monday in 2044.
    check("UTC", &["0 0 29 2 +MON"], "2026-01-01T00:00:00Z", &["2044-02-29T00:00+00:00"]);
}

#[test]
fn a_schedule_ends_with_the_calendar() {
    let zone = schedule::zone("Europe/Berlin").unwrap();
    for expression in ["* * * * *", "every 36500d", "once 9998-12-31T23:59"] {
        let schedule = schedule::read(expression).unwrap();
        let next = schedule::next(&schedule, &zone, Timestamp::MAX);
        assert_eq!(next, None, "{expression}");
        let next = schedule::next(&schedule, &zone, Timestamp::MIN);
        assert!(next > Some(Timestamp::MIN), "{expression}");
    }
}

#[test]
fn a_zone_is_read_exactly_or_suggested() {
    for known in ["UTC", "Etc/UTC", "Europe/Berlin", "Europe/Kyiv", "America/Argentina/Ushuaia"] {
        assert_eq!(schedule::zone(known).unwrap().iana_name(), Some(known));
    }
    for (wrong, meant) in [
        ("europe/berlin", "Europe/Berlin"),
        ("Europe/Berln", "Europe/Berlin"),
        ("Berlin", "Europe/Berlin"),
        ("utc", "UTC"),
        ("America/New York", "America/New_York"),
        ("Asia/Calcuta", "Asia/Calcutta"),
    ] {
        let error = schedule::zone(wrong).unwrap_err();
        assert!(error.ends_with(&format!("; did you mean `{meant}`?")), "{wrong}: {error}");
    }
    let long = "x".repeat(100_000);
    for wrong in ["", "PST", "+02:00", "CET-1CEST", "Mars/Olympus", "../../etc/passwd", &long] {
        let error = schedule::zone(wrong).unwrap_err();
        assert_eq!(error, "it is not the name of a time zone like `Europe/Berlin`", "{wrong:.20}");
    }
}

// ---- what holds for any expression ----

/// Places where clocks are changed, and the day on which they are.
const CHANGES: [(&str, &str); 14] = [
    ("Europe/Berlin", "2026-03-29"),
    ("Europe/Berlin", "2026-10-25"),
    ("Europe/Dublin", "2026-10-25"),
    ("America/New_York", "2026-03-08"),
    ("America/New_York", "2026-11-01"),
    ("Australia/Lord_Howe", "2026-04-05"),
    ("Australia/Lord_Howe", "2026-10-04"),
    ("Africa/Casablanca", "2026-02-15"),
    ("Africa/Casablanca", "2026-03-22"),
    ("America/Sao_Paulo", "2018-11-04"),
    ("America/Sao_Paulo", "2018-02-18"),
    ("America/St_Johns", "2006-10-29"),
    ("Africa/Cairo", "2026-04-24"),
    ("Pacific/Apia", "2011-12-30"),
];

/// Mostly the hours in which clocks are changed.
fn any_hours() -> impl Strategy<Value = BTreeSet<i8>> {
    proptest::collection::btree_set(prop_oneof![3 => 0i8..4, 1 => 0i8..24], 1..6)
}

fn any_minutes() -> impl Strategy<Value = BTreeSet<i8>> {
    let quarter = (0i8..4).prop_map(|quarter| quarter * 15);
    proptest::collection::btree_set(prop_oneof![3 => quarter, 1 => 0i8..60], 1..4)
}

fn list(numbers: &BTreeSet<i8>) -> String {
    numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// Texts that look much like cron expressions, good and bad.
fn any_expression() -> impl Strategy<Value = String> {
    let field = prop_oneof![
        4 => Just("*".to_owned()),
        4 => (0u8..70).prop_map(|number| number.to_string()),
        2 => (0u8..32, 0u8..32).prop_map(|(from, to)| format!("{from}-{to}")),
        2 => (1u8..40).prop_map(|step| format!("*/{step}")),
        1 => "(MON|sunL|L|LW|15W|5#2|[+]MON|JAN|feb|29|30|31|[?])",
        1 => "[0-9*/,#LW?+-]{1,6}",
    ];
    prop_oneof![
        6 => proptest::collection::vec(field, 5..7).prop_map(|fields| fields.join(" ")),
        1 => "(every|once|@)[ -~]{0,12}",
        1 => "\\PC{0,40}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None, ..ProptestConfig::with_cases(500)
    })]

    /// Every local time is one instant, told here without a search: all times of all days about
    /// the change are listed, and what falls together is one.
    #[test]
    fn about_a_change_every_local_time_is_due_exactly_once(
        (zone, day) in proptest::sample::select(&CHANGES[..]),
        hours in any_hours(),
        minutes in any_minutes(),
        start in 0i64..72 * 60,
    ) {
        let zone = schedule::zone(zone).unwrap();
        let day: civil::Date = day.parse().unwrap();
        let mut all: BTreeSet<Timestamp> = BTreeSet::new();
        for distance in -3i64..6 {
            let day = day.checked_add(SignedDuration::from_hours(24 * distance)).unwrap();
            let times = |hour| minutes.iter().map(move |minute| (hour, *minute));
            for (hour, minute) in hours.iter().copied().flat_map(times) {
                let local = zone.to_ambiguous_timestamp(day.at(hour, minute, 0, 0));
                all.insert(local.compatible().unwrap());
            }
        }
        let first = zone.to_timestamp(day.at(0, 0, 0, 0)).unwrap() - SignedDuration::from_hours(36);
        let after = first + SignedDuration::from_mins(start);
        let end = first + SignedDuration::from_hours(5 * 24);
        let expected: Vec<Timestamp> =
            all.into_iter().filter(|run| *run > after && *run < end).collect();
        let expression = format!("{} {} * * *", list(&minutes), list(&hours));
        let found = schedule::upcoming(&read(&[&expression]), &zone, after, expected.len());
        prop_assert_eq!(found, expected, "{} after {}", expression, after);
    }

    #[test]
    fn whatever_is_read_is_due_later_and_soon_found(
        text in any_expression(),
        (zone, day) in proptest::sample::select(&CHANGES[..]),
        seconds in 0i64..200_000,
        nanoseconds in 0i64..1_000_000_000,
    ) {
        let begun = Instant::now();
        if let Ok(schedule) = schedule::read(&text) {
            let again = schedule::read(&schedule::write(&schedule));
            prop_assert_eq!(again.as_ref(), Ok(&schedule), "{}", text);
            let zone = schedule::zone(zone).unwrap();
            let day: civil::Date = day.parse().unwrap();
            let mut after = zone.to_timestamp(day.at(0, 0, 0, 0)).unwrap()
                + SignedDuration::from_secs(seconds - 90_000)
                + SignedDuration::from_nanos(nanoseconds);
            for _ in 0..5 {
                let Some(next) = schedule::next(&schedule, &zone, after) else {
                    prop_assert!(!matches!(schedule, Schedule::Cron(_)), "{} is never due", text);
                    break;
                };
                prop_assert!(next > after, "{text}: {next} is not after {after}");
                after = next;
            }
        }
        prop_assert!(begun.elapsed() < Duration::from_secs(5), "{}: {:?}", text, begun.elapsed());
    }

    #[test]
    fn several_schedules_are_due_when_one_of_them_is(
        texts in proptest::collection::vec(any_expression(), 0..4),
        (zone, day) in proptest::sample::select(&CHANGES[..]),
    ) {
        let schedules: Vec<Schedule> =
            texts.iter().filter_map(|text| schedule::read(text).ok()).collect();
        let zone = schedule::zone(zone).unwrap();
        let after = zone.to_timestamp(day.parse::<civil::Date>().unwrap().at(0, 0, 0, 0)).unwrap();
        let merged = schedule::upcoming(&schedules, &zone, after, 20);
        let mut single: Vec<Timestamp> = schedules
            .iter()
            .flat_map(|schedule| {
                schedule::upcoming(std::slice::from_ref(schedule), &zone, after, 20)
            })
            .collect();
        single.sort_unstable();
        single.dedup();
        single.truncate(20);
        prop_assert_eq!(merged, single);
    }
}
