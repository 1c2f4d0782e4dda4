//! Proofs: what is known about an archive since it was written. Kept in `<id>.proof.json` beside the
//! manifest, which never changes.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Address, ArchiveError};
use crate::store::Store;

/// How much was proven, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The stored bytes were read back and hash to the manifest.
    Stored,
}

/// One verification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    pub level: Level,
    pub at: Timestamp,
    /// What was wrong; `null`: nothing.
    pub failure: Option<String>,
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
    /// `stored`, `broken` if the newest check failed, `none` if there was no check.
    pub fn word(&self) -> &'static str {
        match self.checks.iter().max_by_key(|check| check.at) {
            None => "none",
            Some(Check { failure: Some(_), .. }) => "broken",
            Some(Check { level: Level::Stored, .. }) => "stored",
        }
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

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stored => f.write_str("stored"),
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
