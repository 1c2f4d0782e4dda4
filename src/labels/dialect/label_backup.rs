//! The labels of label-backup (`backup.*`).
//!
//! Its variables are settings of ours of the same meaning and no labels.

use super::connection;
use super::reading::{Reading, count, interpolated};
use super::{Dialect, Row, Theirs};
use crate::model::units;

const ENGINES: &[(&str, &str)] = &[
    ("postgres", "postgres"),
    ("postgresql", "postgres"),
    ("mysql", "mysql"),
    ("mongodb", "mongodb"),
    ("redis", "redis"),
];
/// Each engine's own port: what a URI says without saying anything.
const PORTS: [&str; 4] = ["5432", "3306", "27017", "6379"];
/// Hosts that are the container itself wherever the dump runs.
const SELF: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

pub(super) static LABEL_BACKUP: Dialect = Dialect {
    name: "label-backup",
    prefix: "backup.",
    rows: &[
        Row {
            key: "enabled",
            ours: &["enable"],
            about: "only `true` enables",
            read: |reading, theirs| {
                reading.enable(Theirs { value: theirs.value.trim(), ..theirs }, "label-backup");
            },
        },
        Row {
            key: "type",
            ours: &["engine"],
            about: "`postgres`, `mysql`, `mongodb`, `redis`",
            read: |reading, theirs| reading.engine(theirs, ENGINES),
        },
        Row {
            key: "cron",
            ours: &["schedule"],
            about: "cron of 5 or 6 fields, `@daily`, `@every 6h`",
            read: |reading, theirs| {
                let expression = theirs.value.trim();
                match expression.strip_prefix("@every ").map(|text| duration(text.trim())) {
                    Some(Some(every)) => reading.schedule(&[theirs.key], &format!("every {every}")),
                    _ => reading.schedule(&[theirs.key], expression),
                }
            },
        },
        Row {
            key: "database",
            ours: &["databases"],
            about: "goes before the database of `conn`",
            read: |reading, theirs| match is_redis(reading) {
                true => reading.find(theirs.key, "redis is dumped as a whole: it is dropped"),
                false => reading.databases(&[theirs.key], &[theirs.value.trim()]),
            },
        },
        Row {
            key: "conn",
            ours: &["user", "password", "databases"],
            about: "a URI: its password is looked up in the environment, its host has to be the \
                    container itself",
            read: conn,
        },
        Row {
            key: "dest",
            ours: &[],
            about: "`local` or `remote`: stores are named in the settings",
            read: |reading, theirs| {
                reading.find(
                    theirs.key,
                    "has no counterpart: define the place as a store in the settings and write its \
                     name in `stores`",
                );
            },
        },
        Row {
            key: "prefix",
            ours: &["name"],
            about: "the source's name here, where it can be one",
            read: |reading, theirs| reading.name(theirs),
        },
        Row {
            key: "retention",
            ours: &["keep"],
            about: "`7d`, `24h`, `90m` or days, becomes `within=…`",
            read: |reading, theirs| {
                let Some(value) = reading.known(theirs, "keep") else { return };
                let days = count(value.trim()).map(|days| format!("{days}d"));
                let days = days.filter(|days| units::duration(days).is_some());
                match days.or_else(|| duration(value.trim())) {
                    Some(within) => reading.put(&[theirs.key], "keep", format!("within={within}")),
                    None => reading.find(
                        theirs.key,
                        "is no duration that label-backup or `keep` takes: write `keep` by hand",
                    ),
                }
            },
        },
        Row {
            key: "webhook",
            ours: &[],
            about: "a URL: channels are named in the settings",
            read: |reading, theirs| {
                reading.find(
                    theirs.key,
                    "has no counterpart: define the URL as a channel in the settings and write its \
                     name in `notify`",
                );
            },
        },
    ],
    absent: |reading| {
        for key in ["enabled", "cron", "type"] {
            if reading.get(key).is_none() {
                reading.find(key, "is missing, so label-backup never backed this up");
            }
        }
    },
};

fn is_redis(reading: &Reading<'_>) -> bool {
    reading.get("type").is_some_and(|engine| engine.trim().eq_ignore_ascii_case("redis"))
}

fn conn(reading: &mut Reading<'_>, theirs: Theirs<'_>) {
    let read = match connection::read(theirs.value.trim()) {
        Ok(read) => read,
        Err(wrong) => {
            let message = format!("{wrong}: write `user`, `password` and `databases` by hand");
            return reading.find(theirs.key, message);
        }
    };
    let names = &reading.container.names;
    let own = SELF.contains(&read.host.as_str())
        || names.iter().any(|name| name.to_lowercase() == read.host);
    if !own {
        return reading.find(
            theirs.key,
            "names another host than this container: label the container that runs the database",
        );
    }
    if read.port.is_some_and(|port| !PORTS.contains(&port.as_str())) {
        reading.find(theirs.key, "names a port of its own, which has no counterpart");
    }
    if let Some(user) = read.user {
        reading.user(theirs.key, &user);
    }
    if let Some(password) = read.password {
        reading.literal_password(theirs.key, &password);
    }
    // The number in redis' path and the database that `database` overrules were never dumped.
    if let (Some(name), None, false) = (read.database, reading.get("database"), is_redis(reading)) {
        reading.databases(&[theirs.key], &[&name]);
    }
    // Dumps run inside the container, where there is nothing to encrypt.
    if read.options.iter().any(|option| option != "sslmode") {
        reading.find(theirs.key, "has options after `?`, which have no counterpart");
    }
}

/// A duration of Go (`7d` is label-backup's own) in ours, which has one unit: `1h30m` is `90m`.
fn duration(text: &str) -> Option<String> {
    if units::duration(text).is_some() && !text.ends_with('w') {
        return Some(text.to_owned());
    }
    if interpolated(text) {
        return None;
    }
    let mut seconds: u64 = 0;
    for part in text.split_inclusive(|c: char| !c.is_ascii_digit()) {
        let amount: u64 = part.get(..part.len() - 1)?.parse().ok()?;
        let unit = match part.as_bytes().last()? {
            b'h' => 3600,
            b'm' => 60,
            b's' => 1,
            _ => return None,
        };
        seconds = seconds.checked_add(amount.checked_mul(unit)?)?;
    }
    let units = [(3600, 'h'), (60, 'm'), (1, 's')];
    let (size, unit) = units.into_iter().find(|(size, _)| seconds.is_multiple_of(*size))?;
    let text = format!("{}{unit}", seconds / size);
    units::duration(&text).map(|_| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_one_unit() {
        for (theirs, ours) in [
            ("7d", Some("7d")),
            ("24h", Some("24h")),
            ("1h30m", Some("90m")),
            ("2h0m0s", Some("2h")),
            ("1m5s", Some("65s")),
            ("0s", None),
            ("1.5h", None),
            ("-1h", None),
            ("1d12h", None),
            ("2w", None),
            ("h", None),
            ("5", None),
            ("5é", None),
            ("", None),
        ] {
            assert_eq!(duration(theirs).as_deref(), ours, "{theirs}");
        }
    }
}
