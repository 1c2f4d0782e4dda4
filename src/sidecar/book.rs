//! The book: what is remembered from one process to the next. It is a cache: where it is gone, the
//! stores' manifests fill it again. Without a place for it the sidecar does not begin, so that nobody
//! lives without alarms and does not know; what cannot be written to it later stops no backup.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::words::Memory;
use crate::archive::{Archive, ArchiveError, catalogue_of_all};
use crate::history::{self, Adopted, Alarm, End, History, HistoryError, NewRun, Opened, RunId};
use crate::job::backup::Report;
use crate::model::{Outcome, Part, Slug, Trigger};
use crate::store::Stores;

/// How far back the book looks to find out how a source's last run ended.
const LAST: usize = 1;
/// Old pages are torn out so often.
const PRUNING: SignedDuration = SignedDuration::from_hours(24);

/// An open book.
#[derive(Debug)]
pub(super) struct Book {
    history: History,
    keep: Duration,
    pruned: Option<Timestamp>,
}

/// What the book says at the beginning.
#[derive(Debug)]
pub(super) struct Remembered {
    pub(super) memory: BTreeMap<Slug, Memory>,
    pub(super) alarms: BTreeSet<Alarm>,
    /// Runs that were cut off with the process before.
    pub(super) interrupted: Vec<Slug>,
    /// Where the old book lies, if it could not be read.
    pub(super) aside: Option<std::path::PathBuf>,
    /// What could not be read of the stores while the book was filled from them.
    pub(super) unread: Vec<ArchiveError>,
}

impl Book {
    /// Opens the book. One that is new or could not be read is filled from the stores.
    ///
    /// # Errors
    /// [`HistoryError`] if its place cannot be used.
    pub(super) fn open(
        folder: &Path,
        keep: Duration,
        stores: &Stores,
        now: Timestamp,
    ) -> Result<(Self, Remembered), HistoryError> {
        let (history, opened) = history::open(folder, now)?;
        let fresh = opened != Opened::Found;
        let aside = match opened {
            Opened::Found => None,
            Opened::New => None,
            Opened::Rebuilt { aside } => Some(aside),
        };
        let unread = if fresh {
            let (runs, unread) = adopted(stores);
            history.adopt(&runs)?;
            unread
        } else {
            Vec::new()
        };
        let interrupted = history.interrupted(now)?.into_iter().map(|run| run.source).collect();
        let mut memory = BTreeMap::new();
        for (source, own) in history.memory()? {
            let last = history.runs(Some(&source), LAST)?;
            let cut = |outcome| matches!(outcome, Some(Outcome::Interrupted | Outcome::Cancelled));
            let interrupted = last.first().is_some_and(|run| cut(run.outcome));
            let history::Memory { handled, first_seen, last_success, failures, sizes } = own;
            let first_seen = Some(first_seen);
            let own = Memory { handled, first_seen, last_success, failures, sizes, interrupted };
            memory.insert(source, own);
        }
        let alarms = history.alarms()?.into_iter().map(|open| open.alarm).collect();
        let book = Self { history, keep, pruned: None };
        Ok((book, Remembered { memory, alarms, interrupted, aside, unread }))
    }

    /// When the newest successful run of each source began, whoever made it.
    pub(super) fn successes(&self) -> Result<BTreeMap<Slug, Timestamp>, HistoryError> {
        let memory = self.history.memory()?.into_iter();
        Ok(memory.filter_map(|(source, own)| Some((source, own.last_success?))).collect())
    }

    pub(super) fn seen(&self, source: &Slug, now: Timestamp) -> Result<(), HistoryError> {
        self.history.seen(source, now)
    }

    pub(super) fn begin(
        &self,
        source: &Slug,
        trigger: Trigger,
        schedule: Option<Slug>,
        due_at: Option<Timestamp>,
        started_at: Timestamp,
    ) -> Result<RunId, HistoryError> {
        self.history.begin(&NewRun {
            source: source.clone(),
            schedule,
            trigger,
            due_at,
            started_at,
        })
    }

    /// `said`: what failed, in words.
    pub(super) fn end(
        &self,
        run: RunId,
        outcome: Outcome,
        report: Option<&Report>,
        said: Option<String>,
        finished_at: Timestamp,
    ) -> Result<(), HistoryError> {
        let archives = report.map_or(&[][..], |report| &report.archives);
        self.history.end(
            run,
            &End {
                finished_at,
                outcome,
                error: said,
                warnings: archives.iter().flat_map(|manifest| manifest.warnings.clone()).collect(),
                archives: u32::try_from(archives.len()).unwrap_or(u32::MAX),
                stored_bytes: archives.iter().map(|manifest| manifest.stored.bytes).sum(),
                plain_bytes: archives.iter().map(|manifest| manifest.plain.bytes).sum(),
            },
        )
    }

    pub(super) fn explain(
        &self,
        source: &Slug,
        schedule: Option<&Slug>,
        due_at: Timestamp,
        why: &str,
    ) -> Result<(), HistoryError> {
        self.history.explain(source, schedule, due_at, why)
    }

    pub(super) fn raise(
        &self,
        alarm: &Alarm,
        message: &str,
        now: Timestamp,
    ) -> Result<(), HistoryError> {
        self.history.raise(alarm, now, message).map(drop)
    }

    pub(super) fn clear(&self, alarm: &Alarm, now: Timestamp) -> Result<(), HistoryError> {
        self.history.clear(alarm, now).map(drop)
    }

    /// Tears old pages out, once a day.
    pub(super) fn tend(&mut self, now: Timestamp) -> Result<(), HistoryError> {
        if self.pruned.is_some_and(|pruned| now.duration_since(pruned) < PRUNING) {
            return Ok(());
        }
        self.pruned = Some(now);
        match SignedDuration::try_from(self.keep).ok().and_then(|keep| now.checked_sub(keep).ok()) {
            Some(before) => self.history.prune(before).map(drop),
            None => Ok(()),
        }
    }
}

/// The runs that the stores know of, and what could not be read. The archives of one run follow one
/// another closely, and globals never come alone.
fn adopted(stores: &Stores) -> (Vec<Adopted>, Vec<ArchiveError>) {
    const ONE_RUN: SignedDuration = SignedDuration::from_mins(1);
    let catalogue = match catalogue_of_all(stores) {
        Ok(catalogue) => catalogue,
        Err(error) => return (Vec::new(), vec![error]),
    };
    let mut archives: Vec<&Archive> = catalogue.archives.iter().collect();
    archives.sort_by_key(|archive| (archive.manifest.source.clone(), archive.manifest.started_at));
    let mut runs: Vec<Adopted> = Vec::new();
    for manifest in archives.into_iter().map(|archive| &archive.manifest) {
        let same = |run: &&mut Adopted| {
            let pause = manifest.started_at.duration_since(run.finished_at);
            run.source == manifest.source && (pause < ONE_RUN || manifest.part == Part::Globals)
        };
        if let Some(run) = runs.last_mut().filter(same) {
            run.finished_at = run.finished_at.max(manifest.finished_at);
            run.archives += 1;
            run.stored_bytes += manifest.stored.bytes;
            run.plain_bytes += manifest.plain.bytes;
        } else {
            runs.push(Adopted {
                source: manifest.source.clone(),
                trigger: manifest.trigger.parse().unwrap_or(Trigger::Manual),
                started_at: manifest.started_at,
                finished_at: manifest.finished_at,
                archives: 1,
                stored_bytes: manifest.stored.bytes,
                plain_bytes: manifest.plain.bytes,
            });
        }
    }
    (runs, catalogue.unreadable)
}
