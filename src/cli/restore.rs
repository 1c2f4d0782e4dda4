//! `restore` and `cat`: getting data back.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::printer::Printer;
use super::{CliError, Outcome, archives, find, keys, progress, restore_plan};
use crate::app::App;
use crate::archive::Archive;
use crate::job::restore::{self, Restored, Wish, Written};
use crate::job::{Context, JobError, cat as cat_job};
use crate::model::TableRows;
use crate::pipeline::Identities;
use crate::transport::Stop;

/// What people say of a restore.
#[derive(Debug, clap::Args)]
pub(super) struct Wanted {
    /// An archive's id, or SOURCE@latest, or SOURCE@2026-11-20T03:00 (UTC, the newest until then);
    /// SOURCE/DATABASE where there are several
    archive: String,
    /// The container to restore into; or a folder of this machine, which begins with `/` or `.`
    #[arg(long, value_name = "CONTAINER|FOLDER")]
    into: String,
    /// The database to restore into [default: the name it was dumped under]
    #[arg(long, value_name = "NAME")]
    database: Option<String>,
    /// Let a database that is not empty give way; it is backed up first
    #[arg(long)]
    replace: bool,
    /// Restore only this table; may be repeated
    #[arg(long = "table", value_name = "NAME")]
    tables: Vec<String>,
    /// Print what would happen, and change nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Identity file to decrypt with, of `ringbolt keygen`, `age-keygen` or `ssh-keygen`; may be
    /// repeated
    #[arg(long = "identity", short, value_name = "FILE")]
    pub(super) identities: Vec<PathBuf>,
}

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
    /// The archive of what was replaced.
    safety: Option<String>,
}

#[derive(Serialize)]
struct FolderJson<'a> {
    archive: &'a str,
    path: &'a Path,
    /// Whether it holds the files themselves, and not a dump.
    unpacked: bool,
    written: bool,
}

pub(super) async fn cat(
    app: &App,
    printer: &Printer,
    stop: Stop,
    meant: &str,
    identities: Identities,
) -> Outcome {
    let archive = find(&archives(app, printer)?, printer, meant)?;
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
    wanted: Wanted,
) -> Outcome {
    let Wanted { archive, into, database, replace, tables, dry_run, .. } = wanted;
    let archive = find(&archives(app, printer)?, printer, &archive)?;
    let identities = keys::with_passphrase(identities, [&archive], &stop).await?;
    // No container's name begins so.
    if into.starts_with(['/', '.']) {
        for (option, said) in [
            ("--database", database.is_some()),
            ("--replace", replace),
            ("--table", !tables.is_empty()),
        ] {
            if said {
                return Err(CliError::IntoFolder(option, into));
            }
        }
        return folder(app, printer, &stop, &identities, &archive, Path::new(&into), dry_run).await;
    }
    let database = match database {
        Some(name) => Some(name.parse().map_err(|error| CliError::Database(name, error))?),
        None => None,
    };
    let context = app.connect(stop, progress::watcher(*printer)).await?;
    let context = Context { identities, ..context };
    let workload = context.docker.workload(&into).await.map_err(JobError::from)?;
    let wish = Wish { database, replace, tables };
    let prepared = restore::prepare(&context, &archive, &workload, wish).await?;
    if dry_run {
        restore_plan::print(printer, &prepared.plan)?;
        return Ok(Ok(()));
    }
    for line in restore_plan::lines(&prepared.plan) {
        printer.say(&line);
    }
    let restored = prepared.run().await?;
    print(printer, &archive, &workload.name, restored)?;
    Ok(Ok(()))
}

async fn folder(
    app: &App,
    printer: &Printer,
    stop: &Stop,
    identities: &Identities,
    archive: &Archive,
    into: &Path,
    dry_run: bool,
) -> Outcome {
    let folder = restore::into_folder(&app.rules, archive, identities, into)?;
    let (written, did) = match dry_run {
        true => (folder.will, "would write"),
        false => (folder.run(progress::watcher(*printer), stop).await?, "wrote"),
    };
    let Written { path, facts, unpacked } = written;
    let id = archive.manifest.id.as_str();
    if printer.json {
        printer.data(&FolderJson { archive: id, path: &path, unpacked, written: !dry_run })?;
    } else {
        let what = if unpacked { "the files of" } else { "the plain dump of" };
        printer.line(&format!("{did} {what} {id} to {}: {facts}", path.display()))?;
    }
    Ok(Ok(()))
}

fn print(
    printer: &Printer,
    archive: &Archive,
    container: &str,
    restored: Restored,
) -> Result<(), CliError> {
    let id = archive.manifest.id.as_str();
    let mut json = RestoreJson {
        archive: id,
        container,
        database: None,
        tables: 0,
        rows: 0,
        large_objects: 0,
        counts: BTreeMap::new(),
        created: Vec::new(),
        kept: Vec::new(),
        safety: None,
    };
    let text = match restored {
        Restored::Database { name, facts, safety } => {
            let before = safety.as_ref().map(|safety| format!("; what was there is in {safety}"));
            json.database = Some(name.to_string());
            json.safety = safety.map(|safety| safety.to_string());
            json.tables = facts.tables.len() as u64;
            json.rows = facts.rows();
            json.large_objects = facts.large_objects;
            let text = format!(
                "restored {id} into database {name} of {container}: {facts}, as in the dump{}",
                before.unwrap_or_default()
            );
            json.counts = facts.counts;
            text
        }
        Restored::Tables { name, tables } => {
            json.database = Some(name.to_string());
            json.tables = tables.len() as u64;
            json.rows = tables.iter().map(|table| table.rows).sum();
            let shown: Vec<String> = tables.iter().map(TableRows::to_string).collect();
            let shown = shown.join(", ");
            format!("restored of {id} into database {name} of {container}: {shown}, as in the dump")
        }
        Restored::Globals { created, kept } => {
            let (made, left) = (list(&created), list(&kept));
            (json.created, json.kept) = (created, kept);
            format!("restored {id} into {container}: created {made}; left alone {left}")
        }
    };
    if printer.json { printer.data(&json) } else { Ok(printer.line(&text)?) }
}

/// Names for people.
pub(super) fn list(names: &[String]) -> String {
    match names {
        [] => "nothing".to_owned(),
        names => names.join(", "),
    }
}
