//! Reading back: a stored payload against its manifest, and the plain dump out of it.

use std::io::{self, Read};

use super::{ArchiveError, Manifest, Shown};
use crate::model::Sum;
use crate::pipeline::{self, Identities, PipelineError, Unchain};
use crate::store::{Key, Store};

/// The plain dump of an archive. Reading to the end proves nothing until [`Plain::finish`].
#[derive(Debug)]
pub struct Plain {
    unchain: Unchain,
    key: Key,
    stored: Sum,
    plain: Sum,
}

/// Reads the stored bytes and compares them with the manifest.
///
/// # Errors
/// [`ArchiveError::Damaged`] if they differ; [`ArchiveError::Store`] if they cannot be read.
pub fn check_stored(store: &dyn Store, manifest: &Manifest) -> Result<(), ArchiveError> {
    let key = payload(manifest)?;
    compare(&key, "its payload", sum_of(store, &key)?, manifest.stored)
}

/// Finds out whether these identities open an archive, without reading any of it.
///
/// # Errors
/// [`ArchiveError::Pipeline`] if it is encrypted and none of them does.
pub fn check_identities(manifest: &Manifest, identities: &Identities) -> Result<(), ArchiveError> {
    Ok(identities.check(&manifest.recipients).map_err(PipelineError::from)?)
}

/// Opens the plain dump. The stored bytes are summed on the way; call [`check_stored`] before, if
/// nothing of a damaged archive may come out.
///
/// # Errors
/// [`ArchiveError::Store`] if the payload cannot be opened, [`ArchiveError::Pipeline`] if it cannot
/// be decrypted.
pub fn open_plain(
    store: &dyn Store,
    manifest: &Manifest,
    identities: &Identities,
) -> Result<Plain, ArchiveError> {
    let key = payload(manifest)?;
    let stored = store.open(&key)?;
    let unchain = Unchain::new(manifest.codec, &manifest.recipients, identities, stored)?;
    Ok(Plain { unchain, key, stored: manifest.stored, plain: manifest.plain })
}

impl Plain {
    /// Whether what failed was the store, which says nothing about the archive in it.
    pub(super) fn unreadable(&self) -> bool {
        self.unchain.unreadable()
    }

    /// Compares what was read with the manifest.
    ///
    /// # Errors
    /// [`ArchiveError::Damaged`] if it differs, also when it was not read to its end.
    pub fn finish(self) -> Result<(), ArchiveError> {
        let (stored, plain) = self.unchain.finish()?;
        compare(&self.key, "its payload", stored, self.stored)?;
        compare(&self.key, "the dump inside", plain, self.plain)
    }
}

impl Read for Plain {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.unchain.read(buffer)
    }
}

pub(super) fn sum_of(store: &dyn Store, key: &Key) -> Result<Sum, ArchiveError> {
    let reader = store.open(key)?;
    pipeline::sum(reader).map_err(|source| ArchiveError::Read { key: key.to_string(), source })
}

pub(super) fn payload(manifest: &Manifest) -> Result<Key, ArchiveError> {
    Ok(manifest.address().manifest()?.sibling(&manifest.payload)?)
}

pub(super) fn compare(
    key: &Key,
    what: &'static str,
    found: Sum,
    expected: Sum,
) -> Result<(), ArchiveError> {
    if found == expected {
        return Ok(());
    }
    let (key, found, expected) = (key.to_string(), Shown(found), Shown(expected));
    Err(ArchiveError::Damaged { key, what, found, expected })
}
