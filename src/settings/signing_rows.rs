//! The settings about signatures: rows of the table in `rows.rs`. What a key is worth is known where manifests are
//! signed.

use super::rows::ROW;
use super::table::{Reader, Setting, Shape};

pub(super) const KEY: Setting = Setting {
    key: "signing.key",
    expects: "the text of a minisign secret key without a password; better `signing.key_file`, its path",
    default: "none: manifests are not signed",
    about: "Signs the manifest of every archive. `ringbolt keygen --signing` makes one.",
    examples: &["untrusted comment: …"],
    secret: true,
    reader: Reader::Secret(|settings, source| settings.signing.key = Some(source)),
    ..ROW
};

pub(super) const PUBLIC_KEYS: Setting = Setting {
    key: "signing.public_keys",
    expects: "a list of minisign public keys: `RW…`",
    default: "none: no signature is demanded",
    about: "One of these must have signed an archive, or it is refused.",
    examples: &["RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"],
    mistakes: &["hunter2", "age1qqq"],
    shape: Shape::List,
    reader: Reader::Plain(|settings, _, given| {
        let list = given.list()?;
        // Whether a signature can be checked with it is known elsewhere; here anything else is kept out.
        match list.iter().position(|key| !key.starts_with("RW")) {
            None => settings.signing.public_keys = list,
            Some(at) => return Err(format!("entry {} is no public key", at + 1)),
        }
        Ok(())
    }),
    ..ROW
};
