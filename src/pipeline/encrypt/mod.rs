//! Encryption to public keys or with a passphrase in the age format
//! (<https://age-encryption.org/v1>), which stock tools read. The only place that knows the crate.
//!
//! It does not know where keys are kept or who wants what encrypted: texts come in. The file keys and
//! nonces of the format are drawn by the crate itself, from the system; they cannot be handed down.

mod error;
mod identities;

use std::fmt;
use std::io::{self, BufReader, Read, Write};

pub use error::EncryptionError;
use error::SHORTEST;
pub use identities::Identities;

use age::secrecy::{ExposeSecret as _, SecretString};
use age::ssh::ParseRecipientKeyError as SshError;
use age::stream::{StreamReader, StreamWriter};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use jiff::{Timestamp, Unit};
use zeroize::Zeroizing;

use super::digest::{Summed, sum};
use crate::model::{PASSPHRASE, Secret, Sum};

const BUFFER: usize = 128 * 1024;

/// scrypt's work, as a power of two: 64 MiB of memory for each archive. The crate's own choice, a
/// second's work, takes 256 MiB and more, which a small backup host lacks.
const WORK: u8 = 16;

/// The most work that a header may ask for: 1 GiB of memory. A hostile one could ask for any amount.
const MOST_WORK: u8 = 20;

/// Who can decrypt. None at all: nothing is encrypted, and that is for the caller to have meant.
#[derive(Debug, Clone, Default)]
pub struct Recipients {
    keys: Vec<PublicKey>,
    /// Never beside keys: the format allows no mix.
    passphrase: Option<Secret>,
    /// A key that nobody keeps.
    momentary: Option<age::x25519::Recipient>,
}

/// A new key pair.
pub struct Generated {
    /// As a recipient is written: `age1…`.
    pub public: String,
    /// The text of an identity file, as `age-keygen` writes it.
    pub file: Zeroizing<String>,
}

#[derive(Debug, Clone)]
enum PublicKey {
    Native(age::x25519::Recipient),
    Ssh(age::ssh::Recipient),
}

impl Recipients {
    /// Reads public keys: `age1…`, `ssh-ed25519 …`, `ssh-rsa …` (a comment behind them is left out).
    /// The same key twice is one recipient.
    ///
    /// # Errors
    /// [`EncryptionError::Recipient`], [`EncryptionError::SecretRecipient`] for the first that is
    /// wrong.
    pub fn read(texts: &[String]) -> Result<Self, EncryptionError> {
        let mut recipients = Self::default();
        for (at, text) in texts.iter().enumerate() {
            let (position, text) = (at + 1, text.trim());
            let upper = text.to_uppercase();
            if upper.contains("SECRET-KEY") || upper.contains("PRIVATE KEY") {
                return Err(EncryptionError::SecretRecipient(position));
            }
            let key = PublicKey::read(text).map_err(|why| {
                // What looks like neither may be anything, also a password.
                let public = text.starts_with("age1") || text.starts_with("ssh-");
                let public = public.then(|| text.chars().take(80).collect());
                EncryptionError::Recipient { position, public, why }
            })?;
            if !recipients.keys.iter().any(|other| other.fingerprint() == key.fingerprint()) {
                recipients.keys.push(key);
            }
        }
        Ok(recipients)
    }

    /// Whoever knows the passphrase, and nobody else.
    ///
    /// # Errors
    /// [`EncryptionError::ShortPassphrase`].
    pub fn with_passphrase(passphrase: Secret) -> Result<Self, EncryptionError> {
        match passphrase.reveal().chars().count() < SHORTEST {
            true => Err(EncryptionError::ShortPassphrase),
            false => Ok(Self { passphrase: Some(passphrase), ..Self::default() }),
        }
    }

    /// These, and what reads back in this run what is encrypted to them. Beside public keys that is a
    /// new key, made in memory and forgotten with the run; a passphrase is its own; where nothing is
    /// encrypted, nothing is needed.
    #[must_use]
    pub fn for_the_moment(self) -> (Self, Identities) {
        if let Some(passphrase) = &self.passphrase {
            let identities = Identities::passphrase(passphrase);
            return (self, identities);
        }
        if self.keys.is_empty() {
            return (self, Identities::default());
        }
        let witness = age::x25519::Identity::generate();
        let recipients = Self { momentary: Some(witness.to_public()), ..self };
        (recipients, Identities::momentary(witness))
    }

    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.passphrase.is_none()
    }

    /// What manifests say of them (`spec/archive/FORMAT.md`): an age key as it is, for it is short
    /// and public; an SSH key as `ssh-keygen -l` prints it, `SHA256:…`; a fixed word for a passphrase.
    /// The witness is left out: nobody will ever come with its key.
    pub fn fingerprints(&self) -> Vec<String> {
        match self.passphrase {
            Some(_) => vec![PASSPHRASE.to_owned()],
            None => self.keys.iter().map(PublicKey::fingerprint).collect(),
        }
    }

    fn encryptor(&self) -> Result<age::Encryptor, age::EncryptError> {
        if let Some(passphrase) = &self.passphrase {
            let mut recipient = age::scrypt::Recipient::new(secret(passphrase));
            recipient.set_work_factor(WORK);
            return age::Encryptor::with_recipients(std::iter::once(&recipient as _));
        }
        let witness = self.momentary.iter().map(|key| key as &dyn age::Recipient);
        age::Encryptor::with_recipients(self.keys.iter().map(PublicKey::wrapping).chain(witness))
    }
}

impl PublicKey {
    fn read(text: &str) -> Result<Self, &'static str> {
        if text.starts_with("age1") {
            let read = text.parse().map(Self::Native);
            return read.map_err(|_| "is no whole X25519 key: characters are wrong or missing");
        }
        if !text.starts_with("ssh-") {
            return Err("is neither `age1…` nor `ssh-ed25519 …` nor `ssh-rsa …`");
        }
        let key: age::ssh::Recipient = text.parse().map_err(|error| match error {
            SshError::RsaModulusTooSmall => "is an RSA key of fewer than 2048 bits",
            SshError::RsaModulusTooLarge => "is an RSA key of more than 4096 bits",
            // Also a broken key of the right type is read as one of an unknown type.
            SshError::Unsupported(kind) if !matches!(&kind[..], "ssh-rsa" | "ssh-ed25519") => {
                "is an SSH key of a type that age does not encrypt to"
            }
            _ => "is no whole SSH key: characters are wrong or missing",
        })?;
        // The crate stops reading where the key is complete, and takes what is glued to it for a comment.
        let words: Vec<&str> = text.split_whitespace().take(2).collect();
        match words.join(" ").trim_end_matches('=') == key.to_string().trim_end_matches('=') {
            true => Ok(Self::Ssh(key)),
            false => Err("is no SSH key: something follows it without a space"),
        }
    }

    fn fingerprint(&self) -> String {
        let blob = match self {
            Self::Native(key) => return key.to_string(),
            Self::Ssh(
                age::ssh::Recipient::SshRsa(blob, _) | age::ssh::Recipient::SshEd25519(blob, _),
            ) => blob,
        };
        let sum = sum(&blob[..]).expect("reading from memory does not fail");
        format!("SHA256:{}", BASE64_STANDARD_NO_PAD.encode(sum.sha256.0))
    }

    fn text(&self) -> String {
        match self {
            Self::Native(key) => key.to_string(),
            Self::Ssh(key) => key.to_string(),
        }
    }

    fn wrapping(&self) -> &dyn age::Recipient {
        match self {
            Self::Native(key) => key,
            Self::Ssh(key) => key,
        }
    }
}

impl fmt::Debug for Generated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generated").field("public", &self.public).finish_non_exhaustive()
    }
}

/// Makes a new key pair.
pub fn generate(created: Timestamp) -> Generated {
    let identity = age::x25519::Identity::generate();
    let (public, secret) = (identity.to_public().to_string(), identity.to_string());
    let created = created.round(Unit::Second).unwrap_or(created);
    let secret = secret.expose_secret();
    let file = format!("# created: {created}\n# public key: {public}\n{secret}\n");
    Generated { public, file: Zeroizing::new(file) }
}

/// A passphrase as the crate takes it.
fn secret(passphrase: &Secret) -> SecretString {
    SecretString::from(passphrase.reveal().to_owned())
}

/// An encrypting writer; transparent without recipients. What goes in is summed where it is
/// encrypted: without recipients it is what comes out, which is summed behind this stage anyway.
pub(super) enum Encrypter<W: Write> {
    Age(Box<Summed<StreamWriter<W>>>),
    None(W),
}

impl<W: Write> Encrypter<W> {
    /// Writes the header at once.
    pub(super) fn new(recipients: &Recipients, writer: W) -> io::Result<Self> {
        if recipients.is_empty() {
            return Ok(Self::None(writer));
        }
        let encryptor = recipients.encryptor().map_err(io::Error::other)?;
        Ok(Self::Age(Box::new(Summed::new(encryptor.wrap_output(writer)?))))
    }

    /// Writes the last chunk, without which nobody can decrypt to the end, and gives the writer back;
    /// with the sum of what went in if it is not that of what came out.
    pub(super) fn finish(self) -> io::Result<(Option<Sum>, W)> {
        match self {
            Self::Age(summed) => {
                let Summed { inner, hasher } = *summed;
                Ok((Some(hasher.sum()), inner.finish()?))
            }
            Self::None(writer) => Ok((None, writer)),
        }
    }
}

impl<W: Write> Write for Encrypter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Age(writer) => writer.write(bytes),
            Self::None(writer) => writer.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Age(writer) => writer.flush(),
            Self::None(writer) => writer.flush(),
        }
    }
}

/// A decrypting reader. It hands a chunk out only when it has proven true, and ends well only behind
/// the true last chunk with nothing after it.
pub(super) enum Decrypter<R: Read> {
    Age(Box<StreamReader<BufReader<R>>>),
    None(R),
}

impl<R: Read> Decrypter<R> {
    /// `fingerprints`: the manifest's recipients; none: not encrypted.
    pub(super) fn new(
        fingerprints: &[String],
        identities: &Identities,
        reader: R,
    ) -> Result<Self, EncryptionError> {
        if fingerprints.is_empty() {
            return Ok(Self::None(reader));
        }
        identities.check(fingerprints)?;
        let reader = BufReader::with_capacity(BUFFER, reader);
        let decryptor = age::Decryptor::new_buffered(reader).map_err(EncryptionError::Damaged)?;
        let stream =
            decryptor.decrypt(identities.opening(fingerprints)).map_err(|error| {
                match (error, fingerprints) {
                    (age::DecryptError::ExcessiveWork { .. }, _) => EncryptionError::TooMuchWork,
                    (age::DecryptError::DecryptionFailed, [only]) if only == PASSPHRASE => {
                        EncryptionError::WrongPassphrase
                    }
                    (error, _) => EncryptionError::Damaged(error),
                }
            })?;
        Ok(Self::Age(Box::new(stream)))
    }
}

impl<R: Read> Read for Decrypter<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Age(reader) => reader.read(buffer),
            Self::None(reader) => reader.read(buffer),
        }
    }
}
