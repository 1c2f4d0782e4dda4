//! OpenPGP (RFC 9580), for people who must use GnuPG. The only place that knows the crate.
//!
//! What is written is what stock GnuPG reads (2.2 in the suite): version 4 certificates, AES-256, and the packet
//! whose proof of integrity is a digest at its end. Because of that, whoever hands bytes out of such an
//! archive reads it to its end once before ([`super::Scheme::proves_each_piece`]).

mod certificate;
mod message;
mod secret;

pub(super) use certificate::Certificate;
pub(super) use message::{Opened, Recipients, Sealing};
pub(super) use secret::{Momentary, SecretKey, is_secret};

/// What a fingerprint begins with in a manifest.
const PREFIX: &str = "openpgp:";

/// Whether a manifest's recipient is an OpenPGP certificate.
pub(super) fn is_fingerprint(text: &str) -> bool {
    text.starts_with(PREFIX)
}

/// The armored blocks that stand in a text one behind the other; `None` for what is no whole one. The crate
/// reads the first and leaves the others unread.
fn blocks<'a>(
    text: &'a str,
    (begin, end): (&'static str, &'static str),
) -> impl Iterator<Item = Option<&'a str>> {
    let whole = move |block: &&str| block.starts_with(begin) && block.ends_with(end);
    text.trim().split_inclusive(end).map(move |block| Some(block.trim()).filter(whole))
}

/// As manifests have it: of the whole certificate, as people know it from `gpg --list-keys`.
fn fingerprint(key: &impl pgp::types::KeyDetails) -> String {
    format!("{PREFIX}{:X}", key.fingerprint())
}
