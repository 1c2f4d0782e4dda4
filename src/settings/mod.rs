//! Settings: defaults, then a file, then the environment, then flags. Reads them once, and says of
//! each wrong one what is wrong and where it was written: all at once, never only the first.
//!
//! What a key means is one row in `rows.rs`. Which stores can be opened, and what a label means, is
//! known on other floors.

mod docker;
mod docker_rows;
mod drill_rows;
mod engines;
mod given;
mod rows;
mod schema;
mod signing_rows;
mod table;
mod verify_rows;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

pub use docker::{DockerHost, DockerSettings, Pem, Scheme, TlsSettings};
pub use drill_rows::DrillSettings;
pub use given::Origin;
pub use schema::schema;
pub use table::{SETTINGS, Setting, Shape};
pub use verify_rows::VerifySettings;

use crate::model::{Priority, Problem, Secret, SecretRef, Slug, nearest};
use given::Given;
use table::Reader;

/// The file that is read if it is there; one given by hand must be there.
pub const DEFAULT_FILE: &str = "/etc/ringbolt/ringbolt.toml";

/// All settings, resolved.
#[derive(Debug, Clone)]
pub struct Settings {
    pub docker: DockerSettings,
    pub labels: LabelSettings,
    /// What every workload's labels say unless they say otherwise, by label. `labels/` reads them.
    pub defaults: BTreeMap<String, String>,
    pub stores: BTreeMap<Slug, StoreSettings>,
    pub sources: BTreeMap<Slug, SourceSettings>,
    pub engines: BTreeMap<Slug, EngineSettings>,
    pub schedule: ScheduleSettings,
    pub alarms: AlarmSettings,
    pub encryption: EncryptionSettings,
    pub drill: DrillSettings,
    pub verify: VerifySettings,
    pub signing: SigningSettings,
    pub secrets: SecretSettings,
    /// Where Ringbolt remembers what it may forget: never a thing that a restore needs.
    pub data_dir: PathBuf,
    pub history: HistorySettings,
    /// Every value that was given, for `config show`.
    shown: BTreeMap<String, Effective>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelSettings {
    /// What our labels begin with, without the dot.
    pub prefix: Slug,
    pub policy: Policy,
}

/// What labels may say at all. Whoever may label a container is not always who runs Ringbolt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Labels that no workload may have.
    pub refuse: BTreeSet<String>,
    pub literal_passwords: bool,
    /// The highest priority that a label may ask for.
    pub priority: Priority,
    /// The longest `timeout` that a label may ask for; also the default then.
    pub timeout: Option<Duration>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoreSettings {
    pub url: String,
    /// Whether sources go there whose labels name no store.
    pub default: bool,
    /// How many runs write to it at once; `None`: no limit.
    pub concurrency: Option<usize>,
}

/// A source that no label names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceSettings {
    /// The container's name.
    pub container: String,
    /// What its labels would say, without the prefix. `labels/` reads them.
    pub labels: BTreeMap<String, String>,
}

/// An engine of the operator's own, which labels can choose by its name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EngineSettings {
    pub dump: Vec<String>,
    pub restore: Option<Vec<String>>,
    pub empty: Option<Vec<String>>,
    pub version: Option<Vec<String>>,
    pub begins_with: Option<String>,
    pub ends_with: Option<String>,
    pub extension: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleSettings {
    pub concurrency: usize,
    pub jitter: Duration,
    /// Windows as they were written; `schedule/` reads them.
    pub blackout: Vec<String>,
    pub retries: u32,
    pub grace: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlarmSettings {
    /// 0: never.
    pub failures: u32,
    pub shrunk_percent: u8,
}

#[derive(Debug, Clone, Default)]
pub struct EncryptionSettings {
    /// Public keys that can decrypt every archive; empty: archives are not encrypted.
    pub recipients: Vec<String>,
    /// Further sets of public keys, which labels can choose by name.
    pub groups: BTreeMap<Slug, Vec<String>>,
    /// For reading encrypted archives. The sidecar needs none.
    pub identity: Option<SecretSource>,
    /// Encrypts every archive in the place of recipients, and reads them.
    pub passphrase: Option<SecretSource>,
}

/// Keys of minisign.
#[derive(Debug, Clone, Default)]
pub struct SigningSettings {
    pub key: Option<SecretSource>,
    /// Of these one must have signed; empty: nobody must.
    pub public_keys: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretSettings {
    /// Where `secret:NAME` is looked up.
    pub directory: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistorySettings {
    /// How long a run is remembered.
    pub keep: Duration,
}

/// A secret setting, read when it is needed and not before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    Here(Secret),
    File(PathBuf),
}

/// What applies at one key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Effective {
    pub key: String,
    /// Secrets are masked.
    pub value: String,
    pub origin: String,
}

/// What settings are read from, apart from the file.
#[derive(Debug, Clone, Default)]
pub struct Written {
    /// A file given by hand.
    pub file: Option<PathBuf>,
    pub environment: Vec<(OsString, OsString)>,
    /// `KEY=VALUE`.
    pub flags: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        let policy = Policy {
            refuse: ["hook.before", "hook.after"].map(str::to_owned).into(),
            literal_passwords: false,
            priority: Priority::Critical,
            timeout: None,
        };
        let prefix = "ringbolt".parse().expect("the default prefix is a slug");
        Self {
            docker: DockerSettings::default(),
            labels: LabelSettings { prefix, policy },
            defaults: BTreeMap::new(),
            stores: BTreeMap::new(),
            sources: BTreeMap::new(),
            engines: BTreeMap::new(),
            schedule: ScheduleSettings {
                concurrency: 2,
                jitter: Duration::ZERO,
                blackout: Vec::new(),
                retries: 3,
                grace: Duration::from_secs(8),
            },
            alarms: AlarmSettings { failures: 3, shrunk_percent: 50 },
            encryption: EncryptionSettings::default(),
            drill: DrillSettings::default(),
            verify: VerifySettings::default(),
            signing: SigningSettings::default(),
            secrets: SecretSettings { directory: "/run/secrets".into() },
            data_dir: "/var/lib/ringbolt".into(),
            history: HistorySettings { keep: Duration::from_hours(365 * 24) },
            shown: BTreeMap::new(),
        }
    }
}

impl Policy {
    /// For what the operator says: everything may be said.
    pub fn free() -> Self {
        Self {
            refuse: BTreeSet::new(),
            literal_passwords: false,
            priority: Priority::Critical,
            timeout: None,
        }
    }
}

impl SecretSource {
    /// # Errors
    /// If its file cannot be read, or is not text.
    pub fn read(&self) -> io::Result<Secret> {
        match self {
            Self::Here(secret) => Ok(secret.clone()),
            Self::File(path) => std::fs::read_to_string(path).map(Secret::new),
        }
    }
}

impl Settings {
    /// Where the value at a key, or the file that holds it, comes from.
    pub fn origin(&self, key: &str) -> String {
        let shown = self.shown.get(key).or_else(|| self.shown.get(&format!("{key}_file")));
        shown.map_or(Origin::Default.to_string(), |shown| shown.origin.clone())
    }

    /// Where the first value below a key comes from.
    fn origin_of_group(&self, group: &str) -> String {
        let mut written = self.shown.values().filter(|shown| shown.key.starts_with(group));
        written.next().map_or("settings", |shown| &shown.origin).to_owned()
    }

    /// What applies at every key, defaults included, in the order of the table.
    pub fn effective(&self) -> Vec<Effective> {
        let mut all = Vec::new();
        for setting in SETTINGS {
            let given: Vec<&Effective> =
                self.shown.values().filter(|shown| setting.takes(&shown.key)).collect();
            if given.is_empty() && !setting.is_named() {
                let (key, value) = (setting.key.to_owned(), setting.default.replace('`', ""));
                all.push(Effective { key, value, origin: Origin::Default.to_string() });
            }
            all.extend(given.into_iter().cloned());
        }
        all
    }
}

/// Whether there is such a setting, or such a group of them.
pub fn knows(key: &str) -> bool {
    let group = format!("{key}.");
    let in_table = |setting: &Setting| setting.key == key || setting.key.starts_with(&group);
    SETTINGS.iter().any(|setting| setting.takes(key) || in_table(setting))
}

/// Reads the settings.
///
/// # Errors
/// Every problem, each with the file, variable or flag it comes from.
pub fn read(written: &Written) -> Result<Settings, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut all = Vec::new();
    collect(file(written.file.as_deref()), &mut all, &mut problems);
    collect(given::variables(written.environment.iter().cloned()), &mut all, &mut problems);
    for flag in &written.flags {
        collect(given::flag(flag), &mut all, &mut problems);
    }
    let mut settings = Settings::default();
    for given in &all {
        problems.extend(apply(&mut settings, given).err().map(|problem| *problem));
    }
    check_whole(&settings, &mut problems);
    if problems.is_empty() { Ok(settings) } else { Err(problems) }
}

fn collect(
    read: Result<Vec<Given>, Vec<Problem>>,
    all: &mut Vec<Given>,
    problems: &mut Vec<Problem>,
) {
    match read {
        Ok(given) => all.extend(given),
        Err(found) => problems.extend(found),
    }
}

fn file(by_hand: Option<&Path>) -> Result<Vec<Given>, Vec<Problem>> {
    let path = by_hand.unwrap_or(Path::new(DEFAULT_FILE));
    match std::fs::read_to_string(path) {
        Ok(text) => given::file(path, &text),
        Err(error) if by_hand.is_none() && error.kind() == io::ErrorKind::NotFound => {
            Ok(Vec::new())
        }
        Err(error) => {
            let place = Origin::File(path.display().to_string()).to_string();
            Err(vec![Problem::new(&place, format!("cannot be read: {error}"))])
        }
    }
}

/// Takes one value in. A later one at the same key replaces it.
fn apply(settings: &mut Settings, given: &Given) -> Result<(), Box<Problem>> {
    let (name, place) = (given.name(), given.origin.to_string());
    let Some((setting, names)) = table::find(&given.key) else {
        let known = SETTINGS.iter().map(|setting| setting.key);
        let near = nearest(&name, known).map(str::to_owned);
        // A value at an unknown key may be a secret: it is not repeated.
        let problem = Problem::new(&place, "there is no such setting").key(name);
        return Err(Box::new(problem.suggest(near).see(table::REFERENCE)));
    };
    let wrong = |wrong: String| {
        let message = format!("{wrong}; expected {}", setting.expects);
        let problem = Problem::new(&place, message).key(&name).see(table::REFERENCE);
        Box::new(if setting.secret { problem } else { problem.value(given.shown()) })
    };
    let names: Vec<Slug> = names
        .iter()
        .map(|name| name.parse().map_err(|error| wrong(format!("`{name}` is no name: {error}"))))
        .collect::<Result<_, _>>()?;
    match setting.reader {
        Reader::Plain(read) => read(settings, &names, given).map_err(wrong)?,
        Reader::Secret(read) => {
            let text = given.text().map_err(wrong)?;
            let source = match setting.is_file(&name) {
                true => SecretSource::File(text.into()),
                false => SecretSource::Here(Secret::new(text)),
            };
            read(settings, source);
        }
    }
    let text = given.text().unwrap_or_default();
    // Where a reference belongs, somebody may have written the password itself.
    let last = given.key.last().map_or("", String::as_str);
    let literal = last.contains("pass") && text.parse::<SecretRef>().is_err();
    let masked = literal || (setting.is_secret() && !setting.is_file(&name));
    let value = if masked { "(secret)".to_owned() } else { given.shown() };
    let (key, origin) = (name.clone(), place);
    settings.shown.insert(name, Effective { key, value, origin });
    Ok(())
}

/// What no single value can be blamed for.
fn check_whole(settings: &Settings, problems: &mut Vec<Problem>) {
    if settings.stores.is_empty() && problems.is_empty() {
        let example = "RINGBOLT_STORES__LOCAL__URL=file:///backups";
        let problem = Problem::new("settings", "no store is configured").key("stores.<name>.url");
        problems.push(problem.suggest(Some(example)).see(table::REFERENCE));
    }
    for name in settings.stores.iter().filter(|(_, s)| s.url.is_empty()).map(|(name, _)| name) {
        let (key, place) = (format!("stores.{name}.url"), format!("stores.{name}.default"));
        // A wrong URL was told already.
        if !problems.iter().any(|problem| problem.key.as_ref() == Some(&key)) {
            let message = format!("store `{name}` has no `url`");
            problems.push(Problem::new(&settings.origin(&place), message).key(key));
        }
    }
    for name in settings.sources.iter().filter(|(_, s)| s.container.is_empty()).map(|(n, _)| n) {
        let place = settings.origin_of_group(&format!("sources.{name}."));
        let problem = Problem::new(&place, format!("source `{name}` has no `container`"));
        problems.push(problem.key(format!("sources.{name}.container")));
    }
    if settings.encryption.passphrase.is_some() && !settings.encryption.recipients.is_empty() {
        let key = "encryption.passphrase";
        let message =
            "archives are encrypted with a passphrase or to `encryption.recipients`, never to both";
        problems.push(Problem::new(&settings.origin(key), message).key(key));
    }
    let marked: Vec<&Slug> =
        settings.stores.iter().filter(|(_, store)| store.default).map(|(name, _)| name).collect();
    if let [first, second, ..] = marked.as_slice() {
        let message = format!(
            "store `{first}` is the default already; this version writes each archive to one store"
        );
        let key = format!("stores.{second}.default");
        problems.push(Problem::new(&settings.origin(&key), message).key(key));
    }
    engines::check(settings, problems);
    docker::check(settings, problems);
    for setting in SETTINGS.iter().filter(|setting| setting.is_secret()) {
        let file = format!("{}_file", setting.key);
        if let (Some(_), Some(other)) = (settings.shown.get(setting.key), settings.shown.get(&file))
        {
            let message = format!("is given as `{file}` too ({}): keep one", other.origin);
            let place = settings.origin(setting.key);
            problems.push(Problem::new(&place, message).key(setting.key));
        }
    }
}
