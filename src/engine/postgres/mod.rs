//! PostgreSQL: how its image is configured, which commands dump and restore it.
//!
//! What a whole dump looks like is in `custom.rs` and `text.rs`; how SQL is quoted and split in
//! `sql.rs`; what the server is asked in `queries.rs`.

mod census;
mod custom;
mod globals;
mod queries;
mod sql;
mod tables;
mod text;

use super::{
    Access, Card, Defaults, Destination, Dump, Engine, EngineError, Example, Format, Globals,
    GlobalsRestore, Leftover, Probed, Questions, Rehearsal, Replacement, Restore, Scope, Stage,
    Sums, Tables, Validator,
};
use crate::model::{
    Command, DatabaseName, Databases, Environment, Facts, Part, Patterns, Place, SecretRef, Server,
    Value,
};

static CARD: Card = Card {
    name: "postgres",
    aliases: &["postgresql"],
    images: &[
        "postgres",
        "postgresql",
        "postgis",
        "pgvector",
        "pgautoupgrade",
        "pgvecto-rs",
        "supabase-postgres",
    ],
    formats: &[
        Format { name: "custom", extension: "pgdump" },
        Format { name: "plain", extension: "sql" },
    ],
    takes: &["databases", "user", "password", "include", "exclude", "exclude-data"],
    needs: &[],
    place: Place::Workload,
    whole: None,
    renames: Some(63),
    fixed_encoding: true,
    about: "`pg_dump`, one snapshot each; exact rows and large objects counted",
    proven: "PostgreSQL 15, 17, 18",
    example: Example {
        service: "    image: postgres:17
    environment:
      POSTGRES_DB: shop
      POSTGRES_PASSWORD: change-me
    volumes:
      - data:/var/lib/postgresql/data",
        labels: &[],
    },
};

/// The first version that knows other locale providers than libc.
const PROVIDERS_SINCE: u32 = 15;

/// The database that every cluster has for those who only want to ask.
const MAINTENANCE: &str = "postgres";

/// The other one, for what cannot be done from there.
const TEMPLATE: &str = "template1";

/// What dumps a database.
const TOOL: &str = "pg_dump";

/// The PostgreSQL engine, for servers from version 10.
#[derive(Debug)]
pub struct Postgres;

impl Engine for Postgres {
    fn card(&self) -> &Card {
        &CARD
    }

    /// The variables of the official image; Bitnami's image spells two of them differently.
    /// <https://github.com/docker-library/docs/blob/master/postgres/README.md>
    fn defaults(&self, env: &Environment) -> Defaults {
        let first = |names: &[&str]| names.iter().find_map(|name| env.text(name));
        let password = env.password(["POSTGRES_PASSWORD", "POSTGRESQL_PASSWORD"]);
        let named = first(&["POSTGRES_DB", "POSTGRESQL_DATABASE"]);
        let databases = match named.and_then(|name| name.parse().ok()) {
            Some(name) => Databases::Named(vec![name]),
            None => Databases::All,
        };
        let user = first(&["POSTGRES_USER", "POSTGRESQL_USERNAME"]);
        Defaults { user: user.unwrap_or("postgres").to_owned(), password, databases }
    }

    fn probe(&self, access: &Access) -> Command {
        ask(access, MAINTENANCE, &queries::probe(TOOL))
    }

    fn read_probe(&self, answer: &[u8]) -> Result<Probed, EngineError> {
        queries::read_probe(answer, TOOL)
    }

    fn dump(&self, access: &Access, part: &Part, scope: &Scope, server: &Server) -> Dump {
        match part {
            // Compression is ours: the dump stays countable, and one codec serves every engine.
            Part::Database(name) => {
                let command = connect(Command::new([TOOL]), access)
                    .arg(format!("--format={}", scope.format))
                    .arg("--compress=0");
                let (mut command, warnings) = only(command, scope.patterns);
                if let Some(snapshot) = scope.snapshot {
                    command = command.arg(format!("--snapshot={snapshot}"));
                }
                Dump { command: command.arg(dbname(name.as_str())), warnings }
            }
            Part::Globals if server.superuser => {
                Dump { command: dump_globals(access), warnings: Vec::new() }
            }
            Part::Globals => Dump {
                command: dump_globals(access).arg("--no-role-passwords"),
                warnings: vec![format!(
                    "user `{}` is no superuser: the globals hold no role's password",
                    access.user
                )],
            },
        }
    }

    fn validator(&self, part: &Part, format: &str) -> Box<dyn Validator> {
        match part {
            Part::Globals => Box::new(text::TextDump::cluster()),
            Part::Database(_) if format == "plain" => Box::new(text::TextDump::database()),
            Part::Database(_) => Box::new(custom::CustomDump::default()),
        }
    }

    fn restore(&self, access: &Access, to: &Destination) -> Restore {
        let load = match to.format {
            "plain" => psql(access, to.staged.as_str()),
            _ => connect(Command::new(["pg_restore", "--exit-on-error"]), access)
                .arg(dbname(to.staged.as_str())),
        };
        Restore {
            create: Some(create(access, to)),
            load,
            settle: Some(ask(access, MAINTENANCE, &queries::settle(to.staged, to.name, to.like))),
            discard: ask(access, MAINTENANCE, &queries::discard(to.staged)),
        }
    }

    fn replacement(&self, access: &Access, to: &Destination, old: &DatabaseName) -> Replacement {
        // Nobody can rename the database that they are connected to.
        let from = if to.name.as_str() == MAINTENANCE { TEMPLATE } else { MAINTENANCE };
        let settle = queries::swap(to.staged, to.name, old, to.like);
        let remove = ask(access, MAINTENANCE, &queries::discard(old));
        Replacement::Swap { settle: ask(access, from, &settle), remove }
    }

    fn leftover(&self, access: &Access, name: &DatabaseName) -> Option<Leftover> {
        let users = ask(access, MAINTENANCE, &queries::users(name));
        Some(Leftover { users, remove: ask(access, MAINTENANCE, &queries::remove(name)) })
    }

    fn tables(&self) -> Option<&dyn Tables> {
        Some(self)
    }

    fn globals(&self) -> Option<&dyn Globals> {
        Some(self)
    }

    fn count_objects(&self, access: &Access, name: &DatabaseName) -> Command {
        ask(access, name.as_str(), queries::COUNT_OBJECTS)
    }

    fn ask_facts(&self, access: &Access, name: &DatabaseName, facts: &Facts) -> Command {
        ask(access, name.as_str(), &queries::ask_facts(facts))
    }

    fn read_facts(&self, answer: &[u8]) -> Result<Facts, EngineError> {
        queries::read_facts(answer)
    }

    /// The first server of the official image listens on its socket only; the one that stays does not.
    fn rehearsal(&self, env: &Environment, _: &Access) -> Option<Rehearsal> {
        let password = SecretRef::Env("POSTGRES_PASSWORD".to_owned());
        let user = self.defaults(env).user;
        let access = Access { user: &user, password: Some(&password), paths: &[] };
        let ready = Command::new(["pg_isready", "--quiet", "--host=127.0.0.1"]);
        let fast = ["fsync", "full_page_writes", "synchronous_commit", "autovacuum"];
        let fast = fast.map(|name| format!("ALTER SYSTEM SET {name} = off;\n")).concat();
        let hurry = ask(&access, MAINTENANCE, &format!("{fast}SELECT pg_reload_conf();\n"));
        Some(Rehearsal {
            stage: Stage::Server,
            unset: vec![
                "POSTGRES_DB",
                "POSTGRES_DB_FILE",
                "POSTGRES_PASSWORD_FILE",
                "POSTGRES_USER_FILE",
                "POSTGRESQL_DATABASE",
                "POSTGRESQL_PASSWORD_FILE",
            ],
            passwords: vec!["POSTGRES_PASSWORD", "POSTGRESQL_PASSWORD"],
            data: vec![
                env.text("PGDATA").unwrap_or("/var/lib/postgresql").to_owned(),
                "/var/lib/postgresql".to_owned(),
                "/bitnami/postgresql".to_owned(),
            ],
            omit: &["/docker-entrypoint-initdb.d"],
            ready: Some(ready),
            hurry: Some(hurry),
            user,
            password: Some(password),
        })
    }

    fn census(
        &self,
        access: &Access,
        name: &DatabaseName,
        sums: Sums,
        major: u32,
    ) -> Option<Questions> {
        let ask = match sums {
            Sums::Rows => census::rows(),
            Sums::Contents => census::checksums(major),
        };
        let command = utf8(unlimited(psql(access, name.as_str())));
        Some(Questions { command, begin: census::BEGIN.to_owned(), ask })
    }

    fn advice(&self, said: &str) -> Option<&'static str> {
        if said.contains("role \"") && said.contains("does not exist") {
            return Some("restore the globals of the same run first (`SOURCE/@globals@latest`)");
        }
        let refused = ["password authentication failed", "no password supplied"]
            .iter()
            .any(|w| said.contains(w));
        refused.then_some(
            "the password is looked up as label `password` says, else in the image's own variable",
        )
    }
}

impl Globals for Postgres {
    fn extension(&self) -> &'static str {
        "sql"
    }

    fn adapt(
        &self,
        access: &Access,
        dump: &str,
        server: &Server,
    ) -> Result<GlobalsRestore, EngineError> {
        let adapted = globals::adapt(dump, server)?;
        Ok(GlobalsRestore {
            load: ask(access, MAINTENANCE, &adapted.script),
            created: adapted.created,
            kept: adapted.kept,
        })
    }

    fn load(&self, access: &Access) -> Command {
        // For an empty server: psql goes on where a role exists, and gives it the dump's attributes.
        connect(Command::new(["psql", "--no-psqlrc", "--quiet"]), access).arg(dbname(MAINTENANCE))
    }
}

/// Makes an empty database with the properties of the dumped one.
fn create(access: &Access, to: &Destination) -> Command {
    let like = to.like;
    let mut command = unlimited(connect(Command::new(["createdb"]), access))
        .arg("--template=template0")
        .arg(format!("--owner={}", like.owner))
        .arg(format!("--encoding={}", like.encoding))
        .arg(format!("--lc-collate={}", like.collate))
        .arg(format!("--lc-ctype={}", like.ctype));
    match (like.provider.as_str(), &like.locale) {
        ("i", Some(locale)) => {
            command = command.arg("--locale-provider=icu").arg(format!("--icu-locale={locale}"));
        }
        ("b", Some(locale)) => {
            command =
                command.arg("--locale-provider=builtin").arg(format!("--builtin-locale={locale}"));
        }
        // Its template may be of another provider.
        _ if to.major >= PROVIDERS_SINCE => command = command.arg("--locale-provider=libc"),
        _ => {}
    }
    // A name may begin with a dash; after `--` it is a name all the same.
    command.arg("--").arg(to.staged.as_str())
}

/// `psql` as a strict interpreter of one script: no start-up file, stops at the first error.
fn psql(access: &Access, database: &str) -> Command {
    let quiet = ["psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align"];
    connect(Command::new(quiet), access)
        .arg("--set=ON_ERROR_STOP=1")
        .arg("--file=-")
        .arg(dbname(database))
}

/// A script for [`psql`] that asks or settles something.
fn ask(access: &Access, database: &str, script: &str) -> Command {
    utf8(unlimited(psql(access, database))).stdin(script)
}

fn dump_globals(access: &Access) -> Command {
    utf8(unlimited(connect(Command::new(["pg_dumpall", "--globals-only"]), access)))
}

/// Leaves tables out of a dump. A pattern that matches nothing is an error of `pg_dump` for what is
/// to be in the dump; for what is to be left out, nothing is lost.
fn only(mut command: Command, patterns: &Patterns) -> (Command, Vec<String>) {
    let Patterns { include, exclude, exclude_data } = patterns;
    let mut warnings = Vec::new();
    if !include.is_empty() {
        command = command.arg("--strict-names");
        warnings.push(format!(
            "only the tables {} are in the dump; what they need (schemas, types, functions) is not",
            include.join(", ")
        ));
    }
    for (option, patterns) in
        [("table", include), ("exclude-table", exclude), ("exclude-table-data", exclude_data)]
    {
        for pattern in patterns {
            command = command.arg(format!("--{option}={pattern}"));
        }
    }
    (command, warnings)
}

/// Frees a tool of limits that an operator has set for a role or a database, which the start-up
/// options overrule. `pg_dump` and `pg_restore` do this by themselves.
fn unlimited(command: Command) -> Command {
    let options =
        "-c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0";
    command.env("PGOPTIONS", Value::Text(options.to_owned()))
}

/// Makes a tool speak UTF-8, whatever the server's encoding is.
fn utf8(command: Command) -> Command {
    command.env("PGCLIENTENCODING", Value::Text("UTF8".to_owned()))
}

/// Adds user and password. The password travels in the environment; `--no-password` makes a missing
/// one an error instead of a prompt that nobody sees.
fn connect(command: Command, access: &Access) -> Command {
    let command = command.arg("--no-password").arg(format!("--username={}", access.user));
    match access.password {
        Some(password) => command.env("PGPASSWORD", Value::Secret(password.clone())),
        None => command,
    }
}

/// A database as an argument. libpq reads a bare name with a `=` or `://` in it as a connection
/// string that may lead to another host, so any but the plainest name is given as a quoted one.
/// <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING>
fn dbname(name: &str) -> String {
    if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return format!("--dbname={name}");
    }
    format!("--dbname=dbname='{}'", name.replace('\\', r"\\").replace('\'', r"\'"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Database;
    use crate::model::SecretRef;

    #[test]
    fn a_database_name_never_becomes_a_connection_string() {
        assert_eq!(dbname("shop_1"), "--dbname=shop_1");
        assert_eq!(dbname("host=evil"), "--dbname=dbname='host=evil'");
        assert_eq!(dbname(r"a' host='evil\"), r"--dbname=dbname='a\' host=\'evil\\'");
    }

    #[test]
    fn limits_that_an_operator_set_end_nothing() {
        let access = Access { user: "keeper", password: None, paths: &[] };
        let name: DatabaseName = "shop".parse().unwrap();
        let server = Server { superuser: true, ..Server::default() };
        let scope = Scope { format: "custom", patterns: &Patterns::default(), snapshot: None };
        let like = Database::named(name.clone());
        let to = Destination {
            format: "custom",
            staged: &name,
            name: &name,
            like: &like,
            major: server.major,
        };
        for command in [
            Postgres.probe(&access),
            Postgres.dump(&access, &Part::Globals, &scope, &server).command,
            Postgres.restore(&access, &to).discard,
            Postgres.restore(&access, &to).settle.unwrap(),
            Postgres.count_objects(&access, &name),
            Postgres.ask_facts(&access, &name, &Facts::default()),
        ] {
            let unlimited = command.env.iter().any(|(name, _)| name == "PGOPTIONS");
            assert!(unlimited, "{command:?}");
        }
    }

    #[test]
    fn the_image_s_own_variables_are_enough() {
        let env = |pairs: &[(&str, &str)]| {
            let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            Postgres.defaults(&pairs.iter().map(own).collect())
        };
        let stock = env(&[("POSTGRES_PASSWORD", "x")]);
        assert_eq!(stock.user, "postgres");
        assert_eq!(stock.password, Some(SecretRef::Env("POSTGRES_PASSWORD".to_owned())));
        assert_eq!(stock.databases, Databases::All);

        let named = env(&[
            ("POSTGRES_USER", "app"),
            ("POSTGRES_DB", "shop"),
            ("POSTGRES_PASSWORD_FILE", "/run/secrets/db"),
        ]);
        assert_eq!(named.user, "app");
        assert_eq!(named.password, Some(SecretRef::File("/run/secrets/db".to_owned())));
        assert_eq!(named.databases, Databases::Named(vec!["shop".parse().unwrap()]));
    }
}
