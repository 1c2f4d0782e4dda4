//! The book: what is remembered from one process to the next. It is a cache: where it is gone, the
//! stores' manifests fill it again. Without a place for it the sidecar does not begin, so that nobody
//! lives without alarms and does not know; what cannot be written to it later stops no backup.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::words::Memory;
use crate::archive::{Archive, ArchiveError, catalogue_of_all};
use crate::history::{self, Adopted, Alarm, History, HistoryError, Opened};
use crate::model::{ErrorKind, Explain, Outcome, Part, Slug, Trigger};
use crate::pipeline::Signing;
use crate::store::Stores;

/// How far back the book looks to find out how a source's last run ended.
const LAST: usize = 1;
/// Old pages are torn out so often.
const PRUNING: SignedDuration = SignedDuration::from_hours(24);

/// Held for as long as a sidecar lives.
const LOCK: &str = "sidecar.lock";

/// An open book. Whoever holds it is the only sidecar of its place: two would run everything twice.
#[derive(Debug)]
pub(super) struct Book {
    _lock: File,
    pub(super) history: History,
    keep: Duration,
    pruned: Option<Timestamp>,
}

/// Why there is no book.
#[derive(Debug, thiserror::Error)]
pub enum BookError {
    #[error(transparent)]
    History(#[from] HistoryError),
    #[error("another sidecar lives on `{}`", .0.display())]
    Another(PathBuf),
    #[error("cannot lock the place of the history")]
    Lock(#[source] io::Error),
}

impl Explain for BookError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::History(error) => error.kind(),
            Self::Another(_) => ErrorKind::Usage,
            Self::Lock(_) => ErrorKind::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::History(error) => error.hint(),
            Self::Another(_) => {
                Some("stop the other one first: two of them would run everything twice".to_owned())
            }
            Self::Lock(_) => Some("`data_dir` must be a folder that can be written".to_owned()),
        }
    }
}

/// What the book says at the beginning.
#[derive(Debug)]
pub(super) struct Remembered {
    pub(super) memory: BTreeMap<Slug, Memory>,
    pub(super) alarms: BTreeSet<Alarm>,
    /// When the round of verification was due that began last.
    pub(super) round: Option<Timestamp>,
    /// Runs that were cut off with the process before.
    pub(super) interrupted: Vec<Slug>,
    /// Where the old book lies, if it could not be read.
    pub(super) aside: Option<PathBuf>,
    /// What could not be read of the stores while the book was filled from them.
    pub(super) unread: Vec<ArchiveError>,
}

impl Book {
    /// Opens the book. One that is new or could not be read is filled from the stores.
    ///
    /// # Errors
    /// [`BookError::Another`] if a sidecar lives there, [`BookError::History`] if its place cannot be
    /// used.
    pub(super) fn open(
        folder: &Path,
        keep: Duration,
        stores: &Stores,
        now: Timestamp,
    ) -> Result<(Self, Remembered), BookError> {
        let (history, opened) = history::open(folder, now)?;
        let lock = File::create(folder.join(LOCK)).map_err(BookError::Lock)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(BookError::Another(folder.to_owned())),
            Err(TryLockError::Error(error)) => return Err(BookError::Lock(error)),
        }
        let mut unread = Vec::new();
        if opened != Opened::Found {
            let (runs, failures) = adopted(stores);
            history.adopt(&runs)?;
            unread = failures;
        }
        let aside = match opened {
            Opened::Found | Opened::New => None,
            Opened::Rebuilt { aside } => Some(aside),
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
        let round = history.round()?;
        let book = Self { _lock: lock, history, keep, pruned: None };
        Ok((book, Remembered { memory, alarms, round, interrupted, aside, unread }))
    }

    /// When the newest successful run of each source began, whoever made it.
    pub(super) fn successes(&self) -> Result<BTreeMap<Slug, Timestamp>, HistoryError> {
        let memory = self.history.memory()?.into_iter();
        Ok(memory.filter_map(|(source, own)| Some((source, own.last_success?))).collect())
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
    let catalogue = match catalogue_of_all(stores, &Signing::default()) {
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
