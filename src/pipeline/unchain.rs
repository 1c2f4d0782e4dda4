//! The reading chain: from a store's bytes back to the plain dump, summed at both ends.

use std::fmt;
use std::io::{self, Read};

use super::PipelineError;
use super::compress::Decoder;
use super::digest::{Hasher, Tap, sum};
use super::encrypt::{Decrypter, EncryptionError, Identities};
use crate::model::{Codec, Sum};

/// store → digest → decrypt → decompress → digest.
pub struct Unchain {
    stored: Tap,
    decoder: Decoder<Decrypter<Tap>>,
    plain: Hasher,
}

impl Unchain {
    /// `recipients`: the manifest's; none: the bytes are not encrypted, and identities are of no use.
    ///
    /// # Errors
    /// [`PipelineError::Encryption`] if no identity decrypts it, [`PipelineError::Read`] if its beginning
    /// cannot be read or the codec cannot be set up.
    pub fn new(
        codec: Codec,
        recipients: &[String],
        identities: &Identities,
        stored: Box<dyn Read + Send>,
    ) -> Result<Self, PipelineError> {
        let stored = Tap::new(stored);
        let opened = Decrypter::new(recipients, identities, stored.clone());
        let decrypter = opened.map_err(|error| match error {
            // Of a header that cannot be read nobody knows whether it is damaged.
            EncryptionError::Damaged(source) if stored.failed() => {
                PipelineError::Read(io::Error::other(source))
            }
            error => error.into(),
        })?;
        let decoder = Decoder::new(codec, decrypter).map_err(PipelineError::Read)?;
        Ok(Self { stored, decoder, plain: Hasher::default() })
    }

    /// Whether what failed was the store, which says nothing about the bytes in it.
    pub fn unreadable(&self) -> bool {
        self.stored.failed()
    }

    /// The sums of the stored and of the plain bytes. What the decoder did not ask for (bytes behind
    /// its last frame) is read too, so that it counts, and is decrypted, so that the end is proven.
    ///
    /// # Errors
    /// [`PipelineError::Read`] if the rest cannot be read.
    pub fn finish(self) -> Result<(Sum, Sum), PipelineError> {
        sum(self.decoder.into_inner()).map_err(PipelineError::Read)?;
        Ok((self.stored.sum(), self.plain.sum()))
    }
}

impl Read for Unchain {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.decoder.read(buffer)?;
        self.plain.add(&buffer[..read]);
        Ok(read)
    }
}

impl fmt::Debug for Unchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unchain").finish_non_exhaustive()
    }
}
