//! The tables, and how a file of any earlier version gets them.
//!
//! `PRAGMA user_version` counts the steps that a file has behind it.

use rusqlite::{Connection, Transaction, TransactionBehavior};

/// Every step since the first version, in order. A released one is never changed: files that have it
/// behind them do not take it again.
const STEPS: &[&str] = &[include_str!("schema/1.sql"), include_str!("schema/2.sql")];

/// What is beside a file's version.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// Nothing was ever written to it.
    Empty,
    Older(i64),
    Current,
    Newer(i64),
    /// It has tables and no version of ours.
    Foreign,
}

/// The version that this Ringbolt reads and writes.
pub(super) fn known() -> i64 {
    count(STEPS)
}

pub(super) fn version(connection: &Connection) -> rusqlite::Result<Version> {
    let found = user_version(connection)?;
    let tables: i64 =
        connection.query_one("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0))?;
    Ok(match found {
        0 if tables == 0 => Version::Empty,
        // SQLite lets everybody write a number there, also one below zero.
        ..=0 => Version::Foreign,
        found if found > known() => Version::Newer(found),
        found if found < known() => Version::Older(found),
        _ => Version::Current,
    })
}

/// Takes the steps that a file has not behind it: all of them, or none.
pub(super) fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    take(connection, STEPS)
}

/// What is wrong with the tables, if they are not those of [`STEPS`].
pub(super) fn difference(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let mut fresh = Connection::open_in_memory()?;
    migrate(&mut fresh)?;
    let (expected, found) = (tables(&fresh)?, tables(connection)?);
    let lost = expected.iter().find(|table| !found.contains(table));
    let added = found.iter().find(|table| !expected.contains(table));
    Ok(match (lost, added) {
        (Some((name, _)), _) => Some(format!("`{name}` is not as it was made")),
        (None, Some((name, _))) => Some(format!("`{name}` is not ours")),
        (None, None) => None,
    })
}

fn take(connection: &mut Connection, steps: &[&str]) -> rusqlite::Result<()> {
    let transaction = Transaction::new(connection, TransactionBehavior::Immediate)?;
    let behind = usize::try_from(user_version(&transaction)?).unwrap_or_default();
    for step in steps.iter().skip(behind) {
        transaction.execute_batch(step)?;
    }
    if behind < steps.len() {
        transaction.pragma_update(None, "user_version", count(steps))?;
    }
    transaction.commit()
}

fn user_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_one("PRAGMA user_version", (), |row| row.get(0))
}

/// Names and definitions; SQLite's own (`sqlite_sequence`) are its own business.
fn tables(connection: &Connection) -> rusqlite::Result<Vec<(String, Option<String>)>> {
    let sql = "SELECT name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

fn count(steps: &[&str]) -> i64 {
    i64::try_from(steps.len()).expect("nobody takes that many steps")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEEN: &str = "INSERT INTO source (source, first_seen) VALUES ('shop', 5)";

    fn first_seen(connection: &Connection) -> i64 {
        connection.query_one("SELECT first_seen FROM source", (), |row| row.get(0)).unwrap()
    }

    #[test]
    fn every_version_becomes_the_newest() {
        for behind in 0..=STEPS.len() {
            let mut connection = Connection::open_in_memory().unwrap();
            take(&mut connection, &STEPS[..behind]).unwrap();
            let expected = match behind {
                0 => Version::Empty,
                _ if behind == STEPS.len() => Version::Current,
                _ => Version::Older(count(&STEPS[..behind])),
            };
            assert_eq!(version(&connection).unwrap(), expected);
            for _ in 0..2 {
                migrate(&mut connection).unwrap();
                assert_eq!(version(&connection).unwrap(), Version::Current);
                assert_eq!(difference(&connection).unwrap(), None);
            }
        }
    }

    #[test]
    fn a_step_keeps_what_is_remembered() {
        let mut connection = Connection::open_in_memory().unwrap();
        take(&mut connection, &STEPS[..1]).unwrap();
        connection.execute_batch(SEEN).unwrap();
        let steps = [STEPS[0], "ALTER TABLE source ADD COLUMN color TEXT NOT NULL DEFAULT 'red'"];
        take(&mut connection, &steps).unwrap();
        assert_eq!(user_version(&connection).unwrap(), 2);
        assert_eq!(first_seen(&connection), 5);
        let color: String =
            connection.query_one("SELECT color FROM source", (), |row| row.get(0)).unwrap();
        assert_eq!(color, "red");
    }

    #[test]
    fn a_step_that_fails_changes_nothing() {
        let mut connection = Connection::open_in_memory().unwrap();
        take(&mut connection, &STEPS[..1]).unwrap();
        connection.execute_batch(SEEN).unwrap();
        let steps = [STEPS[0], "DELETE FROM source; CREATE TABLE source (nothing)"];
        take(&mut connection, &steps).unwrap_err();
        assert_eq!(user_version(&connection).unwrap(), 1);
        assert_eq!(first_seen(&connection), 5);
    }

    #[test]
    fn other_tables_are_told() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE theirs (x)").unwrap();
        assert_eq!(version(&connection).unwrap(), Version::Foreign);
        connection.execute_batch("DROP TABLE theirs").unwrap();
        migrate(&mut connection).unwrap();
        connection.execute_batch("CREATE TABLE theirs (x)").unwrap();
        assert_eq!(difference(&connection).unwrap().as_deref(), Some("`theirs` is not ours"));
        connection.execute_batch("DROP TABLE theirs; DROP TABLE alarm").unwrap();
        let found = difference(&connection).unwrap().unwrap();
        assert!(found.contains("is not as it was made"), "{found}");
        connection.pragma_update(None, "user_version", known() + 1).unwrap();
        assert_eq!(version(&connection).unwrap(), Version::Newer(known() + 1));
    }
}
