//! `sign`, and `keygen --signing`: signatures of manifests, and the keys for them.

use std::path::Path;

use serde::Serialize;

use super::printer::Printer;
use super::{CliError, Failure, Outcome, archives, find, keys};
use crate::app::App;
use crate::archive::Archive;
use crate::job::sign;
use crate::model::{ErrorKind, chain};
use crate::pipeline::{self, Signature, SignatureFault};
use crate::transport::Stop;

#[derive(Serialize)]
struct SignJson<'a> {
    id: &'a str,
    source: &'a str,
    ok: bool,
    error: Option<String>,
}

/// Signs what has no signature yet, or what is named.
pub(super) async fn run(app: &App, printer: &Printer, stop: Stop, meant: &[String]) -> Outcome {
    let catalogue = archives(app, printer)?;
    let unsigned = |archive: &&Archive| {
        let signature = &archive.signature;
        matches!(signature, Signature::Unsigned | Signature::Refused(SignatureFault::Unsigned))
    };
    let chosen: Vec<Archive> = match meant {
        [] => catalogue.archives.iter().filter(unsigned).cloned().collect(),
        _ => meant
            .iter()
            .map(|one| find(&catalogue, printer, one))
            .collect::<Result<_, CliError>>()?,
    };
    if chosen.is_empty() {
        printer.say("every archive has a signature: there is nothing to sign");
    }
    let mut bad = (!catalogue.unreadable.is_empty()).then_some(ErrorKind::Failed);
    let mut results = Vec::new();
    for archive in &chosen {
        let signed = tokio::select! {
            signed = sign::run(archive, &app.signing) => signed,
            () = stop.wait() => return Ok(Err(Failure(ErrorKind::Interrupted))),
        };
        let manifest = &archive.manifest;
        let error = signed.map_err(CliError::Job).err();
        if let Some(error) = &error {
            use crate::model::Explain as _;
            printer.error(error);
            bad = Some(error.kind());
        }
        results.push(SignJson {
            id: manifest.id.as_str(),
            source: manifest.source.as_str(),
            ok: error.is_none(),
            error: error.map(|error| chain(&error)),
        });
    }
    if printer.json {
        printer.data(&results)?;
    } else {
        let word = |ok: bool| if ok { "signed" } else { "FAILED" }.to_owned();
        let row =
            |result: &SignJson| [result.id.to_owned(), result.source.to_owned(), word(result.ok)];
        printer.table(["ARCHIVE", "SOURCE", "RESULT"], results.iter().map(row).collect())?;
    }
    Ok(bad.map_or(Ok(()), |kind| Err(Failure(kind))))
}

/// Makes a pair of keys: the secret one in this file, which only its owner can read, the public one beside it.
pub(super) fn generate(printer: &Printer, output: &Path) -> Outcome {
    let public = output.with_extension("pub");
    let pair = pipeline::generate_signing().map_err(keys::KeyError::Signing)?;
    if public == output || public.exists() {
        return Err(keys::KeyError::Write(public, std::io::ErrorKind::AlreadyExists.into()).into());
    }
    keys::write(output, pair.secret.reveal().as_bytes())?;
    keys::write(&public, pair.public.as_bytes())?;
    printer.say(&format!("public key: {}", pair.key));
    Ok(Ok(()))
}

/// What a signature is worth, in words for `show`.
pub(super) fn words(signature: &Signature) -> String {
    match signature {
        Signature::Unsigned => "no".to_owned(),
        Signature::By(key) => format!("by key {}", key.id()),
        Signature::Unchecked(id) => format!("by key {id}, which was not checked"),
        Signature::Refused(fault) => format!("REFUSED: {fault}"),
    }
}
