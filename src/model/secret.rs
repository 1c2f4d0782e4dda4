//! Secrets: a value that cannot be printed, and the reference under which it is found.
//!
//! Who may resolve a reference, and where, is the transport's business.

use std::fmt;
use std::str::FromStr;

use zeroize::Zeroizing;

/// A secret's value. It has no `Display`, no `Serialize`, a blind `Debug`, and is wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    pub fn new(value: String) -> Self {
        Self(Zeroizing::new(value))
    }

    /// Without the line break that ends a file.
    #[must_use]
    pub fn line(&self) -> Self {
        let text = self.0.strip_suffix('\n').unwrap_or(&self.0);
        Self::new(text.strip_suffix('\r').unwrap_or(text).to_owned())
    }

    /// Hands the value to the one place that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Where a secret is found. The reference is no secret: it may be logged and stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretRef {
    /// A variable of the target container's own environment.
    Env(String),
    /// A file inside the target container, by absolute path.
    File(String),
    /// A file in the sidecar's own secrets directory, by name.
    Sidecar(super::Slug),
    /// The value itself, where the operator lets labels hold one.
    Literal(Secret),
}

impl FromStr for SecretRef {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let variable = |name: &str| {
            !name.is_empty()
                && !name.starts_with(|c: char| c.is_ascii_digit())
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        match text.split_once(':') {
            Some(("env", name)) if variable(name) => Ok(Self::Env(name.to_owned())),
            Some(("env", _)) => Err("`env:` takes the name of a variable"),
            Some(("file", path)) if path.starts_with('/') && !path.contains(char::is_control) => {
                Ok(Self::File(path.to_owned()))
            }
            Some(("file", _)) => Err("`file:` takes an absolute path"),
            Some(("secret", name)) => {
                name.parse().map(Self::Sidecar).map_err(|_| "`secret:` takes the name of a secret")
            }
            _ => Err("a literal is refused"),
        }
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{path}"),
            Self::Sidecar(name) => write!(f, "secret:{name}"),
            Self::Literal(_) => f.write_str("literal"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print() {
        let secret = Secret::new("hunter2".to_owned());
        assert_eq!(format!("{secret:?}"), "Secret(…)");
    }

    #[test]
    fn references_read_back() {
        for text in ["env:POSTGRES_PASSWORD", "file:/run/secrets/db", "secret:db"] {
            assert_eq!(text.parse::<SecretRef>().unwrap().to_string(), text);
        }
        for text in ["hunter2", "env:", "env:1A", "env:A B", "file:x", "secret:../x", "literal:x"] {
            assert!(text.parse::<SecretRef>().is_err(), "{text}");
        }
    }
}
