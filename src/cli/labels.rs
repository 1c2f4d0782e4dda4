//! `labels`: the reference, generated from the table.

use serde::Serialize;

use super::printer::Printer;
use super::{CliError, LabelsCommand, Outcome, migrate};
use crate::engine::{self, Example};
use crate::labels::{self, LABELS, Label};
use crate::model::{Slug, nearest};

#[derive(Serialize)]
struct LabelJson {
    key: &'static str,
    expects: &'static str,
    default: &'static str,
    about: &'static str,
    examples: &'static [&'static str],
    operator_default: Option<String>,
}

pub(super) fn run(printer: &Printer, prefix: &Slug, command: Option<LabelsCommand>) -> Outcome {
    match command {
        None => table(printer),
        Some(LabelsCommand::Explain { key }) => explain(printer, prefix.as_str(), &key),
        Some(LabelsCommand::Example { engine }) => example(printer, prefix.as_str(), &engine),
        Some(LabelsCommand::Schema) => {
            printer.data(&labels::schema(prefix.as_str()))?;
            Ok(Ok(()))
        }
        Some(LabelsCommand::Migrate { files }) => migrate::run(printer, &files, prefix),
    }
}

fn table(printer: &Printer) -> Outcome {
    if printer.json {
        printer.data(&LABELS.iter().map(json).collect::<Vec<_>>())?;
    } else {
        let row = |label: &Label| [label.key, label.expects, label.default].map(plain);
        printer.table(["LABEL", "VALUE", "DEFAULT"], LABELS.iter().map(row).collect())?;
    }
    Ok(Ok(()))
}

fn explain(printer: &Printer, prefix: &str, key: &str) -> Outcome {
    // People copy keys with their prefix.
    let own = key.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('.')).unwrap_or(key);
    let Some(label) = LABELS.iter().find(|label| label.key == own) else {
        let near = nearest(own, LABELS.iter().map(|label| label.key));
        return Err(CliError::NoLabel(key.to_owned(), near));
    };
    if printer.json {
        printer.data(&json(label))?;
        return Ok(Ok(()));
    }
    printer.line(&format!("{prefix}.{}\n\n{}\n", label.key, plain(label.about)))?;
    printer.line(&format!("value    {}", plain(label.expects)))?;
    printer.line(&format!("default  {}", plain(label.default)))?;
    if label.has_default {
        printer.line(&format!("setting  defaults.{}", label.key))?;
    }
    for example in label.examples {
        printer.line(&format!("example  {prefix}.{}={example}", label.key))?;
    }
    printer.line(&format!("job      {prefix}.job.<id>.{} says it for a further job", label.key))?;
    Ok(Ok(()))
}

fn json(label: &Label) -> LabelJson {
    LabelJson {
        key: label.key,
        expects: label.expects,
        default: label.default,
        about: label.about,
        examples: label.examples,
        operator_default: label.has_default.then(|| format!("defaults.{}", label.key)),
    }
}

/// The table is written for the README; a terminal shows no backticks.
fn plain(text: &str) -> String {
    text.replace('`', "")
}

fn example(printer: &Printer, prefix: &str, engine: &str) -> Outcome {
    let found = engine::by_name(engine).ok_or_else(|| CliError::NoEngine(engine.to_owned()))?;
    let Example { service, labels } = &found.card().example;
    let own = labels.iter().map(|(key, value)| format!("\n      {prefix}.{key}: \"{value}\""));
    let own: String = own.collect();
    let text = format!(
        r#"services:
  db:
{service}
    labels:
      {prefix}.enable: "true"{own}
      {prefix}.schedule: "0 3 * * *"
      {prefix}.timezone: Europe/Berlin
      {prefix}.keep: last=7 daily=14 weekly=8 monthly=12

  ringbolt:
    image: ringbolt:local
    restart: unless-stopped
    volumes:
      - /var/run/docker.sock:/var/run/docker.sock
      - ./backups:/backups
      - state:/var/lib/ringbolt

volumes:
  data:
  state:"#
    );
    printer.line(&text)?;
    Ok(Ok(()))
}
