//! Keys: relative paths that cannot leave a store's root.

use std::fmt;

/// The longest component; file systems allow 255 bytes, and a temporary name needs a few more.
const LONGEST: usize = 240;

/// A path of plain components, separated by `/`. No component is empty, begins with a dot, or
/// holds anything but ASCII letters, digits and `.`, `_`, `-`, `%`, `@`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

/// A text that is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no key of a store")]
pub struct KeyError(String);

impl Key {
    /// # Errors
    /// [`KeyError`] if the path could lead anywhere but below the root.
    pub fn new(path: &str) -> Result<Self, KeyError> {
        if path.split('/').all(is_component) {
            Ok(Self(path.to_owned()))
        } else {
            Err(KeyError(path.to_owned()))
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The key of another file in the same folder.
    ///
    /// # Errors
    /// [`KeyError`] if `name` is no component.
    pub fn sibling(&self, name: &str) -> Result<Self, KeyError> {
        match self.0.rsplit_once('/') {
            Some((folder, _)) => Self::new(&format!("{folder}/{name}")),
            None => Self::new(name),
        }
    }
}

fn is_component(component: &str) -> bool {
    let allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'%' | b'@');
    !component.is_empty()
        && component.len() <= LONGEST
        && !component.starts_with('.')
        && component.bytes().all(allowed)
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_never_leaves_the_root() {
        for good in ["a", "shop/orders/20261120T030000Z-x.pgdump.zst", "a/%2E%2E/@globals"] {
            assert!(Key::new(good).is_ok(), "{good}");
        }
        for bad in [
            "", "/", "/etc", "a//b", "a/", "..", "a/../b", ".hidden", "a\\b", "a b", "a\n", "a\0",
            "ä",
        ] {
            assert!(Key::new(bad).is_err(), "{bad:?}");
        }
    }
}
