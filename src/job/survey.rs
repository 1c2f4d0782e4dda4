//! Survey: everything a backup would do, tried without doing it. What `--dry-run` shows.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::StreamExt as _;
use jiff::Timestamp;

use super::echo;
use super::hold;
use super::session;
use super::{Context, JobError, blocking};
use crate::archive::{Archive, ArchiveError, Catalogue, Standing, catalogue};
use crate::engine::Access;
use crate::labels::{self, Fleet};
use crate::model::{ArchiveId, DatabaseName, Databases, Part, Plan, Server, Slug};
use crate::pipeline::Signing;
use crate::retention::{self, Candidate, Decision, State};
use crate::store::{Probe, Store, Stores};
use crate::transport::Limits;

/// How many servers are asked at once: enough to hide the round trips, few enough for a small host.
const QUESTIONS: usize = 8;

/// What is known of one source after asking its server and its store.
#[derive(Debug)]
pub struct Finding {
    pub plan: Plan,
    pub asked: Result<Answer, JobError>,
    /// The archives of the last run, one for each part.
    pub last: Vec<Archive>,
    /// What retention would delete now, and why.
    pub deletes: Vec<(ArchiveId, String)>,
}

/// What a server and its tools said.
#[derive(Debug)]
pub struct Answer {
    pub server: Server,
    pub tool_version: String,
    /// Those that would be in a backup.
    pub databases: Vec<DatabaseName>,
}

/// What is known of a store after trying it.
#[derive(Debug)]
pub struct StoreFinding {
    pub store: Arc<dyn Store>,
    pub probed: Result<Probe, JobError>,
    /// `None`: nothing is there yet, or it could not be read (then the probe says so).
    pub catalogue: Option<Catalogue>,
}

/// Lists and resolves every labelled workload.
///
/// # Errors
/// [`JobError::Docker`] if they cannot be listed.
pub async fn fleet(context: &Context) -> Result<Fleet, JobError> {
    let rules = &context.rules;
    let before = hold::marks(&context.held);
    let mut workloads =
        context.docker.workloads(rules.prefix.as_str(), &rules.containers()).await?;
    // What a run holds will go on; it is not missed meanwhile.
    let after = hold::marks(&context.held);
    for workload in &mut workloads {
        workload.running |= before.contains(&workload.id) || after.contains(&workload.id);
    }
    Ok(labels::resolve(rules, workloads))
}

/// Connects to every source's server as a backup would, and changes nothing. The answers come in the
/// order of the plans.
pub async fn ask(
    context: &Context,
    plans: Vec<Plan>,
    stores: &[StoreFinding],
    now: Timestamp,
) -> Vec<Finding> {
    let questions = plans.into_iter().enumerate().map(|(number, plan)| async move {
        let asked = answer(context, &plan).await;
        let kept = stores.iter().find(|found| *found.store.name() == plan.store);
        let archives = kept.and_then(|found| found.catalogue.as_ref()).map(|c| &c.archives[..]);
        let own = series(archives.unwrap_or_default(), &plan.source);
        let last = own.values().filter_map(|newest| newest.first()).map(|a| (*a).clone());
        let deletes = own.values().flat_map(|archives| deletes(&plan, archives, now));
        (number, Finding { last: last.collect(), deletes: deletes.collect(), asked, plan })
    });
    // Unordered, so that a server that hangs holds up one place and not, by its turn, all of them.
    let questions = futures_util::stream::iter(questions).buffer_unordered(QUESTIONS);
    let mut found: Vec<(usize, Finding)> = questions.collect().await;
    found.sort_by_key(|(number, _)| *number);
    found.into_iter().map(|(_, finding)| finding).collect()
}

async fn answer(context: &Context, plan: &Plan) -> Result<Answer, JobError> {
    context.recipients(plan)?;
    context.check_signing()?;
    let limits = Limits { stall: Some(plan.stall), deadline: None, stop: context.stop.clone() };
    let engine = context.engine(plan.engine)?;
    let session =
        session::open(context, &plan.workload, engine, &Access::of(plan), &limits).await?;
    let tool_version = session.tool()?;
    echo::try_out(plan.digest_at, &session, &plan.workload.name).await?;
    let databases = session.databases(&Access::of(plan), &plan.databases);
    let server = session.server;
    let found: Vec<_> = server.databases.iter().map(|found| found.name.clone()).collect();
    let wanted = match &plan.databases {
        Databases::All => &databases,
        Databases::Named(names) => names,
    };
    if let Some(name) = wanted.iter().find(|name| !found.contains(name)) {
        return Err(JobError::NoDatabase { name: name.clone(), found });
    }
    if databases.is_empty() {
        return Err(JobError::NoDatabases);
    }
    Ok(Answer { server, tool_version, databases })
}

/// Finds out of every store whether it could be written, and what it holds.
pub async fn stores(stores: &Stores, signing: &Signing) -> Vec<StoreFinding> {
    let mut findings = Vec::new();
    for store in stores.values() {
        let (own, signing) = (store.clone(), signing.clone());
        let tried = blocking(move || -> Result<_, ArchiveError> {
            let probe = own.probe()?;
            let read = if own.is_new() { None } else { Some(catalogue(&own, &signing)?) };
            Ok((probe, read))
        });
        let (probed, catalogue) = match tried.await {
            Ok((probe, catalogue)) => (Ok(probe), catalogue),
            Err(error) => (Err(error), None),
        };
        findings.push(StoreFinding { store: store.clone(), probed, catalogue });
    }
    findings
}

/// A source's archives by part, the newest first.
fn series<'a>(archives: &'a [Archive], source: &Slug) -> BTreeMap<Part, Vec<&'a Archive>> {
    let mut found: BTreeMap<Part, Vec<&Archive>> = BTreeMap::new();
    for archive in archives.iter().filter(|archive| archive.manifest.source == *source) {
        found.entry(archive.manifest.part.clone()).or_default().push(archive);
    }
    found
}

/// What retention would delete of one series, and why.
fn deletes(
    plan: &Plan,
    archives: &[&Archive],
    now: Timestamp,
) -> impl Iterator<Item = (ArchiveId, String)> {
    let candidate = |archive: &&Archive| Candidate {
        id: archive.manifest.id.clone(),
        started_at: archive.manifest.started_at,
        state: match archive.proof.standing() {
            Standing::Broken => State::Broken,
            Standing::Unproven => State::Unproven,
            Standing::Proven(_) => State::Proven,
        },
    };
    let candidates: Vec<Candidate> = archives.iter().map(candidate).collect();
    let verdicts = retention::plan(&candidates, &plan.keep, &plan.zone, now);
    verdicts.into_iter().filter_map(|verdict| match verdict.decision {
        Decision::Delete(reason) => Some((verdict.id, reason.to_string())),
        Decision::Keep(_) => None,
    })
}
