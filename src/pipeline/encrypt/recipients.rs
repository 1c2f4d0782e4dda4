//! Recipients: who can decrypt what is written. Reads the texts of public keys.

use std::sync::Arc;

use age::ssh::ParseRecipientKeyError as SshError;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use jiff::Timestamp;

use super::super::digest::sum;
use super::error::SHORTEST;
use super::openpgp::{self, Certificate};
use super::{EncryptionError, Identities, Scheme};
use crate::model::{PASSPHRASE, Secret, is_certificate};

/// Who can decrypt. None at all: nothing is encrypted, and that is for the caller to have meant.
#[derive(Debug, Clone, Default)]
pub struct Recipients(pub(super) Kind);

/// The formats allow no mix.
#[derive(Debug, Clone, Default)]
pub(super) enum Kind {
    #[default]
    Nobody,
    Passphrase(Secret),
    /// `momentary`: a key that nobody keeps.
    Age {
        keys: Vec<PublicKey>,
        momentary: Option<age::x25519::Recipient>,
    },
    OpenPgp(Arc<openpgp::Recipients>),
}

#[derive(Debug, Clone)]
pub(super) enum PublicKey {
    Native(age::x25519::Recipient),
    Ssh(age::ssh::Recipient),
}

impl Recipients {
    /// Reads public keys: `age1…`, `ssh-ed25519 …`, `ssh-rsa …` (a comment behind them is left out); or
    /// armored OpenPGP certificates. The same key twice is one recipient.
    ///
    /// # Errors
    /// [`EncryptionError::Recipient`], [`EncryptionError::SecretRecipient`] for the first that is
    /// wrong; [`EncryptionError::Mixed`].
    pub fn read(texts: &[String]) -> Result<Self, EncryptionError> {
        let (mut keys, mut certificates) = (Vec::<PublicKey>::new(), Vec::<Certificate>::new());
        for (at, text) in texts.iter().enumerate() {
            let (position, text) = (at + 1, text.trim());
            let upper = text.to_uppercase();
            if upper.contains("SECRET-KEY") || upper.contains("PRIVATE KEY") {
                return Err(EncryptionError::SecretRecipient(position));
            }
            // What looks like none of them may be anything, also a password.
            let public = text.starts_with("age1") || text.starts_with("ssh-");
            let public = || public.then(|| text.chars().take(80).collect());
            let wrong = |why| EncryptionError::Recipient { position, public: public(), why };
            if is_certificate(text) {
                for one in Certificate::read(text).map_err(wrong)? {
                    if !certificates.iter().any(|other| other.fingerprint == one.fingerprint) {
                        certificates.push(one);
                    }
                }
                continue;
            }
            let key = PublicKey::read(text).map_err(wrong)?;
            if !keys.iter().any(|other| other.fingerprint() == key.fingerprint()) {
                keys.push(key);
            }
        }
        Ok(Self(match (keys.is_empty(), certificates.is_empty()) {
            (true, true) => Kind::Nobody,
            (false, true) => Kind::Age { keys, momentary: None },
            (true, false) => {
                Kind::OpenPgp(Arc::new(openpgp::Recipients { certificates, momentary: None }))
            }
            (false, false) => return Err(EncryptionError::Mixed),
        }))
    }

    /// Whoever knows the passphrase, and nobody else.
    ///
    /// # Errors
    /// [`EncryptionError::ShortPassphrase`].
    pub fn with_passphrase(passphrase: Secret) -> Result<Self, EncryptionError> {
        match passphrase.reveal().chars().count() < SHORTEST {
            true => Err(EncryptionError::ShortPassphrase),
            false => Ok(Self(Kind::Passphrase(passphrase))),
        }
    }

    /// Those who may be encrypted to at a moment. What was written once is read for ever, so only who
    /// encrypts asks.
    ///
    /// # Errors
    /// [`EncryptionError::NotNow`] for an OpenPGP certificate that has expired.
    pub fn at(self, now: Timestamp) -> Result<Self, EncryptionError> {
        let Kind::OpenPgp(recipients) = &self.0 else { return Ok(self) };
        let valid = |certificate: &Certificate| {
            let fingerprint = certificate.fingerprint.clone();
            let error = |why| EncryptionError::NotNow { fingerprint, why };
            certificate.clone().at(now).map_err(error)
        };
        let certificates = recipients.certificates.iter().map(valid).collect::<Result<_, _>>()?;
        let momentary = recipients.momentary.clone();
        Ok(Self(Kind::OpenPgp(Arc::new(openpgp::Recipients { certificates, momentary }))))
    }

    /// When the first of them ends, if one does, and which.
    pub fn until(&self) -> Option<(String, Timestamp)> {
        let Kind::OpenPgp(recipients) = &self.0 else { return None };
        let ends = recipients.certificates.iter().filter_map(|certificate| {
            Some((certificate.fingerprint.clone(), certificate.until()?))
        });
        ends.min_by_key(|(_, until)| *until)
    }

    /// These, and what reads back in this run what is encrypted to them. Beside public keys that is a
    /// new key, made in memory and forgotten with the run; a passphrase is its own; where nothing is
    /// encrypted, nothing is needed.
    #[must_use]
    pub fn for_the_moment(self) -> (Self, Identities) {
        match self.0 {
            Kind::Nobody => (self, Identities::default()),
            Kind::Passphrase(ref passphrase) => {
                let identities = Identities::passphrase(passphrase);
                (self, identities)
            }
            Kind::Age { keys, .. } => {
                let witness = age::x25519::Identity::generate();
                let momentary = Some(witness.to_public());
                (Self(Kind::Age { keys, momentary }), Identities::momentary(witness))
            }
            Kind::OpenPgp(recipients) => {
                let openpgp::Momentary { public, secret } = openpgp::Momentary::generate();
                let recipients = openpgp::Recipients {
                    certificates: recipients.certificates.clone(),
                    momentary: Some(public),
                };
                (Self(Kind::OpenPgp(Arc::new(recipients))), Identities::momentary_openpgp(secret))
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        matches!(self.0, Kind::Nobody)
    }

    pub fn scheme(&self) -> Scheme {
        match self.0 {
            Kind::Nobody => Scheme::None,
            Kind::Passphrase(_) | Kind::Age { .. } => Scheme::Age,
            Kind::OpenPgp(_) => Scheme::OpenPgp,
        }
    }

    /// What manifests say of them (`spec/archive/FORMAT.md`): an age key as it is, for it is short
    /// and public; an SSH key as `ssh-keygen -l` prints it, `SHA256:…`; a certificate as `openpgp:` and
    /// what `gpg --list-keys` prints; a fixed word for a passphrase. The witness is left out: nobody will
    /// ever come with its key.
    pub fn fingerprints(&self) -> Vec<String> {
        match &self.0 {
            Kind::Nobody => Vec::new(),
            Kind::Passphrase(_) => vec![PASSPHRASE.to_owned()],
            Kind::Age { keys, .. } => keys.iter().map(PublicKey::fingerprint).collect(),
            Kind::OpenPgp(recipients) => {
                recipients.certificates.iter().map(|one| one.fingerprint.clone()).collect()
            }
        }
    }
}

impl PublicKey {
    fn read(text: &str) -> Result<Self, &'static str> {
        if text.starts_with("age1") {
            let read = text.parse().map(Self::Native);
            return read.map_err(|_| "is no whole X25519 key: characters are wrong or missing");
        }
        if !text.starts_with("ssh-") {
            return Err(
                "is neither `age1…` nor `ssh-ed25519 …` nor `ssh-rsa …` nor an OpenPGP certificate",
            );
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

    pub(super) fn fingerprint(&self) -> String {
        let blob = match self {
            Self::Native(key) => return key.to_string(),
            Self::Ssh(
                age::ssh::Recipient::SshRsa(blob, _) | age::ssh::Recipient::SshEd25519(blob, _),
            ) => blob,
        };
        let sum = sum(&blob[..]).expect("reading from memory does not fail");
        format!("SHA256:{}", BASE64_STANDARD_NO_PAD.encode(sum.sha256.0))
    }

    pub(super) fn text(&self) -> String {
        match self {
            Self::Native(key) => key.to_string(),
            Self::Ssh(key) => key.to_string(),
        }
    }

    pub(super) fn wrapping(&self) -> &dyn age::Recipient {
        match self {
            Self::Native(key) => key,
            Self::Ssh(key) => key,
        }
    }
}
