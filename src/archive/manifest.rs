//! The manifest: everything that must be known to trust, find and restore an archive. Its format is
//! described in `spec/archive/FORMAT.md` and frozen by the vectors beside it.
//!
//! Reading is strict: an unknown field or a newer version is an error, never a guess.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Address;
use crate::model::{ArchiveId, Census, Codec, Database, DigestAt, Facts, Part, Slug, Sum};
use crate::pipeline::KeyId;

/// The version that is written, and the newest that is read.
pub(super) const VERSION: u32 = 1;

/// Manifest, version 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    pub version: u32,
    pub id: ArchiveId,
    pub source: Slug,
    pub part: Part,
    pub engine: String,
    pub format: String,
    pub workload: WorkloadRecord,
    pub access: AccessRecord,
    pub server_version: String,
    pub server_major: u32,
    pub tool_version: String,
    /// Arguments only: the environment, where secrets travel, is not recorded.
    pub command: Vec<String>,
    pub started_at: Timestamp,
    pub finished_at: Timestamp,
    pub trigger: String,
    pub codec: Codec,
    pub plain: Sum,
    pub compressed: Sum,
    pub stored: Sum,
    /// Where `plain` was hashed; left out where that was here alone.
    #[serde(default, skip_serializing_if = "DigestAt::is_sidecar")]
    pub digest_at: DigestAt,
    /// Fingerprints of those who can decrypt; empty: not encrypted.
    pub recipients: Vec<String>,
    /// The payload's file name, in the manifest's own folder.
    pub payload: String,
    /// Whose signature lies beside this since it was written; left out where nobody signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<KeyId>,
    pub facts: Facts,
    /// What the database itself had at the moment of its dump, if somebody looked: for drills.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub census: Option<Census>,
    /// What belongs to the database without being in its dump; `null` for globals.
    pub database: Option<Database>,
    pub warnings: Vec<String>,
    pub labels: BTreeMap<String, String>,
    /// The Ringbolt that wrote this.
    pub ringbolt: String,
}

/// Where the data came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkloadRecord {
    /// The Docker host's name, if it could be asked.
    pub host: Option<String>,
    pub container: String,
    pub container_id: String,
    pub image: String,
    pub image_digest: String,
}

/// As whom it was dumped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessRecord {
    pub user: String,
    /// The reference under which the password was found, never the password.
    pub password: Option<String>,
}

/// Why a manifest cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    #[error("it is not readable: {0}")]
    Unreadable(#[from] serde_json::Error),
    #[error("its version is {0}, this Ringbolt reads up to {VERSION}")]
    Newer(u64),
    #[error("it has no version")]
    NoVersion,
    #[error("it names {0}, but lies elsewhere")]
    Misplaced(String),
    #[error("it was changed in this moment")]
    Changed,
}

impl Manifest {
    pub fn address(&self) -> Address {
        Address { source: self.source.clone(), part: self.part.clone(), id: self.id.clone() }
    }

    pub fn encrypted(&self) -> bool {
        !self.recipients.is_empty()
    }

    /// Reads a manifest; the version decides how, so it is read first.
    ///
    /// # Errors
    /// [`ManifestError`], and nothing is guessed.
    pub fn read(text: &[u8]) -> Result<Self, ManifestError> {
        #[derive(Deserialize)]
        struct Versioned {
            version: Option<u64>,
        }
        let Versioned { version } = serde_json::from_slice(text)?;
        match version {
            None | Some(0) => Err(ManifestError::NoVersion),
            Some(version) if version > u64::from(VERSION) => Err(ManifestError::Newer(version)),
            Some(_) => Ok(serde_json::from_slice(text)?),
        }
    }

    /// Writes a manifest as people read it: indented, one trailing line break.
    ///
    /// # Errors
    /// Never for a manifest of ours: every field has a JSON form.
    pub fn write(&self) -> Result<Vec<u8>, ManifestError> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        Ok(text)
    }
}
