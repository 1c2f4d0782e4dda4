//! Names that cannot be wrong: slugs, database names, parts of a source, archive ids.
//!
//! How a name becomes a path in a store is the business of `archive::layout`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest slug; with the longest escaped database name it stays below every file system's limit.
pub const LONGEST_SLUG: usize = 128;
/// The longest database name, in bytes. Where a database is a file, its name is a path.
pub const LONGEST_DATABASE: usize = 1024;
/// Characters of the random part of an [`ArchiveId`]: Crockford's base 32 without `i l o u`.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const RANDOM_LENGTH: usize = 10;

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("it is empty")]
    Empty,
    #[error("it is {0} bytes long, at most {1} are allowed")]
    TooLong(usize, usize),
    #[error("it must begin with a letter or digit")]
    Start,
    #[error("it holds {0:?}; letters, digits, `.`, `_` and `-` are allowed")]
    Character(char),
    #[error("it holds a control character")]
    Control,
    #[error("it is not an archive id like `20261120T030000Z-01jd8abcde`")]
    ArchiveId,
}

/// A name that is safe in paths, URLs and command lines: `[A-Za-z0-9][A-Za-z0-9._-]*`, at most
/// [`LONGEST_SLUG`] bytes. The alphabet is that of Docker's own container names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Slug(String);

impl Slug {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Slug {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.len() > LONGEST_SLUG {
            return Err(NameError::TooLong(text.len(), LONGEST_SLUG));
        }
        let first = text.chars().next().ok_or(NameError::Empty)?;
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if let Some(wrong) = text.chars().find(|c| !allowed(*c)) {
            return Err(NameError::Character(wrong));
        }
        if !first.is_ascii_alphanumeric() {
            return Err(NameError::Start);
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for Slug {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<Slug> for String {
    fn from(slug: Slug) -> Self {
        slug.0
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A database's name as its server spells it. Servers allow nearly everything in it (spaces, `/`,
/// `=`, quotes), so it is never put into a path, a query or a connection string without quoting.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DatabaseName(String);

impl DatabaseName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DatabaseName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.len() > LONGEST_DATABASE {
            return Err(NameError::TooLong(text.len(), LONGEST_DATABASE));
        }
        if text.chars().any(char::is_control) {
            return Err(NameError::Control);
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for DatabaseName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<DatabaseName> for String {
    fn from(name: DatabaseName) -> Self {
        name.0
    }
}

impl fmt::Display for DatabaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What one archive holds of its source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "kind", content = "name")]
pub enum Part {
    /// What belongs to the server and to no database: roles, memberships, table spaces.
    Globals,
    /// One database.
    Database(DatabaseName),
}

impl Part {
    /// The database's name, if this is a database.
    pub fn database(&self) -> Option<&DatabaseName> {
        match self {
            Self::Globals => None,
            Self::Database(name) => Some(name),
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Globals => f.write_str("@globals"),
            Self::Database(name) => name.fmt(f),
        }
    }
}

/// An archive's id: its start in UTC and a random part, `20261120T030000Z-01jd8abcde`. Sorting ids
/// sorts archives by time; the random part keeps two runs within one second apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ArchiveId(String);

impl ArchiveId {
    pub fn new(started: jiff::Timestamp, random: u64) -> Self {
        let digit = |at: usize| ALPHABET[usize::from((random >> (5 * at)).to_le_bytes()[0] & 31)];
        let random: String = (0..RANDOM_LENGTH).map(|at| char::from(digit(at))).collect();
        Self(format!("{}-{random}", started.strftime("%Y%m%dT%H%M%SZ")))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ArchiveId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let shape = text.len() == 17 + RANDOM_LENGTH
            && text.bytes().enumerate().all(|(at, byte)| match at {
                0..8 | 9..15 => byte.is_ascii_digit(),
                8 => byte == b'T',
                15 => byte == b'Z',
                16 => byte == b'-',
                _ => ALPHABET.contains(&byte),
            });
        if shape { Ok(Self(text.to_owned())) } else { Err(NameError::ArchiveId) }
    }
}

impl TryFrom<String> for ArchiveId {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<ArchiveId> for String {
    fn from(id: ArchiveId) -> Self {
        id.0
    }
}

impl fmt::Display for ArchiveId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_safe_everywhere() {
        for good in ["shop", "Shop_db-1.old", "0", &"a".repeat(LONGEST_SLUG)] {
            assert!(good.parse::<Slug>().is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "-x", "a/b", "a b", "a\n", "a\0", "$(x)", "ä", &"a".repeat(129)]
        {
            assert!(bad.parse::<Slug>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn archive_ids_read_back_and_sort_by_time() {
        let early = ArchiveId::new("2026-11-20T03:00:00Z".parse().unwrap(), u64::MAX);
        let late = ArchiveId::new("2026-11-20T03:00:01Z".parse().unwrap(), 0);
        assert!(early < late);
        assert_eq!(early.as_str().parse(), Ok(early.clone()));
        assert_eq!(late.as_str(), "20261120T030001Z-0000000000");
        for bad in ["", "20261120T030000Z", "20261120T030000Z-01jd8abcdé", "../etc/passwd"] {
            assert!(bad.parse::<ArchiveId>().is_err(), "{bad:?}");
        }
    }
}
