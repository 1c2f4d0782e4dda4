//! `--dry-run`: everything a backup would do, tried without doing it.
//!
//! The JSON shape is a promise: `spec/dry_run/schema.json`.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::backup::choose;
use super::printer::Printer;
use super::{Failure, Outcome, keys};
use crate::app::App;
use crate::job::survey::{self, Finding, StoreFinding};
use crate::model::units::{Bytes, exact, span};
use crate::model::{Databases, ErrorKind, Explain, Level, PASSPHRASE, Plan, Problem, chain};
use crate::retention;
use crate::schedule;
use crate::transport::Stop;

/// How many runs ahead are shown.
const RUNS: usize = 3;

#[derive(Serialize)]
struct DryRunJson<'a> {
    version: u32,
    /// Whether a backup of everything would be attempted, with all probes green.
    ready: bool,
    docker: DockerJson,
    stores: Vec<StoreJson>,
    sources: Vec<SourceJson>,
    problems: &'a [Problem],
    /// Containers with labels of ours that would not be backed up, or not wholly.
    unprotected: Vec<String>,
}

#[derive(Serialize)]
struct DockerJson {
    host: String,
    api_version: String,
}

#[derive(Serialize)]
struct StoreJson {
    name: String,
    url: String,
    state: &'static str,
    free_bytes: Option<u64>,
    /// What the last archives of the sources that go there took, together.
    last_bytes: u64,
    archives: u64,
    error: Option<String>,
    hint: Option<String>,
}

#[derive(Serialize)]
struct SourceJson {
    source: String,
    container: String,
    image: String,
    engine: &'static str,
    format: &'static str,
    user: String,
    /// The reference, never the password.
    password: Option<String>,
    server_version: Option<String>,
    tool_version: Option<String>,
    databases: Vec<String>,
    database_bytes: Option<u64>,
    store: String,
    codec: String,
    encrypted: bool,
    recipients: usize,
    /// How much is proven of an archive when it is written.
    verify: Level,
    schedules: Vec<ScheduleJson>,
    timezone: String,
    next_runs: Vec<String>,
    priority: String,
    after: Vec<String>,
    keep: String,
    retention: Vec<DeletionJson>,
    rpo_seconds: Option<u64>,
    last_archive_at: Option<Timestamp>,
    overdue: bool,
    ready: bool,
    error: Option<String>,
    hint: Option<String>,
}

#[derive(Serialize)]
struct ScheduleJson {
    id: Option<String>,
    expression: String,
}

#[derive(Serialize)]
struct DeletionJson {
    archive: String,
    reason: String,
}

pub(super) async fn run(app: &App, printer: &Printer, stop: Stop, sources: &[String]) -> Outcome {
    let context = app.connect(stop, Arc::new(|_| {})).await?;
    let fleet = survey::fleet(&context).await?;
    let unprotected = if sources.is_empty() { fleet.unprotected.clone() } else { Vec::new() };
    let (plans, problems) = choose(fleet, sources, context.rules.prefix.as_str(), printer)?;
    let now = Timestamp::now();
    let stores = survey::stores(&app.stores, &app.signing).await;
    let findings = survey::ask(&context, plans, &stores, now).await;
    if context.stop.asked() {
        return Ok(Err(Failure(ErrorKind::Interrupted)));
    }
    if findings.iter().any(|found| keys::is_lone(&found.plan.recipients)) {
        keys::warn_of_lone_key(printer);
    }
    let stores: Vec<StoreJson> = stores.iter().map(|store| store_json(store, &findings)).collect();
    for store in stores.iter().filter(|store| store.error.is_some()) {
        complain(
            printer,
            &format!("store {}", store.name),
            store.error.as_ref(),
            store.hint.as_ref(),
        );
    }
    let rows: Vec<SourceJson> = findings.into_iter().map(|found| source_json(found, now)).collect();
    for row in rows.iter().filter(|row| !row.ready) {
        complain(
            printer,
            &format!("{} would not be backed up", row.source),
            row.error.as_ref(),
            row.hint.as_ref(),
        );
    }
    let probed = rows.iter().all(|row| row.ready) && stores.iter().all(|s| s.error.is_none());
    if printer.json {
        let host = app.settings.docker.host.to_string();
        let docker = DockerJson { host, api_version: context.docker.api_version() };
        let (ready, problems) = (probed && problems.is_empty(), &problems[..]);
        let version = 1;
        let sources = rows;
        printer.data(&DryRunJson {
            version,
            ready,
            docker,
            stores,
            sources,
            problems,
            unprotected,
        })?;
    } else {
        print(printer, &rows, &stores, &unprotected)?;
    }
    Ok(match (probed, problems.is_empty()) {
        (false, _) => Err(Failure(ErrorKind::Failed)),
        (true, false) => Err(Failure(ErrorKind::Usage)),
        (true, true) => Ok(()),
    })
}

fn complain(printer: &Printer, place: &str, error: Option<&String>, hint: Option<&String>) {
    printer.fault(&format!("{place}: {}", error.map_or("it is not known why", String::as_str)));
    if let Some(hint) = hint {
        printer.hint(hint);
    }
}

fn store_json(found: &StoreFinding, findings: &[Finding]) -> StoreJson {
    let name = found.store.name();
    let own = findings.iter().filter(|finding| finding.plan.store == *name);
    let last = own.flat_map(|finding| &finding.last).map(|archive| archive.manifest.stored.bytes);
    let last_bytes = last.sum();
    let free_bytes = found.probed.as_ref().ok().and_then(|probe| probe.free);
    let unreadable = found.catalogue.iter().flat_map(|catalogue| &catalogue.unreadable).next();
    let (mut error, mut hint) = match (&found.probed, unreadable) {
        (Err(error), _) => (Some(chain(error)), error.hint()),
        (Ok(_), Some(error)) => (Some(chain(error)), error.hint()),
        (Ok(_), None) => (None, None),
    };
    if let (None, Some(free)) = (&error, free_bytes.filter(|free| *free < last_bytes)) {
        let (free, last) = (Bytes(free), Bytes(last_bytes));
        error = Some(format!("{free} are free, and the last archives of its sources took {last}"));
        hint = Some("make room, keep fewer archives, or choose another store".to_owned());
    }
    StoreJson {
        name: name.to_string(),
        url: found.store.url(),
        state: match (&found.probed, found.store.is_new()) {
            (Err(_), _) => "failed",
            (Ok(_), true) => "new",
            (Ok(_), false) => "ready",
        },
        free_bytes,
        last_bytes,
        archives: found.catalogue.as_ref().map_or(0, |catalogue| catalogue.archives.len() as u64),
        error,
        hint,
    }
}

fn source_json(finding: Finding, now: Timestamp) -> SourceJson {
    let Finding { plan, asked, last, deletes } = finding;
    let answer = asked.as_ref().ok();
    let error = asked.as_ref().err();
    let last_archive_at = last.iter().map(|archive| archive.manifest.started_at).max();
    let schedules: Vec<_> = plan.schedules.values().cloned().collect();
    let next = schedule::upcoming(&schedules, &plan.zone, now, RUNS);
    let overdue = plan.rpo.is_some_and(|rpo| match last_archive_at {
        Some(at) => now.duration_since(at).unsigned_abs() > rpo,
        None => true,
    });
    let bytes = |answer: &survey::Answer| {
        let own = answer.server.databases.iter().filter(|own| answer.databases.contains(&own.name));
        own.map(|database| database.bytes).sum()
    };
    SourceJson {
        source: plan.source.to_string(),
        container: plan.workload.name.clone(),
        image: plan.workload.image.clone(),
        engine: plan.engine,
        format: plan.format,
        user: plan.user.clone(),
        password: plan.password.as_ref().map(ToString::to_string),
        server_version: answer.map(|answer| answer.server.version.clone()),
        tool_version: answer.map(|answer| answer.tool_version.clone()),
        databases: databases(&plan, answer),
        database_bytes: answer.map(bytes),
        store: plan.store.to_string(),
        codec: plan.codec.to_string(),
        encrypted: !plan.recipients.is_empty(),
        recipients: plan.recipients.iter().filter(|key| *key != PASSPHRASE).count(),
        verify: plan.verify,
        schedules: plan
            .schedules
            .iter()
            .map(|(id, schedule)| ScheduleJson {
                id: id.as_ref().map(ToString::to_string),
                expression: schedule::write(schedule),
            })
            .collect(),
        timezone: plan.zone.iana_name().unwrap_or("UTC").to_owned(),
        next_runs: next.iter().map(|at| at.to_zoned(plan.zone.clone()).to_string()).collect(),
        priority: plan.priority.to_string(),
        after: plan.after.iter().map(ToString::to_string).collect(),
        keep: retention::write(&plan.keep),
        retention: deletes
            .into_iter()
            .map(|(archive, reason)| DeletionJson { archive: archive.to_string(), reason })
            .collect(),
        rpo_seconds: plan.rpo.map(|rpo| rpo.as_secs()),
        last_archive_at,
        overdue,
        ready: error.is_none(),
        error: error.map(|error| chain(error)),
        hint: error.and_then(Explain::hint),
    }
}

/// The databases that would be in a backup; `*` where the server could not be asked.
fn databases(plan: &Plan, answer: Option<&survey::Answer>) -> Vec<String> {
    match (&plan.databases, answer) {
        (Databases::All, Some(answer)) => {
            answer.databases.iter().map(ToString::to_string).collect()
        }
        (Databases::Named(names), _) => names.iter().map(ToString::to_string).collect(),
        (Databases::All, None) => vec!["*".to_owned()],
    }
}

fn print(
    printer: &Printer,
    rows: &[SourceJson],
    stores: &[StoreJson],
    unprotected: &[String],
) -> std::io::Result<()> {
    let head = ["SOURCE", "ENGINE", "DATABASES", "STORE", "ARCHIVE", "NEXT RUNS", "KEEP"];
    printer.table(head, rows.iter().map(row).collect())?;
    printer.line("")?;
    for row in rows {
        for deletion in &row.retention {
            let DeletionJson { archive, reason } = deletion;
            printer.line(&format!("{}: retention would delete {archive}: {reason}", row.source))?;
        }
        if row.overdue {
            let rpo = exact(std::time::Duration::from_secs(row.rpo_seconds.unwrap_or_default()));
            let last = row.last_archive_at.map_or("there is none".to_owned(), |at| {
                let age = Timestamp::now().duration_since(at).unsigned_abs();
                format!("the newest is {} old", span(age))
            });
            printer.line(&format!("{}: OVERDUE: promised every {rpo}, {last}", row.source))?;
        }
    }
    for store in stores {
        let free = store.free_bytes.map(|free| format!(", {} free", Bytes(free)));
        let state = match (store.error.is_some(), store.state) {
            (true, _) => "NOT READY",
            (false, "new") => "not there yet, would be made",
            (false, _) => "written, read and deleted a probe",
        };
        let StoreJson { name, url, .. } = store;
        printer.line(&format!("store {name} at {url}: {state}{}", free.unwrap_or_default()))?;
    }
    if !unprotected.is_empty() {
        printer.line(&format!("labelled but UNPROTECTED: {}", unprotected.join(", ")))?;
    }
    printer.line("archives are made by `run` when they are due; this version deletes none")
}

fn row(source: &SourceJson) -> [String; 7] {
    let version = source.server_version.as_deref().and_then(|v| v.split(' ').next());
    let sealed = match source.recipients {
        0 if source.encrypted => "with a passphrase".to_owned(),
        0 => "not encrypted".to_owned(),
        1 => "for 1 key".to_owned(),
        many => format!("for {many} keys"),
    };
    [
        source.source.clone(),
        format!("{} {}", source.engine, version.unwrap_or("FAILED")),
        source.databases.join(", "),
        source.store.clone(),
        match source.verify {
            Level::Stored => format!("{}, {sealed}", source.codec),
            Level::Deep => format!("{}, {sealed}, read back", source.codec),
            Level::Drill => format!("{}, {sealed}, drilled", source.codec),
        },
        runs(source),
        source.keep.clone(),
    ]
}

/// The next runs, on the clock of their zone: `Nov 21 03:00, Nov 22 03:00 CET`.
fn runs(source: &SourceJson) -> String {
    let zoned = source.next_runs.iter().filter_map(|at| at.parse::<jiff::Zoned>().ok());
    let zoned: Vec<jiff::Zoned> = zoned.collect();
    let Some(last) = zoned.last() else { return "by hand".to_owned() };
    let times: Vec<String> =
        zoned.iter().map(|at| at.strftime("%b %-d %H:%M").to_string()).collect();
    format!("{} {}", times.join(", "), last.strftime("%Z"))
}
