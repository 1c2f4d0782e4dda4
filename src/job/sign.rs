//! Sign: signs the manifest of an archive from before manifests were signed, once its stored bytes are verified.

use super::{JobError, blocking, now};
use crate::archive::{self, Archive, ArchiveError, Check};
use crate::model::Level;
use crate::pipeline::Signing;

/// Signs an archive that has no signature, and records that its bytes were read.
///
/// # Errors
/// [`JobError::Archive`] if it is damaged, signed already, or there is no key; then nothing was written.
pub async fn run(archive: &Archive, signing: &Signing) -> Result<(), JobError> {
    let (archive, signing) = (archive.clone(), signing.clone());
    blocking(move || -> Result<(), ArchiveError> {
        if signing.signer().is_none() {
            return Err(ArchiveError::NoKey(archive.manifest.id.to_string()));
        }
        archive::check_payload(&archive)?;
        archive::sign(&archive, &signing)?;
        let check = Check { level: Level::Stored, at: now(), failure: None, took_ms: None };
        let (store, address) = (archive.store.as_ref(), archive.manifest.address());
        archive::record(store, &address, archive.proof, check).map(drop)
    })
    .await
}
