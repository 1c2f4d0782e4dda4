//! Signatures in minisign's format (<https://jedisct1.github.io/minisign/>): who may sign, whose signatures
//! are trusted, and what a signature is worth. The only file that knows the `minisign` crate.
//!
//! What is signed, and where a signature lies, is known in `archive/`.

use std::fmt;
use std::io::Cursor;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minisign::{KeyPair, PublicKeyBox, SecretKey, SecretKeyBox, SignatureBox};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::model::{Explain, Secret};

/// The comment that nobody need trust.
const COMMENT: &str = "signature of a Ringbolt manifest";

/// By which a key is named: 16 hexadecimal digits, as minisign prints them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct KeyId(u64);

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey(minisign::PublicKey);

/// With what is signed, and whose signatures are trusted. By default nothing is signed and nothing is
/// demanded.
#[derive(Clone, Default)]
pub struct Signing {
    key: Option<Arc<SecretKey>>,
    /// Of these keys one must have signed; none: nobody must.
    trusted: Arc<[PublicKey]>,
}

/// What a signature is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signature {
    /// There is none, and nobody demands one.
    Unsigned,
    /// It fits, and its key is known.
    By(PublicKey),
    /// It is of a key that nobody has given: it could not be checked.
    Unchecked(KeyId),
    Refused(SignatureFault),
}

/// Why a signature is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureFault {
    #[error("it is not signed")]
    Unsigned,
    #[error("its signature is gone: key {0} had signed it")]
    Gone(KeyId),
    #[error("its signature is of key {0}, which is not trusted")]
    Stranger(KeyId),
    #[error("its signature is of key {0}, but key {1} had signed it")]
    Exchanged(KeyId, KeyId),
    #[error("it is not what key {0} has signed, or its signature was changed")]
    Unfit(KeyId),
    #[error("its signature is not readable")]
    Unreadable,
}

/// A key that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    #[error(
        "it is no secret key of minisign without a password (which would lie beside the key, and protect nothing)"
    )]
    Secret,
    #[error("entry {0} is no public key of minisign")]
    Public(usize),
    #[error("its public key {public} is not among those that are trusted")]
    Untrusted { public: String },
    #[error("no key could be made")]
    Generate,
}

/// A pair of keys, as minisign's files.
#[derive(Debug)]
pub struct SigningPair {
    pub secret: Secret,
    pub public: String,
    /// The line that settings and `minisign -P` take.
    pub key: PublicKey,
}

impl Signing {
    /// # Errors
    /// [`SigningError`]: also if what the key signs would be refused at once.
    pub fn read(key: Option<&Secret>, trusted: &[String]) -> Result<Self, SigningError> {
        let public =
            |(at, text): (usize, &String)| text.parse().map_err(|()| SigningError::Public(at + 1));
        let trusted: Arc<[PublicKey]> =
            trusted.iter().enumerate().map(public).collect::<Result<_, _>>()?;
        let Some(key) = key else { return Ok(Self { key: None, trusted }) };
        let key = read_secret(key.reveal()).ok_or(SigningError::Secret)?;
        let signing = Self { key: Some(Arc::new(key)), trusted };
        match signing.own() {
            Some(own) if signing.demands() && !signing.trusted.contains(&own) => {
                Err(SigningError::Untrusted { public: own.to_string() })
            }
            _ => Ok(signing),
        }
    }

    /// Whether what is not signed is refused.
    pub fn demands(&self) -> bool {
        !self.trusted.is_empty()
    }

    /// Who signs; `None`: nobody.
    pub fn signer(&self) -> Option<KeyId> {
        self.own().map(|own| own.id())
    }

    fn own(&self) -> Option<PublicKey> {
        let key = self.key.as_deref()?;
        minisign::PublicKey::from_secret_key(key).ok().map(PublicKey)
    }

    /// Signs a text, if there is a key. Whoever has the public key can also trust the comment.
    ///
    /// # Panics
    /// Only where the system gives no random numbers, without which nothing here works.
    pub fn sign(&self, text: &[u8], comment: &str) -> Option<Vec<u8>> {
        let key = self.key.as_deref()?;
        let signed = minisign::sign(None, key, text, Some(comment), Some(COMMENT));
        Some(signed.expect("the system gives random numbers").to_bytes())
    }

    /// Says what a text's signature is worth. `said`: who signed it, as the text itself says.
    pub fn judge(&self, text: &[u8], signature: Option<&[u8]>, said: Option<KeyId>) -> Signature {
        let Some(signature) = signature else {
            return match said {
                Some(signer) => Signature::Refused(SignatureFault::Gone(signer)),
                None if self.demands() => Signature::Refused(SignatureFault::Unsigned),
                None => Signature::Unsigned,
            };
        };
        let read = std::str::from_utf8(signature).ok();
        let Some(signature) = read.and_then(|text| SignatureBox::from_string(text).ok()) else {
            return Signature::Refused(SignatureFault::Unreadable);
        };
        let id = KeyId::of(signature.keynum());
        if let Some(said) = said.filter(|said| *said != id) {
            return Signature::Refused(SignatureFault::Exchanged(id, said));
        }
        // Without a list, our own key is known all the same.
        let own = self.own();
        let mut known = self.trusted.iter().chain(own.as_ref());
        match known.find(|key| key.id() == id) {
            Some(key) => {
                let text = Cursor::new(text);
                match minisign::verify(&key.0, &signature, text, true, false, false) {
                    Ok(()) => Signature::By(key.clone()),
                    Err(_) => Signature::Refused(SignatureFault::Unfit(id)),
                }
            }
            None if self.demands() => Signature::Refused(SignatureFault::Stranger(id)),
            None => Signature::Unchecked(id),
        }
    }
}

/// Reads a secret key without a password, and tries it out.
fn read_secret(text: &str) -> Option<SecretKey> {
    let boxed = SecretKeyBox::from(text.to_owned());
    let key = match SecretKey::from_unencrypted_box(boxed) {
        Ok(key) => key,
        Err(_) => read_without_sum(text)?,
    };
    let public = minisign::PublicKey::from_secret_key(&key).ok()?;
    minisign::sign(Some(&public), &key, Cursor::new(b""), None, None).ok()?;
    Some(key)
}

/// Stock minisign 0.11 leaves the check sum of a key without a password away: zeros are in its place.
fn read_without_sum(text: &str) -> Option<SecretKey> {
    const SUM: usize = 32;
    let line = text.lines().nth(1)?.trim();
    let bytes = Zeroizing::new(STANDARD.decode(line).ok()?);
    let (key, sum) = bytes.split_last_chunk::<SUM>()?;
    let open = key.starts_with(b"Ed\0\0B2") && *sum == [0; SUM];
    if open { SecretKey::from_bytes(&bytes).ok() } else { None }
}

/// Makes a pair of keys.
///
/// # Errors
/// [`SigningError::Generate`] if the system gives no random numbers.
pub fn generate_signing() -> Result<SigningPair, SigningError> {
    let failed = |_| SigningError::Generate;
    let KeyPair { pk, sk } = KeyPair::generate_unencrypted_keypair().map_err(failed)?;
    let secret = sk.to_box(Some("minisign secret key of Ringbolt")).map_err(failed)?;
    let public = pk.to_box().map_err(failed)?.into_string();
    let secret = Secret::new(secret.into_string());
    Ok(SigningPair { secret, public, key: PublicKey(pk) })
}

impl fmt::Debug for Signing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (signer, trusted) = (self.signer(), &self.trusted);
        f.debug_struct("Signing")
            .field("signer", &signer)
            .field("trusted", trusted)
            .finish_non_exhaustive()
    }
}

impl KeyId {
    fn of(bytes: &[u8]) -> Self {
        Self(bytes.iter().rev().fold(0, |id, byte| (id << 8) | u64::from(*byte)))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016X}", self.0)
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for KeyId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let id = u64::from_str_radix(&text, 16).map(Self).ok();
        id.filter(|id| id.to_string() == text).ok_or("it is no key id of 16 digits")
    }
}

impl PublicKey {
    pub fn id(&self) -> KeyId {
        KeyId::of(self.0.keynum())
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_base64())
    }
}

/// The line itself, or a file with its comment.
impl FromStr for PublicKey {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let text = text.trim();
        let read = match text.contains('\n') {
            true => minisign::PublicKey::from_box(PublicKeyBox::from(text.to_owned())),
            false => minisign::PublicKey::from_base64(text),
        };
        let key = Self(read.map_err(drop)?);
        // Its first two bytes say that it is one, and nothing may be left.
        if key.to_string().starts_with("RW") { Ok(key) } else { Err(()) }
    }
}

impl Explain for SigningError {
    fn hint(&self) -> Option<String> {
        Some(
            match self {
                Self::Secret => {
                    "`ringbolt keygen --signing --output FILE` and `minisign -G -W` make one"
                }
                Self::Public(_) => "it is the second line of a `.pub` file, and begins with `RW`",
                Self::Untrusted { .. } => "add it to `signing.public_keys`",
                Self::Generate => return None,
            }
            .to_owned(),
        )
    }
}

impl Explain for SignatureFault {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unsigned => {
                "if it is from before manifests were signed, `ringbolt sign` signs it; else look at who could write to the store"
            }
            Self::Stranger(_) => {
                "if that key is yours, add it to `signing.public_keys`; else somebody else has written to the store"
            }
            _ => "do not trust this archive: take another one, and look at who could write to the store",
        }
        .to_owned())
    }
}
