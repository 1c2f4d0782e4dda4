//! `verify`: looks at what is in the store, as deep as somebody wants. It needs no Docker; `drill` does.

use serde::Serialize;

use super::printer::Printer;
use super::{CliError, Failure, Outcome, archives, find, keys};
use crate::app::App;
use crate::archive::Archive;
use crate::job::{JobError, verify};
use crate::model::{ErrorKind, Explain as _, Level, chain};
use crate::pipeline::Identities;
use crate::transport::Stop;

#[derive(Serialize)]
struct VerifyJson<'a> {
    id: &'a str,
    source: &'a str,
    database: Option<&'a str>,
    level: Level,
    ok: bool,
    /// Whether something is wrong with the archive itself. Of one that could not be looked at, nobody knows.
    broken: bool,
    error: Option<String>,
}

pub(super) async fn run(
    app: &App,
    printer: &Printer,
    stop: Stop,
    identities: Identities,
    meant: &[String],
    level: Level,
) -> Outcome {
    let catalogue = archives(app, printer)?;
    let chosen: Vec<Archive> = match meant {
        [] => catalogue.archives.clone(),
        _ => meant
            .iter()
            .map(|one| find(&catalogue, printer, one))
            .collect::<Result<_, CliError>>()?,
    };
    if chosen.is_empty() {
        printer.say("the store holds no archives: there is nothing to verify");
    }
    let identities = match level {
        Level::Stored => identities,
        _ => keys::with_passphrase(identities, &chosen, &stop).await?,
    };
    let mut worst = (!catalogue.unreadable.is_empty()).then_some(ErrorKind::Failed);
    let mut results = Vec::new();
    for archive in &chosen {
        let verifying = async {
            match level {
                Level::Stored => verify::stored(archive).await,
                _ => verify::deep(&app.rules, archive, &identities).await,
            }
        };
        let verified = tokio::select! {
            verified = verifying => verified,
            () = stop.wait() => return Ok(Err(Failure(ErrorKind::Interrupted))),
        };
        // An archive that could not be looked at is no broken one, and stops no other.
        let found = verified.and_then(|(_, found)| Ok(found?));
        if let Err(error) = &found {
            // Where only keys were missing, nothing has failed.
            worst = worst.filter(|kind| *kind == ErrorKind::Failed).or(Some(error.kind()));
            printer.error(error);
        }
        let manifest = &archive.manifest;
        results.push(VerifyJson {
            id: manifest.id.as_str(),
            source: manifest.source.as_str(),
            database: manifest.part.database().map(super::super::model::name::DatabaseName::as_str),
            level,
            ok: found.is_ok(),
            broken: matches!(&found, Err(JobError::Archive(error)) if error.is_damage()),
            error: found.as_ref().err().map(|error| chain(error)),
        });
    }
    if printer.json {
        printer.data(&results)?;
    } else {
        let row = |(result, archive): (&VerifyJson, &Archive)| {
            let word = match (result.ok, result.broken) {
                (true, _) => "verified",
                (false, true) => "FAILED",
                (false, false) => "NOT LOOKED AT",
            };
            [
                result.id.to_owned(),
                result.source.to_owned(),
                archive.manifest.part.to_string(),
                result.level.to_string(),
                word.to_owned(),
            ]
        };
        let head = ["ARCHIVE", "SOURCE", "DATABASE", "LEVEL", "RESULT"];
        printer.table(head, results.iter().zip(&chosen).map(row).collect())?;
    }
    Ok(worst.map_or(Ok(()), |kind| Err(Failure(kind))))
}
