//! An engine of the operator's own: commands that the settings name and a label chooses. It knows how
//! they are run and what the operator says of a whole dump, and nothing of what they dump.
//!
//! A label chooses among these engines and never brings a command. What the label `path` and its like
//! say reaches the commands by their environment.

use std::sync::{Mutex, PoisonError};

use super::{
    Access, Card, Defaults, Destination, Dump, Engine, EngineError, Example, Format, Invalid,
    Probed, Restore, Scope, Validator,
};
use crate::model::{
    Command, Database, DatabaseName, Databases, Environment, Facts, Part, Place, Server, Value,
};

/// What a label writes before the name.
pub const PREFIX: &str = "custom:";
/// What there is to back up is named by its path. Where a label gives none, it has no other name.
const WHOLE: &str = "data";
const UNKNOWN: &str = "unknown";

/// What the operator says of an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// As labels choose it, without [`PREFIX`].
    pub name: String,
    pub dump: Vec<String>,
    pub restore: Option<Vec<String>>,
    /// Ends with 0 where a restore would find nothing.
    pub empty: Option<Vec<String>>,
    pub version: Option<Vec<String>>,
    pub begins_with: Option<String>,
    pub ends_with: Option<String>,
    pub extension: String,
}

/// An engine that the settings define.
#[derive(Debug)]
pub struct Custom {
    card: Card,
    definition: Definition,
}

/// Every engine that was made. Plans and manifests' readers hold engines for as long as the process
/// lives, so a made one is never given back; asked again for the same, it is the same.
static MADE: Mutex<Vec<&'static Custom>> = Mutex::new(Vec::new());

/// The engine of a definition.
pub fn engine(definition: &Definition) -> &'static dyn Engine {
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(own) = made.iter().find(|own| own.definition == *definition) {
        return *own;
    }
    let own: &'static Custom = Box::leak(Box::new(Custom::new(definition.clone())));
    made.push(own);
    own
}

/// The path that was given, and whether a program is there and what it says of its version; then the
/// exit code, as a tool's version is always answered.
const ASK: &str = r#"printf '%s\n' "${RINGBOLT_PATH-}"
program=$1
shift
if ! command -v "$program" >/dev/null; then
  printf '%s: not found\n127\n' "$program"
elif [ $# -eq 0 ]; then
  printf 'unknown\n0\n'
else
  said=$("$@" 2>&1)
  code=$?
  printf '%s\n%s\n' "$said" "$code"
fi
"#;

/// `0` for nothing, else `1`. A program that is not there knows neither.
const COUNT: &str = r#""$@" >/dev/null
code=$?
case $code in
  0) echo 0 ;;
  126 | 127) exit "$code" ;;
  *) echo 1 ;;
esac
"#;

/// Refuses in words.
const REFUSE: &str = r#"printf '%s\n' "$1" >&2; exit 2"#;

impl Custom {
    fn new(definition: Definition) -> Self {
        // A card's texts are static, as those of all other engines are.
        let leaked = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
        let format = Format { name: "plain", extension: leaked(definition.extension.clone()) };
        let card = Card {
            name: leaked(format!("{PREFIX}{}", definition.name)),
            aliases: &[],
            images: &[],
            formats: Box::leak(Box::new([format])),
            takes: &["user", "password", "path"],
            needs: &[],
            place: Place::Workload,
            whole: None,
            renames: None,
            fixed_encoding: false,
            about: "what the operator's settings say",
            proven: "",
            example: Example { service: "    image: example:1", labels: &[] },
        };
        Self { card, definition }
    }

    fn program(&self) -> &str {
        self.definition.dump.first().map_or("", String::as_str)
    }

    /// One of the operator's commands, with what the labels say in its environment.
    fn own(&self, argv: &[String], access: &Access, name: Option<&DatabaseName>) -> Command {
        said(Command { argv: argv.to_vec(), env: Vec::new(), stdin: None }, access, path(name))
    }

    fn script(&self, text: &'static str) -> Command {
        Command::script(self.card.name, text)
    }

    fn refuse(&self, key: &str, what: &str) -> Command {
        let name = &self.definition.name;
        self.script(REFUSE).arg(format!("the settings have no `engines.{name}.{key}`: {what}"))
    }

    fn notes(&self) -> Vec<String> {
        let name = &self.definition.name;
        let unmarked = self.definition.ends_with.is_none();
        let note = format!(
            "that this dump is whole is known from the exit code alone: the settings have no `engines.{name}.ends_with`"
        );
        unmarked.then_some(note).into_iter().collect()
    }
}

/// The path that is meant by a name.
fn path(name: Option<&DatabaseName>) -> &str {
    name.map(DatabaseName::as_str).filter(|name| name.starts_with('/')).unwrap_or_default()
}

fn said(command: Command, access: &Access, path: &str) -> Command {
    let mut command = command;
    for (name, text) in [("RINGBOLT_USER", access.user), ("RINGBOLT_PATH", path)] {
        if !text.is_empty() {
            command = command.env(name, Value::Text(text.to_owned()));
        }
    }
    match access.password {
        Some(password) => command.env("RINGBOLT_PASSWORD", Value::Secret(password.clone())),
        None => command,
    }
}

fn with_arguments(command: Command, arguments: &[String]) -> Command {
    arguments.iter().fold(command, |command, argument| command.arg(argument.as_str()))
}

impl Engine for Custom {
    fn card(&self) -> &Card {
        &self.card
    }

    fn defaults(&self, _: &Environment) -> Defaults {
        Defaults { user: String::new(), password: None, databases: Databases::All }
    }

    fn probe(&self, access: &Access) -> Command {
        let version = self.definition.version.as_deref().unwrap_or_default();
        let command = self.script(ASK).arg(self.program());
        // No path has a comma: the label is a list with commas between.
        said(with_arguments(command, version), access, &access.paths.join(","))
    }

    fn read_probe(&self, answer: &[u8]) -> Result<Probed, EngineError> {
        let answer = String::from_utf8_lossy(answer);
        let shape = || EngineError::AnswerShape("it is no line".to_owned());
        let (paths, tool) = answer.split_once('\n').ok_or_else(shape)?;
        let tool = super::tool::read(self.card.name, tool);
        let paths = paths.split(',').filter(|path| path.starts_with('/'));
        let mut databases = paths
            .map(|path| path.parse().map(Database::named))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| EngineError::AnswerShape(format!("its path: {error}")))?;
        if databases.is_empty() {
            databases.push(Database::named(WHOLE.parse().expect("it is a name")));
        }
        let version = tool.as_deref().unwrap_or(UNKNOWN).lines().next().unwrap_or(UNKNOWN);
        let server = Server {
            version: version.to_owned(),
            superuser: true,
            databases,
            notes: self.notes(),
            ..Server::default()
        };
        Ok(Probed { server, tool })
    }

    fn dump(&self, access: &Access, part: &Part, _: &Scope, _: &Server) -> Dump {
        let command = self.own(&self.definition.dump, access, part.database());
        Dump { command, warnings: Vec::new() }
    }

    fn validator(&self, _: &Part, _: &str) -> Box<dyn Validator> {
        Box::new(Marked::new(&self.definition))
    }

    fn restore(&self, access: &Access, to: &Destination) -> Restore {
        let nowhere = path(Some(to.staged)).is_empty() && to.staged.as_str() != WHOLE;
        let load = match &self.definition.restore {
            Some(_) if nowhere => {
                self.script(REFUSE).arg(format!("`{}` is no absolute path", to.staged))
            }
            Some(argv) => self.own(argv, access, Some(to.staged)),
            None => self.refuse("restore", "`ringbolt cat` gives the dump to who knows what to do"),
        };
        // What is there is the container's own; nothing here knows what may be removed of it.
        let discard = self.script(REFUSE).arg("what is half restored is removed by hand");
        Restore { create: None, load, settle: None, discard }
    }

    fn count_objects(&self, access: &Access, name: &DatabaseName) -> Command {
        let (restore, empty) = (&self.definition.restore, &self.definition.empty);
        match (restore, empty) {
            (Some(_), Some(argv)) => {
                said(with_arguments(self.script(COUNT), argv), access, path(Some(name)))
            }
            (None, _) => {
                self.refuse("restore", "`ringbolt cat` gives the dump to who knows what to do")
            }
            (_, None) => self.refuse("empty", "nobody knows whether it would go over something"),
        }
    }

    /// What was restored is known to the operator's command alone, by its exit code.
    fn ask_facts(&self, _: &Access, _: &DatabaseName, _: &Facts) -> Command {
        self.script(":")
    }

    fn read_facts(&self, _: &[u8]) -> Result<Facts, EngineError> {
        Ok(Facts::default())
    }
}

/// A dump with the operator's marks, so far.
#[derive(Debug)]
struct Marked {
    begins_with: Vec<u8>,
    ends_with: Vec<u8>,
    /// The first bytes, as many as the mark has.
    begin: Vec<u8>,
    /// The last bytes without white space behind them, at most as many as the mark has.
    end: Vec<u8>,
    /// White space that is at the end so far, at most as much.
    blank: Vec<u8>,
    received: bool,
}

impl Marked {
    fn new(definition: &Definition) -> Self {
        let mark = |mark: &Option<String>| mark.clone().unwrap_or_default().into_bytes();
        Self {
            begins_with: mark(&definition.begins_with),
            ends_with: mark(&definition.ends_with).trim_ascii_end().to_vec(),
            begin: Vec::new(),
            end: Vec::new(),
            blank: Vec::new(),
            received: false,
        }
    }
}

/// Takes bytes in behind others and keeps the last.
fn keep_last(kept: &mut Vec<u8>, bytes: &[u8], most: usize) {
    kept.extend_from_slice(&bytes[bytes.len().saturating_sub(most)..]);
    kept.drain(..kept.len().saturating_sub(most));
}

impl Validator for Marked {
    fn check(&mut self, piece: &[u8]) -> Result<(), Invalid> {
        self.received |= !piece.is_empty();
        let room = self.begins_with.len() - self.begin.len();
        self.begin.extend_from_slice(&piece[..room.min(piece.len())]);
        if !self.begins_with.starts_with(&self.begin) {
            return Err(Invalid::Foreign("it does not begin as the settings say".to_owned()));
        }
        let most = self.ends_with.len();
        let solid = piece.trim_ascii_end();
        if !solid.is_empty() {
            keep_last(&mut self.end, &self.blank, most);
            keep_last(&mut self.end, solid, most);
            self.blank.clear();
        }
        keep_last(&mut self.blank, &piece[solid.len()..], most);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Facts, Invalid> {
        match () {
            () if !self.received => Err(Invalid::Empty),
            () if self.begin != self.begins_with => {
                Err(Invalid::Cut("it ends within its beginning".to_owned()))
            }
            () if self.end != self.ends_with => {
                Err(Invalid::Cut("it does not end as the settings say".to_owned()))
            }
            () => Ok(Facts::default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ToolError;

    fn definition() -> Definition {
        let argv = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        Definition {
            name: "own".to_owned(),
            dump: argv(&["dump", "--all"]),
            restore: Some(argv(&["load"])),
            empty: Some(argv(&["is-empty"])),
            version: None,
            begins_with: Some("-- begin".to_owned()),
            ends_with: Some("-- the  end\n".to_owned()),
            extension: "txt".to_owned(),
        }
    }

    fn judge(definition: &Definition, dump: &[u8], piece: usize) -> Result<Facts, Invalid> {
        let mut validator = Marked::new(definition);
        dump.chunks(piece).try_for_each(|piece| validator.check(piece))?;
        Box::new(validator).finish()
    }

    #[test]
    fn a_dump_is_whole_from_mark_to_mark() {
        let own = definition();
        let dump = b"-- begin\nrows \n \n\n-- the  end \n\n\n";
        let end = dump.len() - 4;
        for piece in [1, 2, 3, 5, 100] {
            for cut in 0..dump.len() {
                let judged = judge(&own, &dump[..cut], piece);
                assert_eq!(judged.is_ok(), cut >= end, "cut at {cut} in pieces of {piece}");
            }
            for other in [&b"-- the  end"[..], b"x-- begin -- the  end", b"-- begin -- the end"] {
                assert!(judge(&own, other, piece).is_err());
            }
            assert!(judge(&own, &[dump, &b"x"[..]].concat(), piece).is_err());
        }
        let unmarked = Definition { begins_with: None, ends_with: None, ..own };
        assert_eq!(judge(&unmarked, b"", 1), Err(Invalid::Empty));
        assert!(judge(&unmarked, b"\n", 1).is_ok());
    }

    #[test]
    fn what_labels_say_is_in_the_environment_of_the_operator_s_command() {
        let engine = engine(&definition());
        let password = "secret:db".parse().unwrap();
        let access = Access { user: "$(id)", password: Some(&password), paths: &[] };
        let scope =
            Scope { format: "plain", patterns: &crate::model::Patterns::default(), snapshot: None };
        let part = Part::Database("/a b".parse().unwrap());
        let dump = engine.dump(&access, &part, &scope, &Server::default()).command;
        assert_eq!(dump.argv, ["dump", "--all"]);
        let text = |text: &str| Value::Text(text.to_owned());
        let expected = [
            ("RINGBOLT_USER".to_owned(), text("$(id)")),
            ("RINGBOLT_PATH".to_owned(), text("/a b")),
            ("RINGBOLT_PASSWORD".to_owned(), Value::Secret(password.clone())),
        ];
        assert_eq!(dump.env, expected);
        let part = Part::Database(WHOLE.parse().unwrap());
        let open = Access { user: "", password: None, paths: &[] };
        assert_eq!(engine.dump(&open, &part, &scope, &Server::default()).command.env, []);
    }

    #[test]
    fn the_same_definition_is_the_same_engine() {
        let (one, two) = (engine(&definition()), engine(&definition()));
        assert!(std::ptr::eq(one.card(), two.card()));
        let other = engine(&Definition { extension: "x".to_owned(), ..definition() });
        assert!(!std::ptr::eq(one.card(), other.card()));
        assert_eq!(other.card().formats[0].extension, "x");
    }

    #[test]
    fn a_dump_without_a_mark_is_told_with_a_warning() {
        let marked = engine(&definition()).read_probe(b"/a,/b c\nown 1.2\n0\n").unwrap();
        assert_eq!((marked.server.version.as_str(), marked.server.notes.len()), ("own 1.2", 0));
        let names = |server: &Server| -> Vec<String> {
            server.databases.iter().map(|database| database.name.to_string()).collect()
        };
        assert_eq!(names(&marked.server), ["/a", "/b c"]);
        let unmarked = engine(&Definition { ends_with: None, ..definition() });
        let probed = unmarked.read_probe(b"\ndump: not found\n127\n").unwrap();
        assert_eq!(names(&probed.server), [WHOLE]);
        assert!(matches!(probed.tool, Err(ToolError::Failed { code: 127, .. })));
        assert!(probed.server.notes[0].contains("engines.own.ends_with"));
    }
}
