//! Digests of what passes: a writer and a reader that count and hash.

use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest as _, Sha256};

use crate::model::{Digest, Sum};

/// The digest of bytes that are at hand.
pub fn digest(bytes: &[u8]) -> Digest {
    Digest(Sha256::digest(bytes).into())
}

/// Hashes and counts.
#[derive(Debug, Default, Clone)]
pub(super) struct Hasher {
    sha256: Sha256,
    bytes: u64,
}

impl Hasher {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        self.bytes += bytes.len() as u64;
    }

    pub(super) fn sum(self) -> Sum {
        Sum { bytes: self.bytes, sha256: Digest(self.sha256.finalize().into()) }
    }
}

/// Hashes what is written through it.
#[derive(Debug)]
pub struct Summed<T> {
    pub(super) inner: T,
    pub(super) hasher: Hasher,
}

impl<T> Summed<T> {
    pub fn new(inner: T) -> Self {
        Self { inner, hasher: Hasher::default() }
    }

    /// The sum of what has passed so far.
    pub fn sum(&self) -> Sum {
        self.hasher.clone().sum()
    }
}

impl<T: Write> Write for Summed<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.add(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Hashes what is read through it. Its clones are one reader, so that the sum can be asked for when
/// the reader is owned by a stage that never gives it back.
#[derive(Clone)]
pub(super) struct Tap(Arc<Mutex<Tapped>>);

struct Tapped {
    summed: Summed<Box<dyn Read + Send>>,
    /// Whether the reader itself failed, and not a stage that makes something of its bytes.
    failed: bool,
}

impl Tap {
    pub(super) fn new(reader: Box<dyn Read + Send>) -> Self {
        Self(Arc::new(Mutex::new(Tapped { summed: Summed::new(reader), failed: false })))
    }

    /// Whether the bytes themselves could not be read.
    pub(super) fn failed(&self) -> bool {
        self.lock().failed
    }

    /// The sum of what was read so far.
    pub(super) fn sum(&self) -> Sum {
        self.lock().summed.hasher.clone().sum()
    }

    fn lock(&self) -> MutexGuard<'_, Tapped> {
        // A reader that panicked has not been hashed further than it was read.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Read for Tap {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut tapped = self.lock();
        let read = tapped.summed.inner.read(buffer);
        match &read {
            Ok(bytes) => tapped.summed.hasher.add(&buffer[..*bytes]),
            Err(error) => tapped.failed |= error.kind() != io::ErrorKind::Interrupted,
        }
        read
    }
}

/// Reads to the end and sums what was read.
///
/// # Errors
/// The reader's own.
pub fn sum(mut reader: impl Read) -> io::Result<Sum> {
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(hasher.sum()),
            Ok(read) => hasher.add(&buffer[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
