//! The labels of baktainer (`baktainer.*`).
//!
//! Its settings are in `variables.rs`.

use super::reading::{count, interpolated};
use super::{Dialect, Row};

const ENGINES: &[(&str, &str)] = &[
    ("mysql", "mysql"),
    ("mariadb", "mariadb"),
    ("postgres", "postgres"),
    ("postgresql", "postgres"),
    ("sqlite", "sqlite"),
    ("mongodb", "mongodb"),
];
const PRIORITIES: [&str; 4] = ["low", "normal", "high", "critical"];
const DAYS: &str = "backup.retention.days";
const COUNT: &str = "backup.retention.count";
/// The most days that baktainer takes.
const MOST_DAYS: u32 = 3650;

pub(super) static BAKTAINER: Dialect = Dialect {
    name: "baktainer",
    prefix: "baktainer.",
    rows: &[
        Row {
            key: "backup",
            ours: &["enable"],
            about: "only `true` enables",
            read: |reading, theirs| reading.enable(theirs, "baktainer"),
        },
        Row {
            key: "db.engine",
            ours: &["engine"],
            about: "`custom` has no counterpart among labels",
            read: |reading, theirs| {
                match theirs.value.eq_ignore_ascii_case("custom") {
                true => reading.find(
                    theirs.key,
                    "no label carries a command: the operator defines a `custom` engine in the settings",
                ),
                false => reading.engine(theirs, ENGINES),
            }
            },
        },
        Row {
            key: "db.all",
            ours: &["databases"],
            about: "`true` becomes `databases=*` for postgres; baktainer ignored it elsewhere",
            read: |reading, theirs| {
                let engine = reading.get("db.engine").unwrap_or_default().to_ascii_lowercase();
                match reading.known(theirs, "databases") {
                    Some("true") if engine.starts_with("postgres") => {
                        let name = reading.get("db.name").map(|_| "db.name");
                        let from: Vec<&str> = [theirs.key].into_iter().chain(name).collect();
                        reading.put(&from, "databases", "*");
                    }
                    Some("true") => reading.find(
                        theirs.key,
                        "baktainer ignored it for this engine and dumped one database: write \
                         `databases=*` if all are meant",
                    ),
                    Some("false") | None => {}
                    Some(_) => {
                        reading.find(theirs.key, "baktainer ignored everything but `true`");
                    }
                }
            },
        },
        Row {
            key: "db.name",
            ours: &["databases", "path"],
            about: "a database; for sqlite the file's path",
            read: |reading, theirs| {
                let engine = reading.get("db.engine").unwrap_or_default();
                let all = reading.get("db.all") == Some("true")
                    && engine.to_ascii_lowercase().starts_with("postgres");
                match (engine.eq_ignore_ascii_case("sqlite"), theirs.value) {
                    // `db.all` has said it.
                    _ if all => {}
                    _ if interpolated(engine) => reading.find(
                        theirs.key,
                        "is a path for sqlite and a database elsewhere, and `db.engine` is not \
                         known here: write `path` or `databases` by hand",
                    ),
                    (false, name) => reading.databases(&[theirs.key], &[name]),
                    (true, path) if path.starts_with(['/', '$']) => {
                        reading.put(&[theirs.key], "path", path);
                    }
                    (true, _) => {
                        reading.find(theirs.key, "is no absolute path: write `path` by hand");
                    }
                }
            },
        },
        Row {
            key: "db.user",
            ours: &["user"],
            about: "as whom to dump",
            read: |reading, theirs| match reading.get("db.engine") {
                Some("sqlite") => reading.find(theirs.key, "sqlite has no users: it is dropped"),
                _ => reading.user(theirs.key, theirs.value),
            },
        },
        Row {
            key: "db.password",
            ours: &["password"],
            about: "a literal: becomes `env:NAME` where the container's environment has the value",
            read: |reading, theirs| match reading.get("db.engine") {
                Some("sqlite") => {
                    reading.find(theirs.key, "sqlite has no passwords: it is dropped");
                }
                _ => reading.literal_password(theirs.key, theirs.value),
            },
        },
        Row {
            key: "db.password_file",
            ours: &["password"],
            about: "documented but never read by baktainer; becomes `file:…`",
            read: |reading, theirs| {
                reading.reference(theirs.key, &format!("file:{}", theirs.value));
            },
        },
        Row {
            key: "name",
            ours: &["name"],
            about: "the file's base name there, the source's name here",
            read: |reading, theirs| reading.name(theirs),
        },
        Row {
            key: "compress",
            ours: &["compress"],
            about: "`true` becomes `gzip`, anything else `none`",
            read: compress,
        },
        Row {
            key: "backup.compress",
            ours: &["compress"],
            about: "as `compress`, which comes first",
            read: compress,
        },
        Row {
            key: "backup.encrypt",
            ours: &["encrypt"],
            about: "yes or no",
            read: |reading, theirs| {
                let Some(value) = reading.known(theirs, "encrypt") else { return };
                match value.to_ascii_lowercase().as_str() {
                    "true" | "1" | "yes" | "on" => reading.put(&[theirs.key], "encrypt", "true"),
                    "false" | "0" | "no" | "off" => reading.put(&[theirs.key], "encrypt", "false"),
                    _ => reading.find(theirs.key, "is neither yes nor no"),
                }
            },
        },
        Row {
            key: DAYS,
            ours: &["keep"],
            about: "becomes `within=…d`, in one `keep` with the count; what either keeps is kept",
            read: |reading, theirs| {
                let Some(value) = reading.known(theirs, "keep") else { return };
                let days = count(value).filter(|days| (1..=MOST_DAYS).contains(days));
                let Some(days) = days else {
                    let message = format!("baktainer takes 1 to {MOST_DAYS} days, nothing else");
                    return reading.find(theirs.key, message);
                };
                match reading.get(COUNT).map(|text| (text, count(text))) {
                    Some((_, Some(0))) => {
                        reading.put(&[DAYS, COUNT], "keep", format!("within={days}d"));
                    }
                    Some((_, Some(last))) => {
                        reading.put(&[DAYS, COUNT], "keep", format!("within={days}d last={last}"));
                    }
                    // The count's own row says what is wrong with it.
                    Some((_, None)) | None => {
                        reading.put(&[DAYS], "keep", format!("within={days}d"));
                    }
                }
            },
        },
        Row {
            key: COUNT,
            ours: &["keep"],
            about: "becomes `last=…`; 0 is no limit",
            read: |reading, theirs| {
                let Some(value) = reading.known(theirs, "keep") else { return };
                let days = reading.get(DAYS).and_then(count);
                let with_days = days.is_some_and(|days| (1..=MOST_DAYS).contains(&days));
                match count(value) {
                    None => reading.find(theirs.key, "is no count"),
                    Some(_) if with_days => {}
                    Some(0) => reading.find(
                        theirs.key,
                        "means no limit: no `keep` is written, so the settings decide",
                    ),
                    Some(last) => reading.put(&[theirs.key], "keep", format!("last={last}")),
                }
            },
        },
        Row {
            key: "backup.priority",
            ours: &["priority"],
            about: "the same four words",
            read: |reading, theirs| match PRIORITIES.contains(&theirs.value) {
                false if !interpolated(theirs.value) => {
                    reading.find(theirs.key, "is none of `low`, `normal`, `high`, `critical`");
                }
                _ => reading.put(&[theirs.key], "priority", theirs.value),
            },
        },
        Row {
            key: "command",
            ours: &[],
            about: "no label carries a command",
            read: |reading, theirs| {
                reading.find(
                    theirs.key,
                    "no label carries a command: the operator defines a `custom` engine in the settings",
                );
            },
        },
    ],
    absent: |reading| {
        if reading.get("backup").is_none() {
            reading
                .find("backup", "is missing, so baktainer never backed this up: decide `enable`");
        }
    },
};

fn compress(reading: &mut super::Reading<'_>, theirs: super::Theirs<'_>) {
    let Some(value) = reading.known(theirs, "compress") else { return };
    match value.to_ascii_lowercase().as_str() {
        "true" => reading.put(&[theirs.key], "compress", "gzip"),
        "false" => reading.put(&[theirs.key], "compress", "none"),
        _ => {
            reading.put(&[theirs.key], "compress", "none");
            let message =
                "baktainer compressed for nothing but `true`: `compress=none` keeps it so";
            reading.find(theirs.key, message);
        }
    }
}
