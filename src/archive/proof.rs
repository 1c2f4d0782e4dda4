//! Proofs: what is known about an archive since it was written. Kept in `<id>.proof.json` beside the
//! manifest, which never changes.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Address, ArchiveError};
use crate::model::Level;
use crate::store::Store;

/// One verification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    pub level: Level,
    pub at: Timestamp,
    /// What was wrong; `null`: nothing.
    pub failure: Option<String>,
    /// How long a restore took, of a drill that measured it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<u64>,
}

/// What is known of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nobody has looked at it yet.
    Unproven,
    Proven(Level),
    /// A check has failed, and none since then has passed that would have found the same.
    Broken,
}

/// The newest check of each level.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    version: u32,
    checks: Vec<Check>,
}

impl Default for Proof {
    fn default() -> Self {
        Self { version: 1, checks: Vec::new() }
    }
}

impl Proof {
    /// What all checks together say. A failure stands until a check that proves as much has passed.
    pub fn standing(&self) -> Standing {
        let passed = |least: Level, since: Timestamp| {
            let mut checks = self.checks.iter().filter(|check| check.failure.is_none());
            checks.any(|check| check.level >= least && check.at > since)
        };
        let mut failed = self.checks.iter().filter(|check| check.failure.is_some());
        if failed.any(|check| !passed(check.level, check.at)) {
            return Standing::Broken;
        }
        let passed = self.checks.iter().filter(|check| check.failure.is_none());
        passed.map(|check| check.level).max().map_or(Standing::Unproven, Standing::Proven)
    }

    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    pub(super) fn read(text: &[u8]) -> std::io::Result<Self> {
        let proof: Self = serde_json::from_slice(text)?;
        match proof.version {
            1 => Ok(proof),
            other => Err(std::io::Error::other(format!("its version is {other}"))),
        }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unproven => f.write_str("none"),
            Self::Broken => f.write_str("broken"),
            Self::Proven(level) => level.fmt(f),
        }
    }
}

/// Records a check beside the archive.
///
/// # Errors
/// [`ArchiveError::Store`], [`ArchiveError::Write`] if it cannot be written.
pub fn record(
    store: &dyn Store,
    address: &Address,
    mut proof: Proof,
    check: Check,
) -> Result<Proof, ArchiveError> {
    proof.checks.retain(|old| old.level != check.level);
    proof.checks.push(check);
    let key = address.proof()?;
    let _claim = store.claim()?;
    let mut upload = store.create(&key)?;
    let target = upload.target();
    let failed = |source| ArchiveError::Write { target: target.clone(), source };
    let text = serde_json::to_vec_pretty(&proof).map_err(|error| failed(error.into()))?;
    upload.write_all(&text).and_then(|()| upload.write_all(b"\n")).map_err(failed)?;
    upload.commit()?;
    Ok(proof)
}
