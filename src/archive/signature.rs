//! Signed manifests: a manifest is written with its signature, judged with it, and signed later.
//!
//! The signature is committed before the manifest, which alone says that there is an archive. What a signature is
//! worth is known in `pipeline/`.

use super::catalogue::content;
use super::{Address, Archive, ArchiveError, Manifest, ManifestError};
use crate::pipeline::{Signature, SignatureFault, Signing};
use crate::store::{Key, Store, Upload};

/// A manifest that is written and not visible yet, and its signature.
pub(super) struct Begun<'a> {
    store: &'a dyn Store,
    manifest: Box<dyn Upload>,
    signature: Option<(Key, Vec<u8>)>,
}

/// Begins a manifest, and signs it if there is a key.
pub(super) fn begin<'a>(
    store: &'a dyn Store,
    manifest: &Manifest,
    signing: &Signing,
) -> Result<Begun<'a>, ArchiveError> {
    let address = manifest.address();
    let key = address.manifest()?;
    let failed = |source| ArchiveError::Manifest { key: key.to_string(), source };
    let text = manifest.write().map_err(failed)?;
    let signature = match sign_text(signing, manifest, &text) {
        Some(signature) => Some((address.signature()?, signature)),
        None => None,
    };
    let manifest = write(store, &key, &text)?;
    Ok(Begun { store, manifest, signature })
}

impl Begun<'_> {
    /// Commits the signature, then the manifest.
    pub(super) fn commit(self) -> Result<(), ArchiveError> {
        if let Some((key, text)) = &self.signature {
            write(self.store, key, text)?.commit()?;
        }
        Ok(self.manifest.commit()?)
    }
}

/// Writes the manifest of an archive anew, with its signature. Whether the old one may be believed is the caller's to
/// ask first ([`Archive::check_signature`]). A crash between the two leaves an archive whose
/// signature does not fit: it is refused, and doing this again mends it.
///
/// # Errors
/// [`ArchiveError::NoKey`] if it was signed and there is no key to sign it again; [`ArchiveError::Store`] and the
/// like if it cannot be written: then it is as it was.
pub fn rewrite(
    store: &dyn Store,
    manifest: Manifest,
    signing: &Signing,
) -> Result<Manifest, ArchiveError> {
    let id = manifest.id.to_string();
    if manifest.signer.is_some() && signing.signer().is_none() {
        return Err(ArchiveError::NoKey(id));
    }
    let manifest = Manifest { signer: signing.signer(), ..manifest };
    let _claim = store.claim()?;
    begin(store, &manifest, signing)?.commit()?;
    Ok(manifest)
}

/// Signs the manifest of an archive that has no signature. The manifest itself stays as it is. Whether the archive
/// is worth a signature is the caller's to know.
///
/// # Errors
/// [`ArchiveError::NoKey`] without a key; [`ArchiveError::Signed`] if there is a signature, whatever it is worth.
pub fn sign(archive: &Archive, signing: &Signing) -> Result<(), ArchiveError> {
    let (manifest, store) = (&archive.manifest, archive.store.as_ref());
    let id = manifest.id.to_string();
    match &archive.signature {
        Signature::Unsigned | Signature::Refused(SignatureFault::Unsigned) => {}
        Signature::By(key) => return Err(ArchiveError::Signed(id, key.id())),
        Signature::Unchecked(key) => return Err(ArchiveError::Signed(id, *key)),
        Signature::Refused(_) => return archive.check_signature(),
    }
    let address = manifest.address();
    let _claim = store.claim()?;
    // What was judged is what is signed: somebody may have changed it since.
    let text = content(store, &address.manifest()?)?;
    let changed = || ManifestError::Changed;
    let key = address.manifest()?.to_string();
    match Manifest::read(&text) {
        Ok(read) if read == *manifest => {}
        Ok(_) => return Err(ArchiveError::Manifest { key, source: changed() }),
        Err(source) => return Err(ArchiveError::Manifest { key, source }),
    }
    let signature = sign_text(signing, manifest, &text).ok_or(ArchiveError::NoKey(id))?;
    Ok(write(store, &address.signature()?, &signature)?.commit()?)
}

/// Says what the signature beside a manifest is worth. One that cannot be read is worth nothing.
pub(super) fn judge(
    store: &dyn Store,
    address: &Address,
    there: bool,
    text: &[u8],
    (manifest, signing): (&Manifest, &Signing),
) -> Result<Signature, ArchiveError> {
    if !there {
        return Ok(signing.judge(text, None, manifest.signer));
    }
    Ok(match content(store, &address.signature()?) {
        Ok(signature) => signing.judge(text, Some(&signature), manifest.signer),
        Err(_) => Signature::Refused(SignatureFault::Unreadable),
    })
}

impl Archive {
    /// Whether its manifest may be believed.
    ///
    /// # Errors
    /// [`ArchiveError::Signature`] if it is not signed as it must be.
    pub fn check_signature(&self) -> Result<(), ArchiveError> {
        match &self.signature {
            Signature::Refused(fault) => {
                let id = self.manifest.id.to_string();
                Err(ArchiveError::Signature { id, fault: fault.clone() })
            }
            _ => Ok(()),
        }
    }
}

/// A manifest's signature names it and its time, in words that `minisign -V` prints.
fn sign_text(signing: &Signing, manifest: &Manifest, text: &[u8]) -> Option<Vec<u8>> {
    let at = manifest.finished_at;
    signing.sign(text, &format!("archive {} finished {at}", manifest.id))
}

fn write(store: &dyn Store, key: &Key, text: &[u8]) -> Result<Box<dyn Upload>, ArchiveError> {
    let mut upload = store.create(key)?;
    let written = upload.write_all(text).and_then(|()| upload.flush());
    written.map_err(|source| ArchiveError::Write { target: upload.target(), source })?;
    Ok(upload)
}
