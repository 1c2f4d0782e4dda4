//! The shapes of an RDB file's parts, as data: what stands behind each opcode and each type of value.
//!
//! It knows no bytes of a real file; `rdb.rs` walks through one by these shapes. A type's number means the
//! same shape for ever, so a shape is never changed, only added. Written from
//! <https://github.com/redis/redis/blob/8.0/src/rdb.h>, `rdb.c` beside it, and Valkey's
//! <https://github.com/valkey-io/valkey/blob/9.0/src/rdb.h>.

use Item::{Bytes, Double, Each, Module, Number, Text};

/// One part of a shape.
#[derive(Debug, Clone, Copy)]
pub(super) enum Item {
    /// A number of variable length.
    Number,
    /// A string: plain, an integer, or compressed.
    Text,
    /// So many bytes.
    Bytes(u64),
    /// A double as text, behind its length in one byte.
    Double,
    /// A number, then that many times these.
    Each(&'static [Item]),
    /// What a module wrote, to its end mark.
    Module,
}

/// What one opcode or type of value is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    /// Something beside the keys.
    Aside(&'static [Item]),
    /// When the next key expires.
    Expiry(&'static [Item]),
    /// A library of functions.
    Library,
    /// The number of the database that follows.
    Database,
    /// A key and its value.
    Value(&'static [Item]),
    /// A key whose value is a hash with fields that expire by themselves.
    Fading(&'static [Item]),
    End,
}

/// The family of servers that wrote a file: from 22 on, they count types on their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Redis,
    Valkey,
}

/// The part that a byte begins; `None` if it is not known here.
pub(super) fn part(family: Family, byte: u8) -> Option<Part> {
    Some(match (byte, family) {
        (255, _) => Part::End,
        (254, _) => Part::Database,
        (253, _) => Part::Expiry(&[Bytes(4)]),
        (252, _) => Part::Expiry(&[Bytes(8)]),
        (251, _) => Part::Aside(&[Number, Number]),
        (250, _) => Part::Aside(&[Text, Text]),
        (249, _) => Part::Aside(&[Bytes(1)]),
        (248, _) => Part::Aside(&[Number]),
        // A module's id, and when it wrote: a number with a module's mark for numbers before it.
        (247, _) => Part::Aside(&[Number, Number, Number, Module]),
        (245, _) => Part::Library,
        (244, _) => Part::Aside(&[Number, Number, Number]),
        (0 | 9..=13 | 16 | 17 | 20, _) => Part::Value(&[Text]),
        (1 | 2 | 14, _) => Part::Value(&[Each(&[Text])]),
        (3, _) => Part::Value(&[Each(&[Text, Double])]),
        (4, _) => Part::Value(&[Each(&[Text, Text])]),
        (5, _) => Part::Value(&[Each(&[Text, Bytes(8)])]),
        (7, _) => Part::Value(&[Number, Module]),
        (15, _) => Part::Value(STREAM),
        (18, _) => Part::Value(&[Each(&[Number, Text])]),
        (19, _) => Part::Value(STREAM_2),
        (21, _) => Part::Value(STREAM_3),
        (22, Family::Valkey) => Part::Fading(&[Each(&[Text, Text, Bytes(8)])]),
        (24, Family::Redis) => Part::Fading(&[Bytes(8), Each(&[Number, Text, Text])]),
        (25, Family::Redis) => Part::Fading(&[Bytes(8), Text]),
        _ => return None,
    })
}

/// Entries in blocks, their number, the last id; then the groups: name, last id, pending entries, and
/// consumers with their own.
const STREAM: &[Item] = &[
    Each(&[Text, Text]),
    Number,
    Number,
    Number,
    Each(&[Text, Number, Number, PENDING, Each(&[Text, Bytes(8), Each(&[Bytes(16)])])]),
];

/// From 7.0 also the first id, the greatest deleted one, and two counters.
const STREAM_2: &[Item] = &[
    Each(&[Text, Text]),
    Number,
    Number,
    Number,
    Number,
    Number,
    Number,
    Number,
    Number,
    Each(&[Text, Number, Number, Number, PENDING, Each(&[Text, Bytes(8), Each(&[Bytes(16)])])]),
];

/// From 7.2 also when a consumer was last active.
const STREAM_3: &[Item] = &[
    Each(&[Text, Text]),
    Number,
    Number,
    Number,
    Number,
    Number,
    Number,
    Number,
    Number,
    Each(&[Text, Number, Number, Number, PENDING, Each(&[Text, Bytes(16), Each(&[Bytes(16)])])]),
];

/// Entries that were read and not acknowledged: id, time, how often.
const PENDING: Item = Each(&[Bytes(16), Bytes(8), Number]);
