//! A session with a server: who it is, what it holds, and the transport to it. Where every backup, every
//! survey and every restore begins.

use super::{Context, JobError, advised, now};
use crate::engine::{Access, Engine, Probed, ToolError};
use crate::model::{DatabaseName, Databases, Place, Server, Workload};
use crate::transport::{self, Failure, Limits, Transport, TransportError};

/// A server that answered.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) engine: &'static dyn Engine,
    pub(super) transport: Box<dyn Transport>,
    pub(super) server: Server,
    tool: Result<String, ToolError>,
    workload: Workload,
}

/// Logs in and asks. Nothing is changed. Where the workload has no tool of the engine's own, the
/// engine's other way is taken, if it has one.
pub(super) async fn open(
    context: &Context,
    workload: &Workload,
    engine: &'static dyn Engine,
    access: &Access<'_>,
    limits: &Limits,
) -> Result<Session, JobError> {
    let own = ask(context, workload, engine, access, limits).await;
    let missing = match &own {
        Ok(session) => session.tool.is_err(),
        Err(JobError::Transport(error)) => error.is_missing(),
        Err(_) => false,
    };
    match engine.otherwise() {
        Some(other) if missing => ask(context, workload, other, access, limits).await,
        _ => own,
    }
}

async fn ask(
    context: &Context,
    workload: &Workload,
    engine: &'static dyn Engine,
    access: &Access<'_>,
    limits: &Limits,
) -> Result<Session, JobError> {
    let place = engine.card().place;
    if place == Place::Helper {
        context.docker.sweep_helpers(now()).await?;
    }
    let transport = context.open(workload, place, limits)?;
    let answer = transport::answer(transport.as_ref(), &engine.probe(access)).await;
    let answer = answer.map_err(|error| advised(engine, error))?;
    let Probed { server, tool } = engine.read_probe(&answer)?;
    Ok(Session { engine, transport, server, tool, workload: workload.clone() })
}

impl Session {
    /// The databases that are there of those that are wanted.
    pub(super) fn databases(&self, access: &Access<'_>, wanted: &Databases) -> Vec<DatabaseName> {
        match wanted {
            Databases::All => self.engine.wanted(access, &self.server),
            Databases::Named(names) => {
                let there =
                    |name: &&DatabaseName| self.server.databases.iter().any(|d| d.name == **name);
                names.iter().filter(there).cloned().collect()
            }
        }
    }

    /// The version of the tool that dumps. Without its tool, a dump need not begin: it failed in the
    /// container like any other command.
    pub(super) fn tool(&self) -> Result<String, JobError> {
        let container = self.workload.name.clone();
        match &self.tool {
            Ok(version) => Ok(version.clone()),
            Err(ToolError::Failed { program, code, said }) => {
                let (program, code, stderr) = ((*program).to_owned(), *code, said.clone());
                let image = self.workload.image.clone();
                let failure = Failure { program, container, image, code, stderr };
                Err(TransportError::Failed(Box::new(failure)).into())
            }
            Err(ToolError::NoShell { program }) => Err(JobError::NoShell { program, container }),
        }
    }
}
