//! What a row of the label table is: a key with what it expects, its default, examples and its
//! reader.
//!
//! The parser, the help, the README's table, the editor schema and the suite's cases come from the
//! rows in `rows.rs`.

use super::read::Draft;
use crate::settings::Policy;

/// One key.
#[derive(Debug)]
pub struct Label {
    /// Without the prefix.
    pub key: &'static str,
    pub expects: &'static str,
    pub default: &'static str,
    pub about: &'static str,
    /// Values that are right.
    pub examples: &'static [&'static str],
    /// Values that are nearly right.
    pub mistakes: &'static [&'static str],
    /// What an editor can check.
    pub shape: Shape,
    /// Whether a wrong value may be a secret and is never repeated.
    pub secret: bool,
    /// Whether the operator sets its default: `defaults.<label>` in the settings.
    pub has_default: bool,
    pub(super) read: Reader,
}

/// Reads a value into a draft, within what the operator's policy lets labels say.
pub(super) type Reader = fn(&mut Draft, &str, &Policy) -> Result<(), String>;

/// What an editor can check of a value. It lets through whatever the parser takes, and more.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    Text,
    OneOf(&'static [&'static str]),
    /// One of the engines' names.
    Engine,
    /// A regular expression that JavaScript reads as well.
    Pattern(&'static str),
}

/// What most rows have in common.
pub(super) const ROW: Label = Label {
    key: "",
    expects: "",
    default: "none",
    about: "",
    examples: &[],
    mistakes: &[],
    shape: Shape::Text,
    secret: false,
    has_default: false,
    read: |_, _, _| Ok(()),
};
