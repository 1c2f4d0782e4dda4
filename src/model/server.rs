//! What a probe learned of a running database server.

use serde::{Deserialize, Serialize};

use super::DatabaseName;

/// A server as it answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Server {
    /// As the server spells it: `15.18 (Debian 15.18-0+deb12u1)`.
    pub version: String,
    /// The part of the version by which upgrades and downgrades are told apart, as a number: 15,
    /// 1011 for 10.11.
    pub major: u32,
    /// Whether our user sees and may dump everything.
    pub superuser: bool,
    /// The databases one can connect to, without templates.
    pub databases: Vec<Database>,
    /// The roles that exist.
    pub roles: Vec<String>,
    pub tablespaces: Vec<String>,
    /// What a backup of this server cannot hold, in words for the operator.
    pub notes: Vec<String>,
}

/// A database and what belongs to it without being in it: a dump of the inside does not carry
/// these, and a restore under another name needs them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    pub name: DatabaseName,
    /// Empty, here and below: the engine knows no such thing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub owner: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub encoding: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub collate: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub ctype: String,
    /// The locale provider's letter: `c` libc, `i` ICU, `b` built in.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub provider: String,
    pub locale: Option<String>,
    pub comment: Option<String>,
    pub connection_limit: i64,
    pub settings: Vec<DatabaseSetting>,
    /// `None`: the engine's defaults.
    pub grants: Option<Vec<Grant>>,
    /// Size on the server's disk, an estimate for progress only.
    #[serde(skip)]
    pub bytes: u64,
    /// What a dump of it cannot hold, in words for the operator.
    #[serde(skip)]
    pub notes: Vec<String>,
}

impl Database {
    /// A database of which nothing but its name matters to a restore.
    pub fn named(name: DatabaseName) -> Self {
        Self {
            name,
            owner: String::new(),
            encoding: String::new(),
            collate: String::new(),
            ctype: String::new(),
            provider: String::new(),
            locale: None,
            comment: None,
            connection_limit: -1,
            settings: Vec::new(),
            grants: None,
            bytes: 0,
            notes: Vec::new(),
        }
    }
}

/// A server setting bound to a database, perhaps for one role only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseSetting {
    pub role: Option<String>,
    pub name: String,
    pub value: String,
}

/// A privilege on the database itself, or on something in it: `INSERT (name) ON parent`. The word
/// `DEFINER` is for in whose name something in it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// `None`: everybody (`PUBLIC`).
    pub role: Option<String>,
    pub privilege: String,
    pub grantable: bool,
}
