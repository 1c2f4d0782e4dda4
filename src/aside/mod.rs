//! What Ringbolt does in a helper container: reads and writes files on the volumes of a workload that has
//! no tools for it. The engines describe these commands (`ringbolt aside NAME …`), a transport runs them.
//!
//! It talks by its input, its output and its exit code alone, like any other engine's tool. It knows
//! neither settings nor Docker nor a store.

mod files;
mod scratch;
mod sqlite;
mod volumes;

use std::io::{Read, Write};

pub use files::FilesError;
pub use sqlite::SqliteError;

/// Every command there is.
pub static ASIDES: &[Aside] = &[
    Aside { name: "sqlite-probe", run: sqlite::probe },
    Aside { name: "sqlite-dump", run: sqlite::dump },
    Aside { name: "sqlite-absent", run: sqlite::absent },
    Aside { name: "sqlite-load", run: sqlite::load },
    Aside { name: "sqlite-fill", run: sqlite::fill },
    Aside { name: "sqlite-settle", run: sqlite::settle },
    Aside { name: "sqlite-discard", run: sqlite::discard },
    Aside { name: "sqlite-count", run: sqlite::count },
    Aside { name: "sqlite-facts", run: sqlite::facts },
    Aside { name: "files-probe", run: files::probe },
    Aside { name: "files-dump", run: files::dump },
    Aside { name: "files-load", run: files::load },
    Aside { name: "files-settle", run: files::settle },
    Aside { name: "files-discard", run: files::discard },
    Aside { name: "files-count", run: files::count },
    Aside { name: "files-facts", run: files::facts },
];

/// One command.
#[derive(Debug)]
pub struct Aside {
    pub name: &'static str,
    run: Runner,
}

/// Takes the arguments behind the name, standard input and standard output.
type Runner = fn(&[String], &mut dyn Read, &mut dyn Write) -> Result<(), AsideError>;

/// A command that failed. Its words reach a person as the last words of a tool.
#[derive(Debug, thiserror::Error)]
pub enum AsideError {
    #[error("there is no aside `{0}`")]
    Unknown(String),
    #[error("it takes other arguments")]
    Arguments,
    #[error("cannot {act} `{path}`")]
    File { act: &'static str, path: String, source: std::io::Error },
    #[error("cannot pass it on")]
    Pipe(#[source] std::io::Error),
    #[error("`{0}` is on no volume of the container")]
    NoVolume(String),
    #[error(transparent)]
    Files(#[from] FilesError),
    #[error(transparent)]
    Sqlite(#[from] SqliteError),
}

/// Runs a command by its name.
///
/// # Errors
/// [`AsideError`]; what was written then is no whole answer.
pub fn run(
    arguments: &[String],
    input: &mut dyn Read,
    output: &mut dyn Write,
) -> Result<(), AsideError> {
    let (name, rest) = arguments.split_first().ok_or(AsideError::Arguments)?;
    let found = ASIDES.iter().find(|aside| aside.name == name);
    let aside = found.ok_or_else(|| AsideError::Unknown(name.clone()))?;
    (aside.run)(rest, input, output)
}
