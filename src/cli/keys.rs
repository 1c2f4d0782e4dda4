//! `keygen`, and what archives are decrypted with: the identity files that `--identity` names, and
//! passphrases. The only place that touches files with secret keys.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::printer::Printer;
use super::{CliError, Outcome, terminal};
use crate::app::App;
use crate::archive::Archive;
use crate::job::doctor;
use crate::model::{ErrorKind, Explain, Secret};
use crate::pipeline::{self, EncryptionError, Identities, Recipients, SigningError};
use crate::settings::SecretSource;
use crate::transport::Stop;

/// An identity file has some hundred bytes; whoever names a dump by mistake is told at once.
const LARGEST: u64 = 1 << 20;

/// An identity file that cannot be read or made.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeyError {
    #[error("cannot read identity file `{}`", .0.display())]
    Read(PathBuf, #[source] io::Error),
    #[error("identity file `{}` cannot be used", .0.display())]
    Identity(PathBuf, #[source] EncryptionError),
    #[error("setting `encryption.identity` cannot be used")]
    Setting(#[source] EncryptionError),
    #[error(transparent)]
    Signing(#[from] SigningError),
    #[error("cannot ask for a passphrase")]
    Terminal(#[source] io::Error),
    #[error("cannot write key file `{}`", .0.display())]
    Write(PathBuf, #[source] io::Error),
}

impl Explain for KeyError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Signing(_) => ErrorKind::Failed,
            Self::Write(_, error) if error.kind() != io::ErrorKind::AlreadyExists => {
                ErrorKind::Failed
            }
            Self::Terminal(error) if error.kind() == io::ErrorKind::Interrupted => {
                ErrorKind::Interrupted
            }
            Self::Terminal(_) => ErrorKind::Failed,
            _ => ErrorKind::Usage,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Identity(_, error) | Self::Setting(error) => error.hint(),
            Self::Write(_, error) if error.kind() == io::ErrorKind::AlreadyExists => Some(
                "choose another name: a key that is overwritten takes its archives with it"
                    .to_owned(),
            ),
            _ => None,
        }
    }
}

/// Reads every identity of these files, and what the settings have. Nobody is asked for anything.
pub(super) fn read(app: &App, files: &[PathBuf]) -> Result<Identities, KeyError> {
    let mut identities = of_settings(app)?;
    for path in files_of(app, files) {
        let found = Identities::read(&*text(path)?);
        identities =
            identities.and(found.map_err(|error| KeyError::Identity(path.clone(), error))?);
    }
    Ok(identities)
}

/// The same, and whoever is at the terminal is asked for the passphrases of locked files.
pub(super) async fn unlock(
    app: &App,
    files: &[PathBuf],
    stop: &Stop,
) -> Result<Identities, KeyError> {
    let mut identities = of_settings(app)?;
    for path in files_of(app, files) {
        let text = text(path)?;
        let mut found = Identities::read(&*text);
        if matches!(found, Err(EncryptionError::Locked)) {
            let question = format!("passphrase of identity file `{}`", path.display());
            if let Some(typed) = ask(&question, stop).await? {
                found = Identities::unlock(&*text, &typed);
            }
        }
        identities =
            identities.and(found.map_err(|error| KeyError::Identity(path.clone(), error))?);
    }
    Ok(identities)
}

/// Asks for the passphrase of archives that are encrypted with one, if these identities have none.
/// Where nobody can be asked, the archive says what is missing.
pub(super) async fn with_passphrase<'a>(
    identities: Identities,
    archives: impl IntoIterator<Item = &'a Archive>,
    stop: &Stop,
) -> Result<Identities, KeyError> {
    let lacking = archives.into_iter().find(|archive| {
        let found = identities.check(&archive.manifest.recipients);
        matches!(found, Err(EncryptionError::NoPassphrase))
    });
    let Some(archive) = lacking else { return Ok(identities) };
    let question = format!("passphrase of archive {}", archive.manifest.id);
    let typed = ask(&question, stop).await?;
    Ok(typed.map_or(identities.clone(), |typed| identities.and(Identities::passphrase(&typed))))
}

async fn ask(question: &str, stop: &Stop) -> Result<Option<Secret>, KeyError> {
    terminal::ask(question, stop).await.map_err(KeyError::Terminal)
}

/// What the settings themselves hold.
fn of_settings(app: &App) -> Result<Identities, KeyError> {
    let own = match &app.settings.encryption.identity {
        Some(SecretSource::Here(secret)) => {
            Identities::read(secret.reveal()).map_err(KeyError::Setting)?
        }
        Some(SecretSource::File(_)) | None => Identities::default(),
    };
    Ok(match &app.passphrase {
        Some(passphrase) => own.and(Identities::passphrase(passphrase)),
        None => own,
    })
}

/// The identity files that are named, and the one of the settings.
fn files_of<'a>(app: &'a App, files: &'a [PathBuf]) -> impl Iterator<Item = &'a PathBuf> {
    let own = match &app.settings.encryption.identity {
        Some(SecretSource::File(path)) => Some(path),
        _ => None,
    };
    files.iter().chain(own)
}

fn text(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let mut text = Zeroizing::new(Vec::new());
    let read = File::open(path).and_then(|file| file.take(LARGEST).read_to_end(&mut text));
    read.map_err(|error| KeyError::Read(path.to_owned(), error))?;
    Ok(text)
}

/// Whether archives are encrypted to one key only, however often it is written.
pub(super) fn is_lone(recipients: &[String]) -> bool {
    Recipients::read(recipients).is_ok_and(|keys| keys.fingerprints().len() == 1)
}

/// Says what follows from that, and what to do. It is no error: some people mean it.
pub(super) fn warn_of_lone_key(printer: &Printer) {
    printer.say(&format!("warning: {}", doctor::LONE_KEY.0));
    printer.say(&format!("hint: {}", doctor::LONE_KEY.1));
}

/// Makes a key pair, and prints it or writes it to a file that nobody else can read.
pub(super) fn generate(printer: &Printer, output: Option<&Path>) -> Outcome {
    let pair = pipeline::generate(jiff::Timestamp::now());
    match output {
        None => printer.bytes(pair.file.as_bytes()).and_then(|()| printer.flush())?,
        Some(path) => {
            write(path, pair.file.as_bytes())?;
            printer.say(&format!("public key: {}", pair.public));
        }
    }
    Ok(Ok(()))
}

/// Writes a new file, durably: from now on archives may depend on it.
pub(super) fn write(path: &Path, text: &[u8]) -> Result<(), CliError> {
    let failed = |error| KeyError::Write(path.to_owned(), error);
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    let written = file.write_all(text).and_then(|()| file.sync_all());
    if let Err(error) = written {
        // It is ours, and half a key is none.
        std::fs::remove_file(path).ok();
        return Err(failed(error).into());
    }
    Ok(())
}
