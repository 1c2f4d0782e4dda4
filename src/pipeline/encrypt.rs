//! Encryption to public keys in the age format (<https://age-encryption.org/v1>), which stock tools
//! read. The only place that knows the crate.
//!
//! It does not know where keys are kept or who wants what encrypted: texts come in. The file keys and
//! nonces of the format are drawn by the crate itself, from the system; they cannot be handed down.

use std::fmt;
use std::io::{self, BufReader, Read, Write};
use std::sync::Arc;

use age::secrecy::ExposeSecret as _;
use age::ssh::ParseRecipientKeyError as SshError;
use age::stream::{StreamReader, StreamWriter};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use jiff::{Timestamp, Unit};
use zeroize::Zeroizing;

use super::digest::{Summed, sum};
use crate::model::{ErrorKind, Explain, Sum};

const BUFFER: usize = 128 * 1024;

/// Who can decrypt. None at all: nothing is encrypted, and that is for the caller to have meant.
#[derive(Debug, Clone, Default)]
pub struct Recipients {
    keys: Vec<PublicKey>,
    /// The public half of a key that is forgotten with this process. No manifest names it.
    momentary: Option<PublicKey>,
}

/// Secret keys to decrypt with. They are shared, so that a clone copies no secret.
#[derive(Clone, Default)]
pub struct Identities(Vec<Arc<Pair>>);

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

struct Pair {
    public: PublicKey,
    secret: Box<dyn age::Identity + Send + Sync>,
    /// A key of the moment: manifests do not name it, so only the archive itself can tell.
    is_momentary: bool,
}

/// Keys that cannot be used, and archives that these keys do not open. No message holds more of a
/// text than what is certainly public.
#[derive(Debug, thiserror::Error)]
pub enum EncryptionError {
    /// `position` counts from 1.
    #[error("recipient {position}{} {why}", shown(.public.as_ref()))]
    Recipient { position: usize, public: Option<String>, why: &'static str },
    #[error("recipient {0} is a secret key")]
    SecretRecipient(usize),
    #[error("line {0} is no identity")]
    Identity(usize),
    #[error("the SSH key cannot be used: {0}")]
    SshIdentity(&'static str),
    #[error("it is locked with a passphrase, which nobody is there to type")]
    Locked,
    #[error("it holds no identity")]
    NoIdentityInside,
    #[error("the archive is encrypted to {}, and no identity was given", .0.join(", "))]
    NoIdentity(Vec<String>),
    #[error("the archive is encrypted to {}, and no identity that was given is one of them", .0.join(", "))]
    WrongIdentity(Vec<String>),
    #[error("the archive cannot be decrypted")]
    Damaged(#[source] age::DecryptError),
}

impl Explain for EncryptionError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Damaged(_) => ErrorKind::Failed,
            _ => ErrorKind::Usage,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Recipient { .. } => {
                "a recipient is the public key that `ringbolt keygen` or `age-keygen` says, or a line of an \
                 `….pub` file of `ssh-keygen`"
            }
            Self::SecretRecipient(_) => {
                "name its public half, `age1…`; if others could read the secret one, make a new pair"
            }
            Self::Identity(_) | Self::NoIdentityInside => {
                "an identity file holds lines `AGE-SECRET-KEY-1…`, or one private key of `ssh-keygen`"
            }
            Self::Locked => {
                "unlock a copy: `age --decrypt` for a file of age, `ssh-keygen -p` for an SSH key"
            }
            Self::NoIdentity(_) | Self::WrongIdentity(_) => {
                "give the identity file of one of these recipients with `--identity FILE`"
            }
            Self::SshIdentity(_) | Self::Damaged(_) => return None,
        };
        Some(hint.to_owned())
    }
}

fn shown(public: Option<&String>) -> String {
    public.map(|text| format!(" `{text}`")).unwrap_or_default()
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

    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// These and a key of the moment, by which who encrypts can read back what was stored. It is in
    /// memory alone and gone with the identities that are returned: the host still keeps no key.
    #[must_use]
    pub fn for_the_moment(self) -> (Self, Identities) {
        if self.is_empty() {
            return (self, Identities::default());
        }
        let secret = age::x25519::Identity::generate();
        let public = PublicKey::Native(secret.to_public());
        let momentary = Some(public.clone());
        let pair = Pair { public, secret: Box::new(secret), is_momentary: true };
        (Self { momentary, ..self }, Identities(vec![Arc::new(pair)]))
    }

    /// What manifests say of them (`spec/archive/FORMAT.md`): an age key as it is, for it is short
    /// and public; an SSH key as `ssh-keygen -l` prints it, `SHA256:…`.
    pub fn fingerprints(&self) -> Vec<String> {
        self.keys.iter().map(PublicKey::fingerprint).collect()
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

impl Identities {
    /// Reads the text of an identity file: lines `AGE-SECRET-KEY-1…`, comments and empty lines; or
    /// one private key of `ssh-keygen` without a passphrase.
    ///
    /// # Errors
    /// [`EncryptionError`] with the number of the wrong line, never with its text.
    pub fn read(text: &str) -> Result<Self, EncryptionError> {
        let begin = text.trim_start();
        if begin.starts_with("-----BEGIN AGE ENCRYPTED") || begin.starts_with("age-encryption.org/")
        {
            return Err(EncryptionError::Locked);
        }
        if begin.starts_with("-----BEGIN ") {
            return Ok(Self(vec![Arc::new(Pair::ssh(begin)?)]));
        }
        let mut pairs = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let secret: age::x25519::Identity =
                line.parse().map_err(|_| EncryptionError::Identity(at + 1))?;
            let public = PublicKey::Native(secret.to_public());
            pairs.push(Arc::new(Pair { public, secret: Box::new(secret), is_momentary: false }));
        }
        match pairs.is_empty() {
            true => Err(EncryptionError::NoIdentityInside),
            false => Ok(Self(pairs)),
        }
    }

    /// These and others.
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The public keys of all of them, as [`Recipients::read`] takes them.
    pub fn public(&self) -> Vec<String> {
        self.0.iter().map(|pair| pair.public.text()).collect()
    }

    /// Whether they open an archive that a manifest says is encrypted to these fingerprints. It is
    /// asked before anything is read, so that a wrong key costs no reading of a whole archive.
    ///
    /// # Errors
    /// [`EncryptionError::NoIdentity`], [`EncryptionError::WrongIdentity`].
    pub fn check(&self, fingerprints: &[String]) -> Result<(), EncryptionError> {
        let fits = |pair: &Arc<Pair>| {
            pair.is_momentary || fingerprints.contains(&pair.public.fingerprint())
        };
        match (fingerprints, &self.0[..]) {
            ([], _) => Ok(()),
            (_, []) => Err(EncryptionError::NoIdentity(fingerprints.to_vec())),
            (_, own) if own.iter().any(fits) => Ok(()),
            _ => Err(EncryptionError::WrongIdentity(fingerprints.to_vec())),
        }
    }
}

impl Pair {
    fn ssh(text: &str) -> Result<Self, EncryptionError> {
        let broken = |_| EncryptionError::SshIdentity("it is not whole, or of another kind");
        let secret = age::ssh::Identity::from_buffer(text.as_bytes(), None).map_err(broken)?;
        match &secret {
            age::ssh::Identity::Unencrypted(_) => {}
            age::ssh::Identity::Encrypted(_)
            | age::ssh::Identity::Unsupported(
                age::ssh::UnsupportedKey::EncryptedPem | age::ssh::UnsupportedKey::EncryptedSsh(_),
            ) => return Err(EncryptionError::Locked),
            age::ssh::Identity::Unsupported(_) => {
                return Err(EncryptionError::SshIdentity("age decrypts with none of its type"));
            }
        }
        let public = age::ssh::Recipient::try_from(secret.clone())
            .map_err(|_| EncryptionError::SshIdentity("its public half is not readable"))?;
        let public = PublicKey::Ssh(public);
        Ok(Self { public, secret: Box::new(secret), is_momentary: false })
    }
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Identities").field(&self.public()).finish()
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
        let keys = recipients.keys.iter().chain(&recipients.momentary).map(PublicKey::wrapping);
        let encryptor = age::Encryptor::with_recipients(keys).map_err(io::Error::other)?;
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
        let keys = identities.0.iter().map(|pair| pair.secret.as_ref() as &dyn age::Identity);
        let stream = decryptor.decrypt(keys).map_err(EncryptionError::Damaged)?;
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
