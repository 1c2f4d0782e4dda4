//! The labels of backer (`backer.*`), whose one engine is mysql.
//!
//! The static `mandates` of its configuration file are no labels.

use super::reading::{Reading, count, interpolated};
use super::{Dialect, Row, Theirs};

const INTERVAL: &str = "0 0 * * *";
const RETENTION: u32 = 10;

pub(super) static BACKER: Dialect = Dialect {
    name: "backer",
    prefix: "backer.",
    rows: &[
        Row {
            key: "enabled",
            ours: &["enable"],
            about: "any text but the empty one enables, even `false`",
            read: |reading, theirs| match theirs.value {
                "true" => reading.put(&[theirs.key], "enable", "true"),
                "" => {
                    reading.put(&[theirs.key], "enable", "false");
                    reading.find(theirs.key, "is empty, so backer never backed this up");
                }
                _ => {
                    reading.put(&[theirs.key], "enable", "true");
                    reading.find(
                        theirs.key,
                        "backer takes any text for yes, even `false`: `enable=true` keeps it so; \
                         write `enable=false` if no backup is wanted",
                    );
                }
            },
        },
        Row {
            key: "type",
            ours: &["engine"],
            about: "`mysql`",
            read: |reading, theirs| reading.engine(theirs, &[("mysql", "mysql")]),
        },
        Row {
            key: "target",
            ours: &["stores"],
            about: "the name of a store, which the settings have to define",
            read: |reading, theirs| reading.put(&[theirs.key], "stores", theirs.value),
        },
        Row {
            key: "interval",
            ours: &["schedule"],
            about: "cron, by default `0 0 * * *`",
            read: |reading, theirs| {
                reading.schedule(&[theirs.key], theirs.value);
                // The library that backer uses counts months from 0.
                let month = theirs.value.split_ascii_whitespace().rev().nth(1);
                if month.is_some_and(|month| month.bytes().any(|byte| byte.is_ascii_digit())) {
                    reading.find(
                        theirs.key,
                        "names a month by number: backer counted from 0, `schedule` counts from 1",
                    );
                }
            },
        },
        Row {
            key: "retention",
            ours: &["keep"],
            about: "becomes `last=…`, by default 10",
            read: |reading, theirs| {
                let Some(value) = reading.known(theirs, "keep") else { return };
                match count(value) {
                    Some(0) | None => reading.find(theirs.key, "is no count of 1 or more"),
                    Some(last) => reading.put(&[theirs.key], "keep", format!("last={last}")),
                }
            },
        },
        Row {
            key: "name_pattern",
            ours: &[],
            about: "archives are named by source, database and time",
            read: |reading, theirs| {
                reading.find(
                    theirs.key,
                    "has no counterpart: an archive is named by its source, database and time",
                );
            },
        },
        Row {
            key: "network",
            ours: &[],
            about: "dumps run inside the container and need no network",
            read: |reading, theirs| {
                reading.find(
                    theirs.key,
                    "has no counterpart and needs none: dumps run inside the container",
                );
            },
        },
        Row {
            key: "middleware",
            ours: &["compress", "encrypt"],
            about: "`gzip` becomes `compress`, `ccrypt` becomes `encrypt`; other names are unknown",
            read: |reading, theirs| {
                let Some(names) = reading.known(theirs, "compress") else { return };
                for name in names.split(',').map(str::trim) {
                    match name {
                        "gzip" => reading.put(&[theirs.key], "compress", "gzip"),
                        "ccrypt" => reading.put(&[theirs.key], "encrypt", "true"),
                        _ => reading.find(
                            theirs.key,
                            "names a middleware of backer's configuration: write `compress=gzip` \
                             for type `gzip`, `encrypt=true` for type `ccrypt`",
                        ),
                    }
                }
            },
        },
        Row {
            key: "mysql.user",
            ours: &["user"],
            about: "`Text:…`, or `Env:NAME` where its value is known",
            read: |reading, theirs| {
                if let Some(user) = text(reading, theirs, "user") {
                    reading.user(theirs.key, &user);
                }
            },
        },
        Row {
            key: "mysql.password",
            ours: &["password"],
            about: "`Env:NAME` becomes `env:NAME`, a literal is looked up in the environment",
            read: |reading, theirs| match theirs.value.split_once(':') {
                Some(("Env", name)) => reading.reference(theirs.key, &format!("env:{name}")),
                Some(("Text", literal)) => reading.literal_password(theirs.key, literal),
                _ => reading.find(theirs.key, BARE),
            },
        },
        Row {
            key: "mysql.database",
            ours: &["databases"],
            about: "`Text:…`, or `Env:NAME` where its value is known; a comma list",
            read: |reading, theirs| {
                if let Some(names) = text(reading, theirs, "databases") {
                    let names: Vec<&str> = names.split(',').map(str::trim).collect();
                    reading.databases(&[theirs.key], &names);
                }
            },
        },
        Row {
            key: "mysql.ignore_tables",
            ours: &["exclude"],
            about: "a comma list of tables",
            read: |reading, theirs| reading.put(&[theirs.key], "exclude", theirs.value),
        },
        Row {
            key: "mysql.include_tables",
            ours: &["include"],
            about: "a comma list of tables, without effect beside `ignore_tables`",
            read: |reading, theirs| match reading.get("mysql.ignore_tables") {
                None => reading.put(&[theirs.key], "include", theirs.value),
                Some(_) => reading.find(
                    theirs.key,
                    "backer ignored it beside `mysql.ignore_tables`: it is dropped",
                ),
            },
        },
        Row {
            key: "mysql.ignore_data",
            ours: &["exclude-data"],
            about: "a comma list of tables",
            read: |reading, theirs| reading.put(&[theirs.key], "exclude-data", theirs.value),
        },
        Row {
            key: "mysql.options.",
            ours: &[],
            about: "the engine chooses the tool's options",
            read: |reading, theirs| {
                reading.find(
                    theirs.key,
                    "has no counterpart: the engine chooses the options of `mysqldump` itself",
                );
            },
        },
    ],
    absent: |reading| {
        if reading.get("enabled").is_none() {
            let message = "is missing, so backer never backed this up: decide `enable`";
            return reading.find("enabled", message);
        }
        if reading.get("type").is_none() {
            reading.find("type", "is missing, so backer never backed this up");
        }
        if reading.get("interval").is_none() {
            reading.schedule(&["enabled"], INTERVAL);
        }
        if reading.get("retention").is_none() {
            reading.put(&["enabled"], "keep", format!("last={RETENTION}"));
        }
    },
};

const BARE: &str = "has neither `Env:` nor `Text:` before it, so backer ignored it: it is dropped";

/// The text that a label of backer stands for. Ours refers to variables for passwords only, so an
/// `Env:` is looked up.
fn text(reading: &mut Reading<'_>, theirs: Theirs<'_>, ours: &str) -> Option<String> {
    let found = match theirs.value.split_once(':') {
        Some(("Text", literal)) => Ok(literal.to_owned()),
        Some(("Env", name)) if interpolated(name) => {
            reading.known(theirs, ours)?;
            return None;
        }
        Some(("Env", name)) => reading.container.env.text(name).map(ToOwned::to_owned).ok_or_else(|| {
            format!(
                "refers to a variable whose value is not known here: write `{ours}` by hand, or \
                 leave it to the image's own variable"
            )
        }),
        _ => Err(BARE.to_owned()),
    };
    found.map_err(|message| reading.find(theirs.key, message)).ok()
}
