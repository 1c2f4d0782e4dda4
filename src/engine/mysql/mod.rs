//! MySQL and MariaDB: how their images are configured, which commands dump and restore them. Two engines of
//! one make: an archive of the one does not go into the other.
//!
//! What a whole dump looks like is in `text.rs`, accounts are in `accounts.rs`; how the tools are found
//! and called in `scripts.rs`; what the server is asked in `queries.rs`.

mod accounts;
mod census;
mod queries;
mod scripts;
mod sql;
mod text;

use super::{
    Access, Card, Defaults, Destination, Dump, Engine, EngineError, Example, Format, Globals,
    GlobalsRestore, Probed, Questions, Rehearsal, Replacement, Restore, Scope, Stage, Sums,
    Validator,
};
use crate::model::{
    Command, DatabaseName, Databases, Environment, Facts, Part, Place, SecretRef, Server, Value,
};

static FORMATS: [Format; 1] = [Format { name: "plain", extension: "sql" }];
static TAKES: [&str; 6] = ["databases", "user", "password", "include", "exclude", "exclude-data"];

pub static MYSQL: Mysql = Mysql {
    card: Card {
        name: "mysql",
        aliases: &[],
        images: &["mysql", "mysql-server", "percona", "percona-server"],
        formats: &FORMATS,
        takes: &TAKES,
        needs: &[],
        place: Place::Workload,
        whole: None,
        renames: None,
        fixed_encoding: false,
        about: "`mysqldump`, one snapshot each; exact rows counted",
        proven: "MySQL 9.7",
        example: Example {
            service: "    image: mysql:9
    environment:
      MYSQL_DATABASE: shop
      MYSQL_ROOT_PASSWORD: change-me
    volumes:
      - data:/var/lib/mysql",
            labels: &[],
        },
    },
    is_mariadb: false,
    tool: "mysqldump",
    client: "mysql",
    prefixes: &["MYSQL"],
};

/// Its image still reads the variables of MySQL's.
pub static MARIADB: Mysql = Mysql {
    card: Card {
        name: "mariadb",
        aliases: &[],
        images: &["mariadb"],
        formats: &FORMATS,
        takes: &TAKES,
        needs: &[],
        place: Place::Workload,
        whole: None,
        renames: None,
        fixed_encoding: false,
        about: "`mariadb-dump`, one snapshot each; exact rows counted",
        proven: "MariaDB 10.11, 11.8",
        example: Example {
            service: "    image: mariadb:11.8
    environment:
      MARIADB_DATABASE: shop
      MARIADB_ROOT_PASSWORD: change-me
    volumes:
      - data:/var/lib/mysql",
            labels: &[],
        },
    },
    is_mariadb: true,
    tool: "mariadb-dump",
    client: "mariadb",
    prefixes: &["MARIADB", "MYSQL"],
};

/// One of the two, for MySQL from 5.7 and MariaDB from 10.2.
#[derive(Debug)]
pub struct Mysql {
    card: Card,
    is_mariadb: bool,
    /// What dumps and what asks, as messages name it. A script takes what the image has.
    tool: &'static str,
    client: &'static str,
    /// What the image's variables begin with.
    prefixes: &'static [&'static str],
}

impl Engine for Mysql {
    fn card(&self) -> &Card {
        &self.card
    }

    /// The variables of the official images, which Bitnami's spell the same.
    /// <https://github.com/docker-library/docs/blob/master/mariadb/README.md>
    fn defaults(&self, env: &Environment) -> Defaults {
        let names = |suffix: &'static str| {
            self.prefixes.iter().map(move |prefix| format!("{prefix}_{suffix}"))
        };
        let text = |suffix| names(suffix).find_map(|name| env.text(&name).map(str::to_owned));
        let secret = |suffix| {
            let names: Vec<String> = names(suffix).collect();
            env.password(names.iter().map(String::as_str))
        };
        let (root, user) = (secret("ROOT_PASSWORD"), text("USER"));
        let (user, password) = match (root, user) {
            (Some(password), _) => ("root".to_owned(), Some(password)),
            // Root's password is nobody's to know: it was random, or is there as a hash alone.
            (None, Some(user)) if secret("PASSWORD").is_some() => (user, secret("PASSWORD")),
            _ => ("root".to_owned(), None),
        };
        let databases = match text("DATABASE").and_then(|name| name.parse().ok()) {
            Some(name) => Databases::Named(vec![name]),
            None => Databases::All,
        };
        Defaults { user, password, databases }
    }

    fn probe(&self, access: &Access) -> Command {
        script(self.tool, scripts::PROBE, access).stdin(queries::probe())
    }

    fn read_probe(&self, answer: &[u8]) -> Result<Probed, EngineError> {
        let probed = queries::read_probe(answer, self.tool)?;
        if queries::is_mariadb(&probed.server.version) != self.is_mariadb {
            let [own, other] =
                if self.is_mariadb { ["mariadb", "mysql"] } else { ["mysql", "mariadb"] };
            let version = &probed.server.version;
            let words = format!("version {version} is not of engine `{own}`, but of `{other}`");
            return Err(EngineError::AnswerShape(words));
        }
        Ok(probed)
    }

    fn dump(&self, access: &Access, part: &Part, scope: &Scope, server: &Server) -> Dump {
        match part {
            Part::Database(name) => {
                let command = script(self.tool, scripts::DUMP, access).arg(name.as_str());
                let found = server.databases.iter().find(|database| database.name == *name);
                let mut warnings = found.map_or_else(Vec::new, |found| found.notes.clone());
                let include = &scope.patterns.include;
                if !include.is_empty() {
                    warnings.push(format!(
                        "only the tables {} are in the dump; routines and events are not",
                        include.join(", ")
                    ));
                }
                let plan = queries::plan(name, scope.patterns);
                Dump { command: asking(command, plan), warnings }
            }
            Part::Globals if server.superuser => {
                let command = script(self.tool, scripts::ACCOUNTS, access);
                let questions = accounts::questions(self.is_mariadb);
                Dump { command: asking(command, questions), warnings: Vec::new() }
            }
            Part::Globals => Dump {
                command: Command::script(self.tool, scripts::NO_ACCOUNTS),
                warnings: vec![format!(
                    "user `{}` may not read the accounts (SELECT on mysql.*): the globals hold none",
                    access.user
                )],
            },
        }
    }

    fn validator(&self, part: &Part, _format: &str) -> Box<dyn Validator> {
        match part {
            Part::Globals => Box::new(accounts::AccountsDump::default()),
            Part::Database(_) => Box::new(text::TextDump::default()),
        }
    }

    fn restore(&self, access: &Access, to: &Destination) -> Restore {
        let settle = queries::settle(to.staged, to.like);
        Restore {
            create: Some(
                script(self.client, scripts::SAY, access).arg(queries::create(to.staged, to.like)),
            ),
            load: script(self.client, scripts::LOAD, access).arg(to.staged.as_str()),
            settle: Some(self.ask_in(access, to.staged, settle)),
            discard: self.ask(access, &queries::discard(to.staged)),
        }
    }

    fn globals(&self) -> Option<&dyn Globals> {
        Some(self)
    }

    fn replacement(&self, access: &Access, to: &Destination, _: &DatabaseName) -> Replacement {
        Replacement::Refill { remove: self.ask(access, &queries::discard(to.name)) }
    }

    fn count_objects(&self, access: &Access, name: &DatabaseName) -> Command {
        self.ask(access, &queries::count_objects(name))
    }

    fn ask_facts(&self, access: &Access, name: &DatabaseName, facts: &Facts) -> Command {
        self.ask(access, &queries::ask_facts(name, facts))
    }

    fn read_facts(&self, answer: &[u8]) -> Result<Facts, EngineError> {
        queries::read_facts(answer)
    }

    fn rehearsal(&self, env: &Environment, _: &Access) -> Option<Rehearsal> {
        // The images read either family's variables; what is unset or not known there harms nobody.
        const UNSET: [&str; 18] = [
            "MYSQL_DATABASE",
            "MYSQL_USER",
            "MYSQL_PASSWORD",
            "MYSQL_RANDOM_ROOT_PASSWORD",
            "MYSQL_ALLOW_EMPTY_PASSWORD",
            "MYSQL_ONETIME_PASSWORD",
            "MYSQL_ROOT_PASSWORD_FILE",
            "MYSQL_DATABASE_FILE",
            "MYSQL_USER_FILE",
            "MYSQL_PASSWORD_FILE",
            "MARIADB_DATABASE",
            "MARIADB_USER",
            "MARIADB_PASSWORD",
            "MARIADB_RANDOM_ROOT_PASSWORD",
            "MARIADB_ALLOW_EMPTY_ROOT_PASSWORD",
            "MARIADB_ROOT_PASSWORD_HASH",
            "MARIADB_ROOT_PASSWORD_FILE",
            "MARIADB_PASSWORD_FILE",
        ];
        let password = SecretRef::Env("MYSQL_ROOT_PASSWORD".to_owned());
        let access = Access { user: "root", password: Some(&password), paths: &[] };
        let folder = env.text("MYSQL_DATADIR").unwrap_or("/var/lib/mysql");
        // What the database does by itself on a schedule is not to be done there.
        // Where events are disabled for good, that is an error, and just as well.
        let hurry = "SET GLOBAL event_scheduler = OFF;\nSET GLOBAL innodb_flush_log_at_trx_commit = 0;\n\
                     SET GLOBAL sync_binlog = 0;\n";
        Some(Rehearsal {
            stage: Stage::Server,
            unset: UNSET.into(),
            passwords: vec!["MYSQL_ROOT_PASSWORD", "MARIADB_ROOT_PASSWORD"],
            data: vec![
                folder.to_owned(),
                "/bitnami/mysql".to_owned(),
                "/bitnami/mariadb".to_owned(),
            ],
            omit: &["/docker-entrypoint-initdb.d"],
            user: access.user.to_owned(),
            ready: Some(script(self.client, scripts::READY, &access)),
            hurry: Some(self.ask(&access, hurry)),
            password: Some(password),
        })
    }

    fn census(
        &self,
        access: &Access,
        name: &DatabaseName,
        sums: Sums,
        _: u32,
    ) -> Option<Questions> {
        let ask = match sums {
            Sums::Rows => census::rows(name),
            Sums::Contents => census::checksums(name),
        };
        let command = script(self.client, scripts::TALK, access).arg(name.as_str());
        Some(Questions { command, begin: census::BEGIN.to_owned(), ask })
    }

    fn advice(&self, said: &str) -> Option<&'static str> {
        let known = [
            (
                &["Access denied for user", "(using password"][..],
                "the password is looked up as label `password` says, else in the image's own variable",
            ),
            (
                &["Access denied"],
                "a backup needs SELECT, SHOW VIEW, TRIGGER and EVENT on the database, and SELECT on mysql.*; \
                 a restore is work for root",
            ),
            (
                &["Lost connection"],
                "the server gave the dump up: it was restarted, or nobody took its rows for `net_write_timeout` seconds",
            ),
            (
                &["maximum statement execution time"],
                "lift `max_execution_time` for the user that dumps",
            ),
            (
                &["Table definition has changed"],
                "a table was altered while it was dumped; the next run will find it at rest",
            ),
            (
                &["log_bin_trust_function_creators"],
                "restore as root, or set `log_bin_trust_function_creators` for as long as it takes",
            ),
        ];
        let fits = |words: &[&str]| words.iter().all(|word| said.contains(word));
        known.iter().find(|(words, _)| fits(words)).map(|(_, advice)| *advice)
    }
}

impl Mysql {
    fn ask(&self, access: &Access, sql: &str) -> Command {
        script(self.client, scripts::ASK, access).stdin(sql)
    }

    fn ask_in(&self, access: &Access, database: &DatabaseName, sql: String) -> Command {
        script(self.client, scripts::ASK_IN, access).arg(database.as_str()).stdin(sql)
    }
}

impl Globals for Mysql {
    fn extension(&self) -> &'static str {
        "sql"
    }

    fn adapt(
        &self,
        access: &Access,
        dump: &str,
        server: &Server,
    ) -> Result<GlobalsRestore, EngineError> {
        let adapted = accounts::adapt(dump, server)?;
        let load = self.ask(access, &adapted.script);
        Ok(GlobalsRestore { load, created: adapted.created, kept: adapted.kept })
    }

    fn load(&self, access: &Access) -> Command {
        script(self.client, scripts::LOAD_GLOBALS, access)
    }
}

/// One of the scripts, for this user. The password travels in the environment, where every client of the
/// two families looks for it.
fn script(program: &'static str, text: &'static str, access: &Access) -> Command {
    let command = Command::script(program, text).arg(access.user);
    match access.password {
        Some(password) => command.env("MYSQL_PWD", Value::Secret(password.clone())),
        None => command,
    }
}

/// Gives a dumping script the SQL that it asks first. A dump has no input.
fn asking(command: Command, questions: String) -> Command {
    command.env("QUESTIONS", Value::Text(questions))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(
        engine: &Mysql,
        env: &[(&str, &str)],
        user: &str,
        password: Option<&str>,
        databases: &str,
    ) {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let found = engine.defaults(&env.iter().map(own).collect());
        let shown = found.password.map(|password| password.to_string());
        let shown = (found.user, shown, found.databases.to_string());
        assert_eq!(shown, (user.to_owned(), password.map(str::to_owned), databases.to_owned()));
    }

    #[test]
    fn the_image_s_own_variables_are_enough() {
        let root = ("MYSQL_ROOT_PASSWORD", "x");
        check(&MYSQL, &[root], "root", Some("env:MYSQL_ROOT_PASSWORD"), "*");
        check(&MARIADB, &[root], "root", Some("env:MYSQL_ROOT_PASSWORD"), "*");
        check(
            &MARIADB,
            &[root, ("MARIADB_ROOT_PASSWORD_FILE", "/run/secrets/r"), ("MARIADB_DATABASE", "shop")],
            "root",
            Some("file:/run/secrets/r"),
            "shop",
        );
        let random = [
            ("MYSQL_RANDOM_ROOT_PASSWORD", "yes"),
            ("MYSQL_USER", "app"),
            ("MYSQL_PASSWORD", "x"),
            ("MYSQL_DATABASE", "shop"),
        ];
        check(&MYSQL, &random, "app", Some("env:MYSQL_PASSWORD"), "shop");
        check(&MYSQL, &[("MYSQL_ALLOW_EMPTY_PASSWORD", "yes")], "root", None, "*");
    }

    #[test]
    fn what_users_wrote_is_in_no_script() {
        let password = SecretRef::Env("SECRET".to_owned());
        let access = Access { user: "`id`", password: Some(&password), paths: &[] };
        let command = MARIADB.probe(&access);
        assert_eq!(command.argv[..2], ["sh", "-c"]);
        assert_eq!(command.argv[3..], ["mariadb-dump", "`id`"]);
        assert_eq!(command.program(), "mariadb-dump");
    }
}
