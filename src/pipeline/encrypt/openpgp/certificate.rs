//! Certificates: whom they belong to, and which of their keys encrypts at a moment.
//!
//! What a certificate says counts only where its own primary key has signed it. What others have signed
//! on it says who trusts whom, and is left aside. What is written for it is not known here.

use std::time::Duration;

use jiff::Timestamp;
use pgp::composed::{Deserializable as _, SignedPublicKey, SignedPublicSubKey};
use pgp::packet::{PublicKey, PublicSubkey, Signature, SignatureType};
use pgp::types::{KeyDetails as _, KeyVersion, Tag};

use super::{blocks, fingerprint};
use crate::model::CERTIFICATE;

const END: &str = "-----END PGP PUBLIC KEY BLOCK-----";

/// One person's certificate.
#[derive(Debug, Clone)]
pub(in crate::pipeline) struct Certificate {
    pub(in crate::pipeline) fingerprint: String,
    /// Newest first, as GnuPG chooses; at least one.
    keys: Vec<Key>,
}

/// A key that may encrypt, and from when to when.
#[derive(Debug, Clone)]
struct Key {
    part: Part,
    from: i64,
    until: Option<i64>,
}

#[derive(Debug, Clone)]
pub(super) enum Part {
    Primary(PublicKey),
    Sub(PublicSubkey),
}

impl Certificate {
    /// Reads all certificates of a text: of one armored block, or of several behind each other.
    ///
    /// # Errors
    /// Says what is wrong, never with any of the text.
    pub(in crate::pipeline) fn read(text: &str) -> Result<Vec<Self>, &'static str> {
        const GARBLED: &str = "is no whole OpenPGP certificate: characters are wrong or missing";
        let mut certificates = Vec::new();
        for block in blocks(text, (CERTIFICATE, END)) {
            let read = SignedPublicKey::from_armor_many(block.ok_or(GARBLED)?.as_bytes());
            for one in read.map_err(|_| GARBLED)?.0 {
                certificates.push(Self::judge(&one.map_err(|_| GARBLED)?)?);
            }
        }
        match certificates.is_empty() {
            true => Err(GARBLED),
            false => Ok(certificates),
        }
    }

    fn judge(read: &SignedPublicKey) -> Result<Self, &'static str> {
        let primary = &read.primary_key;
        if primary.version() != KeyVersion::V4 {
            return Err(
                "is a certificate of a version that GnuPG does not encrypt to: only 4 is taken",
            );
        }
        let details = &read.details;
        if details.revocation_signatures.iter().any(|own| own.verify_key(primary).is_ok()) {
            return Err("is a certificate that was revoked");
        }
        let certifications = details.users.iter().flat_map(|user| {
            let own = move |signature: &&Signature| {
                signature.is_certification()
                    && signature.verify_certification(primary, Tag::UserId, &user.id).is_ok()
            };
            user.signatures.iter().filter(own)
        });
        let direct = details.direct_signatures.iter().filter(|own| own.verify_key(primary).is_ok());
        let own = newest(certifications.chain(direct));
        let until = own.and_then(|own| end(primary.created_at(), own));

        let mut keys: Vec<Key> = Vec::new();
        keys.extend(read.public_subkeys.iter().filter_map(|sub| subkey(primary, sub, until)));
        // A key that does all by itself was usual once.
        if own.is_some_and(encrypts) && primary.algorithm().can_encrypt() {
            let part = Part::Primary(primary.clone());
            keys.push(Key { part, from: seconds(primary.created_at()), until });
        }
        keys.sort_by_key(|key| std::cmp::Reverse((matches!(key.part, Part::Sub(_)), key.from)));
        match keys.is_empty() {
            true => Err(
                "is a certificate without a key that encrypts, or whose signatures are too weak to tell",
            ),
            false => Ok(Self { fingerprint: fingerprint(primary), keys }),
        }
    }

    /// With those keys only that may encrypt at a moment.
    ///
    /// # Errors
    /// Says why there is none.
    pub(in crate::pipeline) fn at(self, now: Timestamp) -> Result<Self, &'static str> {
        let now = now.as_second();
        let over = self.keys.iter().all(|key| key.until.is_some_and(|until| until <= now));
        let valid = |key: &Key| key.from <= now && key.until.is_none_or(|until| now < until);
        let keys: Vec<Key> = self.keys.into_iter().filter(valid).collect();
        match (keys.is_empty(), over) {
            (false, _) => Ok(Self { keys, ..self }),
            (true, true) => Err("has expired"),
            (true, false) => Err("begins only later, by this host's clock"),
        }
    }

    /// The key that encrypts: the newest.
    pub(super) fn part(&self) -> &Part {
        &self.keys[0].part
    }

    /// When the last of its keys ends, if it does.
    pub(in crate::pipeline) fn until(&self) -> Option<Timestamp> {
        let last = self.keys.iter().map(|key| key.until.unwrap_or(i64::MAX)).max()?;
        Timestamp::from_second(last).ok()
    }
}

/// A subkey that encrypts and was not revoked.
fn subkey(primary: &PublicKey, sub: &SignedPublicSubKey, until: Option<i64>) -> Option<Key> {
    let own = |signature: &&Signature| signature.verify_subkey_binding(primary, &sub.key).is_ok();
    let revocation =
        |signature: &Signature| signature.typ() == Some(SignatureType::SubkeyRevocation);
    if sub.signatures.iter().filter(own).any(revocation) {
        return None;
    }
    let binding = newest(sub.signatures.iter().filter(own))?;
    if !encrypts(binding) || !sub.key.algorithm().can_encrypt() {
        return None;
    }
    let own = end(sub.key.created_at(), binding);
    let until = [own, until].into_iter().flatten().min();
    Some(Key { part: Part::Sub(sub.key.clone()), from: seconds(sub.key.created_at()), until })
}

fn newest<'a>(signatures: impl Iterator<Item = &'a Signature>) -> Option<&'a Signature> {
    signatures.max_by_key(|signature| signature.created())
}

fn encrypts(signature: &Signature) -> bool {
    let flags = signature.key_flags();
    flags.encrypt_storage() || flags.encrypt_comms()
}

/// When a key ends, by what was signed; a duration of nothing is for ever.
fn end(created: pgp::types::Timestamp, signature: &Signature) -> Option<i64> {
    let lasts = signature.key_expiration_time().map(|time| Duration::from(time).as_secs());
    let lasts = lasts.filter(|seconds| *seconds > 0)?;
    Some(seconds(created).saturating_add(i64::try_from(lasts).unwrap_or(i64::MAX)))
}

fn seconds(time: pgp::types::Timestamp) -> i64 {
    i64::from(time.as_secs())
}
