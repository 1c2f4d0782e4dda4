//! The label table. How a value is read is in `values.rs`; what becomes of it, in `resolve.rs`.

use super::digest_row;
use super::table::{Label, ROW, Shape};
use super::{proof_rows, values};
use crate::retention;
use crate::schedule;

const SLUG: &str = "^[A-Za-z0-9][A-Za-z0-9._-]*$";
const LIST: &str = "^[^,]+(,[^,]+)*$";
const DURATION: &str = "^[0-9]+[smhdw]$";
const KEEP: &str = "^ *((last|hourly|daily|weekly|monthly|yearly)=[0-9]+|within=[0-9]+[smhdw])( +((last|hourly|daily|weekly|monthly|yearly)=[0-9]+|within=[0-9]+[smhdw]))* *$";
const SCHEDULE: &str = r"^ *(manual|@[a-z]+|every +[0-9]+[smhdw]|once +.+|[^ ]+( +[^ ]+){4,5}) *$";

/// Every label.
pub static LABELS: &[Label] = &[
    Label {
        key: "enable",
        expects: "`true` or `false`, nothing else",
        default: "absent: not ours",
        about: "Back this container up.",
        examples: &["true", "false"],
        mistakes: &["True", "yes", "1", "", " true"],
        shape: Shape::OneOf(&["true", "false"]),
        read: |draft, value, _| {
            draft.enable = Some(values::flag(value)?);
            Ok(())
        },
        ..ROW
    },
    Label {
        key: "engine",
        expects: "`postgres` (or `postgresql`), `mysql`, `mariadb`, `sqlite`, `mongodb` (or `mongo`), `redis` (or `valkey`), `influxdb` (or `influx`), `files` (or `volume`), or `custom:<name>`, which the settings define",
        default: "detected from the image's name",
        about: "The kind of database.",
        examples: &["postgres", "postgresql", "mysql", "mariadb", "mongodb", "redis", "valkey"],
        mistakes: &[
            "postgrse",
            "Postgres",
            "oracle",
            "custom:own",
            "custom:",
            "custom:sh -c id",
            "custom",
            "",
        ],
        shape: Shape::Engine,
        read: |draft, value, _| {
            draft.engine = Some(values::engine(value)?);
            Ok(())
        },
        ..ROW
    },
    Label {
        key: "name",
        expects: "letters, digits, `.`, `_`, `-`; at most 128",
        default: "Compose project and service (`shop-db`), else the container's name; for a further job with `-<id>` behind it",
        about: "The source's name: its folder in every store.",
        examples: &["shop", "Shop_db-1.old"],
        mistakes: &["", "..", "../shop", "a/b", "a b", "$(id)", "shop;", "-shop"],
        shape: Shape::Pattern(SLUG),
        read: |draft, value, _| {
            draft.name = Some(values::slug(value)?);
            Ok(())
        },
        ..ROW
    },
    Label {
        key: "databases",
        expects: "a comma list of names, or `*`",
        default: "the image's own variable, else `*`",
        about: "What to back up; `*` is every database found at run time. Globals are always added, where the engine has them.",
        examples: &["*", "shop", "shop, Orders 2"],
        mistakes: &["", ",", "shop,", "shop,*", "shop,shop"],
        shape: Shape::Pattern(r"^[^,]+(,[^,]+)*$"),
        read: |draft, value, _| {
            draft.databases = Some(values::databases(value)?);
            Ok(())
        },
        ..ROW
    },
    Label {
        key: "user",
        expects: "text of at most 63 bytes",
        default: "the image's own variable",
        about: "As whom to dump.",
        examples: &["backup", "O'Neil"],
        mistakes: &[""],
        shape: Shape::Pattern("^.{1,63}$"),
        read: |draft, value, _| {
            draft.user = Some(values::user(value)?);
            Ok(())
        },
        ..ROW
    },
    Label {
        key: "password",
        expects: "a reference: `env:NAME` or `file:/path` (in the container), `secret:NAME` (the sidecar's)",
        default: "the image's own variable",
        about: "Where the password is. A literal is refused unless the operator allows it.",
        examples: &["env:BACKUP_PASSWORD", "file:/run/secrets/db", "secret:db"],
        mistakes: &["hunter2", "env:", "file:relative", "secret:../x", "ENV:X"],
        shape: Shape::Text,
        read: |draft, value, policy| {
            draft.password = Some(values::password(value, policy)?);
            Ok(())
        },
        secret: true,
        ..ROW
    },
    Label {
        key: "path",
        expects: "a comma list of absolute paths",
        default: "none",
        about: "Where the data is, for engines of files.",
        examples: &["/data/app.db"],
        mistakes: &["", "data/app.db", "/data/../etc", "/a,", "/a,/a"],
        shape: Shape::Pattern("^/[^,]*(,[ ]*/[^,]*)*$"),
        read: |draft, value, _| {
            draft.path = values::paths(value)?;
            Ok(())
        },
        ..ROW
    },
    Label {
        key: "include",
        expects: "a comma list of the engine's own patterns with `*` and `?`; for postgres `[schema.]table`, for mysql and mariadb `table`",
        default: "all tables",
        about: "Only these tables are dumped; a pattern that matches none is an error.",
        examples: &["public.orders", "sales.*, audit.log_?"],
        mistakes: &["", ",", "a,"],
        shape: Shape::Pattern(LIST),
        read: |draft, value, _| {
            draft.patterns.include = values::patterns(value)?;
            Ok(())
        },
        ..ROW
    },
    Label {
        key: "exclude",
        expects: "a comma list of patterns; for files of paths below `path`",
        default: "none",
        about: "These tables, collections or files are not dumped.",
        examples: &["public.cache_*"],
        mistakes: &["", ",", "a,"],
        shape: Shape::Pattern(LIST),
        read: |draft, value, _| {
            draft.patterns.exclude = values::patterns(value)?;
            Ok(())
        },
        ..ROW
    },
    Label {
        key: "exclude-data",
        expects: "a comma list of patterns",
        default: "none",
        about: "These tables are dumped without their rows.",
        examples: &["public.sessions"],
        mistakes: &["", ",", "a,"],
        shape: Shape::Pattern(LIST),
        read: |draft, value, _| {
            draft.patterns.exclude_data = values::patterns(value)?;
            Ok(())
        },
        ..ROW
    },
    Label {
        key: "format",
        expects: "for postgres `custom` or `plain`",
        default: "`custom`",
        about: "The dump's format.",
        examples: &["custom", "plain"],
        mistakes: &["tar", "Custom", ""],
        shape: Shape::Pattern("^[a-z]+$"),
        read: |draft, value, _| {
            // Which formats there are is the engine's to say; `resolve` asks it.
            draft.format = Some(value.to_owned());
            Ok(())
        },
        ..ROW
    },
    Label {
        key: "hold",
        expects: "`none`, `pause` or `stop`",
        default: "`none`",
        about: "What is done to the container while its files are read, so that they fit together. It goes on afterwards, whatever came of the backup.",
        examples: &["none", "pause", "stop"],
        mistakes: &["true", "Pause", "kill", ""],
        shape: Shape::OneOf(&["none", "pause", "stop"]),
        read: |draft, value, _| {
            draft.hold = values::hold(value)?;
            Ok(())
        },
        ..ROW
    },
    Label {
        key: "schedule",
        expects: "cron (5 or 6 fields), `@daily`…, `every 6h`, `once 2026-12-01T03:00`, `manual`",
        default: "`@daily`",
        about: "When a backup is due. Further ones are `schedule.<id>`.",
        examples: &["0 3 * * *", "@daily", "every 6h", "once 2026-12-01T03:00", "manual"],
        mistakes: &["daily", "61 * * * *", "every 6", "* * *", "0 0 30 2 *", ""],
        shape: Shape::Pattern(SCHEDULE),
        read: |draft, value, _| {
            draft.schedules.insert(None, schedule::read(value)?);
            Ok(())
        },
        has_default: true,
        ..ROW
    },
    Label {
        key: "timezone",
        expects: "an IANA name like `Europe/Berlin`",
        default: "`UTC`",
        about: "Where schedules and retention look at the clock.",
        examples: &["Europe/Berlin", "UTC"],
        mistakes: &["Europe/Berln", "+02:00", "CEST5", ""],
        shape: Shape::Pattern("^[A-Za-z0-9_+/-]+$"),
        read: |draft, value, _| {
            draft.zone = Some(schedule::zone(value)?);
            Ok(())
        },
        has_default: true,
        ..ROW
    },
    Label {
        key: "keep",
        expects: "`last=7 hourly=24 daily=14 weekly=8 monthly=12 yearly=3 within=30d` in any part",
        default: "everything is kept",
        about: "What retention keeps.",
        examples: &["last=7", "daily=14 weekly=8 within=30d"],
        mistakes: &["7", "last=0", "dayly=7", "last=7,daily=14", "last=7 last=8", ""],
        shape: Shape::Pattern(KEEP),
        read: |draft, value, _| {
            draft.keep = Some(retention::read(value)?);
            Ok(())
        },
        has_default: true,
        ..ROW
    },
    Label {
        key: "stores",
        expects: "the name of one of the operator's stores",
        default: "the operator's default store",
        about: "Where the archives go.",
        examples: &["local"],
        mistakes: &["", "a/b", "lokal", "local,local"],
        shape: Shape::Pattern(LIST),
        read: |draft, value, _| {
            draft.stores = Some(values::names(value)?);
            Ok(())
        },
        has_default: true,
        ..ROW
    },
    Label {
        key: "compress",
        expects: "`zstd[:1-19]`, `gzip[:1-9]` or `none`",
        default: "`zstd:3`",
        about: "How archives are compressed.",
        examples: &["zstd", "zstd:19", "gzip:6", "none"],
        mistakes: &["zstd:0", "zstd:20", "gzip:10", "zip", "zstd:+3", "zstd:", "none:1", ""],
        shape: Shape::Pattern("^((zstd|gzip)(:[0-9]+)?|none)$"),
        read: |draft, value, _| {
            draft.codec = Some(values::codec(value)?);
            Ok(())
        },
        has_default: true,
        ..ROW
    },
    Label {
        key: "compress.at",
        expects: "`auto` or `sidecar`",
        default: "`auto`",
        about: "Where archives are compressed: in this version always in the sidecar.",
        examples: &["auto", "sidecar"],
        mistakes: &["source", "Auto", ""],
        shape: Shape::OneOf(&["auto", "sidecar"]),
        read: |_, value, _| match value {
            "auto" | "sidecar" => Ok(()),
            "source" => Err("compressing in the container is not in this version".to_owned()),
            _ => Err("it is neither".to_owned()),
        },
        ..ROW
    },
    digest_row::DIGEST_AT,
    Label {
        key: "encrypt",
        expects: "`true`, `false`, or a comma list of the operator's recipient groups",
        default: "`true` if the operator has recipients, else `false`",
        about: "Who can decrypt the archives: the operator's recipients, and those of the groups.",
        examples: &["false"],
        mistakes: &["", "yes", "a b", "true,offsite"],
        shape: Shape::Pattern(LIST),
        read: |draft, value, _| {
            draft.encrypt = Some(values::encrypt(value)?);
            Ok(())
        },
        has_default: true,
        ..ROW
    },
    proof_rows::VERIFY,
    proof_rows::CHECKSUMS,
    Label {
        key: "rpo",
        expects: "a duration like `26h`",
        default: "none",
        about: "The promise: an archive that is older than this is overdue.",
        examples: &["26h", "8d"],
        mistakes: &["26", "0h", "1 day", ""],
        shape: Shape::Pattern(DURATION),
        read: |draft, value, _| {
            draft.rpo = Some(values::duration(value)?);
            Ok(())
        },
        has_default: true,
        ..ROW
    },
    Label {
        key: "timeout",
        expects: "a duration like `6h`",
        default: "none, or the operator's longest",
        about: "The longest a whole run may take; the dump is ended inside the container.",
        examples: &["90s", "6h"],
        mistakes: &["6", "6 h", "0s", "-1h", ""],
        shape: Shape::Pattern(DURATION),
        read: |draft, value, policy| {
            draft.timeout = Some(values::timeout(value, policy)?);
            Ok(())
        },
        has_default: true,
        ..ROW
    },
    Label {
        key: "stall",
        expects: "a duration like `15m`",
        default: "`15m`",
        about: "The longest silence of a dump before it counts as hung and is ended.",
        examples: &["15m", "2h"],
        mistakes: &["15", "15min", "0m", ""],
        shape: Shape::Pattern(DURATION),
        read: |draft, value, _| {
            draft.stall = Some(values::duration(value)?);
            Ok(())
        },
        has_default: true,
        ..ROW
    },
    Label {
        key: "priority",
        expects: "`low`, `normal`, `high` or `critical`",
        default: "`normal`",
        about: "Who goes first.",
        examples: &["low", "critical"],
        mistakes: &["urgent", "High", "1", ""],
        shape: Shape::OneOf(&["low", "normal", "high", "critical"]),
        read: |draft, value, policy| {
            draft.priority = Some(values::priority(value, policy)?);
            Ok(())
        },
        has_default: true,
        ..ROW
    },
    Label {
        key: "after",
        expects: "a comma list of source names",
        default: "none",
        about: "Sources that must have finished first.",
        examples: &["shop-db"],
        mistakes: &["", "a/b", "a,"],
        shape: Shape::Pattern(LIST),
        read: |draft, value, _| {
            draft.after = values::names(value)?.into_iter().collect();
            Ok(())
        },
        ..ROW
    },
    Label {
        key: "notify",
        expects: "names of the operator's channels (none can be set up in this version)",
        default: "none",
        about: "Who is told.",
        examples: &[],
        mistakes: &["ops", ""],
        shape: Shape::Pattern(LIST),
        read: |_, value, _| match values::names(value)?.first() {
            Some(name) => Err(format!("the operator has no channel `{name}`")),
            None => Ok(()),
        },
        has_default: true,
        ..ROW
    },
    Label {
        key: "parallel",
        expects: "`1`",
        default: "`1`",
        about: "How many streams dump one snapshot: in this version one.",
        examples: &["1"],
        mistakes: &["0", "2", "one", ""],
        shape: Shape::OneOf(&["1"]),
        read: |_, value, _| match value {
            "1" => Ok(()),
            _ => Err("more streams than one are not in this version".to_owned()),
        },
        ..ROW
    },
    Label {
        key: "hook.before",
        expects: "a command as a JSON list: `[\"sh\", \"-c\", \"…\"]`",
        default: "none",
        about: "Runs in the container before a backup, where the operator's policy lets it; if it fails, no backup begins.",
        examples: &["[\"/usr/local/bin/quiesce\", \"on\"]"],
        mistakes: &["quiesce on", "[]", "[1]", "{\"a\": 1}", ""],
        shape: Shape::Pattern(r"^\["),
        read: |draft, value, _| {
            draft.hooks.before = Some(values::argv(value)?);
            Ok(())
        },
        ..ROW
    },
    Label {
        key: "hook.after",
        expects: "a command as a JSON list",
        default: "none",
        about: "Runs in the container after a backup, whatever came of it.",
        examples: &["[\"/usr/local/bin/quiesce\", \"off\"]"],
        mistakes: &["quiesce off", "[]", ""],
        shape: Shape::Pattern(r"^\["),
        read: |draft, value, _| {
            draft.hooks.after = Some(values::argv(value)?);
            Ok(())
        },
        ..ROW
    },
];
