//! The reading chain: from a store's bytes back to the plain dump, summed at both ends.

use std::fmt;
use std::io::{self, Read};

use super::PipelineError;
use super::compress::Decoder;
use super::digest::{Hasher, Summed, sum};
use crate::model::{Codec, Sum};

/// store → digest → decompress → digest.
pub struct Unchain {
    decoder: Decoder<Summed<Box<dyn Read + Send>>>,
    plain: Hasher,
}

impl Unchain {
    /// # Errors
    /// [`PipelineError::Read`] if the codec cannot be set up.
    pub fn new(codec: Codec, stored: Box<dyn Read + Send>) -> Result<Self, PipelineError> {
        let decoder = Decoder::new(codec, Summed::new(stored)).map_err(PipelineError::Read)?;
        Ok(Self { decoder, plain: Hasher::default() })
    }

    /// The sums of the stored and of the plain bytes. What the decoder did not ask for (bytes behind
    /// its last frame) is read too, so that it counts.
    ///
    /// # Errors
    /// [`PipelineError::Read`] if the rest cannot be read.
    pub fn finish(self) -> Result<(Sum, Sum), PipelineError> {
        let mut stored = self.decoder.into_inner();
        sum(&mut stored).map_err(PipelineError::Read)?;
        Ok((stored.hasher.sum(), self.plain.sum()))
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
