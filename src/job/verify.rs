//! Verify: looks at what a store holds, compares, and records the result beside the archive.

use super::{JobError, blocking, now};
use crate::archive::{self, Archive, ArchiveError, Check, Proof};
use crate::labels::Rules;
use crate::model::{Level, chain};
use crate::pipeline::Identities;

/// Verifies that the stored bytes are those of the manifest. The result is recorded, good or bad.
///
/// # Errors
/// [`JobError::Archive`] if the archive could not be looked at, or the result not be recorded: that
/// says nothing about the archive.
pub async fn stored(archive: &Archive) -> Result<(Proof, Result<(), ArchiveError>), JobError> {
    let own = archive.clone();
    let found = blocking(move || Ok::<_, JobError>(archive::check_stored(&own)));
    record(archive, Level::Stored, found.await?).await
}

/// Verifies that an archive can be read back to the whole dump that was made. The result is recorded.
///
/// # Errors
/// [`JobError::Archive`] as for [`stored`], also if none of the identities decrypts it;
/// [`JobError::UnknownEngine`] if nobody can judge its dump.
pub async fn deep(
    rules: &Rules,
    archive: &Archive,
    identities: &Identities,
) -> Result<(Proof, Result<(), ArchiveError>), JobError> {
    let found = check_deep(rules, archive, identities).await?;
    record(archive, Level::Deep, found).await
}

/// The check alone.
async fn check_deep(
    rules: &Rules,
    archive: &Archive,
    identities: &Identities,
) -> Result<Result<(), ArchiveError>, JobError> {
    let (manifest, own) = (&archive.manifest, archive.clone());
    let unknown = || JobError::UnknownEngine(manifest.engine.clone());
    let engine = rules.engine(&manifest.engine).ok_or_else(unknown)?;
    let validator = engine.validator(&manifest.part, &manifest.format);
    let identities = identities.clone();
    blocking(move || Ok::<_, JobError>(archive::check_deep(&own, &identities, validator))).await
}

async fn record(
    archive: &Archive,
    level: Level,
    found: Result<(), ArchiveError>,
) -> Result<(Proof, Result<(), ArchiveError>), JobError> {
    let failure = match &found {
        Ok(()) => None,
        Err(bad) if bad.is_damage() => Some(chain(bad)),
        // A disk that cannot be read today says nothing about what is on it.
        Err(_) => return Ok((archive.proof.clone(), found)),
    };
    if failure.is_some() {
        // What was removed meanwhile is gone, not broken.
        let own = archive.clone();
        let open = move || Ok(own.store.open(&own.manifest.address().manifest()?)?);
        blocking::<_, ArchiveError>(open).await?;
    }
    let check = Check { level, at: now(), failure, took_ms: None };
    let (own, address) = (archive.clone(), archive.manifest.address());
    let recorded =
        blocking(move || archive::record(own.store.as_ref(), &address, own.proof, check));
    Ok((recorded.await?, found))
}
