//! Fits a dump of globals to the server that it is restored into.
//!
//! `pg_dumpall` writes for an empty cluster. On a living one, replaying it stops at the first role
//! that exists, or worse: changes that role's password. So what exists is kept as it is, and only
//! the rest is created.

use super::sql::{Scanner, Token, Word, words};
use crate::engine::EngineError;
use crate::model::Server;

/// A script that creates what is missing, all or nothing but for table spaces.
pub(super) struct Adapted {
    pub(super) script: String,
    pub(super) created: Vec<String>,
    pub(super) kept: Vec<String>,
}

pub(super) fn adapt(dump: &str, server: &Server) -> Result<Adapted, EngineError> {
    let mut roles = String::new();
    let mut tablespaces = String::new();
    let (mut created, mut kept) = (Vec::new(), Vec::new());
    for statement in statements(dump)? {
        let words = words(&statement);
        let word = |at: usize| words.get(at).map(|word| word.text.as_str()).unwrap_or_default();
        let after = |keyword: &str| {
            let at = words.iter().rposition(|word| !word.quoted && word.text == keyword)?;
            words.get(at + 1).map(|word| word.text.clone())
        };
        let unreadable = || EngineError::Globals(format!("no name in `{statement}`"));
        let (what, name) = match (word(0), word(1), word(2)) {
            ("SET", ..) => {
                roles.push_str(&format!("{statement};\n"));
                continue;
            }
            // A role's settings in one database travel with that database.
            ("ALTER", "ROLE", _) if word(3) == "IN" && word(4) == "DATABASE" => continue,
            ("CREATE" | "ALTER", "ROLE", name) => ("role", name.to_owned()),
            ("COMMENT", "ON", "ROLE") => ("role", word(3).to_owned()),
            ("CREATE" | "ALTER", "TABLESPACE", name) => ("table space", name.to_owned()),
            ("COMMENT", "ON", "TABLESPACE") => ("table space", word(3).to_owned()),
            ("GRANT" | "REVOKE", ..) if after("TABLESPACE").is_some() => {
                ("table space", after("TABLESPACE").ok_or_else(unreadable)?)
            }
            // Memberships and rights belong to who receives them.
            ("GRANT", ..) => ("role", after("TO").ok_or_else(unreadable)?),
            ("REVOKE", ..) => ("role", after("FROM").ok_or_else(unreadable)?),
            ("SECURITY", "LABEL", _) => ("role", after("ROLE").ok_or_else(unreadable)?),
            _ => return Err(EngineError::Globals(format!("`{statement}` is not known"))),
        };
        let known = if what == "role" { &server.roles } else { &server.tablespaces };
        if known.contains(&name) {
            note(&mut kept, format!("{what} {name}"));
            continue;
        }
        note(&mut created, format!("{what} {name}"));
        let script = if what == "role" { &mut roles } else { &mut tablespaces };
        script.push_str(&format!("{};\n", without_grantor(&statement, &words)));
    }
    // A table space cannot be created inside a transaction.
    Ok(Adapted { script: format!("BEGIN;\n{roles}COMMIT;\n{tablespaces}"), created, kept })
}

/// Leaves `GRANTED BY` away: the source's superuser may have another name here, and from version 16
/// only a role with the right to grant may stand there.
fn without_grantor<'a>(statement: &'a str, words: &[Word]) -> &'a str {
    let granted = words.iter().position(|word| !word.quoted && word.text == "GRANTED");
    match granted {
        Some(at) if words[0].text == "GRANT" => statement[..words[at].start].trim_end(),
        _ => statement,
    }
}

fn note(list: &mut Vec<String>, name: String) {
    if !list.contains(&name) {
        list.push(name);
    }
}

fn statements(dump: &str) -> Result<Vec<String>, EngineError> {
    let mut scanner = Scanner::default();
    let mut found = Vec::new();
    let mut rest = dump.as_bytes();
    while !rest.is_empty() {
        let (taken, token) = scanner.next(rest);
        rest = &rest[taken..];
        if let Some(Token::Statement(text)) = token {
            found.push(String::from_utf8_lossy(&text).into_owned());
        }
    }
    let whole = scanner.at_rest().then_some(found);
    whole.ok_or_else(|| EngineError::Globals("it ends within a statement".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_exists_is_kept_and_the_rest_is_created() {
        let dump = "--\n-- PostgreSQL database cluster dump\n--\n\n\\restrict x\n\n\
            SET client_encoding = 'UTF8';\n\
            CREATE ROLE \"App;Role\";\nALTER ROLE \"App;Role\" WITH LOGIN PASSWORD 'SCRAM;x';\n\
            CREATE ROLE postgres;\nALTER ROLE postgres WITH SUPERUSER PASSWORD 'y';\n\
            GRANT reader TO \"App;Role\" WITH ADMIN OPTION GRANTED BY postgres;\n\
            GRANT \"App;Role\" TO postgres GRANTED BY postgres;\n\
            ALTER ROLE \"App;Role\" IN DATABASE shop SET work_mem TO '8MB';\n\
            CREATE TABLESPACE fast OWNER postgres LOCATION '/fast';\n\
            GRANT ALL ON TABLESPACE fast TO reader;\n";
        let server = Server {
            version: "15.18".to_owned(),
            major: 15,
            superuser: true,
            databases: Vec::new(),
            roles: vec!["postgres".to_owned()],
            tablespaces: vec!["pg_default".to_owned()],
            notes: Vec::new(),
        };
        let adapted = adapt(dump, &server).unwrap();
        assert_eq!(adapted.created, ["role App;Role", "table space fast"]);
        assert_eq!(adapted.kept, ["role postgres"]);
        assert_eq!(
            adapted.script,
            "BEGIN;\nSET client_encoding = 'UTF8';\n\
             CREATE ROLE \"App;Role\";\nALTER ROLE \"App;Role\" WITH LOGIN PASSWORD 'SCRAM;x';\n\
             GRANT reader TO \"App;Role\" WITH ADMIN OPTION;\nCOMMIT;\n\
             CREATE TABLESPACE fast OWNER postgres LOCATION '/fast';\n\
             GRANT ALL ON TABLESPACE fast TO reader;\n"
        );
    }
}
