//! The deep check: a stored payload is decrypted, decompressed and read as a dump, to its last byte. What
//! a whole dump of an engine looks like, its validator knows.

use std::io::Read as _;

use super::read::{check_identities, check_stored, open_plain, payload};
use super::{ArchiveError, Manifest, Plain};
use crate::engine::Validator;
use crate::model::Facts;
use crate::pipeline::{EncryptionError, Identities, PipelineError};
use crate::store::Store;

const PIECE: usize = 128 * 1024;

/// Finds out whether the stored bytes are the whole dump that the manifest describes: they hash to it,
/// decrypt, decompress, pass the validator to its end with the same facts, and are the same plain bytes.
///
/// # Errors
/// What [`ArchiveError::is_damage`] says is damage; anything else says that the archive could not be
/// looked at.
pub fn check_deep(
    store: &dyn Store,
    manifest: &Manifest,
    identities: &Identities,
    validator: Box<dyn Validator>,
) -> Result<(), ArchiveError> {
    check_identities(manifest, identities)?;
    let failed = match attempt(store, manifest, identities, validator) {
        Ok(()) => return Ok(()),
        Err(error) => error,
    };
    // A stage that cannot go on knows where it stopped, not whose fault it is. The sum of the stored
    // bytes does, so they are read again in this case only.
    check_stored(store, manifest)?;
    match failed {
        ArchiveError::Pipeline(source) if tells_of_archive(&source) => {
            Err(ArchiveError::Undecodable { key: payload(manifest)?.to_string(), source })
        }
        other => Err(other),
    }
}

fn attempt(
    store: &dyn Store,
    manifest: &Manifest,
    identities: &Identities,
    mut validator: Box<dyn Validator>,
) -> Result<(), ArchiveError> {
    let mut plain = open_plain(store, manifest, identities)?;
    let mut buffer = vec![0; PIECE];
    loop {
        match plain.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => validator.check(&buffer[..read]).map_err(PipelineError::from)?,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failure(&plain, manifest, error)?),
        }
    }
    let found = validator.finish().map_err(PipelineError::from)?;
    plain.finish()?;
    compare(manifest, &found)
}

/// What a failed read means: the store's fault, or that of what lies in it.
fn failure(
    plain: &Plain,
    manifest: &Manifest,
    error: std::io::Error,
) -> Result<ArchiveError, ArchiveError> {
    let key = payload(manifest)?.to_string();
    Ok(match plain.unreadable() {
        true => ArchiveError::Read { key, source: error },
        false => ArchiveError::Pipeline(PipelineError::Read(error)),
    })
}

/// The stored bytes are right, so whatever else is wrong was wrong when they were written; except for
/// keys and passphrases, which somebody else brings.
fn tells_of_archive(error: &PipelineError) -> bool {
    match error {
        PipelineError::Encryption(error) => matches!(error, EncryptionError::Damaged(_)),
        PipelineError::Invalid(_) | PipelineError::Read(_) => true,
        _ => false,
    }
}

/// Compares what was counted with what the manifest knows. A validator of a later version may count
/// more, and that is no fault of the archive.
fn compare(manifest: &Manifest, found: &Facts) -> Result<(), ArchiveError> {
    let expected = &manifest.facts;
    let same = found.tables == expected.tables
        && found.large_objects == expected.large_objects
        && expected.counts.iter().all(|(name, count)| found.counts.get(name) == Some(count));
    if same {
        return Ok(());
    }
    let key = payload(manifest)?.to_string();
    Err(ArchiveError::OtherFacts { key, found: found.to_string(), expected: expected.to_string() })
}
