//! The settings table: every key with what it expects, its default, examples and its reader. The
//! parser, the README's table, the JSON Schema and the suite's cases come from these rows.

use std::path::PathBuf;

use super::given::Given;
use super::{SecretSource, Settings};
use crate::model::{Slug, units};

/// Where settings are explained.
pub(super) const REFERENCE: &str = "README.md#settings";

/// One key.
#[derive(Debug)]
pub struct Setting {
    /// Parts in angle brackets stand for any name: `stores.<name>.url`.
    pub key: &'static str,
    pub expects: &'static str,
    pub default: &'static str,
    pub about: &'static str,
    /// Values that are right.
    pub examples: &'static [&'static str],
    /// Values that are nearly right.
    pub mistakes: &'static [&'static str],
    /// What the value looks like in a file.
    pub shape: Shape,
    /// Whether a wrong value may be a secret and is never repeated.
    pub secret: bool,
    pub(super) reader: Reader,
}

/// What a value looks like in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Text,
    Flag,
    List,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Reader {
    Plain(fn(&mut Settings, &[Slug], &Given) -> Result<(), String>),
    /// Also given as `<key>_file`: the path of a file that holds it.
    Secret(fn(&mut Settings, SecretSource)),
}

/// Every setting.
pub static SETTINGS: &[Setting] = &[
    Setting {
        key: "stores.<name>.url",
        expects: "`file:///path`",
        default: "none; the image sets `file:///backups` for `local`",
        about: "Where archives are kept.",
        examples: &["file:///backups"],
        mistakes: &[""],
        shape: Shape::Text,
        secret: false,
        reader: Reader::Plain(|settings, names, given| {
            let url = given.text()?;
            if url.is_empty() {
                return Err("it is empty".to_owned());
            }
            store(settings, names).url = url;
            Ok(())
        }),
    },
    Setting {
        key: "stores.<name>.default",
        expects: "`true` or `false`",
        default: "`true` for the only store",
        about: "Sources go there whose labels name no store.",
        examples: &["true", "false"],
        mistakes: &["yes", "1", ""],
        shape: Shape::Flag,
        secret: false,
        reader: Reader::Plain(|settings, names, given| {
            store(settings, names).default = given.flag()?;
            Ok(())
        }),
    },
    Setting {
        key: "defaults.<label>",
        expects: "what the label expects",
        default: "the label's own default",
        about: "What a label says where a workload has none. For `schedule`, `timezone`, `keep`, `stores`, `compress`, `encrypt`, `verify`, `rpo`, `timeout`, `stall`, `priority` and `notify`.",
        examples: &["zstd:6"],
        mistakes: &[],
        shape: Shape::Text,
        secret: false,
        reader: Reader::Plain(|settings, names, given| {
            let text = given.text().or_else(|_| given.list().map(|list| list.join(",")))?;
            if let [label] = names {
                settings.defaults.insert(label.to_string(), text);
            }
            Ok(())
        }),
    },
    Setting {
        key: "encryption.recipients",
        expects: "a list of public keys: `age1…`, `ssh-ed25519 …`, `ssh-rsa …`",
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
        expects: "a list of public keys: `age1…`, `ssh-ed25519 …`, `ssh-rsa …`",
        default: "none",
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
    },
    Setting {
        key: "encryption.identity",
        expects: "the text of an age identity; better `encryption.identity_file`, its path",
        default: "none",
        about: "Decrypts archives for `cat` and `restore`. Backups need none: keep it off the host.",
        examples: &["AGE-SECRET-KEY-1…"],
        mistakes: &[],
        shape: Shape::Text,
        secret: true,
        reader: Reader::Secret(|settings, source| settings.encryption.identity = Some(source)),
    },
    Setting {
        key: "labels.prefix",
        expects: "letters, digits, `.`, `_`, `-`; at most 128",
        default: "`ringbolt`",
        about: "What our labels begin with. With `baktainer`, that project's labels are understood too.",
        examples: &["ringbolt", "com.example.backup"],
        mistakes: &["", "a b", "ringbolt/"],
        shape: Shape::Text,
        secret: false,
        reader: Reader::Plain(|settings, _, given| {
            settings.labels.prefix = given.text()?.parse().map_err(|error| format!("{error}"))?;
            Ok(())
        }),
    },
    Setting {
        key: "labels.policy.refuse",
        expects: "a list of labels",
        default: "`hook.before,hook.after`",
        about: "Labels that no workload may have: only the operator decides there.",
        examples: &["hook.before,hook.after,encrypt"],
        mistakes: &[],
        shape: Shape::List,
        secret: false,
        reader: Reader::Plain(|settings, _, given| {
            settings.labels.policy.refuse = given.list()?.into_iter().collect();
            Ok(())
        }),
    },
    Setting {
        key: "labels.policy.literal_passwords",
        expects: "`true` or `false`",
        default: "`false`",
        about: "Whether a label may hold a password itself, readable for all who may inspect containers.",
        examples: &["true", "false"],
        mistakes: &["yes", ""],
        shape: Shape::Flag,
        secret: false,
        reader: Reader::Plain(|settings, _, given| {
            settings.labels.policy.literal_passwords = given.flag()?;
            Ok(())
        }),
    },
    Setting {
        key: "labels.policy.priority",
        expects: "`low`, `normal`, `high` or `critical`",
        default: "`critical`",
        about: "The highest priority that a label may ask for.",
        examples: &["high"],
        mistakes: &["urgent", ""],
        shape: Shape::Text,
        secret: false,
        reader: Reader::Plain(|settings, _, given| {
            settings.labels.policy.priority = given.text()?.parse()?;
            Ok(())
        }),
    },
    Setting {
        key: "labels.policy.timeout",
        expects: "a duration like `6h`",
        default: "none",
        about: "The longest `timeout` that a label may ask for, and the default where it is shorter than none.",
        examples: &["6h"],
        mistakes: &["6", "0s", ""],
        shape: Shape::Text,
        secret: false,
        reader: Reader::Plain(|settings, _, given| {
            let timeout = units::duration(&given.text()?).ok_or("it is no duration")?;
            settings.labels.policy.timeout = Some(timeout);
            Ok(())
        }),
    },
    Setting {
        key: "docker.host",
        expects: "`unix:///path`, or `tcp://`, `http://` or `https://` with `host:port`",
        default: "`unix:///var/run/docker.sock`",
        about: "Where the Docker engine, or a proxy before it, is. `https://` is TLS, and so is `tcp://` with any `docker.tls` setting; `http://` never is.",
        examples: &[
            "unix:///run/docker.sock",
            "tcp://proxy:2375",
            "http://[::1]:2375",
            "https://docker.example:2376",
        ],
        mistakes: &["", "/var/run/docker.sock", "ssh://host", "http://host", "tcp://a:1/b"],
        shape: Shape::Text,
        secret: false,
        reader: Reader::Plain(|settings, _, given| {
            settings.docker.host = given.text()?.parse()?;
            Ok(())
        }),
    },
    Setting {
        key: "docker.tls.ca",
        expects: "an absolute path, or the text: `-----BEGIN CERTIFICATE-----…`",
        default: "none; public authorities are not trusted",
        about: "The authority that must have signed the engine's certificate.",
        examples: &["/run/secrets/docker-ca.pem", "-----BEGIN CERTIFICATE-----…"],
        mistakes: &["", "ca.pem", "-----BEGIN PRIVATE KEY-----…"],
        shape: Shape::Text,
        secret: true,
        reader: Reader::Plain(|settings, _, given| {
            settings.docker.tls.ca = Some(given.text()?.parse()?);
            Ok(())
        }),
    },
    Setting {
        key: "docker.tls.cert",
        expects: "an absolute path, or the text: `-----BEGIN CERTIFICATE-----…`",
        default: "none",
        about: "The certificate to show to the engine, and behind it those between it and the authority.",
        examples: &["/run/secrets/docker-cert.pem", "-----BEGIN CERTIFICATE-----…"],
        mistakes: &["", "cert.pem", "-----BEGIN PRIVATE KEY-----…"],
        shape: Shape::Text,
        secret: true,
        reader: Reader::Plain(|settings, _, given| {
            settings.docker.tls.cert = Some(given.text()?.parse()?);
            Ok(())
        }),
    },
    Setting {
        key: "docker.tls.key",
        expects: "the text: `-----BEGIN PRIVATE KEY-----…`, or an absolute path; better `docker.tls.key_file`, its path",
        default: "none",
        about: "The certificate's key: RSA, ECDSA or Ed25519, without a passphrase.",
        examples: &["/run/secrets/docker-key.pem"],
        mistakes: &[],
        shape: Shape::Text,
        secret: true,
        reader: Reader::Secret(|settings, source| settings.docker.tls.key = Some(source)),
    },
    Setting {
        key: "secrets.directory",
        expects: "an absolute path",
        default: "`/run/secrets`",
        about: "Where `secret:NAME` is looked up.",
        examples: &["/run/secrets"],
        mistakes: &["", "secrets"],
        shape: Shape::Text,
        secret: false,
        reader: Reader::Plain(|settings, _, given| {
            let path = PathBuf::from(given.text()?);
            if !path.is_absolute() {
                return Err("it is not absolute".to_owned());
            }
            settings.secrets.directory = path;
            Ok(())
        }),
    },
];

impl Setting {
    /// Whether the value itself is a secret, so that `<key>_file` may name where it is.
    pub fn is_secret(&self) -> bool {
        matches!(self.reader, Reader::Secret(_))
    }

    /// Whether the key has a name in it that people choose.
    pub fn is_named(&self) -> bool {
        self.key.contains('<')
    }

    /// Whether a key is this setting's.
    pub(super) fn takes(&self, key: &str) -> bool {
        let key: Vec<String> = key.split('.').map(str::to_owned).collect();
        find(&key).is_some_and(|(setting, _)| setting.key == self.key)
    }

    /// Whether a key names the file that holds this secret.
    pub(super) fn is_file(&self, key: &str) -> bool {
        self.is_secret() && key.strip_suffix("_file") == Some(self.key)
    }

    /// The names that a key has in the places of this setting's angle brackets; `None`: another key.
    fn names<'a>(&self, key: &'a [String]) -> Option<Vec<&'a str>> {
        let own: Vec<&str> = self.key.split('.').collect();
        if own.len() != key.len() {
            return None;
        }
        let mut names = Vec::new();
        for (own, given) in own.into_iter().zip(key) {
            match own.starts_with('<') {
                true => names.push(given.as_str()),
                false if own == given => {}
                false => return None,
            }
        }
        Some(names)
    }
}

/// The row of a key, and the names in it.
pub(super) fn find(key: &[String]) -> Option<(&'static Setting, Vec<&str>)> {
    SETTINGS.iter().find_map(|setting| {
        let file = || setting.is_file(&key.join(".")).then(Vec::new);
        Some((setting, setting.names(key).or_else(file)?))
    })
}

fn store<'a>(settings: &'a mut Settings, names: &[Slug]) -> &'a mut super::StoreSettings {
    let name = names.first().expect("a store's key has its name");
    settings.stores.entry(name.clone()).or_default()
}

/// Which keys can really encrypt is known where archives are made; here a secret one is kept out.
fn recipients(given: &Given) -> Result<Vec<String>, String> {
    let list = given.list()?;
    match list.iter().position(|key| !key.starts_with("age1") && !key.starts_with("ssh-")) {
        None => Ok(list),
        Some(at) => Err(format!("entry {} is no public key", at + 1)),
    }
}
