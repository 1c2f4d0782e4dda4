//! A census: everything that a database has, as one line for each thing. Two of the same database are
//! equal, and where they are not, they say what differs.
//!
//! What is counted, and how it is asked, each engine knows.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// What a thing is called (`index public.orders_pkey`, `rows public.orders`), and what is known of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Census(BTreeMap<String, String>);

/// One thing in which a restored database is not the one that was dumped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub thing: String,
    /// `None`: it was not there.
    pub expected: Option<String>,
    pub found: Option<String>,
}

impl Census {
    /// Only what both say alike: what was so all the time between them.
    #[must_use]
    pub fn settled(mut self, later: &Self) -> Self {
        self.0.retain(|thing, known| later.0.get(thing) == Some(known));
        self
    }

    /// Only the things that are asked for.
    #[must_use]
    pub fn only(mut self, wanted: impl Fn(&str) -> bool) -> Self {
        self.0.retain(|thing, _| wanted(thing));
        self
    }

    /// Whether it knows of a thing.
    pub fn has(&self, thing: &str) -> bool {
        self.0.contains_key(thing)
    }

    /// Whether it knows what is in the rows.
    pub fn tells_contents(&self) -> bool {
        let mut rows = self.0.iter().filter(|(thing, _)| thing.starts_with("rows "));
        rows.any(|(_, known)| known.contains(", sum "))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Everything that must be there and is not, or is otherwise. What is there besides is no
    /// difference: an image may bring things of its own into every new database.
    pub fn missing_in(&self, found: &Self) -> Vec<Difference> {
        let differ = self.0.iter().filter(|(thing, known)| found.0.get(*thing) != Some(known));
        let difference = |(thing, known): (&String, &String)| Difference {
            thing: thing.clone(),
            expected: Some(known.clone()),
            found: found.0.get(thing).cloned(),
        };
        differ.map(difference).collect()
    }
}

impl FromIterator<(String, String)> for Census {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(things: T) -> Self {
        Self(things.into_iter().collect())
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { thing, expected, found } = self;
        match (expected, found) {
            (_, None) => write!(f, "{thing} is missing"),
            (Some(expected), Some(found)) if !expected.is_empty() => {
                write!(f, "{thing} is `{found}`, not `{expected}`")
            }
            (_, Some(_)) => write!(f, "{thing} is another"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn census(things: &[(&str, &str)]) -> Census {
        things.iter().map(|(thing, known)| ((*thing).to_owned(), (*known).to_owned())).collect()
    }

    #[test]
    fn a_difference_says_what_is_wrong() {
        let dumped = census(&[("rows a", "3"), ("index i", "btree"), ("view v", "")]);
        assert_eq!(dumped.missing_in(&dumped), []);
        let restored = census(&[("rows a", "2"), ("view v", ""), ("view more", "")]);
        let said: Vec<String> =
            dumped.missing_in(&restored).iter().map(ToString::to_string).collect();
        assert_eq!(said, ["index i is missing", "rows a is `2`, not `3`"]);
    }

    #[test]
    fn what_changed_meanwhile_is_not_settled() {
        let before = census(&[("rows a", "3"), ("rows b", "7"), ("view v", "")]);
        let after = census(&[("rows a", "4"), ("rows b", "7")]);
        assert_eq!(before.settled(&after), census(&[("rows b", "7")]));
    }
}
