//! `verify`: proves archives and says which are good. It needs no Docker, and without encryption no key.

use serde::Serialize;

use super::printer::Printer;
use super::{CliError, Failure, Outcome, archives, find, keys};
use crate::app::App;
use crate::archive::{Archive, ArchiveError};
use crate::job::{JobError, verify};
use crate::model::{DatabaseName, ErrorKind, Explain, Level, chain};
use crate::pipeline::Identities;
use crate::transport::Stop;

#[derive(Serialize)]
struct VerifyJson<'a> {
    id: &'a str,
    source: &'a str,
    database: Option<&'a str>,
    level: Level,
    ok: bool,
    /// Whether it was looked at and is not good; neither `ok` nor `broken` is one that could not be
    /// looked at.
    broken: bool,
    error: Option<String>,
}

/// What came of one archive.
enum Found {
    Good,
    Broken(ArchiveError),
    NotLookedAt(JobError),
}

pub(super) async fn run(
    app: &App,
    printer: &Printer,
    stop: Stop,
    meant: &[String],
    level: Level,
    identities: Identities,
) -> Outcome {
    let catalogue = archives(app, printer)?;
    let chosen: Vec<Archive> = match meant {
        [] => catalogue.archives.clone(),
        _ => meant.iter().map(|one| find(&catalogue, one)).collect::<Result<_, CliError>>()?,
    };
    if chosen.is_empty() {
        printer.say("the store holds no archives: there is nothing to verify");
    }
    let identities = match level {
        Level::Stored => identities,
        _ => keys::with_passphrase(identities, &chosen, &stop).await?,
    };
    let mut results = Vec::new();
    for archive in &chosen {
        let verified = tokio::select! {
            verified = verify::run(&app.rules, archive, level, &identities) => verified,
            () = stop.wait() => return Ok(Err(Failure(ErrorKind::Interrupted))),
        };
        // An archive that could not be looked at is no broken one, and stops no other.
        let found = match verified {
            Ok((_, Ok(()))) => Found::Good,
            Ok((_, Err(error))) => Found::Broken(error),
            Err(error) => Found::NotLookedAt(error),
        };
        match &found {
            Found::Good => {}
            Found::Broken(error) => printer.error(error),
            Found::NotLookedAt(error) => {
                printer.fault(&format!("{}: {}", archive.manifest.id, chain(error)));
                error.hint().iter().for_each(|hint| printer.hint(hint));
            }
        }
        results.push((archive, found));
    }
    print(printer, level, &results)?;
    let kinds = results.iter().filter_map(|(_, found)| match found {
        Found::Good => None,
        Found::Broken(_) => Some(ErrorKind::Failed),
        Found::NotLookedAt(error) => Some(error.kind()),
    });
    let unreadable = (!catalogue.unreadable.is_empty()).then_some(ErrorKind::Failed);
    // Only where nothing worse happened it is a matter of keys that were not given.
    Ok(match kinds.chain(unreadable).max() {
        None => Ok(()),
        Some(worst) => Err(Failure(worst)),
    })
}

fn print<'a>(
    printer: &Printer,
    level: Level,
    results: &[(&'a Archive, Found)],
) -> Result<(), CliError> {
    if printer.json {
        let json = |(archive, found): &(&'a Archive, Found)| json(archive, level, found);
        return printer.data(&results.iter().map(json).collect::<Vec<_>>());
    }
    let row = |(archive, found): &(&Archive, Found)| {
        let word = match found {
            Found::Good => "verified",
            Found::Broken(_) => "FAILED",
            Found::NotLookedAt(_) => "NOT LOOKED AT",
        };
        let manifest = &archive.manifest;
        [
            manifest.id.to_string(),
            manifest.source.to_string(),
            manifest.part.to_string(),
            level.to_string(),
            word.to_owned(),
        ]
    };
    let head = ["ARCHIVE", "SOURCE", "DATABASE", "LEVEL", "RESULT"];
    Ok(printer.table(head, results.iter().map(row).collect())?)
}

fn json<'a>(archive: &'a Archive, level: Level, found: &Found) -> VerifyJson<'a> {
    VerifyJson {
        id: archive.manifest.id.as_str(),
        source: archive.manifest.source.as_str(),
        database: archive.manifest.part.database().map(DatabaseName::as_str),
        level,
        ok: matches!(found, Found::Good),
        broken: matches!(found, Found::Broken(_)),
        error: match found {
            Found::Good => None,
            Found::Broken(error) => Some(chain(error)),
            Found::NotLookedAt(error) => Some(chain(error)),
        },
    }
}
