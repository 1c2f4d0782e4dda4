//! Sizes and durations as people write and read them: `1.4 GB`, `15m`.

use std::fmt;
use std::time::Duration;

/// A number of bytes; prints in decimal units, as disks are sold and stores are billed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    #[allow(clippy::cast_precision_loss)] // three digits are shown
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
        if self.0 < 1000 {
            return write!(f, "{} B", self.0);
        }
        let mut value = self.0 as f64 / 1000.0;
        let mut unit = 0;
        while value >= 999.5 && unit + 1 < UNITS.len() {
            value /= 1000.0;
            unit += 1;
        }
        let digits = usize::from(value < 99.95);
        write!(f, "{value:.digits$} {}", UNITS[unit])
    }
}

/// Reads `90s`, `15m`, `36h`, `30d`, `2w`: a whole number and one unit, nothing else.
pub fn duration(text: &str) -> Option<Duration> {
    let unit = text.chars().last().filter(char::is_ascii_alphabetic)?;
    let number = &text[..text.len() - 1];
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let seconds: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        _ => return None,
    };
    // A century is enough, and keeps every later sum far from overflow.
    let total = number.parse::<u64>().ok()?.checked_mul(seconds)?;
    (total > 0 && total <= 100 * 366 * 86_400).then(|| Duration::from_secs(total))
}

/// Reads `512m`, `2g`, as Docker does: mebibytes and gibibytes.
pub fn memory(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let shift = match unit {
        "m" => 20,
        "g" => 30,
        _ => return None,
    };
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = number.parse().ok()?;
    (number > 0 && number <= u64::MAX >> shift).then(|| number << shift)
}

/// Writes a duration as [`duration`] reads it, with the largest unit that leaves no rest: `6h`,
/// `30d`. Not weeks: 14 days read better beside 30.
pub fn exact(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let units = [('d', 86_400), ('h', 3600), ('m', 60)];
    let unit = units.into_iter().find(|(_, size)| seconds > 0 && seconds.is_multiple_of(*size));
    let (name, size) = unit.unwrap_or(('s', 1));
    format!("{}{name}", seconds / size)
}

/// Writes a duration with its two largest units: `2h 5m`, `3.2s`.
pub fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{:.1}s", duration.as_secs_f64()),
        60..3600 => format!("{}m {}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h {}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d {}h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// Writes a number of things: `1 table`, `2 tables`.
pub fn count(number: u64, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_short() {
        for (bytes, shown) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (1_400_000_000, "1.4 GB"),
            (123_456_789, "123 MB"),
            (999_999_999, "1.0 GB"),
        ] {
            assert_eq!(Bytes(bytes).to_string(), shown);
        }
    }

    #[test]
    fn durations_are_strict() {
        assert_eq!(duration("15m"), Some(Duration::from_mins(15)));
        assert_eq!(duration("2w"), Some(Duration::from_hours(336)));
        for bad in ["", "15", "m", "-1m", "1.5h", "15 m", "0s", "1y", "99999999999999999999d", "1é"]
        {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn durations_are_written_as_they_are_read() {
        for text in ["90s", "15m", "36h", "30d", "14d", "25h", "3601s"] {
            assert_eq!(exact(duration(text).unwrap()), text);
        }
    }
}
