//! Tests of the RDB validator: real files of three servers, and parts that none of these writes any more.

use std::collections::BTreeMap;

use super::rdb::RdbFile;
use crate::engine::{Invalid, Validator};

const SAMPLES: [(&str, &[u8]); 3] = [
    ("Redis 7.0", include_bytes!("samples/redis-7.0.rdb")),
    ("Redis 8.0", include_bytes!("samples/redis-8.0.rdb")),
    ("Valkey 8.1", include_bytes!("samples/valkey-8.1.rdb")),
];

fn judge(file: &[u8], piece: usize) -> Result<BTreeMap<String, u64>, Invalid> {
    let mut validator = Box::new(RdbFile::default());
    file.chunks(piece).try_for_each(|piece| validator.check(piece))?;
    Ok(validator.finish()?.counts)
}

fn counted(pairs: &[(&str, u64)]) -> BTreeMap<String, u64> {
    pairs.iter().map(|(name, number)| ((*name).to_owned(), *number)).collect()
}

#[test]
fn keys_are_counted_whatever_the_pieces_are() {
    for (name, file) in SAMPLES {
        let mut expected = vec![
            ("function libraries", 1),
            ("lasting keys in db0", 18),
            ("lasting keys in db3", 1),
        ];
        // Where fields expire, a key may vanish, or become one that stays.
        if name != "Redis 8.0" {
            expected.push(("lasting keys in db5", 2));
        }
        for piece in [1, 2, 3, 7, 64, file.len()] {
            assert_eq!(judge(file, piece), Ok(counted(&expected)), "{name} by {piece}");
        }
    }
}

#[test]
fn every_cut_every_tail_and_every_flip_is_refused() {
    for (name, file) in SAMPLES {
        for end in 0..file.len() {
            assert!(judge(&file[..end], 64).is_err(), "{name} cut at {end} was accepted");
        }
        for tail in [&b"\n"[..], b"REDIS0011", &[0; 40], &[255]] {
            assert!(judge(&[file, tail].concat(), 64).is_err(), "{name}: a tail was accepted");
        }
        for at in 0..file.len() {
            for bit in 0..8 {
                let mut flipped = file.to_vec();
                flipped[at] ^= 1 << bit;
                assert!(judge(&flipped, 64).is_err(), "{name}: bit {bit} of {at} may flip");
            }
        }
    }
}

#[test]
fn without_a_checksum_the_structure_is_judged_alone() {
    let (_, file) = SAMPLES[0];
    let unsummed = [&file[..file.len() - 8], &[0; 8]].concat();
    assert!(judge(&unsummed, 64).is_ok());
    for end in 0..unsummed.len() {
        assert!(judge(&unsummed[..end], 64).is_err(), "cut at {end} was accepted");
    }
}

/// A file with these parts and no checksum.
fn file(magic: &str, parts: &[&[u8]]) -> Vec<u8> {
    [magic.as_bytes(), &parts.concat(), &[255], &[0; 8]].concat()
}

#[test]
fn what_servers_no_longer_write_is_read_too() {
    let one = || Ok(counted(&[("lasting keys in db0", 1)]));
    for (name, magic, parts) in [
        ("a zipmap", "REDIS0009", &[&b"\x09\x01k\x03abc"[..]][..]),
        ("scores as text", "REDIS0009", &[b"\x03\x01k\x03\x01a\x03\x31.5\x01b\xfd\x01c\xff"]),
        ("an expiry in seconds", "REDIS0009", &[b"\xfd1234\x00\x01e\x01v", b"\x00\x01k\x01v"]),
        ("a long length", "REDIS0009", &[b"\x00\x80\x00\x00\x00\x01k\x81\0\0\0\0\0\0\0\x01v"]),
        ("how often it was used", "REDIS0009", &[b"\xf9\x05\x00\x01k\x01v"]),
        (
            "a module's value",
            "REDIS0010",
            &[b"\x07\x01k\x05\x02\x07\x05\x02ab\x04doublexx\x03flt4\x00"],
        ),
        ("a module's own", "REDIS0010", &[b"\xf7\x05\x02\x01\x01\x07\x00", b"\x00\x01k\x01v"]),
        ("a slot", "REDIS0012", &[b"\xf4\x05\x01\x00\x00\x01k\x01v"]),
        ("a stream of 5.0", "REDIS0009", &[b"\x0f\x01k\x00\x00\x01\x02\x01\x01g\x01\x02\x00\x00"]),
        ("a version to come", "REDIS0016", &[b"\x00\x01k\x01v"]),
        ("Valkey 9", "VALKEY080", &[b"\x00\x01k\x01v"]),
    ] {
        assert_eq!(judge(&file(magic, parts), 5), one(), "{name}");
    }
    let unsummed = b"REDIS0003\xfe\x00\x00\x01k\x01v\xff";
    assert_eq!(judge(unsummed, 5), one());
    let fields = file("VALKEY080", &[b"\xfe\x02\x16\x01k\x01\x01f\x01v12345678"]);
    assert_eq!(judge(&fields, 5), Ok(counted(&[])));
}

#[test]
fn what_is_not_known_is_refused_in_words() {
    for (magic, part, said) in [
        ("REDIS0016", &b"\x1a\x01k"[..], "kind 26"),
        ("REDIS0012", b"\x16\x01k", "kind 22"),
        ("VALKEY080", b"\xf3\x01k", "kind 243"),
        ("REDIS0010", b"\x07\x01k\x05\x09", "a module's value has a part of kind 9"),
        ("REDIS0010", b"\x01\x01k\xc0\x01", "in the place of a number"),
        ("REDIS0010", b"\x00\x82", "a length begins with"),
    ] {
        let refused = judge(&file(magic, &[part]), 64).unwrap_err().to_string();
        assert!(refused.contains(said), "{refused}");
    }
    for garbage in ["", "REDIS", "REDISabcd", "REDIS0000", "ERR unknown command\n", "VALKEY"] {
        assert!(judge(garbage.as_bytes(), 64).is_err(), "{garbage}");
    }
}
