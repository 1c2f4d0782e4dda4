//! What a PostgreSQL server is asked, and how its answers read.
//!
//! Every answer is JSON built by the server, so no name needs unquoting here.

use serde::Deserialize;

use super::sql::{identifier, literal};
use crate::engine::{EngineError, Probed, tool};
use crate::model::{Database, DatabaseName, DatabaseSetting, Facts, Grant, Server, TableRows};

/// Asks the server and, by psql's backquotes, the tool beside it. What a shell printed is a value that
/// psql quotes. <https://www.postgresql.org/docs/current/app-psql.html#APP-PSQL-META-COMMANDS>
pub(super) fn probe(tool: &'static str) -> String {
    format!("\\set tool `{}`\n{PROBE}", tool::question(tool))
}

/// Works from PostgreSQL 10; columns that only newer servers have are read by way of `to_jsonb`.
const PROBE: &str = r"
SELECT json_build_object(
  'tool', :'tool',
  'version', current_setting('server_version'),
  'number', current_setting('server_version_num')::int,
  'superuser', (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),
  'roles', (SELECT json_agg(rolname ORDER BY rolname) FROM pg_roles),
  'tablespaces', (SELECT json_agg(spcname ORDER BY spcname) FROM pg_tablespace),
  'databases', (SELECT coalesce(json_agg(json_build_object(
      'name', d.datname,
      'owner', pg_get_userbyid(d.datdba),
      'encoding', pg_encoding_to_char(d.encoding),
      'collate', d.datcollate,
      'ctype', d.datctype,
      'provider', coalesce(to_jsonb(d)->>'datlocprovider', 'c'),
      'locale', coalesce(to_jsonb(d)->>'datlocale', to_jsonb(d)->>'daticulocale'),
      'comment', shobj_description(d.oid, 'pg_database'),
      'connection_limit', d.datconnlimit,
      'bytes', CASE WHEN has_database_privilege(d.oid, 'CONNECT')
               THEN pg_database_size(d.oid) END,
      'settings', (SELECT json_agg(json_build_object(
            'role', CASE WHEN s.setrole <> 0 THEN pg_get_userbyid(s.setrole) END,
            'name', split_part(c, '=', 1),
            'value', substr(c, strpos(c, '=') + 1)))
          FROM pg_db_role_setting s, unnest(s.setconfig) c WHERE s.setdatabase = d.oid),
      'grants', CASE WHEN d.datacl IS NOT NULL THEN (SELECT json_agg(json_build_object(
            'role', CASE WHEN a.grantee <> 0 THEN pg_get_userbyid(a.grantee) END,
            'privilege', a.privilege_type,
            'grantable', a.is_grantable))
          FROM aclexplode(d.datacl) a) END
    ) ORDER BY d.datname), '[]')
    -- A limit of -2 marks a database whose removal was interrupted.
    FROM pg_database d
    WHERE d.datallowconn AND NOT d.datistemplate AND d.datconnlimit <> -2)
);
";

/// Counts what was made in a database since its cluster was: object ids below 16384 are initdb's.
/// <https://www.postgresql.org/docs/current/system-catalog-initial-data.html#SYSTEM-CATALOG-OID-ASSIGNMENT>
pub(super) const COUNT_OBJECTS: &str = r"
SELECT (SELECT count(*) FROM pg_class WHERE oid >= 16384)
     + (SELECT count(*) FROM pg_proc WHERE oid >= 16384)
     + (SELECT count(*) FROM pg_type WHERE oid >= 16384)
     + (SELECT count(*) FROM pg_operator WHERE oid >= 16384)
     + (SELECT count(*) FROM pg_cast WHERE oid >= 16384)
     + (SELECT count(*) FROM pg_namespace WHERE oid >= 16384)
     + (SELECT count(*) FROM pg_extension WHERE oid >= 16384)
     + (SELECT count(*) FROM pg_default_acl)
     + (SELECT count(*) FROM pg_event_trigger)
     + (SELECT count(*) FROM pg_foreign_data_wrapper)
     + (SELECT count(*) FROM pg_publication)
     + (SELECT count(*) FROM pg_largeobject_metadata);
";

#[derive(Deserialize)]
struct ProbeAnswer {
    tool: String,
    version: String,
    number: u32,
    superuser: bool,
    roles: Vec<String>,
    tablespaces: Vec<String>,
    databases: Vec<DatabaseAnswer>,
}

#[derive(Deserialize)]
struct DatabaseAnswer {
    name: DatabaseName,
    owner: String,
    encoding: String,
    collate: String,
    ctype: String,
    provider: String,
    locale: Option<String>,
    comment: Option<String>,
    connection_limit: i64,
    bytes: Option<u64>,
    settings: Option<Vec<DatabaseSetting>>,
    grants: Option<Vec<Grant>>,
}

pub(super) fn read_probe(answer: &[u8], tool: &'static str) -> Result<Probed, EngineError> {
    let answer: ProbeAnswer = serde_json::from_slice(answer).map_err(EngineError::Answer)?;
    let database = |database: DatabaseAnswer| Database {
        name: database.name,
        owner: database.owner,
        encoding: database.encoding,
        collate: database.collate,
        ctype: database.ctype,
        provider: database.provider,
        locale: database.locale,
        comment: database.comment,
        connection_limit: database.connection_limit,
        settings: database.settings.unwrap_or_default(),
        grants: database.grants,
        bytes: database.bytes.unwrap_or_default(),
        notes: Vec::new(),
    };
    let server = Server {
        version: answer.version,
        major: answer.number / 10_000,
        superuser: answer.superuser,
        roles: answer.roles,
        tablespaces: answer.tablespaces,
        notes: Vec::new(),
        databases: answer.databases.into_iter().map(database).collect(),
    };
    Ok(Probed { server, tool: tool::read(tool, &answer.tool) })
}

/// How often newcomers are ended before a database counts as in use; a round lasts 5 s at the longest.
const ROUNDS: u32 = 10;

/// Settings whose value is a list that is quoted already.
/// <https://github.com/postgres/postgres/blob/master/src/bin/pg_dump/dumputils.c>, `variable_is_guc_list_quote`.
const LISTS: [&str; 6] = [
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
];

/// Ends whatever still runs in a database, and drops it.
pub(super) fn discard(staged: &DatabaseName) -> String {
    let name = staged.as_str();
    format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {};\n\
         DROP DATABASE IF EXISTS {};\n",
        literal(name),
        identifier(name)
    )
}

/// Counts who is connected to a database.
pub(super) fn users(name: &DatabaseName) -> String {
    let name = literal(name.as_str());
    format!("SELECT count(*) FROM pg_stat_activity WHERE datname = {name};\n")
}

/// Drops a database that nobody is connected to.
pub(super) fn remove(name: &DatabaseName) -> String {
    format!("DROP DATABASE IF EXISTS {};\n", identifier(name.as_str()))
}

/// The properties of a database that was filled beside another one, then both names, in one
/// transaction. Whoever is connected to the old one is ended. The first renaming locks the database
/// against newcomers; one who slipped in before is ended in the next round.
pub(super) fn swap(
    staged: &DatabaseName,
    name: &DatabaseName,
    old: &DatabaseName,
    like: &Database,
) -> String {
    let rename = |from: &DatabaseName, to: &DatabaseName| {
        let (from, to) = (identifier(from.as_str()), identifier(to.as_str()));
        literal(&format!("ALTER DATABASE {from} RENAME TO {to}"))
    };
    let block = format!(
        "DECLARE rounds int := 0;
BEGIN
  LOOP
    PERFORM pg_stat_clear_snapshot();
    PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {};
    BEGIN
      EXECUTE {};
      EXIT;
    EXCEPTION WHEN object_in_use THEN
      rounds := rounds + 1;
      IF rounds >= {ROUNDS} THEN RAISE; END IF;
    END;
  END LOOP;
  EXECUTE {};
END",
        literal(name.as_str()),
        rename(name, old),
        rename(staged, name),
    );
    format!("{}DO {};\n", settle(staged, staged, like), literal(&block))
}

/// What `pg_dump --create` would have said of the database, under the name it is restored to, and
/// the final name as the last act.
pub(super) fn settle(staged: &DatabaseName, name: &DatabaseName, like: &Database) -> String {
    let database = identifier(staged.as_str());
    let mut script = String::new();
    let mut say = |statement: String| {
        script.push_str(&statement);
        script.push_str(";\n");
    };
    say(format!("ALTER DATABASE {database} OWNER TO {}", identifier(&like.owner)));
    if let Some(comment) = &like.comment {
        say(format!("COMMENT ON DATABASE {database} IS {}", literal(comment)));
    }
    if like.connection_limit != -1 {
        say(format!("ALTER DATABASE {database} CONNECTION LIMIT {}", like.connection_limit));
    }
    for DatabaseSetting { role, name, value } in &like.settings {
        let scope = match role {
            Some(role) => format!("ROLE {} IN DATABASE {database}", identifier(role)),
            None => format!("DATABASE {database}"),
        };
        let listed = LISTS.contains(&name.to_lowercase().as_str()) && !value.is_empty();
        let value = if listed { value.clone() } else { literal(value) };
        // An extension's setting is `extension.name`: each part is quoted on its own.
        let name: Vec<String> = name.split('.').map(identifier).collect();
        say(format!("ALTER {scope} SET {} TO {value}", name.join(".")));
    }
    if let Some(grants) = &like.grants {
        say(format!("REVOKE ALL ON DATABASE {database} FROM PUBLIC"));
        say(format!("REVOKE ALL ON DATABASE {database} FROM {}", identifier(&like.owner)));
        for Grant { role, privilege, grantable } in grants {
            let role = role.as_deref().map_or_else(|| "PUBLIC".to_owned(), identifier);
            let option = if *grantable { " WITH GRANT OPTION" } else { "" };
            say(format!("GRANT {privilege} ON DATABASE {database} TO {role}{option}"));
        }
    }
    if staged != name {
        say(format!("ALTER DATABASE {database} RENAME TO {}", identifier(name.as_str())));
    }
    script
}

/// Counts rows as the dump has them. A table of an extension is left out: `CREATE EXTENSION` fills it,
/// and the dump holds only what people added (`pg_extension_config_dump`). So is a table whose name
/// a dump in another encoding than UTF-8 could not tell us.
pub(super) fn ask_facts(facts: &Facts) -> String {
    let readable = |text: &str| !text.contains(char::REPLACEMENT_CHARACTER);
    let mut script = String::from("SELECT count(*) FROM pg_largeobject_metadata;\n");
    for TableRows { schema, table, .. } in &facts.tables {
        if !readable(schema) || !readable(table) {
            continue;
        }
        let name = format!("{}.{}", identifier(schema), identifier(table));
        script.push_str(&format!(
            "SELECT json_build_object('schema', {}, 'table', {}, 'rows', count(*)) FROM ONLY {name} \
             HAVING NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass \
             AND objid = {}::regclass AND deptype = 'e');\n",
            literal(schema),
            literal(table),
            literal(&name),
        ));
    }
    script
}

pub(super) fn read_facts(answer: &[u8]) -> Result<Facts, EngineError> {
    let shape = |what: &str| EngineError::AnswerShape(what.to_owned());
    let answer = std::str::from_utf8(answer).map_err(|_| shape("it is not UTF-8"))?;
    let mut lines = answer.lines().filter(|line| !line.is_empty());
    let large_objects = lines.next().and_then(|line| line.parse().ok());
    let large_objects = large_objects.ok_or_else(|| shape("it holds no count"))?;
    let tables = lines.map(serde_json::from_str).collect::<Result<Vec<TableRows>, _>>();
    let tables = tables.map_err(EngineError::Answer)?;
    Ok(Facts { tables, large_objects, ..Facts::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_name_stays_a_name() {
        let like = Database {
            name: "a".parse().unwrap(),
            owner: "o\"; DROP DATABASE x; --".to_owned(),
            encoding: "UTF8".to_owned(),
            collate: "C".to_owned(),
            ctype: "C".to_owned(),
            provider: "c".to_owned(),
            locale: None,
            comment: Some(r"it's a \ backslash".to_owned()),
            connection_limit: -1,
            settings: vec![DatabaseSetting {
                role: None,
                name: "search_path".to_owned(),
                value: "\"$user\", public".to_owned(),
            }],
            grants: Some(vec![Grant {
                role: None,
                privilege: "CONNECT".to_owned(),
                grantable: false,
            }]),
            bytes: 0,
            notes: Vec::new(),
        };
        let script = settle(&"b".parse().unwrap(), &"c\"d".parse().unwrap(), &like);
        assert_eq!(
            script,
            "ALTER DATABASE \"b\" OWNER TO \"o\"\"; DROP DATABASE x; --\";\n\
             COMMENT ON DATABASE \"b\" IS E'it''s a \\\\ backslash';\n\
             ALTER DATABASE \"b\" SET \"search_path\" TO \"$user\", public;\n\
             REVOKE ALL ON DATABASE \"b\" FROM PUBLIC;\n\
             REVOKE ALL ON DATABASE \"b\" FROM \"o\"\"; DROP DATABASE x; --\";\n\
             GRANT CONNECT ON DATABASE \"b\" TO PUBLIC;\n\
             ALTER DATABASE \"b\" RENAME TO \"c\"\"d\";\n"
        );
    }
}
