//! A database file as it streams by: whole or not, and the rows of its tables.
//!
//! The header says how long the file is, so every cut shows. Its pages come in the order of their
//! numbers, but its trees lie across them; so of each page only its shape is kept (2 bytes), and of inner
//! ones their children (4 bytes for each), until the trees can be walked at the end: some 6 bytes a page,
//! 2 MB for a database of 1 GB with pages of 4 KiB. What the cells hold is checked by SQLite itself before
//! it is dumped, and read here for the schema alone (`schema.rs`).
//! <https://www.sqlite.org/fileformat2.html>

use super::schema::{Encoding, Entry, Schema};
use crate::engine::{Invalid, Validator};
use crate::model::{Facts, TableRows};

/// What every database file begins with.
pub const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// What SQLite calls the database that was opened first.
pub(super) const SCHEMA: &str = "main";
const HEADER: usize = 100;
/// SQLite locks by bytes at this place and never puts a page over them.
const LOCKED: u64 = 1 << 30;

/// The kinds of pages in trees, by their first byte.
const TABLE_LEAF: u8 = 13;
const TABLE_INNER: u8 = 5;
const INDEX_LEAF: u8 = 10;
const INDEX_INNER: u8 = 2;

/// Reads a database file.
#[derive(Debug, Default)]
pub(super) struct DatabaseFile {
    header: Option<Header>,
    /// What has come and is no whole page yet.
    rest: Vec<u8>,
    /// Pages that have come.
    pages: u32,
    shapes: Vec<Shape>,
    /// By page, in the order in which they came.
    inner: Vec<Inner>,
    children: Vec<u32>,
    schema: Schema,
}

#[derive(Debug, Clone, Copy)]
struct Header {
    page_size: usize,
    /// What of a page SQLite uses; extensions reserve the rest.
    usable: usize,
    pages: u32,
    encoding: Encoding,
}

/// What is kept of a page: its kind in the upper two bits, and how many cells it has. The smallest cell
/// takes 6 bytes of at most 65,536, so their number fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shape(u16);

impl Shape {
    /// No page of a tree, or one that was met already.
    const NONE: Self = Self(0);
    const INNER: Self = Self(3 << 14);

    fn leaf(table: bool, cells: u16) -> Self {
        Self(if table { 1 << 14 } else { 2 << 14 } | cells)
    }

    fn is_table_leaf(self) -> bool {
        self.0 >> 14 == 1
    }

    fn cells(self) -> u64 {
        u64::from(self.0 & 0x3fff)
    }
}

#[derive(Debug)]
struct Inner {
    page: u32,
    table: bool,
    /// Where its children begin; they end where those of the next one do.
    children: usize,
}

/// What a walk over a tree finds.
#[derive(Default)]
struct Tree {
    table: bool,
    rows: u64,
}

impl Validator for DatabaseFile {
    fn check(&mut self, piece: &[u8]) -> Result<(), Invalid> {
        self.rest.extend_from_slice(piece);
        let header = match self.header {
            Some(header) => header,
            None if self.rest.len() < HEADER => return Ok(()),
            None => {
                let header = read_header(&self.rest)?;
                *self.header.insert(header)
            }
        };
        let rest = std::mem::take(&mut self.rest);
        let mut pages = rest.chunks_exact(header.page_size);
        for page in &mut pages {
            self.page(&header, page)?;
        }
        self.rest = pages.remainder().to_vec();
        if self.pages == header.pages && !self.rest.is_empty() {
            return Err(too_long(header.pages));
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Facts, Invalid> {
        let Some(header) = self.header else {
            return Err(match self.rest.as_slice() {
                [] => Invalid::Empty,
                rest if MAGIC.starts_with(&rest[..rest.len().min(MAGIC.len())]) => {
                    Invalid::Cut("it ends in its header".to_owned())
                }
                _ => foreign(),
            });
        };
        if self.pages < header.pages {
            let expected = header.pages;
            return Err(Invalid::Cut(format!("{} of {expected} pages came", self.pages)));
        }
        let mut leaves = Vec::new();
        let tree = self.walk(1, |leaf| leaves.push(leaf))?;
        if !tree.table {
            return Err(Invalid::Foreign("its first page is no table".to_owned()));
        }
        let entries = self.schema.entries(&leaves, header.usable, header.encoding);
        let mut tables = Vec::new();
        for Entry { table, name, root } in entries {
            let tree = self.walk(root, drop)?;
            if table {
                tables.push(TableRows { schema: SCHEMA.to_owned(), table: name, rows: tree.rows });
            }
        }
        tables.sort();
        Ok(Facts { tables, ..Facts::default() })
    }
}

impl DatabaseFile {
    fn page(&mut self, header: &Header, page: &[u8]) -> Result<(), Invalid> {
        if self.pages == header.pages {
            return Err(too_long(header.pages));
        }
        self.pages += 1;
        let number = self.pages;
        let begin = if number == 1 { HEADER } else { 0 };
        let locked = LOCKED / page.len() as u64 + 1 == u64::from(number);
        let shape = if locked { None } else { self.shape(number, page, begin) };
        self.shapes.push(shape.unwrap_or(Shape::NONE));
        match shape {
            Some(shape) if shape.is_table_leaf() => {
                let cells = cells(page, begin, header.usable);
                self.schema.leaf(number, cells, header.usable, header.encoding);
            }
            Some(_) => {}
            None => self.schema.other(number, &page[..header.usable]),
        }
        Ok(())
    }

    /// What a page is, if it looks like one of a tree. Pages that are free or that hold the rest of long
    /// values may look so by accident; they are never met on a walk.
    fn shape(&mut self, number: u32, page: &[u8], begin: usize) -> Option<Shape> {
        let (kind, count) = (page[begin], u16_at(page, begin + 3));
        let (table, leaf) = match kind {
            TABLE_LEAF => (true, true),
            TABLE_INNER => (true, false),
            INDEX_LEAF => (false, true),
            INDEX_INNER => (false, false),
            _ => return None,
        };
        let pointers = begin + if leaf { 8 } else { 12 };
        let end = pointers + 2 * usize::from(count);
        if end > page.len() || count > 0x3fff {
            return None;
        }
        if leaf {
            return Some(Shape::leaf(table, count));
        }
        let begun = self.children.len();
        for pointer in page[pointers..end].chunks_exact(2) {
            let cell = usize::from(u16_at(pointer, 0));
            if cell < end || cell + 4 > page.len() {
                self.children.truncate(begun);
                return None;
            }
            self.children.push(u32_at(page, cell));
        }
        self.children.push(u32_at(page, begin + 8));
        self.inner.push(Inner { page: number, table, children: begun });
        Some(Shape::INNER)
    }

    /// Walks over a tree, each page of which belongs to no other.
    fn walk(&mut self, root: u32, mut met: impl FnMut(u32)) -> Result<Tree, Invalid> {
        let mut tree = Tree::default();
        let mut next = vec![root];
        while let Some(page) = next.pop() {
            let index = (page as usize).wrapping_sub(1);
            let shape = self
                .shapes
                .get_mut(index)
                .map_or(Shape::NONE, |shape| std::mem::replace(shape, Shape::NONE));
            let table = match shape {
                Shape::NONE => {
                    let what = format!("page {page} is no page of the tree that names it");
                    return Err(Invalid::Foreign(what));
                }
                Shape::INNER => {
                    let at = self.inner.partition_point(|inner| inner.page < page);
                    let end = self.inner.get(at + 1).map_or(self.children.len(), |i| i.children);
                    let Inner { table, children, .. } = self.inner[at];
                    // From right to left, so that the walk goes from left to right.
                    next.extend(self.children[children..end].iter().rev());
                    if !table {
                        tree.rows += (end - children - 1) as u64;
                    }
                    table
                }
                leaf => {
                    tree.rows += leaf.cells();
                    met(page);
                    leaf.is_table_leaf()
                }
            };
            if page == root {
                tree.table = table;
            } else if table != tree.table {
                return Err(Invalid::Foreign(format!("page {page} is of another kind of tree")));
            }
        }
        Ok(tree)
    }
}

fn read_header(bytes: &[u8]) -> Result<Header, Invalid> {
    if !bytes.starts_with(MAGIC) {
        return Err(foreign());
    }
    let wrong = |what: &str| Err(Invalid::Foreign(format!("its header has {what}")));
    let page_size = match u16_at(bytes, 16) {
        1 => 1 << 16,
        size => usize::from(size),
    };
    if !page_size.is_power_of_two() || page_size < 512 {
        return wrong("no page size");
    }
    let usable = page_size - usize::from(bytes[20]);
    if usable < 480 || bytes[21..24] != [64, 32, 32] {
        return wrong("no sizes of values");
    }
    if !matches!(bytes[18], 1 | 2) || !matches!(bytes[19], 1 | 2) || u32_at(bytes, 44) > 4 {
        return wrong("an unknown version");
    }
    let Some(encoding) = Encoding::of(u32_at(bytes, 56)) else {
        return wrong("an unknown encoding");
    };
    // Writers before 3.7 left an old number there; a copy made since has the right one.
    let pages = u32_at(bytes, 28);
    if pages == 0 || u32_at(bytes, 24) != u32_at(bytes, 92) {
        return wrong("no number of pages");
    }
    Ok(Header { page_size, usable, pages, encoding })
}

/// The cells of a leaf, each from its begin to the end of the page.
fn cells(page: &[u8], begin: usize, usable: usize) -> impl Iterator<Item = &[u8]> {
    let count = usize::from(u16_at(page, begin + 3));
    let pointers = &page[begin + 8..begin + 8 + 2 * count];
    pointers.chunks_exact(2).map(move |pointer| {
        page[..usable].get(usize::from(u16_at(pointer, 0))..).unwrap_or_default()
    })
}

fn foreign() -> Invalid {
    Invalid::Foreign("it does not begin like an SQLite file".to_owned())
}

fn too_long(pages: u32) -> Invalid {
    Invalid::Foreign(format!("it goes on behind its {pages} pages"))
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
