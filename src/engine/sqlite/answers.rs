//! What a container answers about its database files, and what `sqlite3` is asked. Both ways to the files
//! answer alike.

use super::file::SCHEMA;
use crate::engine::{EngineError, Probed, tool};
use crate::model::{Database, DatabaseName, DatabaseSetting, Facts, Server, TableRows};

/// The settings under which a file's owner (`1000:1000`) and its mode (`644`) are remembered.
pub(super) const OWNER: &str = "owner";
pub(super) const MODE: &str = "mode";

/// SQLite's file format is one for all versions of it.
const FORMAT: u32 = 3;

/// How a path came to be told.
pub const NAMED: &str = "named";
/// A pattern found it, and it is a database.
pub const FOUND: &str = "found";
/// A pattern found it, and it is something else.
pub const OTHER: &str = "other";

/// Reads fields that end with a NUL: what [`tool::read`] reads, then kind, `size uid:gid mode` and path of
/// each file.
pub(super) fn read_probe(answer: &[u8], tool: &'static str) -> Result<Probed, EngineError> {
    let shape = |what: &str| EngineError::AnswerShape(what.to_owned());
    let answer = String::from_utf8_lossy(answer);
    let mut fields = answer.split('\0');
    let version = tool::read(tool, fields.next().unwrap_or_default());
    let mut server = Server { major: FORMAT, superuser: true, ..Server::default() };
    if let Ok(version) = &version {
        version.split(' ').next().unwrap_or_default().clone_into(&mut server.version);
    }
    let mut others = Vec::new();
    loop {
        let (kind, about, path) = match (fields.next(), fields.next(), fields.next()) {
            // Behind the last NUL there is nothing.
            (None | Some(""), None, None) => break,
            (Some(kind), Some(about), Some(path)) => (kind, about, path),
            _ => return Err(shape("it is cut")),
        };
        let mut about = about.split(' ');
        let bytes = about.next().and_then(|bytes| bytes.parse().ok()).unwrap_or_default();
        let name = path.parse::<DatabaseName>().ok().filter(|_| !unreadable(path));
        match (kind, name) {
            (NAMED | FOUND, Some(name)) => {
                let remembered = [OWNER, MODE].into_iter().zip(about);
                let settings = remembered.map(|(name, value)| DatabaseSetting {
                    role: None,
                    name: name.to_owned(),
                    value: value.to_owned(),
                });
                let settings = settings.collect();
                server.databases.push(Database { settings, bytes, ..Database::named(name) });
            }
            (NAMED | FOUND | OTHER, _) => others.push(format!("`{}`", path.escape_debug())),
            _ => return Err(shape("it tells of what it was not asked")),
        }
    }
    if !others.is_empty() {
        server.notes.push(format!("no database files, left out: {}", others.join(", ")));
    }
    server.databases.sort_by(|one, other| one.name.cmp(&other.name));
    // Two patterns may have found the same.
    server.databases.dedup_by(|one, other| one.name == other.name);
    Ok(Probed { server, tool: version })
}

/// Whether a text has lost what was no UTF-8.
fn unreadable(text: &str) -> bool {
    text.contains(char::REPLACEMENT_CHARACTER)
}

/// The tables that can be asked for by their names.
pub(super) fn asked(facts: &Facts) -> impl Iterator<Item = &str> {
    facts.tables.iter().map(|table| table.table.as_str()).filter(|name| !unreadable(name))
}

/// Counts the rows of a table. The answer is its name in hexadecimal, `|` and the number: that reads the
/// same whatever a table is called.
pub fn count_rows(table: &str) -> String {
    let name = table.replace('"', "\"\"");
    format!("SELECT '{}', count(*) FROM {SCHEMA}.\"{name}\";\n", hex(table))
}

pub(super) fn read_facts(answer: &[u8]) -> Result<Facts, EngineError> {
    let answer = String::from_utf8_lossy(answer);
    let tables = answer.lines().map(|line| {
        let (table, rows) = line.split_once('|')?;
        let (schema, table) = (SCHEMA.to_owned(), unhex(table)?);
        Some(TableRows { schema, table, rows: rows.parse().ok()? })
    });
    let tables = tables.collect::<Option<Vec<_>>>();
    let tables = tables.ok_or_else(|| EngineError::AnswerShape("it holds no counts".to_owned()))?;
    Ok(Facts { tables, ..Facts::default() })
}

pub fn hex(text: &str) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |four: u8| char::from(DIGITS[usize::from(four)]);
    text.bytes().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// `None`: it was not made by [`hex`].
pub fn unhex(text: &str) -> Option<String> {
    let digit =
        |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let bytes =
        text.as_bytes().chunks(2).map(|pair| Some(digit(&pair[0])? << 4 | digit(pair.get(1)?)?));
    String::from_utf8(bytes.collect::<Option<Vec<u8>>>()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_tells_databases_from_other_files() {
        let answer = b"3.40.1 2022 abc\n0\0named\x0012 1:2 644\0/b\0found\x0034 0:0 600\0/a c\0\
            other\x005 0:0 644\0/x\0found\x0034 0:0 600\0/a c\0found\x001 0:0 600\0/new\nline\0";
        let Probed { server, tool } = read_probe(answer, "sqlite3").unwrap();
        assert_eq!(tool.unwrap(), "3.40.1 2022 abc");
        assert_eq!((server.version.as_str(), server.major), ("3.40.1", 3));
        let names: Vec<_> = server.databases.iter().map(|d| (d.name.as_str(), d.bytes)).collect();
        assert_eq!(names, [("/a c", 34), ("/b", 12)]);
        let settings: Vec<_> =
            server.databases[1].settings.iter().map(|s| (&*s.name, &*s.value)).collect();
        assert_eq!(settings, [("owner", "1:2"), ("mode", "644")]);
        assert_eq!(server.notes, [r"no database files, left out: `/x`, `/new\nline`"]);
    }

    #[test]
    fn a_probe_without_the_tool_is_read_and_one_that_is_cut_is_not() {
        let missing = read_probe(b"sh: 1: sqlite3: not found\n127\0", "sqlite3").unwrap();
        assert!(missing.tool.is_err() && missing.server.databases.is_empty());
        for cut in [&b"3.40.1\n0\0named\x0012"[..], b"3.40.1\n0\0named\0", b"3.40.1\n0\0x\0y\0z\0"]
        {
            assert!(read_probe(cut, "sqlite3").is_err(), "{cut:?}");
        }
    }

    #[test]
    fn a_table_s_name_comes_back_as_it_was() {
        let name = "it's \"x\"\n.shell | 🦀";
        let asked = count_rows(name);
        assert!(asked.ends_with(" FROM main.\"it's \"\"x\"\"\n.shell | 🦀\";\n"), "{asked}");
        let answer = format!("{}|7\n", hex(name));
        let facts = read_facts(answer.as_bytes()).unwrap();
        assert_eq!((facts.tables[0].table.as_str(), facts.tables[0].rows), (name, 7));
        for wrong in ["7", "zz|7", "7|7", "é|7", "61|x"] {
            assert!(read_facts(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
