//! The label table: every key with what it expects, its default, examples and its reader.
//!
//! The parser, the README's table and the suite's cases come from these rows.

use std::time::Duration;

use crate::engine::{self, Engine};
use crate::model::{Codec, DatabaseName, Databases, Keep, Schedule, SecretRef, Slug, units};
use crate::retention;
use crate::schedule;

/// One key.
#[derive(Debug)]
pub struct Label {
    /// Without the prefix.
    pub key: &'static str,
    pub expects: &'static str,
    pub default: &'static str,
    pub about: &'static str,
    /// Values that are right.
    pub examples: &'static [&'static str],
    /// Values that are nearly right.
    pub mistakes: &'static [&'static str],
    /// Whether a wrong value may be a secret and is never repeated.
    pub secret: bool,
    pub(super) read: fn(&mut Draft, &str) -> Result<(), String>,
}

/// What one workload's labels say, before image, environment and defaults are asked.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) enable: Option<bool>,
    pub(super) engine: Option<&'static dyn Engine>,
    pub(super) name: Option<Slug>,
    pub(super) databases: Option<Databases>,
    pub(super) user: Option<String>,
    pub(super) password: Option<SecretRef>,
    pub(super) format: Option<String>,
    pub(super) codec: Option<Codec>,
    pub(super) schedule: Option<Schedule>,
    pub(super) keep: Option<Keep>,
    pub(super) timeout: Option<Duration>,
    pub(super) stall: Option<Duration>,
}

/// The longest value of any label.
const LONGEST: usize = 4096;

/// Every label.
pub static LABELS: &[Label] = &[
    Label {
        key: "enable",
        expects: "`true` or `false`, nothing else",
        default: "absent: not ours",
        about: "Back this container up.",
        examples: &["true", "false"],
        mistakes: &["True", "yes", "1", "", " true"],
        secret: false,
        read: |draft, value| {
            draft.enable = Some(match value {
                "true" => true,
                "false" => false,
                _ => return Err("it is neither".to_owned()),
            });
            Ok(())
        },
    },
    Label {
        key: "engine",
        expects: "`postgres` (or `postgresql`)",
        default: "detected from the image's name",
        about: "The kind of database.",
        examples: &["postgres", "postgresql"],
        mistakes: &["postgrse", "Postgres", "oracle", ""],
        secret: false,
        read: |draft, value| {
            let found = engine::by_name(value);
            draft.engine = Some(found.ok_or_else(|| {
                let near = nearest(value, engine::names().into_iter());
                let near = near.map(|name| format!("; did you mean `{name}`?"));
                format!("there is no such engine{}", near.unwrap_or_default())
            })?);
            Ok(())
        },
    },
    Label {
        key: "name",
        expects: "letters, digits, `.`, `_`, `-`; at most 128",
        default: "Compose project and service (`shop-db`), else the container's name",
        about: "The source's name: its folder in every store.",
        examples: &["shop", "Shop_db-1.old"],
        mistakes: &["", "..", "../shop", "a/b", "a b", "$(id)", "shop;", "-shop"],
        secret: false,
        read: |draft, value| {
            draft.name = Some(value.parse().map_err(|error| format!("{error}"))?);
            Ok(())
        },
    },
    Label {
        key: "databases",
        expects: "a comma list of names, or `*`",
        default: "the image's own variable, else `*`",
        about: "What to back up; `*` is every database found at run time. Globals are always added.",
        examples: &["*", "shop", "shop, Orders 2"],
        mistakes: &["", ",", "shop,", "shop,*", "shop,shop"],
        secret: false,
        read: |draft, value| {
            draft.databases = Some(databases(value)?);
            Ok(())
        },
    },
    Label {
        key: "user",
        expects: "text of at most 63 bytes",
        default: "the image's own variable",
        about: "As whom to dump.",
        examples: &["backup", "O'Neil"],
        mistakes: &[""],
        secret: false,
        read: |draft, value| {
            match value.len() {
                0 => return Err("it is empty".to_owned()),
                1..=63 => draft.user = Some(value.to_owned()),
                length => return Err(format!("it is {length} bytes long")),
            }
            Ok(())
        },
    },
    Label {
        key: "password",
        expects: "a reference: `env:NAME` or `file:/path` (in the container), `secret:NAME` (the sidecar's)",
        default: "the image's own variable",
        about: "Where the password is. A literal is refused.",
        examples: &["env:BACKUP_PASSWORD", "file:/run/secrets/db", "secret:db"],
        mistakes: &["hunter2", "env:", "file:relative", "secret:../x", "ENV:X"],
        secret: true,
        read: |draft, value| {
            draft.password = Some(value.parse::<SecretRef>()?);
            Ok(())
        },
    },
    Label {
        key: "format",
        expects: "for postgres `custom` or `plain`",
        default: "`custom`",
        about: "The dump's format.",
        examples: &["custom", "plain"],
        mistakes: &["tar", "Custom", ""],
        secret: false,
        read: |draft, value| {
            // Which formats there are is the engine's to say; `resolve` asks it.
            draft.format = Some(value.to_owned());
            Ok(())
        },
    },
    Label {
        key: "schedule",
        expects: "cron (5 or 6 fields), `@daily`…, `every 6h`, `once 2026-12-01T03:00`, `manual`",
        default: "`manual`",
        about: "When a backup is due (checked and shown; the sidecar that acts on it comes next).",
        examples: &["0 3 * * *", "@daily", "every 6h", "once 2026-12-01T03:00", "manual"],
        mistakes: &["daily", "61 * * * *", "every 6", "* * *", ""],
        secret: false,
        read: |draft, value| {
            draft.schedule = Some(schedule::read(value)?);
            Ok(())
        },
    },
    Label {
        key: "keep",
        expects: "`last=7 hourly=24 daily=14 weekly=8 monthly=12 yearly=3 within=30d` in any part",
        default: "everything is kept",
        about: "What retention keeps (checked and shown; nothing is deleted by this version).",
        examples: &["last=7", "daily=14 weekly=8 within=30d"],
        mistakes: &["7", "last=0", "dayly=7", "last=7,daily=14", "last=7 last=8", ""],
        secret: false,
        read: |draft, value| {
            draft.keep = Some(retention::read(value)?);
            Ok(())
        },
    },
    Label {
        key: "compress",
        expects: "`zstd[:1-19]`, `gzip[:1-9]` or `none`",
        default: "`zstd:3`",
        about: "How archives are compressed.",
        examples: &["zstd", "zstd:19", "gzip:6", "none"],
        mistakes: &["zstd:0", "zstd:20", "gzip:10", "zip", "zstd:+3", "zstd:", "none:1", ""],
        secret: false,
        read: |draft, value| {
            draft.codec = Some(codec(value)?);
            Ok(())
        },
    },
    Label {
        key: "timeout",
        expects: "a duration like `6h`",
        default: "none",
        about: "The longest a whole run may take; the dump is ended inside the container.",
        examples: &["90s", "6h"],
        mistakes: &["6", "6 h", "0s", "-1h", ""],
        secret: false,
        read: |draft, value| {
            draft.timeout = Some(units::duration(value).ok_or("it is no duration")?);
            Ok(())
        },
    },
    Label {
        key: "stall",
        expects: "a duration like `15m`",
        default: "`15m`",
        about: "The longest silence of a dump before it counts as hung and is ended.",
        examples: &["15m", "2h"],
        mistakes: &["15", "15min", "0m", ""],
        secret: false,
        read: |draft, value| {
            draft.stall = Some(units::duration(value).ok_or("it is no duration")?);
            Ok(())
        },
    },
];

/// Reads one label into the draft. Text that no label may hold is refused for all of them here.
pub(super) fn read(label: &Label, draft: &mut Draft, value: &str) -> Result<(), String> {
    if value.len() > LONGEST {
        return Err(format!("it is {} bytes long", value.len()));
    }
    if value.chars().any(char::is_control) {
        return Err("it holds a control character".to_owned());
    }
    (label.read)(draft, value)
}

/// The known word nearest to a mistyped one.
pub(super) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // Longer than any key with a typo; the distance of a hostile text is not worth its time.
    if word.len() > 64 {
        return None;
    }
    known
        .map(|candidate| (strsim::damerau_levenshtein(&word.to_lowercase(), candidate), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len().div_ceil(3).min(3))
        .min()
        .map(|(_, candidate)| candidate)
}

fn databases(value: &str) -> Result<Databases, String> {
    if value == "*" {
        return Ok(Databases::All);
    }
    let mut names: Vec<DatabaseName> = Vec::new();
    for name in value.split(',').map(str::trim) {
        if name == "*" {
            return Err("`*` stands alone".to_owned());
        }
        let parsed = name.parse().map_err(|error| format!("the name `{name}`: {error}"))?;
        if names.contains(&parsed) {
            return Err(format!("`{name}` is given twice"));
        }
        names.push(parsed);
    }
    Ok(Databases::Named(names))
}

fn codec(value: &str) -> Result<Codec, String> {
    let (name, level) = match value.split_once(':') {
        Some((name, level)) => (name, Some(level)),
        None => (value, None),
    };
    let level_within = |highest: u8, default: u8| match level {
        None => Ok(default),
        Some(text) => {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            let level = text.parse().ok().filter(|level| digits && (1..=highest).contains(level));
            level.ok_or(format!("a level of {name} is 1 to {highest}"))
        }
    };
    match (name, level) {
        ("zstd", _) => level_within(19, 3).map(Codec::Zstd),
        ("gzip", _) => level_within(9, 6).map(Codec::Gzip),
        ("none", None) => Ok(Codec::None),
        _ => Err("there is no such codec".to_owned()),
    }
}
