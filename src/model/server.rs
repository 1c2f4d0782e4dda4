//! What a probe learned of a running database server.

use serde::{Deserialize, Serialize};

use super::DatabaseName;

/// A server as it answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// As the server spells it: `15.18 (Debian 15.18-0+deb12u1)`.
    pub version: String,
    /// The major version, by which upgrades and downgrades are told apart.
    pub major: u32,
    /// Whether our user sees and may dump everything.
    pub superuser: bool,
    /// The databases one can connect to, without templates.
    pub databases: Vec<Database>,
    /// The roles that exist.
    pub roles: Vec<String>,
    pub tablespaces: Vec<String>,
}

/// A database and what belongs to it without being in it: a dump of the inside does not carry
/// these, and a restore under another name needs them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    pub name: DatabaseName,
    pub owner: String,
    pub encoding: String,
    pub collate: String,
    pub ctype: String,
    /// The locale provider's letter: `c` libc, `i` ICU, `b` built in.
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
}

/// A server setting bound to a database, perhaps for one role only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseSetting {
    pub role: Option<String>,
    pub name: String,
    pub value: String,
}

/// A privilege on the database itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// `None`: everybody (`PUBLIC`).
    pub role: Option<String>,
    pub privilege: String,
    pub grantable: bool,
}
