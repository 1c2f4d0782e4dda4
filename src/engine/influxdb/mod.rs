//! InfluxDB: how its images are configured, which commands dump and restore it. 1.x by `influxd`, 2.x by
//! `influx`; the scripts (`*.sh`) find out which it is.
//!
//! What a whole backup looks like is in `portable.rs`.

mod portable;

use serde::Deserialize;
use serde_json::Value as Json;

use super::{
    Access, Card, Defaults, Destination, Dump, Engine, EngineError, Example, Format, Probed,
    Replacement, Restore, Scope, Validator, tool,
};
use crate::model::{
    Command, Database, DatabaseName, DatabaseSetting, Databases, Environment, Facts, Part, Place,
    Server, Value,
};

static CARD: Card = Card {
    name: "influxdb",
    aliases: &["influx"],
    images: &["influxdb"],
    formats: &[Format { name: "portable", extension: "tar" }],
    takes: &["databases", "user", "password"],
    needs: &[],
    place: Place::Workload,
    whole: None,
    renames: None,
    fixed_encoding: false,
    about: "1.x: `influxd backup -portable`, each shard read to its end and found again in the server; \
            users and grants are not in it. 2.x: `influx backup` of each bucket, by recipe, not yet \
            proven on a real server",
    proven: "InfluxDB 1.6",
    example: Example {
        service: "    image: influxdb:1.8
    environment:
      INFLUXDB_DB: shop
      INFLUXDB_HTTP_AUTH_ENABLED: \"true\"
      INFLUXDB_ADMIN_USER: keeper
      INFLUXDB_ADMIN_PASSWORD: change-me
    volumes:
      - data:/var/lib/influxdb",
        labels: &[],
    },
};

/// What dumps a database.
const TOOL: &str = "influxd";

/// What 1.x keeps about itself. It makes it anew where it is missing.
const INTERNAL: &str = "_internal";

/// A script of ours behind the beginning that all have.
macro_rules! script {
    ($file:literal) => {
        Command::script(TOOL, concat!(include_str!("begin.sh"), include_str!($file)))
    };
}

/// The InfluxDB engine.
#[derive(Debug)]
pub struct InfluxDb;

impl Engine for InfluxDb {
    fn card(&self) -> &Card {
        &CARD
    }

    /// The variables of the official images: those of 1.x, and those of 2.x, where a token stands for
    /// user and password.
    /// <https://github.com/docker-library/docs/blob/master/influxdb/README.md>
    fn defaults(&self, env: &Environment) -> Defaults {
        let password =
            env.password(["INFLUXDB_ADMIN_PASSWORD", "DOCKER_INFLUXDB_INIT_ADMIN_TOKEN"]);
        let named = ["INFLUXDB_DB", "DOCKER_INFLUXDB_INIT_BUCKET"];
        let named = named.iter().find_map(|name| env.text(name));
        let databases = match named.and_then(|name| name.parse().ok()) {
            Some(name) => Databases::Named(vec![name]),
            None => Databases::All,
        };
        let user = env.text("INFLUXDB_ADMIN_USER").unwrap_or_default().to_owned();
        Defaults { user, password, databases }
    }

    fn probe(&self, access: &Access) -> Command {
        connect(script!("probe.sh"), access)
    }

    fn read_probe(&self, answer: &[u8]) -> Result<Probed, EngineError> {
        read_probe(&String::from_utf8_lossy(answer))
    }

    fn dump(&self, access: &Access, part: &Part, _: &Scope, _: &Server) -> Dump {
        let name = part.database().map_or("", DatabaseName::as_str);
        let command = connect(script!("dump.sh"), access).arg(name);
        Dump { command, warnings: Vec::new() }
    }

    fn validator(&self, _: &Part, _: &str) -> Box<dyn Validator> {
        Box::new(portable::Portable::default())
    }

    fn restore(&self, access: &Access, to: &Destination) -> Restore {
        let (from, name) = (to.like.name.as_str(), to.staged.as_str());
        let load = connect(script!("restore.sh"), access);
        let load = load.arg(from).arg(name).arg(identifier(name)).arg(field(name));
        // A continuous query names the database that it reads and writes, so it is right under the same
        // name only.
        let queries = to.like.settings.iter().filter(|_| from == to.name.as_str());
        let queries: Vec<String> = queries.map(|query| query.value.clone()).collect();
        let settle = (!queries.is_empty())
            .then(|| queries.into_iter().fold(connect(script!("say.sh"), access), Command::arg));
        let discard = discard(access, to.staged);
        let create = Some(connect(script!("absent.sh"), access).arg(field(name)));
        Restore { create, load, settle, discard }
    }

    fn replacement(&self, access: &Access, to: &Destination, _: &DatabaseName) -> Replacement {
        Replacement::Refill { remove: discard(access, to.name) }
    }

    fn count_objects(&self, access: &Access, name: &DatabaseName) -> Command {
        let (identifier, field) = (identifier(name.as_str()), field(name.as_str()));
        connect(script!("count.sh"), access)
            .arg(format!("SHOW MEASUREMENTS ON {identifier}"))
            .arg(format!("SHOW RETENTION POLICIES ON {identifier}"))
            .arg(field)
    }

    fn ask_facts(&self, access: &Access, name: &DatabaseName, facts: &Facts) -> Command {
        let shards = facts.counts.get("shards").copied().unwrap_or_default();
        connect(script!("facts.sh"), access).arg(tag(name.as_str())).arg(shards.to_string())
    }

    fn read_facts(&self, answer: &[u8]) -> Result<Facts, EngineError> {
        let answer = String::from_utf8_lossy(answer);
        let mut facts = Facts::default();
        if !answer.trim().is_empty() {
            let shards = answer.trim().parse();
            let shards = shards.map_err(|_| EngineError::AnswerShape(answer.trim().to_owned()))?;
            facts.counts.insert("shards".to_owned(), shards);
        }
        Ok(facts)
    }

    fn advice(&self, said: &str) -> Option<&'static str> {
        let told = |words: &[&str]| words.iter().any(|words| said.contains(words));
        if told(&["authentication credentials", "authorization failed", "unauthorized"]) {
            return Some(
                "the password (2.x: an operator's token) is looked up as label `password` says, else in \
                 the image's own variable",
            );
        }
        let refused = said.contains("connection refused") && said.contains("backup");
        refused.then_some(
            "`influxd backup` talks to the server's own port, `bind-address` in its settings: \
             127.0.0.1:8088, or as INFLUXDB_BIND_ADDRESS says",
        )
    }
}

/// What 1.x answers to one statement, as far as it matters.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    results: Vec<Results>,
}

#[derive(Deserialize)]
struct Results {
    #[serde(default)]
    series: Vec<Series>,
}

#[derive(Deserialize)]
struct Series {
    #[serde(default)]
    name: String,
    #[serde(default)]
    values: Vec<Vec<Json>>,
}

/// A bucket of 2.x.
#[derive(Deserialize)]
struct Bucket {
    name: DatabaseName,
    #[serde(rename = "type")]
    kind: String,
}

fn read_probe(answer: &str) -> Result<Probed, EngineError> {
    let shape = || EngineError::AnswerShape(answer.to_owned());
    let (server, said) = answer.split_once("\ntool\n").ok_or_else(shape)?;
    let (version, answers) = server.split_once('\n').ok_or_else(shape)?;
    let version = number(version).ok_or_else(shape)?;
    let mut answers = serde_json::Deserializer::from_str(answers).into_iter::<Json>();
    let first = answers.next().ok_or_else(shape)?.map_err(EngineError::Answer)?;
    let (databases, notes) = if first.is_array() {
        let buckets: Vec<Bucket> = serde_json::from_value(first).map_err(EngineError::Answer)?;
        let own = buckets.into_iter().filter(|bucket| bucket.kind != "system");
        (own.map(|bucket| Database::named(bucket.name)).collect(), Vec::new())
    } else {
        let first: Answer = serde_json::from_value(first).map_err(EngineError::Answer)?;
        let second = answers.next().and_then(Result::ok);
        let second = second.and_then(|second| serde_json::from_value::<Answer>(second).ok());
        read_first(&first, second.map(|second| second.results).unwrap_or_default())?
    };
    let server = Server {
        major: major(version),
        version: version.to_owned(),
        databases,
        notes,
        ..Server::default()
    };
    Ok(Probed { server, tool: tool::read(TOOL, said) })
}

/// What 1.x answered: databases, and what an administrator is told besides.
fn read_first(
    answer: &Answer,
    others: Vec<Results>,
) -> Result<(Vec<Database>, Vec<String>), EngineError> {
    let mut others = others.into_iter();
    let queries = others.next().map(|queries| queries.series).unwrap_or_default();
    let users = others.next().map(|users| users.series).unwrap_or_default();
    let rows = answer.results.iter().flat_map(|results| &results.series);
    let names = rows.flat_map(|series| &series.values).filter_map(|row| row.first()?.as_str());
    let mut databases = Vec::new();
    for name in names.filter(|name| *name != INTERNAL) {
        let parsed = name.parse();
        let mut database =
            Database::named(parsed.map_err(|error| {
                EngineError::AnswerShape(format!("database `{name}`: {error}"))
            })?);
        let own = queries.iter().filter(|series| series.name == name);
        for row in own.flat_map(|series| &series.values) {
            if let [Json::String(name), Json::String(value)] = row.as_slice() {
                let (name, value) = (name.clone(), value.clone());
                database.settings.push(DatabaseSetting { role: None, name, value });
            }
        }
        databases.push(database);
    }
    let names = users.iter().flat_map(|series| &series.values);
    let names: Vec<String> =
        names.filter_map(|row| Some(format!("`{}`", row.first()?.as_str()?))).collect();
    // One user is the one that the image makes.
    let note = (names.len() > 1).then(|| {
        format!(
            "a backup of InfluxDB 1.x holds neither users ({}) nor their grants",
            names.join(", ")
        )
    });
    Ok((databases, note.into_iter().collect()))
}

/// The version itself, in what a program says of it.
fn number(said: &str) -> Option<&str> {
    let mut words = said.split_whitespace().map(|word| word.trim_start_matches('v'));
    words.find(|word| word.starts_with(|first: char| first.is_ascii_digit()))
}

/// 106 for 1.6.7.
fn major(version: &str) -> u32 {
    let digits = |part: &str| part.parse::<u32>().unwrap_or_default();
    let mut parts = version.split('.').map(digits);
    parts.next().unwrap_or_default() * 100 + parts.next().unwrap_or_default()
}

/// Removes a database, if it is there.
fn discard(access: &Access, name: &DatabaseName) -> Command {
    let name = name.as_str();
    let drop = format!("DROP DATABASE {}", identifier(name));
    connect(script!("discard.sh"), access).arg(name).arg(drop)
}

/// Adds user and password, which for 2.x is a token.
fn connect(mut command: Command, access: &Access) -> Command {
    if !access.user.is_empty() {
        command = command.env("INFLUX_USERNAME", Value::Text(access.user.to_owned()));
    }
    match access.password {
        Some(password) => command
            .env("INFLUX_PASSWORD", Value::Secret(password.clone()))
            .env("INFLUX_TOKEN", Value::Secret(password.clone())),
        None => command,
    }
}

/// A name in a statement.
/// <https://docs.influxdata.com/influxdb/v1/query_language/spec/#identifiers>
fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('\\', r"\\").replace('"', "\\\""))
}

/// A name as the client prints it in CSV.
fn field(name: &str) -> String {
    let quoted = name.contains([',', '"']) || name.starts_with(' ');
    if quoted { format!("\"{}\"", name.replace('"', "\"\"")) } else { name.to_owned() }
}

/// What stands in the server's JSON where something belongs to a database. Go writes `<`, `>` and `&` as
/// numbers there.
fn tag(name: &str) -> String {
    let name = Json::from(name).to_string();
    let name = name.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
    format!("\"database\":{name},")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SecretRef;

    #[test]
    fn a_probe_of_1_x_tells_databases_queries_and_users() {
        let answer = r#"InfluxDB v1.6.7~rc0 (git: unknown unknown)
{"results":[{"series":[{"name":"databases","columns":["name"],"values":[["shop"],["_internal"]]}]}]}
{"results":[{"series":[{"name":"shop","columns":["name","query"],"values":[["cq","CREATE …"]]},{"name":"_internal"}]},{"series":[{"columns":["user","admin"],"values":[["keeper",true],["reader",false]]}]}]}
tool
InfluxDB v1.6.7~rc0 (git: unknown unknown)
0
"#;
        let probed = read_probe(answer).unwrap();
        let server = probed.server;
        assert_eq!((server.version.as_str(), server.major), ("1.6.7~rc0", 106));
        assert_eq!(probed.tool, Ok("InfluxDB v1.6.7~rc0 (git: unknown unknown)".to_owned()));
        let [shop] = server.databases.as_slice() else { panic!("{:?}", server.databases) };
        assert_eq!((shop.name.as_str(), shop.settings[0].name.as_str()), ("shop", "cq"));
        assert!(server.notes[0].contains("`reader`"), "{:?}", server.notes);
    }

    #[test]
    fn who_is_no_administrator_still_sees_databases() {
        let answer = "InfluxDB shell version: 1.8.10\n\
            {\"results\":[{\"series\":[{\"values\":[[\"shop\"]]}]}]}\n{\"error\":\"not authorized\"}\n\
            tool\nsh: 1: influxd: not found\n127\n";
        let probed = read_probe(answer).unwrap();
        assert_eq!((probed.server.databases.len(), probed.server.major), (1, 108));
        assert!(probed.server.notes.is_empty() && probed.tool.is_err());
    }

    #[test]
    fn a_probe_of_2_x_tells_buckets() {
        let answer = r#"InfluxDB v2.7.1 (git: 407fa622e9) build_date: 2023-04-28T13:24:27Z
[{"id":"1","type":"system","name":"_tasks"},{"id":"2","type":"user","name":"shop"}]
tool
InfluxDB v2.7.1 (git: 407fa622e9)
0
"#;
        let server = read_probe(answer).unwrap().server;
        assert_eq!((server.version.as_str(), server.major), ("2.7.1", 207));
        assert_eq!(server.databases, [Database::named("shop".parse().unwrap())]);
    }

    #[test]
    fn a_hostile_name_is_a_name() {
        assert_eq!(identifier(r#"a"\"#), r#""a\"\\""#);
        assert_eq!((field("a b"), field("a,\"b")), ("a b".to_owned(), "\"a,\"\"b\"".to_owned()));
        assert_eq!(tag("a\"<b"), r#""database":"a\"\u003cb","#);
    }

    #[test]
    fn the_images_own_variables_are_enough() {
        let env = |pairs: &[(&str, &str)]| {
            let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            InfluxDb.defaults(&pairs.iter().map(own).collect())
        };
        let first = env(&[
            ("INFLUXDB_ADMIN_USER", "keeper"),
            ("INFLUXDB_ADMIN_PASSWORD", "x"),
            ("INFLUXDB_DB", "shop"),
        ]);
        assert_eq!(first.user, "keeper");
        assert_eq!(first.password, Some(SecretRef::Env("INFLUXDB_ADMIN_PASSWORD".to_owned())));
        assert_eq!(first.databases, Databases::Named(vec!["shop".parse().unwrap()]));
        let second = env(&[("DOCKER_INFLUXDB_INIT_ADMIN_TOKEN_FILE", "/run/secrets/token")]);
        assert_eq!(second.password, Some(SecretRef::File("/run/secrets/token".to_owned())));
        assert_eq!((second.user.as_str(), second.databases), ("", Databases::All));
    }
}
