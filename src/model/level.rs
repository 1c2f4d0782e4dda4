//! How much is proven of an archive. What is done for each level is known in `job/`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A level of proof, the weakest first. Each includes those before it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The stored bytes were read back and hash to the manifest.
    #[default]
    Stored,
    /// They were decrypted and decompressed, and are a whole dump: the one that was made.
    Deep,
    /// The dump was restored into a throwaway container, and what is in it was compared.
    Drill,
}

impl Level {
    pub const ALL: [Self; 3] = [Self::Stored, Self::Deep, Self::Drill];
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stored => "stored",
            Self::Deep => "deep",
            Self::Drill => "drill",
        })
    }
}

impl FromStr for Level {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|level| level.to_string() == text);
        found.ok_or("it is no level of proof")
    }
}
