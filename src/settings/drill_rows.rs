//! The settings about drills: rows of the table in `rows.rs`.

use std::time::Duration;

use super::rows::ROW;
use super::table::{Reader, Setting};
use crate::model::units;

/// What a drill may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrillSettings {
    /// Bytes.
    pub memory: u64,
    /// Thousandths of a processor.
    pub millicpus: u32,
    /// The share of its own speed, in percent, that a dump keeps while a drill listens.
    pub share_percent: u8,
    pub timeout: Duration,
}

impl Default for DrillSettings {
    fn default() -> Self {
        Self {
            memory: 2 << 30,
            millicpus: 1000,
            share_percent: 75,
            timeout: Duration::from_hours(6),
        }
    }
}

pub(super) const MEMORY: Setting = Setting {
    key: "drill.memory",
    expects: "a size like `2g` or `512m`, as Docker's `--memory` takes it",
    default: "`2g`",
    about: "How much memory the throwaway container of a drill may use.",
    examples: &["2g", "512m"],
    mistakes: &["", "2", "2 GB", "0m", "1k"],
    reader: Reader::Plain(|settings, _, given| {
        settings.drill.memory = units::memory(&given.text()?).ok_or("it is no such size")?;
        Ok(())
    }),
    ..ROW
};

pub(super) const CPUS: Setting = Setting {
    key: "drill.cpus",
    expects: "a number like `1` or `0.5`",
    default: "`1`",
    about: "How many processors the throwaway container of a drill may use.",
    examples: &["1", "0.5", "4"],
    mistakes: &["", "0", "-1", "many", "1e3"],
    reader: Reader::Plain(|settings, _, given| {
        settings.drill.millicpus = thousandths(&given.text()?).ok_or("it is no such number")?;
        Ok(())
    }),
    ..ROW
};

pub(super) const SHARE: Setting = Setting {
    key: "drill.share",
    expects: "a share like `75%`",
    default: "`75%`",
    about: "How much of its own speed a dump keeps while a live drill listens. A drill that would slow it down further reads the rest from the archive.",
    examples: &["75%", "100%"],
    mistakes: &["", "75", "0%", "101%"],
    reader: Reader::Plain(|settings, _, given| {
        let text = given.text()?;
        let share = text.strip_suffix('%').and_then(|number| number.parse().ok());
        settings.drill.share_percent =
            share.filter(|share| (1..=100).contains(share)).ok_or("it is no share of a hundred")?;
        Ok(())
    }),
    ..ROW
};

pub(super) const TIMEOUT: Setting = Setting {
    key: "drill.timeout",
    expects: "a duration like `6h`",
    default: "`6h`",
    about: "The longest a drill may take, of one archive or of all that a backup makes; then it is ended, and what is left is not drilled.",
    examples: &["6h", "30m"],
    mistakes: &["", "6", "0h"],
    reader: Reader::Plain(|settings, _, given| {
        settings.drill.timeout =
            units::duration(&given.text()?).ok_or_else(|| "it is no duration".to_owned())?;
        Ok(())
    }),
    ..ROW
};

/// Reads `2`, `0.5`, `1.25`.
fn thousandths(text: &str) -> Option<u32> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(part) || part.len() > 3 {
        return None;
    }
    let part: u32 = format!("{part:0<3}").parse().ok()?;
    let all = whole.parse::<u32>().ok()?.checked_mul(1000)?.checked_add(part)?;
    (all > 0).then_some(all)
}
