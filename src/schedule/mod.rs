//! Schedules: reads the expressions that people write and says when they are next due. Pure: the
//! time and the zone are arguments.

use std::str::FromStr;
use std::time::Duration;

use croner::Cron;
use jiff::{Timestamp, civil, tz::TimeZone};

use crate::model::{Schedule, units};

const NICKNAMES: [&str; 7] =
    ["@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually"];
/// More often than this is a mistake, not a schedule.
const SHORTEST: Duration = Duration::from_mins(1);

/// Reads a cron expression of 5 or 6 fields, `@daily` and its like, `every 6h`,
/// `once 2026-12-01T03:00` or `manual`.
///
/// # Errors
/// Says what is wrong with the expression.
pub fn read(text: &str) -> Result<Schedule, String> {
    let text = text.trim();
    if text == "manual" {
        return Ok(Schedule::Manual);
    }
    if let Some(duration) = text.strip_prefix("every ") {
        let every = units::duration(duration.trim());
        let every = every.ok_or(format!("`{duration}` is not a duration like `6h`"))?;
        return match every < SHORTEST {
            true => Err("`every` takes at least `1m`".to_owned()),
            false => Ok(Schedule::Every(every)),
        };
    }
    if let Some(at) = text.strip_prefix("once ") {
        let at: Result<civil::DateTime, _> = at.trim().parse();
        return at
            .map(Schedule::Once)
            .map_err(|_| "`once` takes a local date and time like `2026-12-01T03:00`".to_owned());
    }
    let fields = text.split_ascii_whitespace().count();
    if !(NICKNAMES.contains(&text) || fields == 5 || fields == 6) {
        return Err("it is neither cron (5 or 6 fields) nor `@daily`, `every`, `once`".to_owned());
    }
    match Cron::from_str(text) {
        Ok(_) => Ok(Schedule::Cron(text.to_owned())),
        Err(error) => Err(format!("cron cannot read it: {}", error.to_string().to_lowercase())),
    }
}

/// When the schedule is next due after `after`; `None`: never again.
pub fn next(schedule: &Schedule, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
    match schedule {
        Schedule::Manual => None,
        Schedule::Cron(expression) => {
            let cron = Cron::from_str(expression).ok()?;
            let next = cron.find_next_occurrence(&after.to_zoned(zone.clone()), false).ok()?;
            Some(next.timestamp())
        }
        Schedule::Every(duration) => {
            after.checked_add(jiff::SignedDuration::try_from(*duration).ok()?).ok()
        }
        Schedule::Once(at) => {
            let at = at.to_zoned(zone.clone()).ok()?.timestamp();
            (at > after).then_some(at)
        }
    }
}

/// Writes a schedule as [`read`] reads it.
pub fn write(schedule: &Schedule) -> String {
    match schedule {
        Schedule::Manual => "manual".to_owned(),
        Schedule::Cron(expression) => expression.clone(),
        Schedule::Every(duration) => format!("every {}s", duration.as_secs()),
        Schedule::Once(at) => format!("once {at}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(expression: &str, expected: Option<&str>) {
        let after = "2026-11-20T02:30:00Z".parse().unwrap();
        let next = next(&read(expression).unwrap(), &TimeZone::UTC, after);
        assert_eq!(next.map(|next| next.to_string()).as_deref(), expected, "{expression}");
    }

    #[test]
    fn every_kind_of_expression_is_due() {
        check("0 3 * * *", Some("2026-11-20T03:00:00Z"));
        check("30 0 3 * * *", Some("2026-11-20T03:00:30Z"));
        check("@daily", Some("2026-11-21T00:00:00Z"));
        check("every 6h", Some("2026-11-20T08:30:00Z"));
        check("once 2026-12-01T03:00", Some("2026-12-01T03:00:00Z"));
        check("once 2026-11-01T03:00", None);
        check("manual", None);
    }

    #[test]
    fn unreadable_expressions_are_refused() {
        for bad in [
            "",
            "daily",
            "* * * *",
            "61 * * * *",
            "0 3 * * * * *",
            "every 6",
            "every 5s",
            "every",
            "once tomorrow",
            "@dayly",
            "0 3 * * *; rm",
            "$(date)",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
