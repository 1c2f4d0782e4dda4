//! The engine family: one kind of database each. Engines are pure: they describe commands, read
//! answers and judge dumps; they never run anything.
//!
//! A new engine is one file (or folder) here and one line in [`ENGINES`]. Nothing else in the house
//! matches on an engine's name.

pub mod custom;
pub mod files;
pub mod influxdb;
pub mod mongodb;
pub mod mysql;
pub mod postgres;
pub mod redis;
mod rehearsal;
mod replacement;
pub mod sqlite;
mod tables;
pub mod tar;
mod tool;

use std::fmt::Debug;

pub use rehearsal::{Answer, FOLDER, Questions, Rehearsal, Stage, Sums, read_census};
pub use replacement::{Leftover, Replacement};
pub use tables::{Contents, Tables};
pub use tool::ToolError;

use crate::model::{
    Command, Database, DatabaseName, Databases, Environment, Explain, Facts, Part, Patterns, Place,
    Plan, SecretRef, Server,
};

/// Every engine Ringbolt knows. The factory is a look-up here: [`by_name`], [`by_image`].
pub static ENGINES: &[&dyn Engine] = &[
    &postgres::Postgres,
    &mysql::MYSQL,
    &mysql::MARIADB,
    &sqlite::Sqlite,
    &mongodb::Mongodb,
    &redis::Redis,
    &influxdb::InfluxDb,
    &files::Files,
];

/// One kind of database.
pub trait Engine: Debug + Send + Sync {
    /// The facts by which it is found and offered.
    fn card(&self) -> &Card;

    /// What a container's own environment says about user, password and databases.
    fn defaults(&self, env: &Environment) -> Defaults;

    /// Asks a server who it is and what it holds, and the tool that [`Engine::dump`] runs for its
    /// version. Read the answer with [`Engine::read_probe`].
    ///
    /// It is one command, because starting one in a container costs the host several times what the
    /// command then does: `psql` starts the other program by backquotes, the others are scripts
    /// ([`Command::script`]). Either way the shell's text is a constant: what users wrote reaches the
    /// client by its arguments, its input and its environment alone.
    fn probe(&self, access: &Access) -> Command;

    /// Reads the answer. A tool that is not there makes no error of it: who only wants the server
    /// does not need the tool.
    fn read_probe(&self, answer: &[u8]) -> Result<Probed, EngineError>;

    /// What `databases=*` stands for: each database by itself, unless one dump of all is worth more. An
    /// engine whose labels say where its data is adds what is not there; to dump that fails, and says why.
    fn wanted(&self, _access: &Access, server: &Server) -> Vec<DatabaseName> {
        server.databases.iter().map(|database| database.name.clone()).collect()
    }

    /// Describes the dump of one part.
    fn dump(&self, access: &Access, part: &Part, scope: &Scope, server: &Server) -> Dump;

    /// Judges a dump stream, whole or not.
    fn validator(&self, part: &Part, format: &str) -> Box<dyn Validator>;

    /// Describes how a dump of a database is put back.
    fn restore(&self, access: &Access, to: &Destination) -> Restore;

    /// Describes how a restored database takes the place of one that is not empty. `old`: the name that
    /// that one gets, where both are there for a while.
    fn replacement(&self, _access: &Access, _to: &Destination, _old: &DatabaseName) -> Replacement {
        Replacement::Never("nobody knows what may be removed: empty it by hand, then restore")
    }

    /// What to do with a database that a killed restore left, where one can be told from what is used.
    fn leftover(&self, _access: &Access, _name: &DatabaseName) -> Option<Leftover> {
        None
    }

    /// Single tables, if the engine can restore them.
    fn tables(&self) -> Option<&dyn Tables> {
        None
    }

    /// The stock tool that loads a dump where it came from, in a container with the workload's volumes,
    /// for an engine whose own commands only Ringbolt knows.
    fn stock(&self) -> Option<Command> {
        None
    }

    /// What belongs to the server and to no database, if the engine can dump that.
    fn globals(&self) -> Option<&dyn Globals> {
        None
    }

    /// Counts what is in a database: one number, 0 when nobody put anything into it.
    fn count_objects(&self, access: &Access, name: &DatabaseName) -> Command;

    /// Asks a database for the facts that a validator found in its dump. Tables that a restore does
    /// not fill by itself alone are left out of the answer.
    fn ask_facts(&self, access: &Access, name: &DatabaseName, facts: &Facts) -> Command;

    fn read_facts(&self, answer: &[u8]) -> Result<Facts, EngineError>;

    /// How an empty place to restore into is made of the workload's own image. `None`: by nothing that
    /// could prove anything.
    fn rehearsal(&self, _env: &Environment, _access: &Access) -> Option<Rehearsal> {
        None
    }

    /// What is asked in a database and in what was restored of it, to compare the two. `None`: the facts
    /// of the dump are everything that can be compared.
    fn census(
        &self,
        _access: &Access,
        _name: &DatabaseName,
        _sums: Sums,
        _major: u32,
    ) -> Option<Questions> {
        None
    }

    /// What to do about the last words of a tool that failed, if they are well known.
    fn advice(&self, _said: &str) -> Option<&'static str> {
        None
    }

    /// The same engine by another way, for workloads that have no tool of its own.
    fn otherwise(&self) -> Option<&'static dyn Engine> {
        None
    }
}

/// What an engine does with what belongs to the server and to no database.
pub trait Globals {
    /// The extension of such a dump.
    fn extension(&self) -> &'static str;

    /// Reads a dump of globals and leaves out what the target server already has.
    fn adapt(
        &self,
        access: &Access,
        dump: &str,
        server: &Server,
    ) -> Result<GlobalsRestore, EngineError>;

    /// The command that loads a dump of globals as it is, for people with stock tools.
    fn load(&self, access: &Access) -> Command;
}

/// An engine's fixed facts.
#[derive(Debug)]
pub struct Card {
    pub name: &'static str,
    pub aliases: &'static [&'static str],
    /// Last path components of images that hold this engine.
    pub images: &'static [&'static str],
    /// The first is the default.
    pub formats: &'static [Format],
    /// The labels that it heeds, of those that mean something to some engines only: `databases`, `user`,
    /// `password`, `path`, `include`, `exclude`, `exclude-data`, `hold`.
    pub takes: &'static [&'static str],
    /// Those of them that it cannot do without.
    pub needs: &'static [&'static str],
    /// Where its commands run.
    pub place: Place,
    /// The name of the one thing that there is, where a server does not hold databases by name.
    pub whole: Option<&'static str>,
    /// Where a database can be filled under one name and get another: how long a name may be. `None`:
    /// a restore fills it under its own name and removes it if that fails.
    pub renames: Option<usize>,
    /// Whether an empty database of another encoding cannot hold what the dump holds.
    pub fixed_encoding: bool,
    /// How it is dumped, in a line for people.
    pub about: &'static str,
    /// The servers that the suite restores it on.
    pub proven: &'static str,
    pub example: Example,
}

/// What a Compose file says of a service of this kind, to begin with. Its data is in the volume `data`.
#[derive(Debug)]
pub struct Example {
    /// Image, environment and volumes.
    pub service: &'static str,
    /// Labels that it needs beside the common ones.
    pub labels: &'static [(&'static str, &'static str)],
}

/// A format in which an engine dumps.
#[derive(Debug)]
pub struct Format {
    pub name: &'static str,
    /// The extension of a dumped database.
    pub extension: &'static str,
}

/// As whom to talk to a server, and where its data is.
#[derive(Debug, Clone, Copy)]
pub struct Access<'a> {
    pub user: &'a str,
    pub password: Option<&'a SecretRef>,
    /// For engines of files; on a restore, the one that is restored.
    pub paths: &'a [String],
}

impl<'a> Access<'a> {
    pub fn of(plan: &'a Plan) -> Self {
        Self { user: &plan.user, password: plan.password.as_ref(), paths: &plan.paths }
    }
}

/// What a probe found out.
#[derive(Debug)]
pub struct Probed {
    pub server: Server,
    /// The version of the tool that dumps it, as the tool spells it.
    pub tool: Result<String, ToolError>,
}

/// How and how much of a database is dumped.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    pub format: &'a str,
    pub patterns: &'a Patterns,
    /// The snapshot that a census is taken of, where it has a name.
    pub snapshot: Option<&'a str>,
}

/// What a container's environment says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defaults {
    pub user: String,
    pub password: Option<SecretRef>,
    pub databases: Databases,
}

/// How one part is dumped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dump {
    pub command: Command,
    /// What this dump cannot hold, in words for the operator.
    pub warnings: Vec<String>,
}

/// Where a database dump goes.
#[derive(Debug, Clone, Copy)]
pub struct Destination<'a> {
    /// The dump's format.
    pub format: &'a str,
    /// The name under which it is filled.
    pub staged: &'a DatabaseName,
    /// Its name in the end; the same where nothing is renamed.
    pub name: &'a DatabaseName,
    /// The database that was dumped.
    pub like: &'a Database,
    /// The version of the server that it goes to.
    pub major: u32,
}

/// How a database dump is put back: the steps, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restore {
    /// Makes the empty database, with the properties of the dumped one. `None`: loading makes it.
    pub create: Option<Command>,
    /// Reads the plain dump on its standard input.
    pub load: Command,
    /// Ends it: owner, settings, grants and comment, then the final name.
    pub settle: Option<Command>,
    /// Removes what a failed restore left half filled, and whoever still works in it.
    pub discard: Command,
}

/// How globals are put back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GlobalsRestore {
    pub load: Command,
    /// What is created.
    pub created: Vec<String>,
    /// What the target has already, and keeps as it is.
    pub kept: Vec<String>,
}

/// Reads a dump as it streams by and says whether it is whole. One pass, constant memory.
pub trait Validator: Debug + Send {
    /// Takes the next piece. An error is final: the dump can no longer become whole.
    fn check(&mut self, piece: &[u8]) -> Result<(), Invalid>;

    /// Called at the end of the stream: the dump is whole, and these are its facts, or it is not.
    fn finish(self: Box<Self>) -> Result<Facts, Invalid>;
}

/// Why a stream is not a whole dump.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    #[error("the dump is empty")]
    Empty,
    #[error("the dump is cut: {0}")]
    Cut(String),
    #[error("this is not a dump: {0}")]
    Foreign(String),
}

impl Explain for Invalid {
    fn hint(&self) -> Option<String> {
        let hint = "the dump tool ended early or its output was cut on the way; \
                    look at the server's log and at any proxy before the Docker socket";
        Some(hint.to_owned())
    }
}

/// An answer that an engine cannot use.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("cannot read the server's answer")]
    Answer(#[source] serde_json::Error),
    #[error("cannot read the server's answer: {0}")]
    AnswerShape(String),
    #[error("the dump of globals is not readable: {0}")]
    Globals(String),
    #[error("engine {0} has no globals")]
    NoGlobals(String),
}

impl Explain for EngineError {}

/// Finds an engine by its name or one of its aliases.
pub fn by_name(name: &str) -> Option<&'static dyn Engine> {
    ENGINES
        .iter()
        .copied()
        .find(|engine| engine.card().name == name || engine.card().aliases.contains(&name))
}

/// Finds the engine that an image holds: `registry:5000/bitnami/postgresql:15@sha256:…`.
pub fn by_image(image: &str) -> Option<&'static dyn Engine> {
    let image = image.split('@').next().unwrap_or(image);
    let last = image.rsplit('/').next().unwrap_or(image);
    let base = last.split(':').next().unwrap_or(last);
    ENGINES.iter().copied().find(|engine| engine.card().images.contains(&base))
}

/// Every name and alias, for messages.
pub fn names() -> Vec<&'static str> {
    ENGINES
        .iter()
        .flat_map(|e| std::iter::once(e.card().name).chain(e.card().aliases.iter().copied()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_name_their_engine() {
        for image in [
            "postgres",
            "postgres:15",
            "registry:5000/team/postgres:15-alpine",
            "bitnami/postgresql:16",
            "postgis/postgis:15-3.4",
            "postgres@sha256:00",
        ] {
            assert_eq!(
                by_image(image).map(|engine| engine.card().name),
                Some("postgres"),
                "{image}"
            );
        }
        for image in ["postgres-exporter:1", "mypostgres", "nginx", "", "sha256:00ff"] {
            assert!(by_image(image).is_none(), "{image}");
        }
    }
}
