//! Hooks: commands of the operator's labels around a backup, run in the container.

use std::time::Duration;

use tokio::time::Instant;

use super::backup::Report;
use super::{Context, JobError};
use crate::model::{Command, Place, Plan, Value};
use crate::transport::{self, Limits, Stop};

/// How long the hook after a backup may take, also when somebody wants us to stop: what the hook
/// before has shut, this one opens again.
const PATIENCE: Duration = Duration::from_mins(2);

/// How much of what failed a hook is told, in characters: the kernel takes no longer variable than 128 KiB.
const LONGEST: usize = 8 * 1024;

/// Runs the hook before a backup, if there is one.
///
/// # Errors
/// [`JobError::Hook`] if it failed: then no backup may begin.
pub(super) async fn before(
    context: &Context,
    plan: &Plan,
    limits: &Limits,
) -> Result<(), JobError> {
    run(context, plan, "before", plan.hooks.before.as_deref(), &[], limits).await
}

/// Runs the hook after a backup, whatever came of it, if there is one. It is told the outcome
/// (`succeeded`, `failed`, `cancelled`), the archives' ids and what failed.
///
/// # Errors
/// [`JobError::Hook`] if it failed.
pub(super) async fn after(context: &Context, plan: &Plan, report: &Report) -> Result<(), JobError> {
    let deadline = Some(Instant::now() + PATIENCE);
    let limits = Limits { stall: None, deadline, stop: Stop::never() };
    let ids: Vec<&str> = report.archives.iter().map(|manifest| manifest.id.as_str()).collect();
    let told = [
        ("RINGBOLT_OUTCOME", report.outcome().to_string()),
        ("RINGBOLT_ARCHIVES", ids.join(" ")),
        ("RINGBOLT_ERROR", report.error().unwrap_or_default().chars().take(LONGEST).collect()),
    ];
    run(context, plan, "after", plan.hooks.after.as_deref(), &told, &limits).await
}

async fn run(
    context: &Context,
    plan: &Plan,
    when: &'static str,
    argv: Option<&[String]>,
    told: &[(&str, String)],
    limits: &Limits,
) -> Result<(), JobError> {
    let Some(argv) = argv else { return Ok(()) };
    let source = [("RINGBOLT_SOURCE", plan.source.to_string())];
    let told = source.iter().chain(told);
    let env = told.map(|(name, text)| ((*name).to_owned(), Value::Text(text.clone()))).collect();
    let command = Command { argv: argv.to_vec(), env, stdin: None };
    let failed = |source| JobError::Hook { when, source };
    let transport = context.open(&plan.workload, Place::Workload, limits).map_err(failed)?;
    transport::answer(transport.as_ref(), &command).await.map(drop).map_err(failed)
}
