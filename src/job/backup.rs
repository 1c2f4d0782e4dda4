//! Backup: one run of one source, one archive for each part.

use jiff::Timestamp;
use tokio::time::Instant;

use super::hold;
use super::hook;
use super::session::{self, Session};
use super::{Context, Event, JobError, advised, blocking, now, random, verify};
use crate::archive::{
    self, AccessRecord, Address, Archive, Check, Manifest, Proof, Sealed, Staging, WorkloadRecord,
};
use crate::engine::{Access, Dump, Globals, Scope};
use crate::history::End;
use crate::model::{
    ArchiveId, DatabaseName, Databases, ErrorKind, Explain as _, Level, Outcome, Part, Plan, Slug,
    Trigger, chain,
};
use crate::pipeline::{Chain, Identities, Line, Recipients};
use crate::transport::{Exited, Input, Limits, Process, TransportError};

/// What came out of a run.
#[derive(Debug)]
pub struct Report {
    pub source: Slug,
    pub container: String,
    pub archives: Vec<Manifest>,
    /// What failed; `None` for a failure before the first part.
    pub failures: Vec<(Option<Part>, JobError)>,
}

/// A run's fixed values.
struct Run<'a> {
    context: &'a Context,
    plan: &'a Plan,
    trigger: Trigger,
    recipients: Recipients,
    /// Reads back in this run what it has written.
    witness: Identities,
    session: Session,
    tool_version: String,
    limits: Limits,
    host: Option<String>,
}

/// Backs one source up. One part's failure does not stop the others; a panic stays in this run.
pub async fn run(context: &Context, plan: &Plan, trigger: Trigger) -> Report {
    let own = (context.clone(), plan.clone());
    let task = tokio::spawn(async move { parts(&own.0, &own.1, trigger).await });
    let mut report = match task.await {
        Ok(report) => report,
        Err(panic) => {
            let mut report = Report::new(plan);
            report.failures.push((None, JobError::Panicked(panic.to_string())));
            report.failures.extend(hold::release(context, plan).await.err().map(|e| (None, e)));
            report
        }
    };
    if let Err(error) = hook::after(context, plan, &report).await {
        report.failures.push((None, error));
    }
    report
}

impl Report {
    fn new(plan: &Plan) -> Self {
        let (source, container) = (plan.source.clone(), plan.workload.name.clone());
        Self { source, container, archives: Vec::new(), failures: Vec::new() }
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

    /// What the history remembers of it.
    pub fn end(&self, finished_at: Timestamp) -> End {
        let archives = &self.archives;
        End {
            finished_at,
            outcome: self.outcome(),
            error: self.error(),
            warnings: archives.iter().flat_map(|manifest| manifest.warnings.clone()).collect(),
            archives: u32::try_from(archives.len()).unwrap_or(u32::MAX),
            stored_bytes: self.stored_bytes(),
            plain_bytes: archives.iter().map(|manifest| manifest.plain.bytes).sum(),
        }
    }
}

async fn parts(context: &Context, plan: &Plan, trigger: Trigger) -> Report {
    let mut report = Report::new(plan);
    let (run, databases) = match begin(context, plan, trigger).await {
        Ok(begun) => begun,
        Err(error) => {
            report.failures.push((None, error));
            return report;
        }
    };
    let held = match hook::before(context, plan, &run.limits).await {
        Ok(()) => hold::hold(context, plan, &run.limits).await,
        Err(error) => Err(error),
    };
    match held {
        Ok(held) => {
            run.record_all(&mut report, databases).await;
            if let Some(held) = held
                && let Err(error) = held.release(context).await
            {
                report.failures.push((None, error));
            }
        }
        Err(error) => report.failures.push((None, error)),
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
    let (recipients, witness) = witnessed(context.recipients(plan)?, plan.verify);
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
    let host = context.docker.host_name().await;
    let run =
        Run { context, plan, trigger, recipients, witness, session, tool_version, limits, host };
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
    /// Backs every part up.
    async fn record_all(&self, report: &mut Report, databases: Vec<DatabaseName>) {
        for name in databases {
            self.record(report, Part::Database(name)).await;
        }
        // Globals come last, so that they hold every role the databases name. Without a database
        // beside them they would only look like a backup.
        if !report.archives.is_empty() && self.session.engine.globals().is_some() {
            self.record(report, Part::Globals).await;
        }
        report.failures.extend(missing(self).map(|(part, error)| (Some(part), error)));
    }

    /// Backs one part up and writes down what came of it. Once we are asked to stop, nothing begins.
    async fn record(&self, report: &mut Report, part: Part) {
        if let Some(limit) = self.limits.reached() {
            report.failures.push((Some(part), JobError::Stopped(limit)));
            return;
        }
        match self.part(&part).await {
            Ok(manifest) => {
                report.archives.push(manifest.clone());
                // An archive whose proof cannot be written is there all the same; that the store
                // begins to fail is told, too. One that is not good is there, and marked.
                if let Err(error) = self.prove(manifest).await {
                    report.failures.push((Some(part), error));
                }
            }
            Err(error) => {
                let source = self.plan.source.clone();
                (self.context.watcher)(&Event::DumpFailed { source, part: part.clone() });
                report.failures.push((Some(part), error));
            }
        }
    }

    /// One archive, from the first byte to the proof.
    async fn part(&self, part: &Part) -> Result<Manifest, JobError> {
        let Self { context, plan, session: Session { engine, .. }, .. } = self;
        let started = now();
        let id = ArchiveId::new(started, random());
        let address = Address { source: plan.source.clone(), part: part.clone(), id };
        let scope = Scope { format: plan.format, patterns: &plan.patterns };
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
        let sealed = self.stream(&dump, staging, chain).await?;
        let manifest = self.manifest(&address, payload, started, dump, &sealed);
        let (stored, plain) = (sealed.stored, sealed.plain);
        let published = blocking(move || sealed.publish(manifest)).await?;
        let Address { source, id, .. } = address;
        (context.watcher)(&Event::ArchivePublished { source, part, id, plain, stored });
        Ok(published.manifest)
    }

    /// Proves as much of an archive as the plan wants, and records it. Publishing has read every
    /// stored byte back, so that much is known.
    async fn prove(&self, manifest: Manifest) -> Result<(), JobError> {
        let (store, address) = (self.context.store(self.plan), manifest.address());
        let (check, at) = (Check { level: Level::Stored, at: now(), failure: None }, store.clone());
        let record = move || archive::record(at.as_ref(), &address, Proof::default(), check);
        let proof = blocking(record).await?;
        if self.plan.verify == Level::Stored {
            return Ok(());
        }
        let (rules, archive) = (&self.context.rules, Archive { manifest, proof, store });
        let limits = Limits { stall: None, ..self.limits.clone() };
        let checked = verify::run(rules, &archive, Level::Deep, &self.witness);
        let (_, found) = limits.within(checked).await.map_err(JobError::Stopped)??;
        Ok(found?)
    }

    /// Runs the dump through the chain. On the way out, whatever failed first is the error, and
    /// neither a process nor a file stays behind.
    async fn stream(
        &self,
        dump: &Dump,
        staging: Staging,
        chain: Chain,
    ) -> Result<Sealed, JobError> {
        let line = Line::start(chain);
        let mut process = match self.session.transport.start(&dump.command, Input::Closed).await {
            Ok(process) => process,
            Err(error) => {
                line.abort().await;
                return Err(error.into());
            }
        };
        let exited = match self.pump(&mut process, &line).await {
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
            Ok(exited) => Ok(staging.seal(line.finish().await?, exited)?),
        }
    }

    /// Moves bytes until the stream ends. `Err(None)`: the chain failed and knows why.
    async fn pump(&self, process: &mut Process, line: &Line) -> Result<(), Option<JobError>> {
        while let Some(piece) = process.next().await {
            let piece = piece.map_err(|error| Some(error.into()))?;
            let bytes = piece.len() as u64;
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
            recipients: self.recipients.fingerprints(),
            payload,
            facts: sealed.facts.clone(),
            database: self.properties(&address.part).cloned(),
            warnings,
            labels: plan.labels.clone(),
            ringbolt: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

/// Only what is read back before the run ends needs a witness.
fn witnessed(recipients: Recipients, verify: Level) -> (Recipients, Identities) {
    match verify {
        Level::Stored => (recipients, Identities::default()),
        Level::Deep | Level::Drill => recipients.with_witness(),
    }
}

fn left_behind(cause: JobError, ended: Result<(), TransportError>) -> JobError {
    match ended {
        Ok(()) => cause,
        Err(source) => JobError::LeftBehind { cause: Box::new(cause), source },
    }
}
