//! Archives written from the documented format, whole and damaged. The writer knows nothing of the
//! reader but the checksum, whose test has a vector of its own.

use super::*;

const SERVER: &str = "7.0.14";
const WRITES: [(&str, &str); 2] = [("shop", "orders"), ("shop", "system.buckets.heat")];

fn element(kind: u8, name: &str, value: &[u8]) -> Vec<u8> {
    [&[kind], name.as_bytes(), b"\0", value].concat()
}

fn text(name: &str, text: &str) -> Vec<u8> {
    let length = i32::try_from(text.len() + 1).unwrap().to_le_bytes();
    element(2, name, &[&length, text.as_bytes(), b"\0"].concat())
}

fn number(name: &str, number: i32) -> Vec<u8> {
    element(0x10, name, &number.to_le_bytes())
}

fn document(elements: &[Vec<u8>]) -> Vec<u8> {
    let body = elements.concat();
    let length = i32::try_from(body.len() + 5).unwrap().to_le_bytes();
    [&length, body.as_slice(), b"\0"].concat()
}

fn header(version: &str) -> Vec<u8> {
    let header = document(&[
        number("concurrent_collections", 4),
        text("version", version),
        text("server_version", SERVER),
        text("tool_version", "100.9.4"),
    ]);
    [MAGIC.as_slice(), &header].concat()
}

fn described((database, collection): (&str, &str), kind: &str, metadata: &str) -> Vec<u8> {
    document(&[
        text("db", database),
        text("collection", collection),
        text("metadata", metadata),
        number("size", 0),
        text("type", kind),
    ])
}

fn head((database, collection): (&str, &str), end: bool, crc: i64) -> Vec<u8> {
    document(&[
        text("db", database),
        text("collection", collection),
        element(8, "EOF", &[u8::from(end)]),
        element(0x12, "CRC", &crc.to_le_bytes()),
    ])
}

/// A block of documents.
fn block(of: (&str, &str), documents: &[Vec<u8>]) -> Vec<u8> {
    [head(of, false, 0), documents.concat(), TERMINATOR.to_vec()].concat()
}

fn end(of: (&str, &str), documents: &[Vec<u8>]) -> Vec<u8> {
    let crc = Crc::default().with(&documents.concat()).value();
    [head(of, true, crc), TERMINATOR.to_vec()].concat()
}

fn rows(count: i32) -> Vec<Vec<u8>> {
    (0..count)
        .map(|i| {
            document(&[number("_id", i), text("what", &"x".repeat(usize::try_from(i).unwrap()))])
        })
        .collect()
}

/// What stands before the first block.
fn prelude() -> Vec<u8> {
    [
        header(VERSION),
        described(("shop", "orders"), "", r#"{"options":{},"indexes":[],"type":"collection"}"#),
        described(("shop", "empty"), "", r#"{"indexes":[]}"#),
        described(("shop", "open_orders"), "view", r#"{"options":{"viewOn":"orders"}}"#),
        described(("shop", "heat"), "timeseries", r#"{"options":{},"type":"timeseries"}"#),
        described(("shop", "$admin.system.users"), "", ""),
        TERMINATOR.to_vec(),
    ]
    .concat()
}

/// Two collections turn about, as when two are dumped at a time.
fn blocks() -> [Vec<u8>; 11] {
    let [orders, heat] = WRITES;
    let (rows, users) = (rows(9), ("shop", "$admin.system.users"));
    [
        block(users, &rows[..1]),
        end(users, &rows[..1]),
        block(orders, &rows[..4]),
        block(heat, &rows[..2]),
        block(orders, &rows[4..]),
        end(orders, &rows),
        end(heat, &rows[..2]),
        block(("shop", "empty"), &[]),
        end(("shop", "empty"), &[]),
        block(("shop", "open_orders"), &[]),
        end(("shop", "open_orders"), &[]),
    ]
}

fn whole() -> Vec<u8> {
    [prelude(), blocks().concat()].concat()
}

fn judge_of(only: Option<&str>, archive: &[u8], piece: usize) -> Result<Facts, Invalid> {
    let mut validator = Archive::new(only);
    archive.chunks(piece).try_for_each(|piece| validator.check(piece))?;
    Box::new(validator).finish()
}

fn judge(archive: &[u8]) -> Result<Facts, Invalid> {
    judge_of(Some("shop"), archive, 64)
}

#[track_caller]
fn refused(archive: &[u8], why: &str) {
    let said = judge(archive).unwrap_err().to_string();
    assert!(said.contains(why), "{said}");
}

#[test]
fn documents_are_counted_whatever_the_pieces() {
    for piece in [1, 2, 3, 7, 1000, 1 << 20] {
        let facts = judge_of(Some("shop"), &whole(), piece).unwrap();
        let shown: Vec<String> = facts.tables.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["empty: 0 rows", "heat: 2 rows", "orders: 9 rows"]);
        assert_eq!(facts.counts, BTreeMap::from([("views".to_owned(), 1)]));
    }
}

#[test]
fn every_cut_is_refused() {
    let whole = whole();
    for end in 0..whole.len() {
        assert!(judge(&whole[..end]).is_err(), "cut at {end} of {} was accepted", whole.len());
    }
    for tail in [&b"\n"[..], b"\0", &TERMINATOR, &MAGIC, &whole] {
        assert!(judge(&[&whole, tail].concat()).is_err(), "{tail:?} behind it was accepted");
    }
}

/// The prelude has no checksum: there, only what matters to the rest is noticed.
#[test]
fn every_flipped_bit_behind_the_prelude_is_refused() {
    let whole = whole();
    for at in prelude().len()..whole.len() {
        for bit in 0..8 {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << bit;
            assert!(judge(&flipped).is_err(), "bit {bit} of byte {at} was flipped unseen");
        }
    }
}

#[test]
fn a_block_that_is_missing_or_twice_is_refused() {
    let blocks = blocks();
    // The first block of a collection that is empty says nothing that its end does not.
    let silent = [7, 9];
    for at in 0..blocks.len() {
        let (mut without, mut twice) = (blocks.to_vec(), blocks.to_vec());
        without.remove(at);
        twice.insert(at, blocks[at].clone());
        let without = judge(&[prelude(), without.concat()].concat());
        assert_eq!(without.is_ok(), silent.contains(&at), "without {at}: {without:?}");
        let twice = judge(&[prelude(), twice.concat()].concat());
        assert_eq!(twice.is_ok(), silent.contains(&at), "{at} twice: {twice:?}");
    }
}

#[test]
fn what_is_wrong_is_said() {
    let [orders, _] = WRITES;
    let rows = rows(3);
    let one = described(orders, "", "");
    let begun = [header(VERSION), one.clone(), TERMINATOR.to_vec(), block(orders, &rows)].concat();
    let with = |more: &[u8]| [&begun, more].concat();
    assert!(judge(&with(&end(orders, &rows))).is_ok());
    refused(b"", "the dump is empty");
    refused(b"2024-05-01T10:00:00 Failed: can't connect", "does not begin");
    refused(&begun, "the end of `shop.orders` is missing");
    refused(&with(&end(orders, &rows[1..])), "the sum of `shop.orders`");
    refused(&with(&end(("shop", "users"), &[])), "does not name `shop.users`");
    let ended = with(&end(orders, &rows));
    refused(&[ended.clone(), block(orders, &rows)].concat(), "begun again behind its end");
    let spoken = [&ended[..ended.len() - 4], &rows[0], &TERMINATOR].concat();
    refused(&spoken, "goes on behind its end");
    refused(&[ended, TERMINATOR.to_vec()].concat(), "a terminator ends nothing");
    refused(&header("0.2"), "its format is version 0.2; version 0.1 is known");
    refused(&[header(VERSION), one.clone(), one].concat(), "names `shop.orders` twice");
    let other = described(("other", "orders"), "", "");
    refused(&[header(VERSION), other].concat(), "a collection of database `other`");
    let broken = described(orders, "", r#"{"options":"#);
    refused(&[header(VERSION), broken].concat(), "the metadata of `shop.orders`");
    refused(&[header(VERSION), u32::MAX.wrapping_sub(1).to_le_bytes().to_vec()].concat(), "length");
}

#[test]
fn a_long_document_is_never_held() {
    let [orders, _] = WRITES;
    let long = [document(&[text("what", &"y".repeat(15 << 20))])];
    let begin = [header(VERSION), described(orders, "", ""), TERMINATOR.to_vec()].concat();
    let archive = [begin, block(orders, &long), end(orders, &long)].concat();
    let mut validator = Archive::new(None);
    for piece in archive.chunks(4096) {
        validator.check(piece).unwrap();
        assert!(validator.pending.capacity() < 8192);
    }
    assert_eq!(Box::new(validator).finish().unwrap().rows(), 1);
}

#[test]
fn an_archive_of_all_databases_names_them() {
    let (users, oplog, rows) = (("admin", "system.users"), ("", OPLOG), rows(3));
    let both = [("blog", "posts"), ("shop", "orders")];
    let mut archive =
        [header(VERSION), described(users, "", ""), described(oplog, "", "")].concat();
    for own in both {
        archive.extend(described(own, "", ""));
    }
    archive.extend(TERMINATOR);
    for own in [users, both[0], both[1], oplog] {
        archive.extend([block(own, &rows), end(own, &rows)].concat());
    }
    let facts = judge_of(None, &archive, 64).unwrap();
    let shown: Vec<String> = facts.tables.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["oplog: 3 rows", "blog.posts: 3 rows", "shop.orders: 3 rows"]);
    assert!(judge_of(Some("shop"), &archive, 64).is_err());
}
