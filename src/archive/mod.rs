//! Archives: one immutable payload and one manifest each. An archive exists if and only if its
//! manifest exists.
//!
//! It knows layout, manifest, the way from staged to published, the catalogue and reading back. What
//! is dumped, and how, it does not know.

mod catalogue;
mod layout;
mod manifest;
mod meant;
mod proof;
mod read;
mod rekey;
mod signature;
mod staging;
mod sweep;

pub use catalogue::{Archive, Catalogue, catalogue, catalogue_of_all};
pub use layout::Address;
pub use manifest::{AccessRecord, Manifest, ManifestError, WorkloadRecord};
pub use meant::{Found, MeantError, find};
pub use proof::{Check, Proof, Standing, record};
pub use read::{
    Plain, check_deep, check_identities, check_payload, check_stored, open_plain, prove,
};
pub use rekey::rekey;
pub use signature::{rewrite, sign};
pub use staging::{Published, Sealed, Staging};
pub use sweep::sweep;

use crate::engine::Invalid;
use crate::model::{ArchiveId, ErrorKind, Explain, Sum};
use crate::pipeline::{EncryptionError, KeyId, PipelineError, SignatureFault};
use crate::store::{FULL, KeyError, StoreError};
use crate::transport::TransportError;

/// Something about an archive that failed.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
    #[error(transparent)]
    Transport(#[from] TransportError),
    #[error("manifest `{key}`: {source}")]
    Manifest { key: String, source: ManifestError },
    #[error("proof `{key}` is not readable")]
    Proof { key: String, source: std::io::Error },
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("cannot read `{key}`")]
    Read { key: String, source: std::io::Error },
    #[error("cannot write {target}")]
    Write { target: String, source: std::io::Error },
    #[error("`{key}` is damaged: {what} has {found}, its manifest says {expected}")]
    Damaged { key: String, what: &'static str, found: Shown, expected: Shown },
    #[error("`{key}` cannot be decrypted and decompressed to its end")]
    Undecodable { key: String, source: std::io::Error },
    #[error("what is in `{key}` is no whole dump")]
    Dump { key: String, source: Invalid },
    #[error("what is in `{key}` is another dump than its manifest tells of")]
    Facts { key: String },
    #[error("archive `{id}` is refused: {fault}")]
    Signature { id: String, fault: SignatureFault },
    #[error("archive `{0}` is signed already, by key {1}")]
    Signed(String, KeyId),
    #[error("archive `{0}` cannot be signed: there is no key")]
    NoKey(String),
    #[error("archive `{0}` was changed by somebody else in the meantime")]
    Changed(ArchiveId),
}

/// A sum as it stands in messages.
#[derive(Debug, Clone, Copy)]
pub struct Shown(pub Sum);

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let digest = self.0.sha256.to_string();
        write!(f, "{} bytes with SHA-256 {}…", self.0.bytes, &digest[..12])
    }
}

impl ArchiveError {
    /// Whether it speaks of what is stored, and not of a store, a key or a disk that are not there now.
    pub fn is_damage(&self) -> bool {
        let of_key = |error: &EncryptionError| matches!(error, EncryptionError::Damaged(_));
        match self {
            Self::Damaged { .. }
            | Self::Undecodable { .. }
            | Self::Dump { .. }
            | Self::Facts { .. }
            | Self::Signature { .. }
            | Self::Store(StoreError::Missing { .. }) => true,
            Self::Pipeline(PipelineError::Encryption(error)) => of_key(error),
            _ => false,
        }
    }
}

impl Explain for ArchiveError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Store(error) => error.kind(),
            Self::Pipeline(error) => error.kind(),
            Self::Transport(error) => error.kind(),
            Self::NoKey(_) | Self::Signed(..) => ErrorKind::Usage,
            _ => ErrorKind::Failed,
        }
    }

    fn retry(&self) -> bool {
        match self {
            Self::Store(error) => error.retry(),
            Self::Transport(error) => error.retry(),
            _ => false,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Store(error) => error.hint(),
            Self::Pipeline(error) => error.hint(),
            Self::Transport(error) => error.hint(),
            Self::Write { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                Some(FULL.to_owned())
            }
            Self::Proof { .. } => Some(
                "the archive itself is not concerned: `ringbolt verify` writes a new proof"
                    .to_owned(),
            ),
            Self::Damaged { .. }
            | Self::Undecodable { .. }
            | Self::Dump { .. }
            | Self::Facts { .. } => {
                Some("restore from another archive, and look at the disk".to_owned())
            }
            Self::Signature { fault, .. } => fault.hint(),
            Self::NoKey(_) => Some("it takes the setting `signing.key`".to_owned()),
            _ => None,
        }
    }
}
