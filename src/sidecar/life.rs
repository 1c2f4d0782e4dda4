//! Life: hears what happens, asks the state what follows, and does it. Every task is in a set that
//! ends with this one; every channel has a bound.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::book::{Book, BookError, Remembered};
use super::discover::{self, Found};
use super::round::{Heard, Rounds, Work};
use super::state::State;
use super::words::{Effect, End, Event, Rhythm, Verification};
use crate::history::{Alarm, Checked, HistoryError, NewRun, RunId};
use crate::job::backup::{self, Report};
use crate::job::{Context, JobError};
use crate::model::{ErrorKind, Explain, Finding, Plan, Problem, Slug, Trigger};
use crate::store::Stores;
use crate::transport::{Stop, Stopper};

/// The clock is looked at this often, whatever is due: it may jump.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// How long it may take to end what was not ended within the grace period.
const LONGEST_END: Duration = Duration::from_secs(30);

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
    /// Where the history is, and how long it remembers a run.
    pub data_dir: PathBuf,
    pub keep: Duration,
    pub stores: Stores,
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
    Found {
        sources: usize,
        unprotected: usize,
    },
    /// The history could not be read, lies there now, and has begun anew.
    HistoryAside(PathBuf),
    HistoryFailed(HistoryError),
    /// Archives that the history, made anew, cannot tell of.
    ArchivesUnread(JobError),
    /// A run was cut off when the sidecar was killed.
    Interrupted(Slug),
    DockerLost(JobError),
    DockerFound,
    Began {
        source: Slug,
        trigger: Trigger,
    },
    Ended(Box<Report>),
    Explained {
        source: Slug,
        due_at: Timestamp,
        why: &'static str,
    },
    /// Rolling verification looked at an archive.
    Checked(Checked),
    /// It made room for a backup, and goes on later.
    VerifyingPaused {
        left: usize,
    },
    VerifyingFailed(JobError),
    Raised {
        alarm: Alarm,
        message: String,
    },
    Cleared(Alarm),
    Reloaded(Reloaded),
    NotReloaded(Vec<Problem>),
    Stopping {
        running: usize,
    },
}

/// Why the sidecar cannot live.
#[derive(Debug, thiserror::Error)]
pub enum LifeError {
    #[error(transparent)]
    Job(#[from] JobError),
    #[error(transparent)]
    Book(#[from] BookError),
}

impl Explain for LifeError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Job(error) => error.kind(),
            Self::Book(error) => error.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Job(error) => error.hint(),
            Self::Book(error) => error.hint(),
        }
    }
}

/// A run that goes on.
struct Run {
    /// Its line in the history, if that could be written.
    line: Option<RunId>,
    container: String,
    stopper: Stopper,
    task: tokio::task::Id,
}

struct Life {
    parts: Parts,
    state: State,
    book: Book,
    /// The newest connection and plans.
    context: Option<Context>,
    plans: BTreeMap<Slug, Plan>,
    runs: BTreeMap<Slug, Run>,
    tasks: JoinSet<Report>,
    rounds: Rounds,
    lost: bool,
    seen: Option<(usize, usize)>,
}

/// Lives until it is asked to stop, and everything that ran has ended.
///
/// # Errors
/// [`LifeError`] if the history has no place, or Docker's address can never be right.
pub async fn live(parts: Parts) -> Result<(), LifeError> {
    let opened = Book::open(&parts.data_dir, parts.keep, &parts.stores, Timestamp::now());
    let (book, Remembered { memory, alarms, round, interrupted, aside, unread }) = opened?;
    let aside = aside.into_iter().map(Told::HistoryAside);
    let unread = unread.into_iter().map(|error| Told::ArchivesUnread(error.into()));
    for told in aside.chain(unread).chain(interrupted.into_iter().map(Told::Interrupted)) {
        (parts.tell)(told);
    }
    let state = State::new(parts.rhythm.clone(), memory, alarms, round);
    // One list is worth more than many: the newest waits, no others.
    let (sender, mut found) = mpsc::channel(1);
    let (again, changed) = watch::channel(0);
    let mut discovery = JoinSet::new();
    discovery.spawn(discover::discover(parts.connect.clone(), sender, changed));
    let mut life = Life {
        parts,
        state,
        book,
        context: None,
        plans: BTreeMap::new(),
        runs: BTreeMap::new(),
        tasks: JoinSet::new(),
        rounds: Rounds::new(),
        lost: false,
        seen: None,
    };
    let stop = life.parts.stop.clone();
    loop {
        let sleep = life.sleep();
        tokio::select! {
            () = stop.wait() => break,
            Some(found) = found.recv() => if let Err(error) = life.found(found) {
                life.end().await;
                return Err(error.into());
            },
            // Without discovery, the newest list would be the last.
            Some(ended) = discovery.join_next() => {
                life.end().await;
                let said = ended.err().map_or("it ended".to_owned(), |error| error.to_string());
                return Err(JobError::Panicked(format!("discovery: {said}")).into());
            }
            Some(ended) = life.tasks.join_next_with_id(), if !life.tasks.is_empty() => life.ended(ended),
            heard = life.rounds.next(), if life.rounds.is_running() => life.heard(heard),
            changed = life.parts.hangups.changed() => match changed {
                Ok(()) => {
                    life.reload();
                    again.send_modify(|times| *times += 1);
                }
                // Nobody is left who could hang up.
                Err(_) => life.parts.hangups = watch::channel(0).1,
            },
            () = tokio::time::sleep(sleep) => {
                life.apply(Event::Tick);
                let tended = life.book.tend(Timestamp::now());
                life.note(tended);
            }
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
                // Somebody may have made a backup by hand.
                if let Some(successes) = self.note(self.book.successes()) {
                    self.apply(Event::Known { successes });
                }
                // The state and the plans change together: what begins has a plan.
                self.context = Some(*context);
                self.plans = discover::plans(*fleet);
                self.apply(event);
            }
            // An address that is none will not become one. What was right once may be so again: a
            // certificate is being renewed.
            Found::Lost(error) if error.kind() == ErrorKind::Usage && self.context.is_none() => {
                return Err(error);
            }
            Found::Lost(error) => {
                if !std::mem::replace(&mut self.lost, true) {
                    self.tell(Told::DockerLost(error));
                }
                self.apply(Event::DockerLost);
            }
        }
        Ok(())
    }

    /// What cannot be written to the history stops nothing: it is a cache. But it is told.
    fn note<T>(&self, written: Result<T, HistoryError>) -> Option<T> {
        written.map_err(|error| self.tell(Told::HistoryFailed(error))).ok()
    }

    fn apply(&mut self, event: Event) {
        let now = Timestamp::now();
        for effect in self.state.apply(event, now) {
            match effect {
                Effect::Start { source, trigger, schedule, due_at } => {
                    let (own, started_at) = (source.clone(), now);
                    let run = NewRun { source: own, schedule, trigger, due_at, started_at };
                    let line = self.note(self.book.history.begin(&run));
                    self.start(source, trigger, line);
                }
                Effect::Cancel { source } => {
                    if let Some(run) = self.runs.get(&source) {
                        run.stopper.stop();
                    }
                }
                Effect::Verify { what, settings } => {
                    if let Verification::Round { due_at } = what {
                        self.note(self.book.history.begin_round(due_at));
                    }
                    let context =
                        self.context.clone().expect("nothing begins before a list has come");
                    let tried = self.note(self.book.history.looked_at()).unwrap_or_default();
                    self.rounds.begin(Work { context, what, settings, tried });
                }
                Effect::StopVerifying => self.rounds.stop(),
                Effect::Explain { source, schedule, due_at, why } => {
                    self.note(self.book.history.explain(&source, schedule.as_ref(), due_at, why));
                    self.tell(Told::Explained { source, due_at, why });
                }
                Effect::Seen { source } => drop(self.note(self.book.history.seen(&source, now))),
                Effect::Raise { alarm, message } => {
                    self.note(self.book.history.raise(&alarm, now, &message));
                    self.tell(Told::Raised { alarm, message });
                }
                Effect::Clear { alarm } => {
                    self.note(self.book.history.clear(&alarm, now));
                    self.tell(Told::Cleared(alarm));
                }
            }
        }
    }

    fn start(&mut self, source: Slug, trigger: Trigger, line: Option<RunId>) {
        let context = self.context.clone().expect("nothing begins before a list has come");
        let plan = self.plans.get(&source).expect("what begins was in the newest list").clone();
        self.tell(Told::Began { source: source.clone(), trigger });
        let (stopper, stop) = Stop::new();
        let container = plan.workload.name.clone();
        let context = Context { stop, ..context };
        let task = self.tasks.spawn(async move { backup::run(&context, &plan, trigger).await });
        self.runs.insert(source, Run { line, container, stopper, task: task.id() });
    }

    fn ended(&mut self, ended: Result<(tokio::task::Id, Report), tokio::task::JoinError>) {
        let id = ended.as_ref().map_or_else(tokio::task::JoinError::id, |(id, _)| *id);
        let source =
            self.runs.iter().find(|(_, run)| run.task == id).map(|(source, _)| source.clone());
        let source = source.expect("every task is a run that is known");
        let run = self.runs.remove(&source).expect("it was found just now");
        // A run catches its own panics; one that was not caught is a failure like any other.
        let report = match ended {
            Ok((_, report)) => report,
            Err(panic) => Report {
                source: source.clone(),
                container: run.container,
                archives: Vec::new(),
                failures: vec![(None, JobError::Panicked(panic.to_string()))],
                undrilled: Vec::new(),
            },
        };
        if let Some(line) = run.line {
            self.note(self.book.history.end(line, &report.end(Timestamp::now())));
        }
        let end = end(&report);
        self.tell(Told::Ended(Box::new(report)));
        self.apply(Event::Ended { source, end });
    }

    /// What verification tells.
    fn heard(&mut self, heard: Heard) {
        match heard {
            Heard::Looked(broken) => self.apply(Event::Looked(broken)),
            Heard::Unread(error) => self.tell(Told::ArchivesUnread(error)),
            Heard::Checked(checked) => {
                self.note(self.book.history.checked(&checked));
                let Checked { source, archive, finding, error, .. } = checked.clone();
                self.tell(Told::Checked(checked));
                if finding == Finding::Broken {
                    let failure = error.unwrap_or_default();
                    self.apply(Event::FoundBroken { source, archive, failure });
                }
            }
            Heard::Ended(ended) => {
                ended.error.into_iter().for_each(|error| self.tell(Told::VerifyingFailed(error)));
                let left = ended.rest.len();
                if left > 0 {
                    self.tell(Told::VerifyingPaused { left });
                }
                self.apply(Event::Verified { rest: left > 0 });
            }
        }
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
        let last = tokio::time::sleep(self.parts.grace + LONGEST_END);
        tokio::pin!(grace, last);
        let mut patient = true;
        while !self.tasks.is_empty() || self.rounds.is_running() {
            tokio::select! {
                Some(ended) = self.tasks.join_next_with_id() => self.ended(ended),
                heard = self.rounds.next(), if self.rounds.is_running() => self.heard(heard),
                // A store that hangs holds nobody up for ever; its leftovers are swept another time.
                () = &mut last => return,
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

/// What the state has to know of a run's end.
fn end(report: &Report) -> End {
    let retry = report.failures.iter().any(|(_, error)| error.retry());
    End { outcome: report.outcome(), retry, stored_bytes: report.stored_bytes() }
}
