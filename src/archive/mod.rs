//! Archives: one immutable payload and one manifest each. An archive exists if and only if its
//! manifest exists.
//!
//! It knows layout, manifest, the way from staged to published, the catalogue and reading back. What
//! is dumped, and how, it does not know.

mod catalogue;
mod deep;
mod layout;
mod manifest;
mod proof;
mod read;
mod rekey;
mod staging;
mod sweep;

pub use catalogue::{Archive, Catalogue, catalogue, catalogue_of_all};
pub use deep::check_deep;
pub use layout::Address;
pub use manifest::{AccessRecord, Manifest, ManifestError, WorkloadRecord};
pub use proof::{Check, Proof, Standing, record};
pub use read::{Plain, check_identities, check_stored, open_plain};
pub use rekey::rekey;
pub use staging::{Published, Sealed, Staging};
pub use sweep::sweep;

use crate::model::{ArchiveId, ErrorKind, Explain, Sum};
use crate::pipeline::PipelineError;
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
    #[error("`{key}` is damaged: it is not the dump that its manifest describes")]
    Undecodable { key: String, source: PipelineError },
    #[error("`{key}` holds {found}, its manifest says {expected}")]
    OtherFacts { key: String, found: String, expected: String },
    #[error("archive `{0}` was changed by somebody else in the meantime")]
    Changed(ArchiveId),
    #[error("no archive is named `{0}`")]
    Unknown(String),
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
    /// Whether it says something about the archive. A disk that cannot be read today, or a key that is
    /// missing, says nothing about what is in the store.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Damaged { .. } | Self::Undecodable { .. } | Self::OtherFacts { .. } => true,
            Self::Store(error) => matches!(error, StoreError::Missing { .. }),
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
            Self::Unknown(_) => ErrorKind::Usage,
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
            Self::Damaged { .. } | Self::Undecodable { .. } | Self::OtherFacts { .. } => {
                Some("restore from another archive, and look at the disk".to_owned())
            }
            Self::Unknown(_) => Some("`ringbolt list` shows every archive".to_owned()),
            _ => None,
        }
    }
}
