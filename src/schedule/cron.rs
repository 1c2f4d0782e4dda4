//! Cron expressions: what croner reads, less what it would read as something else, and less what
//! is never due.
//!
//! When an expression is due is in `runs.rs`.

use std::str::FromStr;

use croner::Cron;
use jiff::civil;

const NICKNAMES: [&str; 7] =
    ["@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually"];
const MONTHS: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const DAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// The day before the last 400 years in which croner looks; it gives up at the year 5000.
///
/// The calendar repeats itself after 400 years, weekdays included, so what is not due in any 400
/// years is never due, and beginning late keeps the search for it short.
const FOUR_CENTURIES: civil::DateTime = civil::datetime(4599, 12, 31, 23, 59, 59, 0);

/// Reads an expression of 5 or 6 fields, or `@daily` and its like.
///
/// # Errors
/// Says what is wrong: it is no cron expression, or it is one that is never due.
pub(super) fn read(text: &str) -> Result<Cron, String> {
    if !NICKNAMES.contains(&text) {
        let fields: Vec<String> =
            text.split_ascii_whitespace().map(str::to_ascii_uppercase).collect();
        // The seconds are the field that may be left out.
        let (time, date) = match fields.as_slice() {
            [time @ .., day, month, weekday] if matches!(time.len(), 2 | 3) => {
                (time, [day, month, weekday])
            }
            _ => {
                return Err(
                    "it is neither cron (5 or 6 fields) nor `@daily`, `every`, `once`".to_owned()
                );
            }
        };
        time.iter().try_for_each(|field| check(field, |_| false))?;
        check(date[0], |atom| {
            matches!(atom, "L" | "LW") || atom.strip_suffix('W').is_some_and(number)
        })?;
        check(date[1], |atom| MONTHS.contains(&atom))?;
        let weekday = date[2].strip_prefix('+').unwrap_or(date[2]);
        check(weekday, |atom| {
            let day = atom.strip_suffix('L').unwrap_or(atom);
            atom == "L" || number(day) || DAYS.contains(&day)
        })?;
    }
    let cron = parse(text)?;
    match cron.find_next_occurrence(&FOUR_CENTURIES, false) {
        Ok(_) => Ok(cron),
        Err(_) => Err("it is never due: no date matches it".to_owned()),
    }
}

/// Takes an expression that was read before.
pub(super) fn parse(text: &str) -> Result<Cron, String> {
    // croner knows every nickname but this one.
    let text = if text == "@midnight" { "@daily" } else { text };
    let refused = |error: croner::errors::CronError| {
        format!("cron cannot read it: {}", error.to_string().to_lowercase())
    };
    Cron::from_str(text).map_err(refused)
}

/// Checks the parts between a field's commas, dashes, slashes and hashes: a star, a number, or a
/// word of this field.
///
/// croner puts numbers in the place of names wherever they stand: it reads `1JAN` as 11, `SUN` as
/// minute 0, and `,` as no minute at all, which it then looks for in every minute of 3000 years.
fn check(field: &str, word: impl Fn(&str) -> bool) -> Result<(), String> {
    let known = |atom: &str| atom == "*" || atom == "?" || number(atom) || word(atom);
    let wrong = field.split([',', '-', '/', '#']).find(|atom| !known(atom));
    match wrong {
        None => Ok(()),
        Some("") => Err(format!("`{field}` has a part with nothing in it")),
        Some(atom) => Err(format!("`{atom}` does not belong in `{field}`")),
    }
}

fn number(atom: &str) -> bool {
    !atom.is_empty() && atom.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_marks_are_read_where_they_belong() {
        for good in [
            "0 3 * * mon-fri",
            "0 3 * JAN,jul *",
            "0 3 L * ?",
            "0 3 LW * *",
            "0 3 15W * *",
            "0 3 * * FRI#2",
            "0 3 * * 5L",
            "0 3 * * FRIL",
            "0 3 * * 5#L",
            "0 3 1 * +MON",
            "*/15 0-6/2 1,15 * *",
            "30 0 3 * * *",
            "0 3 29 2 *",
            "0 0 29 2 +MON",
            "@midnight",
            "@annually",
        ] {
            assert!(read(good).is_ok(), "{good}: {:?}", read(good));
        }
    }

    #[test]
    fn what_would_be_read_as_something_else_is_refused() {
        for (bad, why) in [
            ("0 3 1JAN * *", "`1JAN` does not belong in `1JAN`"),
            ("SUN 3 * * *", "`SUN` does not belong in `SUN`"),
            ("0 3 * MON *", "`MON` does not belong in `MON`"),
            ("0 3 * * \u{17f}un", "does not belong"),
            (", 3 * * *", "`,` has a part with nothing in it"),
            ("1,,2 3 * * *", "nothing in it"),
            ("0 3 * * MONTUE", "`MONTUE` does not belong"),
            ("0 3 31W5 * *", "does not belong"),
            ("@MIDNIGHT", "neither cron"),
            ("0 3 * * * * 2026", "neither cron"),
        ] {
            let error = read(bad).unwrap_err();
            assert!(error.contains(why), "{bad}: {error}");
        }
    }

    #[test]
    fn what_is_never_due_is_refused() {
        for bad in
            ["0 0 30 2 *", "0 0 31 2,4,6,9,11 *", "0 0 31 4 ?", "* * * 30 2 *", "0 3 1W * +SUN"]
        {
            let error = read(bad).unwrap_err();
            assert!(error.contains("never due"), "{bad}: {error}");
        }
    }
}
