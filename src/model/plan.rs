//! The plan: what settings and labels resolve to for one source. Complete: no "maybe" is left.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{DatabaseName, SecretRef, Slug, Workload};

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
    /// One of the engine's formats.
    pub format: &'static str,
    pub codec: Codec,
    /// Public keys, as people write them, that can decrypt; none: not encrypted.
    pub recipients: Vec<String>,
    pub schedule: Schedule,
    pub keep: Keep,
    /// The longest a whole run may take; `None`: no limit.
    pub timeout: Option<Duration>,
    /// The longest silence of a dump before it counts as hung.
    pub stall: Duration,
    /// The labels this came from, without the prefix.
    pub labels: BTreeMap<String, String>,
}

/// Which databases of a server are backed up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Databases {
    /// Every one found at run time.
    All,
    Named(Vec<DatabaseName>),
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
