//! Retention: what every rule keeps, told case by case. What holds for any archives is `laws.rs`.

mod laws;

use jiff::Timestamp;
use ringbolt::model::{ArchiveId, Keep};
use ringbolt::retention::{self, Candidate, Decision, State, Verdict};
use ringbolt::schedule;

fn candidates(archives: &[(&str, State)]) -> Vec<Candidate> {
    let archive = |(at, (started_at, state)): (u64, &(&str, State))| {
        let started_at: Timestamp = started_at.parse().unwrap();
        Candidate { id: ArchiveId::new(started_at, at), started_at, state: *state }
    };
    (0..).zip(archives).map(archive).collect()
}

fn explained(verdict: &Verdict) -> String {
    match &verdict.decision {
        Decision::Keep(reasons) => {
            let reasons: Vec<String> = reasons.iter().map(ToString::to_string).collect();
            format!("keep: {}", reasons.join(", "))
        }
        Decision::Delete(reason) => format!("delete: {reason}"),
    }
}

/// Rows are: when an archive started, its state (`+` proven, `?` unproven, `!` broken), and what is
/// said of it.
#[track_caller]
fn check(keep: &str, zone: &str, now: &str, rows: &[(&str, char, &str)]) {
    let keep = if keep.is_empty() { Keep::default() } else { retention::read(keep).unwrap() };
    let state = |mark| match mark {
        '+' => State::Proven,
        '?' => State::Unproven,
        _ => State::Broken,
    };
    let archives: Vec<(&str, State)> =
        rows.iter().map(|(started_at, mark, _)| (*started_at, state(*mark))).collect();
    let zone = schedule::zone(zone).unwrap();
    let plan = retention::plan(&candidates(&archives), &keep, &zone, now.parse().unwrap());
    let found: Vec<(&str, String)> =
        rows.iter().map(|row| row.0).zip(plan.iter().map(explained)).collect();
    let expected: Vec<(&str, String)> = rows.iter().map(|row| (row.0, row.2.to_owned())).collect();
    assert_eq!(found, expected);
}

const NOW: &str = "2030-01-01T00:00:00Z";

#[test]
fn the_last_ones_are_counted_newest_first() {
    check(
        "last=2",
        "UTC",
        NOW,
        &[
            ("2026-11-17T03:00:00Z", '+', "delete: no rule keeps it"),
            ("2026-11-18T03:00:00Z", '+', "delete: no rule keeps it"),
            ("2026-11-19T03:00:00Z", '+', "keep: last 2 of 2"),
            ("2026-11-20T03:00:00Z", '+', "keep: last 1 of 2, the newest proven archive"),
        ],
    );
}

#[test]
fn no_rule_keeps_everything() {
    let everything = "keep: no rule given: everything is kept";
    check(
        "",
        "UTC",
        NOW,
        &[
            ("2026-11-17T03:00:00Z", '!', everything),
            ("2016-11-17T03:00:00Z", '?', everything),
            ("2026-11-18T03:00:00Z", '+', everything),
        ],
    );
}

#[test]
fn of_a_period_the_newest_is_kept_and_empty_periods_do_not_count() {
    check(
        "daily=3",
        "UTC",
        NOW,
        &[
            ("2026-11-20T23:59:59Z", '+', "keep: daily 2026-11-20, the newest proven archive"),
            ("2026-11-20T00:00:00Z", '+', "delete: no rule keeps it"),
            ("2026-11-19T23:59:59Z", '+', "keep: daily 2026-11-19"),
            ("2026-11-02T12:00:00Z", '+', "keep: daily 2026-11-02"),
            ("2026-11-01T12:00:00Z", '+', "delete: no rule keeps it"),
        ],
    );
    check(
        "hourly=2",
        "UTC",
        NOW,
        &[
            ("2026-11-20T03:00:00Z", '+', "delete: no rule keeps it"),
            ("2026-11-20T03:20:00Z", '+', "delete: no rule keeps it"),
            ("2026-11-20T03:40:00Z", '+', "keep: hourly 2026-11-20 03:00"),
            ("2026-11-20T04:00:00Z", '+', "delete: no rule keeps it"),
            (
                "2026-11-20T04:59:59Z",
                '+',
                "keep: hourly 2026-11-20 04:00, the newest proven archive",
            ),
        ],
    );
}

#[test]
fn days_are_those_of_the_zone() {
    // Midnight in Kolkata is 18:30 in UTC.
    check(
        "daily=7",
        "Asia/Kolkata",
        NOW,
        &[
            ("2026-11-20T18:29:59Z", '+', "keep: daily 2026-11-20"),
            ("2026-11-20T18:30:00Z", '+', "delete: no rule keeps it"),
            ("2026-11-21T18:29:59Z", '+', "keep: daily 2026-11-21, the newest proven archive"),
        ],
    );
}

#[test]
fn a_day_of_23_or_25_hours_is_one_day() {
    check(
        "daily=9",
        "Europe/Berlin",
        NOW,
        &[
            ("2026-03-28T23:30:00+01:00", '+', "keep: daily 2026-03-28"),
            ("2026-03-29T00:30:00+01:00", '+', "delete: no rule keeps it"),
            ("2026-03-29T23:30:00+02:00", '+', "keep: daily 2026-03-29"),
            ("2026-03-30T00:30:00+02:00", '+', "keep: daily 2026-03-30"),
            ("2026-10-25T00:00:00+02:00", '+', "delete: no rule keeps it"),
            ("2026-10-25T23:59:59+01:00", '+', "keep: daily 2026-10-25"),
            ("2026-10-26T00:00:00+01:00", '+', "keep: daily 2026-10-26, the newest proven archive"),
        ],
    );
    // The clock skips the hour from 2:00, and repeats the hour from 1:00.
    check(
        "hourly=9",
        "America/New_York",
        NOW,
        &[
            ("2026-03-08T01:59:00-05:00", '+', "keep: hourly 2026-03-08 01:00"),
            ("2026-03-08T03:00:00-04:00", '+', "keep: hourly 2026-03-08 03:00"),
            ("2026-11-01T01:10:00-04:00", '+', "delete: no rule keeps it"),
            ("2026-11-01T01:50:00-04:00", '+', "delete: no rule keeps it"),
            ("2026-11-01T01:20:00-05:00", '+', "keep: hourly 2026-11-01 01:00"),
            (
                "2026-11-01T02:10:00-05:00",
                '+',
                "keep: hourly 2026-11-01 02:00, the newest proven archive",
            ),
        ],
    );
}

#[test]
fn a_day_that_the_clock_returns_to_is_one_day() {
    // At 00:01 on 5 November 2006 the clocks of St. John's went back to 23:01 of the day before.
    check(
        "daily=9",
        "America/St_Johns",
        NOW,
        &[
            ("2006-11-04T23:30:00-03:30", '+', "keep: daily 2006-11-04"),
            ("2006-10-29T00:00:30-02:30", '+', "delete: no rule keeps it"),
            ("2006-10-28T23:30:00-02:30", '+', "delete: no rule keeps it"),
            ("2006-10-28T23:30:00-03:30", '+', "keep: daily 2006-10-28"),
            ("2006-10-29T00:30:00-03:30", '+', "keep: daily 2006-10-29"),
            ("2006-11-05T00:30:00-03:30", '+', "keep: daily 2006-11-05, the newest proven archive"),
        ],
    );
}

#[test]
fn a_week_belongs_to_its_iso_year() {
    check(
        "weekly=9 yearly=9",
        "UTC",
        NOW,
        &[
            ("2020-12-27T12:00:00Z", '+', "keep: weekly 2020-W52"),
            ("2020-12-31T12:00:00Z", '+', "keep: yearly 2020"),
            ("2021-01-03T12:00:00Z", '+', "keep: weekly 2020-W53"),
            ("2021-01-04T12:00:00Z", '+', "keep: weekly 2021-W01, yearly 2021"),
            ("2024-12-29T12:00:00Z", '+', "keep: weekly 2024-W52"),
            (
                "2024-12-30T12:00:00Z",
                '+',
                "keep: weekly 2025-W01, yearly 2024, the newest proven archive",
            ),
        ],
    );
}

#[test]
fn months_and_years_end_where_the_calendar_says() {
    check(
        "monthly=4 yearly=2",
        "Europe/Berlin",
        NOW,
        &[
            ("2027-12-31T22:59:59Z", '+', "keep: monthly 2027-12, yearly 2027"),
            ("2027-12-31T23:00:00Z", '+', "delete: no rule keeps it"),
            ("2028-01-31T12:00:00Z", '+', "keep: monthly 2028-01"),
            ("2028-02-28T12:00:00Z", '+', "delete: no rule keeps it"),
            ("2028-02-29T12:00:00Z", '+', "keep: monthly 2028-02"),
            (
                "2028-03-01T12:00:00Z",
                '+',
                "keep: monthly 2028-03, yearly 2028, the newest proven archive",
            ),
        ],
    );
}

#[test]
fn within_counts_from_the_newest_archive() {
    // Three years after the last backup: a source that stopped does not lose what it has.
    check(
        "within=2d",
        "UTC",
        NOW,
        &[
            ("2026-11-18T02:59:59Z", '+', "delete: no rule keeps it"),
            ("2026-11-18T03:00:00Z", '+', "keep: within 2d"),
            ("2026-11-20T03:00:00Z", '+', "keep: within 2d, the newest proven archive"),
        ],
    );
}

#[test]
fn all_reasons_are_told() {
    check(
        "last=3 daily=2 monthly=1 within=36h",
        "UTC",
        NOW,
        &[(
            "2026-11-20T03:00:00Z",
            '+',
            "keep: last 1 of 3, daily 2026-11-20, monthly 2026-11, within 36h, \
             the newest proven archive",
        )],
    );
}

#[test]
fn a_broken_archive_fulfils_no_rule_and_waits_for_a_proven_one() {
    check(
        "last=1",
        "UTC",
        NOW,
        &[
            ("2026-11-17T03:00:00Z", '!', "delete: broken, and a newer archive is proven"),
            ("2026-11-18T03:00:00Z", '+', "keep: last 1 of 1, the newest proven archive"),
            ("2026-11-19T03:00:00Z", '!', "keep: nothing newer is proven"),
        ],
    );
    check(
        "last=1",
        "UTC",
        NOW,
        &[
            ("2026-11-18T03:00:00Z", '!', "keep: nothing newer is proven"),
            ("2026-11-19T03:00:00Z", '!', "keep: nothing newer is proven"),
        ],
    );
}

#[test]
fn an_unproven_archive_pushes_out_nothing_proven() {
    check(
        "daily=2",
        "UTC",
        NOW,
        &[
            ("2026-11-18T03:00:00Z", '?', "delete: no rule keeps it"),
            (
                "2026-11-18T12:00:00Z",
                '+',
                "keep: daily 2026-11-18, what would replace it is not proven",
            ),
            ("2026-11-19T03:00:00Z", '?', "keep: daily 2026-11-19"),
            (
                "2026-11-20T03:00:00Z",
                '+',
                "keep: daily 2026-11-20, what would replace it is not proven, \
                 the newest proven archive",
            ),
            ("2026-11-20T04:00:00Z", '?', "keep: nothing newer is proven"),
            ("2026-11-20T05:00:00Z", '?', "keep: daily 2026-11-20"),
        ],
    );
    // One check at last does not cost the archives that were never checked.
    check(
        "last=2",
        "UTC",
        NOW,
        &[
            ("2026-11-18T03:00:00Z", '?', "delete: no rule keeps it"),
            ("2026-11-19T03:00:00Z", '?', "keep: last 2 of 2"),
            ("2026-11-20T03:00:00Z", '+', "keep: last 1 of 2, the newest proven archive"),
        ],
    );
}

#[test]
fn an_archive_from_the_future_is_kept_and_costs_no_other() {
    check(
        "last=1",
        "UTC",
        "2026-11-20T03:00:00Z",
        &[
            ("2026-11-18T03:00:00Z", '+', "delete: no rule keeps it"),
            ("2026-11-20T03:00:00Z", '+', "keep: last 1 of 1, the newest proven archive"),
            ("2026-11-20T03:00:01Z", '+', "keep: started in the future"),
            ("2036-11-20T03:00:00Z", '!', "keep: started in the future"),
        ],
    );
    // What is proven only in the future proves nothing yet.
    check(
        "last=1",
        "UTC",
        "2026-11-20T03:00:00Z",
        &[
            ("2026-11-18T03:00:00Z", '?', "keep: nothing newer is proven"),
            ("2026-11-19T03:00:00Z", '?', "keep: last 1 of 1"),
            ("2036-11-20T03:00:00Z", '+', "keep: started in the future"),
        ],
    );
}

#[test]
fn of_two_that_started_at_one_instant_neither_is_newer() {
    check(
        "last=1",
        "UTC",
        NOW,
        &[
            ("2026-11-20T03:00:00Z", '+', "keep: nothing newer is proven"),
            ("2026-11-20T03:00:00Z", '+', "keep: last 1 of 1, the newest proven archive"),
        ],
    );
}

#[test]
fn without_archives_there_is_nothing_to_say() {
    check("last=1", "UTC", NOW, &[]);
}
