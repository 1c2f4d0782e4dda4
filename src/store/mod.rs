//! The store family: places where archives live. A store knows keys and bytes; what an archive is,
//! `archive/` knows.
//!
//! A new store is one file here and one line in [`STORES`]. All calls block; they run on threads
//! that may.

mod key;
mod local;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io::{Read, Write};
use std::sync::Arc;

pub use key::{Key, KeyError};

use crate::model::{ErrorKind, Explain, Slug};

/// Every kind of store, by the scheme of its URL.
pub static STORES: &[Kind] = &[Kind { scheme: "file", open: local::open }];

/// One kind of store.
#[derive(Debug)]
pub struct Kind {
    pub scheme: &'static str,
    open: Opener,
}

/// Makes a store of a URL.
type Opener = fn(Slug, &str) -> Result<Arc<dyn Store>, StoreError>;

/// A place for archives.
pub trait Store: Debug + Send + Sync {
    fn name(&self) -> &Slug;

    /// Where it is, without secrets.
    fn url(&self) -> String;

    /// Where its keys begin, in words that stock tools understand: a path or a URL.
    fn root(&self) -> String;

    /// Whether nothing is there yet, so that the first archive would make it.
    fn is_new(&self) -> bool;

    /// Claims the store for writing. A sweep waits for nobody and starts only when no claim is held,
    /// so it never takes a running backup for a leftover.
    fn claim(&self) -> Result<Claim, StoreError>;

    /// Begins an object. Nothing is visible under its key before [`Upload::commit`].
    fn create(&self, key: &Key) -> Result<Box<dyn Upload>, StoreError>;

    fn open(&self, key: &Key) -> Result<Box<dyn Read + Send>, StoreError>;

    /// All committed objects. An error is never an empty list.
    fn list(&self) -> Result<Vec<Object>, StoreError>;

    /// Removes an object; one that is not there is an error.
    fn delete(&self, key: &Key) -> Result<(), StoreError>;

    /// Removes what crashed uploads left, if nobody holds a [`Claim`]. `also` is told what was being
    /// written and what is committed, and may name objects that go first. Returns what was removed.
    fn sweep(&self, also: Orphans) -> Result<Vec<String>, StoreError>;

    /// Finds out whether an archive could be written, and leaves nothing behind.
    fn probe(&self) -> Result<Probe, StoreError>;
}

/// The operator's stores, by name.
pub type Stores = BTreeMap<Slug, Arc<dyn Store>>;

/// An object that is being written. Dropping it leaves nothing visible.
pub trait Upload: Write + Debug + Send {
    /// What is written, and where, for messages.
    fn target(&self) -> String;

    /// Makes the object durable and visible, in this order.
    fn commit(self: Box<Self>) -> Result<(), StoreError>;
}

/// Of the keys that were being written and the committed objects, those that nobody will complete.
pub type Orphans<'a> = &'a dyn Fn(&[Key], &[Object]) -> Vec<Key>;

/// Held while something is written.
#[derive(Debug)]
pub struct Claim(#[allow(dead_code)] std::fs::File);

/// An object as listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    pub key: Key,
    pub bytes: u64,
}

/// What a probe found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// `None`: the store cannot say.
    pub free: Option<u64>,
    /// The whole room, used or not.
    pub total: Option<u64>,
    /// Whether it goes away with the container that Ringbolt runs in.
    pub passing: bool,
}

/// A failed act on a store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("store `{store}`: no kind of store has the URL `{url}`")]
    Url { store: Slug, url: String },
    #[error("store `{store}` is not reachable at `{url}`")]
    Unreachable { store: Slug, url: String, source: std::io::Error },
    #[error("cannot {act} `{key}` in store `{store}`")]
    Io { act: &'static str, key: String, store: Slug, source: std::io::Error },
    #[error("store `{store}` has no `{key}`")]
    Missing { key: String, store: Slug },
}

impl Explain for StoreError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Url { .. } => ErrorKind::Usage,
            Self::Unreachable { .. } => ErrorKind::StoreUnreachable,
            Self::Io { .. } | Self::Missing { .. } => ErrorKind::Failed,
        }
    }

    fn retry(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Io { .. })
    }

    fn hint(&self) -> Option<String> {
        use std::io::ErrorKind as Io;
        match self {
            Self::Url { .. } => {
                let schemes: Vec<String> =
                    STORES.iter().map(|kind| format!("`{}:///path`", kind.scheme)).collect();
                Some(format!("known are {}", schemes.join(", ")))
            }
            Self::Unreachable { .. } => Some("is the directory mounted?".to_owned()),
            Self::Io { source, .. } => match source.kind() {
                Io::StorageFull => Some(FULL.to_owned()),
                Io::PermissionDenied => {
                    Some("the store must be writable for the user that runs Ringbolt".to_owned())
                }
                Io::ReadOnlyFilesystem => Some("the store is mounted read-only".to_owned()),
                _ => None,
            },
            Self::Missing { .. } => None,
        }
    }
}

/// What to do about a full disk.
pub const FULL: &str = "the disk is full: make room or choose another store";

/// Opens a store by its URL. Nothing is read or written yet.
///
/// # Errors
/// [`StoreError::Url`] if no kind of store has this scheme.
pub fn open(name: Slug, url: &str) -> Result<Arc<dyn Store>, StoreError> {
    let scheme = url.split_once("://").map(|(scheme, _)| scheme);
    match STORES.iter().find(|kind| Some(kind.scheme) == scheme) {
        Some(kind) => (kind.open)(name, url),
        None => Err(StoreError::Url { store: name, url: url.to_owned() }),
    }
}
