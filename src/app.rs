//! The one place where concrete values meet: settings become rules, stores, a connection, a context.

use std::sync::Arc;

use crate::docker::{Endpoint, TlsError};
use crate::job::{self, Context, Event, JobError};
use crate::labels::Rules;
use crate::model::{Explain as _, Problem, Secret};
use crate::pipeline::{Identities, Recipients, Signing, SigningError};
use crate::schedule::{self, Blackout};
use crate::settings::{self, SecretSource, Settings, Written};
use crate::store::{self, Stores};
use crate::transport::Stop;

/// What the faces work with. Docker is reached only when a command needs it.
#[derive(Debug, Clone)]
pub struct App {
    pub settings: Settings,
    pub rules: Arc<Rules>,
    pub stores: Stores,
    /// What manifests are signed with, and whose signatures are trusted.
    pub signing: Signing,
    /// What archives are encrypted with in the place of recipients.
    pub passphrase: Option<Secret>,
    /// When no scheduled run begins.
    pub blackout: Vec<Blackout>,
}

impl App {
    /// # Errors
    /// Every problem of the settings, also those that only the rooms they are for can see.
    pub fn open(written: &Written) -> Result<Self, Vec<Problem>> {
        let settings = settings::read(written)?;
        let mut problems = Vec::new();
        let stores = open_stores(&settings, &mut problems);
        check_recipients(&settings, &mut problems);
        let passphrase = read_passphrase(&settings, &mut problems);
        problems.extend(check_docker(&settings));
        let signing = read_signing(&settings, &mut problems);
        let blackout = read_blackout(&settings, &mut problems);
        match Rules::new(&settings) {
            Ok(rules) if problems.is_empty() => {
                Ok(Self { settings, rules: Arc::new(rules), stores, signing, passphrase, blackout })
            }
            Ok(_) => Err(problems),
            Err(found) => Err([problems, found].concat()),
        }
    }

    /// Connects to Docker.
    ///
    /// # Errors
    /// [`JobError::Docker`] if it is not reachable, or one side does not trust the other.
    pub async fn connect(
        &self,
        stop: Stop,
        watcher: Arc<dyn Fn(&Event) + Send + Sync>,
    ) -> Result<Context, JobError> {
        Ok(Context {
            docker: job::connect(&self.settings.docker).await?,
            stores: self.stores.clone(),
            rules: self.rules.clone(),
            secrets: self.settings.secrets.directory.clone(),
            held: job::hold::folder(&self.settings.data_dir),
            replacing: job::restore::marks(&self.settings.data_dir),
            helper_image: self.settings.docker.helper_image.clone(),
            drill: self.settings.drill.clone(),
            identities: Identities::default(),
            signing: self.signing.clone(),
            passphrase: self.passphrase.clone(),
            stop,
            watcher,
        })
    }
}

fn open_stores(settings: &Settings, problems: &mut Vec<Problem>) -> Stores {
    let mut stores = Stores::new();
    for (name, own) in &settings.stores {
        match store::open(name.clone(), &own.url) {
            Ok(store) => drop(stores.insert(name.clone(), store)),
            Err(error) => {
                let key = format!("stores.{name}.url");
                let problem = Problem::new(&settings.origin(&key), error.to_string());
                problems.push(problem.key(key).suggest(error.hint()));
            }
        }
    }
    stores
}

/// Finds public keys that nothing can be encrypted to: now, and not in the first backup.
fn check_recipients(settings: &Settings, problems: &mut Vec<Problem>) {
    let encryption = &settings.encryption;
    let groups = encryption.groups.iter().map(|(name, keys)| (format!("groups.{name}"), keys));
    let all = std::iter::once(("recipients".to_owned(), &encryption.recipients)).chain(groups);
    for (name, keys) in all {
        if let Err(error) = Recipients::read(keys) {
            let key = format!("encryption.{name}");
            let problem = Problem::new(&settings.origin(&key), error.to_string());
            problems.push(problem.key(key).see("`ringbolt keygen --help`"));
        }
    }
}

/// Reads the passphrase: what is wrong with it is wrong now, and not in the first backup. A line break at
/// the end of its file is no part of it.
fn read_passphrase(settings: &Settings, problems: &mut Vec<Problem>) -> Option<Secret> {
    let source = settings.encryption.passphrase.as_ref()?;
    let mut wrong = |message: String| {
        let key = "encryption.passphrase";
        problems.push(Problem::new(&settings.origin(key), message).key(key));
        None
    };
    let passphrase = match source.read() {
        Ok(read) => read.line(),
        Err(error) => return wrong(format!("cannot be read: {error}")),
    };
    match Recipients::with_passphrase(passphrase.clone()) {
        Ok(_) => Some(passphrase),
        Err(error) => wrong(error.to_string()),
    }
}

/// Finds certificates and keys that no connection can be made with. Docker is not asked.
fn check_docker(settings: &Settings) -> Option<Problem> {
    let TlsError { setting, fault } = Endpoint::read(&settings.docker).err()?;
    let cause = std::error::Error::source(&fault).map(|cause| format!(": {cause}"));
    let message = format!("{fault}{}; {}", cause.unwrap_or_default(), fault.hint());
    Some(Problem::new(&settings.origin(setting), message).key(setting))
}

/// Finds keys that nothing can be signed or checked with.
fn read_signing(settings: &Settings, problems: &mut Vec<Problem>) -> Signing {
    let own = &settings.signing;
    let mut problem = |key: &str, message: String, hint: Option<String>| {
        let problem = Problem::new(&settings.origin(key), message).key(key);
        problems.push(match hint {
            Some(hint) => problem.see(hint),
            None => problem,
        });
        Signing::default()
    };
    let key = match own.key.as_ref().map(SecretSource::read).transpose() {
        Ok(key) => key,
        Err(error) => return problem("signing.key", format!("cannot be read: {error}"), None),
    };
    Signing::read(key.as_ref(), &own.public_keys).unwrap_or_else(|error| {
        let of_list = matches!(error, SigningError::Public(_));
        let key = if of_list { "signing.public_keys" } else { "signing.key" };
        problem(key, error.to_string(), error.hint())
    })
}

fn read_blackout(settings: &Settings, problems: &mut Vec<Problem>) -> Vec<Blackout> {
    let mut windows = Vec::new();
    for text in &settings.schedule.blackout {
        match schedule::read_blackout(text) {
            Ok(window) => windows.push(window),
            Err(wrong) => {
                let key = "schedule.blackout";
                let problem = Problem::new(&settings.origin(key), wrong);
                problems.push(problem.key(key).value(text));
            }
        }
    }
    windows
}
