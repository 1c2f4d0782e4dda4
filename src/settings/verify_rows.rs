//! The settings about rolling verification: rows of the table in `rows.rs`.

use super::rows::ROW;
use super::table::{Reader, Setting};
use crate::model::Level;

/// What the sidecar verifies of old archives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifySettings {
    /// The share of each store's archives, in percent, that a day's round verifies; 0: none.
    pub share_percent: u8,
    /// `stored` or `deep`.
    pub level: Level,
}

impl Default for VerifySettings {
    fn default() -> Self {
        Self { share_percent: 5, level: Level::Stored }
    }
}

pub(super) const SHARE: Setting = Setting {
    key: "verify.share",
    expects: "a share like `5%`; `0%`: none",
    default: "`5%`",
    about: "How many of each store's archives the sidecar verifies a day, those first that were verified longest ago; at least one.",
    examples: &["5%", "0%", "100%"],
    mistakes: &["", "5", "-1%", "101%", "0.5%"],
    reader: Reader::Plain(|settings, _, given| {
        let text = given.text()?;
        let share = text.strip_suffix('%').and_then(|number| number.parse().ok());
        settings.verify.share_percent =
            share.filter(|share| *share <= 100).ok_or("it is no share of a hundred")?;
        Ok(())
    }),
    ..ROW
};

pub(super) const LEVEL: Setting = Setting {
    key: "verify.level",
    expects: "`stored` or `deep`",
    default: "`stored`",
    about: "How deep the sidecar verifies old archives. What `encryption.identity` does not decrypt is verified as `stored`.",
    examples: &["stored", "deep"],
    mistakes: &["", "drill", "Deep"],
    reader: Reader::Plain(|settings, _, given| {
        settings.verify.level = match given.text()?.parse()? {
            Level::Drill => return Err("it is neither of them".to_owned()),
            level => level,
        };
        Ok(())
    }),
    ..ROW
};
