//! A problem: something a person wrote that cannot be followed, with all they need to mend it.

use std::fmt;

use serde::Serialize;

/// One fault in a label or a setting. A workload with a problem is labelled but unprotected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The container, or the origin of a setting.
    pub place: String,
    /// The whole key, with its prefix; `None` when no single key is at fault.
    pub key: Option<String>,
    /// What was written. Left out where it may be a secret.
    pub value: Option<String>,
    /// What is wrong and what was expected.
    pub message: String,
    /// The nearest thing that would be right.
    pub suggestion: Option<String>,
    /// Where it is explained: a command, or a place in the documentation.
    pub see: Option<String>,
}

impl Problem {
    pub fn new(place: &str, message: impl Into<String>) -> Self {
        let (place, message) = (place.to_owned(), message.into());
        Self { place, key: None, value: None, message, suggestion: None, see: None }
    }

    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    #[must_use]
    pub fn value(mut self, value: impl Into<String>) -> Self {
        self.value = Some(value.into());
        self
    }

    #[must_use]
    pub fn suggest(mut self, suggestion: Option<impl Into<String>>) -> Self {
        self.suggestion = suggestion.map(Into::into);
        self
    }

    #[must_use]
    pub fn see(mut self, place: impl Into<String>) -> Self {
        self.see = Some(place.into());
        self
    }
}

/// The known word nearest to a mistyped one.
pub fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // Longer than any key with a typo; the distance of a hostile text is not worth its time.
    if word.len() > 64 {
        return None;
    }
    known
        .map(|candidate| (strsim::damerau_levenshtein(&word.to_lowercase(), candidate), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len().div_ceil(3).min(3))
        .min()
        .map(|(_, candidate)| candidate)
}

/// A value is shown escaped and shortened: it is hostile until proven otherwise.
fn shown(value: &str) -> String {
    const LONGEST: usize = 80;
    let escaped = value.escape_debug().to_string();
    match escaped.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &escaped[..end]),
        None => escaped,
    }
}

/// Our own text may repeat a part of theirs: what does not print, or turns a line around, is escaped
/// here, so that no label steers a terminal or forges a line of a log.
fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            // A quote or a backslash is as we wrote it.
            ' '..='~' => printable.push(character),
            _ => printable.extend(character.escape_debug()),
        }
    }
    printable
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", printable(&self.place))?;
        if let Some(key) = &self.key {
            write!(f, "`{}", shown(key))?;
            if let Some(value) = &self.value {
                write!(f, "={}", shown(value))?;
            }
            f.write_str("`: ")?;
        }
        f.write_str(&printable(&self.message))?;
        if let Some(suggestion) = &self.suggestion {
            write!(f, "; did you mean `{}`?", printable(suggestion))?;
        }
        match &self.see {
            Some(place) => write!(f, " (see {})", printable(place)),
            None => Ok(()),
        }
    }
}
