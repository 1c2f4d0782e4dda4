//! The settings table. What its texts become is known here; what a label's text means is not.

use std::path::PathBuf;

use super::given::Given;
use super::table::{Reader, Setting, Shape};
use super::{Settings, docker_rows, drill_rows, signing_rows, verify_rows};
use crate::model::{Slug, is_certificate, units};

/// What most rows have in common.
pub(super) const ROW: Setting = Setting {
    key: "",
    expects: "",
    default: "none",
    about: "",
    examples: &[],
    mistakes: &[],
    shape: Shape::Text,
    secret: false,
    reader: Reader::Plain(|_, _, _| Ok(())),
};

/// Every setting but those of the operator's own engines.
pub(super) const ROWS: &[Setting] = &[
    Setting {
        key: "stores.<name>.url",
        expects: "`file:///path`",
        default: "none; the image sets `file:///backups` for `local`",
        about: "Where archives are kept.",
        examples: &["file:///backups"],
        mistakes: &[""],
        reader: Reader::Plain(|settings, names, given| {
            let url = given.text()?;
            if url.is_empty() {
                return Err("it is empty".to_owned());
            }
            store(settings, names).url = url;
            Ok(())
        }),
        ..ROW
    },
    Setting {
        key: "stores.<name>.default",
        expects: "`true` or `false`",
        default: "`true` for the only store",
        about: "Sources go there whose labels name no store.",
        examples: &["true", "false"],
        mistakes: &["yes", "1", ""],
        shape: Shape::Flag,
        reader: Reader::Plain(|settings, names, given| {
            store(settings, names).default = given.flag()?;
            Ok(())
        }),
        ..ROW
    },
    Setting {
        key: "stores.<name>.concurrency",
        expects: "a number of 1 or more",
        default: "no limit",
        about: "How many runs write to the store at once.",
        examples: &["1"],
        mistakes: &["0", "many", ""],
        reader: Reader::Plain(|settings, names, given| {
            store(settings, names).concurrency = Some(number(given, &1)?);
            Ok(())
        }),
        ..ROW
    },
    Setting {
        key: "defaults.<label>",
        expects: "what the label expects",
        default: "the label's own default",
        about: "What a label says where a workload has none. For `schedule`, `timezone`, `keep`, `stores`, `compress`, `encrypt`, `verify`, `verify.checksums`, `rpo`, `timeout`, `stall`, `priority` and `notify`.",
        examples: &["zstd:6"],
        reader: Reader::Plain(|settings, _, given| {
            let text = given.text().or_else(|_| given.list().map(|list| list.join(",")))?;
            settings.defaults.insert(given.key[1..].join("."), text);
            Ok(())
        }),
        ..ROW
    },
    Setting {
        key: "sources.<name>.container",
        expects: "a container's name",
        about: "A source for a container that cannot be labelled.",
        examples: &["shop-db-1"],
        mistakes: &[""],
        reader: Reader::Plain(|settings, names, given| {
            let container = given.text()?;
            if container.is_empty() {
                return Err("it is empty".to_owned());
            }
            source(settings, names).container = container;
            Ok(())
        }),
        ..ROW
    },
    Setting {
        key: "sources.<name>.<label>",
        expects: "what the label expects",
        default: "as for labels",
        about: "What its label would say, also `schedule.<id>` and `job.<id>.<label>`. The policy for labels does not bind it.",
        examples: &["zstd:6"],
        // It may be the label `password`.
        secret: true,
        reader: Reader::Plain(|settings, names, given| {
            let text = given.text().or_else(|_| given.list().map(|list| list.join(",")))?;
            let label = given.key[2..].join(".");
            source(settings, names).labels.insert(label, text);
            Ok(())
        }),
        ..ROW
    },
    Setting {
        key: "schedule.concurrency",
        expects: "a number of 1 or more",
        default: "`2`",
        about: "How many runs go on at once.",
        examples: &["1", "4"],
        mistakes: &["0", "-1", "two", ""],
        reader: Reader::Plain(|settings, _, given| {
            settings.schedule.concurrency = number(given, &1)?;
            Ok(())
        }),
        ..ROW
    },
    Setting {
        key: "schedule.jitter",
        expects: "a duration like `10m`",
        about: "Up to so much later than due a run begins; each source has a place of its own.",
        examples: &["10m"],
        mistakes: &["10", "0m", ""],
        reader: Reader::Plain(|settings, _, given| {
            settings.schedule.jitter = duration(given)?;
            Ok(())
        }),
        ..ROW
    },
    Setting {
        key: "schedule.blackout",
        expects: "a list of windows: `08:00-18:00`, `22:00-06:00 Europe/Berlin`",
        about: "When no scheduled run begins. What becomes due in it runs at its end.",
        examples: &["08:00-18:00 Europe/Berlin"],
        shape: Shape::List,
        reader: Reader::Plain(|settings, _, given| {
            // Zones are known on another floor; what is no window is told there.
            settings.schedule.blackout = given.list()?;
            Ok(())
        }),
        ..ROW
    },
    Setting {
        key: "schedule.retries",
        expects: "a number",
        default: "`3`",
        about: "How often a failed run is tried again before its next due time, if that may help.",
        examples: &["0", "5"],
        mistakes: &["-1", "often", ""],
        reader: Reader::Plain(|settings, _, given| {
            settings.schedule.retries = number(given, &0)?;
            Ok(())
        }),
        ..ROW
    },
    Setting {
        key: "schedule.grace",
        expects: "a duration like `8s`",
        default: "`8s`",
        about: "How long runs may go on when the sidecar is asked to stop; then they are ended in the containers. Docker waits 10 s.",
        examples: &["8s", "5m"],
        mistakes: &["8", "0s", ""],
        reader: Reader::Plain(|settings, _, given| {
            settings.schedule.grace = duration(given)?;
            Ok(())
        }),
        ..ROW
    },
    Setting {
        key: "alarms.failures",
        expects: "a number; 0: never",
        default: "`3`",
        about: "How many failures in a row are an alarm.",
        examples: &["0", "5"],
        mistakes: &["-1", "some", ""],
        reader: Reader::Plain(|settings, _, given| {
            settings.alarms.failures = number(given, &0)?;
            Ok(())
        }),
        ..ROW
    },
    Setting {
        key: "alarms.shrunk",
        expects: "a share like `50%`; `100%`: never",
        default: "`50%`",
        about: "How much smaller than usual archives may be before it is an alarm.",
        examples: &["50%", "100%"],
        mistakes: &["50", "0.5", "101%", ""],
        reader: Reader::Plain(|settings, _, given| {
            let text = given.text()?;
            let share = text.strip_suffix('%').and_then(|number| number.parse().ok());
            settings.alarms.shrunk_percent =
                share.filter(|share| *share <= 100).ok_or("it is no share of a hundred")?;
            Ok(())
        }),
        ..ROW
    },
    Setting {
        key: "encryption.recipients",
        expects: "a list of public keys: `age1…`, `ssh-ed25519 …`, `ssh-rsa …`; or of armored OpenPGP certificates",
        default: "none: archives are not encrypted",
        about: "Who can decrypt every archive. Ringbolt needs public keys only.",
        examples: &["age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"],
        mistakes: &["AGE-SECRET-KEY-1QQ", "hunter2"],
        shape: Shape::List,
        secret: true,
        reader: Reader::Plain(|settings, _, given| {
            settings.encryption.recipients = recipients(given)?;
            Ok(())
        }),
    },
    Setting {
        key: "encryption.groups.<name>",
        expects: "a list of public keys: `age1…`, `ssh-ed25519 …`, `ssh-rsa …`; or of armored OpenPGP certificates",
        about: "A further set of public keys, for labels that say `encrypt=<name>`.",
        examples: &["age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"],
        mistakes: &["", "hunter2"],
        shape: Shape::List,
        secret: true,
        reader: Reader::Plain(|settings, names, given| {
            let group = recipients(given)?;
            if group.is_empty() {
                return Err("it is empty".to_owned());
            }
            if let [name] = names {
                settings.encryption.groups.insert(name.clone(), group);
            }
            Ok(())
        }),
        ..ROW
    },
    Setting {
        key: "encryption.identity",
        expects: "the text of an age identity, an SSH key or an OpenPGP key; better `encryption.identity_file`, its path",
        about: "Decrypts archives for `cat`, `restore`, `verify --level deep` and `rekey`. Backups need none: keep it off the host.",
        examples: &["AGE-SECRET-KEY-1…"],
        secret: true,
        reader: Reader::Secret(|settings, source| settings.encryption.identity = Some(source)),
        ..ROW
    },
    signing_rows::KEY,
    signing_rows::PUBLIC_KEYS,
    Setting {
        key: "encryption.passphrase",
        expects: "a passphrase of at least 12 characters; better `encryption.passphrase_file`, a path",
        examples: &["correct-horse-battery-staple"],
        about: "Encrypts archives in the place of recipients, and decrypts them: whoever breaks into the host can read them. Prefer recipients.",
        secret: true,
        reader: Reader::Secret(|settings, source| settings.encryption.passphrase = Some(source)),
        ..ROW
    },
    Setting {
        key: "labels.prefix",
        expects: "letters, digits, `.`, `_`, `-`; at most 128",
        default: "`ringbolt`",
        about: "What our labels begin with. With `baktainer`, that project's labels are understood too.",
        examples: &["ringbolt", "com.example.backup"],
        mistakes: &["", "a b", "ringbolt/"],
        reader: Reader::Plain(|settings, _, given| {
            settings.labels.prefix = given.text()?.parse().map_err(|error| format!("{error}"))?;
            Ok(())
        }),
        ..ROW
    },
    Setting {
        key: "labels.policy.refuse",
        expects: "a list of labels",
        default: "`hook.before,hook.after`",
        about: "Labels that no workload may have: only the operator decides there.",
        examples: &["hook.before,hook.after,encrypt"],
        shape: Shape::List,
        reader: Reader::Plain(|settings, _, given| {
            settings.labels.policy.refuse = given.list()?.into_iter().collect();
            Ok(())
        }),
        ..ROW
    },
    Setting {
        key: "labels.policy.literal_passwords",
        expects: "`true` or `false`",
        default: "`false`",
        about: "Whether a label may hold a password itself, readable for all who may inspect containers.",
        examples: &["true", "false"],
        mistakes: &["yes", ""],
        shape: Shape::Flag,
        reader: Reader::Plain(|settings, _, given| {
            settings.labels.policy.literal_passwords = given.flag()?;
            Ok(())
        }),
        ..ROW
    },
    Setting {
        key: "labels.policy.priority",
        expects: "`low`, `normal`, `high` or `critical`",
        default: "`critical`",
        about: "The highest priority that a label may ask for.",
        examples: &["high"],
        mistakes: &["urgent", ""],
        reader: Reader::Plain(|settings, _, given| {
            settings.labels.policy.priority = given.text()?.parse()?;
            Ok(())
        }),
        ..ROW
    },
    Setting {
        key: "labels.policy.timeout",
        expects: "a duration like `6h`",
        about: "The longest `timeout` that a label may ask for, and what applies where none is given.",
        examples: &["6h"],
        mistakes: &["6", "0s", ""],
        reader: Reader::Plain(|settings, _, given| {
            let timeout = units::duration(&given.text()?).ok_or("it is no duration")?;
            settings.labels.policy.timeout = Some(timeout);
            Ok(())
        }),
        ..ROW
    },
    docker_rows::HOST,
    docker_rows::HELPER_IMAGE,
    docker_rows::TLS_CA,
    docker_rows::TLS_CERT,
    docker_rows::TLS_KEY,
    drill_rows::MEMORY,
    drill_rows::CPUS,
    drill_rows::SHARE,
    drill_rows::TIMEOUT,
    verify_rows::SHARE,
    verify_rows::LEVEL,
    Setting {
        key: "secrets.directory",
        expects: "an absolute path",
        default: "`/run/secrets`",
        about: "Where `secret:NAME` is looked up.",
        examples: &["/run/secrets"],
        mistakes: &["", "secrets"],
        reader: Reader::Plain(|settings, _, given| {
            settings.secrets.directory = absolute(given)?;
            Ok(())
        }),
        ..ROW
    },
    Setting {
        key: "data_dir",
        expects: "an absolute path",
        default: "`/var/lib/ringbolt`",
        about: "Where the history of runs is, and the marks of containers that are held. It may be deleted while no backup with `hold` runs: no restore needs it.",
        examples: &["/var/lib/ringbolt"],
        mistakes: &["", "var/lib/ringbolt"],
        reader: Reader::Plain(|settings, _, given| {
            settings.data_dir = absolute(given)?;
            Ok(())
        }),
        ..ROW
    },
    Setting {
        key: "history.keep",
        expects: "a duration like `365d`",
        default: "`365d`",
        about: "How long the history remembers a run. What alarms are judged by stays: a source's last runs and successes.",
        examples: &["365d", "8w"],
        mistakes: &["", "365", "0d", "1y"],
        reader: Reader::Plain(|settings, _, given| {
            settings.history.keep = duration(given)?;
            Ok(())
        }),
        ..ROW
    },
];

fn store<'a>(settings: &'a mut Settings, names: &[Slug]) -> &'a mut super::StoreSettings {
    let name = names.first().expect("a store's key has its name");
    settings.stores.entry(name.clone()).or_default()
}

fn source<'a>(settings: &'a mut Settings, names: &[Slug]) -> &'a mut super::SourceSettings {
    let name = names.first().expect("a source's key has its name");
    settings.sources.entry(name.clone()).or_default()
}

fn number<T: std::str::FromStr + PartialOrd>(given: &Given, least: &T) -> Result<T, String> {
    let number = given.text()?.parse().ok().filter(|number| number >= least);
    number.ok_or_else(|| "it is no such number".to_owned())
}

fn duration(given: &Given) -> Result<std::time::Duration, String> {
    units::duration(&given.text()?).ok_or_else(|| "it is no duration".to_owned())
}

/// A path that means the same whatever folder Ringbolt is started in.
fn absolute(given: &Given) -> Result<PathBuf, String> {
    let path = PathBuf::from(given.text()?);
    if path.is_absolute() { Ok(path) } else { Err("it is not absolute".to_owned()) }
}

/// Which keys can really encrypt is known where archives are made; here a secret one is kept out.
fn recipients(given: &Given) -> Result<Vec<String>, String> {
    let list = given.list()?;
    let known =
        |key: &String| key.starts_with("age1") || key.starts_with("ssh-") || is_certificate(key);
    match list.iter().position(|key| !known(key)) {
        None => Ok(list),
        Some(at) => Err(format!("entry {} is no public key", at + 1)),
    }
}
