//! Verify: reads what a store holds back, compares, and records the result beside the archive.

use super::{JobError, blocking, now};
use crate::archive::{self, Archive, ArchiveError, Check, Proof};
use crate::labels::Rules;
use crate::model::Level;
use crate::pipeline::Identities;

/// What a verification came to: all that is known of the archive now, and what is wrong with it.
pub type Verified = (Proof, Result<(), ArchiveError>);

/// Verifies an archive to a level, and records the result, good or bad. A drill needs a container, and
/// is not begun here: of it, what is checked without one.
///
/// # Errors
/// [`JobError::Archive`], [`JobError::UnknownEngine`] if the archive could not be looked at, or the result
/// not be recorded: that says nothing about the archive, and nothing is recorded.
pub async fn run(
    rules: &Rules,
    archive: &Archive,
    level: Level,
    identities: &Identities,
) -> Result<Verified, JobError> {
    match level {
        Level::Stored => stored(archive).await,
        Level::Deep | Level::Drill => deep(rules, archive, identities).await,
    }
}

/// The stored bytes are those of the manifest.
async fn stored(archive: &Archive) -> Result<Verified, JobError> {
    let archive = archive.clone();
    blocking(move || {
        let found = archive::check_stored(archive.store.as_ref(), &archive.manifest);
        record(archive, Level::Stored, found)
    })
    .await
}

/// The stored bytes are a whole dump: the one that was made.
async fn deep(
    rules: &Rules,
    archive: &Archive,
    identities: &Identities,
) -> Result<Verified, JobError> {
    let (archive, identities) = (archive.clone(), identities.clone());
    let Archive { manifest, .. } = &archive;
    let unknown = || JobError::UnknownEngine(manifest.engine.clone());
    let engine = rules.engine(&manifest.engine).ok_or_else(unknown)?;
    let validator = engine.validator(&manifest.part, &manifest.format);
    blocking(move || {
        let (store, manifest) = (archive.store.as_ref(), &archive.manifest);
        let found = archive::check_deep(store, manifest, &identities, validator);
        record(archive, Level::Deep, found)
    })
    .await
}

/// Records what was found. What could not be looked at leaves no trace.
fn record(
    archive: Archive,
    level: Level,
    found: Result<(), ArchiveError>,
) -> Result<Verified, ArchiveError> {
    let failure = match &found {
        Ok(()) => None,
        Err(error) if error.is_damage() => Some(error.to_string()),
        Err(_) => return found.map(|()| (archive.proof, Ok(()))),
    };
    let check = Check { level, at: now(), failure };
    let address = archive.manifest.address();
    let proof = archive::record(archive.store.as_ref(), &address, archive.proof, check)?;
    Ok((proof, found))
}
