//! The table of contents of a dump in the custom format, by itself: which of its entries belong to a
//! table, and which of them that table needs. How an entry reads is known in `custom.rs`.

use std::collections::{BTreeMap, BTreeSet};

use super::{Cursor, Header, Listed, Stop};
use crate::engine::{Contents, Invalid};
use crate::model::TableRows;

/// What belongs to a table if it hangs on it, or on something that does. Foreign keys, triggers and rules
/// do not: they reach for other tables and for functions, which need not be there.
const BELONGS: [&str; 13] = [
    "TABLE DATA",
    "DEFAULT",
    "CONSTRAINT",
    "CHECK CONSTRAINT",
    "INDEX",
    "STATISTICS",
    "SEQUENCE",
    "SEQUENCE OWNED BY",
    "SEQUENCE SET",
    "ROW SECURITY",
    "POLICY",
    "COMMENT",
    "ACL",
];

/// What of a table is there before it, and would not be without it.
const BEFORE: [&str; 1] = ["SEQUENCE"];

/// A dump's table of contents, so far.
#[derive(Debug, Default)]
pub(in crate::engine::postgres) struct CustomContents {
    /// Bytes that do not yet make a whole entry.
    pending: Vec<u8>,
    header: Header,
    /// How many entries are still to come; `None`: the head is.
    left: Option<i64>,
    entries: Vec<Listed>,
}

impl Contents for CustomContents {
    fn take(&mut self, piece: &[u8]) -> Result<bool, Invalid> {
        self.pending.extend_from_slice(piece);
        let mut taken = 0;
        while self.left != Some(0) {
            let bytes = &self.pending[taken..];
            let mut cursor = Cursor { bytes, at: 0, header: self.header };
            let read = match self.left {
                None => cursor.header().map(|count| self.left = Some(count)),
                Some(left) => cursor.entry().map(|entry| {
                    self.entries.push(entry);
                    self.left = Some(left - 1);
                }),
            };
            match read {
                Ok(()) => (taken, self.header) = (taken + cursor.at, cursor.header),
                Err(Stop::Short) => break,
                Err(Stop::Invalid(invalid)) => return Err(invalid),
            }
        }
        self.pending.drain(..taken);
        Ok(self.left == Some(0))
    }

    fn choose(&self, tables: &[TableRows], alone: bool) -> Vec<i64> {
        let by_id: BTreeMap<i64, &Listed> = self.entries.iter().map(|e| (e.id, e)).collect();
        let named = |entry: &&Listed| {
            let own = (&entry.schema, &entry.tag);
            entry.description == "TABLE" && tables.iter().any(|t| (&t.schema, &t.table) == own)
        };
        let mut chosen: BTreeSet<i64> = self.entries.iter().filter(named).map(|e| e.id).collect();
        let mut before = 0;
        while before != chosen.len() {
            before = chosen.len();
            for entry in &self.entries {
                let belongs = BELONGS.contains(&&*entry.description);
                if belongs && entry.needs.iter().any(|need| chosen.contains(need)) {
                    chosen.insert(entry.id);
                }
                if !chosen.contains(&entry.id) {
                    continue;
                }
                let needs = entry.needs.iter().filter_map(|need| by_id.get(need));
                let needs = needs.filter(|e| alone || BEFORE.contains(&&*e.description));
                chosen.extend(needs.map(|need| need.id));
                if alone {
                    let schemas = self.entries.iter().filter(|e| e.description == "SCHEMA");
                    chosen.extend(schemas.filter(|e| e.tag == entry.schema).map(|e| e.id));
                }
            }
        }
        let chosen = self.entries.iter().filter(|entry| chosen.contains(&entry.id));
        chosen.map(|entry| entry.id).collect()
    }
}
