//! The stages between a dump and a store, as one synchronous chain on one thread that may block:
//! validate, digest, compress, digest, encrypt, digest, write. And the same way back.
//!
//! It knows no commands and no manifests. Finishing is a value: [`Finished`] exists only where the
//! last stage has closed.

mod chain;
mod compress;
mod digest;
mod encrypt;
mod line;
mod reencrypt;
mod signature;
mod unchain;

pub use chain::{Chain, Finished};
pub use digest::{Summed, digest, sum};
pub use encrypt::{EncryptionError, Generated, Identities, Recipients, Scheme, generate};
pub use line::Line;
pub use reencrypt::{Reencrypted, reencrypt};
pub use signature::{
    KeyId, PublicKey, Signature, SignatureFault, Signing, SigningError, SigningPair,
    generate_signing,
};
pub use unchain::Unchain;

use crate::engine::Invalid;
use crate::model::{ErrorKind, Explain};
use crate::store::FULL;

/// A stage that failed.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    #[error(transparent)]
    Invalid(#[from] Invalid),
    #[error("cannot compress the dump")]
    Compress(#[source] std::io::Error),
    #[error(transparent)]
    Encryption(#[from] EncryptionError),
    #[error("cannot write {target}")]
    Write { target: String, source: std::io::Error },
    #[error("cannot read the archive")]
    Read(#[source] std::io::Error),
    #[error("the dump was given up")]
    Aborted,
    #[error("a stage panicked: {0}")]
    Panicked(String),
}

impl Explain for PipelineError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Encryption(error) => error.kind(),
            _ => ErrorKind::Failed,
        }
    }

    fn retry(&self) -> bool {
        // What a store could not take now, it may take later.
        matches!(self, Self::Write { .. } | Self::Read(_))
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Invalid(invalid) => invalid.hint(),
            Self::Encryption(error) => error.hint(),
            Self::Write { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                Some(FULL.to_owned())
            }
            _ => None,
        }
    }
}
