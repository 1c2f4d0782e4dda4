//! What came out of a run: archives, failures, and what of it nobody knows. How it came about is not here.

use jiff::Timestamp;

use super::super::JobError;
use crate::archive::Manifest;
use crate::history::End;
use crate::model::{ErrorKind, Explain as _, Outcome, Part, Plan, Slug, chain};

/// What came out of a run.
#[derive(Debug)]
pub struct Report {
    pub source: Slug,
    pub container: String,
    pub archives: Vec<Manifest>,
    /// What failed; `None` for a failure before the first part.
    pub failures: Vec<(Option<Part>, JobError)>,
    /// Why a drill that was asked for has proven nothing; `None`: no part was drilled.
    pub undrilled: Vec<(Option<Part>, JobError)>,
}

impl Report {
    pub(super) fn new(plan: &Plan) -> Self {
        let (source, container) = (plan.source.clone(), plan.workload.name.clone());
        let (archives, failures, undrilled) = (Vec::new(), Vec::new(), Vec::new());
        Self { source, container, archives, failures, undrilled }
    }

    pub fn outcome(&self) -> Outcome {
        let stopped = |(_, error): &(_, JobError)| error.kind() == ErrorKind::Interrupted;
        match () {
            () if self.failures.is_empty() => Outcome::Succeeded,
            () if self.failures.iter().any(stopped) => Outcome::Cancelled,
            () => Outcome::Failed,
        }
    }

    pub fn stored_bytes(&self) -> u64 {
        self.archives.iter().map(|manifest| manifest.stored.bytes).sum()
    }

    /// What failed, in one line.
    pub fn error(&self) -> Option<String> {
        let said = |(part, error): &(Option<Part>, JobError)| match part {
            Some(part) => format!("{part}: {}", chain(error)),
            None => chain(error),
        };
        let failures: Vec<String> = self.failures.iter().map(said).collect();
        (!failures.is_empty()).then(|| failures.join("; "))
    }

    /// What the operator should know of it, though nothing failed.
    pub fn warnings(&self) -> Vec<String> {
        let own = self.archives.iter().flat_map(|manifest| manifest.warnings.clone());
        let undrilled = self.undrilled.iter().map(|(part, error)| {
            let place = part.as_ref().map_or(String::new(), |part| format!("{part} "));
            format!("{place}was not drilled: {}", chain(error))
        });
        own.chain(undrilled).collect()
    }

    /// What the history remembers of it.
    pub fn end(&self, finished_at: Timestamp) -> End {
        let archives = &self.archives;
        End {
            finished_at,
            outcome: self.outcome(),
            error: self.error(),
            warnings: self.warnings(),
            archives: u32::try_from(archives.len()).unwrap_or(u32::MAX),
            stored_bytes: self.stored_bytes(),
            plain_bytes: archives.iter().map(|manifest| manifest.plain.bytes).sum(),
        }
    }
}
