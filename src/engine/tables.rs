//! Single tables out of a dump: what an engine that can do it answers.

use super::{Access, Invalid};
use crate::model::{Command, DatabaseName, TableRows};

/// What an engine does to restore some tables of a database and not the others.
pub trait Tables {
    /// A reader of what is in a dump, for a format that says so before its data. `None`: it does not.
    fn contents(&self, format: &str) -> Option<Box<dyn Contents>>;

    /// What comes back with a table and what does not, in a line for people.
    fn about(&self) -> &'static str;

    /// Counts what has the table's name in a database: 0, or there is something.
    fn count(&self, access: &Access, database: &DatabaseName, table: &TableRows) -> Command;

    /// Reads the whole dump on its input and restores what was chosen of it, all or nothing.
    fn load(&self, access: &Access, database: &DatabaseName, chosen: &[i64]) -> Command;
}

/// Reads the beginning of a dump, which says what is in it.
pub trait Contents: Send {
    /// Takes the next piece. `true`: all of it is known now.
    ///
    /// # Errors
    /// [`Invalid`] if this is no such dump.
    fn take(&mut self, piece: &[u8]) -> Result<bool, Invalid>;

    /// The numbers of what belongs to these tables, in the dump's order. `alone`: they go into a new
    /// database, so what they need comes with them.
    fn choose(&self, tables: &[TableRows], alone: bool) -> Vec<i64>;
}
