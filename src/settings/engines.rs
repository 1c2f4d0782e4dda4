//! The rows of the operator's own engines. What is made of them is known in `labels/` and `engine/`;
//! that no label ever carries a command is why they are here.

use super::given::Given;
use super::table::{Reader, Setting, Shape};
use super::{EngineSettings, Settings};
use crate::model::{Problem, Slug};

const ROW: Setting = Setting {
    key: "",
    expects: "a command as a list: `[\"program\", \"argument\"]`",
    default: "none",
    about: "",
    examples: &[],
    mistakes: &["", "[]", "[\"\"]"],
    shape: Shape::List,
    secret: false,
    reader: Reader::Plain(|_, _, _| Ok(())),
};

pub(super) const ROWS: &[Setting] = &[
    Setting {
        key: "engines.<name>.dump",
        about: "An engine of your own, which labels choose as `custom:<name>`: the command in the container that writes the dump to its output. It finds `RINGBOLT_USER`, `RINGBOLT_PASSWORD` and `RINGBOLT_PATH` in its environment as the labels say them.",
        examples: &["[\"/usr/local/bin/dump\", \"--all\"]", "dump"],
        reader: Reader::Plain(|settings, names, given| {
            engine(settings, names).dump = argv(given)?;
            Ok(())
        }),
        ..ROW
    },
    Setting {
        key: "engines.<name>.restore",
        default: "none; then archives can be read, and not restored by Ringbolt",
        about: "The command that reads a dump from its input and puts it back. It needs `empty` beside it.",
        examples: &["[\"/usr/local/bin/load\"]"],
        reader: Reader::Plain(|settings, names, given| {
            engine(settings, names).restore = Some(argv(given)?);
            Ok(())
        }),
        ..ROW
    },
    Setting {
        key: "engines.<name>.empty",
        default: "none; then nothing is restored",
        about: "The command that ends with 0 if there is nothing yet where a restore would go: nothing is ever restored over something.",
        examples: &["[\"sh\", \"-c\", \"test -z \\\"$(ls -A /data)\\\"\"]"],
        reader: Reader::Plain(|settings, names, given| {
            engine(settings, names).empty = Some(argv(given)?);
            Ok(())
        }),
        ..ROW
    },
    Setting {
        key: "engines.<name>.version",
        default: "none; the version is not known",
        about: "The command that prints the version of what dumps.",
        examples: &["[\"dump\", \"--version\"]"],
        reader: Reader::Plain(|settings, names, given| {
            engine(settings, names).version = Some(argv(given)?);
            Ok(())
        }),
        ..ROW
    },
    Setting {
        key: "engines.<name>.ends_with",
        expects: "a text of 1 to 4096 bytes that is not blank",
        default: "none; then a whole dump is told by the exit code alone, with a warning",
        about: "What a whole dump ends with, white space behind it aside.",
        examples: &["-- dump complete"],
        mistakes: &["", " "],
        shape: Shape::Text,
        reader: Reader::Plain(|settings, names, given| {
            engine(settings, names).ends_with = Some(mark(given)?);
            Ok(())
        }),
        ..ROW
    },
    Setting {
        key: "engines.<name>.begins_with",
        expects: "a text of 1 to 4096 bytes that is not blank",
        about: "What a dump begins with.",
        examples: &["-- dump of"],
        mistakes: &["", " "],
        shape: Shape::Text,
        reader: Reader::Plain(|settings, names, given| {
            engine(settings, names).begins_with = Some(mark(given)?);
            Ok(())
        }),
        ..ROW
    },
    Setting {
        key: "engines.<name>.extension",
        expects: "lower-case letters and digits, at most 16",
        default: "`dump`",
        about: "The extension of its archives.",
        examples: &["tar", "sql"],
        mistakes: &["", ".tar", "tar.gz", "TAR", "a/b"],
        shape: Shape::Text,
        reader: Reader::Plain(|settings, names, given| {
            engine(settings, names).extension = Some(extension(given)?);
            Ok(())
        }),
        ..ROW
    },
];

fn engine<'a>(settings: &'a mut Settings, names: &[Slug]) -> &'a mut EngineSettings {
    let name = names.first().expect("an engine's key has its name");
    settings.engines.entry(name.clone()).or_default()
}

/// A command: never a shell line, so nothing in it is expanded.
fn argv(given: &Given) -> Result<Vec<String>, String> {
    let argv = given.list()?;
    match argv.first().is_some_and(|program| !program.is_empty()) {
        true => Ok(argv),
        false => Err("it names no program".to_owned()),
    }
}

fn mark(given: &Given) -> Result<String, String> {
    let mark = given.text()?;
    match mark.len() {
        _ if mark.trim().is_empty() => Err("it is blank".to_owned()),
        1..=4096 => Ok(mark),
        length => Err(format!("it is {length} bytes long")),
    }
}

fn extension(given: &Given) -> Result<String, String> {
    let extension = given.text()?;
    let plain = extension.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let right = plain && (1..=16).contains(&extension.len());
    if right { Ok(extension) } else { Err("it is no such word".to_owned()) }
}

/// What no single row can be blamed for.
pub(super) fn check(settings: &Settings, problems: &mut Vec<Problem>) {
    for (name, own) in &settings.engines {
        let wanting = [
            (own.dump.is_empty(), "dump", "has no `dump`"),
            (
                own.restore.is_some() && own.empty.is_none(),
                "empty",
                "has a `restore` and no `empty`: nobody knows whether it would go over something",
            ),
        ];
        for (_, key, message) in wanting.into_iter().filter(|(wanting, ..)| *wanting) {
            let key = format!("engines.{name}.{key}");
            // A wrong one was told already.
            if !problems.iter().any(|problem| problem.key.as_ref() == Some(&key)) {
                let place = settings.origin_of_group(&format!("engines.{name}."));
                let problem = Problem::new(&place, format!("engine `{name}` {message}"));
                problems.push(problem.key(key).see(super::table::REFERENCE));
            }
        }
    }
}
