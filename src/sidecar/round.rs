//! A round of verification, done: reads the catalogue, verifies what was chosen, one archive after the
//! other, and tells what it found. When one begins, and what follows, is decided in `verifying.rs`.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::stoppable::Stoppable;
use super::verifying::{Broken, Candidate, choose};
use super::words::Verification;
use crate::archive::{
    Archive, ArchiveError, Catalogue, Standing, catalogue_of_all, check_identities,
};
use crate::history::Checked;
use crate::job::{Context, JobError, verify};
use crate::model::{ArchiveId, Finding, Level, Slug, chain};
use crate::settings::VerifySettings;
use crate::transport::{Stop, Stopper};

/// Whoever lives writes each check down before many more are made.
const UNHEARD: usize = 16;

/// What a round tells on its way.
#[derive(Debug)]
pub(super) enum Heard {
    /// Everything could be listed, and this is known to be broken.
    Looked(Broken),
    /// This could not: nobody knows what it would say.
    Unread(JobError),
    Checked(Checked),
    Ended(Ended),
}

/// How a round ended.
#[derive(Debug, Default)]
pub(super) struct Ended {
    /// What it had no time for.
    pub(super) rest: Vec<ArchiveId>,
    pub(super) error: Option<JobError>,
}

/// What a round is made of.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) context: Context,
    pub(super) what: Verification,
    pub(super) settings: VerifySettings,
    /// When somebody tried to look at each archive.
    pub(super) tried: BTreeMap<ArchiveId, Timestamp>,
}

/// The round that goes on, and what the one before left.
#[derive(Debug)]
pub(super) struct Rounds {
    tasks: JoinSet<Ended>,
    stopper: Option<Stopper>,
    sender: mpsc::Sender<Heard>,
    heard: mpsc::Receiver<Heard>,
    rest: Vec<ArchiveId>,
}

impl Rounds {
    pub(super) fn new() -> Self {
        let (sender, heard) = mpsc::channel(UNHEARD);
        Self { tasks: JoinSet::new(), stopper: None, sender, heard, rest: Vec::new() }
    }

    pub(super) fn is_running(&self) -> bool {
        !self.tasks.is_empty()
    }

    pub(super) fn begin(&mut self, work: Work) {
        let (stopper, stop) = Stop::new();
        self.stopper = Some(stopper);
        let (sender, rest) = (self.sender.clone(), std::mem::take(&mut self.rest));
        self.tasks.spawn(async move {
            let run = run(&work, &stop, rest, &sender).await;
            run.unwrap_or_else(|error| Ended { error: Some(error), ..Ended::default() })
        });
    }

    pub(super) fn stop(&self) {
        if let Some(stopper) = &self.stopper {
            stopper.stop();
        }
    }

    /// The next that is told. Everything is heard before the end.
    pub(super) async fn next(&mut self) -> Heard {
        let ended = tokio::select! {
            biased;
            Some(heard) = self.heard.recv() => return heard,
            Some(ended) = self.tasks.join_next() => ended,
            else => std::future::pending().await,
        };
        self.stopper = None;
        let panicked = |error: tokio::task::JoinError| Ended {
            error: Some(JobError::Panicked(error.to_string())),
            ..Ended::default()
        };
        let ended = ended.unwrap_or_else(panicked);
        self.rest.clone_from(&ended.rest);
        Heard::Ended(ended)
    }
}

async fn run(
    work: &Work,
    stop: &Stop,
    rest: Vec<ArchiveId>,
    sender: &mpsc::Sender<Heard>,
) -> Result<Ended, JobError> {
    let archives = look(work, sender).await?;
    let mut chosen = match work.what {
        Verification::Round { due_at: _ } => chosen(work, &archives),
        // What is gone since needs no check.
        Verification::Rest => rest,
        Verification::Look => return Ok(Ended::default()),
    };
    chosen.reverse();
    while let Some(id) = chosen.pop() {
        let Some(archive) = archives.iter().find(|one| one.manifest.id == id) else { continue };
        let checked = tokio::select! {
            biased;
            // What fails after the stop is not the archive's fault, so nobody must hear of it.
            () = stop.wait() => {
                chosen.push(id);
                chosen.reverse();
                return Ok(Ended { rest: chosen, error: None });
            }
            checked = check(work, archive, stop) => checked,
        };
        sender.send(Heard::Checked(checked)).await.ok();
    }
    look(work, sender).await?;
    Ok(Ended::default())
}

/// Lists every store, and tells what is known to be broken, or what cannot be listed.
async fn look(work: &Work, sender: &mpsc::Sender<Heard>) -> Result<Vec<Archive>, JobError> {
    let (stores, signing) = (work.context.stores.clone(), work.context.signing.clone());
    let listing = tokio::task::spawn_blocking(move || catalogue_of_all(&stores, &signing)).await;
    let listed = listing.map_err(|error| JobError::Panicked(error.to_string()))?;
    let Catalogue { archives, unreadable } = listed?;
    if unreadable.is_empty() {
        sender.send(Heard::Looked(broken(&archives))).await.ok();
    }
    for error in unreadable {
        sender.send(Heard::Unread(error.into())).await.ok();
    }
    Ok(archives)
}

/// What the newest proofs say.
fn broken(archives: &[Archive]) -> Broken {
    let mut broken = Broken::new();
    for archive in archives.iter().filter(|one| one.proof.standing() == Standing::Broken) {
        let failed = archive.proof.checks().iter().filter(|check| check.failure.is_some());
        let newest = failed.max_by_key(|check| check.at).and_then(|check| check.failure.clone());
        let own = broken.entry(archive.manifest.source.clone()).or_default();
        own.insert(archive.manifest.id.clone(), newest.unwrap_or_default());
    }
    broken
}

/// The share of each store.
fn chosen(work: &Work, archives: &[Archive]) -> Vec<ArchiveId> {
    let mut stores: BTreeMap<&Slug, Vec<Candidate>> = BTreeMap::new();
    for archive in archives {
        let id = archive.manifest.id.clone();
        let tried = work.tried.get(&id).copied();
        let checked = archive.proof.checks().iter().map(|check| check.at);
        let written = archive.manifest.finished_at;
        let looked_at = checked.chain(tried).fold(written, Timestamp::max);
        stores.entry(archive.store.name()).or_default().push(Candidate { id, looked_at });
    }
    let (share, now) = (work.settings.share_percent, Timestamp::now());
    stores.into_values().flat_map(|all| choose(share, all, now)).collect()
}

/// Verifies one archive, as deep as wanted and possible, and records the result beside it.
async fn check(work: &Work, archive: &Archive, stop: &Stop) -> Checked {
    let (manifest, context) = (&archive.manifest, &work.context);
    let openable = check_identities(manifest, &context.identities).is_ok()
        && context.rules.engine(&manifest.engine).is_some();
    let level = if openable { work.settings.level } else { Level::Stored };
    let store = Arc::new(Stoppable { store: archive.store.clone(), stop: stop.clone() });
    let archive = Archive { store, ..archive.clone() };
    let started_at = Timestamp::now();
    let verified = match level {
        Level::Stored => verify::stored(&archive).await,
        _ => verify::deep(&context.rules, &archive, &context.identities).await,
    };
    let unread = |error: &JobError| (Finding::Unread, Some(chain(error)));
    let (finding, error) = match verified {
        Ok((_, Ok(()))) => (Finding::Proven, None),
        Ok((_, Err(error))) if ArchiveError::is_damage(&error) => {
            (Finding::Broken, Some(chain(&error)))
        }
        Ok((_, Err(error))) => unread(&error.into()),
        Err(error) => unread(&error),
    };
    let (source, archive) = (manifest.source.clone(), manifest.id.clone());
    let finished_at = Timestamp::now();
    Checked { source, archive, level, started_at, finished_at, finding, error }
}
