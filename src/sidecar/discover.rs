//! Discovery: what is labelled just now. A list is the truth; what Docker tells in between are hints
//! to list again. A connection that breaks is made anew, for as long as it takes.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use tokio::sync::{mpsc, watch};

use super::life::Connect;
use super::words::{Event, Job};
use crate::docker::{DockerError, Hint};
use crate::job::{self, Context, JobError, drill, hold, survey};
use crate::labels::Fleet;
use crate::model::{Plan, Slug};

/// Without any hint, everything is listed again after so long: hints get lost.
const RECONCILE: Duration = Duration::from_mins(1);
/// Compose starts and stops many containers at once: one list is enough for all of them.
const DEBOUNCE: Duration = Duration::from_millis(500);
/// The first pause before Docker is tried again; each further one is twice as long…
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// …up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What discovery found.
#[derive(Debug)]
pub(super) enum Found {
    /// A connection, and everything that is labelled.
    Listed { context: Box<Context>, fleet: Box<Fleet> },
    /// Docker does not answer.
    Lost(JobError),
}

/// Lists, waits for hints, lists again, until nobody listens any more. `again`: changes when the
/// settings have.
pub(super) async fn discover(
    connect: Connect,
    found: mpsc::Sender<Found>,
    mut again: watch::Receiver<u64>,
) {
    let mut pause = FIRST_PAUSE;
    loop {
        let error = tokio::select! {
            error = watch_docker(&connect, &found, &mut again, &mut pause) => error,
            () = found.closed() => return,
        };
        let Some(error) = error else { return };
        if found.send(Found::Lost(error)).await.is_err() {
            return;
        }
        tokio::time::sleep(jittered(pause)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// One connection, for as long as it holds. `None`: nobody listens any more.
async fn watch_docker(
    connect: &Connect,
    found: &mpsc::Sender<Found>,
    again: &mut watch::Receiver<u64>,
    pause: &mut Duration,
) -> Option<JobError> {
    loop {
        // The settings are taken anew with every connection.
        again.mark_unchanged();
        let context = match connect().await {
            Ok(context) => context,
            Err(error) => return Some(error),
        };
        let left = hold::release_left(&context).await;
        if !left.is_empty() {
            (context.watcher)(&job::Event::HeldReleased(left));
        }
        let reaped = drill::reap(&context).await;
        (context.watcher)(&job::Event::DrillsReaped(reaped));
        let mut hints = std::pin::pin!(context.docker.events());
        let changed = loop {
            let (fleet, changed_meanwhile) = match list(&context, &mut hints).await {
                Ok(listed) => listed,
                Err(error) => return Some(error),
            };
            *pause = FIRST_PAUSE;
            found.send(Found::Listed { context: Box::new(context.clone()), fleet }).await.ok()?;
            let reconcile =
                tokio::time::sleep(if changed_meanwhile { DEBOUNCE } else { RECONCILE });
            tokio::select! {
                hint = hints.next() => match hint {
                    Some(Ok(_)) => tokio::time::sleep(DEBOUNCE).await,
                    Some(Err(error)) => return Some(error.into()),
                    None => return Some(DockerError::EventsEnded.into()),
                },
                () = reconcile => {}
                changed = again.changed() => break changed,
            }
            // Hints that came meanwhile are answered by the same list.
            while let Some(Some(Ok(_))) = futures_util::FutureExt::now_or_never(hints.next()) {}
        };
        changed.ok()?;
    }
}

/// Lists, and listens meanwhile: what changes while the list is made may not be in it.
async fn list(
    context: &Context,
    hints: &mut (impl Stream<Item = Result<Hint, DockerError>> + Unpin),
) -> Result<(Box<Fleet>, bool), JobError> {
    let listing = survey::fleet(context);
    tokio::pin!(listing);
    let mut changed = false;
    loop {
        tokio::select! {
            fleet = &mut listing => return Ok((Box::new(fleet?), changed)),
            hint = hints.next() => match hint {
                Some(hint) => changed = hint.map(|_| true)?,
                None => return Err(DockerError::EventsEnded.into()),
            },
        }
    }
}

/// Many sidecars must not come back to one proxy at the same moment.
fn jittered(pause: Duration) -> Duration {
    let share = getrandom::u32().unwrap_or(u32::MAX / 2) % 512;
    pause / 2 + pause * share / 512
}

/// What the state has to know of a fleet.
pub(super) fn event(fleet: &Fleet) -> Event {
    let job = |plan: &Plan| Job {
        source: plan.source.clone(),
        container: plan.workload.id.clone(),
        schedules: plan.schedules.clone(),
        zone: plan.zone.clone(),
        priority: plan.priority,
        after: plan.after.clone(),
        rpo: plan.rpo,
        store: plan.store.clone(),
    };
    let mut unprotected: BTreeMap<String, String> = BTreeMap::new();
    for problem in &fleet.problems {
        let said = unprotected.entry(problem.place.clone()).or_default();
        said.push_str(if said.is_empty() { "" } else { "; " });
        said.push_str(&problem.to_string());
    }
    let alive = fleet.alive.iter().cloned().collect();
    Event::Listed { jobs: fleet.plans.iter().map(job).collect(), unprotected, alive }
}

/// The newest plan of each source.
pub(super) fn plans(fleet: Fleet) -> BTreeMap<Slug, Plan> {
    fleet.plans.into_iter().map(|plan| (plan.source.clone(), plan)).collect()
}
