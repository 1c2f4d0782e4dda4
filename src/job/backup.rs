//! Backup: one run of one source, one archive for each part.

mod prove;
mod report;

use jiff::Timestamp;
use tokio::time::Instant;

use prove::Pending;
pub use report::Report;

use super::drill::{self, Listener, Live};
use super::echo;
use super::hold;
use super::hook;
use super::session::{self, Session};
use super::{Context, Event, JobError, advised, blocking, now, random};
use crate::archive::{self, AccessRecord, Address, Manifest, Sealed, Staging, WorkloadRecord};
use crate::engine::{Access, Dump, Globals, Scope};
use crate::model::{ArchiveId, DatabaseName, Databases, Level, Part, Plan, Trigger};
use crate::pipeline::{Chain, Identities, Line, Recipients};
use crate::transport::{Exited, Input, Limits, Process, TransportError};

/// A run's fixed values.
struct Run<'a> {
    context: &'a Context,
    plan: &'a Plan,
    trigger: Trigger,
    recipients: Recipients,
    /// By which the archives of this run can be read back.
    identities: Identities,
    session: Session,
    tool_version: String,
    limits: Limits,
    host: Option<String>,
    /// Where what is dumped is restored at once.
    live: Option<Live>,
}

/// Backs one source up. One part's failure does not stop the others; a panic stays in this run.
pub async fn run(context: &Context, plan: &Plan, trigger: Trigger) -> Report {
    let own = (context.clone(), plan.clone());
    let task = tokio::spawn(async move { Box::pin(parts(&own.0, &own.1, trigger)).await });
    let mut report = match task.await {
        Ok(report) => report,
        Err(panic) => {
            let mut report = Report::new(plan);
            report.failures.push((None, JobError::Panicked(panic.to_string())));
            report.failures.extend(hold::release(context, plan).await.err().map(|e| (None, e)));
            let abandoned = context.docker.abandon(plan.source.as_str()).await;
            report.failures.extend(abandoned.err().map(|error| (None, error.into())));
            report
        }
    };
    if let Err(error) = hook::after(context, plan, &report).await {
        report.failures.push((None, error));
    }
    report
}

async fn parts(context: &Context, plan: &Plan, trigger: Trigger) -> Report {
    let mut report = Report::new(plan);
    let (mut run, databases) = match begin(context, plan, trigger).await {
        Ok(begun) => begun,
        Err(error) => {
            report.failures.push((None, error));
            return report;
        }
    };
    if plan.verify == Level::Drill {
        match run.begin_drill().await {
            Ok(live) => run.live = Some(live),
            Err(error) => report.undrilled.push((None, error)),
        }
    }
    let held = match hook::before(context, plan, &run.limits).await {
        Ok(()) => hold::hold(context, plan, &run.limits).await,
        Err(error) => Err(error),
    };
    match held {
        Ok(held) => {
            let drills = run.record_all(&mut report, databases).await;
            if let Some(held) = held
                && let Err(error) = held.release(context).await
            {
                report.failures.push((None, error));
            }
            for drill in drills {
                run.judge(&mut report, drill).await;
            }
        }
        Err(error) => report.failures.push((None, error)),
    }
    if let Some(live) = run.live.take()
        && let Err(error) = live.end().await
    {
        report.failures.push((None, error));
    }
    report
}

/// Sweeps, asks the server who it is, and finds out which parts there are.
async fn begin<'a>(
    context: &'a Context,
    plan: &'a Plan,
    trigger: Trigger,
) -> Result<(Run<'a>, Vec<DatabaseName>), JobError> {
    let left = hold::release_left(context).await;
    if !left.is_empty() {
        (context.watcher)(&Event::HeldReleased(left));
    }
    let recipients = context.recipients(plan)?;
    let (recipients, identities) = match plan.verify {
        Level::Stored => (recipients, Identities::default()),
        Level::Deep | Level::Drill => recipients.for_the_moment(),
    };
    context.check_signing()?;
    let deadline = plan.timeout.map(|timeout| Instant::now() + timeout);
    let limits = Limits { stall: Some(plan.stall), deadline, stop: context.stop.clone() };
    let store = context.store(plan);
    let removed = blocking(move || archive::sweep(store.as_ref())).await?;
    if !removed.is_empty() {
        (context.watcher)(&Event::LeftoversSwept { removed });
    }
    let engine = context.engine(plan.engine)?;
    let session =
        session::open(context, &plan.workload, engine, &Access::of(plan), &limits).await?;
    let tool_version = session.tool()?;
    echo::try_out(plan.digest_at, &session, &plan.workload.name).await?;
    let host = context.docker.host_name().await;
    let live = None;
    let run = Run {
        context,
        plan,
        trigger,
        recipients,
        identities,
        session,
        tool_version,
        limits,
        host,
        live,
    };
    let databases = run.session.databases(&Access::of(plan), &plan.databases);
    if plan.databases == Databases::All && databases.is_empty() {
        return Err(JobError::NoDatabases);
    }
    Ok((run, databases))
}

/// The databases that the plan names and the server does not have.
fn missing<'a>(run: &'a Run<'_>) -> impl Iterator<Item = (Part, JobError)> + 'a {
    let named = match &run.plan.databases {
        Databases::All => &[][..],
        Databases::Named(names) => names,
    };
    let found: Vec<_> =
        run.session.server.databases.iter().map(|found| found.name.clone()).collect();
    named.iter().filter(|name| !run.session.server.databases.iter().any(|d| d.name == **name)).map(
        move |name| {
            let error = JobError::NoDatabase { name: name.clone(), found: found.clone() };
            (Part::Database(name.clone()), error)
        },
    )
}

impl Run<'_> {
    async fn begin_drill(&self) -> Result<Live, JobError> {
        let reaped = drill::reap(self.context).await?;
        (self.context.watcher)(&Event::DrillsReaped(Ok(reaped)));
        Live::begin(self.context, self.plan, &self.session, &self.limits).await
    }

    /// Backs every part up. What is returned is to be judged when the container goes on: nobody holds it
    /// for a drill.
    async fn record_all<'a>(
        &'a self,
        report: &mut Report,
        databases: Vec<DatabaseName>,
    ) -> Vec<Pending<'a>> {
        let mut drills = Vec::new();
        for name in databases {
            let drill = self.record(report, Part::Database(name)).await;
            match drill {
                Some(drill) if self.plan.hold.is_none() => self.judge(report, drill).await,
                later => drills.extend(later),
            }
        }
        // Globals come last, so that they hold every role the databases name. Without a database
        // beside them they would only look like a backup.
        if !report.archives.is_empty() && self.session.engine.globals().is_some() {
            self.record(report, Part::Globals).await;
        }
        report.failures.extend(missing(self).map(|(part, error)| (Some(part), error)));
        drills
    }

    /// Backs one part up and writes down what came of it. Once we are asked to stop, nothing begins.
    async fn record<'a>(&'a self, report: &mut Report, part: Part) -> Option<Pending<'a>> {
        if let Some(limit) = self.limits.reached() {
            report.failures.push((Some(part), JobError::Stopped(limit)));
            return None;
        }
        let mut listener = match (&self.live, part.database()) {
            (Some(live), Some(name)) => match live.listen(self.plan, &self.session, name).await {
                Ok(listener) => Some(listener),
                Err(error) => {
                    report.undrilled.push((Some(part.clone()), error));
                    None
                }
            },
            _ => None,
        };
        match self.part(&part, listener.as_mut()).await {
            Ok(manifest) => {
                report.archives.push(manifest.clone());
                self.prove(report, manifest, listener).await
            }
            Err(error) => {
                if let Some(listener) = listener {
                    listener.leave(self.plan).await;
                }
                let source = self.plan.source.clone();
                (self.context.watcher)(&Event::DumpFailed { source, part: part.clone() });
                report.failures.push((Some(part), error));
                None
            }
        }
    }

    /// One archive, from the first byte to its manifest.
    async fn part(
        &self,
        part: &Part,
        mut listener: Option<&mut Listener<'_>>,
    ) -> Result<Manifest, JobError> {
        let Self { context, plan, session: Session { engine, .. }, .. } = self;
        let started = now();
        let id = ArchiveId::new(started, random());
        let address = Address { source: plan.source.clone(), part: part.clone(), id };
        let snapshot = listener.as_ref().and_then(|listener| listener.snapshot());
        let scope = Scope { format: plan.format, patterns: &plan.patterns, snapshot };
        let dump = engine.dump(&Access::of(plan), part, &scope, &self.session.server);
        let extension = match part {
            Part::Globals => engine.globals().map_or("dump", Globals::extension),
            Part::Database(_) => {
                let format = engine.card().formats.iter().find(|f| f.name == plan.format);
                format.map_or("dump", |format| format.extension)
            }
        };
        let (source, part) = (plan.source.clone(), part.clone());
        let expected = self.properties(&part).map_or(0, |database| database.bytes);
        (context.watcher)(&Event::DumpStarted { source, part: part.clone(), expected });

        let (store, codec, to) = (context.store(plan), plan.codec, address.clone());
        let recipients = self.recipients.clone();
        let (staging, upload) =
            blocking(move || Staging::open(store, to, extension, codec, &recipients)).await?;
        let payload = staging.payload().to_owned();
        let validator = engine.validator(&part, plan.format);
        let chain = Chain::new(validator, codec, &self.recipients, upload)?;
        let sealed = self.stream(&dump, staging, chain, listener.as_deref_mut()).await?;
        let mut manifest = self.manifest(&address, payload, started, dump, &sealed);
        if let Some(listener) = listener {
            manifest.census = listener.census(&sealed.facts, plan).await;
        }
        let (stored, plain) = (sealed.stored, sealed.plain);
        let signing = context.signing.clone();
        let published = blocking(move || sealed.publish(manifest, &signing)).await?;
        let Address { source, id, .. } = address;
        (context.watcher)(&Event::ArchivePublished { source, part, id, plain, stored });
        Ok(published.manifest)
    }

    /// Runs the dump through the chain. On the way out, whatever failed first is the error, and
    /// neither a process nor a file stays behind.
    async fn stream(
        &self,
        dump: &Dump,
        staging: Staging,
        chain: Chain,
        listener: Option<&mut Listener<'_>>,
    ) -> Result<Sealed, JobError> {
        let line = Line::start(chain);
        let (at, session) = (self.plan.digest_at, &self.session);
        let command = echo::wrap(at, session, &dump.command);
        let mut process = match session.transport.start(&command, Input::Closed).await {
            Ok(process) => process,
            Err(error) => {
                line.abort().await;
                return Err(error.into());
            }
        };
        let exited = match self.pump(&mut process, &line, listener).await {
            Ok(()) => process.finish().await.and_then(Exited::success),
            Err(broken) => {
                let ended = process.abort().await;
                let chain = line.abort().await.map(JobError::from);
                let silent = || JobError::Panicked("the chain ended without a word".to_owned());
                return Err(left_behind(broken.or(chain).unwrap_or_else(silent), ended));
            }
        };
        match exited {
            // A command that failed is the reason why its dump is not whole: it is told first.
            Err(error) => {
                line.abort().await;
                Err(advised(self.session.engine, error))
            }
            Ok(mut exited) => {
                let finished = line.finish().await?;
                echo::compare(at, &mut exited, finished.plain().sha256)?;
                Ok(staging.seal(finished, exited)?)
            }
        }
    }

    /// Moves bytes until the stream ends. `Err(None)`: the chain failed and knows why.
    async fn pump(
        &self,
        process: &mut Process,
        line: &Line,
        mut listener: Option<&mut Listener<'_>>,
    ) -> Result<(), Option<JobError>> {
        while let Some(piece) = process.next().await {
            let piece = piece.map_err(|error| Some(error.into()))?;
            let bytes = piece.len() as u64;
            if let Some(listener) = &mut listener {
                listener.hear(&piece).await;
            }
            match self.limits.within(line.send(piece)).await {
                Ok(true) => (self.context.watcher)(&Event::DumpAdvanced { bytes }),
                Ok(false) => return Err(None),
                Err(limit) => return Err(Some(process.limit(limit).into())),
            }
        }
        Ok(())
    }

    fn properties(&self, part: &Part) -> Option<&crate::model::Database> {
        let name = part.database()?;
        self.session.server.databases.iter().find(|database| database.name == *name)
    }

    fn manifest(
        &self,
        address: &Address,
        payload: String,
        started_at: Timestamp,
        dump: Dump,
        sealed: &Sealed,
    ) -> Manifest {
        let plan = self.plan;
        let mut warnings = self.session.server.notes.clone();
        warnings.extend(dump.warnings);
        warnings.extend(sealed.said.lines().map(str::to_owned));
        Manifest {
            version: 1,
            id: address.id.clone(),
            source: address.source.clone(),
            part: address.part.clone(),
            engine: plan.engine.to_owned(),
            format: plan.format.to_owned(),
            workload: WorkloadRecord {
                host: self.host.clone(),
                container: plan.workload.name.clone(),
                container_id: plan.workload.id.clone(),
                image: plan.workload.image.clone(),
                image_digest: plan.workload.image_digest.clone(),
            },
            access: AccessRecord {
                user: plan.user.clone(),
                password: plan.password.as_ref().map(ToString::to_string),
            },
            server_version: self.session.server.version.clone(),
            server_major: self.session.server.major,
            tool_version: self.tool_version.clone(),
            command: dump.command.argv,
            started_at,
            finished_at: now(),
            trigger: self.trigger.to_string(),
            codec: plan.codec,
            plain: sealed.plain,
            compressed: sealed.compressed,
            stored: sealed.stored,
            digest_at: plan.digest_at,
            recipients: self.recipients.fingerprints(),
            payload,
            signer: self.context.signing.signer(),
            facts: sealed.facts.clone(),
            census: None,
            database: self.properties(&address.part).cloned(),
            warnings,
            labels: plan.labels.clone(),
            ringbolt: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

fn left_behind(cause: JobError, ended: Result<(), TransportError>) -> JobError {
    match ended {
        Ok(()) => cause,
        Err(source) => JobError::LeftBehind { cause: Box::new(cause), source },
    }
}
