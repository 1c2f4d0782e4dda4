//! What is proven of an archive when it has just been written, up to the level that its plan asks for.
//!
//! An archive that does not prove stays: somebody may need it for want of a better one. But it is marked, the
//! run has failed, and neither retention nor `@latest` counts it.

use super::super::drill::{Listener, Verdict};
use super::super::{Event, JobError, blocking, now, verify};
use super::{Report, Run};
use crate::archive::{self, Archive, Check, Manifest, Proof};
use crate::model::{Level, chain};
use crate::pipeline::Signature;

/// An archive whose drill goes on.
pub(super) struct Pending<'a> {
    archive: Archive,
    listener: Listener<'a>,
}

impl Run<'_> {
    /// Records what is known of a new archive. Its drill is left to be judged.
    pub(super) async fn prove<'a>(
        &'a self,
        report: &mut Report,
        manifest: Manifest,
        listener: Option<Listener<'a>>,
    ) -> Option<Pending<'a>> {
        let store = self.context.store(self.plan);
        // Its signature, if there is one, was made just now: nobody has to judge it.
        let mut archive =
            Archive { manifest, proof: Proof::default(), signature: Signature::Unsigned, store };
        // Publishing has read every stored byte back.
        self.note(report, &mut archive, Level::Stored, None).await;
        if self.plan.verify >= Level::Deep {
            let rules = &self.context.rules;
            let failure = match verify::deep(rules, &archive, &self.identities).await {
                Ok((proof, found)) => {
                    archive.proof = proof;
                    found.err().map(|error| JobError::ProofFailed(Box::new(error.into())))
                }
                Err(error) => Some(error),
            };
            if let Some(error) = failure {
                report.failures.push((Some(archive.manifest.part.clone()), error));
                // What was heard on the way may restore; what is stored is no good all the same.
                if let Some(listener) = listener {
                    listener.leave(self.plan).await;
                }
                return None;
            }
        }
        Some(Pending { archive, listener: listener? })
    }

    /// Waits for a drill to end, and records what it has proven.
    pub(super) async fn judge(&self, report: &mut Report, pending: Pending<'_>) {
        let Pending { mut archive, listener } = pending;
        let read_back = listener.unheard();
        let verdict = listener.judge(&archive, &self.identities).await;
        let (source, part) = (archive.manifest.source.clone(), archive.manifest.part.clone());
        let said = verdict.to_string();
        let drilled =
            Event::ArchiveDrilled { source, part: part.clone(), verdict: said, read_back };
        (self.context.watcher)(&drilled);
        match verdict {
            Verdict::Passed => self.note(report, &mut archive, Level::Drill, None).await,
            Verdict::Failed(error) => {
                self.note(report, &mut archive, Level::Drill, Some(chain(&error))).await;
                report.failures.push((Some(part), JobError::ProofFailed(Box::new(error))));
            }
            Verdict::Open(error) => report.undrilled.push((Some(part), error)),
        }
    }

    /// Writes a check down. An archive whose proof cannot be written is there all the same; that the store
    /// begins to fail is told, too.
    async fn note(
        &self,
        report: &mut Report,
        archive: &mut Archive,
        level: Level,
        failure: Option<String>,
    ) {
        let check = Check { level, at: now(), failure, took_ms: None };
        let (own, address) = (archive.clone(), archive.manifest.address());
        let recorded =
            blocking(move || archive::record(own.store.as_ref(), &address, own.proof, check));
        match recorded.await {
            Ok(proof) => archive.proof = proof,
            Err(error) => {
                report.failures.push((Some(archive.manifest.part.clone()), error));
            }
        }
    }
}
