//! What is counted of files: by the helper that writes them, in the tar, and by the helper that has
//! restored them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::engine::Invalid;
use crate::engine::tar::Kind;
use crate::model::Facts;

/// Numbers of entries by their kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    pub files: u64,
    pub folders: u64,
    /// Hard ones, beside the first name of each file, and symbolic ones.
    pub links: u64,
    /// Fifos and devices.
    pub special: u64,
    /// Of all files, holes included.
    pub bytes: u64,
}

impl Tally {
    pub fn add(&mut self, kind: &Kind) {
        let number = match kind {
            Kind::File { bytes } | Kind::Sparse { bytes, .. } => {
                self.bytes = self.bytes.saturating_add(*bytes);
                &mut self.files
            }
            Kind::Folder => &mut self.folders,
            Kind::HardLink { .. } | Kind::SymbolicLink { .. } => &mut self.links,
            Kind::Fifo | Kind::CharacterDevice { .. } | Kind::BlockDevice { .. } => {
                &mut self.special
            }
        };
        *number += 1;
    }

    /// The remark at the end of a tar.
    pub fn remark(&self) -> String {
        let Self { files, folders, links, special, bytes } = self;
        format!(
            "ringbolt: {files} files of {bytes} bytes, {folders} folders, {links} links, {special} special files"
        )
    }

    /// Whether a tar's last remark says of it what was counted in it.
    ///
    /// # Errors
    /// [`Invalid::Cut`] if not.
    pub fn check(&self, said: Option<&str>) -> Result<(), Invalid> {
        let own = self.remark();
        // The path itself is always an entry, unless it went away before it was read.
        if self.files + self.folders + self.links + self.special == 0 {
            return Err(Invalid::Cut("nothing is in it".to_owned()));
        }
        match said {
            Some(said) if said == own => Ok(()),
            Some(said) => Err(Invalid::Cut(format!("it says `{said}` and holds `{own}`"))),
            None => Err(Invalid::Cut("it does not say what must be in it".to_owned())),
        }
    }

    pub fn facts(&self) -> Facts {
        let Self { files, folders, links, special, bytes } = *self;
        let numbers = [
            ("bytes", bytes),
            ("files", files),
            ("folders", folders),
            ("links", links),
            ("special files", special),
        ];
        let counts = numbers.map(|(what, number)| (what.to_owned(), number));
        Facts { counts: BTreeMap::from(counts), ..Facts::default() }
    }
}
