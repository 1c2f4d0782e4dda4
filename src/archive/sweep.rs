//! Sweeping: removes what a crash left. Half-written files, and payloads that never got their
//! manifest. Never a foreign file, never while somebody writes.

use std::collections::HashSet;

use super::ArchiveError;
use super::layout::{Role, role};
use crate::store::{Key, Object, Store};

/// Returns what was removed.
///
/// # Errors
/// [`ArchiveError::Store`] if the store cannot be listed or written.
pub fn sweep(store: &dyn Store) -> Result<Vec<String>, ArchiveError> {
    Ok(store.sweep(&mut orphans)?)
}

/// Payloads and proofs beside which there is no manifest of the same id.
fn orphans(objects: &[Object]) -> Vec<Key> {
    let folder_and_id = |key: &Key| {
        let (_, id) = role(key);
        Some((key.as_str().rsplit_once('/')?.0.to_owned(), id?))
    };
    let complete: HashSet<_> = objects
        .iter()
        .filter(|object| role(&object.key).0 == Role::Manifest)
        .filter_map(|object| folder_and_id(&object.key))
        .collect();
    objects
        .iter()
        .filter(|object| matches!(role(&object.key).0, Role::Payload | Role::Proof))
        .filter(|object| folder_and_id(&object.key).is_some_and(|own| !complete.contains(&own)))
        .map(|object| object.key.clone())
        .collect()
}
