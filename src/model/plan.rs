//! The plan: what settings and labels resolve to for one source. Complete: no "maybe" is left.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use jiff::tz::TimeZone;

use super::{DatabaseName, Level, SecretRef, Slug, Workload};

/// What a plan and a manifest say in the place of recipients where archives are encrypted with a
/// passphrase. No public key and no fingerprint reads like this.
pub const PASSPHRASE: &str = "passphrase";

/// What an armored OpenPGP certificate begins with.
pub const CERTIFICATE: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";

/// Whether a recipient is an armored OpenPGP certificate. In one archive, all are or none is.
pub fn is_certificate(recipient: &str) -> bool {
    recipient.trim_start().starts_with(CERTIFICATE)
}

/// Everything a backup of one source needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub source: Slug,
    pub workload: Workload,
    /// The engine's name in its family's table.
    pub engine: &'static str,
    pub user: String,
    /// `None`: the server asks for none.
    pub password: Option<SecretRef>,
    pub databases: Databases,
    /// Where the data is, for engines of files.
    pub paths: Vec<String>,
    pub patterns: Patterns,
    /// One of the engine's formats.
    pub format: &'static str,
    pub codec: Codec,
    /// Where dumps are hashed.
    pub digest_at: DigestAt,
    /// Public keys that can decrypt the archives, or [`PASSPHRASE`] alone; empty: they are not encrypted.
    pub recipients: Vec<String>,
    /// How much is proven of every archive when it is written.
    pub verify: Level,
    /// Whether a drill compares what is in the rows, and not only their number.
    pub checksums: bool,
    /// The operator's store that archives go to.
    pub store: Slug,
    /// By the id that a label gave it; one schedule needs none.
    pub schedules: BTreeMap<Option<Slug>, Schedule>,
    /// Where schedules and retention look at the clock.
    pub zone: TimeZone,
    pub keep: Keep,
    /// The promise: the newest archive is never older than this.
    pub rpo: Option<Duration>,
    pub priority: Priority,
    /// Sources that must have finished first.
    pub after: BTreeSet<Slug>,
    pub hooks: Hooks,
    /// What is done to the container while its files are read.
    pub hold: Option<Hold>,
    /// The longest a whole run may take; `None`: no limit.
    pub timeout: Option<Duration>,
    /// The longest silence of a dump before it counts as hung.
    pub stall: Duration,
    /// The labels this came from, without the prefix and without a secret.
    pub labels: BTreeMap<String, String>,
}

/// Which databases of a server are backed up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Databases {
    /// Every one found at run time.
    All,
    Named(Vec<DatabaseName>),
}

impl Databases {
    /// Whether a database that is there is one of them.
    pub fn has(&self, name: &DatabaseName) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names.contains(name),
        }
    }
}

impl fmt::Display for Databases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Named(names) => {
                let names: Vec<&str> = names.iter().map(DatabaseName::as_str).collect();
                f.write_str(&names.join(","))
            }
        }
    }
}

/// Which tables of a database are dumped, in the engine's own patterns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Patterns {
    /// Empty: all of them.
    pub include: Vec<String>,
    pub exclude: Vec<String>,
    /// Their definition is dumped, their rows are not.
    pub exclude_data: Vec<String>,
}

/// Commands that an operator lets labels run in the container, around a backup.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hooks {
    /// If it fails, no backup begins.
    pub before: Option<Vec<String>>,
    /// Runs whatever came of the backup.
    pub after: Option<Vec<String>>,
}

/// How a container is kept from writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    Pause,
    Stop,
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pause => "pause",
            Self::Stop => "stop",
        })
    }
}

impl FromStr for Hold {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = [Self::Pause, Self::Stop].into_iter().find(|hold| hold.to_string() == text);
        found.ok_or("it is neither")
    }
}

/// Who goes first when not all can.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    Low,
    #[default]
    Normal,
    High,
    Critical,
}

impl Priority {
    pub const ALL: [Self; 4] = [Self::Low, Self::Normal, Self::High, Self::Critical];
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
            Self::Critical => "critical",
        })
    }
}

impl FromStr for Priority {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|priority| priority.to_string() == text);
        found.ok_or("it is no priority")
    }
}

/// How a dump is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "name", content = "level")]
pub enum Codec {
    /// Level 1 to 19.
    Zstd(u8),
    /// Level 1 to 9.
    Gzip(u8),
    None,
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zstd(level) => write!(f, "zstd:{level}"),
            Self::Gzip(level) => write!(f, "gzip:{level}"),
            Self::None => f.write_str("none"),
        }
    }
}

/// Where a dump is hashed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DigestAt {
    /// Where it arrives.
    #[default]
    Sidecar,
    /// Where it is made, too; the two are compared.
    Both,
}

impl DigestAt {
    pub const ALL: [Self; 2] = [Self::Sidecar, Self::Both];

    pub fn is_sidecar(&self) -> bool {
        *self == Self::Sidecar
    }
}

impl fmt::Display for DigestAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sidecar => "sidecar",
            Self::Both => "both",
        })
    }
}

impl FromStr for DigestAt {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|place| place.to_string() == text);
        found.ok_or("it is neither")
    }
}

/// When a source is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Schedule {
    /// Only when somebody asks.
    Manual,
    /// A cron expression, already known to be readable.
    Cron(String),
    Every(Duration),
    /// Once, at a local date and time.
    Once(jiff::civil::DateTime),
}

/// Which archives retention may not touch. Nothing set: everything is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keep {
    pub last: Option<u32>,
    pub hourly: Option<u32>,
    pub daily: Option<u32>,
    pub weekly: Option<u32>,
    pub monthly: Option<u32>,
    pub yearly: Option<u32>,
    pub within: Option<Duration>,
}
