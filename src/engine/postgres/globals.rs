//! Fits a dump of globals to the server that it is restored into.
//!
//! `pg_dumpall` writes for an empty cluster. On a living one, replaying it stops at the first role
//! that exists, or worse: changes that role's password. So what exists is kept as it is, and only
//! the rest is created.

use super::sql::{Scanner, Token};
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
        let words: Vec<&str> = statement.split_ascii_whitespace().take(4).collect();
        let line = format!("{statement};\n");
        match words.as_slice() {
            // Session settings and memberships harm nothing when they come twice.
            ["SET", ..] => roles.push_str(&line),
            ["GRANT" | "REVOKE", ..] if !statement.contains(" ON TABLESPACE ") => {
                roles.push_str(&line);
            }
            ["CREATE" | "ALTER", "ROLE", ..] | ["COMMENT", "ON", "ROLE", ..] => {
                let name = name_after(&statement, "ROLE ")?;
                if server.roles.contains(&name) {
                    note(&mut kept, format!("role {name}"));
                } else {
                    note(&mut created, format!("role {name}"));
                    roles.push_str(&line);
                }
            }
            _ if statement.contains("TABLESPACE ") => {
                let name = name_after(&statement, "TABLESPACE ")?;
                if server.tablespaces.contains(&name) {
                    note(&mut kept, format!("table space {name}"));
                } else {
                    note(&mut created, format!("table space {name}"));
                    tablespaces.push_str(&line);
                }
            }
            // Labels, configuration parameters' grants and what later versions add.
            _ => roles.push_str(&line),
        }
    }
    // A table space cannot be created inside a transaction.
    Ok(Adapted { script: format!("BEGIN;\n{roles}COMMIT;\n{tablespaces}"), created, kept })
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

/// The identifier behind a keyword, unquoted.
fn name_after(statement: &str, keyword: &str) -> Result<String, EngineError> {
    let unreadable = || EngineError::Globals(format!("no name in `{statement}`"));
    let at = statement.find(keyword).ok_or_else(unreadable)?;
    let rest = &statement[at + keyword.len()..];
    super::text::leading_identifier(rest).map(|(name, _)| name).ok_or_else(unreadable)
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
            GRANT \"App;Role\" TO reader GRANTED BY postgres;\n\
            CREATE TABLESPACE fast OWNER postgres LOCATION '/fast';\n\
            GRANT ALL ON TABLESPACE fast TO reader;\n";
        let server = Server {
            version: "15.18".to_owned(),
            major: 15,
            superuser: true,
            databases: Vec::new(),
            roles: vec!["postgres".to_owned()],
            tablespaces: vec!["pg_default".to_owned()],
        };
        let adapted = adapt(dump, &server).unwrap();
        assert_eq!(adapted.created, ["role App;Role", "table space fast"]);
        assert_eq!(adapted.kept, ["role postgres"]);
        assert_eq!(
            adapted.script,
            "BEGIN;\nSET client_encoding = 'UTF8';\n\
             CREATE ROLE \"App;Role\";\nALTER ROLE \"App;Role\" WITH LOGIN PASSWORD 'SCRAM;x';\n\
             GRANT \"App;Role\" TO reader GRANTED BY postgres;\nCOMMIT;\n\
             CREATE TABLESPACE fast OWNER postgres LOCATION '/fast';\n\
             GRANT ALL ON TABLESPACE fast TO reader;\n"
        );
    }
}
