//! Which archive somebody means: an id, `SOURCE@latest`, or `SOURCE@2026-11-20T03:00`, the newest of that
//! moment or before. Archives that a check has found broken are passed over, except by id.
//!
//! A moment without an offset is UTC, as ids are. What is left of it stands for all that it covers: a
//! minute is the whole minute, a date the whole day. Nobody writes the milliseconds at which a backup began.

use jiff::civil::{Date, DateTime};
use jiff::{Span, Timestamp, tz::TimeZone};

use super::{Archive, Catalogue, Standing};
use crate::model::{ArchiveId, ErrorKind, Explain, Part};

/// The word for the newest archive.
const LATEST: &str = "latest";

/// An archive, and what should be said of the choice.
#[derive(Debug)]
pub struct Found {
    pub archive: Archive,
    /// Newer ones that would have been it, were they not broken.
    pub passed_over: Vec<ArchiveId>,
    /// Nothing is newer than this, though a later moment was asked for.
    pub newest_of_all: bool,
}

/// Why no archive is meant, or more than one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MeantError {
    #[error("no archive is named `{0}`")]
    Unknown(String),
    #[error("`{0}` names more than one archive")]
    Ambiguous(String, Vec<String>),
    #[error("`{moment}` in `{meant}` is no moment")]
    Moment { meant: String, moment: String },
    #[error("no archive is as old as `{meant}`: the oldest was started at {oldest}")]
    TooEarly { meant: String, oldest: Timestamp, id: ArchiveId },
    #[error("`{meant}` would be archive `{id}`, which is broken, and there is none before it")]
    AllBroken { meant: String, id: ArchiveId },
}

impl Explain for MeantError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Usage
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unknown(_) => "`ringbolt list` shows every archive".to_owned(),
            Self::Ambiguous(_, choices) => format!("choose one: {}", choices.join(", ")),
            Self::Moment { .. } => "after the `@` comes `latest`, or a moment in UTC like \
                                    `2026-11-20T03:00`, or with its offset: `2026-11-20T03:00+01:00`"
                .to_owned(),
            Self::TooEarly { id, .. } => format!("the oldest is `{id}`"),
            Self::AllBroken { .. } => {
                "`ringbolt list` shows every archive; one is restored by its id whatever is known of it"
                    .to_owned()
            }
        })
    }
}

/// Finds the archive that somebody means.
///
/// # Errors
/// [`MeantError`] if it is none, or not one.
pub fn find(catalogue: &Catalogue, meant: &str) -> Result<Found, MeantError> {
    let unknown = || MeantError::Unknown(meant.to_owned());
    if let Some(archive) = catalogue.archives.iter().find(|a| a.manifest.id.as_str() == meant) {
        let archive = archive.clone();
        return Ok(Found { archive, passed_over: Vec::new(), newest_of_all: false });
    }
    // Names of databases may hold an `@`, moments do not.
    let (name, moment) = meant.rsplit_once('@').ok_or_else(unknown)?;
    let until = match moment {
        LATEST => None,
        _ => Some(until(moment).ok_or_else(|| MeantError::Moment {
            meant: meant.to_owned(),
            moment: moment.to_owned(),
        })?),
    };
    let own = of(catalogue, name, moment)?;
    let newest = own.first().ok_or_else(unknown)?;
    let early = |archive: &&&Archive| until.is_none_or(|end| archive.manifest.started_at <= end);
    let candidates: Vec<&Archive> = own.iter().filter(early).copied().collect();
    let oldest = own.last().unwrap_or(newest);
    let Some(first) = candidates.first() else {
        let (oldest, id) = (oldest.manifest.started_at, oldest.manifest.id.clone());
        return Err(MeantError::TooEarly { meant: meant.to_owned(), oldest, id });
    };
    let good = candidates.iter().position(|archive| archive.proof.standing() != Standing::Broken);
    let Some(good) = good else {
        let id = first.manifest.id.clone();
        return Err(MeantError::AllBroken { meant: meant.to_owned(), id });
    };
    let passed_over = candidates[..good].iter().map(|a| a.manifest.id.clone()).collect();
    let newest_of_all = until.is_some() && candidates.len() == own.len();
    Ok(Found { archive: candidates[good].clone(), passed_over, newest_of_all })
}

/// The archives of one series, the newest first: `SOURCE`, or `SOURCE/DATABASE`. A source by itself
/// means its database; its globals are `SOURCE/@globals`.
fn of<'a>(
    catalogue: &'a Catalogue,
    name: &str,
    moment: &str,
) -> Result<Vec<&'a Archive>, MeantError> {
    let (source, part) = match name.split_once('/') {
        Some((source, part)) => (source, Some(part)),
        None => (name, None),
    };
    let meant_part = |own: &Part| match part {
        Some(part) => own.to_string() == part,
        None => own.database().is_some(),
    };
    let own = catalogue.archives.iter().filter(|archive| {
        archive.manifest.source.as_str() == source && meant_part(&archive.manifest.part)
    });
    let own: Vec<&Archive> = own.collect();
    let mut parts: Vec<&Part> = own.iter().map(|archive| &archive.manifest.part).collect();
    parts.sort();
    parts.dedup();
    if parts.len() > 1 {
        let choices = parts.iter().map(|part| format!("{source}/{part}@{moment}")).collect();
        return Err(MeantError::Ambiguous(format!("{name}@{moment}"), choices));
    }
    Ok(own)
}

/// The last instant that a written moment covers.
fn until(text: &str) -> Option<Timestamp> {
    let (date, time) = match text.split_once(['T', 't', ' ']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let Some(time) = time else {
        // `Date` alone would read a date with a time behind it, too.
        let day = date.parse::<Date>().ok()?;
        return last(day.to_zoned(TimeZone::UTC).ok()?.timestamp(), Span::new().hours(24));
    };
    let begins = match text.parse::<Timestamp>() {
        Ok(instant) => instant,
        Err(_) => text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp(),
    };
    let clock = time.split(['Z', 'z', '+', '-', '[']).next().unwrap_or(time);
    let digits = clock.bytes().filter(u8::is_ascii_digit).count();
    match digits {
        2 => last(begins, Span::new().hours(1)),
        4 => last(begins, Span::new().minutes(1)),
        6 => last(begins, Span::new().seconds(1)),
        _ => Some(begins),
    }
}

/// The last instant of a span that begins here.
fn last(begins: Timestamp, span: Span) -> Option<Timestamp> {
    begins.checked_add(span).ok()?.checked_sub(Span::new().nanoseconds(1)).ok()
}

#[cfg(test)]
mod tests {
    use super::until;

    #[test]
    fn a_moment_covers_what_it_does_not_say() {
        for (text, expected) in [
            ("2026-11-20", "2026-11-20T23:59:59.999999999Z"),
            ("2026-11-20T03:00", "2026-11-20T03:00:59.999999999Z"),
            ("2026-11-20 03:00", "2026-11-20T03:00:59.999999999Z"),
            ("2026-11-20T03:00:07", "2026-11-20T03:00:07.999999999Z"),
            ("2026-11-20T03:00:07.5", "2026-11-20T03:00:07.5Z"),
            ("2026-11-20T03:00Z", "2026-11-20T03:00:59.999999999Z"),
            ("2026-11-20T03:00+01:00", "2026-11-20T02:00:59.999999999Z"),
            ("2026-11-20T03:00:07-05:00", "2026-11-20T08:00:07.999999999Z"),
            ("20261120T030000Z", "2026-11-20T03:00:00.999999999Z"),
        ] {
            assert_eq!(until(text).map(|at| at.to_string()), Some(expected.to_owned()), "{text}");
        }
        for wrong in
            ["", "yesterday", "2026", "2026-13-01", "2026-11-20T", "2026-11-20T25:00", "03:00"]
        {
            assert_eq!(until(wrong), None, "{wrong}");
        }
    }
}
