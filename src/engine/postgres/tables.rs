//! Single tables of a dump in the custom format: by a list of its entries, which `pg_restore` takes.
//!
//! Its own `--table` leaves out indexes, constraints, defaults and sequences, so the list is made here.

use super::custom::CustomContents;
use super::sql::literal;
use super::{Postgres, ask, connect, dbname};
use crate::engine::{Access, Contents, Tables};
use crate::model::{Command, DatabaseName, TableRows};

impl Tables for Postgres {
    fn contents(&self, format: &str) -> Option<Box<dyn Contents>> {
        (format == "custom").then(|| Box::<CustomContents>::default() as Box<dyn Contents>)
    }

    fn about(&self) -> &'static str {
        "with its rows, defaults, sequences, indexes, checks, primary and unique keys, policies, comments \
         and privileges; without foreign keys, triggers and rules"
    }

    fn count(&self, access: &Access, database: &DatabaseName, table: &TableRows) -> Command {
        let (schema, name) = (literal(&table.schema), literal(&table.table));
        let question = format!(
            "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE n.nspname = {schema} AND c.relname = {name};\n"
        );
        ask(access, database.as_str(), &question)
    }

    fn load(&self, access: &Access, database: &DatabaseName, chosen: &[i64]) -> Command {
        let list: Vec<String> = chosen.iter().map(ToString::to_string).collect();
        let script = Command::script("pg_restore", include_str!("tables.sh")).arg(list.join("\n"));
        connect(script, access).arg("--single-transaction").arg(dbname(database.as_str()))
    }
}
