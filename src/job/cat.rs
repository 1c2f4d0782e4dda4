//! Cat: the plain dump of an archive, for stock tools.

use std::io::Read as _;

use tokio::sync::mpsc;

use super::load::Plain;
use super::{JobError, blocking};
use crate::archive::{self, Archive, ArchiveError};
use crate::engine::EngineError;
use crate::pipeline::Identities;
use crate::transport::{Limits, Stop};

const PIECE: usize = 128 * 1024;

/// Checks the stored bytes, then hands out the plain dump piece by piece. Nothing of a damaged
/// archive is handed out.
///
/// # Errors
/// [`JobError::Archive`] if it is damaged or none of the identities decrypts it, [`JobError::Output`] if `write` fails.
pub async fn run(
    stop: &Stop,
    archive: &Archive,
    identities: &Identities,
    mut write: impl FnMut(&[u8]) -> std::io::Result<()>,
) -> Result<(), JobError> {
    let Plain { mut pieces, whole } = read(archive.clone(), identities.clone());
    let limits = Limits { stall: None, deadline: None, stop: stop.clone() };
    while let Some(piece) = limits.within(pieces.recv()).await.map_err(JobError::Stopped)? {
        write(&piece).map_err(JobError::Output)?;
    }
    whole.await
}

/// A whole plain dump that is text and small, like that of globals.
pub(super) async fn text(archive: &Archive, identities: &Identities) -> Result<String, JobError> {
    let Plain { mut pieces, whole } = read(archive.clone(), identities.clone());
    let mut dump = Vec::new();
    while let Some(piece) = pieces.recv().await {
        dump.extend_from_slice(&piece);
    }
    whole.await?;
    Ok(String::from_utf8(dump).map_err(|_| EngineError::Globals("it is not UTF-8".to_owned()))?)
}

/// Reads an archive's plain dump on a thread of its own: first the archive is proven, then
/// the dump comes in pieces, and at last its digest is compared.
pub(super) fn read(archive: Archive, identities: Identities) -> Plain {
    // Eight pieces are 1 MiB: the reader stays ahead of a writer that pauses.
    let (sender, receiver) = mpsc::channel(8);
    let reading = blocking(move || -> Result<(), ArchiveError> {
        let (store, manifest) = (archive.store.as_ref(), &archive.manifest);
        archive::prove(&archive, &identities)?;
        let mut plain = archive::open_plain(store, manifest, &identities)?;
        loop {
            let mut piece = vec![0; PIECE];
            let failed = |source| ArchiveError::Read { key: manifest.payload.clone(), source };
            let read = plain.read(&mut piece).map_err(failed)?;
            if read == 0 {
                return plain.finish();
            }
            piece.truncate(read);
            if sender.blocking_send(piece.into()).is_err() {
                // Nobody wants the rest.
                return Ok(());
            }
        }
    });
    // The thread must run while the pieces are received, so it is started now and not when its
    // result is first asked for.
    let reading = tokio::spawn(reading);
    let whole = async move {
        reading.await.unwrap_or_else(|error| Err(JobError::Panicked(error.to_string())))
    };
    Plain { pieces: receiver, whole: Box::pin(whole) }
}
