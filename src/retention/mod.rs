//! Retention: reads what an operator wants to keep, and decides which archives that leaves. Pure:
//! it knows neither stores nor files, and deletes nothing.

mod plan;

pub use plan::{Candidate, Decision, Reason, State, Verdict, plan};

use crate::model::{Keep, units};

/// Reads `last=7 daily=14 within=30d`, in any order and any part.
///
/// # Errors
/// Says what is wrong: an unknown rule, a rule given twice, a count of 0 (which would read as
/// "keep none" to one person and "no limit" to another), no rule at all.
pub fn read(text: &str) -> Result<Keep, String> {
    let mut keep = Keep::default();
    for rule in text.split_ascii_whitespace() {
        let (name, value) = rule.split_once('=').ok_or(format!("`{rule}` has no `=`"))?;
        let slot = match name {
            "last" => &mut keep.last,
            "hourly" => &mut keep.hourly,
            "daily" => &mut keep.daily,
            "weekly" => &mut keep.weekly,
            "monthly" => &mut keep.monthly,
            "yearly" => &mut keep.yearly,
            "within" => {
                let within = units::duration(value);
                let within = within.ok_or(format!("`{value}` is not a duration like `30d`"))?;
                if keep.within.replace(within).is_some() {
                    return Err("`within` is given twice".to_owned());
                }
                continue;
            }
            _ => return Err(format!("`{name}` is no rule")),
        };
        let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
        let count = value.parse().ok().filter(|count| digits && *count > 0);
        let count = count.ok_or(format!("`{value}` is not a count of 1 or more"))?;
        if slot.replace(count).is_some() {
            return Err(format!("`{name}` is given twice"));
        }
    }
    if keep == Keep::default() { Err("no rule is given".to_owned()) } else { Ok(keep) }
}

/// Writes the rules in their usual order, as [`read`] reads them; nothing set is `everything`.
pub fn write(keep: &Keep) -> String {
    let counts = [
        ("last", keep.last),
        ("hourly", keep.hourly),
        ("daily", keep.daily),
        ("weekly", keep.weekly),
        ("monthly", keep.monthly),
        ("yearly", keep.yearly),
    ];
    let mut rules: Vec<String> = counts
        .into_iter()
        .filter_map(|(name, count)| count.map(|count| format!("{name}={count}")))
        .collect();
    rules.extend(keep.within.map(|within| format!("within={}", units::exact(within))));
    if rules.is_empty() { "everything".to_owned() } else { rules.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_in_any_order() {
        let keep = read("daily=14 last=7  within=30d").unwrap();
        assert_eq!((keep.last, keep.daily, keep.weekly), (Some(7), Some(14), None));
        assert_eq!(keep.within.map(|within| within.as_secs()), Some(30 * 86_400));
        assert_eq!(read(&write(&keep)), Ok(keep));
    }

    #[test]
    fn doubtful_rules_are_refused() {
        for bad in [
            "",
            "7",
            "last",
            "last=",
            "last=0",
            "last=-1",
            "last=+1",
            "last=1 last=2",
            "dayly=3",
            "within=30",
            "last=99999999999",
            "last=1,daily=2",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
