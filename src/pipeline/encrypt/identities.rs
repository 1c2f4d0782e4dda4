//! Identities: what decrypts. Reads the texts of identity files; where they come from, and who is asked
//! for a passphrase, is not known here.

use std::fmt;
use std::io::Read as _;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::openpgp::{self, SecretKey};
use super::recipients::PublicKey;
use super::{EncryptionError, MOST_WORK, secret};
use crate::model::{PASSPHRASE, Secret};

/// An identity file has some hundred bytes, also within a locked one.
const LARGEST: u64 = 1 << 20;

/// Secret keys and passphrases to decrypt with. They are shared, so that a clone copies no secret.
#[derive(Clone, Default)]
pub struct Identities(Vec<Arc<Opener>>);

struct Opener {
    opens: Opens,
    with: With,
}

enum With {
    Age(Box<dyn age::Identity + Send + Sync>),
    OpenPgp(Box<SecretKey>),
}

/// Which archives somebody can open, by what their manifests say.
enum Opens {
    Key {
        fingerprint: String,
        public: String,
    },
    Passphrase,
    /// No manifest names a key of the moment: what it opens, only a header tells.
    Momentary,
}

/// Whether it is an identity file that age has locked with a passphrase. Of an SSH key only reading tells.
fn is_locked(text: &[u8]) -> bool {
    let begin = text.trim_ascii_start();
    begin.starts_with(b"-----BEGIN AGE ENCRYPTED") || begin.starts_with(b"age-encryption.org/")
}

impl Identities {
    /// Reads the text of an identity file: lines `AGE-SECRET-KEY-1…`, comments and empty lines; or
    /// one private key of `ssh-keygen`; or what `gpg --export-secret-keys` writes.
    ///
    /// # Errors
    /// [`EncryptionError::Locked`] if it wants a passphrase; another [`EncryptionError`] with the
    /// number of the wrong line, never with its text.
    pub fn read(text: impl AsRef<[u8]>) -> Result<Self, EncryptionError> {
        Self::open(text.as_ref(), None)
    }

    /// Reads the text of an identity file that is locked with a passphrase: one that `age --passphrase`
    /// or `rage --passphrase` made of an identity file, or an SSH or OpenPGP key.
    ///
    /// # Errors
    /// [`EncryptionError::WrongPassphrase`], and those of [`Identities::read`].
    pub fn unlock(text: impl AsRef<[u8]>, passphrase: &Secret) -> Result<Self, EncryptionError> {
        Self::open(text.as_ref(), Some(passphrase))
    }

    /// What opens archives that are encrypted with this passphrase.
    pub fn passphrase(passphrase: &Secret) -> Self {
        let mut secret = age::scrypt::Identity::new(secret(passphrase));
        secret.set_max_work_factor(MOST_WORK);
        Self::one(Opens::Passphrase, With::Age(Box::new(secret)))
    }

    pub(super) fn momentary(secret: age::x25519::Identity) -> Self {
        Self::one(Opens::Momentary, With::Age(Box::new(secret)))
    }

    pub(super) fn momentary_openpgp(secret: SecretKey) -> Self {
        Self::one(Opens::Momentary, With::OpenPgp(Box::new(secret)))
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

    /// The public keys of all that have one, as [`super::Recipients::read`] takes them.
    pub fn public(&self) -> Vec<String> {
        let keys = self.0.iter().filter_map(|opener| match &opener.opens {
            Opens::Key { public, .. } => Some(public.clone()),
            Opens::Passphrase | Opens::Momentary => None,
        });
        keys.collect()
    }

    /// Whether they open an archive that a manifest says is encrypted to these fingerprints. It is
    /// asked before anything is read, so that a wrong key costs no reading of a whole archive. Of a
    /// passphrase and of a key of the moment only the header tells.
    ///
    /// # Errors
    /// [`EncryptionError::NoIdentity`], [`EncryptionError::WrongIdentity`],
    /// [`EncryptionError::NoPassphrase`].
    pub fn check(&self, fingerprints: &[String]) -> Result<(), EncryptionError> {
        let fits = |opener: &Arc<Opener>| opener.fits(fingerprints);
        match (fingerprints, &self.0[..]) {
            ([], _) => Ok(()),
            (_, own) if own.iter().any(fits) => Ok(()),
            ([only], _) if only == PASSPHRASE => Err(EncryptionError::NoPassphrase),
            (_, []) => Err(EncryptionError::NoIdentity(fingerprints.to_vec())),
            _ => Err(EncryptionError::WrongIdentity(fingerprints.to_vec())),
        }
    }

    /// What opens such an archive of age, for the crate.
    pub(super) fn age<'a>(
        &'a self,
        fingerprints: &'a [String],
    ) -> impl Iterator<Item = &'a dyn age::Identity> {
        self.fitting(fingerprints).filter_map(|with| match with {
            With::Age(secret) => Some(secret.as_ref() as &dyn age::Identity),
            With::OpenPgp(_) => None,
        })
    }

    /// What opens such an archive of OpenPGP.
    pub(super) fn openpgp<'a>(
        &'a self,
        fingerprints: &'a [String],
    ) -> impl Iterator<Item = &'a SecretKey> {
        self.fitting(fingerprints).filter_map(|with| match with {
            With::Age(_) => None,
            With::OpenPgp(key) => Some(key.as_ref()),
        })
    }

    fn fitting<'a>(&'a self, fingerprints: &'a [String]) -> impl Iterator<Item = &'a With> {
        self.0.iter().filter(|opener| opener.fits(fingerprints)).map(|opener| &opener.with)
    }

    fn one(opens: Opens, with: With) -> Self {
        Self(vec![Arc::new(Opener { opens, with })])
    }

    fn of_key(key: &PublicKey, secret: impl age::Identity + Send + Sync + 'static) -> Self {
        let (fingerprint, public) = (key.fingerprint(), key.text());
        Self::one(Opens::Key { fingerprint, public }, With::Age(Box::new(secret)))
    }

    fn open(text: &[u8], passphrase: Option<&Secret>) -> Result<Self, EncryptionError> {
        if openpgp::is_secret(text) {
            let keys = SecretKey::read(text, passphrase)?.into_iter().map(|key| {
                let (fingerprint, public) = (key.fingerprint(), key.public());
                Self::one(Opens::Key { fingerprint, public }, With::OpenPgp(Box::new(key)))
            });
            return Ok(keys.fold(Self::default(), Self::and));
        }
        if is_locked(text) {
            let passphrase = passphrase.ok_or(EncryptionError::Locked)?;
            return Self::read(&*inside(text, passphrase)?);
        }
        let text = std::str::from_utf8(text).map_err(|_| EncryptionError::NoIdentityInside)?;
        if text.trim_start().starts_with("-----BEGIN ") {
            return ssh(text.trim_start(), passphrase);
        }
        let mut found = Self::default();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let secret: age::x25519::Identity =
                line.parse().map_err(|_| EncryptionError::Identity(at + 1))?;
            found = found.and(Self::of_key(&PublicKey::Native(secret.to_public()), secret));
        }
        match found.is_empty() {
            true => Err(EncryptionError::NoIdentityInside),
            false => Ok(found),
        }
    }
}

impl Opener {
    fn fits(&self, fingerprints: &[String]) -> bool {
        match &self.opens {
            Opens::Key { fingerprint, .. } => fingerprints.contains(fingerprint),
            Opens::Passphrase => fingerprints == [PASSPHRASE],
            Opens::Momentary => true,
        }
    }
}

/// The identity file within a locked one.
fn inside(text: &[u8], passphrase: &Secret) -> Result<Zeroizing<Vec<u8>>, EncryptionError> {
    let damaged = |error: age::DecryptError| EncryptionError::Damaged(Box::new(error));
    let armored = age::armor::ArmoredReader::new(text.trim_ascii_start());
    let decryptor = age::Decryptor::new_buffered(armored).map_err(damaged)?;
    if !decryptor.is_scrypt() {
        return Err(EncryptionError::NoIdentityInside);
    }
    let own = Identities::passphrase(passphrase);
    let opened = decryptor.decrypt(own.age(&[PASSPHRASE.to_owned()]));
    let reader = opened.map_err(|error| match error {
        age::DecryptError::ExcessiveWork { .. } => EncryptionError::TooMuchWork,
        age::DecryptError::DecryptionFailed => EncryptionError::WrongPassphrase,
        other => damaged(other),
    })?;
    let mut inside = Zeroizing::new(Vec::new());
    let read = reader.take(LARGEST).read_to_end(&mut inside);
    read.map_err(|error| damaged(error.into()))?;
    Ok(inside)
}

/// A private key of `ssh-keygen`.
fn ssh(text: &str, passphrase: Option<&Secret>) -> Result<Identities, EncryptionError> {
    use age::ssh::{Identity, UnsupportedKey};

    let broken = |_| EncryptionError::SshIdentity("it is not whole, or of another kind");
    let key = match Identity::from_buffer(text.as_bytes(), None).map_err(broken)? {
        Identity::Unencrypted(key) => key,
        Identity::Encrypted(locked) => {
            let passphrase = passphrase.ok_or(EncryptionError::Locked)?;
            let unlocked = locked.decrypt(secret(passphrase));
            unlocked.map_err(|_| EncryptionError::WrongPassphrase)?
        }
        Identity::Unsupported(UnsupportedKey::EncryptedPem | UnsupportedKey::EncryptedSsh(_)) => {
            let kind =
                "it is locked in a way that age does not know: `ssh-keygen -p` locks it anew";
            return Err(EncryptionError::SshIdentity(kind));
        }
        Identity::Unsupported(_) => {
            return Err(EncryptionError::SshIdentity("age decrypts with none of its type"));
        }
    };
    let secret = Identity::Unencrypted(key);
    let public = age::ssh::Recipient::try_from(secret.clone())
        .map_err(|_| EncryptionError::SshIdentity("its public half is not readable"))?;
    Ok(Identities::of_key(&PublicKey::Ssh(public), secret))
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Identities").field(&self.public()).finish()
    }
}
