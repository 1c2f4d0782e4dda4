//! `drill`: restores archives in throwaway containers, and says how long that takes.

use serde::Serialize;

use super::printer::Printer;
use super::{CliError, Failure, Outcome, archives, find, keys, progress};
use crate::app::App;
use crate::archive::{Archive, Catalogue, Standing};
use crate::job::drill::{self, Drilled, Verdict};
use crate::job::{Context, JobError};
use crate::model::units::span;
use crate::model::{ErrorKind, Explain as _, Part, chain};
use crate::pipeline::Identities;
use crate::transport::Stop;

#[derive(Serialize)]
struct DrillJson<'a> {
    id: &'a str,
    source: &'a str,
    database: Option<String>,
    /// `passed`, `failed`, or `open`: nobody knows.
    result: &'static str,
    /// From nothing to a restored and compared database.
    seconds: Option<f64>,
    error: Option<String>,
}

pub(super) async fn run(
    app: &App,
    printer: &Printer,
    stop: Stop,
    identities: Identities,
    meant: &[String],
    image: Option<&str>,
) -> Outcome {
    let catalogue = archives(app, printer)?;
    let databases = |archive: &&Archive| archive.manifest.part.database().is_some();
    let mut chosen: Vec<Archive> = match meant {
        [] => catalogue.archives.iter().filter(databases).cloned().collect(),
        _ => Vec::new(),
    };
    for one in meant {
        chosen.extend(choose(&catalogue, printer, one)?);
    }
    let identities = keys::with_passphrase(identities, &chosen, &stop).await?;
    let context = app.connect(stop, progress::watcher(*printer)).await?;
    let context = Context { identities, ..context };
    let left = drill::reap(&context).await?;
    if !left.is_empty() {
        printer.say(&format!("removed what a killed drill had left: {}", left.join(", ")));
    }
    let (mut results, mut bad) = (Vec::new(), None);
    for archive in &chosen {
        if context.stop.asked() {
            return Ok(Err(Failure(ErrorKind::Interrupted)));
        }
        let manifest = &archive.manifest;
        printer.say(&format!("drilling {} of {}/{}", manifest.id, manifest.source, manifest.part));
        let globals = drill::globals_of(&catalogue.archives, archive);
        let drilled = drill::run(&context, archive, globals, image).await;
        let (result, seconds, error) = match &drilled {
            Ok(Drilled { verdict: Verdict::Passed, took, .. }) => {
                ("passed", Some(took.as_secs_f64()), None)
            }
            Ok(Drilled { verdict: Verdict::Failed(error), .. }) => ("failed", None, Some(error)),
            Ok(Drilled { verdict: Verdict::Open(error), .. }) | Err(error) => {
                ("open", None, Some(error))
            }
        };
        if let Some(error) = error {
            printer.error(error);
            bad = Some(worse(bad, error));
        }
        results.push(DrillJson {
            id: manifest.id.as_str(),
            source: manifest.source.as_str(),
            database: manifest.part.database().map(ToString::to_string),
            result,
            seconds,
            error: error.map(|error| chain(error)),
        });
    }
    print(printer, &chosen, &results)?;
    Ok(bad.map_or(Ok(()), |kind| Err(Failure(kind))))
}

/// A failure goes before what was merely not possible.
fn worse(before: Option<ErrorKind>, error: &JobError) -> ErrorKind {
    match (before, error.kind()) {
        (Some(ErrorKind::Failed), _) => ErrorKind::Failed,
        (_, kind) => kind,
    }
}

/// The archives that somebody means: one, or with a source's bare name the newest of each database.
fn choose(catalogue: &Catalogue, printer: &Printer, meant: &str) -> Result<Vec<Archive>, CliError> {
    let of_source = |archive: &&Archive| {
        archive.manifest.source.as_str() == meant
            && archive.manifest.part.database().is_some()
            && archive.proof.standing() != Standing::Broken
    };
    let mut newest: Vec<Archive> = Vec::new();
    for archive in catalogue.archives.iter().filter(of_source) {
        let known = |own: &Archive| own.manifest.part == archive.manifest.part;
        if !newest.iter().any(known) {
            newest.push(archive.clone());
        }
    }
    match newest.is_empty() {
        true => Ok(vec![find(catalogue, printer, meant)?]),
        false => Ok(newest),
    }
}

fn print(printer: &Printer, chosen: &[Archive], results: &[DrillJson]) -> Result<(), CliError> {
    if printer.json {
        return printer.data(&results);
    }
    let row = |(result, archive): (&DrillJson, &Archive)| {
        let took = result.seconds.map(std::time::Duration::from_secs_f64);
        [
            result.id.to_owned(),
            result.source.to_owned(),
            match &archive.manifest.part {
                Part::Globals => "@globals".to_owned(),
                Part::Database(name) => name.to_string(),
            },
            match result.result {
                "passed" => "restores",
                "failed" => "DOES NOT RESTORE",
                _ => "not drilled",
            }
            .to_owned(),
            took.map_or("-".to_owned(), span),
        ]
    };
    let head = ["ARCHIVE", "SOURCE", "DATABASE", "RESULT", "RESTORED IN"];
    Ok(printer.table(head, results.iter().zip(chosen).map(row).collect())?)
}
