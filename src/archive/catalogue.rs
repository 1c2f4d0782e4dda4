//! The catalogue: which archives a store holds. The manifests are the truth; there is no index that
//! could disagree with them.

use std::collections::HashSet;
use std::io::Read as _;
use std::sync::Arc;

use super::layout::{Role, role};
use super::manifest::ManifestError;
use super::{ArchiveError, Manifest, Proof, signature};
use crate::pipeline::{Signature, Signing};
use crate::store::{Key, Store, Stores};

/// A manifest has some kilobytes, one of a database with 100,000 tables some megabytes.
const LARGEST: u64 = 256 << 20;

/// An archive in a store.
#[derive(Debug, Clone)]
pub struct Archive {
    pub manifest: Manifest,
    pub proof: Proof,
    /// What the signature of its manifest is worth.
    pub signature: Signature,
    pub store: Arc<dyn Store>,
}

impl Archive {
    /// Where its payload is, for stock tools: the store's root, and the path below it.
    ///
    /// # Errors
    /// Never for an archive of a catalogue: its names were checked.
    pub fn place(&self) -> Result<(String, String), ArchiveError> {
        let key = self.manifest.address().manifest()?.sibling(&self.manifest.payload)?;
        Ok((self.store.root(), key.to_string()))
    }
}

/// What a store holds.
#[derive(Debug, Default)]
pub struct Catalogue {
    /// The newest first.
    pub archives: Vec<Archive>,
    /// Manifests and proofs that are there and cannot be used. They are not "no archive": say so.
    pub unreadable: Vec<ArchiveError>,
}

/// Reads every manifest of a store.
///
/// # Errors
/// [`ArchiveError::Store`] if the store cannot be listed; that is never an empty catalogue.
pub fn catalogue(store: &Arc<dyn Store>, signing: &Signing) -> Result<Catalogue, ArchiveError> {
    let mut catalogue = Catalogue::default();
    let keys: Vec<Key> = store.list()?.into_iter().map(|object| object.key).collect();
    let known: HashSet<&Key> = keys.iter().collect();
    for key in keys.iter().filter(|key| role(key).0 == Role::Manifest) {
        match read(store, key, &known, signing) {
            Ok(mut archive) => {
                match read_proof(&archive, &known) {
                    Ok(proof) => archive.proof = proof,
                    Err(error) => catalogue.unreadable.push(error),
                }
                catalogue.archives.push(archive);
            }
            Err(error) => catalogue.unreadable.push(error),
        }
    }
    sort(&mut catalogue.archives);
    Ok(catalogue)
}

/// Reads every manifest of every store. A store that cannot be listed does not hide what the others
/// hold, and is told like a manifest that cannot be read.
///
/// # Errors
/// [`ArchiveError::Store`] if no store can be listed.
pub fn catalogue_of_all(stores: &Stores, signing: &Signing) -> Result<Catalogue, ArchiveError> {
    let mut all = Catalogue::default();
    let mut failures = Vec::new();
    for store in stores.values() {
        match catalogue(store, signing) {
            Ok(own) => {
                all.archives.extend(own.archives);
                all.unreadable.extend(own.unreadable);
            }
            Err(error) => failures.push(error),
        }
    }
    if failures.len() == stores.len()
        && let Some(error) = failures.pop()
    {
        return Err(error);
    }
    all.unreadable.extend(failures);
    sort(&mut all.archives);
    Ok(all)
}

/// The newest first. Within one second the random part of an id says nothing, so the time decides.
fn sort(archives: &mut [Archive]) {
    archives.sort_by(|a, b| {
        let (a, b) = (&a.manifest, &b.manifest);
        (b.started_at, &b.id).cmp(&(a.started_at, &a.id))
    });
}

fn read(
    store: &Arc<dyn Store>,
    key: &Key,
    known: &HashSet<&Key>,
    signing: &Signing,
) -> Result<Archive, ArchiveError> {
    let unusable = |source| ArchiveError::Manifest { key: key.to_string(), source };
    let text = content(store.as_ref(), key)?;
    let manifest = Manifest::read(&text).map_err(unusable)?;
    let address = manifest.address();
    if address.manifest()? != *key {
        let named = address.manifest()?.to_string();
        return Err(unusable(ManifestError::Misplaced(named)));
    }
    // The payload is named by the manifest, so it is held to the archive's own name.
    let payload = key.sibling(&manifest.payload)?;
    if role(&payload) != (Role::Payload, Some(manifest.id.clone())) {
        return Err(unusable(ManifestError::Misplaced(manifest.payload.clone())));
    }
    // The very bytes that were read are judged, so that nobody can exchange them in between.
    let there = known.contains(&address.signature()?);
    let signature = signature::judge(store.as_ref(), &address, there, &text, (&manifest, signing))?;
    Ok(Archive { manifest, proof: Proof::default(), signature, store: store.clone() })
}

/// The proof beside an archive. One that cannot be read takes nothing from the archive.
fn read_proof(archive: &Archive, known: &HashSet<&Key>) -> Result<Proof, ArchiveError> {
    let key = archive.manifest.address().proof()?;
    if !known.contains(&key) {
        return Ok(Proof::default());
    }
    let text = content(archive.store.as_ref(), &key)?;
    Proof::read(&text).map_err(|source| ArchiveError::Proof { key: key.to_string(), source })
}

pub(super) fn content(store: &dyn Store, key: &Key) -> Result<Vec<u8>, ArchiveError> {
    let mut content = Vec::new();
    let read = store.open(key)?.take(LARGEST).read_to_end(&mut content);
    read.map_err(|source| ArchiveError::Read { key: key.to_string(), source })?;
    Ok(content)
}
