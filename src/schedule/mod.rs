//! Schedules: reads the expressions that people write and says when they are due. Pure: the time
//! and the zone are arguments, and the zones' rules are built in.

mod blackout;
mod cron;
mod runs;
mod zone;

pub use blackout::{Blackout, read_blackout};
pub use runs::{Due, due_until, next, period, upcoming};
pub use zone::zone;

use std::time::Duration;

use jiff::civil;

use crate::model::{Schedule, units};

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
        let at = local(at.trim()).map(Schedule::Once);
        return at.ok_or("`once` takes a local date and time like `2026-12-01T03:00`".to_owned());
    }
    cron::read(text)?;
    Ok(Schedule::Cron(text.to_owned()))
}

/// A date and a time, and nothing else: jiff would read `2026-12-01T03:00+05:00` too, and leave the
/// offset out without a word.
fn local(text: &str) -> Option<civil::DateTime> {
    let (date, time) = text.split_once(['T', ' '])?;
    let digits = |text: &str, mark| text.bytes().all(|byte| byte.is_ascii_digit() || byte == mark);
    let plain = digits(date, b'-') && digits(time, b':');
    plain.then(|| text.parse().ok()).flatten()
}

/// Writes a schedule as [`read`] reads it.
pub fn write(schedule: &Schedule) -> String {
    match schedule {
        Schedule::Manual => "manual".to_owned(),
        Schedule::Cron(expression) => expression.clone(),
        Schedule::Every(duration) => format!("every {}", units::exact(*duration)),
        Schedule::Once(at) => format!("once {at}"),
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

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
    fn a_schedule_is_written_as_it_is_read() {
        for text in ["0 3 * * *", "@daily", "every 6h", "once 2026-12-01T03:00:00", "manual"] {
            assert_eq!(write(&read(text).unwrap()), text);
        }
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
            "once 2026-12-01",
            "once 2026-02-29T03:00",
            "once 2026-12-01T03:00Z",
            "once 2026-12-01T03:00+05:00",
            "once 2026-12-01T03:00[Europe/Berlin]",
            "@dayly",
            "0 3 * * *; rm",
            "$(date)",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
