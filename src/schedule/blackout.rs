//! Blackout windows: times of the day at which no run begins.

use jiff::{Timestamp, ToSpan as _, civil, tz::TimeZone};

use super::zone::zone;

/// A window of the day, in its own zone, perhaps over midnight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blackout {
    from: civil::Time,
    to: civil::Time,
    zone: TimeZone,
}

/// Reads `08:00-18:00` or `22:30-06:00 Europe/Berlin`; without a zone it is UTC.
///
/// # Errors
/// Says what is wrong with it.
pub fn read_blackout(text: &str) -> Result<Blackout, String> {
    let (window, name) = match text.trim().split_once(' ') {
        Some((window, name)) => (window, zone(name.trim())?),
        None => (text.trim(), TimeZone::UTC),
    };
    let time = |text: &str| {
        let digits = text.len() == 5 && text.as_bytes()[2] == b':';
        let parsed = text.parse::<civil::Time>().ok().filter(|_| digits);
        parsed.ok_or_else(|| format!("`{text}` is no time like `08:00`"))
    };
    let (from, to) = window.split_once('-').ok_or("it is no window like `08:00-18:00`")?;
    let (from, to) = (time(from)?, time(to)?);
    if from == to {
        return Err("it begins when it ends".to_owned());
    }
    Ok(Blackout { from, to, zone: name })
}

impl Blackout {
    /// When the window ends, if `now` is in it.
    pub fn end(&self, now: Timestamp) -> Option<Timestamp> {
        let local = now.to_zoned(self.zone.clone());
        let (time, date) = (local.time(), local.date());
        let over_midnight = self.to < self.from;
        let day = match (over_midnight, time >= self.from, time < self.to) {
            (false, true, true) | (true, false, true) => date,
            (true, true, _) => date.checked_add(1.day()).ok()?,
            _ => return None,
        };
        let end = self.zone.to_timestamp(day.to_datetime(self.to)).ok()?;
        // Where clocks are put back within it, its end may be told twice.
        (end > now).then_some(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(window: &str, now: &str, end: Option<&str>) {
        let found = read_blackout(window).unwrap().end(now.parse().unwrap());
        assert_eq!(found.map(|at| at.to_string()).as_deref(), end, "{window} at {now}");
    }

    #[test]
    fn windows_close_and_open() {
        check("08:00-18:00", "2026-11-20T07:59:59Z", None);
        check("08:00-18:00", "2026-11-20T08:00:00Z", Some("2026-11-20T18:00:00Z"));
        check("08:00-18:00", "2026-11-20T18:00:00Z", None);
        check("22:30-06:00", "2026-11-20T23:00:00Z", Some("2026-11-21T06:00:00Z"));
        check("22:30-06:00", "2026-11-21T05:59:00Z", Some("2026-11-21T06:00:00Z"));
        check("22:30-06:00", "2026-11-21T12:00:00Z", None);
        check("08:00-18:00 Europe/Berlin", "2026-11-20T07:00:00Z", Some("2026-11-20T17:00:00Z"));
    }

    #[test]
    fn what_is_no_window_is_refused() {
        for bad in ["", "8-18", "08:00", "08:00-08:00", "25:00-26:00", "08:00-18:00 Berlin"] {
            assert!(read_blackout(bad).is_err(), "{bad}");
        }
    }
}
