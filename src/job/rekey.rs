//! Rekey: old archives for the recipients of today. What decides who they are is what would decide it in
//! a backup now: the operator's settings, and the label `encrypt` that the manifest remembers.

use super::{JobError, blocking, now, random, recipients};
use crate::archive::{self, Archive, Check, Manifest};
use crate::labels::{self, Rules};
use crate::model::{Level, PASSPHRASE, Secret};
use crate::pipeline::{Identities, PipelineError, Recipients, Signing};

/// Who shall decrypt.
#[derive(Debug)]
pub enum To {
    /// Whoever would decrypt a backup of today.
    Rules {
        passphrase: Option<Secret>,
    },
    Given(Recipients),
}

/// What came of an archive.
#[derive(Debug)]
pub enum Rekeyed {
    /// These can decrypt it already, and nobody else that a manifest knows of.
    AlreadyRight,
    Anew(Box<Manifest>),
}

/// Encrypts an archive to the recipients of today, if it is not. Its id stays, and what is encrypted stays to
/// the byte.
///
/// # Errors
/// [`JobError`]; the archive is as readable as before then.
pub async fn run(
    rules: &Rules,
    to: &To,
    archive: &Archive,
    identities: &Identities,
    signing: &Signing,
) -> Result<Rekeyed, JobError> {
    let manifest = &archive.manifest;
    let to = match to {
        To::Given(recipients) => recipients.clone().at(now()).map_err(PipelineError::from)?,
        To::Rules { passphrase } => of_today(rules, manifest, passphrase.as_ref())?,
    };
    if to.is_empty() && manifest.encrypted() {
        return Err(JobError::WouldDecrypt(manifest.id.clone()));
    }
    let (archive, identities, signing) = (archive.clone(), identities.clone(), signing.clone());
    blocking(move || -> Result<_, archive::ArchiveError> {
        if is_right(&archive, &to) {
            return Ok(Rekeyed::AlreadyRight);
        }
        let manifest = archive::rekey(&archive, &identities, to, &signing, random())?;
        let check = Check { level: Level::Stored, at: now(), failure: None, took_ms: None };
        let address = manifest.address();
        // What earlier checks found of the dump holds: it is the same dump.
        archive::record(archive.store.as_ref(), &address, archive.proof, check)?;
        Ok(Rekeyed::Anew(Box::new(manifest)))
    })
    .await
}

fn of_today(
    rules: &Rules,
    manifest: &Manifest,
    passphrase: Option<&Secret>,
) -> Result<Recipients, JobError> {
    let label = manifest.labels.get("encrypt").map(String::as_str);
    let texts = labels::recipients(rules, label)
        .map_err(|wrong| JobError::NoRecipients { id: manifest.id.clone(), wrong })?;
    recipients(&texts, passphrase)
}

/// Whether these, and only these, can decrypt it already. That it is this passphrase and no other, only
/// the payload's header tells.
fn is_right(archive: &Archive, to: &Recipients) -> bool {
    let manifest = &archive.manifest;
    let (mut own, mut wanted) = (manifest.recipients.clone(), to.fingerprints());
    own.sort();
    wanted.sort();
    let opens = || {
        let (_, witness) = to.clone().for_the_moment();
        archive::open_plain(archive.store.as_ref(), manifest, &witness).is_ok()
    };
    own == wanted && (own != [PASSPHRASE] || opens())
}
