//! The live drill: while a dump is written to its archive, the same bytes are restored on a stage.
//!
//! A restore is slower than a dump, and a dump must not wait for it for long. So a drill that falls behind
//! reads the rest from the archive once that is published; nothing is kept beside it in the meantime.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::super::load::Plain;
use super::super::session::Session;
use super::super::{Context, JobError, cat};
use super::Verdict;
use super::stage::{Act, Model, Stage};
use super::witness::Witness;
use crate::archive::Archive;
use crate::engine::{Access, EngineError, Questions, Scope, Sums};
use crate::model::{Census, Database, DatabaseName, Facts, Part, Plan};
use crate::pipeline::{Identities, PipelineError};
use crate::transport::{self, Limit, Limits, Transport};

/// Pieces on their way to the stage: 2 MiB at the most, as on the way to the archive.
const PIECES: usize = 64;
/// What a dump may wait for a drill in any case: a stage takes a moment to begin.
const GRACE: Duration = Duration::from_secs(2);
/// How long a stage may take to make an empty database.
const BEGIN: Duration = Duration::from_mins(1);
/// When so much has come, a dump tool without a snapshot of ours has one of its own.
const BEGUN: u64 = 256 << 10;

/// The drills of one run, on one stage.
pub(in crate::job) struct Live {
    stage: Stage,
    /// To the original.
    transport: Box<dyn Transport>,
    sums: Sums,
    share_percent: u32,
}

/// One dump that is drilled.
pub(in crate::job) struct Listener<'a> {
    live: &'a Live,
    act: Act,
    like: Database,
    loading: JoinHandle<Result<(), JobError>>,
    pieces: mpsc::Sender<Bytes>,
    /// Says that these were all of them.
    whole: oneshot::Sender<()>,
    /// Whether it still hears the dump itself.
    hears: bool,
    heard: u64,
    passed: u64,
    began: Instant,
    waited: Duration,
    witnesses: Witnesses,
}

/// Who saw the original.
struct Witnesses {
    questions: Option<Questions>,
    before: Option<Witness>,
    after: Option<Witness>,
    /// Why nobody can tell what the original had.
    failure: Option<JobError>,
}

impl Live {
    /// Sets a stage up for everything that is dumped of a source.
    ///
    /// # Errors
    /// [`JobError`]: then nothing is drilled, and nothing is left of the stage.
    pub(in crate::job) async fn begin(
        context: &Context,
        plan: &Plan,
        session: &Session,
        limits: &Limits,
    ) -> Result<Self, JobError> {
        let limits = super::limits(context, limits.deadline);
        let wanted = session.server.databases.iter();
        let wanted = wanted.filter(|database| plan.databases.has(&database.name));
        let model = Model {
            source: &plan.source,
            engine: session.engine,
            image: &plan.workload.image_digest,
            like: Some(&plan.workload),
            access: Access::of(plan),
            bytes: wanted.map(|database| database.bytes).max().unwrap_or_default(),
        };
        let transport = context.open(&plan.workload, session.engine.card().place, &limits)?;
        let stage = Stage::set_up(context, &model, &limits).await?;
        if let Err(error) = globals(plan, session, transport.as_ref(), &stage).await {
            stage.remove().await?;
            return Err(error);
        }
        let sums = if plan.checksums { Sums::Contents } else { Sums::Rows };
        let share_percent = u32::from(context.drill.share_percent);
        Ok(Self { stage, transport, sums, share_percent })
    }

    /// Begins to see the original of a dump that is about to begin, and to restore it.
    ///
    /// # Errors
    /// [`JobError`]: then this dump is not drilled.
    pub(in crate::job) async fn listen(
        &self,
        plan: &Plan,
        session: &Session,
        name: &DatabaseName,
    ) -> Result<Listener<'_>, JobError> {
        // A dump waits for a stage that hangs no longer than for one that is slow.
        let listening = timeout(BEGIN, self.begin_to_listen(plan, session, name));
        listening.await.unwrap_or(Err(JobError::Stopped(Limit::Stalled(BEGIN))))
    }

    async fn begin_to_listen(
        &self,
        plan: &Plan,
        session: &Session,
        name: &DatabaseName,
    ) -> Result<Listener<'_>, JobError> {
        let found = session.server.databases.iter().find(|database| database.name == *name);
        let like = found.cloned().unwrap_or_else(|| Database::named(name.clone()));
        let major = session.server.major;
        let questions = session.engine.census(&Access::of(plan), name, self.sums, major);
        let act = self.stage.begin(plan.format, &like).await?;
        let (pieces, receiver) = mpsc::channel(PIECES);
        let (whole, all) = oneshot::channel();
        let whole_dump = async move { all.await.map_err(|_| PipelineError::Aborted.into()) };
        let plain = Plain { pieces: receiver, whole: Box::pin(whole_dump) };
        let before = match &questions {
            Some(questions) => Some(Witness::begin(self.transport.as_ref(), questions).await?),
            None => None,
        };
        let loading = tokio::spawn(self.stage.load(&act, plain));
        Ok(Listener {
            live: self,
            act,
            like,
            loading,
            pieces,
            whole,
            hears: true,
            heard: 0,
            passed: 0,
            began: Instant::now(),
            waited: Duration::ZERO,
            witnesses: Witnesses { questions, before, after: None, failure: None },
        })
    }

    /// Removes the stage.
    ///
    /// # Errors
    /// [`JobError::Docker`] if something of it may be left.
    pub(in crate::job) async fn end(self) -> Result<(), JobError> {
        self.stage.remove().await
    }
}

/// Brings over who owns what is restored.
async fn globals(
    plan: &Plan,
    session: &Session,
    transport: &dyn Transport,
    stage: &Stage,
) -> Result<(), JobError> {
    if session.engine.globals().is_none() {
        return Ok(());
    }
    let scope = Scope { format: plan.format, patterns: &plan.patterns, snapshot: None };
    let dump = session.engine.dump(&Access::of(plan), &Part::Globals, &scope, &session.server);
    let dump = transport::answer(transport, &dump.command).await?;
    let dump =
        String::from_utf8(dump).map_err(|_| EngineError::Globals("it is not UTF-8".to_owned()))?;
    stage.globals(&dump).await
}

impl Listener<'_> {
    /// By which the dump is to see what the witness sees.
    pub(in crate::job) fn snapshot(&self) -> Option<&str> {
        let before = self.witnesses.before.as_ref()?;
        Some(before.snapshot.as_str()).filter(|name| !name.is_empty())
    }

    /// Takes the next piece of the dump, and holds it up for no longer than it may.
    pub(in crate::job) async fn hear(&mut self, piece: &Bytes) {
        self.passed += piece.len() as u64;
        // The tool has begun, so it sees what it is to see.
        if let Some(witness) = &mut self.witnesses.before {
            witness.ask();
        }
        if self.passed >= BEGUN {
            self.see_again().await;
        }
        if !self.hears {
            return;
        }
        self.hears = match self.pieces.try_send(piece.clone()) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Closed(_)) => false,
            Err(mpsc::error::TrySendError::Full(piece)) => self.wait(piece).await,
        };
        if self.hears {
            self.heard = self.passed;
        }
    }

    /// Waits for room, within the share that it may cost. `false`: there was none.
    async fn wait(&mut self, piece: Bytes) -> bool {
        let begin = Instant::now();
        let patience = patience(begin - self.began, self.waited, self.live.share_percent);
        let sent = timeout(patience, self.pieces.send(piece)).await;
        self.waited += begin.elapsed();
        matches!(sent, Ok(Ok(())))
    }

    /// Lets a second witness see the original, where the first cannot share what it sees.
    async fn see_again(&mut self) {
        let shared = self.snapshot().is_some();
        let Witnesses { questions, before, after, failure } = &mut self.witnesses;
        if let (Some(questions), Some(_), None, None, false) =
            (&questions, &before, &after, &failure, shared)
        {
            match Witness::begin(self.live.transport.as_ref(), questions).await {
                Ok(witness) => *after = Some(witness),
                Err(error) => *failure = Some(error),
            }
        }
    }

    /// What the original had at the moment of the dump, once that has ended. `None`: nobody looked, or
    /// nobody can tell; then nothing is proven.
    pub(in crate::job) async fn census(&mut self, facts: &Facts, plan: &Plan) -> Option<Census> {
        self.see_again().await;
        let before = self.witnesses.before.take()?.end().await;
        let after = match self.witnesses.after.take() {
            Some(after) => Some(after.end().await),
            None => None,
        };
        let seen = match (before, after.transpose()) {
            (Ok(before), Ok(None)) => Ok(before),
            (Ok(before), Ok(Some(after))) => Ok(before.settled(&after)),
            (Err(error), _) | (_, Err(error)) => Err(error),
        };
        match seen {
            Ok(seen) if self.witnesses.failure.is_none() => {
                Some(super::within(seen, facts, &plan.patterns))
            }
            Ok(_) => None,
            Err(error) => {
                self.witnesses.failure.get_or_insert(error);
                None
            }
        }
    }

    /// How much of the dump the restore has not heard, and will read from the archive.
    pub(in crate::job) fn unheard(&self) -> u64 {
        self.passed - self.heard
    }

    /// Lets the restore come to its end, with what it has not heard from the archive, and compares.
    pub(in crate::job) async fn judge(self, archive: &Archive, identities: &Identities) -> Verdict {
        let Self { live, act, like, loading, pieces, whole, heard, passed, witnesses, .. } = self;
        let rest = async {
            if heard < passed {
                pass_rest(archive, identities, heard, &pieces).await?;
            }
            whole.send(()).ok();
            drop(pieces);
            Ok(())
        };
        let (rest, loaded) = tokio::join!(rest, loading);
        let loaded = loaded.unwrap_or_else(|error| Err(JobError::Panicked(error.to_string())));
        let judged = async {
            loaded?;
            let census = archive.manifest.census.as_ref().map(|census| (census, live.sums));
            live.stage.compare(&act, &archive.manifest.facts, census).await
        };
        let judged = match rest {
            // Whether it would have restored, nobody knows: it could not be read.
            Err(error) => Err(error),
            Ok(()) => judged.await,
        };
        let verdict = match (Verdict::of(judged, &live.stage).await, witnesses.failure) {
            // It restores what was dumped; whether that is what was there, nobody knows.
            (Verdict::Passed, Some(unseen)) => Verdict::Open(unseen),
            (verdict, _) => verdict,
        };
        // What is left there stands in nobody's way but that of the next database's room.
        live.stage.clear(&act, &archive.manifest.format, &like).await.ok();
        verdict
    }

    /// Gives the dump up: it failed.
    pub(in crate::job) async fn leave(self, plan: &Plan) {
        let Self { live, act, like, loading, pieces, whole, mut witnesses, .. } = self;
        drop((pieces, whole));
        loading.await.ok();
        for witness in [witnesses.before.take(), witnesses.after.take()].into_iter().flatten() {
            witness.end().await.ok();
        }
        live.stage.clear(&act, plan.format, &like).await.ok();
    }
}

/// Reads an archive from where the listener stopped hearing.
async fn pass_rest(
    archive: &Archive,
    identities: &Identities,
    mut heard: u64,
    pieces: &mpsc::Sender<Bytes>,
) -> Result<(), JobError> {
    let mut plain = cat::read(archive.clone(), identities.clone());
    while let Some(piece) = plain.pieces.recv().await {
        let known = usize::try_from(heard).unwrap_or(usize::MAX).min(piece.len());
        heard -= known as u64;
        if known < piece.len() && pieces.send(piece.slice(known..)).await.is_err() {
            // Whoever loads it has given up, and says why.
            return Ok(());
        }
    }
    plain.whole.await
}

/// How long a dump that went on for so long, and has waited for so much of that, may wait now. While it
/// waits, its time goes on, too: of all of it, the share is what counts.
fn patience(elapsed: Duration, waited: Duration, share_percent: u32) -> Duration {
    let allowed = (GRACE + elapsed * (100 - share_percent) / 100).saturating_sub(waited);
    allowed * 100 / share_percent
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_keeps_its_share() {
        let seconds = Duration::from_secs;
        for (elapsed, waited, share, expected) in [
            (0, 0, 100, 2),
            (50, 0, 100, 2),
            (50, 2, 100, 0),
            (50, 9, 100, 0),
            (0, 0, 50, 4),
            (10, 0, 50, 14),
            // 24 s in all, of which 14 s were waited: half of them, and the grace.
            (24, 14, 50, 0),
            (0, 0, 1, 200),
        ] {
            let found = patience(seconds(elapsed), seconds(waited), share);
            assert_eq!(found, seconds(expected), "{elapsed} {waited} {share}");
        }
    }
}
