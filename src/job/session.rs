//! A session with a source's server: who it is, what it holds, and the transport to it. Where every
//! backup and every survey begins.

use super::{Context, JobError, advised, engine_named, random};
use crate::engine::{Access, Engine, Probed, ToolError};
use crate::model::{Plan, Server};
use crate::transport::{self, Limits, Transport, TransportError};

/// A server that answered.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) engine: &'static dyn Engine,
    pub(super) transport: Box<dyn Transport>,
    pub(super) server: Server,
    pub(super) tool_version: String,
}

/// Logs in as the plan says, and asks. Nothing is changed.
pub(super) async fn open(
    context: &Context,
    plan: &Plan,
    limits: &Limits,
) -> Result<Session, JobError> {
    let engine = engine_named(plan.engine)?;
    let transport =
        transport::open(&context.docker, &plan.workload, &context.secrets, random(), limits)?;
    let probe = engine.probe(&Access::of(plan));
    let answer = transport::answer(transport.as_ref(), &probe).await;
    let answer = answer.map_err(|error| advised(engine, error))?;
    let Probed { server, tool } = engine.read_probe(&answer)?;
    let tool_version = tool.map_err(|error| no_tool(error, &plan.workload.name))?;
    Ok(Session { engine, transport, server, tool_version })
}

/// Without its tool, a dump need not begin. It failed in the container like any other command.
fn no_tool(error: ToolError, container: &str) -> JobError {
    let container = container.to_owned();
    match error {
        ToolError::Failed { program, code, said } => {
            let program = program.to_owned();
            TransportError::Failed { program, container, code, stderr: said }.into()
        }
        ToolError::NoShell { program } => JobError::NoShell { program, container },
    }
}
