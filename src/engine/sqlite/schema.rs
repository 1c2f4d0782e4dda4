//! The schema in a stream of pages: which tables there are, and where their trees begin.
//!
//! Which pages hold it is known only when the walk over its tree can be made. So every leaf whose cells
//! read like rows of a schema is remembered by these cells' names and roots. A name that does not fit
//! into its cell goes on in another page, which may have gone by already: of such pages the first few
//! megabytes are kept. A table whose name still cannot be read is left out of the facts.

use std::collections::HashMap;

use super::file::u32_at;

/// How much is kept of pages that may turn out to hold the rest of a name.
const KEPT: usize = 4 << 20;
/// How much of rows that read like those of a schema; a table with a copy of one is no schema.
const LIKELY: usize = 32 << 20;

/// What was met of the schema so far.
#[derive(Debug, Default)]
pub(super) struct Schema {
    rows: HashMap<u32, Vec<Row>>,
    /// What the rows take.
    size: usize,
    kept: HashMap<u32, Box<[u8]>>,
    /// What these take.
    keeping: usize,
    /// Pages that are needed when they come, and how much of them.
    awaited: HashMap<u32, usize>,
}

/// What a table or an index is called and where it begins.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) table: bool,
    pub(super) name: String,
    pub(super) root: u32,
}

/// How a database writes text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Utf8,
    Utf16Little,
    Utf16Big,
}

/// A row of the schema up to its root page: `type, name, tbl_name, rootpage`.
#[derive(Debug)]
struct Row {
    /// What of these is in the cell.
    local: Box<[u8]>,
    /// Where the rest is.
    overflow: u32,
    /// The last one is 0 for what has no tree: a view, a trigger, a virtual table.
    lengths: [usize; 4],
}

impl Schema {
    /// Takes a leaf of some table. Each cell goes on to the end of its page.
    pub(super) fn leaf<'a>(
        &mut self,
        page: u32,
        cells: impl Iterator<Item = &'a [u8]>,
        usable: usize,
        encoding: Encoding,
    ) {
        let Some(rows) =
            cells.map(|cell| row(cell, usable, encoding)).collect::<Option<Vec<Row>>>()
        else {
            return;
        };
        let size: usize = rows.iter().map(|row| row.local.len() + size_of::<Row>()).sum();
        if rows.is_empty() || self.size + size > LIKELY {
            return;
        }
        for row in &rows {
            let missing = row.lengths.iter().sum::<usize>() - row.local.len();
            if missing > 0 && !self.kept.contains_key(&row.overflow) {
                self.awaited.insert(row.overflow, missing);
            }
        }
        self.size += size;
        self.rows.insert(page, rows);
    }

    /// Takes a page that is in no tree.
    pub(super) fn other(&mut self, number: u32, page: &[u8]) {
        if let Some(missing) = self.awaited.remove(&number) {
            if missing > page.len() - 4 && !self.kept.contains_key(&u32_at(page, 0)) {
                self.awaited.insert(u32_at(page, 0), missing - (page.len() - 4));
            }
            self.kept.insert(number, page[..page.len().min(missing + 4)].into());
        } else if self.keeping + page.len() <= KEPT {
            self.keeping += page.len();
            self.kept.insert(number, page.into());
        }
    }

    /// What the rows on these leaves say, as far as it can be read.
    pub(super) fn entries(&self, leaves: &[u32], usable: usize, encoding: Encoding) -> Vec<Entry> {
        let rows = leaves.iter().filter_map(|page| self.rows.get(page)).flatten();
        rows.filter_map(|row| self.entry(row, usable, encoding)).collect()
    }

    fn entry(&self, row: &Row, usable: usize, encoding: Encoding) -> Option<Entry> {
        if row.lengths[3] == 0 {
            return None;
        }
        let length: usize = row.lengths.iter().sum();
        let (mut bytes, mut next) = (row.local.to_vec(), row.overflow);
        while bytes.len() < length {
            let page = self.kept.get(&next)?;
            let part = (length - bytes.len()).min(usable - 4);
            bytes.extend_from_slice(page.get(4..4 + part)?);
            next = u32_at(page, 0);
        }
        let (kind, rest) = bytes.split_at(row.lengths[0]);
        let (name, rest) = rest.split_at(row.lengths[1]);
        let root = &rest[row.lengths[2]..];
        let root = root.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        Some(Entry {
            table: encoding.text(kind) == "table",
            name: encoding.text(name),
            root: u32::try_from(root).ok().filter(|root| *root > 0)?,
        })
    }
}

impl Encoding {
    /// By its number in the header; 0 as long as nothing is in the database.
    pub(super) fn of(number: u32) -> Option<Self> {
        match number {
            0 | 1 => Some(Self::Utf8),
            2 => Some(Self::Utf16Little),
            3 => Some(Self::Utf16Big),
            _ => None,
        }
    }

    fn text(self, bytes: &[u8]) -> String {
        let units = |unit: fn([u8; 2]) -> u16| {
            let units = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
            char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
        };
        match self {
            Self::Utf8 => String::from_utf8_lossy(bytes).into_owned(),
            Self::Utf16Little => units(u16::from_le_bytes),
            Self::Utf16Big => units(u16::from_be_bytes),
        }
    }

    fn unit(self) -> u64 {
        if self == Self::Utf8 { 1 } else { 2 }
    }
}

/// Reads a cell as a row of a schema, if it can be one.
fn row(cell: &[u8], usable: usize, encoding: Encoding) -> Option<Row> {
    let mut rest = cell;
    let size = usize::try_from(varint(&mut rest)?).ok()?;
    varint(&mut rest)?;
    // How much of a long row is in its cell: "B-tree Cell Format" of the file format's page.
    let most = usable - 35;
    let least = (usable - 12) * 32 / 255 - 23;
    let surplus = least + size.saturating_sub(least) % (usable - 4);
    let local = match () {
        () if size <= most => size,
        () if surplus <= most => surplus,
        () => least,
    };
    let payload = rest.get(..local)?;
    let overflow = if local < size { u32_at(rest.get(local..local + 4)?, 0) } else { 0 };

    let mut rest = payload;
    let header = usize::try_from(varint(&mut rest)?).ok()?;
    let mut types = [0; 5];
    for own in &mut types {
        *own = varint(&mut rest)?;
    }
    if payload.len() - rest.len() != header {
        return None;
    }
    let text = |own: u64| (own >= 13 && own % 2 == 1).then(|| (own - 13) / 2);
    // `table` and `index`, `view`, `trigger`.
    text(types[0]).filter(|length| [4, 5, 7].contains(&(length / encoding.unit())))?;
    let root = match types[3] {
        own @ 1..=4 => own,
        5 => 6,
        0 | 8 => 0,
        _ => return None,
    };
    text(types[4]).or((types[4] == 0).then_some(0))?;
    let lengths = [text(types[0])?, text(types[1])?, text(types[2])?, root];
    let lengths = lengths.map(|length| usize::try_from(length).unwrap_or(usize::MAX / 8));
    let whole: usize = lengths.iter().sum();
    if header + whole > size {
        return None;
    }
    let local = rest[..rest.len().min(whole)].into();
    Some(Row { local, overflow, lengths })
}

/// Takes a number off the front: 7 bits in a byte, the ninth byte whole.
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for at in 0..9 {
        let byte = *bytes.get(at)?;
        if at == 8 {
            number = number << 8 | u64::from(byte);
        } else {
            number = number << 7 | u64::from(byte & 0x7f);
        }
        if at == 8 || byte < 0x80 {
            *bytes = &bytes[at + 1..];
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_length_are_read() {
        for (bytes, expected) in [
            (&[0x00][..], Some((0, 1))),
            (&[0x7f], Some((127, 1))),
            (&[0x81, 0x00, 0xff], Some((128, 2))),
            (&[0xff; 9], Some((u64::MAX, 9))),
            (&[0x81], None),
            (&[], None),
        ] {
            let mut rest = bytes;
            let read = varint(&mut rest).map(|number| (number, bytes.len() - rest.len()));
            assert_eq!(read, expected, "{bytes:?}");
        }
    }
}
