//! The ways to encrypt, and what names and manifests tell of them.

use super::openpgp;

/// How an archive is encrypted. One archive is encrypted in one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    None,
    /// age: each chunk proves itself before it is handed out.
    Age,
    /// OpenPGP: what proves the message stands at its very end.
    OpenPgp,
}

impl Scheme {
    /// What a manifest's recipients tell.
    pub fn of(fingerprints: &[String]) -> Self {
        match fingerprints {
            [] => Self::None,
            [first, ..] if openpgp::is_fingerprint(first) => Self::OpenPgp,
            _ => Self::Age,
        }
    }

    /// The last extension of a payload.
    pub fn extension(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Age => ".age",
            Self::OpenPgp => ".gpg",
        }
    }

    /// Whether what comes out before the end of an archive is known to be true.
    pub fn proves_each_piece(self) -> bool {
        self != Self::OpenPgp
    }
}
