//! Redis and Valkey: how their images are configured, which commands dump and restore them.
//!
//! The commands are shell scripts beside this file, since no client puts an RDB file back. What a whole RDB
//! file looks like is in `rdb.rs` and `grammar.rs`, what a server says of itself in `probe.rs`, its users in
//! `acl.rs`.

mod acl;
mod grammar;
mod probe;
mod rdb;
#[cfg(test)]
mod rdb_tests;

use super::{
    Access, Card, Defaults, Destination, Dump, Engine, EngineError, Example, Format, Globals,
    GlobalsRestore, Probed, Rehearsal, Replacement, Restore, Scope, Stage, Validator,
};
use crate::model::{
    Command, DatabaseName, Databases, Environment, Facts, Part, Place, Server, Value,
};

/// What everything of one server is called.
const INSTANCE: &str = "instance";

static CARD: Card = Card {
    name: "redis",
    aliases: &["valkey"],
    images: &["redis", "valkey", "redis-stack", "redis-stack-server"],
    formats: &[Format { name: "rdb", extension: "rdb" }],
    takes: &["user", "password"],
    needs: &[],
    place: Place::Workload,
    whole: Some(INSTANCE),
    renames: None,
    fixed_encoding: false,
    about: "`redis-cli --rdb`, by replication, else `BGSAVE`; every key and the file's own checksum read; restored \
            into a running, empty server",
    proven: "Redis 7.0, 8.0, Valkey 8.1",
    example: Example {
        service: "    image: redis:8
    command: redis-server --save 60 1
    volumes:
      - data:/data",
        labels: &[],
    },
};

/// What dumps an instance; Valkey's own client is taken where this one is not there.
const TOOL: &str = "redis-cli";

/// The user that a client is when it names none, and that servers before version 6 do not know by name.
const DEFAULT_USER: &str = "default";

/// A script with what it stands on before it.
macro_rules! script {
    ($($part:literal),+) => { concat!(include_str!("client.sh"), $(include_str!($part)),+) };
}

/// The engine of Redis from version 5 and of Valkey.
#[derive(Debug)]
pub struct Redis;

impl Engine for Redis {
    fn card(&self) -> &Card {
        &CARD
    }

    /// The official images have no variable for a password; these are Bitnami's, and what people use
    /// in Compose files.
    fn defaults(&self, env: &Environment) -> Defaults {
        let password = env.password(["REDIS_PASSWORD", "VALKEY_PASSWORD"]);
        Defaults { user: DEFAULT_USER.to_owned(), password, databases: Databases::All }
    }

    fn probe(&self, access: &Access) -> Command {
        client(access, script!("probe.sh"))
    }

    fn read_probe(&self, answer: &[u8]) -> Result<Probed, EngineError> {
        probe::read_probe(answer, TOOL, INSTANCE)
    }

    fn dump(&self, access: &Access, part: &Part, _scope: &Scope, server: &Server) -> Dump {
        match part {
            Part::Database(_) => {
                let command = client(access, script!("save.sh", "dump.sh"));
                Dump { command, warnings: Vec::new() }
            }
            Part::Globals if server.superuser => {
                Dump { command: client(access, script!("acl.sh")), warnings: Vec::new() }
            }
            Part::Globals => Dump {
                command: client(access, script!("acl_none.sh")),
                warnings: vec![format!(
                    "user `{}` may not run ACL LIST: the globals hold no user",
                    access.user
                )],
            },
        }
    }

    fn validator(&self, part: &Part, _format: &str) -> Box<dyn Validator> {
        match part {
            Part::Globals => Box::new(acl::AclDump::default()),
            Part::Database(_) => Box::new(rdb::RdbFile::default()),
        }
    }

    fn restore(&self, access: &Access, _to: &Destination) -> Restore {
        Restore {
            create: None,
            load: client(access, script!("single.sh", "save.sh", "undo.sh", "restore.sh")),
            settle: Some(client(access, script!("undo.sh", "settle.sh"))),
            discard: client(access, script!("undo.sh", "discard.sh")),
        }
    }

    fn globals(&self) -> Option<&dyn Globals> {
        Some(self)
    }

    fn replacement(&self, access: &Access, _: &Destination, _: &DatabaseName) -> Replacement {
        Replacement::Refill { remove: client(access, script!("single.sh", "undo.sh", "empty.sh")) }
    }

    fn count_objects(&self, access: &Access, _name: &DatabaseName) -> Command {
        client(access, script!("count.sh"))
    }

    fn ask_facts(&self, access: &Access, _name: &DatabaseName, _facts: &Facts) -> Command {
        client(access, script!("undo.sh", "facts.sh"))
    }

    fn read_facts(&self, answer: &[u8]) -> Result<Facts, EngineError> {
        probe::read_facts(answer)
    }

    /// Its password stands in its own command or environment, so it is the workload's there, too.
    fn rehearsal(&self, _: &Environment, access: &Access) -> Option<Rehearsal> {
        Some(Rehearsal {
            stage: Stage::Server,
            data: ["/data", "/bitnami/redis", "/bitnami/valkey"].map(str::to_owned).into(),
            user: access.user.to_owned(),
            password: access.password.cloned(),
            ready: Some(self.probe(access)),
            ..Rehearsal::of_files(Stage::Server)
        })
    }

    fn advice(&self, said: &str) -> Option<&'static str> {
        let known = ADVICE.iter().find(|(words, _)| words.iter().any(|word| said.contains(word)));
        known.map(|(_, advice)| *advice)
    }
}

/// Well-known last words, and what to do about them.
static ADVICE: &[(&[&str], &str)] = &[
    (
        &["NOAUTH", "WRONGPASS", "AUTH failed", "invalid password"],
        "the password is looked up as label `password` says, else in the container's REDIS_PASSWORD or \
         VALKEY_PASSWORD; one that stands on the server's command line (`--requirepass`) is found by that label alone",
    ),
    (
        &["Could not connect"],
        "the server is looked for inside its container at 127.0.0.1, port 6379 (or REDIS_PORT_NUMBER, \
         VALKEY_PORT_NUMBER), without TLS",
    ),
    (
        &["handle RDB format version", "Wrong signature"],
        "the dump comes from a newer server, or from the other family: Redis from 7.4 and Valkey from 9 do not \
         read each other's files",
    ),
    (
        &["handle more than"],
        "the dump has databases of a higher number than this server: raise its setting `databases`",
    ),
    (&["matching module"], "the dump holds data of a module that this server has not loaded"),
    (
        &["NOPERM", "unknown command"],
        "a backup needs `+info +replconf +sync +psync`, or else `+info +bgsave +config|get`; a restore `+info +config \
         +replicaof +flushall +function|flush +client|list`; renamed commands count as forbidden",
    ),
];

impl Globals for Redis {
    fn extension(&self) -> &'static str {
        "acl"
    }

    fn adapt(
        &self,
        access: &Access,
        dump: &str,
        server: &Server,
    ) -> Result<GlobalsRestore, EngineError> {
        let acl::Adapted { dump, created, kept } = acl::adapt(dump, server)?;
        Ok(GlobalsRestore { load: self.load(access).stdin(dump), created, kept })
    }

    fn load(&self, access: &Access) -> Command {
        client(access, script!("acl_load.sh"))
    }
}

/// A script that talks to the server. The password travels in the environment, under the name that each
/// client reads.
fn client(access: &Access, text: &'static str) -> Command {
    let user = if access.user == DEFAULT_USER { "" } else { access.user };
    let command = Command::script(TOOL, text).arg(user);
    match access.password {
        Some(password) => ["REDISCLI_AUTH", "VALKEYCLI_AUTH"]
            .iter()
            .fold(command, |command, name| command.env(name, Value::Secret(password.clone()))),
        None => command,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SecretRef;

    #[test]
    fn a_password_is_found_where_images_have_it() {
        let env = |pairs: &[(&str, &str)]| {
            let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            Redis.defaults(&pairs.iter().map(own).collect()).password
        };
        assert_eq!(env(&[]), None);
        assert_eq!(env(&[("REDIS_PASSWORD", "")]), None);
        let variable = Some(SecretRef::Env("VALKEY_PASSWORD".to_owned()));
        assert_eq!(env(&[("VALKEY_PASSWORD", "x")]), variable);
        let file = Some(SecretRef::File("/run/x".to_owned()));
        assert_eq!(env(&[("REDIS_PASSWORD_FILE", "/run/x"), ("REDIS_PASSWORD", "y")]), file);
    }

    #[test]
    fn no_secret_and_no_user_is_part_of_a_script() {
        let secret = SecretRef::Env("REDIS_PASSWORD".to_owned());
        let access = Access { user: "$(reboot)", password: Some(&secret), paths: &[] };
        let command = Redis.probe(&access);
        assert_eq!(command.program(), "redis-cli");
        assert_eq!(command.argv.last().unwrap(), "$(reboot)");
        assert!(!command.argv[2].contains("reboot"));
        assert!(command.env.iter().all(|(_, value)| *value == Value::Secret(secret.clone())));
    }

    #[test]
    fn well_known_last_words_are_answered() {
        for (said, advice) in [
            ("NOAUTH Authentication required.", "`--requirepass`"),
            ("SYNC with master failed: -NOPERM this user has no permissions", "+psync"),
            ("Can't handle RDB format version 12", "newer server"),
        ] {
            assert!(Redis.advice(said).is_some_and(|words| words.contains(advice)), "{said}");
        }
        assert_eq!(Redis.advice("something else"), None);
    }
}
