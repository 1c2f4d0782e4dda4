//! Encryption to public keys or with a passphrase in the age format
//! (<https://age-encryption.org/v1>), or to certificates in the OpenPGP format, both of which stock tools
//! read. The only place that knows the crates.
//!
//! It does not know where keys are kept or who wants what encrypted: texts come in. The file keys and
//! nonces of the formats are drawn by the crates themselves, from the system; they cannot be handed down.

mod error;
mod identities;
mod openpgp;
mod recipients;
mod scheme;

use std::fmt;
use std::io::{self, BufReader, Read, Write};

pub use error::EncryptionError;
pub use identities::Identities;
pub use recipients::Recipients;
pub use scheme::Scheme;

use age::secrecy::{ExposeSecret as _, SecretString};
use age::stream::{StreamReader, StreamWriter};
use jiff::{Timestamp, Unit};
use zeroize::Zeroizing;

use super::digest::Summed;
use crate::model::{PASSPHRASE, Secret, Sum};
use recipients::Kind;

const BUFFER: usize = 128 * 1024;

/// scrypt's work, as a power of two: 64 MiB of memory for each archive. The crate's own choice, a
/// second's work, takes 256 MiB and more, which a small backup host lacks.
const WORK: u8 = 16;

/// The most work that a header may ask for: 1 GiB of memory. A hostile one could ask for any amount.
const MOST_WORK: u8 = 20;

/// A new key pair.
pub struct Generated {
    /// As a recipient is written: `age1…`.
    pub public: String,
    /// The text of an identity file, as `age-keygen` writes it.
    pub file: Zeroizing<String>,
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
    OpenPgp(Summed<openpgp::Sealing<W>>),
    None(W),
}

impl<W: Write + Send + 'static> Encrypter<W> {
    pub(super) fn new(recipients: &Recipients, writer: W) -> io::Result<Self> {
        let encryptor = match &recipients.0 {
            Kind::Nobody => return Ok(Self::None(writer)),
            Kind::OpenPgp(recipients) => {
                let sealing = openpgp::Sealing::new(recipients, writer)?;
                return Ok(Self::OpenPgp(Summed::new(sealing)));
            }
            Kind::Passphrase(passphrase) => {
                let mut recipient = age::scrypt::Recipient::new(secret(passphrase));
                recipient.set_work_factor(WORK);
                age::Encryptor::with_recipients(std::iter::once(&recipient as _))
            }
            Kind::Age { keys, momentary } => {
                let witness = momentary.iter().map(|key| key as &dyn age::Recipient);
                let keys = keys.iter().map(recipients::PublicKey::wrapping);
                age::Encryptor::with_recipients(keys.chain(witness))
            }
        };
        let encryptor = encryptor.map_err(io::Error::other)?;
        Ok(Self::Age(Box::new(Summed::new(encryptor.wrap_output(writer)?))))
    }

    /// Writes what is last, without which nobody can decrypt to the end, and gives the writer back;
    /// with the sum of what went in if it is not that of what came out.
    pub(super) fn finish(self) -> io::Result<(Option<Sum>, W)> {
        match self {
            Self::Age(summed) => {
                let Summed { inner, hasher } = *summed;
                Ok((Some(hasher.sum()), inner.finish()?))
            }
            Self::OpenPgp(Summed { inner, hasher }) => Ok((Some(hasher.sum()), inner.finish()?)),
            Self::None(writer) => Ok((None, writer)),
        }
    }
}

impl<W: Write> Write for Encrypter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Age(writer) => writer.write(bytes),
            Self::OpenPgp(writer) => writer.write(bytes),
            Self::None(writer) => writer.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Age(writer) => writer.flush(),
            Self::OpenPgp(writer) => writer.flush(),
            Self::None(writer) => writer.flush(),
        }
    }
}

/// A decrypting reader. It ends well only behind the true last chunk with nothing after it. Of age it hands
/// a chunk out only when it has proven true; of OpenPGP nothing is proven before the end.
pub(super) enum Decrypter<R: Read> {
    Age(Box<StreamReader<BufReader<R>>>),
    OpenPgp(Box<openpgp::Opened>),
    None(R),
}

impl<R: Read + Send + 'static> Decrypter<R> {
    /// `fingerprints`: the manifest's recipients; none: not encrypted.
    pub(super) fn new(
        fingerprints: &[String],
        identities: &Identities,
        reader: R,
    ) -> Result<Self, EncryptionError> {
        identities.check(fingerprints)?;
        match Scheme::of(fingerprints) {
            Scheme::None => return Ok(Self::None(reader)),
            Scheme::OpenPgp => {
                let opened = openpgp::Opened::new(identities.openpgp(fingerprints), reader)?;
                let missing = || EncryptionError::NoSubkey(fingerprints.to_vec());
                return Ok(Self::OpenPgp(Box::new(opened.ok_or_else(missing)?)));
            }
            Scheme::Age => {}
        }
        let damaged = |error| EncryptionError::Damaged(Box::new(error));
        let reader = BufReader::with_capacity(BUFFER, reader);
        let decryptor = age::Decryptor::new_buffered(reader).map_err(damaged)?;
        let stream = decryptor.decrypt(identities.age(fingerprints)).map_err(|error| {
            match (error, fingerprints) {
                (age::DecryptError::ExcessiveWork { .. }, _) => EncryptionError::TooMuchWork,
                (age::DecryptError::DecryptionFailed, [only]) if only == PASSPHRASE => {
                    EncryptionError::WrongPassphrase
                }
                (error, _) => damaged(error),
            }
        })?;
        Ok(Self::Age(Box::new(stream)))
    }
}

impl<R: Read> Read for Decrypter<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Age(reader) => reader.read(buffer),
            Self::OpenPgp(reader) => reader.read(buffer),
            Self::None(reader) => reader.read(buffer),
        }
    }
}
