//! SQLite: database files in a container, by its own `sqlite3` or, where it has none, by Ringbolt's in a
//! helper container that has the same volumes.
//!
//! What a whole file looks like is in `file.rs` and `schema.rs`; what is asked and answered in
//! `answers.rs`; which files a pattern means in `glob.rs`; what `sqlite3` is told to do in the `*.sh`
//! beside. What the helper does is in `aside/`.

pub mod answers;
pub mod file;
pub mod glob;
mod schema;

use super::{
    Access, Card, Defaults, Destination, Dump, Engine, EngineError, Example, Format, Probed,
    Rehearsal, Replacement, Restore, Scope, Stage, Validator,
};
use crate::model::{
    Command, Database, DatabaseName, Databases, Environment, Facts, LONGEST_DATABASE, Part, Place,
    Server,
};

static CARD: Card = card(Place::Workload);
static HELPER_CARD: Card = card(Place::Helper);

const TOOL: &str = "sqlite3";
/// How long a lock of the application's is waited for.
const WAIT: &str = ".timeout 60000";

/// What to do instead of replacing a file that applications may have open.
const INSTEAD: &str =
    "move the file away with the application stopped, then restore under its name";

const fn card(place: Place) -> Card {
    Card {
        name: "sqlite",
        aliases: &["sqlite3"],
        images: &[],
        formats: &[Format { name: "sqlite", extension: "sqlite3" }],
        takes: &["path"],
        needs: &["path"],
        place,
        whole: None,
        renames: Some(LONGEST_DATABASE),
        fixed_encoding: false,
        about: "`sqlite3`'s `.backup`, or a helper container where there is none; `integrity_check`; exact \
                rows counted",
        proven: "SQLite 3.40; the one built in",
        example: Example {
            service: "    image: app:1
    volumes:
      - data:/data",
            labels: &[("engine", "sqlite"), ("path", "/data/app.db")],
        },
    }
}

/// Database files, by the `sqlite3` of the container that they are in.
#[derive(Debug)]
pub struct Sqlite;

/// Database files on the volumes of a container without `sqlite3`.
#[derive(Debug)]
pub struct Aside;

impl Engine for Sqlite {
    fn card(&self) -> &Card {
        &CARD
    }

    fn defaults(&self, _env: &Environment) -> Defaults {
        defaults()
    }

    fn probe(&self, access: &Access) -> Command {
        let script = Command::script(TOOL, include_str!("probe.sh"));
        access.paths.iter().fold(script, Command::arg)
    }

    fn read_probe(&self, answer: &[u8]) -> Result<Probed, EngineError> {
        answers::read_probe(answer, TOOL)
    }

    fn wanted(&self, access: &Access, server: &Server) -> Vec<DatabaseName> {
        wanted(access, server)
    }

    fn dump(&self, _access: &Access, part: &Part, _scope: &Scope, server: &Server) -> Dump {
        let script = match is_there(part, server) {
            true => include_str!("dump.sh"),
            false => include_str!("absent.sh"),
        };
        let command = Command::script(TOOL, script).arg(path(part));
        Dump { command, warnings: Vec::new() }
    }

    fn validator(&self, _part: &Part, _format: &str) -> Box<dyn Validator> {
        Box::<file::DatabaseFile>::default()
    }

    fn restore(&self, _access: &Access, to: &Destination) -> Restore {
        let (staged, name) = (to.staged.as_str(), to.name.as_str());
        let discard = Command::new(["rm", "-f"]).arg(staged);
        let besides = ["-journal", "-wal", "-shm"].map(|ending| format!("{staged}{ending}"));
        let discard = besides.into_iter().fold(discard, Command::arg);
        if staged == name {
            let load = Command::script(TOOL, include_str!("fill.sh")).arg(name);
            return Restore { create: None, load, settle: None, discard };
        }
        let load = Command::script(TOOL, include_str!("load.sh")).arg(staged).arg(name);
        let settle = Command::script("ln", include_str!("settle.sh")).arg(staged).arg(name);
        let settle = remembered(to.like).into_iter().fold(settle, Command::arg);
        Restore { create: None, load, settle: Some(settle), discard }
    }

    fn replacement(&self, _: &Access, _: &Destination, _: &DatabaseName) -> Replacement {
        Replacement::Never(INSTEAD)
    }

    fn count_objects(&self, _access: &Access, name: &DatabaseName) -> Command {
        reading(name).arg("SELECT count(*) FROM sqlite_master")
    }

    fn ask_facts(&self, _access: &Access, name: &DatabaseName, facts: &Facts) -> Command {
        reading(name).stdin(answers::asked(facts).map(answers::count_rows).collect::<String>())
    }

    fn read_facts(&self, answer: &[u8]) -> Result<Facts, EngineError> {
        answers::read_facts(answer)
    }

    fn rehearsal(&self, _: &Environment, _: &Access) -> Option<Rehearsal> {
        Some(Rehearsal::of_files(Stage::Shell))
    }

    fn advice(&self, said: &str) -> Option<&'static str> {
        advice(said)
    }

    fn otherwise(&self) -> Option<&'static dyn Engine> {
        Some(&Aside)
    }
}

impl Engine for Aside {
    fn card(&self) -> &Card {
        &HELPER_CARD
    }

    fn defaults(&self, _env: &Environment) -> Defaults {
        defaults()
    }

    fn probe(&self, access: &Access) -> Command {
        access.paths.iter().fold(aside("sqlite-probe"), Command::arg)
    }

    fn read_probe(&self, answer: &[u8]) -> Result<Probed, EngineError> {
        answers::read_probe(answer, "ringbolt")
    }

    fn wanted(&self, access: &Access, server: &Server) -> Vec<DatabaseName> {
        wanted(access, server)
    }

    fn dump(&self, _access: &Access, part: &Part, _scope: &Scope, server: &Server) -> Dump {
        let name = if is_there(part, server) { "sqlite-dump" } else { "sqlite-absent" };
        Dump { command: aside(name).arg(path(part)), warnings: Vec::new() }
    }

    fn validator(&self, part: &Part, format: &str) -> Box<dyn Validator> {
        Sqlite.validator(part, format)
    }

    fn restore(&self, _access: &Access, to: &Destination) -> Restore {
        let (staged, name) = (to.staged.as_str(), to.name.as_str());
        let discard = aside("sqlite-discard").arg(staged);
        if staged == name {
            let load = aside("sqlite-fill").arg(name);
            return Restore { create: None, load, settle: None, discard };
        }
        let load = aside("sqlite-load").arg(staged).arg(name);
        let settle = aside("sqlite-settle").arg(staged).arg(name);
        let settle = remembered(to.like).into_iter().fold(settle, Command::arg);
        Restore { create: None, load, settle: Some(settle), discard }
    }

    fn replacement(&self, _: &Access, _: &Destination, _: &DatabaseName) -> Replacement {
        Replacement::Never(INSTEAD)
    }

    fn count_objects(&self, _access: &Access, name: &DatabaseName) -> Command {
        aside("sqlite-count").arg(name.as_str())
    }

    fn ask_facts(&self, _access: &Access, name: &DatabaseName, facts: &Facts) -> Command {
        let names = answers::asked(facts).map(|name| answers::hex(name) + "\n");
        aside("sqlite-facts").arg(name.as_str()).stdin(names.collect::<String>())
    }

    fn read_facts(&self, answer: &[u8]) -> Result<Facts, EngineError> {
        answers::read_facts(answer)
    }

    fn rehearsal(&self, _: &Environment, _: &Access) -> Option<Rehearsal> {
        Some(Rehearsal::of_files(Stage::Volume))
    }

    fn advice(&self, said: &str) -> Option<&'static str> {
        advice(said)
    }
}

fn defaults() -> Defaults {
    Defaults { user: String::new(), password: None, databases: Databases::All }
}

/// What was found, and every path that the labels name and nothing was found for: its dump fails, and
/// says why.
fn wanted(access: &Access, server: &Server) -> Vec<DatabaseName> {
    let found = server.databases.iter().map(|database| database.name.clone());
    let met = |path: &String| {
        let mut names = server.databases.iter().map(|database| database.name.as_str());
        names.any(|name| name == path || glob::matches(path, name))
    };
    let missing = access.paths.iter().filter(|path| !met(path));
    found.chain(missing.filter_map(|path| path.parse().ok())).collect()
}

fn is_there(part: &Part, server: &Server) -> bool {
    server.databases.iter().any(|database| Some(&database.name) == part.database())
}

fn path(part: &Part) -> &str {
    part.database().map_or("", DatabaseName::as_str)
}

/// Owner and mode of the file that was dumped; empty where nobody knows them.
fn remembered(like: &Database) -> [&str; 2] {
    [answers::OWNER, answers::MODE].map(|name| {
        let setting = like.settings.iter().find(|setting| setting.name == name);
        setting.map_or("", |setting| setting.value.as_str())
    })
}

/// `sqlite3` as a strict interpreter of what follows, that changes nothing and reads no start-up file.
fn reading(name: &DatabaseName) -> Command {
    let strict = [TOOL, "-init", "/dev/null", "-batch", "-bail", "-readonly", "-cmd", WAIT];
    Command::new(strict).arg(name.as_str())
}

fn aside(name: &str) -> Command {
    Command::new(["ringbolt", "aside", name])
}

fn advice(said: &str) -> Option<&'static str> {
    let words = |words: &[&str]| words.iter().any(|word| said.contains(word));
    match () {
        () if words(&["database is locked", "database table is locked"]) => Some(
            "the application holds a lock for more than a minute; back up when it is quiet, or let it use \
             `PRAGMA journal_mode=WAL`, in which nobody waits for a reader",
        ),
        () if words(&["file is not a database"]) => {
            Some("an encrypted database can be read by its application alone")
        }
        () if words(&["no place for a copy"]) => Some(
            "the copy that is checked and stored needs as much room as the database: mount a volume and \
             name it in the container's TMPDIR",
        ),
        () if words(&["is on no volume"]) => Some(
            "the container has no `sqlite3`, and what it does not keep on a volume is seen by nobody \
             else: put the database on a volume, or `sqlite3` into the image",
        ),
        () => None,
    }
}
