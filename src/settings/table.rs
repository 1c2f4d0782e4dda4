//! What a row of the settings table is: a key with what it expects, its default, examples and its
//! reader. The parser, the README's table, the JSON Schema and the suite's cases come from the rows
//! in `rows.rs`.

use super::given::Given;
use super::{SecretSource, Settings, engines, rows};
use crate::model::Slug;

/// Where settings are explained.
pub(super) const REFERENCE: &str = "README.md#settings";

/// Every setting.
pub static SETTINGS: &[Setting] = &joined::<{ rows::ROWS.len() + engines::ROWS.len() }>();

/// The rows are in two files, because a file has an end.
const fn joined<const ALL: usize>() -> [Setting; ALL] {
    let mut all = [rows::ROWS[0]; ALL];
    let mut at = 0;
    while at < ALL {
        let first = rows::ROWS.len();
        all[at] = if at < first { rows::ROWS[at] } else { engines::ROWS[at - first] };
        at += 1;
    }
    all
}

/// One key.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Parts in angle brackets stand for any name: `stores.<name>.url`.
    pub key: &'static str,
    pub expects: &'static str,
    pub default: &'static str,
    pub about: &'static str,
    /// Values that are right.
    pub examples: &'static [&'static str],
    /// Values that are nearly right.
    pub mistakes: &'static [&'static str],
    /// What the value looks like in a file.
    pub shape: Shape,
    /// Whether a wrong value may be a secret and is never repeated.
    pub secret: bool,
    pub(super) reader: Reader,
}

/// What a value looks like in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Text,
    Flag,
    List,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Reader {
    Plain(fn(&mut Settings, &[Slug], &Given) -> Result<(), String>),
    /// Also given as `<key>_file`: the path of a file that holds it.
    Secret(fn(&mut Settings, SecretSource)),
}

impl Setting {
    /// Whether the value itself is a secret, so that `<key>_file` may name where it is.
    pub fn is_secret(&self) -> bool {
        matches!(self.reader, Reader::Secret(_))
    }

    /// Whether the key has a name in it that people choose.
    pub fn is_named(&self) -> bool {
        self.key.contains('<')
    }

    /// Whether a key is this setting's.
    pub(super) fn takes(&self, key: &str) -> bool {
        let key: Vec<String> = key.split('.').map(str::to_owned).collect();
        find(&key).is_some_and(|(setting, _)| setting.key == self.key)
    }

    /// Whether a key names the file that holds this secret.
    pub(super) fn is_file(&self, key: &str) -> bool {
        self.is_secret() && key.strip_suffix("_file") == Some(self.key)
    }

    /// The names that a key has in the places of this setting's angle brackets; `None`: another key.
    fn names<'a>(&self, key: &'a [String]) -> Option<Vec<&'a str>> {
        let own: Vec<&str> = self.key.split('.').collect();
        // A label has dots of its own.
        let open = own.last() == Some(&"<label>");
        if own.len() != key.len() && !(open && key.len() > own.len()) {
            return None;
        }
        let mut names = Vec::new();
        for (own, given) in own.into_iter().zip(key) {
            match own.starts_with('<') {
                true => names.push(given.as_str()),
                false if own == given => {}
                false => return None,
            }
        }
        Some(names)
    }
}

/// The row of a key, and the names in it.
pub(super) fn find(key: &[String]) -> Option<(&'static Setting, Vec<&str>)> {
    SETTINGS.iter().find_map(|setting| {
        let file = || setting.is_file(&key.join(".")).then(Vec::new);
        Some((setting, setting.names(key).or_else(file)?))
    })
}
