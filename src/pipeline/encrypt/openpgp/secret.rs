//! Secret keys: what `gpg --export-secret-keys` writes, armored or not, and keys of the moment. Where they
//! come from, and who is asked for a passphrase, is not known here.

use std::fmt;

use pgp::composed::{
    ArmorOptions, Deserializable as _, EncryptionCaps, KeyType, SecretKeyParamsBuilder,
    SignedPublicKey, SignedSecretKey, SubkeyParamsBuilder,
};
use pgp::crypto::ecc_curve::ECCCurve;
use pgp::packet::PublicSubkey;
use pgp::types::{Password, S2kParams, SecretParams, StringToKey};
use rand::rngs::OsRng;

use super::super::EncryptionError;
use super::{blocks, fingerprint};
use crate::model::Secret;

const PRIVATE: (&str, &str) =
    ("-----BEGIN PGP PRIVATE KEY BLOCK-----", "-----END PGP PRIVATE KEY BLOCK-----");
/// The first byte of a secret key packet, of the old formats and the new one.
const PACKETS: [u8; 4] = [0x94, 0x95, 0x96, 0xc5];
/// GnuPG's own way to say that the secret part is not in this file.
const ELSEWHERE: u8 = 101;

/// Whether an identity file holds OpenPGP keys.
pub(in crate::pipeline) fn is_secret(text: &[u8]) -> bool {
    text.first().is_some_and(|first| PACKETS.contains(first))
        || text.trim_ascii_start().starts_with(PRIVATE.0.as_bytes())
}

/// A secret key that is not locked.
pub(in crate::pipeline) struct SecretKey {
    pub(super) key: SignedSecretKey,
}

impl SecretKey {
    /// Reads all keys of a file.
    ///
    /// # Errors
    /// [`EncryptionError::Locked`], [`EncryptionError::WrongPassphrase`],
    /// [`EncryptionError::OpenPgpIdentity`].
    pub(in crate::pipeline) fn read(
        text: &[u8],
        passphrase: Option<&Secret>,
    ) -> Result<Vec<Self>, EncryptionError> {
        let broken = || EncryptionError::OpenPgpIdentity("it is not whole, or of another kind");
        let mut keys: Vec<SignedSecretKey> = Vec::new();
        if text.first().is_some_and(|first| PACKETS.contains(first)) {
            for key in SignedSecretKey::from_bytes_many(text).map_err(|_| broken())? {
                keys.push(key.map_err(|_| broken())?);
            }
        } else {
            let text = std::str::from_utf8(text).map_err(|_| broken())?;
            for block in blocks(text, PRIVATE).map(|block| block.ok_or_else(broken)) {
                let read = SignedSecretKey::from_armor_many(block?.as_bytes());
                for key in read.map_err(|_| broken())?.0 {
                    keys.push(key.map_err(|_| broken())?);
                }
            }
        }
        if keys.is_empty() {
            return Err(EncryptionError::NoIdentityInside);
        }
        keys.into_iter().map(|key| Self::open(key, passphrase)).collect()
    }

    fn open(
        mut key: SignedSecretKey,
        passphrase: Option<&Secret>,
    ) -> Result<Self, EncryptionError> {
        let all = || {
            let subkeys = key.secret_subkeys.iter().map(|sub| sub.key.secret_params());
            subkeys.chain([key.primary_key.secret_params()])
        };
        if all().all(is_elsewhere) {
            let why = "its secret part is elsewhere, on a card perhaps";
            return Err(EncryptionError::OpenPgpIdentity(why));
        }
        if all().any(is_locked) {
            let typed = passphrase.ok_or(EncryptionError::Locked)?;
            let typed = Password::from(typed.reveal());
            let wrong = |_| EncryptionError::WrongPassphrase;
            if is_locked(key.primary_key.secret_params()) {
                key.primary_key.remove_password(&typed).map_err(wrong)?;
            }
            for sub in &mut key.secret_subkeys {
                if is_locked(sub.key.secret_params()) {
                    sub.key.remove_password(&typed).map_err(wrong)?;
                }
            }
        }
        Ok(Self { key })
    }

    pub(in crate::pipeline) fn fingerprint(&self) -> String {
        fingerprint(&self.key.primary_key)
    }

    /// Its certificate, as recipients are written.
    pub(in crate::pipeline) fn public(&self) -> String {
        let public = SignedPublicKey::from(self.key.clone());
        public.to_armored_string(ArmorOptions::default()).unwrap_or_default()
    }
}

fn is_elsewhere(secret: &SecretParams) -> bool {
    match secret {
        SecretParams::Plain(_) => false,
        SecretParams::Encrypted(locked) => match locked.string_to_key_params() {
            S2kParams::Cfb { s2k, .. }
            | S2kParams::MalleableCfb { s2k, .. }
            | S2kParams::Aead { s2k, .. } => {
                matches!(s2k, StringToKey::Private { typ: ELSEWHERE, .. })
            }
            _ => false,
        },
    }
}

fn is_locked(secret: &SecretParams) -> bool {
    secret.is_encrypted() && !is_elsewhere(secret)
}

/// A key that nobody keeps: what encrypts to it, and what opens it.
pub(in crate::pipeline) struct Momentary {
    pub(in crate::pipeline) public: PublicSubkey,
    pub(in crate::pipeline) secret: SecretKey,
}

impl Momentary {
    pub(in crate::pipeline) fn generate() -> Self {
        let mut sub = SubkeyParamsBuilder::default();
        sub.key_type(KeyType::ECDH(ECCCurve::Curve25519Legacy)).can_encrypt(EncryptionCaps::All);
        let mut own = SecretKeyParamsBuilder::default();
        own.key_type(KeyType::Ed25519Legacy)
            .can_certify(true)
            .primary_user_id("of the moment".into())
            .subkeys(vec![sub.build().expect("all that must be given is given")]);
        let params = own.build().expect("all that must be given is given");
        let key = params.generate(OsRng).expect("a key of these kinds can be made");
        let public = key.secret_subkeys[0].key.public_key().clone();
        Self { public, secret: SecretKey { key } }
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SecretKey").field(&self.fingerprint()).finish()
    }
}
