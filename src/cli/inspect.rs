//! `list`, `show`: what is in the store and what is known of it. Neither needs Docker.

use std::collections::BTreeMap;

use serde::Serialize;

use super::printer::Printer;
use super::sign::words;
use super::{CliError, Failure, Outcome, archives, find};
use crate::app::App;
use crate::archive::{Archive, Check, Standing};
use crate::job::recipe;
use crate::model::units::Bytes;
use crate::model::{ErrorKind, PASSPHRASE, Part};

#[derive(Serialize)]
struct ArchiveJson<'a> {
    id: &'a str,
    source: &'a str,
    database: Option<&'a str>,
    part: &'static str,
    engine: &'a str,
    format: &'a str,
    container: &'a str,
    started_at: jiff::Timestamp,
    finished_at: jiff::Timestamp,
    plain_bytes: u64,
    stored_bytes: u64,
    rows: u64,
    counts: &'a BTreeMap<String, u64>,
    encrypted: bool,
    recipients: &'a [String],
    proof: String,
    stores: Vec<&'a str>,
}

#[derive(Serialize)]
struct ShowJson<'a> {
    manifest: &'a crate::archive::Manifest,
    proof: String,
    signature: String,
    checks: &'a [Check],
    location: String,
    restore: Vec<String>,
}

/// What an archive holds, in one word for programs.
pub(super) fn part_kind(part: &Part) -> &'static str {
    match part {
        Part::Globals => "globals",
        Part::Database(_) => "database",
    }
}

pub(super) fn list(app: &App, printer: &Printer, sources: &[String]) -> Outcome {
    let catalogue = archives(app, printer)?;
    let wanted = |archive: &&Archive| {
        sources.is_empty() || sources.iter().any(|s| s == archive.manifest.source.as_str())
    };
    let mut known: Vec<String> =
        catalogue.archives.iter().map(|archive| archive.manifest.source.to_string()).collect();
    known.sort();
    known.dedup();
    if let Some(unknown) = sources.iter().find(|source| !known.contains(source)) {
        return Err(CliError::NoSource(unknown.clone(), known));
    }
    let found: Vec<&Archive> = catalogue.archives.iter().filter(wanted).collect();
    if printer.json {
        printer.data(&found.iter().map(|archive| archive_json(archive)).collect::<Vec<_>>())?;
    } else {
        let row = |archive: &&Archive| {
            let manifest = &archive.manifest;
            [
                manifest.id.to_string(),
                manifest.source.to_string(),
                manifest.part.to_string(),
                manifest.engine.clone(),
                Bytes(manifest.plain.bytes).to_string(),
                Bytes(manifest.stored.bytes).to_string(),
                if manifest.encrypted() { "yes" } else { "no" }.to_owned(),
                archive.proof.standing().to_string(),
            ]
        };
        let head =
            ["ARCHIVE", "SOURCE", "DATABASE", "ENGINE", "PLAIN", "STORED", "ENCRYPTED", "PROOF"];
        printer.table(head, found.iter().map(row).collect())?;
    }
    // What could not be read was said; it must not pass for a complete list.
    Ok(if catalogue.unreadable.is_empty() { Ok(()) } else { Err(Failure(ErrorKind::Failed)) })
}

fn archive_json(archive: &Archive) -> ArchiveJson<'_> {
    let manifest = &archive.manifest;
    ArchiveJson {
        id: manifest.id.as_str(),
        source: manifest.source.as_str(),
        database: manifest.part.database().map(super::super::model::name::DatabaseName::as_str),
        part: part_kind(&manifest.part),
        engine: &manifest.engine,
        format: &manifest.format,
        container: &manifest.workload.container,
        started_at: manifest.started_at,
        finished_at: manifest.finished_at,
        plain_bytes: manifest.plain.bytes,
        stored_bytes: manifest.stored.bytes,
        rows: manifest.facts.rows(),
        counts: &manifest.facts.counts,
        encrypted: manifest.encrypted(),
        recipients: &manifest.recipients,
        proof: archive.proof.standing().to_string(),
        stores: vec![archive.store.name().as_str()],
    }
}

pub(super) fn show(app: &App, printer: &Printer, meant: &str) -> Outcome {
    let archive = find(&archives(app, printer)?, printer, meant)?;
    let steps = recipe::steps(&archive, &app.rules)?;
    let (root, key) = archive.place()?;
    let location = format!("{root}/{key}");
    if printer.json {
        printer.data(&ShowJson {
            manifest: &archive.manifest,
            proof: archive.proof.standing().to_string(),
            signature: words(&archive.signature),
            checks: archive.proof.checks(),
            location,
            restore: steps.into_iter().map(|step| step.line).collect(),
        })?;
        return Ok(Ok(()));
    }
    let manifest = &archive.manifest;
    let sums = |sum: crate::model::Sum| {
        format!("{} ({} bytes, SHA-256 {})", Bytes(sum.bytes), sum.bytes, sum.sha256)
    };
    let image = &manifest.workload.image;
    let encrypted = match &manifest.recipients[..] {
        [] => "no".to_owned(),
        [only] if only == PASSPHRASE => "with a passphrase".to_owned(),
        keys => format!("to {}", keys.join(", ")),
    };
    let lines = [
        ("archive", manifest.id.to_string()),
        ("source", manifest.source.to_string()),
        ("database", manifest.part.to_string()),
        ("container", format!("{} ({image})", manifest.workload.container)),
        ("server", format!("{} {}", manifest.engine, manifest.server_version)),
        ("tool", manifest.tool_version.clone()),
        ("started", manifest.started_at.to_string()),
        ("finished", manifest.finished_at.to_string()),
        ("plain", sums(manifest.plain)),
        ("stored", sums(manifest.stored)),
        ("hashed at", manifest.digest_at.to_string()),
        ("codec", manifest.codec.to_string()),
        ("encrypted", encrypted),
        ("signed", words(&archive.signature)),
        ("facts", manifest.facts.to_string()),
        ("proof", archive.proof.standing().to_string()),
        ("location", location),
    ];
    for (name, value) in lines {
        printer.line(&format!("{name:<10} {value}"))?;
    }
    for check in archive.proof.checks() {
        let result = check.failure.as_deref().unwrap_or("passed");
        printer.line(&format!("{:<10} {} at {}: {result}", "check", check.level, check.at))?;
    }
    for warning in &manifest.warnings {
        printer.line(&format!("{:<10} {warning}", "warning"))?;
    }
    if archive.proof.standing() == Standing::Broken {
        printer.line("\nThis archive is BROKEN. Restore from another one.")?;
    }
    printer.line("\nRestore it without Ringbolt:\n")?;
    for step in steps {
        printer.line(&format!("# {}\n{}", step.about, step.line))?;
    }
    if manifest.access.password.is_some() {
        printer.line("\nIf the server asks for a password, put it into the variable named after --env first.")?;
    }
    if manifest.recipients == [PASSPHRASE] {
        printer.line("\n`age` asks for the passphrase at the terminal.")?;
    } else if manifest.encrypted() {
        printer.line("\nPut the path of an identity file of one of its recipients into the variable IDENTITY first.")?;
    }
    Ok(Ok(()))
}
