//! The writing chain: every byte of a dump passes here exactly once.

use std::fmt;
use std::io::{self, Write as _};

use super::PipelineError;
use super::compress::Encoder;
use super::digest::{Hasher, Summed};
use super::encrypt::{Encrypter, Recipients};
use crate::engine::Validator;
use crate::model::{Codec, Facts, Sum};
use crate::store::Upload;

/// validate → digest → compress → digest → encrypt → digest → upload.
pub struct Chain {
    validator: Box<dyn Validator>,
    plain: Hasher,
    encoder: Encoder<Encrypter<Summed<Box<dyn Upload>>>>,
    /// What is written, for messages.
    target: String,
}

/// A chain whose last stage has closed: a whole dump, and its bytes at the store's door. Made only
/// by [`Chain::finish`].
#[derive(Debug)]
pub struct Finished {
    facts: Facts,
    plain: Sum,
    compressed: Sum,
    stored: Sum,
    upload: Box<dyn Upload>,
}

impl Chain {
    /// Without recipients, nothing is encrypted.
    ///
    /// # Errors
    /// [`PipelineError::Compress`] if the codec cannot be set up, [`PipelineError::Write`] if the
    /// header of what is encrypted cannot be written.
    pub fn new(
        validator: Box<dyn Validator>,
        codec: Codec,
        recipients: &Recipients,
        upload: Box<dyn Upload>,
    ) -> Result<Self, PipelineError> {
        let target = upload.target();
        let encrypter = Encrypter::new(recipients, Summed::new(upload)).map_err(|source| {
            let target = target.clone();
            PipelineError::Write { target, source }
        })?;
        let encoder = Encoder::new(codec, encrypter).map_err(PipelineError::Compress)?;
        Ok(Self { validator, plain: Hasher::default(), encoder, target })
    }

    /// # Errors
    /// The first stage that fails; the chain is of no use afterwards.
    pub fn write(&mut self, piece: &[u8]) -> Result<(), PipelineError> {
        self.validator.check(piece)?;
        self.plain.add(piece);
        self.encoder.write_all(piece).map_err(|source| {
            let target = self.target.clone();
            PipelineError::Write { target, source }
        })
    }

    /// Closes every stage.
    ///
    /// # Errors
    /// [`PipelineError::Invalid`] if the dump is not whole, [`PipelineError::Write`] if the rest
    /// cannot be written.
    pub fn finish(self) -> Result<Finished, PipelineError> {
        let facts = self.validator.finish()?;
        let target = self.target;
        let closed = close(self.encoder);
        let (compressed, summed) =
            closed.map_err(|source| PipelineError::Write { target, source })?;
        let Summed { inner: upload, hasher } = summed;
        let (plain, stored) = (self.plain.sum(), hasher.sum());
        let compressed = compressed.unwrap_or(stored);
        Ok(Finished { facts, plain, compressed, stored, upload })
    }
}

impl Finished {
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    pub fn plain(&self) -> Sum {
        self.plain
    }

    /// What went into the encryption; without one, the same as [`Finished::stored`].
    pub fn compressed(&self) -> Sum {
        self.compressed
    }

    pub fn stored(&self) -> Sum {
        self.stored
    }

    /// Hands the upload on to whoever may commit it.
    pub fn into_upload(self) -> Box<dyn Upload> {
        self.upload
    }
}

/// Closes the stages behind the codec, first to last. The sum is of what was encrypted, if it was.
fn close<W: io::Write + Send + 'static>(
    encoder: Encoder<Encrypter<W>>,
) -> io::Result<(Option<Sum>, W)> {
    let (compressed, mut writer) = encoder.finish()?.finish()?;
    writer.flush()?;
    Ok((compressed, writer))
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain").field("validator", &self.validator).finish_non_exhaustive()
    }
}
