//! `--dry-run`: everything a backup would do, tried without doing it.

use std::sync::Arc;

use jiff::{Timestamp, tz::TimeZone};
use serde::Serialize;

use super::backup::choose;
use super::printer::{Printer, chain};
use super::{Failure, Outcome};
use crate::app::App;
use crate::job::survey::{self, Finding};
use crate::model::units::Bytes;
use crate::model::{Databases, ErrorKind, Problem};
use crate::retention;
use crate::schedule;
use crate::transport::Stop;

#[derive(Serialize)]
struct DryRunJson<'a> {
    docker: DockerJson<'a>,
    store: StoreJson,
    sources: Vec<SourceJson>,
    problems: &'a [Problem],
}

#[derive(Serialize)]
struct DockerJson<'a> {
    host: &'a str,
    api_version: String,
}

#[derive(Serialize)]
struct StoreJson {
    name: String,
    url: String,
    writable: bool,
    free_bytes: Option<u64>,
    error: Option<String>,
}

#[derive(Serialize)]
struct SourceJson {
    source: String,
    container: String,
    image: String,
    engine: &'static str,
    format: &'static str,
    user: String,
    server_version: Option<String>,
    tool_version: Option<String>,
    databases: Vec<String>,
    codec: String,
    schedule: String,
    next_run: Option<Timestamp>,
    keep: String,
    error: Option<String>,
    hint: Option<String>,
}

pub(super) async fn run(app: &App, printer: &Printer, stop: Stop, sources: &[String]) -> Outcome {
    let context = app.connect(stop, Arc::new(|_| {})).await?;
    let fleet = survey::fleet(&context).await?;
    let (plans, problems) = choose(fleet, sources, context.prefix.as_str(), printer)?;
    let now = Timestamp::now();
    let mut rows = Vec::new();
    let mut failed = false;
    for plan in plans {
        let finding = survey::ask(&context, plan).await;
        if let Err(error) = &finding.asked {
            failed = true;
            printer.say(&format!("{} would not be backed up:", finding.plan.source));
            printer.error(error);
        }
        rows.push(source_json(finding, now));
    }
    let probed = survey::store(&context).await;
    if let Err(error) = &probed {
        failed = true;
        printer.error(error);
    }
    let store = StoreJson {
        name: app.store.name().to_string(),
        url: app.store.url(),
        writable: probed.is_ok(),
        free_bytes: probed.as_ref().ok().and_then(|probe| probe.free),
        error: probed.as_ref().err().map(|error| chain(error)),
    };
    if printer.json {
        let host = app.settings.docker.host.as_str();
        let docker = DockerJson { host, api_version: context.docker.api_version() };
        printer.data(&DryRunJson { docker, store, sources: rows, problems: &problems })?;
    } else {
        let head = ["SOURCE", "ENGINE", "DATABASES", "CODEC", "SCHEDULE", "NEXT (UTC)", "KEEP"];
        printer.table(head, rows.iter().map(row).collect())?;
        let free = store.free_bytes.map(|free| format!(", {} free", Bytes(free)));
        let state = match (store.writable, app.store.is_new()) {
            (true, false) => "writable",
            (true, true) => "not there yet, would be made",
            (false, _) => "NOT WRITABLE",
        };
        let (name, url) = (&store.name, &store.url);
        printer.line(&format!("\nstore {name} at {url}: {state}{}", free.unwrap_or_default()))?;
        printer.line("schedules and retention are checked here; this version acts on neither")?;
    }
    Ok(match (failed, problems.is_empty()) {
        (true, _) => Err(Failure(ErrorKind::Failed)),
        (false, false) => Err(Failure(ErrorKind::Usage)),
        (false, true) => Ok(()),
    })
}

fn source_json(finding: Finding, now: Timestamp) -> SourceJson {
    let Finding { plan, asked } = finding;
    let databases = match (&plan.databases, &asked) {
        (Databases::All, Ok(answer)) => {
            answer.server.databases.iter().map(|database| database.name.to_string()).collect()
        }
        (Databases::Named(names), _) => names.iter().map(ToString::to_string).collect(),
        (Databases::All, Err(_)) => vec!["*".to_owned()],
    };
    SourceJson {
        source: plan.source.to_string(),
        container: plan.workload.name,
        image: plan.workload.image,
        engine: plan.engine,
        format: plan.format,
        user: plan.user,
        server_version: asked.as_ref().ok().map(|answer| answer.server.version.clone()),
        tool_version: asked.as_ref().ok().map(|answer| answer.tool_version.clone()),
        databases,
        codec: plan.codec.to_string(),
        next_run: schedule::next(&plan.schedule, &TimeZone::UTC, now),
        schedule: schedule::write(&plan.schedule),
        keep: retention::write(&plan.keep),
        error: asked.as_ref().err().map(|error| chain(error)),
        hint: asked.as_ref().err().and_then(super::super::model::error::Explain::hint),
    }
}

fn row(source: &SourceJson) -> [String; 7] {
    let version = source.server_version.as_deref().and_then(|v| v.split(' ').next());
    [
        source.source.clone(),
        format!("{} {}", source.engine, version.unwrap_or("FAILED")),
        source.databases.join(", "),
        source.codec.clone(),
        source.schedule.clone(),
        source.next_run.map_or("-".to_owned(), |at| at.strftime("%Y-%m-%d %H:%M:%S").to_string()),
        source.keep.clone(),
    ]
}
