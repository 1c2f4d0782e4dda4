//! From staged to published: the commit of an archive.
//!
//! Each step takes the evidence of the one before, so none can be forgotten: [`Staging::seal`] wants
//! a closed chain and a read exit code, [`Sealed::publish`] wants both behind it. Dropping anything
//! earlier leaves nothing visible.

use std::sync::Arc;

use super::{Address, ArchiveError, Manifest, read::sum_of};
use crate::archive::Shown;
use crate::model::{Codec, Facts, Sum};
use crate::pipeline::{Finished, Recipients};
use crate::store::{Claim, Key, Store, StoreError, Upload};
use crate::transport::Exited;

/// An archive whose payload is being written.
#[derive(Debug)]
pub struct Staging {
    store: Arc<dyn Store>,
    address: Address,
    payload: Key,
    claim: Claim,
}

/// A whole payload of a command that succeeded; not visible yet.
#[derive(Debug)]
pub struct Sealed {
    staging: Staging,
    upload: Box<dyn Upload>,
    pub facts: Facts,
    pub plain: Sum,
    pub compressed: Sum,
    pub stored: Sum,
    /// What the dump tool said while it succeeded.
    pub said: String,
}

/// An archive that exists.
#[derive(Debug)]
pub struct Published {
    pub manifest: Manifest,
}

impl Staging {
    /// Begins an archive. The payload is written through the upload.
    ///
    /// # Errors
    /// [`ArchiveError::Store`] if the store cannot be written.
    pub fn open(
        store: Arc<dyn Store>,
        address: Address,
        extension: &str,
        codec: Codec,
        recipients: &Recipients,
    ) -> Result<(Self, Box<dyn Upload>), ArchiveError> {
        let payload = address.payload(extension, codec, recipients)?;
        let claim = store.claim()?;
        let upload = store.create(&payload)?;
        Ok((Self { store, address, payload, claim }, upload))
    }

    /// The payload's file name.
    pub fn payload(&self) -> &str {
        self.payload.file_name()
    }

    /// # Errors
    /// [`ArchiveError::Transport`] if the command failed.
    pub fn seal(self, finished: Finished, exited: Exited) -> Result<Sealed, ArchiveError> {
        let exited = exited.success()?;
        Ok(Sealed {
            staging: self,
            facts: finished.facts().clone(),
            plain: finished.plain(),
            compressed: finished.compressed(),
            stored: finished.stored(),
            said: exited.stderr().to_owned(),
            upload: finished.into_upload(),
        })
    }
}

impl Sealed {
    /// Makes the payload durable, reads it back, and writes the manifest: the commit point.
    ///
    /// # Errors
    /// [`ArchiveError::Damaged`] if the store gives back other bytes than it was given;
    /// [`ArchiveError::Store`] and the like if a step fails. Nothing is left visible then.
    pub fn publish(self, manifest: Manifest) -> Result<Published, ArchiveError> {
        let Self { staging: Staging { store, address, payload, claim }, upload, stored, .. } = self;
        let store = store.as_ref();
        let manifest_key = address.manifest()?;
        // Begun first: an unfinished manifest tells a later sweep whose payload lies there.
        let unfinished = begin_manifest(store, &manifest_key, &manifest)?;
        let committed = (|| {
            upload.commit()?;
            let found = sum_of(store, &payload)?;
            if found != stored {
                let (key, what) = (payload.to_string(), "what the store gave back");
                let (found, expected) = (Shown(found), Shown(stored));
                return Err(ArchiveError::Damaged { key, what, found, expected });
            }
            Ok(unfinished.commit()?)
        })();
        if let Err(error) = committed {
            // While a manifest may be there, so must be its payload.
            if gone(&store.delete(&manifest_key)) {
                store.delete(&payload).ok();
            }
            return Err(error);
        }
        drop(claim);
        Ok(Published { manifest })
    }
}

/// Whether an object is certainly not there any more.
fn gone(deleted: &Result<(), StoreError>) -> bool {
    matches!(deleted, Ok(()) | Err(StoreError::Missing { .. }))
}

pub(super) fn begin_manifest(
    store: &dyn Store,
    key: &Key,
    manifest: &Manifest,
) -> Result<Box<dyn Upload>, ArchiveError> {
    let failed = |source| ArchiveError::Manifest { key: key.to_string(), source };
    let text = manifest.write().map_err(failed)?;
    let mut upload = store.create(key)?;
    let written = upload.write_all(&text).and_then(|()| upload.flush());
    written.map_err(|source| ArchiveError::Write { target: upload.target(), source })?;
    Ok(upload)
}
