//! `backup`: runs the jobs now and reports each source.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;

use super::printer::Printer;
use super::{CliError, Failure, Outcome, progress};
use crate::app::App;
use crate::archive::Manifest;
use crate::history::{self, History, HistoryError, NewRun, RunId};
use crate::job::JobError;
use crate::job::backup::{self, Report};
use crate::job::survey;
use crate::labels::Fleet;
use crate::model::units::{Bytes, span};
use crate::model::{ErrorKind, Explain as _, Part, Plan, Problem, Slug, Trigger, chain};
use crate::transport::Stop;

#[derive(Serialize)]
struct BackupJson<'a> {
    sources: Vec<SourceJson<'a>>,
    problems: &'a [Problem],
}

#[derive(Serialize)]
struct SourceJson<'a> {
    source: &'a str,
    container: &'a str,
    outcome: &'static str,
    archives: Vec<ArchiveJson<'a>>,
    failures: Vec<FailureJson>,
    /// What was to be drilled and could not be.
    undrilled: Vec<FailureJson>,
}

#[derive(Serialize)]
struct ArchiveJson<'a> {
    id: &'a str,
    database: Option<&'a str>,
    part: &'static str,
    plain_bytes: u64,
    stored_bytes: u64,
    rows: u64,
    counts: &'a BTreeMap<String, u64>,
    warnings: &'a [String],
}

#[derive(Serialize)]
struct FailureJson {
    part: Option<String>,
    error: String,
    hint: Option<String>,
}

pub(super) async fn run(app: &App, printer: &Printer, stop: Stop, sources: &[String]) -> Outcome {
    let context = app.connect(stop, progress::watcher(*printer)).await?;
    let fleet = survey::fleet(&context).await?;
    let (plans, problems) = choose(fleet, sources, context.rules.prefix.as_str(), printer)?;
    let used: BTreeSet<&Slug> = plans.iter().map(|plan| &plan.store).collect();
    for store in app.stores.values().filter(|s| s.is_new() && used.contains(s.name())) {
        let (name, url) = (store.name(), store.url());
        printer.say(&format!(
            "store {name} at {url} is not there yet and is made now: if a disk belongs there, it is not mounted"
        ));
    }
    let history = history(app, printer);
    let mut reports = Vec::new();
    for plan in &plans {
        if context.stop.asked() {
            break;
        }
        let line = history.as_ref().map(|history| begin(history, plan)).transpose();
        let report = backup::run(&context, plan, Trigger::Manual).await;
        let noted = line.and_then(|line| match (&history, line) {
            (Some(history), Some(line)) => history.end(line, &report.end(Timestamp::now())),
            _ => Ok(()),
        });
        // The archives are there; what the sidecar remembers of them is a cache.
        if let Err(error) = noted {
            printer.error(&error);
        }
        for (part, error) in &report.failures {
            let place = part.as_ref().map(|part| format!("/{part}")).unwrap_or_default();
            printer.say(&format!("{}{place} failed:", report.source));
            printer.error(error);
        }
        for (part, error) in &report.undrilled {
            let place = part.as_ref().map(|part| format!("/{part}")).unwrap_or_default();
            printer.say(&format!("{}{place} was not drilled:", report.source));
            printer.error(error);
        }
        reports.push(report);
    }
    print(printer, &reports, &problems)?;
    Ok(judge(context.stop.asked(), &reports, &problems))
}

/// The history of a sidecar that lives beside us, so that it knows of what is done by hand. Where there
/// is none, none is made.
fn history(app: &App, printer: &Printer) -> Option<History> {
    let folder = &app.settings.data_dir;
    let opened = match history::look(folder) {
        Ok(Some(_)) => history::open(folder, Timestamp::now()),
        Ok(None) => return None,
        Err(error) => Err(error),
    };
    opened.map(|(history, _)| history).map_err(|error| printer.error(&error)).ok()
}

fn begin(history: &History, plan: &Plan) -> Result<RunId, HistoryError> {
    let (source, trigger, started_at) = (plan.source.clone(), Trigger::Manual, Timestamp::now());
    history.begin(&NewRun { source, schedule: None, trigger, due_at: None, started_at })
}

/// The sources that were asked for, and the problems that concern them, which are told at once.
pub(super) fn choose(
    fleet: Fleet,
    sources: &[String],
    prefix: &str,
    printer: &Printer,
) -> Result<(Vec<Plan>, Vec<Problem>), CliError> {
    let Fleet { plans, problems, .. } = fleet;
    if plans.is_empty() && problems.is_empty() {
        return Err(CliError::NothingLabelled(prefix.to_owned()));
    }
    let known: Vec<String> = plans.iter().map(|plan| plan.source.to_string()).collect();
    let unknown = sources.iter().find(|source| !known.contains(source));
    // They are told also to whoever asked for one source: it may be what is missing, or share a name.
    for problem in &problems {
        printer.problem(problem);
    }
    if let Some(unknown) = unknown {
        return Err(CliError::NoSource(unknown.clone(), known));
    }
    if sources.is_empty() {
        return Ok((plans, problems));
    }
    let wanted = |plan: &Plan| sources.iter().any(|source| *source == *plan.source.as_str());
    Ok((plans.into_iter().filter(wanted).collect(), Vec::new()))
}

fn judge(stopped: bool, reports: &[Report], problems: &[Problem]) -> Result<(), Failure> {
    let failed = reports.iter().any(|report| !report.failures.is_empty());
    match (stopped, failed, problems.is_empty()) {
        (true, ..) => Err(Failure(ErrorKind::Interrupted)),
        (_, true, _) => Err(Failure(ErrorKind::Failed)),
        (_, _, false) => Err(Failure(ErrorKind::Usage)),
        _ => Ok(()),
    }
}

fn print(printer: &Printer, reports: &[Report], problems: &[Problem]) -> Result<(), CliError> {
    if printer.json {
        let sources = reports.iter().map(source_json).collect();
        return printer.data(&BackupJson { sources, problems });
    }
    let rows = reports.iter().flat_map(|report| &report.archives).map(row).collect();
    Ok(printer
        .table(["SOURCE", "DATABASE", "ARCHIVE", "PLAIN", "STORED", "HOLDS", "TOOK"], rows)?)
}

fn row(manifest: &Manifest) -> [String; 7] {
    let took = manifest.finished_at.duration_since(manifest.started_at);
    [
        manifest.source.to_string(),
        manifest.part.to_string(),
        manifest.id.to_string(),
        Bytes(manifest.plain.bytes).to_string(),
        Bytes(manifest.stored.bytes).to_string(),
        match manifest.part {
            Part::Globals => "-".to_owned(),
            Part::Database(_) => manifest.facts.to_string(),
        },
        span(took.unsigned_abs()),
    ]
}

fn source_json(report: &Report) -> SourceJson<'_> {
    SourceJson {
        source: report.source.as_str(),
        container: &report.container,
        outcome: if report.failures.is_empty() { "succeeded" } else { "failed" },
        archives: report.archives.iter().map(archive_json).collect(),
        failures: report.failures.iter().map(failure_json).collect(),
        undrilled: report.undrilled.iter().map(failure_json).collect(),
    }
}

fn failure_json((part, error): &(Option<Part>, JobError)) -> FailureJson {
    let part = part.as_ref().map(ToString::to_string);
    FailureJson { part, error: chain(error), hint: error.hint() }
}

fn archive_json(manifest: &Manifest) -> ArchiveJson<'_> {
    ArchiveJson {
        id: manifest.id.as_str(),
        database: manifest.part.database().map(super::super::model::name::DatabaseName::as_str),
        part: super::inspect::part_kind(&manifest.part),
        plain_bytes: manifest.plain.bytes,
        stored_bytes: manifest.stored.bytes,
        rows: manifest.facts.rows(),
        counts: &manifest.facts.counts,
        warnings: &manifest.warnings,
    }
}
