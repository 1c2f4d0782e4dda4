//! `verify`: looks at what is in the store, as deep as somebody wants. It needs no Docker; `drill` does.

use serde::Serialize;

use super::printer::Printer;
use super::{CliError, Failure, Outcome, archives, find};
use crate::app::App;
use crate::archive::Archive;
use crate::job::verify;
use crate::model::{ErrorKind, Level, chain};
use crate::pipeline::Identities;
use crate::transport::Stop;

#[derive(Serialize)]
struct VerifyJson<'a> {
    id: &'a str,
    source: &'a str,
    database: Option<&'a str>,
    level: Level,
    ok: bool,
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
    let mut bad = !catalogue.unreadable.is_empty();
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
        bad |= found.is_err();
        if let Err(error) = &found {
            printer.error(error);
        }
        let manifest = &archive.manifest;
        results.push(VerifyJson {
            id: manifest.id.as_str(),
            source: manifest.source.as_str(),
            database: manifest.part.database().map(super::super::model::name::DatabaseName::as_str),
            level,
            ok: found.is_ok(),
            error: found.as_ref().err().map(|error| chain(error)),
        });
    }
    if printer.json {
        printer.data(&results)?;
    } else {
        let row = |(result, archive): (&VerifyJson, &Archive)| {
            let word = if result.ok { "verified" } else { "FAILED" };
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
    Ok(if bad { Err(Failure(ErrorKind::Failed)) } else { Ok(()) })
}
