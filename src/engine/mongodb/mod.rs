//! MongoDB: how its image is configured, which commands dump and restore it.
//!
//! What a whole archive looks like is in `archive.rs`; how tools are started and what the server is
//! asked in `shell.rs`. Not yet proven on a real server: none could be had where this was written.
//!
//! A database by itself is an archive by itself, which can be restored beside it under another name.
//! But `mongodump` reads one collection after the other, and only of the whole of a replica set can
//! it note what is written meanwhile (`--oplog`). So on a replica set, `*` is one archive of all
//! databases at one moment, and it goes back into an empty server as a whole. It is listed as if it
//! were a database, and can be named as one on any server.

mod archive;
mod bson;
mod shell;

use super::{
    Access, Card, Defaults, Destination, Dump, Engine, EngineError, Example, Format, Probed,
    Replacement, Restore, Scope, Validator,
};
use crate::model::{
    Command, DatabaseName, Databases, Environment, Facts, Part, Patterns, Place, Server,
};
use shell::{LOADER, TOOL, WHOLE, refuse};

static CARD: Card = Card {
    name: "mongodb",
    aliases: &["mongo"],
    images: &[
        "mongo",
        "mongodb",
        "mongodb-community-server",
        "mongodb-enterprise-server",
        "percona-server-mongodb",
    ],
    formats: &[Format { name: "archive", extension: "archive" }],
    takes: &["databases", "user", "password", "exclude"],
    needs: &[],
    place: Place::Workload,
    whole: None,
    renames: None,
    fixed_encoding: false,
    about: "`mongodump --archive`, with the oplog on a replica set; documents counted, and the sum of each collection in the archive checked",
    proven: "not yet proven on a real server",
    example: Example {
        service: "    image: mongo:8
    environment:
      MONGO_INITDB_ROOT_USERNAME: root
      MONGO_INITDB_ROOT_PASSWORD: change-me
    volumes:
      - data:/data/db",
        labels: &[],
    },
};

/// The MongoDB engine, for servers whose image has `mongodump` 100.3 or newer.
#[derive(Debug)]
pub struct Mongodb;

impl Engine for Mongodb {
    fn card(&self) -> &Card {
        &CARD
    }

    /// The variables of the official image; Bitnami's and MongoDB's own spell them differently. A
    /// database that one of them names is where first scripts run: no reason to leave the others out.
    /// <https://github.com/docker-library/docs/blob/master/mongo/README.md>
    fn defaults(&self, env: &Environment) -> Defaults {
        const ROOTS: [(&str, &str); 4] = [
            ("MONGO_INITDB_ROOT_USERNAME", "MONGO_INITDB_ROOT_PASSWORD"),
            ("MONGODB_INITDB_ROOT_USERNAME", "MONGODB_INITDB_ROOT_PASSWORD"),
            ("MONGODB_ROOT_USER", "MONGODB_ROOT_PASSWORD"),
            ("MONGODB_ROOT_USERNAME", "MONGODB_ROOT_PASSWORD"),
        ];
        let root = ROOTS.iter().find_map(|(user, password)| {
            let password = env.password([*password])?;
            // Bitnami's image calls its administrator so where nobody does.
            Some((env.text(user).unwrap_or("root").to_owned(), password))
        });
        let (user, password) = root.unzip();
        Defaults { user: user.unwrap_or_default(), password, databases: Databases::All }
    }

    fn probe(&self, access: &Access) -> Command {
        shell::probe(access)
    }

    fn read_probe(&self, answer: &[u8]) -> Result<Probed, EngineError> {
        shell::read_probe(answer)
    }

    fn wanted(&self, _access: &Access, server: &Server) -> Vec<DatabaseName> {
        let whole = replica_set(server).is_some();
        let found = server.databases.iter().map(|database| database.name.clone());
        found.filter(|name| (name.as_str() == WHOLE) == whole).collect()
    }

    fn dump(&self, access: &Access, part: &Part, scope: &Scope, server: &Server) -> Dump {
        match part {
            Part::Database(name) if name.as_str() == WHOLE => {
                dump_whole(access, scope.patterns, server)
            }
            Part::Database(name) => dump_one(access, name, scope.patterns, server),
            Part::Globals => nothing(refuse(TOOL, "MongoDB has no globals")),
        }
    }

    fn validator(&self, part: &Part, _: &str) -> Box<dyn Validator> {
        let name = part.database().map(DatabaseName::as_str);
        Box::new(archive::Archive::new(name.filter(|name| *name != WHOLE)))
    }

    fn restore(&self, access: &Access, to: &Destination) -> Restore {
        let (name, like) = (to.staged.as_str(), to.like.name.as_str());
        let refused = match (name, like) {
            (WHOLE, WHOLE) => None,
            (_, WHOLE) => Some(
                "this is an archive of all databases, which goes into an empty server as a whole; \
                 leave `--database` away"
                    .to_owned(),
            ),
            (WHOLE, _) => Some(format!("no database can be called `{WHOLE}`")),
            _ if archive::SYSTEM.contains(&name) => {
                Some(format!("database `{name}` belongs to the server"))
            }
            _ => None,
        };
        let (load, discard) = match refused {
            Some(why) => (refuse(LOADER, why.clone()), refuse(LOADER, why)),
            None => (load(access, to), discard(access, to.staged)),
        };
        Restore { create: None, load, settle: None, discard }
    }

    fn replacement(&self, _: &Access, _: &Destination, _: &DatabaseName) -> Replacement {
        Replacement::Never(
            "its restore is not proven on a real server, so nothing is removed for it: drop the database by hand",
        )
    }

    fn count_objects(&self, access: &Access, name: &DatabaseName) -> Command {
        shell::count(access, name)
    }

    /// Where there is an oplog with more in it than where it begins, nothing can be compared: its
    /// replay changes what was counted.
    fn ask_facts(&self, access: &Access, name: &DatabaseName, facts: &Facts) -> Command {
        let oplog = |table: &&crate::model::TableRows| {
            name.as_str() == WHOLE && table.schema.is_empty() && table.table == archive::OPLOG
        };
        let written = facts.tables.iter().find(oplog).is_some_and(|oplog| oplog.rows > 1);
        let comparable = facts.tables.iter().filter(|table| !written && !oplog(table));
        let comparable = Facts { tables: comparable.cloned().collect(), ..facts.clone() };
        shell::facts(access, name, &comparable)
    }

    fn read_facts(&self, answer: &[u8]) -> Result<Facts, EngineError> {
        shell::read_facts(answer)
    }

    fn advice(&self, said: &str) -> Option<&'static str> {
        const ADVICE: [(&str, &str); 5] = [
            (
                "Authentication failed",
                "the user is looked up in database `admin`, the password as label `password` says, \
                 else in the image's own variable",
            ),
            (
                "has no password",
                "give the password with label `password`, or no user where the server asks for none",
            ),
            ("applyOps", "a replay of the oplog needs a role with `anyAction` on `anyResource`"),
            ("not authorized", "a backup needs the role `backup`, a restore the role `restore`"),
            ("unknown flag", "`mongodump` and `mongorestore` of 100.3 (2021) or newer are needed"),
        ];
        ADVICE.iter().find(|(words, _)| said.contains(words)).map(|(_, advice)| *advice)
    }
}

fn replica_set(server: &Server) -> Option<&str> {
    let whole = server.databases.iter().find(|database| database.name.as_str() == WHOLE);
    whole.and_then(shell::replica_set)
}

/// All databases but `local`, and on a replica set also what is written to them meanwhile.
fn dump_whole(access: &Access, patterns: &Patterns, server: &Server) -> Dump {
    if !patterns.exclude.is_empty() {
        let why = "collections can be left out of a database that label `databases` names, not out of all";
        return nothing(refuse(TOOL, why));
    }
    match replica_set(server) {
        Some(_) => nothing(shell::dump(access).arg("--oplog")),
        None => Dump { command: shell::dump(access), warnings: vec![not_one_moment(server)] },
    }
}

/// One database. What is left out is named exactly, or by its beginning and a `*`.
fn dump_one(access: &Access, name: &DatabaseName, patterns: &Patterns, server: &Server) -> Dump {
    let readable = |pattern: &&String| {
        let beginning = pattern.strip_suffix('*').unwrap_or(pattern);
        !beginning.is_empty() && !beginning.contains(['*', '?'])
    };
    if let Some(pattern) = patterns.exclude.iter().find(|pattern| !readable(pattern)) {
        let why =
            "mongodump leaves out collections by their whole name, or by its beginning and a `*`";
        return nothing(refuse(TOOL, format!("`exclude` has `{pattern}`: {why}")));
    }
    let mut command = shell::dump(access).arg(format!("--db={name}"));
    for pattern in &patterns.exclude {
        command = command.arg(match pattern.strip_suffix('*') {
            Some(beginning) => format!("--excludeCollectionsWithPrefix={beginning}"),
            None => format!("--excludeCollection={pattern}"),
        });
    }
    let mut warnings = vec![not_one_moment(server)];
    let own = |user: &&String| user.split_once('.').is_some_and(|(of, _)| of == name.as_str());
    if server.roles.iter().any(|user| own(&user)) {
        command = command.arg("--dumpDbUsersAndRoles");
        warnings.push(format!(
            "users and roles of `{name}` are in the archive, but a restore does not touch any: \
             `mongorestore --restoreDbUsersAndRoles` would"
        ));
    } else if !server.superuser {
        warnings
            .push(format!("user `{}` may not read users and roles: none are dumped", access.user));
    }
    if server.roles.iter().any(|user| user.starts_with("admin.")) {
        warnings.push(format!("users and roles of `admin` are only in an archive of `{WHOLE}`"));
    }
    Dump { command, warnings }
}

fn not_one_moment(server: &Server) -> String {
    let what = "collections are dumped one after the other, so what was written meanwhile may be in one and not in another";
    match replica_set(server) {
        Some(_) => format!("{what}; `databases=*` is of one moment here"),
        None => format!("{what}; only a replica set can be dumped as of one moment"),
    }
}

fn nothing(command: Command) -> Dump {
    Dump { command, warnings: Vec::new() }
}

/// A validator that a collection has got since must not keep out what it held before.
fn load(access: &Access, to: &Destination) -> Command {
    let command = shell::load(access).arg("--stopOnError").arg("--bypassDocumentValidation");
    let (name, like) = (to.staged.as_str(), to.like.name.as_str());
    match (name, shell::replica_set(to.like)) {
        (WHOLE, Some(_)) => command.arg("--oplogReplay"),
        (WHOLE, None) => command,
        _ if name == like => command,
        _ => command
            .arg(format!("--nsFrom={}.*", pattern(like)))
            .arg(format!("--nsTo={}.*", pattern(name))),
    }
}

/// A name in a pattern of `mongorestore`, where `*` stands for anything.
fn pattern(name: &str) -> String {
    name.replace('\\', r"\\").replace('*', r"\*")
}

fn discard(access: &Access, name: &DatabaseName) -> Command {
    match name.as_str() {
        WHOLE => refuse(LOADER, "what is half restored of a whole server is removed by hand"),
        _ => shell::drop_database(access, name),
    }
}

#[cfg(test)]
mod tests;
