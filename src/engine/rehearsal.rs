//! What a drill needs of an engine: how an empty place to restore into is made of the workload's own image,
//! and what is asked on both sides to know that the two are the same.
//!
//! Nothing is made here and nothing is asked: `job/drill/` does it.

use super::EngineError;
use crate::model::{Census, Command, SecretRef};

/// An empty place for a restore, in a throwaway container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rehearsal {
    pub stage: Stage,
    /// Variables of the workload that are not wanted there: they would make users, databases or
    /// passwords of files that are not there.
    pub unset: Vec<&'static str>,
    /// Variables that get the throwaway container's own password, a random one.
    pub passwords: Vec<&'static str>,
    /// Where the engine keeps its data: what the workload has mounted there or above is replaced by empty
    /// volumes.
    pub data: Vec<String>,
    /// Folders whose content would be run at the first start.
    pub omit: &'static [&'static str],
    /// Who may do everything there.
    pub user: String,
    pub password: Option<SecretRef>,
    /// Succeeds when the server takes work, and not while it is still being set up.
    pub ready: Option<Command>,
    /// Lets the server spare what only matters to data that somebody will need.
    pub hurry: Option<Command>,
}

/// What runs in the throwaway container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// What the workload itself runs.
    Server,
    /// Nothing but a shell that waits: the tools are in the image, and files are restored into
    /// [`FOLDER`].
    Shell,
    /// Nothing at all: a helper container uses its volume at [`FOLDER`].
    Volume,
}

/// Where files are restored that are no server's.
pub const FOLDER: &str = "/ringbolt-drill";

impl Rehearsal {
    /// For engines whose data are files by themselves.
    pub(super) fn of_files(stage: Stage) -> Self {
        Self {
            stage,
            unset: Vec::new(),
            passwords: Vec::new(),
            data: Vec::new(),
            omit: &[],
            user: String::new(),
            password: None,
            ready: None,
            hurry: None,
        }
    }
}

/// How much of a table's rows a census knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sums {
    /// How many there are.
    Rows,
    /// What is in them, too.
    Contents,
}

/// What is asked for a census.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Questions {
    /// Reads the questions on its input.
    pub command: Command,
    /// Begins to see one moment of the database and no later one, and answers `["snapshot", name]`. A
    /// dump can be made of a snapshot that has a name; else it is empty.
    pub begin: String,
    /// Answers `[thing, what is known of it]` for each thing, and then `["end", ""]`.
    pub ask: String,
}

/// What a line of an answer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Snapshot(String),
    Thing(String, String),
    End,
}

impl Answer {
    /// # Errors
    /// [`EngineError::Answer`] if it is none.
    pub fn read(line: &[u8]) -> Result<Self, EngineError> {
        let (thing, known): (String, String) =
            serde_json::from_slice(line).map_err(EngineError::Answer)?;
        Ok(match thing.as_str() {
            "snapshot" => Self::Snapshot(known),
            "end" => Self::End,
            _ => Self::Thing(thing, known),
        })
    }
}

/// Reads a whole answer.
///
/// # Errors
/// [`EngineError`] if it is none, or not whole.
pub fn read_census(answer: &[u8]) -> Result<Census, EngineError> {
    let mut things = Vec::new();
    for line in answer.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        match Answer::read(line)? {
            Answer::Thing(thing, known) => things.push((thing, known)),
            Answer::Snapshot(_) => {}
            Answer::End => return Ok(things.into_iter().collect()),
        }
    }
    Err(EngineError::AnswerShape("the census has no end".to_owned()))
}
