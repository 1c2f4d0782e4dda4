//! What a MySQL or MariaDB server is asked, and how its answers read.
//!
//! Every answer is JSON built by the server, one object in a line, so no name needs unquoting here, and
//! no list is cut by `group_concat_max_len`. `/*M!…*/` is read by MariaDB alone, `/*!50708 …*/` by MySQL
//! alone: MariaDB leaves what is marked with 50700 to 99999.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::scripts::NEXT;
use super::sql::{equals, fits, identifier, literal, matches, tables_of};
use crate::engine::{EngineError, Probed, ToolError, tool};
use crate::model::{Database, DatabaseName, Facts, Grant, Patterns, Server, TableRows};

/// Frees a session of what an operator has set for all: another way to quote, and limits.
pub(super) const SETTLED: &str = "SET SESSION sql_mode = '';\n\
    /*M!100100 SET SESSION max_statement_time = 0 */;\n\
    /*!50708 SET SESSION max_execution_time = 0 */;\n";

/// Asks what every user may read. An account is written as `QUOTE` does it, here and below.
const PROBE: &str = r"
SELECT JSON_OBJECT('version', VERSION());
SELECT JSON_OBJECT('database', s.SCHEMA_NAME, 'encoding', s.DEFAULT_CHARACTER_SET_NAME,
    'collate', s.DEFAULT_COLLATION_NAME, 'bytes', COALESCE(t.bytes, 0) /*M!100502 , 'comment', s.SCHEMA_COMMENT */)
  FROM information_schema.SCHEMATA s
  LEFT JOIN (SELECT TABLE_SCHEMA, CAST(SUM(DATA_LENGTH) AS UNSIGNED) bytes FROM information_schema.TABLES
    GROUP BY TABLE_SCHEMA) t ON t.TABLE_SCHEMA = s.SCHEMA_NAME
 WHERE s.SCHEMA_NAME NOT IN ('information_schema', 'performance_schema', 'mysql', 'sys', 'ndbinfo')
   AND s.SCHEMA_NAME NOT LIKE '#mysql50#%' ORDER BY s.SCHEMA_NAME;
SHOW GRANTS;
";

/// Asks what only some users may read: the accounts, and in whose name and for whom there is something in
/// a database. The last answer says that all was answered.
const ACCOUNTS: &str = r"
SELECT JSON_OBJECT('account', CONCAT(QUOTE(User), IF(Host = '', '', CONCAT('@', QUOTE(Host))))) FROM mysql.user;
SELECT DISTINCT JSON_OBJECT('within', db, 'role', CONCAT(
    QUOTE(LEFT(definer, CHAR_LENGTH(definer) - LOCATE('@', REVERSE(definer)))),
    IF(RIGHT(definer, 1) = '@', '', CONCAT('@', QUOTE(SUBSTRING_INDEX(definer, '@', -1))))), 'privileges', 'DEFINER')
  FROM (SELECT ROUTINE_SCHEMA db, DEFINER definer FROM information_schema.ROUTINES
    UNION SELECT TABLE_SCHEMA, DEFINER FROM information_schema.VIEWS
    UNION SELECT TRIGGER_SCHEMA, DEFINER FROM information_schema.TRIGGERS
    UNION SELECT EVENT_SCHEMA, DEFINER FROM information_schema.EVENTS) d WHERE definer LIKE '%@%';
SELECT JSON_OBJECT('within', Db, 'role', CONCAT(QUOTE(User), IF(Host = '', '', CONCAT('@', QUOTE(Host)))),
    'privileges', CONCAT(Table_priv, ''), 'object', CONCAT('`', REPLACE(Table_name, '`', '``'), '`'))
  FROM mysql.tables_priv WHERE Table_priv <> '';
SELECT JSON_OBJECT('within', Db, 'role', CONCAT(QUOTE(User), IF(Host = '', '', CONCAT('@', QUOTE(Host)))),
    'privileges', CONCAT(Column_priv, ''), 'object', CONCAT('`', REPLACE(Table_name, '`', '``'), '`'),
    'column', CONCAT('`', REPLACE(Column_name, '`', '``'), '`'))
  FROM mysql.columns_priv WHERE Column_priv <> '';
SELECT JSON_OBJECT('within', Db, 'role', CONCAT(QUOTE(User), IF(Host = '', '', CONCAT('@', QUOTE(Host)))),
    'privileges', CONCAT(Proc_priv, ''), 'object', CONCAT(Routine_type, ' `', REPLACE(Routine_name, '`', '``'), '`'))
  FROM mysql.procs_priv;
SELECT JSON_OBJECT('all', 1);
";

pub(super) fn probe() -> String {
    format!("{SETTLED}{PROBE}{NEXT}\n{SETTLED}{ACCOUNTS}")
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Version { version: String },
    Database(DatabaseAnswer),
    Account { account: String },
    Within(WithinAnswer),
    All { all: u8 },
}

#[derive(Deserialize)]
struct DatabaseAnswer {
    database: DatabaseName,
    encoding: String,
    collate: String,
    bytes: u64,
    comment: Option<String>,
}

/// A privilege on something in a database.
#[derive(Deserialize)]
struct WithinAnswer {
    within: String,
    role: String,
    /// As the server's tables list them: `Select,Insert,Grant`.
    privileges: String,
    object: Option<String>,
    column: Option<String>,
}

/// Reads the answer to [`probe`]: the tool's words, the server's, and those that may be missing.
pub(super) fn read_probe(answer: &[u8], tool: &'static str) -> Result<Probed, EngineError> {
    let shape = |what: &str| EngineError::AnswerShape(what.to_owned());
    let answer = String::from_utf8_lossy(answer);
    let separator = format!("{NEXT}\n");
    let mut parts = answer.splitn(3, &separator);
    let (asked, open, hidden) = (parts.next(), parts.next(), parts.next());
    let (Some(asked), Some(open), Some(hidden)) = (asked, open, hidden) else {
        return Err(shape("a part is missing"));
    };
    let tool: Result<String, ToolError> = tool::read(tool, asked);
    let mut server = Server::default();
    let mut rights = Rights::default();
    let mut within = Vec::new();
    for line in open.lines().chain(hidden.lines()) {
        if !line.starts_with('{') {
            rights.read(line);
            continue;
        }
        match serde_json::from_str(line).map_err(EngineError::Answer)? {
            Answer::Version { version } => {
                server.major = major(&version).ok_or_else(|| shape("its version has no number"))?;
                server.version = version;
            }
            Answer::Database(found) => server.databases.push(Database {
                encoding: found.encoding,
                collate: found.collate,
                bytes: found.bytes,
                comment: found.comment.filter(|comment| !comment.is_empty()),
                ..Database::named(found.database)
            }),
            Answer::Account { account } => server.roles.push(account),
            Answer::Within(found) => within.push(found),
            Answer::All { all } => server.superuser = all == 1,
        }
    }
    if server.version.is_empty() {
        return Err(shape("it holds no version"));
    }
    let grants = if server.superuser { grants(within, &server.roles) } else { BTreeMap::new() };
    let maria = is_mariadb(&server.version);
    for database in &mut server.databases {
        database.grants = grants.get(database.name.as_str()).cloned();
        database.notes = rights.notes(database.name.as_str(), maria);
    }
    Ok(Probed { server, tool })
}

pub(super) fn is_mariadb(version: &str) -> bool {
    version.contains("MariaDB")
}

/// 1011 for `10.11.19-MariaDB`, 907 for `9.7.4-2`.
fn major(version: &str) -> Option<u32> {
    let mut numbers = version.split(['.', '-']).map_while(|number| number.parse::<u32>().ok());
    Some(numbers.next()? * 100 + numbers.next()?)
}

/// What there is for somebody in each database. Who does not exist even here is no reason to refuse
/// a restore.
fn grants(within: Vec<WithinAnswer>, accounts: &[String]) -> BTreeMap<String, Vec<Grant>> {
    let mut found: BTreeMap<String, Vec<Grant>> = BTreeMap::new();
    for WithinAnswer { within, role, privileges, object, column } in within {
        if !accounts.contains(&role) {
            continue;
        }
        let grantable = privileges.split(',').any(|privilege| privilege == "Grant");
        let column = column.map_or_else(String::new, |column| format!(" ({column})"));
        let name = |privilege: &str| match privilege {
            "Delete versioning rows" => format!("DELETE HISTORY{column}"),
            other => format!("{}{column}", other.to_uppercase()),
        };
        let own = privileges.split(',').filter(|privilege| *privilege != "Grant");
        let mut named: Vec<String> = own.map(name).collect();
        if named.is_empty() {
            named.push("USAGE".to_owned());
        }
        let mut privilege = named.join(", ");
        if let Some(object) = object {
            privilege = format!("{privilege} ON {object}");
        }
        found.entry(within).or_default().push(Grant { role: Some(role), privilege, grantable });
    }
    found
}

/// What our user may read. Much that it may not, the dump tool leaves out without a word.
#[derive(Default)]
struct Rights {
    /// Privileges and the pattern of databases that they are for.
    granted: Vec<(String, String)>,
    /// Roles bring rights that are not listed.
    roles: bool,
}

impl Rights {
    /// Reads a line of `SHOW GRANTS`.
    fn read(&mut self, line: &str) {
        let Some(line) = line.strip_prefix("GRANT ") else { return };
        self.roles |= line.starts_with(['`', '\'']);
        let Some((privileges, rest)) = line.split_once(" ON ") else { return };
        let Some((object, _)) = rest.split_once(" TO ") else { return };
        if let Some(database) = object.strip_suffix(".*") {
            let database = database.trim_matches('`').replace("``", "`");
            // `%` and `_` are wildcards there, unless a backslash takes that from them.
            let pattern = database.replace('_', "?").replace("\\?", "_").replace('%', "*");
            self.granted.push((privileges.to_owned(), pattern));
        }
    }

    fn has(&self, privilege: &str, database: &str) -> bool {
        self.granted.iter().any(|(privileges, pattern)| {
            let all = ["ALL", "ALL PRIVILEGES"].contains(&privileges.as_str());
            (all || privileges.split([',']).any(|own| own.trim() == privilege))
                && matches(pattern, database)
        })
    }

    /// Words for each privilege without which something is missing in a dump and nothing says so.
    fn notes(&self, database: &str, maria: bool) -> Vec<String> {
        if self.roles && !maria {
            return Vec::new();
        }
        let routines = self.has("SHOW_ROUTINE", "*")
            || self.has("SHOW CREATE ROUTINE", database)
            || self.has("SELECT", if maria { "mysql" } else { "*" });
        let lacks = [
            ("SELECT", "tables", self.has("SELECT", database)),
            ("TRIGGER", "triggers", self.has("TRIGGER", database)),
            (if maria { "SELECT on mysql.*" } else { "SHOW_ROUTINE" }, "routines", routines),
        ];
        let lacks = lacks.into_iter().filter(|(.., has)| !has);
        lacks
            .map(|(privilege, what, _)| {
                format!("our user has no {privilege} on database `{database}`: what it does not see of {what} is not in the dump")
            })
            .collect()
    }
}

/// What a dump is to leave out and to warn of, found by the server at the moment of the dump.
pub(super) fn plan(database: &DatabaseName, patterns: &Patterns) -> String {
    let name = database.as_str();
    let here = equals("TABLE_SCHEMA", name);
    let from = format!("FROM information_schema.TABLES WHERE {here}");
    let rows = "TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED')";
    let own = |patterns: &[String]| -> Vec<String> {
        let own = patterns.iter().filter_map(|pattern| tables_of(pattern, name));
        own.map(str::to_owned).collect()
    };
    let any = |patterns: &[String]| {
        let fits: Vec<String> = patterns.iter().map(|one| fits("TABLE_NAME", one)).collect();
        if fits.is_empty() { "FALSE".to_owned() } else { format!("({})", fits.join(" OR ")) }
    };
    let (include, exclude) = (own(&patterns.include), own(&patterns.exclude));
    let nodata = own(&patterns.exclude_data);
    let broken = "TABLE_TYPE = 'VIEW' AND FIND_IN_SET(HEX(TABLE_NAME), @broken)";
    let mut left_out = format!("{} OR {broken}", any(&exclude));
    // Only with a column that has it open the view does MariaDB say what is wrong with one.
    let mut script = format!(
        "{SETTLED}SET SESSION group_concat_max_len = 16777216;\n\
         SET @broken = IFNULL((SELECT GROUP_CONCAT(HEX(TABLE_NAME)) {from} AND TABLE_TYPE = 'VIEW' \
           AND TABLE_COMMENT <> 'VIEW' AND (CREATE_TIME IS NULL OR CREATE_TIME > '1000-01-01')), '');\n"
    );
    for pattern in &include {
        let message =
            literal(&format!("`include`: no table of database `{name}` fits `{pattern}`"));
        let fits = fits("TABLE_NAME", pattern);
        script.push_str(&format!(
            "SELECT 'failure', {message} FROM DUAL WHERE NOT EXISTS (SELECT 1 {from} AND {fits});\n"
        ));
    }
    if include.is_empty() {
        script.push_str("SELECT 'whole', '';\n");
    } else {
        left_out = format!("NOT {} OR {left_out}", any(&include));
    }
    let (ignored, without_rows) = (format!("({left_out})"), any(&nodata));
    script.push_str(&format!(
        "SELECT 'failure', 'a table with a line break in its name cannot be left out' FROM DUAL WHERE EXISTS \
           (SELECT 1 {from} AND TABLE_NAME REGEXP '[\\\\n\\\\t]' AND ({ignored} OR {without_rows}));\n\
         SELECT 'failure', CONCAT('`', TABLE_NAME, '` differs from another in case alone: only both can be left out') \
           {from} AND ((NOT {ignored} AND LOWER(TABLE_NAME) IN (SELECT LOWER(TABLE_NAME) {from} AND {ignored})) \
             OR (NOT {ignored} AND NOT {without_rows} AND \
               LOWER(TABLE_NAME) IN (SELECT LOWER(TABLE_NAME) {from} AND NOT {ignored} AND {without_rows}))) LIMIT 5;\n\
         SELECT 'ignore', TABLE_NAME {from} AND {ignored};\n\
         SELECT 'nodata', TABLE_NAME {from} AND {rows} AND NOT {ignored} AND {without_rows};\n"
    ));
    // A view that is broken stops the tool, and could not be made again; its text is kept.
    script.push_str(&format!(
        "SELECT 'warning', CONCAT('view `', TABLE_NAME, '` is broken and not in the dump; its definition is, as a comment') \
           {from} AND {broken} LIMIT 20;\n\
         SELECT 'comment', CONCAT('-- Broken view `', TABLE_NAME, '`: ', REPLACE(VIEW_DEFINITION, '\\n', ' ')) \
           FROM information_schema.VIEWS WHERE {here} AND TABLE_NAME IN (SELECT TABLE_NAME {from} AND {broken});\n"
    ));
    let unsafe_rows = format!(
        "{from} AND {rows} AND NOT {ignored} AND NOT {without_rows} AND ENGINE NOT IN \
         (SELECT ENGINE FROM information_schema.ENGINES WHERE TRANSACTIONS = 'YES')"
    );
    script.push_str(&format!(
        "SELECT 'warning', CONCAT((SELECT COUNT(*) {unsafe_rows}), ' tables without transactions (', \
           GROUP_CONCAT(t.n ORDER BY t.n SEPARATOR ', '), '): their rows may be of another moment than the rest') \
           FROM (SELECT CONCAT(ENGINE, ' `', TABLE_NAME, '`') n {unsafe_rows} ORDER BY 1 LIMIT 5) t \
           HAVING COUNT(*) > 0;\n"
    ));
    // 16777215 in a FLOAT is 16777200 in a dump; in a FLOAT(10,2) or a DOUBLE every digit counts.
    let floats = format!(
        "FROM information_schema.COLUMNS WHERE {here} AND COLUMN_TYPE IN ('float', 'float unsigned')"
    );
    script.push_str(&format!(
        "SELECT 'warning', CONCAT((SELECT COUNT(*) {floats}), ' columns of type FLOAT (', \
           GROUP_CONCAT(t.n ORDER BY t.n SEPARATOR ', '), '): the dump tool writes six digits of each value') \
           FROM (SELECT CONCAT('`', TABLE_NAME, '`.`', COLUMN_NAME, '`') n {floats} ORDER BY 1 LIMIT 5) t \
           HAVING COUNT(*) > 0;\n\
         SELECT 'end', '';\n"
    ));
    script
}

pub(super) fn create(name: &DatabaseName, like: &Database) -> String {
    let database = identifier(name.as_str());
    format!("{SETTLED}CREATE DATABASE {database}{};\n", properties(like))
}

fn properties(like: &Database) -> String {
    let mut said = String::new();
    for (what, value) in [("CHARACTER SET", &like.encoding), ("COLLATE", &like.collate)] {
        if !value.is_empty() {
            said.push_str(&format!(" {what} {}", identifier(value)));
        }
    }
    if let Some(comment) = &like.comment {
        said.push_str(&format!(" COMMENT {}", literal(comment)));
    }
    said
}

pub(super) fn discard(name: &DatabaseName) -> String {
    format!("DROP DATABASE IF EXISTS {};\n", identifier(name.as_str()))
}

/// Says the properties once more, for a database that was there and empty, and gives the rights on what
/// is in it. Said in that database.
pub(super) fn settle(name: &DatabaseName, like: &Database) -> String {
    let mut script = String::from(SETTLED);
    let properties = properties(like);
    if !properties.is_empty() {
        script.push_str(&format!("ALTER DATABASE {}{properties};\n", identifier(name.as_str())));
    }
    for Grant { role, privilege, grantable } in like.grants.iter().flatten() {
        let Some(role) = role.as_deref().filter(|_| privilege.contains(" ON ")) else { continue };
        let option = if *grantable { " WITH GRANT OPTION" } else { "" };
        let grant = literal(&format!("GRANT {privilege} TO {role}{option}"));
        let there = there(privilege);
        script.push_str(&format!(
            "SET @granting = IF({there}, {grant}, 'DO 0');\nPREPARE granting FROM @granting;\nEXECUTE granting;\n"
        ));
    }
    script
}

/// Asks whether what a privilege is for is in the current database. A dump of some tables alone has
/// not all of it.
fn there(privilege: &str) -> String {
    let object = privilege.rsplit_once(" ON ").map_or("", |(_, object)| object);
    let (kind, name) = object.split_once('`').unwrap_or_default();
    let name = literal(&name.strip_suffix('`').unwrap_or(name).replace("``", "`"));
    let (table, schema, column) = match kind {
        "" => ("TABLES", "TABLE_SCHEMA", "TABLE_NAME"),
        _ => ("ROUTINES", "ROUTINE_SCHEMA", "ROUTINE_NAME"),
    };
    format!(
        "EXISTS(SELECT 1 FROM information_schema.{table} WHERE {schema} = DATABASE() AND {column} = {name})"
    )
}

pub(super) fn count_objects(name: &DatabaseName) -> String {
    let name = literal(name.as_str());
    format!(
        "{SETTLED}SELECT (SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = {name}) \
         + (SELECT COUNT(*) FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = {name}) \
         + (SELECT COUNT(*) FROM information_schema.EVENTS WHERE EVENT_SCHEMA = {name});\n"
    )
}

/// Engines whose tables hold no rows of their own; a dump has their definition alone.
pub(super) const ROWLESS: &str =
    "'MRG_MYISAM', 'MRG_ISAM', 'FEDERATED', 'CONNECT', 'SPIDER', 'OQGRAPH', 'S3'";

/// Counts rows as the dump has them: with the history of a system-versioned table.
pub(super) fn ask_facts(name: &DatabaseName, facts: &Facts) -> String {
    let database = identifier(name.as_str());
    let mut script = String::from(SETTLED);
    for TableRows { table, .. } in &facts.tables {
        let count = format!(
            "SELECT JSON_OBJECT('schema', '', 'table', {}, 'rows', COUNT(*)) FROM {database}.{}",
            literal(table),
            identifier(table)
        );
        let this = format!(
            "FROM information_schema.TABLES WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {}",
            literal(name.as_str()),
            literal(table)
        );
        script.push_str(&format!(
            "SET @count = CONCAT({}, IF(EXISTS(SELECT 1 {this} AND TABLE_TYPE = 'SYSTEM VERSIONED'), \
             ' FOR SYSTEM_TIME ALL', ''), IF(EXISTS(SELECT 1 {this} AND ENGINE IN ({ROWLESS})), ' LIMIT 0', ''));\n\
             PREPARE counting FROM @count;\nEXECUTE counting;\n",
            literal(&count)
        ));
    }
    script
}

pub(super) fn read_facts(answer: &[u8]) -> Result<Facts, EngineError> {
    let answer = std::str::from_utf8(answer)
        .map_err(|_| EngineError::AnswerShape("it is not UTF-8".to_owned()))?;
    let lines = answer.lines().filter(|line| !line.is_empty());
    let tables = lines.map(serde_json::from_str).collect::<Result<Vec<TableRows>, _>>();
    Ok(Facts { tables: tables.map_err(EngineError::Answer)?, ..Facts::default() })
}
