//! `labels migrate`: Compose files of other tools. Needs no settings, no store and no Docker.
//!
//! What a label becomes is decided in `labels::dialect`, and where it stands in `labels::migrate`.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::printer::Printer;
use super::{Failure, Outcome};
use crate::labels::migrate::{self, MigrateError, Migrated};
use crate::model::{ErrorKind, Explain, Problem, Slug, units};

/// A file that cannot be migrated.
#[derive(Debug, thiserror::Error)]
enum FileError {
    #[error("cannot read `{0}`")]
    Read(String, #[source] std::io::Error),
    #[error("cannot migrate `{0}`")]
    Migrate(String, #[source] MigrateError),
}

impl Explain for FileError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Usage
    }
}

#[derive(Serialize)]
struct FileJson {
    file: String,
    changed: usize,
    text: String,
    problems: Vec<Problem>,
}

/// Prints every file that can be read, and fails if one could not, or if a person has to look at
/// something.
pub(super) fn run(printer: &Printer, files: &[PathBuf], prefix: &Slug) -> Outcome {
    let mut whole = true;
    let mut rows = Vec::new();
    for file in files {
        let name = file.display().to_string();
        let migrated = match read(file, &name, prefix) {
            Ok(migrated) => migrated,
            Err(error) => {
                whole = false;
                printer.error(&error);
                continue;
            }
        };
        let problems: Vec<Problem> = problems(&migrated, &name, files.len() > 1);
        whole &= problems.is_empty();
        for problem in &problems {
            printer.problem(problem);
        }
        if !printer.json {
            if files.len() > 1 {
                // Escaped, so that no name becomes a line of YAML.
                printer.bytes(format!("# {}\n", name.escape_debug()).as_bytes())?;
            }
            printer.bytes(migrated.text.as_bytes())?;
            if files.len() > 1 && !migrated.text.ends_with('\n') {
                printer.bytes(b"\n")?;
            }
        }
        let changed = units::count(u64::try_from(migrated.changed).unwrap_or(u64::MAX), "label");
        printer.say(&format!("{name}: {changed} migrated"));
        let Migrated { text, changed, .. } = migrated;
        rows.push(FileJson { file: name, changed, text, problems });
    }
    if printer.json {
        printer.data(&rows)?;
    }
    printer.flush()?;
    Ok(if whole { Ok(()) } else { Err(Failure(ErrorKind::Usage)) })
}

fn read(file: &Path, name: &str, prefix: &Slug) -> Result<Migrated, FileError> {
    let text =
        std::fs::read_to_string(file).map_err(|error| FileError::Read(name.to_owned(), error))?;
    migrate::migrate(&text, prefix).map_err(|error| FileError::Migrate(name.to_owned(), error))
}

/// Findings as people know them from other commands, with the file's name where there are several.
fn problems(migrated: &Migrated, file: &str, several: bool) -> Vec<Problem> {
    let problem = |(service, finding): &(String, crate::labels::dialect::Finding)| {
        let place = if several { format!("{file}: {service}") } else { service.clone() };
        Problem::new(&place, &finding.message).key(&finding.key)
    };
    migrated.findings.iter().map(problem).collect()
}
