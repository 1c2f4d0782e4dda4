//! Damage in every region of a message: it is never read to its end, and of an archive nothing comes out, or
//! the true dump.

use ringbolt::archive::Manifest;
use ringbolt::model::{Codec, Sum};
use ringbolt::pipeline::{Identities, digest};

use super::{MODERN, noise, read_all, read_with, rekeyed};
use crate::encryption::key_file;
use crate::pipeline::write_for;
use crate::world::World;

/// The packets of a message: where each begins, where its body does, and where it ends.
fn packets(bytes: &[u8]) -> Vec<(u8, usize, usize)> {
    let (mut at, mut found) = (0, Vec::new());
    while at < bytes.len() {
        let (tag, begin) = (bytes[at] & 0x3f, at);
        at += 1;
        loop {
            let (length, header, more) = length(&bytes[at..]);
            at += header + length;
            if !more {
                break;
            }
        }
        found.push((tag, begin, at));
    }
    found
}

/// One length of the new format, how many bytes say so, and whether another follows.
fn length(bytes: &[u8]) -> (usize, usize, bool) {
    match bytes[0] {
        first @ ..192 => (usize::from(first), 1, false),
        first @ 192..224 => {
            ((usize::from(first) - 192) * 256 + usize::from(bytes[1]) + 192, 2, false)
        }
        first @ 224..255 => (1 << (first & 0x1f), 1, true),
        255 => {
            let four = bytes[1..5].try_into().unwrap();
            (usize::try_from(u32::from_be_bytes(four)).unwrap(), 5, false)
        }
    }
}

/// Everything that somebody without a key can make of a message, and that is to be refused.
fn damaged(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let found = packets(bytes);
    let (tag, body, end) = *found.last().unwrap();
    assert_eq!((tag, end), (18, bytes.len()), "the last packet is the encrypted one");
    let mut damaged = vec![
        ("nothing".to_owned(), Vec::new()),
        ("a tail".to_owned(), [bytes, b"x"].concat()),
        ("itself twice".to_owned(), [bytes, bytes].concat()),
    ];
    let borders = found.iter().flat_map(|(_, from, to)| [*from, *to]);
    let around = borders.flat_map(|at| at.saturating_sub(2)..at + 25);
    let sample = (body..end).step_by((end - body) / 40 + 1).chain(end - 24..end);
    let mut places: Vec<usize> = around.chain(sample).filter(|at| *at < bytes.len()).collect();
    places.sort_unstable();
    places.dedup();
    for at in places {
        let mut flipped = bytes.to_vec();
        flipped[at] ^= 1 << (at % 8);
        damaged.push((format!("a bit at {at} of {found:?}"), flipped));
        damaged.push((format!("a cut at {at} of {found:?}"), bytes[..at].to_vec()));
    }
    // The packet that carries no proof of integrity.
    let mut without = bytes.to_vec();
    without[body] = 0xc0 | 9;
    damaged.push(("called unprotected".to_owned(), without.clone()));
    let (_, header, _) = length(&bytes[body + 1..]);
    without.remove(body + 1 + header);
    damaged.push(("made unprotected".to_owned(), without));
    // The message ends where a part of it does: without a last part, and with one that says so.
    let (mut at, mut parts) = (body + 1, Vec::new());
    loop {
        let (length, header, more) = length(&bytes[at..]);
        if !more {
            break;
        }
        parts.push((at, length));
        at += header + length;
        damaged.push((format!("no last part behind {at}"), bytes[..at].to_vec()));
        damaged.push((format!("an empty last part behind {at}"), [&bytes[..at], &[0]].concat()));
    }
    for (at, length) in parts {
        let last = u32::try_from(length).unwrap().to_be_bytes();
        let part = &bytes[at + 1..at + 1 + length];
        damaged.push((format!("last at {at}"), [&bytes[..at], &[255], &last, part].concat()));
    }
    damaged
}

#[test]
fn a_changed_message_is_never_read_to_its_end() {
    let world = World::new();
    let keys = read_all(&[MODERN.0]);
    let own = Identities::read(MODERN.1).unwrap();
    for length in [10, 300, 200_000] {
        let (_, stored) = write_for(&world, Codec::None, &keys, &noise(length));
        assert!(read_with(Codec::None, &keys.fingerprints(), &own, &stored).is_ok());
        for (what, bytes) in damaged(&stored) {
            let found = read_with(Codec::None, &keys.fingerprints(), &own, &bytes);
            assert!(found.is_err(), "{what}, of {length} bytes");
        }
    }
}

#[test]
fn of_a_changed_archive_not_one_byte_comes_out_whatever_its_manifest_says() {
    let (world, id, path) = rekeyed();
    let own = key_file(&world, "own", MODERN.1);
    let whole = std::fs::read(&path).unwrap();
    let manifest = path.with_file_name(format!("{id}.manifest.json"));
    let before = std::fs::read(&manifest).unwrap();
    let plain = world.ringbolt(&["cat", &id, "-i", &own]).expect(0).stdout;
    let into = world.folder.join("restored");
    let into_folder = into.display().to_string();
    let mut unharmed = 0;
    for (at, (what, bytes)) in damaged(&whole).iter().enumerate().filter(|(at, _)| at % 7 == 0) {
        std::fs::write(&path, bytes).unwrap();
        std::fs::write(&manifest, &before).unwrap();
        let cat = ["cat", &id, "-i", &own];
        let ran = world.ringbolt(&cat).expect(1).says("is damaged");
        assert_eq!(ran.stdout, "", "{what}");
        let mut forged = Manifest::read(&before).unwrap();
        forged.stored = Sum { bytes: bytes.len() as u64, sha256: digest(bytes) };
        std::fs::write(&manifest, forged.write().unwrap()).unwrap();
        let ran = world.ringbolt(&cat);
        // Nothing proves what is said to other recipients. Damage there leaves the dump what it was.
        if ran.code == Some(0) {
            assert_eq!(ran.stdout, plain, "{what}");
            unharmed += 1;
            continue;
        }
        // Where the header names other keys, nobody can tell it from an archive for another subkey.
        let code = if ran.stderr.contains("another subkey") { 2 } else { 1 };
        assert_eq!((ran.code, &*ran.stdout), (Some(code), ""), "{what}");
        if at % 21 == 0 {
            let restore = ["restore", &id, "--into", &into_folder, "-i", &own];
            world.ringbolt(&restore).expect(code);
            assert!(!into.exists(), "{what}");
        }
    }
    assert!(unharmed < 12, "{unharmed}");
}
