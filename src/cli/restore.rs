//! `restore` and `cat`: getting data back.

use std::collections::BTreeMap;

use serde::Serialize;

use super::printer::Printer;
use super::{CliError, Outcome, archives, find, keys, progress};
use crate::app::App;
use crate::job::restore::{self, Restored};
use crate::job::{Context, JobError, cat as cat_job};
use crate::pipeline::Identities;
use crate::transport::Stop;

#[derive(Serialize)]
struct RestoreJson<'a> {
    archive: &'a str,
    container: &'a str,
    database: Option<String>,
    tables: u64,
    rows: u64,
    large_objects: u64,
    counts: BTreeMap<String, u64>,
    created: Vec<String>,
    kept: Vec<String>,
}

pub(super) async fn cat(
    app: &App,
    printer: &Printer,
    stop: Stop,
    meant: &str,
    identities: Identities,
) -> Outcome {
    let archive = find(&archives(app, printer)?, meant)?;
    let identities = keys::with_passphrase(identities, [&archive], &stop).await?;
    match cat_job::run(&stop, &archive, &identities, |piece| printer.bytes(piece)).await {
        Err(JobError::Output(error)) => Err(CliError::Print(error)),
        other => {
            other?;
            printer.flush()?;
            Ok(Ok(()))
        }
    }
}

pub(super) async fn run(
    app: &App,
    printer: &Printer,
    stop: Stop,
    identities: Identities,
    meant: &str,
    into: &str,
    database: Option<String>,
) -> Outcome {
    let archive = find(&archives(app, printer)?, meant)?;
    let identities = keys::with_passphrase(identities, [&archive], &stop).await?;
    let database = match database {
        Some(name) => Some(name.parse().map_err(|error| CliError::Database(name, error))?),
        None => None,
    };
    let context = app.connect(stop, progress::watcher(*printer)).await?;
    let context = Context { identities, ..context };
    let workload = context.docker.workload(into).await.map_err(JobError::from)?;
    let restored = restore::run(&context, &archive, &workload, database).await?;
    let mut json = RestoreJson {
        archive: archive.manifest.id.as_str(),
        container: &workload.name,
        database: None,
        tables: 0,
        rows: 0,
        large_objects: 0,
        counts: BTreeMap::new(),
        created: Vec::new(),
        kept: Vec::new(),
    };
    let text = match restored {
        Restored::Database { name, facts } => {
            let (archive, container) = (json.archive, json.container);
            let text = format!(
                "restored {archive} into database {name} of {container}: {facts}, as in the dump"
            );
            json.database = Some(name.to_string());
            json.tables = facts.tables.len() as u64;
            json.rows = facts.rows();
            json.large_objects = facts.large_objects;
            json.counts = facts.counts;
            text
        }
        Restored::Globals { created, kept } => {
            let list = |names: &[String]| match names {
                [] => "nothing".to_owned(),
                names => names.join(", "),
            };
            let (archive, container) = (json.archive, json.container);
            let (made, left) = (list(&created), list(&kept));
            let text =
                format!("restored {archive} into {container}: created {made}; left alone {left}");
            (json.created, json.kept) = (created, kept);
            text
        }
    };
    if printer.json {
        printer.data(&json)?;
    } else {
        printer.line(&text)?;
    }
    Ok(Ok(()))
}
