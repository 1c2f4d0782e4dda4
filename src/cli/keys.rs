//! `keygen`, and the identity files that `--identity` names. The only place that touches files with
//! secret keys.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::printer::Printer;
use super::{CliError, Outcome};
use crate::model::{ErrorKind, Explain};
use crate::pipeline::{self, EncryptionError, Identities, SigningError};
use crate::settings::{SecretSource, Settings};

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

/// Reads every identity of these files, and the one of the settings.
pub(super) fn read(settings: &Settings, files: &[PathBuf]) -> Result<Identities, KeyError> {
    let mut identities = Identities::default();
    let mut files: Vec<&PathBuf> = files.iter().collect();
    match &settings.encryption.identity {
        None => {}
        Some(SecretSource::File(path)) => files.push(path),
        Some(SecretSource::Here(secret)) => {
            let found = Identities::read(secret.reveal()).map_err(KeyError::Setting)?;
            identities = identities.and(found);
        }
    }
    for path in files {
        let mut text = Zeroizing::new(String::new());
        let read = File::open(path).and_then(|file| file.take(LARGEST).read_to_string(&mut text));
        read.map_err(|error| KeyError::Read(path.clone(), error))?;
        let found =
            Identities::read(&text).map_err(|error| KeyError::Identity(path.clone(), error))?;
        identities = identities.and(found);
    }
    Ok(identities)
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
