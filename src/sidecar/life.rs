//! Life: hears what happens, asks the state what follows, and does it. Every task is in a set that
//! ends with this one; every channel has a bound.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::alarm::Alarm;
use super::discover::{self, Found};
use super::state::{Effect, End, Event, Memory, Rhythm, State};
use crate::job::backup::{self, Report};
use crate::job::{Context, JobError};
use crate::model::{ErrorKind, Explain as _, Outcome, Plan, Problem, Slug, Trigger};
use crate::transport::{Stop, Stopper};

/// The clock is looked at this often, whatever is due: it may jump.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// Makes a connection to Docker, with the settings as they are now.
pub type Connect = Arc<dyn Fn() -> BoxFuture<'static, Result<Context, JobError>> + Send + Sync>;

/// Reads the settings again. What cannot change while the sidecar runs is said.
pub type Reload = Arc<dyn Fn() -> Result<Reloaded, Vec<Problem>> + Send + Sync>;

/// Settings that were read again.
#[derive(Debug)]
pub struct Reloaded {
    pub rhythm: Rhythm,
    /// Keys with other values, which apply from now on.
    pub applied: Vec<String>,
    /// Keys with other values, which apply when the sidecar is started anew.
    pub kept: Vec<String>,
}

/// What the sidecar is made of.
#[expect(missing_debug_implementations, reason = "it is made of functions")]
pub struct Parts {
    pub connect: Connect,
    pub reload: Reload,
    pub rhythm: Rhythm,
    /// How long runs may go on after the sidecar was asked to stop.
    pub grace: Duration,
    /// Asks for an end.
    pub stop: Stop,
    /// Counts how often somebody wanted the settings read again.
    pub hangups: watch::Receiver<u64>,
    pub tell: Arc<dyn Fn(Told) + Send + Sync>,
}

/// What the sidecar tells.
#[derive(Debug)]
pub enum Told {
    Found { sources: usize, unprotected: usize },
    DockerLost(JobError),
    DockerFound,
    Began { source: Slug, trigger: Trigger },
    Ended { report: Box<Report>, outcome: Outcome },
    Explained { source: Slug, due_at: Timestamp, why: &'static str },
    Raised { alarm: Alarm, message: String },
    Cleared(Alarm),
    Reloaded(Reloaded),
    NotReloaded(Vec<Problem>),
    Stopping { running: usize },
}

/// A run that goes on.
struct Run {
    stopper: Stopper,
    task: tokio::task::Id,
}

struct Life {
    parts: Parts,
    state: State,
    /// The newest connection and plans.
    context: Option<Context>,
    plans: BTreeMap<Slug, Plan>,
    runs: BTreeMap<Slug, Run>,
    tasks: JoinSet<Report>,
    lost: bool,
    seen: Option<(usize, usize)>,
}

/// Lives until it is asked to stop, and everything that ran has ended.
///
/// # Errors
/// [`JobError::Docker`] if Docker's address can never be right.
pub async fn live(parts: Parts) -> Result<(), JobError> {
    let state = State::new(parts.rhythm.clone(), BTreeMap::<Slug, Memory>::new(), BTreeSet::new());
    // One list is worth more than many: the newest waits, no others.
    let (sender, mut found) = mpsc::channel(1);
    let (again, changed) = watch::channel(0);
    let mut discovery = JoinSet::new();
    discovery.spawn(discover::discover(parts.connect.clone(), sender, changed));
    let mut life = Life {
        parts,
        state,
        context: None,
        plans: BTreeMap::new(),
        runs: BTreeMap::new(),
        tasks: JoinSet::new(),
        lost: false,
        seen: None,
    };
    let stop = life.parts.stop.clone();
    loop {
        let sleep = life.sleep();
        tokio::select! {
            () = stop.wait() => break,
            Some(found) = found.recv() => life.found(found)?,
            Some(ended) = life.tasks.join_next_with_id(), if !life.tasks.is_empty() => life.ended(ended),
            changed = life.parts.hangups.changed() => match changed {
                Ok(()) => {
                    life.reload();
                    again.send_modify(|times| *times += 1);
                }
                // Nobody is left who could hang up.
                Err(_) => life.parts.hangups = watch::channel(0).1,
            },
            () = tokio::time::sleep(sleep) => life.apply(Event::Tick),
        }
    }
    life.end().await;
    Ok(())
}

impl Life {
    fn sleep(&self) -> Duration {
        let now = Timestamp::now();
        let wake = self.state.wake(now).and_then(|at| at.duration_since(now).try_into().ok());
        wake.map_or(LONGEST_SLEEP, |sleep: Duration| sleep.min(LONGEST_SLEEP))
    }

    fn tell(&self, told: Told) {
        (self.parts.tell)(told);
    }

    fn found(&mut self, found: Found) -> Result<(), JobError> {
        match found {
            Found::Listed { context, fleet } => {
                if std::mem::take(&mut self.lost) {
                    self.tell(Told::DockerFound);
                }
                let event = discover::event(&fleet);
                let seen = (fleet.plans.len(), fleet.unprotected.len());
                if self.seen.replace(seen) != Some(seen) {
                    self.tell(Told::Found { sources: seen.0, unprotected: seen.1 });
                }
                self.context = Some(context);
                self.plans = discover::plans(*fleet);
                self.apply(event);
            }
            // An address that is none will not become one.
            Found::Lost(error) if error.kind() == ErrorKind::Usage => return Err(error),
            Found::Lost(error) => {
                if !std::mem::replace(&mut self.lost, true) {
                    self.tell(Told::DockerLost(error));
                }
                self.apply(Event::DockerLost);
            }
        }
        Ok(())
    }

    fn apply(&mut self, event: Event) {
        for effect in self.state.apply(event, Timestamp::now()) {
            match effect {
                Effect::Start { source, trigger, .. } => self.start(source, trigger),
                Effect::Cancel { source } => {
                    if let Some(run) = self.runs.get(&source) {
                        run.stopper.stop();
                    }
                }
                Effect::Explain { source, due_at, why, .. } => {
                    self.tell(Told::Explained { source, due_at, why });
                }
                Effect::Seen { .. } => {}
                Effect::Raise { alarm, message } => self.tell(Told::Raised { alarm, message }),
                Effect::Clear { alarm } => self.tell(Told::Cleared(alarm)),
            }
        }
    }

    fn start(&mut self, source: Slug, trigger: Trigger) {
        let context = self.context.clone().expect("nothing begins before a list has come");
        let plan = self.plans.get(&source).expect("what begins was in the newest list").clone();
        self.tell(Told::Began { source: source.clone(), trigger });
        let (stopper, stop) = Stop::new();
        let context = Context { stop, ..context };
        let task = self.tasks.spawn(async move { backup::run(&context, &plan, trigger).await });
        self.runs.insert(source, Run { stopper, task: task.id() });
    }

    fn ended(&mut self, ended: Result<(tokio::task::Id, Report), tokio::task::JoinError>) {
        let (id, report) = match ended {
            Ok((id, report)) => (id, Some(report)),
            Err(error) => (error.id(), None),
        };
        let source =
            self.runs.iter().find(|(_, run)| run.task == id).map(|(source, _)| source.clone());
        let source = source.expect("every task is a run that is known");
        self.runs.remove(&source);
        // A run catches its own panics; one that was not caught is a failure like any other.
        let end = report.as_ref().map_or(FAILED, end);
        if let Some(report) = report {
            self.tell(Told::Ended { report: Box::new(report), outcome: end.outcome });
        }
        self.apply(Event::Ended { source, end });
    }

    fn reload(&mut self) {
        match (self.parts.reload)() {
            Ok(reloaded) => {
                self.apply(Event::Configured(reloaded.rhythm.clone()));
                self.tell(Told::Reloaded(reloaded));
            }
            Err(problems) => self.tell(Told::NotReloaded(problems)),
        }
    }

    /// Lets what runs end within the grace period, then ends it in the containers.
    async fn end(&mut self) {
        self.apply(Event::Stopping);
        self.tell(Told::Stopping { running: self.runs.len() });
        let grace = tokio::time::sleep(self.parts.grace);
        tokio::pin!(grace);
        let mut patient = true;
        while !self.tasks.is_empty() {
            tokio::select! {
                Some(ended) = self.tasks.join_next_with_id() => self.ended(ended),
                () = &mut grace, if patient => {
                    patient = false;
                    for run in self.runs.values() {
                        run.stopper.stop();
                    }
                }
            }
        }
    }
}

const FAILED: End = End { outcome: Outcome::Failed, retry: false, stored_bytes: 0 };

/// What the state has to know of a run's end.
fn end(report: &Report) -> End {
    let stored_bytes = report.archives.iter().map(|manifest| manifest.stored.bytes).sum();
    let errors = || report.failures.iter().map(|(_, error)| error);
    let outcome = match () {
        () if report.failures.is_empty() => Outcome::Succeeded,
        () if errors().any(|error| error.kind() == ErrorKind::Interrupted) => Outcome::Cancelled,
        () => Outcome::Failed,
    };
    End { outcome, retry: errors().any(JobError::retry), stored_bytes }
}
