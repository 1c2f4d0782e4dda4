//! Where an archive's files are: `<source>/<part>/<id>.<extension>`. The one place that turns names
//! into paths.

use super::Manifest;
use crate::model::{ArchiveId, Codec, Part, Slug};
use crate::pipeline::{Recipients, Scheme, digest};
use crate::store::{Key, KeyError};

const MANIFEST: &str = ".manifest.json";
const SIGNATURE: &str = ".manifest.json.minisig";
const PROOF: &str = ".proof.json";
/// The longest folder's name; file systems take 255 bytes.
const LONGEST: usize = 200;
/// How many digits of a digest stand for what was cut off.
const DIGITS: usize = 32;

/// The place of one archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    pub source: Slug,
    pub part: Part,
    pub id: ArchiveId,
}

impl Address {
    /// The folder of one part of a source. `@globals` cannot be a database: `@` is escaped there.
    fn folder(&self) -> String {
        let part = match &self.part {
            Part::Globals => "@globals".to_owned(),
            Part::Database(name) => escape(name.as_str()),
        };
        format!("{}/{part}", self.source)
    }

    fn file(&self, suffix: &str) -> Result<Key, KeyError> {
        Key::new(&format!("{}/{}{suffix}", self.folder(), self.id))
    }

    /// The payload; its chain of extensions is the restore recipe read backwards.
    ///
    /// # Errors
    /// Never for an extension of the engines' tables.
    pub fn payload(
        &self,
        extension: &str,
        codec: Codec,
        recipients: &Recipients,
    ) -> Result<Key, KeyError> {
        let codec = match codec {
            Codec::Zstd(_) => ".zst",
            Codec::Gzip(_) => ".gz",
            Codec::None => "",
        };
        self.file(&format!(".{extension}{codec}{}", recipients.scheme().extension()))
    }

    /// # Errors
    /// Never: every part of an address is escaped.
    pub fn manifest(&self) -> Result<Key, KeyError> {
        self.file(MANIFEST)
    }

    /// The manifest's signature, where `minisign` looks for it.
    ///
    /// # Errors
    /// Never: every part of an address is escaped.
    pub fn signature(&self) -> Result<Key, KeyError> {
        self.file(SIGNATURE)
    }

    /// # Errors
    /// Never: every part of an address is escaped.
    pub fn proof(&self) -> Result<Key, KeyError> {
        self.file(PROOF)
    }
}

/// The name of a payload that is written anew for other recipients: the old one's, with something random
/// in it, because two names are never to be one.
pub(super) fn rekeyed(manifest: &Manifest, to: Scheme, random: u64) -> String {
    let id = manifest.id.as_str();
    let chain = manifest.payload[id.len()..].trim_start_matches('.');
    let chain = match chain.split_once('.') {
        Some((first, rest)) if is_rekeying(first) => rest,
        _ => chain,
    };
    let before = Scheme::of(&manifest.recipients).extension();
    let chain = chain.strip_suffix(before).unwrap_or(chain);
    format!("{id}.r{:08x}.{chain}{}", random >> 32, to.extension())
}

/// Whether a part of a payload's name says that it was rekeyed.
fn is_rekeying(part: &str) -> bool {
    let digits = part.strip_prefix('r').unwrap_or_default();
    digits.len() == 8 && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
}

/// The manifest beside a payload, signature or proof.
pub(super) fn manifest_beside(key: &Key) -> Option<Key> {
    let (_, id) = role(key);
    key.sibling(&format!("{}{MANIFEST}", id?)).ok()
}

/// What a key in a store is to us.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Role {
    Manifest,
    Signature,
    Proof,
    Payload,
    /// Not one of our files.
    Foreign,
}

/// Tells our files from foreign ones: three components, and a name that begins with an archive's id.
pub(super) fn role(key: &Key) -> (Role, Option<ArchiveId>) {
    let name = key.file_name();
    let id: Option<ArchiveId> = name.split('.').next().and_then(|id| id.parse().ok());
    let deep = key.as_str().split('/').count() == 3;
    let role = match &id {
        Some(id) if deep => match &name[id.as_str().len()..] {
            MANIFEST => Role::Manifest,
            SIGNATURE => Role::Signature,
            PROOF => Role::Proof,
            "" => Role::Foreign,
            _ => Role::Payload,
        },
        _ => Role::Foreign,
    };
    (role, id)
}

/// Escapes everything but letters, digits, `_`, `-` and inner dots, byte by byte, as URLs do. What a file
/// system would find too long is cut, with a digest of the whole name behind it. Two different names
/// never become one.
fn escape(name: &str) -> String {
    let mut escaped = String::new();
    for (at, byte) in name.bytes().enumerate() {
        let plain = byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if plain || (byte == b'.' && at > 0) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    if escaped.len() > LONGEST {
        let digest = digest(name.as_bytes()).to_string();
        escaped.truncate(LONGEST - 1 - DIGITS);
        escaped = format!("{escaped}~{}", &digest[..DIGITS]);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_database_name_leaves_its_folder() {
        for (name, expected) in [
            ("orders", "orders"),
            ("..", "%2E."),
            ("../../etc", "%2E.%2F..%2Fetc"),
            ("@globals", "%40globals"),
            ("a b/$(id)", "a%20b%2F%24%28id%29"),
            ("ä", "%C3%A4"),
            ("%2F", "%252F"),
        ] {
            assert_eq!(escape(name), expected);
            let address = Address {
                source: "shop".parse().unwrap(),
                part: Part::Database(name.parse().unwrap()),
                id: "20261120T030000Z-01jd8abcde".parse().unwrap(),
            };
            let key = address.payload("pgdump", Codec::Zstd(3), &Recipients::default()).unwrap();
            assert_eq!(key.as_str().split('/').count(), 3, "{key}");
            assert_eq!(role(&key).0, Role::Payload);
            assert_eq!(role(&address.manifest().unwrap()).0, Role::Manifest);
            assert_eq!(role(&address.signature().unwrap()).0, Role::Signature);
        }
        let longest = "/".repeat(crate::model::name::LONGEST_DATABASE);
        assert_eq!(escape(&longest).len(), LONGEST);
        assert_ne!(escape(&longest), escape(&longest[1..]));
    }

    #[test]
    fn foreign_files_stay_foreign() {
        for name in [
            "notes.txt",
            "shop/orders/notes.txt",
            "a/20261120T030000Z-01jd8abcde.pgdump",
            "a/b/c/d",
        ] {
            assert_eq!(role(&Key::new(name).unwrap()).0, Role::Foreign, "{name}");
        }
    }
}
