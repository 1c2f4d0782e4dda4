//! Reads what a server says of itself: `INFO`, a few settings, the names of its users.
//!
//! It knows no RDB file; what is said here is compared with one by its names (`rdb.rs`).

use std::collections::BTreeMap;

use super::rdb::{LIBRARIES, lasting};
use crate::engine::{EngineError, Probed, tool};
use crate::model::{Database, Facts, Server};

/// What stands before each section of the probe's answer.
const SECTION: &str = "\n-- ringbolt: ";

/// Reads the answer of `probe.sh`.
pub(super) fn read_probe(
    answer: &[u8],
    tool: &'static str,
    whole: &str,
) -> Result<Probed, EngineError> {
    let answer = String::from_utf8_lossy(answer);
    let (version, _) = answer.split_once(SECTION).ok_or_else(|| shape("it has no sections"))?;
    let section = |name: &str| {
        let mut sections = answer.split(SECTION).skip(1);
        let lines = sections.find_map(|text| text.strip_prefix(name)?.strip_prefix('\n'));
        lines.map(str::lines).into_iter().flatten().map(str::trim)
    };
    let info = Info::read(section("info"));
    let value = |name: &str| section(name).nth(1).unwrap_or_default().to_owned();
    let roles: Vec<String> =
        section("users").filter(|u| !u.is_empty()).map(str::to_owned).collect();
    let name = whole.parse().map_err(|_| shape("the instance has no name"))?;
    let bytes = info.number("used_memory_dataset");
    let (version_of_server, major) = info.version()?;
    let server = Server {
        version: version_of_server,
        major,
        superuser: !roles.is_empty(),
        databases: vec![Database { bytes, ..Database::named(name) }],
        roles,
        tablespaces: Vec::new(),
        notes: info.notes(&value("rdbchecksum"), &value("save")),
    };
    Ok(Probed { server, tool: tool::read(tool, version) })
}

/// Reads the answer of `facts.sh` as the facts that a dump of this server would have.
pub(super) fn read_facts(answer: &[u8]) -> Result<Facts, EngineError> {
    let answer = String::from_utf8_lossy(answer);
    let info = Info::read(answer.lines().map(str::trim));
    if info.0.is_empty() {
        return Err(shape("it says nothing of the server"));
    }
    let mut counts = BTreeMap::new();
    for (name, value) in &info.0 {
        let Some(number) = name.strip_prefix("db").and_then(|number| number.parse().ok()) else {
            continue;
        };
        let of = |what: &str| {
            let mut parts = value.split(',').filter_map(|part| part.split_once('='));
            parts.find(|(name, _)| *name == what).and_then(|(_, n)| n.parse::<u64>().ok())
        };
        let keys = of("keys").ok_or_else(|| shape("a database has no number of keys"))?;
        let fading = of("subexpiry").or(of("keys_with_volatile_items")).unwrap_or(0);
        if fading == 0 {
            counts.insert(lasting(number), keys.saturating_sub(of("expires").unwrap_or(0)));
        }
    }
    let libraries = info.number("number_of_libraries");
    if libraries > 0 {
        counts.insert(LIBRARIES.to_owned(), libraries);
    }
    Ok(Facts { counts, ..Facts::default() })
}

fn shape(what: &str) -> EngineError {
    EngineError::AnswerShape(what.to_owned())
}

/// The answer to `INFO`: names and values.
struct Info<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Info<'a> {
    fn read(lines: impl Iterator<Item = &'a str>) -> Self {
        Self(lines.filter_map(|line| line.split_once(':')).collect())
    }

    fn text(&self, name: &str) -> &str {
        self.0.get(name).copied().unwrap_or_default()
    }

    fn number(&self, name: &str) -> u64 {
        self.text(name).parse().unwrap_or(0)
    }

    /// The version as people say it, and that of the RDB files that it writes and reads: by these a
    /// downgrade is told, also between Redis and Valkey, which had one format up to 7.2. What is newer than
    /// this table may have a newer one; then the server that is restored into refuses it itself.
    fn version(&self) -> Result<(String, u32), EngineError> {
        let parts = |text: &str| {
            let mut numbers = text.split('.').map_while(|part| part.parse::<u32>().ok());
            numbers.next().map(|major| (major, numbers.next().unwrap_or(0)))
        };
        let valkey = self.text("valkey_version");
        let version = if valkey.is_empty() { self.text("redis_version") } else { valkey };
        let numbers = parts(version).ok_or_else(|| shape("it says no version"))?;
        if !valkey.is_empty() {
            let rdb = if numbers.0 >= 9 { 80 } else { 11 };
            return Ok((format!("{valkey} (Valkey)"), rdb));
        }
        let rdb = match numbers {
            (8.., 6..) | (9.., _) => 13,
            (8, _) | (7, 4..) => 12,
            (7, 2..) => 11,
            (7, _) => 10,
            (5 | 6, _) => 9,
            (4, _) => 8,
            _ => 7,
        };
        Ok((version.to_owned(), rdb))
    }

    /// What a dump of this server cannot hold or prove.
    fn notes(&self, checksum: &str, save: &str) -> Vec<String> {
        let mut notes = Vec::new();
        if self.number("cluster_enabled") == 1 {
            notes.push(
                "this is a node of a cluster: the dump holds the keys of its own slots and no others, so \
                 every master needs a backup of its own, and together they are no state of one moment; \
                 a restore goes into a single server"
                    .to_owned(),
            );
        }
        if self.text("role") == "slave" {
            let (host, port) = (self.text("master_host"), self.text("master_port"));
            notes.push(format!(
                "this is a replica of {host}:{port}: the dump holds what has reached it by then"
            ));
        }
        if checksum == "no" {
            notes.push(
                "`rdbchecksum` is off: the dump's structure is proven, but not each of its bytes"
                    .to_owned(),
            );
        }
        if self.number("aof_enabled") == 1 && save.is_empty() {
            notes.push(
                "this server keeps its data in an append-only file alone: the dump is whole all the same, and \
                 `ringbolt restore` fills a running server, which then writes its file anew; but a dump.rdb that \
                 somebody places would not be read at its start"
                    .to_owned(),
            );
        }
        notes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(info: &str, settings: &str) -> String {
        format!("redis-cli 7.0.15\n0\n\n-- ringbolt: info\n{info}\n{settings}")
    }

    #[test]
    fn what_a_dump_cannot_hold_is_said() {
        for (info, settings, said) in [
            ("", "", ""),
            ("cluster_enabled:1\r\n", "", "own slots"),
            ("role:slave\nmaster_host:db\nmaster_port:6379\n", "", "replica of db:6379"),
            ("aof_enabled:1\n", "\n-- ringbolt: save\nsave\n\n", "append-only file alone"),
            ("aof_enabled:1\n", "\n-- ringbolt: save\nsave\n3600 1\n", ""),
            ("", "\n-- ringbolt: rdbchecksum\nrdbchecksum\nno\n", "`rdbchecksum` is off"),
            ("", "\n-- ringbolt: rdbchecksum\nNOPERM this user has no permissions\n\n", ""),
        ] {
            let answer = answer(&format!("redis_version:7.0.15\n{info}"), settings);
            let probed = read_probe(answer.as_bytes(), "redis-cli", "instance").unwrap();
            let notes = probed.server.notes.join("\n");
            assert!(notes.contains(said) && said.is_empty() == notes.is_empty(), "{info}: {notes}");
            assert_eq!(probed.tool.as_deref(), Ok("redis-cli 7.0.15"));
        }
    }

    #[test]
    fn versions_are_told_apart_by_the_files_that_they_read() {
        for (info, version, major) in [
            ("redis_version:6.2.16", "6.2.16", 9),
            ("redis_version:7.0.15", "7.0.15", 10),
            ("redis_version:7.2.5", "7.2.5", 11),
            ("redis_version:7.4.1", "7.4.1", 12),
            ("redis_version:8.0.2", "8.0.2", 12),
            ("redis_version:8.6.0", "8.6.0", 13),
            ("redis_version:7.2.4\nvalkey_version:8.1.1", "8.1.1 (Valkey)", 11),
            ("redis_version:7.2.4\nvalkey_version:9.0.0", "9.0.0 (Valkey)", 80),
        ] {
            let probed = read_probe(answer(info, "").as_bytes(), "redis-cli", "instance").unwrap();
            assert_eq!((&*probed.server.version, probed.server.major), (version, major));
        }
        assert!(read_probe(answer("", "").as_bytes(), "redis-cli", "instance").is_err());
    }

    #[test]
    fn only_keys_that_stay_are_compared() {
        let info = "# Keyspace\ndb0:keys=10,expires=3,avg_ttl=5,subexpiry=0\ndb3:keys=2,expires=0,avg_ttl=0\n\
                    db4:keys=2,expires=0,avg_ttl=0,subexpiry=1\ndb5:keys=2,expires=0,avg_ttl=0,\
                    keys_with_volatile_items=1\nnumber_of_libraries:1\n";
        let facts = read_facts(info.as_bytes()).unwrap();
        let found: Vec<_> = facts.counts.iter().map(|(name, n)| (name.as_str(), *n)).collect();
        let expected =
            [("function libraries", 1), ("lasting keys in db0", 7), ("lasting keys in db3", 2)];
        assert_eq!(found, expected);
    }
}
