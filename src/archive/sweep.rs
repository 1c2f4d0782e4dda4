//! Sweeping: removes what a crash left. Half-written files, and payloads and signatures whose manifest was
//! about to be written beside them. Never a foreign file, never while somebody writes.
//!
//! A payload alone is not enough: its manifest may be on its way from another disk, or have been set
//! aside by a person. Only an unfinished manifest shows that it was our own commit that broke off; and
//! only an unfinished upload of its very name shows that a payload which its manifest does not name is
//! what a rekeying left.

use std::collections::HashSet;

use super::ArchiveError;
use super::layout::{Role, manifest_beside, role};
use super::rekey::current;
use crate::store::{Key, Object, Store};

/// Returns what was removed.
///
/// # Errors
/// [`ArchiveError::Store`] if the store cannot be listed or written.
pub fn sweep(store: &dyn Store) -> Result<Vec<String>, ArchiveError> {
    let all = |unfinished: &[Key], objects: &[Object]| {
        let mut found = orphans(unfinished, objects);
        found.extend(replaced(store, unfinished, objects));
        found
    };
    Ok(store.sweep(&all)?)
}

/// Payloads that were being replaced, or were to replace one, and that their manifest does not name. A
/// manifest that cannot be read names everything.
fn replaced(store: &dyn Store, unfinished: &[Key], objects: &[Object]) -> Vec<Key> {
    let own = objects.iter().filter(|object| role(&object.key).0 == Role::Payload);
    let marked = own.map(|object| &object.key).filter(|key| unfinished.contains(key));
    let unnamed = marked.filter(|key| {
        let manifest = manifest_beside(key).map(|beside| current(store, &beside));
        manifest.is_some_and(|read| read.is_ok_and(|own| own.payload != key.file_name()))
    });
    unnamed.cloned().collect()
}

/// Payloads and signatures whose manifest is unfinished and not there.
fn orphans(unfinished: &[Key], objects: &[Object]) -> Vec<Key> {
    let committed: HashSet<&Key> = objects.iter().map(|object| &object.key).collect();
    let broken: HashSet<&Key> = unfinished.iter().filter(|key| !committed.contains(key)).collect();
    objects
        .iter()
        .filter(|object| matches!(role(&object.key).0, Role::Payload | Role::Signature))
        .filter(|object| manifest_beside(&object.key).is_some_and(|key| broken.contains(&key)))
        .map(|object| object.key.clone())
        .collect()
}
