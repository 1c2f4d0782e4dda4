//! Verify: reads what a store holds back, compares, and records the result beside the archive.

use super::{JobError, blocking, now};
use crate::archive::{self, Archive, ArchiveError, Check, Proof};
use crate::model::Level;
use crate::store::StoreError;

/// Verifies that the stored bytes are those of the manifest. The result is recorded, good or bad.
///
/// # Errors
/// [`JobError::Archive`] if the archive could not be looked at, or the result not be recorded: that
/// says nothing about the archive.
pub async fn stored(archive: &Archive) -> Result<(Proof, Result<(), ArchiveError>), JobError> {
    let archive = archive.clone();
    blocking(move || -> Result<_, ArchiveError> {
        let found = archive::check_stored(&archive);
        let failure = match &found {
            Ok(()) => None,
            Err(
                bad @ (ArchiveError::Damaged { .. }
                | ArchiveError::Signature { .. }
                | ArchiveError::Store(StoreError::Missing { .. })),
            ) => Some(bad.to_string()),
            // A disk that cannot be read today says nothing about what is on it.
            Err(_) => return found.map(|()| (archive.proof, Ok(()))),
        };
        let check = Check { level: Level::Stored, at: now(), failure };
        let address = archive.manifest.address();
        let proof = archive::record(archive.store.as_ref(), &address, archive.proof, check)?;
        Ok((proof, found))
    })
    .await
}
