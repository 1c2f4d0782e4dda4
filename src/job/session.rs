//! A session with a source's server: who it is, what it holds, and the transport to it. Where every
//! backup and every survey begins.

use super::{Context, JobError, advised, engine_named, random};
use crate::engine::{Access, Engine};
use crate::model::{Plan, Server};
use crate::transport::{self, Limits, Transport};

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
    let server = engine.read_probe(&answer.map_err(|error| advised(engine, error))?)?;
    let tool = transport::answer(transport.as_ref(), &engine.tool_version()).await?;
    let tool_version = String::from_utf8_lossy(&tool).trim().to_owned();
    Ok(Session { engine, transport, server, tool_version })
}
