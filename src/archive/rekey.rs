//! Rekeying: an archive's payload is written anew for other recipients, beside the old one, and takes
//! its place in one rename of the manifest. At every moment the manifest names a whole payload.
//!
//! Who the recipients are, and whether they are others than before, is not known here.

use std::io::Read as _;

use super::layout::rekeyed;
use super::read::{check_identities, compare, open_plain, payload};
use super::signature;
use super::{Archive, ArchiveError, Manifest};
use crate::pipeline::{Identities, PipelineError, Recipients, Reencrypted, Signing, reencrypt};
use crate::store::{Key, Store};

/// Encrypts an archive to these recipients. `random` makes the new payload's name.
///
/// # Errors
/// What [`ArchiveError::is_damage`] says is damage, if the old payload is not what the manifest says.
/// Whatever fails, the archive is as readable as before.
pub fn rekey(
    archive: &Archive,
    identities: &Identities,
    to: Recipients,
    signing: &Signing,
    random: u64,
) -> Result<Manifest, ArchiveError> {
    let (store, before) = (archive.store.as_ref(), &archive.manifest);
    archive.check_signature()?;
    if before.signer.is_some() && signing.signer().is_none() {
        return Err(ArchiveError::NoKey(before.id.to_string()));
    }
    check_identities(before, identities)?;
    let (to, witness) = to.for_the_moment();
    let old = payload(before)?;
    let new = old.sibling(&rekeyed(before, to.scheme(), random))?;
    let _claim = store.claim()?;
    // Unfinished uploads of both keys tell a later sweep that the one which the manifest does not name
    // is ours, and nobody's any more.
    let _marks = [store.create(&old)?, store.create(&new)?];
    let upload = store.create(&new)?;
    let written = reencrypt(&before.recipients, identities, store.open(&old)?, &to, upload);
    let Reencrypted { before: read, compressed, after, upload } = written?;
    compare(&old, "its payload", read, before.stored)?;
    compare(&old, "what is encrypted", compressed, before.compressed)?;
    let recipients = to.fingerprints();
    let name = new.file_name().to_owned();
    let (stored, signer) = (after, signing.signer());
    let after = Manifest { stored, recipients, payload: name, signer, ..before.clone() };
    let key = after.address().manifest()?;
    let committed = (|| {
        upload.commit()?;
        read_back(store, &after, &witness)?;
        let unfinished = signature::begin(store, &after, signing)?;
        // Somebody else may have been faster.
        if current(store, &key)?.payload != before.payload {
            return Err(ArchiveError::Changed(before.id.clone()));
        }
        unfinished.commit()
    })();
    match committed {
        Ok(()) => store.delete(&old)?,
        Err(error) => {
            // A rename that failed may have happened. Only what the manifest does not name may go.
            if current(store, &key).is_ok_and(|manifest| manifest.payload != after.payload) {
                store.delete(&new).ok();
            }
            return Err(error);
        }
    }
    Ok(after)
}

/// Reads the new payload to its end, as one of its recipients would.
fn read_back(
    store: &dyn Store,
    manifest: &Manifest,
    witness: &Identities,
) -> Result<(), ArchiveError> {
    let mut plain = open_plain(store, manifest, witness)?;
    let mut piece = vec![0; 128 * 1024];
    loop {
        match plain.read(&mut piece) {
            Ok(0) => return plain.finish(),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(PipelineError::Read(error).into()),
        }
    }
}

/// The manifest as it is in the store now.
pub(super) fn current(store: &dyn Store, key: &Key) -> Result<Manifest, ArchiveError> {
    let mut text = Vec::new();
    let read = store.open(key)?.read_to_end(&mut text);
    read.map_err(|source| ArchiveError::Read { key: key.to_string(), source })?;
    Manifest::read(&text).map_err(|source| ArchiveError::Manifest { key: key.to_string(), source })
}
