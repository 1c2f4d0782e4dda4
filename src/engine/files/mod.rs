//! Files: paths on the volumes of a container, each as one tar, written and read by Ringbolt itself in a
//! helper container (`aside::files`). The container needs no tools, and no shell.
//!
//! What is counted in a tar is in `tally.rs`. The tar itself is standard: GNU's `tar --xattrs
//! --xattrs-include='*' --numeric-owner -xpf` restores all of it.

mod tally;

use serde::{Deserialize, Serialize};

pub use tally::Tally;

use super::tar::{Event, Reader};
use super::{
    Access, Card, Defaults, Destination, Dump, Engine, EngineError, Example, Format, Invalid,
    Probed, Rehearsal, Replacement, Restore, Scope, Stage, Validator,
};
use crate::model::{
    Command, Database, DatabaseName, Databases, Environment, Facts, LONGEST_DATABASE, Part, Place,
    Server,
};

static CARD: Card = Card {
    name: "files",
    aliases: &["volume"],
    images: &[],
    formats: &[Format { name: "tar", extension: "tar" }],
    takes: &["path", "exclude", "hold"],
    needs: &["path"],
    place: Place::Helper,
    whole: None,
    renames: Some(LONGEST_DATABASE),
    fixed_encoding: false,
    about: "each `path` as one tar, by a helper: owners, modes, times, links, holes, attributes; \
            `exclude` takes patterns below it (`*` and `?` within a name, `**` through folders)",
    proven: "Debian's file systems, and by GNU tar",
    example: Example {
        service: "    image: nginx:1
    volumes:
      - data:/data",
        labels: &[("engine", "files"), ("path", "/data")],
    },
};

/// Which kind of tar this is, as other engines have versions.
const GENERATION: u32 = 1;

/// The engine of files.
#[derive(Debug)]
pub struct Files;

/// What the helper answers to the probe.
#[derive(Debug, Serialize, Deserialize)]
pub struct ProbeAnswer {
    pub ringbolt: String,
    /// Those of the paths that are there.
    pub paths: Vec<String>,
}

impl Engine for Files {
    fn card(&self) -> &Card {
        &CARD
    }

    fn defaults(&self, _: &Environment) -> Defaults {
        Defaults { user: String::new(), password: None, databases: Databases::All }
    }

    fn probe(&self, access: &Access) -> Command {
        access.paths.iter().fold(aside("files-probe"), Command::arg)
    }

    fn read_probe(&self, answer: &[u8]) -> Result<Probed, EngineError> {
        let answer: ProbeAnswer = serde_json::from_slice(answer).map_err(EngineError::Answer)?;
        let database = |path: String| match path.parse() {
            Ok(name) => Ok(Database::named(name)),
            Err(error) => Err(EngineError::AnswerShape(format!("path `{path}`: {error}"))),
        };
        let databases = answer.paths.into_iter().map(database).collect::<Result<_, _>>()?;
        let version = GENERATION.to_string();
        let server = Server { version, major: GENERATION, databases, ..Server::default() };
        Ok(Probed { server, tool: Ok(format!("ringbolt {}", answer.ringbolt)) })
    }

    /// A path that is not there is wanted all the same: that it is not is no success.
    fn wanted(&self, access: &Access, _: &Server) -> Vec<DatabaseName> {
        access.paths.iter().filter_map(|path| path.parse().ok()).collect()
    }

    fn dump(&self, _: &Access, part: &Part, scope: &Scope, _: &Server) -> Dump {
        let path = part.database().map_or("", DatabaseName::as_str);
        let exclude = &scope.patterns.exclude;
        let command = exclude
            .iter()
            .fold(aside("files-dump"), |command, pattern| command.arg("--exclude").arg(pattern));
        Dump { command: command.arg("--").arg(path), warnings: Vec::new() }
    }

    fn validator(&self, _: &Part, _: &str) -> Box<dyn Validator> {
        Box::<Tar>::default()
    }

    fn restore(&self, _: &Access, to: &Destination) -> Restore {
        let (staged, name) = (to.staged.as_str(), to.name.as_str());
        let settle = || aside("files-settle").arg(staged).arg(name);
        Restore {
            create: None,
            load: aside("files-load").arg(staged),
            settle: (staged != name).then(settle),
            discard: aside("files-discard").arg(staged),
        }
    }

    /// Over nothing that is there: a new volume is what it is for.
    fn stock(&self) -> Option<Command> {
        let tar = ["tar", "--extract", "--keep-old-files", "--same-permissions", "--numeric-owner"];
        let tar = Command::new(tar).arg("--xattrs").arg("--xattrs-include=*");
        Some(tar.arg("--directory=/").arg("--file=-"))
    }

    fn replacement(&self, _: &Access, _: &Destination, _: &DatabaseName) -> Replacement {
        Replacement::Never(
            "empty the folder with the application stopped, or restore beside it with `--database PATH`",
        )
    }

    fn count_objects(&self, _: &Access, name: &DatabaseName) -> Command {
        aside("files-count").arg(name.as_str())
    }

    fn ask_facts(&self, _: &Access, name: &DatabaseName, _: &Facts) -> Command {
        aside("files-facts").arg(name.as_str())
    }

    fn rehearsal(&self, _: &Environment, _: &Access) -> Option<Rehearsal> {
        Some(Rehearsal::of_files(Stage::Volume))
    }

    fn read_facts(&self, answer: &[u8]) -> Result<Facts, EngineError> {
        let tally: Tally = serde_json::from_slice(answer).map_err(EngineError::Answer)?;
        Ok(tally.facts())
    }
}

fn aside(name: &str) -> Command {
    Command::new(["ringbolt", "aside", name])
}

/// A tar that the helper writes, so far. Its last remark says what must be in it: a helper that leaves
/// something out and closes the tar all the same is found.
#[derive(Debug, Default)]
struct Tar {
    reader: Reader,
    tally: Tally,
    said: Option<String>,
}

impl Validator for Tar {
    fn check(&mut self, mut piece: &[u8]) -> Result<(), Invalid> {
        while let Some(event) = self.reader.next(&mut piece)? {
            match event {
                Event::Entry(entry) => self.tally.add(&entry.kind),
                Event::Comment(text) => self.said = Some(text),
                Event::Data(_) => {}
            }
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Facts, Invalid> {
        self.reader.finish()?;
        self.tally.check(self.said.as_deref())?;
        Ok(self.tally.facts())
    }
}
