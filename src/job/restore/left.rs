//! What restores that were killed have left on the server: by the names that only a restore gives. They
//! are removed by the next restore of the same database, if nobody is connected, and never silently.

use super::Prepared;
use crate::job::JobError;
use crate::model::DatabaseName;

/// What is in the name of a database that is being filled, and of one that gave way.
const FILLED: &str = "_ringbolt_";
const OLD: &str = "_ringbolt_old_";
/// Hexadecimal digits behind it.
const DIGITS: usize = 8;

/// A database that a dead restore left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    pub name: DatabaseName,
    /// Whether it goes before anything else is done. Else somebody is connected, or it is all there is.
    pub removed: bool,
    /// How many are connected; empty where the engine cannot tell.
    pub users: String,
}

/// A name for a database that is being filled: recognisable, unique, and short enough.
pub(in crate::job) fn staged_name(
    name: &DatabaseName,
    longest: usize,
    random: u64,
) -> DatabaseName {
    with(name, &format!("{FILLED}{:08x}", random >> 32), longest)
}

/// A name for a database that gave way.
pub(super) fn old_name(name: &DatabaseName, longest: usize, random: u64) -> DatabaseName {
    with(name, &format!("{OLD}{:08x}", random >> 32), longest)
}

fn with(name: &DatabaseName, suffix: &str, longest: usize) -> DatabaseName {
    let mut stem = name.as_str();
    while stem.len() + suffix.len() > longest {
        let mut characters = stem.chars();
        characters.next_back();
        stem = characters.as_str();
    }
    format!("{stem}{suffix}").parse().expect("a shortened name with a plain suffix is a name")
}

/// Whether only a restore gives such a name.
pub fn is_leftover(name: &DatabaseName) -> bool {
    stem(name.as_str()).is_some()
}

/// What is before the part that only a restore gives, and that part.
fn stem(name: &str) -> Option<(&str, &str)> {
    let digits = name.len().checked_sub(DIGITS)?;
    let (head, tail) = (name.get(..digits)?, name.get(digits..)?);
    let hexadecimal = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if !tail.bytes().all(hexadecimal) {
        return None;
    }
    let stem = head.strip_suffix(OLD).or_else(|| head.strip_suffix(FILLED))?;
    Some((stem, &name[stem.len()..]))
}

/// Whether a restore of this database could have left that one.
fn left_by(name: &DatabaseName, found: &DatabaseName, longest: usize) -> bool {
    stem(found.as_str()).is_some_and(|(_, suffix)| with(name, suffix, longest) == *found)
}

impl Prepared {
    /// What dead restores of this database left.
    pub(super) async fn find_leftovers(
        &self,
        name: &DatabaseName,
    ) -> Result<Vec<Leftover>, JobError> {
        let Some(longest) = self.engine().card().renames else { return Ok(Vec::new()) };
        let all = self.session.server.databases.iter().map(|database| &database.name);
        let mut found = Vec::new();
        for own in all.filter(|found| left_by(name, found, longest)) {
            let users = match self.engine().leftover(&self.access(), own) {
                Some(leftover) => self.count(&leftover.users).await?,
                None => String::new(),
            };
            // What gave way is only spare as long as something took its place.
            let spare = !own.as_str().contains(OLD) || self.there(name).is_some();
            found.push(Leftover { name: own.clone(), removed: spare && users == "0", users });
        }
        Ok(found)
    }

    pub(super) async fn remove_leftovers(&self) -> Result<(), JobError> {
        for leftover in self.plan.leftovers.iter().filter(|leftover| leftover.removed) {
            let Some(own) = self.engine().leftover(&self.access(), &leftover.name) else {
                continue;
            };
            self.answer(&own.remove).await?;
            self.step(format!("removed `{}`, which a dead restore had left", leftover.name));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_restore_named_is_left_by_one() {
        let name = |text: &str| text.parse::<DatabaseName>().unwrap();
        let long = name(&"ä".repeat(31));
        for own in [name("shop"), name("a_ringbolt_12345678"), long] {
            for found in [staged_name(&own, 63, u64::MAX), old_name(&own, 63, 7)] {
                assert!(found.as_str().len() <= 63 && is_leftover(&found), "{found}");
                assert!(left_by(&own, &found, 63), "{found}");
                assert!(!left_by(&name("shop2"), &found, 63), "{found}");
            }
        }
        for other in ["shop", "shop_ringbolt_", "shop_ringbolt_1234567", "shop_ringbolt_1234567g"] {
            assert!(!is_leftover(&name(other)), "{other}");
        }
        assert!(!left_by(&name("sho"), &name("shop_ringbolt_12345678"), 63));
    }
}
