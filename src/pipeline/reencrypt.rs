//! From one encryption to another. What was compressed passes as it is: its digest, and with it that of
//! the dump inside, stays.

use std::io::{self, Read, Write};

use super::PipelineError;
use super::digest::{Hasher, Summed, Tap};
use super::encrypt::{Decrypter, Encrypter, Identities, Recipients};
use crate::model::Sum;
use crate::store::Upload;

const PIECE: usize = 128 * 1024;

/// What was read and what was written; its bytes are at the store's door.
#[derive(Debug)]
pub struct Reencrypted {
    /// The sum of the stored bytes that were read.
    pub before: Sum,
    pub compressed: Sum,
    /// The sum of the stored bytes that were written.
    pub after: Sum,
    pub upload: Box<dyn Upload>,
}

/// store → digest → decrypt → digest → encrypt → digest → upload, to the end. `from`: the manifest's
/// recipients; none: what is read is not encrypted.
///
/// # Errors
/// [`PipelineError::Encryption`] if no identity decrypts it, [`PipelineError::Read`],
/// [`PipelineError::Write`] if bytes do not pass.
pub fn reencrypt(
    from: &[String],
    identities: &Identities,
    stored: Box<dyn Read + Send>,
    to: &Recipients,
    upload: Box<dyn Upload>,
) -> Result<Reencrypted, PipelineError> {
    let target = upload.target();
    let failed = |source| PipelineError::Write { target: target.clone(), source };
    let tap = Tap::new(stored);
    let mut reader = Decrypter::new(from, identities, tap.clone())?;
    let mut writer = Encrypter::new(to, Summed::new(upload)).map_err(failed)?;
    let mut compressed = Hasher::default();
    let mut piece = vec![0; PIECE];
    loop {
        match reader.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => {
                compressed.add(&piece[..read]);
                writer.write_all(&piece[..read]).map_err(failed)?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(PipelineError::Read(error)),
        }
    }
    let (_, mut summed) = writer.finish().map_err(failed)?;
    summed.flush().map_err(failed)?;
    let Summed { inner: upload, hasher } = summed;
    let (before, compressed, after) = (tap.sum(), compressed.sum(), hasher.sum());
    Ok(Reencrypted { before, compressed, after, upload })
}
