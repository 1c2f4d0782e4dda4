//! Reading back: a stored payload against its manifest, and the plain dump out of it.

use std::io::{self, Read};

use super::{Archive, ArchiveError, Manifest, Shown};
use crate::engine::Validator;
use crate::model::Sum;
use crate::pipeline::{self, Identities, PipelineError, Scheme, Unchain};
use crate::store::{Key, Store};

const PIECE: usize = 128 * 1024;

/// The plain dump of an archive. Reading to the end proves nothing until [`Plain::finish`].
#[derive(Debug)]
pub struct Plain {
    unchain: Unchain,
    key: Key,
    stored: Sum,
    plain: Sum,
}

/// Looks at the manifest's signature, reads the stored bytes and compares them with the manifest.
///
/// # Errors
/// [`ArchiveError::Signature`] if the manifest may not be believed; [`ArchiveError::Damaged`] if they differ;
/// [`ArchiveError::Store`] if they cannot be read.
pub fn check_stored(archive: &Archive) -> Result<(), ArchiveError> {
    archive.check_signature()?;
    check_payload(archive)
}

/// As [`check_stored`], for who only wants to know whether an archive could be signed.
///
/// # Errors
/// [`ArchiveError::Damaged`], [`ArchiveError::Store`].
pub fn check_payload(archive: &Archive) -> Result<(), ArchiveError> {
    let (store, manifest) = (archive.store.as_ref(), &archive.manifest);
    let key = payload(manifest)?;
    compare(&key, "its payload", sum_of(store, &key)?, manifest.stored)
}

/// Decrypts and decompresses an archive to its end, and lets an engine's validator judge the dump inside.
/// The stored bytes are checked first.
///
/// # Errors
/// [`ArchiveError::Damaged`], [`ArchiveError::Undecodable`], [`ArchiveError::Dump`], [`ArchiveError::Facts`] if
/// it is not the whole dump that was made; [`ArchiveError::Store`] and others if it cannot be looked at.
pub fn check_deep(
    archive: &Archive,
    identities: &Identities,
    mut validator: Box<dyn Validator>,
) -> Result<(), ArchiveError> {
    let (store, manifest) = (archive.store.as_ref(), &archive.manifest);
    check_identities(manifest, identities)?;
    check_stored(archive)?;
    let key = || manifest.payload.clone();
    let mut plain = open_plain(store, manifest, identities)?;
    let mut piece = vec![0; PIECE];
    let judged = |source| ArchiveError::Dump { key: key(), source };
    loop {
        match plain.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => validator.check(&piece[..read]).map_err(judged)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => return Err(plain.failed(source)),
        }
    }
    plain.finish()?;
    match validator.finish().map_err(judged)? == manifest.facts {
        true => Ok(()),
        false => Err(ArchiveError::Facts { key: key() }),
    }
}

/// Finds out whether these identities open an archive, without reading any of it.
///
/// # Errors
/// [`ArchiveError::Pipeline`] if it is encrypted and none of them does.
pub fn check_identities(manifest: &Manifest, identities: &Identities) -> Result<(), ArchiveError> {
    Ok(identities.check(&manifest.recipients).map_err(PipelineError::from)?)
}

/// Makes sure that nothing of a damaged archive comes out of it: whoever hands the plain dump on asks this
/// first. An archive whose pieces do not prove themselves is decrypted once to its end.
///
/// # Errors
/// Those of [`check_identities`], [`check_stored`] and [`Plain::finish`].
pub fn prove(archive: &Archive, identities: &Identities) -> Result<(), ArchiveError> {
    let (store, manifest) = (archive.store.as_ref(), &archive.manifest);
    check_identities(manifest, identities)?;
    check_stored(archive)?;
    if Scheme::of(&manifest.recipients).proves_each_piece() {
        return Ok(());
    }
    let mut plain = open_plain(store, manifest, identities)?;
    match io::copy(&mut plain, &mut io::sink()) {
        Ok(_) => plain.finish(),
        Err(source) => Err(plain.failed(source)),
    }
}

/// Opens the plain dump. The stored bytes are summed on the way; call [`prove`] before, if nothing of a
/// damaged archive may come out.
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
    /// What a failed read is: of the store, which says nothing about the archive in it, or of the archive.
    fn failed(&self, source: io::Error) -> ArchiveError {
        let key = self.key.file_name().to_owned();
        match self.unchain.unreadable() {
            true => ArchiveError::Read { key, source },
            false => ArchiveError::Undecodable { key, source },
        }
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
