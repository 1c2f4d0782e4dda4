//! `rekey`: encrypts old archives to the recipients of today, and says which were and which need not be.

use serde::Serialize;

use super::printer::Printer;
use super::{CliError, Failure, Outcome, archives, find, keys};
use crate::app::App;
use crate::archive::Archive;
use crate::job::JobError;
use crate::job::rekey::{self, Rekeyed, To};
use crate::model::{DatabaseName, ErrorKind, Explain, chain};
use crate::pipeline::{Identities, PipelineError, Recipients};
use crate::transport::Stop;

/// What people ask for.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) archives: Vec<String>,
    pub(super) all: bool,
    /// Public keys; none: those of settings and labels.
    pub(super) to: Vec<String>,
}

#[derive(Serialize)]
struct RekeyJson<'a> {
    id: &'a str,
    source: &'a str,
    database: Option<&'a str>,
    /// Whether it was written anew; it need not be if it was right already.
    rekeyed: bool,
    ok: bool,
    recipients: Vec<String>,
    error: Option<String>,
}

type Found<'a> = (&'a Archive, Result<Rekeyed, JobError>);

pub(super) async fn run(
    app: &App,
    printer: &Printer,
    stop: Stop,
    asked: Asked,
    identities: Identities,
) -> Outcome {
    let to = match &asked.to[..] {
        [] => To::Rules { passphrase: app.passphrase.clone() },
        keys => To::Given(Recipients::read(keys).map_err(|error| {
            CliError::Job(JobError::Pipeline(PipelineError::Encryption(error)))
        })?),
    };
    let catalogue = archives(app, printer)?;
    let chosen: Vec<Archive> = match (asked.all, &asked.archives[..]) {
        (true, []) => catalogue.archives.clone(),
        (true, _) | (false, []) => return Err(CliError::NothingToRekey),
        (false, some) => some
            .iter()
            .map(|one| find(&catalogue, printer, one))
            .collect::<Result<_, CliError>>()?,
    };
    let identities = keys::with_passphrase(identities, &chosen, &stop).await?;
    let mut results: Vec<Found> = Vec::new();
    for archive in &chosen {
        let rekeyed = tokio::select! {
            rekeyed = rekey::run(&app.rules, &to, archive, &identities, &app.signing) => rekeyed,
            // Whatever it was at, the archive is whole, and the next backup sweeps the rest.
            () = stop.wait() => return Ok(Err(Failure(ErrorKind::Interrupted))),
        };
        if let Err(error) = &rekeyed {
            printer.fault(&format!("{}: {}", archive.manifest.id, chain(error)));
            error.hint().iter().for_each(|hint| printer.hint(hint));
        }
        results.push((archive, rekeyed));
    }
    print(printer, &results)?;
    let kinds = results.iter().filter_map(|(_, found)| found.as_ref().err().map(Explain::kind));
    let unreadable = (!catalogue.unreadable.is_empty()).then_some(ErrorKind::Failed);
    Ok(match kinds.chain(unreadable).max() {
        None => Ok(()),
        Some(worst) => Err(Failure(worst)),
    })
}

/// Who can decrypt an archive after all this.
fn recipients<'a>((archive, found): &'a Found) -> &'a [String] {
    match found {
        Ok(Rekeyed::Anew(manifest)) => &manifest.recipients,
        _ => &archive.manifest.recipients,
    }
}

fn print(printer: &Printer, results: &[Found]) -> Result<(), CliError> {
    if printer.json {
        return printer.data(&results.iter().map(json).collect::<Vec<_>>());
    }
    let row = |result: &Found| {
        let (archive, found) = result;
        let word = match found {
            Ok(Rekeyed::Anew(_)) => "rekeyed",
            Ok(Rekeyed::AlreadyRight) => "already right",
            Err(_) => "FAILED",
        };
        let manifest = &archive.manifest;
        [
            manifest.id.to_string(),
            manifest.source.to_string(),
            manifest.part.to_string(),
            recipients(result).join(", "),
            word.to_owned(),
        ]
    };
    let head = ["ARCHIVE", "SOURCE", "DATABASE", "RECIPIENTS", "RESULT"];
    Ok(printer.table(head, results.iter().map(row).collect())?)
}

fn json<'a>(result: &'a Found) -> RekeyJson<'a> {
    let (archive, found) = result;
    let manifest = &archive.manifest;
    RekeyJson {
        id: manifest.id.as_str(),
        source: manifest.source.as_str(),
        database: manifest.part.database().map(DatabaseName::as_str),
        rekeyed: matches!(found, Ok(Rekeyed::Anew(_))),
        ok: found.is_ok(),
        recipients: recipients(result).to_vec(),
        error: found.as_ref().err().map(|error| chain(error)),
    }
}
