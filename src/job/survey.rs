//! Survey: everything a backup would do, tried without doing it. What `--dry-run` shows.

use super::session::{self, Session};
use super::{Context, JobError};
use crate::labels::{self, Fleet};
use crate::model::{Databases, Plan, Server};
use crate::pipeline::{PipelineError, Recipients};
use crate::store::Probe;
use crate::transport::Limits;

/// What is known of one source after asking its server.
#[derive(Debug)]
pub struct Finding {
    pub plan: Plan,
    pub asked: Result<Answer, JobError>,
}

/// What a server and its tools said.
#[derive(Debug)]
pub struct Answer {
    pub server: Server,
    pub tool_version: String,
}

/// Lists and resolves every labelled workload.
///
/// # Errors
/// [`JobError::Docker`] if they cannot be listed.
pub async fn fleet(context: &Context) -> Result<Fleet, JobError> {
    let workloads = context.docker.workloads(context.prefix.as_str()).await?;
    Ok(labels::resolve(&context.prefix, workloads))
}

/// Connects to a source's server as a backup would, and changes nothing.
pub async fn ask(context: &Context, plan: Plan) -> Finding {
    let asked = answer(context, &plan).await;
    Finding { plan, asked }
}

async fn answer(context: &Context, plan: &Plan) -> Result<Answer, JobError> {
    Recipients::read(&plan.recipients).map_err(PipelineError::from)?;
    let limits = Limits { stall: Some(plan.stall), deadline: None, stop: context.stop.clone() };
    let Session { server, tool_version, .. } = session::open(context, plan, &limits).await?;
    if let Databases::Named(names) = &plan.databases {
        let found: Vec<_> = server.databases.iter().map(|found| found.name.clone()).collect();
        if let Some(name) = names.iter().find(|name| !found.contains(name)) {
            return Err(JobError::NoDatabase { name: name.clone(), found });
        }
    }
    if plan.databases == Databases::All && server.databases.is_empty() {
        return Err(JobError::NoDatabases);
    }
    Ok(Answer { server, tool_version })
}

/// Finds out whether the store could be written.
///
/// # Errors
/// [`JobError::Store`] if it could not.
pub async fn store(context: &Context) -> Result<Probe, JobError> {
    let store = context.store.clone();
    super::blocking(move || store.probe()).await
}
