//! How the tools are started, and what the server is asked by `mongosh`.
//!
//! Every text for a shell, `sh` or `mongosh`, is a constant. What users wrote travels as arguments of
//! the tools, as JSON on the standard input, and the password by the environment into a here-document:
//! no tool takes it from its environment, and in an argument everybody on the host could read it.

use serde::{Deserialize, Serialize};

use super::archive::SYSTEM;
use crate::engine::{Access, EngineError, Probed, tool};
use crate::model::{
    Command, Database, DatabaseName, DatabaseSetting, Facts, Server, TableRows, Value,
};

/// What dumps.
pub(super) const TOOL: &str = "mongodump";
/// What loads.
pub(super) const LOADER: &str = "mongorestore";
const SHELL: &str = "mongosh";
/// The variable that brings the password to a script. The script takes it out of the environment.
const PASSWORD: &str = "RINGBOLT_PASSWORD";
/// The name of the whole server as one dump: no database can be called so, because of the dot.
pub(super) const WHOLE: &str = "all.databases";
/// The server's setting that tells a member of a replica set.
const SET: &str = "replication.replSetName";

/// Quotes for YAML and JSON alike: backslashes, quotes, and what would break the line. The `x` keeps
/// a line break at the end.
macro_rules! quoting {
    () => {
        r#"quoted() {
  printf '%sx' "$1" | LC_ALL=C sed -e :a -e '$!{' -e N -e ba -e '}' -e 's/x$//' \
    -e 's/[\\"]/\\&/g' -e 's/\n/\\n/g' -e 's/\r/\\r/g' -e "s/$(printf '\t')/\\\\t/g"
}
"#
    };
}

/// Asks a tool to read its password from a file that is a here-document, and nothing else from it.
macro_rules! secretly {
    () => {
        r#"password=
if [ -n "${RINGBOLT_PASSWORD+x}" ]; then
  password=$(quoted "$RINGBOLT_PASSWORD")
  unset RINGBOLT_PASSWORD
  set -- --config=/dev/fd/4 "$@"
fi
"#
    };
}

/// Dumps to its output. What the tool says of its progress is not passed on: what stays on the error
/// output of a dump that succeeded is a warning.
const DUMP: &str = concat!(
    quoting!(),
    secretly!(),
    r#"dump() {
  mongodump "$@" 2>&1 >&3 3>&- 4<<END
password: "$password"
END
}
exec 3>&1
said=$(dump "$@")
code=$?
exec 3>&-
printf '%s\n' "$said" | LC_ALL=C sed -e '/^$/d' \
  -e '/^20[-0-9T:.+Z]*[[:space:]]*writing .* to archive on stdout$/d' \
  -e '/^20[-0-9T:.+Z]*[[:space:]]*writing captured oplog to */d' \
  -e '/^20[-0-9T:.+Z]*[[:space:]]*dumped [0-9]* oplog entr/d' \
  -e '/^20[-0-9T:.+Z]*[[:space:]]*dumping users and roles for /d' \
  -e '/^20[-0-9T:.+Z]*[[:space:]]*done dumping /d' \
  -e '/^20[-0-9T:.+Z]*[[:space:]]*\[[#.]*\] /d' >&2
exit "$code"
"#
);

/// Loads what is on its input.
const LOAD: &str = concat!(
    quoting!(),
    secretly!(),
    r#"exec mongorestore "$@" 4<<END
password: "$password"
END
"#
);

/// Runs the JavaScript in `$1` with what is on its input, and passes its answer on; `$2` is a question
/// for a tool. What the shell itself says (that it cannot write its history) is no answer.
const ASK: &str = concat!(
    quoting!(),
    r#"asked=$(cat)
password=null
if [ -n "${RINGBOLT_PASSWORD+x}" ]; then
  password="\"$(quoted "$RINGBOLT_PASSWORD")\""
  unset RINGBOLT_PASSWORD
fi
shell=mongosh
command -v mongosh >/dev/null || { command -v mongo >/dev/null && shell=mongo; }
ask() {
  "$shell" --quiet --norc --eval "$1" mongodb://127.0.0.1:27017/admin 4<<END </dev/null
{"password": $password, "asked": $asked}
END
}
said=$(ask "$1")
code=$?
if [ "$code" -ne 0 ]; then
  printf '%s\n' "$said" >&2
  exit "$code"
fi
printf '%s\n' "$said" | sed -n 's/^RINGBOLT //p'
[ -z "${2-}" ] || sh -c "$2"
"#
);

/// Refuses in words what no dump or restore can do.
const REFUSE: &str = r#"printf '%s\n' "$1" >&2; exit 2"#;

/// Reads what the script was given, and logs in. The old `mongo` has no `require`; its `auth` answers
/// 0 where that of `mongosh` throws.
macro_rules! login {
    () => {
        "var given = JSON.parse(typeof require === 'function'
  ? require('fs').readFileSync('/dev/fd/4', 'utf8') : cat('/dev/fd/4'));
var asked = given.asked;
if (asked.user !== '' && given.password === null) throw new Error('user has no password');
if (asked.user !== '') {
  var entered = db.getSiblingDB('admin').auth({user: asked.user, pwd: given.password});
  if (!entered || entered.ok === 0) throw new Error('Authentication failed.');
}
"
    };
}

/// Who the server is, and what it holds.
const PROBE: &str = concat!(
    login!(),
    "var self = db.adminCommand({isMaster: 1});
var found = db.adminCommand({listDatabases: 1});
if (!found.ok) throw new Error(found.errmsg);
var answer = {version: db.version(), set: self.setName || null, databases: [], users: []};
for (var i = 0; i < found.databases.length; i++) {
  var own = found.databases[i];
  answer.databases.push({name: own.name, bytes: Math.max(0, Math.round(Number(own.sizeOnDisk || 0)))});
}
try {
  var users = db.getSiblingDB('admin').getCollection('system.users').find({}, {_id: 1});
  while (users.hasNext()) answer.users.push(String(users.next()._id));
  var roles = db.getSiblingDB('admin').getCollection('system.roles').find({}, {_id: 1});
  while (roles.hasNext()) answer.users.push(String(roles.next()._id));
} catch (error) {
  answer.users = null;
}
print('RINGBOLT ' + JSON.stringify(answer));
"
);

/// How many collections a database has; of the whole server, how many databases.
const COUNT: &str = concat!(
    login!(),
    "var number = 0;
if (asked.database === null) {
  var found = db.adminCommand({listDatabases: 1});
  if (!found.ok) throw new Error(found.errmsg);
  for (var i = 0; i < found.databases.length; i++) {
    if (asked.system.indexOf(found.databases[i].name) < 0) number++;
  }
} else {
  number = db.getSiblingDB(asked.database).getCollectionNames().length;
}
print('RINGBOLT ' + number);
"
);

/// How many documents its collections hold, counted one by one. A time series' are in its buckets, where
/// it has any; a series without them is left out.
const FACTS: &str = concat!(
    login!(),
    "var answer = {tables: [], views: 0};
var known = {};
for (var i = 0; i < asked.tables.length; i++) {
  var schema = asked.tables[i][0], table = asked.tables[i][1];
  var name = schema === '' ? asked.database : schema;
  if (!known['/' + name]) {
    var kinds = {};
    var found = db.getSiblingDB(name).getCollectionInfos();
    for (var j = 0; j < found.length; j++) kinds['/' + found[j].name] = found[j].type || 'collection';
    known['/' + name] = kinds;
  }
  var kind = known['/' + name]['/' + table];
  if (!kind) throw new Error('collection ' + name + '.' + table + ' is not there');
  var place = kind === 'timeseries' ? 'system.buckets.' + table : table;
  if (!known['/' + name]['/' + place]) continue;
  var rows = db.getSiblingDB(name).getCollection(place)
    .aggregate([{$group: {_id: null, rows: {$sum: 1}}}]);
  answer.tables.push({schema: schema, table: table,
    rows: rows.hasNext() ? Number(rows.next().rows) : 0});
}
if (asked.views) {
  var all = db.getSiblingDB(asked.database).getCollectionInfos();
  for (var i = 0; i < all.length; i++) if (all[i].type === 'view') answer.views++;
}
print('RINGBOLT ' + JSON.stringify(answer));
"
);

/// Removes a database.
const DROP: &str = concat!(
    login!(),
    "var dropped = db.getSiblingDB(asked.database).dropDatabase();
if (!dropped.ok) throw new Error(dropped.errmsg);
"
);

/// What a script is asked about.
#[derive(Serialize)]
struct Asked<'a> {
    user: &'a str,
    /// `None`: the whole server.
    database: Option<&'a str>,
    system: &'a [&'a str],
    tables: Vec<(&'a str, &'a str)>,
    /// Whether its views are counted.
    views: bool,
}

impl<'a> Asked<'a> {
    fn of(access: &Access<'a>, database: Option<&'a str>) -> Self {
        Self { user: access.user, database, system: &SYSTEM, tables: Vec::new(), views: false }
    }
}

#[derive(Deserialize)]
struct ProbeAnswer {
    version: String,
    set: Option<String>,
    databases: Vec<DatabaseAnswer>,
    users: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct DatabaseAnswer {
    name: DatabaseName,
    bytes: u64,
}

#[derive(Deserialize)]
struct FactsAnswer {
    tables: Vec<TableRows>,
    views: u64,
}

pub(super) fn dump(access: &Access) -> Command {
    log_in(Command::script(TOOL, DUMP).arg("--archive"), access)
}

pub(super) fn load(access: &Access) -> Command {
    log_in(Command::script(LOADER, LOAD).arg("--archive"), access)
}

/// A command that fails with these words.
pub(super) fn refuse(program: &'static str, why: impl Into<String>) -> Command {
    Command::script(program, REFUSE).arg(why)
}

pub(super) fn probe(access: &Access) -> Command {
    ask(access, PROBE, &Asked::of(access, None)).arg(tool::question(TOOL))
}

pub(super) fn count(access: &Access, name: &DatabaseName) -> Command {
    let database = (name.as_str() != WHOLE).then(|| name.as_str());
    ask(access, COUNT, &Asked::of(access, database))
}

pub(super) fn drop_database(access: &Access, name: &DatabaseName) -> Command {
    ask(access, DROP, &Asked::of(access, Some(name.as_str())))
}

/// `facts`: those that can be compared.
pub(super) fn facts(access: &Access, name: &DatabaseName, facts: &Facts) -> Command {
    let tables: Vec<(&str, &str)> =
        facts.tables.iter().map(|own| (own.schema.as_str(), own.table.as_str())).collect();
    let views = name.as_str() != WHOLE;
    ask(access, FACTS, &Asked { tables, views, ..Asked::of(access, Some(name.as_str())) })
}

fn ask(access: &Access, script: &'static str, asked: &Asked) -> Command {
    let asked = serde_json::to_string(asked).expect("texts are always JSON");
    secret(Command::script(SHELL, ASK).arg(script).stdin(asked), access)
}

/// Adds the server's address, the user and the way of the password.
fn log_in(command: Command, access: &Access) -> Command {
    let command = command.arg("--host=127.0.0.1");
    if access.user.is_empty() {
        return command;
    }
    let command = command.arg(format!("--username={}", access.user));
    secret(command.arg("--authenticationDatabase=admin"), access)
}

fn secret(command: Command, access: &Access) -> Command {
    match access.password {
        Some(password) => command.env(PASSWORD, Value::Secret(password.clone())),
        None => command,
    }
}

/// Reads what [`PROBE`] and the tool said. The whole server is listed as if it were a database.
pub(super) fn read_probe(answer: &[u8]) -> Result<Probed, EngineError> {
    let shape = |what: &str| EngineError::AnswerShape(what.to_owned());
    let answer = std::str::from_utf8(answer).map_err(|_| shape("it is not UTF-8"))?;
    let (said, tool) = answer.split_once('\n').ok_or_else(|| shape("it is no line"))?;
    let said: ProbeAnswer = serde_json::from_str(said).map_err(EngineError::Answer)?;
    let database = |found: &DatabaseAnswer| Database {
        // Sizes are whole numbers that `mongosh` gives as doubles.
        bytes: found.bytes,
        ..Database::named(found.name.clone())
    };
    let own = said.databases.iter().filter(|found| !SYSTEM.contains(&found.name.as_str()));
    let mut databases: Vec<Database> = own.map(database).collect();
    let setting = |value| DatabaseSetting { role: None, name: SET.to_owned(), value };
    databases.push(Database {
        bytes: databases.iter().map(|database| database.bytes).sum(),
        settings: said.set.map(setting).into_iter().collect(),
        ..Database::named(WHOLE.parse().expect("it is a name"))
    });
    let server = Server {
        major: major(&said.version).ok_or_else(|| shape("its version has no number"))?,
        version: said.version,
        superuser: said.users.is_some(),
        databases,
        roles: said.users.unwrap_or_default(),
        tablespaces: Vec::new(),
        notes: Vec::new(),
    };
    Ok(Probed { server, tool: tool::read(TOOL, tool) })
}

/// 700 for `7.0.14`, 404 for `4.4.29`.
fn major(version: &str) -> Option<u32> {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().ok());
    Some(parts.next()?? * 100 + parts.next()??)
}

/// The replica set that the server was a member of.
pub(super) fn replica_set(whole: &Database) -> Option<&str> {
    let found = whole.settings.iter().find(|setting| setting.name == SET);
    found.map(|setting| setting.value.as_str())
}

pub(super) fn read_facts(answer: &[u8]) -> Result<Facts, EngineError> {
    let mut answer: FactsAnswer = serde_json::from_slice(answer).map_err(EngineError::Answer)?;
    answer.tables.sort();
    let views = (answer.views > 0).then(|| ("views".to_owned(), answer.views));
    let counts = views.into_iter().collect();
    Ok(Facts { tables: answer.tables, counts, ..Facts::default() })
}
