//! Damage in every region of an encrypted archive: one flipped bit, a cut at every border, a wrong key. It
//! is an error, and not one byte of plaintext comes out; neither when the manifest's sums would tell, nor
//! when whoever damaged the archive wrote a manifest to go with it.

use std::io::Read as _;

use ringbolt::archive::Manifest;
use ringbolt::model::{Codec, Sum};
use ringbolt::pipeline::{Identities, Unchain, digest};

use crate::encryption::{ED25519, VECTOR, key_file, lay_out, pair, recipients};
use crate::pipeline::write_for;
use crate::world::World;

/// An age chunk's plain bytes, and its stored ones with the tag.
const CHUNK: usize = 64 * 1024;
const STORED_CHUNK: usize = CHUNK + 16;

/// Where the parts of an age file begin: each line of its header, its nonce, each chunk, its end.
fn borders(bytes: &[u8]) -> (usize, Vec<usize>) {
    let mac = bytes.windows(4).position(|window| window == b"\n---").unwrap() + 1;
    let header = mac + bytes[mac..].iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let lines = (0..header).filter(|at| *at == 0 || bytes[at - 1] == b'\n');
    let chunks = (header + 16..bytes.len()).step_by(STORED_CHUNK);
    (header, lines.chain([header]).chain(chunks).chain([bytes.len()]).collect())
}

/// What comes out of a damaged payload before its end is refused.
fn read(
    codec: Codec,
    fingerprints: &[String],
    identities: &Identities,
    bytes: &[u8],
) -> Result<Vec<u8>, Vec<u8>> {
    let stored = Box::new(std::io::Cursor::new(bytes.to_vec()));
    let mut plain = Vec::new();
    let Ok(mut unchain) = Unchain::new(codec, fingerprints, identities, stored) else {
        return Err(plain);
    };
    match unchain.read_to_end(&mut plain) {
        Ok(_) => unchain.finish().map(|_| plain).map_err(|_| Vec::new()),
        Err(_) => Err(plain),
    }
}

#[test]
fn a_flipped_bit_anywhere_and_a_cut_at_every_border_are_errors() {
    let world = World::new();
    let ((public, file), codec) = (pair(), Codec::None);
    let keys = recipients(&[&public, ED25519.0]);
    let data: Vec<u8> =
        (0..200_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let (_, bytes) = write_for(&world, codec, &keys, &data);
    let (header, borders) = borders(&bytes);
    let (fingerprints, own) = (keys.fingerprints(), Identities::read(&file).unwrap());
    let ssh = Identities::read(ED25519.1).unwrap();
    for identities in [&own, &ssh] {
        let read = |bytes: &[u8]| read(codec, &fingerprints, identities, bytes);
        assert!(read(&bytes) == Ok(data.clone()));
        // Every byte of header and nonce, and of the rest each border with what is around it.
        let around = borders.iter().flat_map(|at| at.saturating_sub(17)..at + 17);
        let sample = (header..bytes.len()).step_by(4999);
        for at in (0..header + 16).chain(around).chain(sample).filter(|at| *at < bytes.len()) {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            let came = read(&flipped).expect_err(&format!("a bit at {at}"));
            // A chunk is handed out when it has proven true, never before.
            let whole = at.saturating_sub(header + 16) / STORED_CHUNK * CHUNK;
            assert!(came.len() <= whole && data.starts_with(&came), "{} at {at}", came.len());
        }
        for cut in borders.iter().flat_map(|at| [at.saturating_sub(1), *at]) {
            if cut < bytes.len() {
                let came = read(&bytes[..cut]).expect_err(&format!("a cut at {cut}"));
                assert!(data.starts_with(&came));
            }
        }
        assert!(read(&[&bytes[..], b"x"].concat()).is_err(), "a tail");
        // The last chunk in the place of the first, and chunks swapped.
        let first = header + 16;
        let (a, b) = (first..first + STORED_CHUNK, first + STORED_CHUNK..first + 2 * STORED_CHUNK);
        let swapped = [&bytes[..first], &bytes[b.clone()], &bytes[a], &bytes[b.end..]].concat();
        assert_eq!(read(&swapped), Err(Vec::new()));
    }
    let stranger = Identities::read(pair().1).unwrap();
    assert_eq!(read(codec, &fingerprints, &stranger, &bytes), Err(Vec::new()));
}

/// The manifest that somebody writes who changes the payload and has no key.
fn forged(bytes: &[u8]) -> String {
    let mut manifest = Manifest::read(VECTOR.0.as_bytes()).unwrap();
    manifest.stored = Sum { bytes: bytes.len() as u64, sha256: digest(bytes) };
    String::from_utf8(manifest.write().unwrap()).unwrap()
}

#[test]
fn a_damaged_encrypted_archive_gives_no_byte_whatever_its_manifest_says() {
    let world = World::new();
    let (id, path) = lay_out(&world);
    let own = key_file(&world, "own", VECTOR.2);
    let manifest = path.with_file_name(format!("{id}.manifest.json"));
    let (header, borders) = borders(VECTOR.1);
    let flip = |at: usize| {
        let mut bytes = VECTOR.1.to_vec();
        bytes[at] ^= 1;
        bytes
    };
    let mut damaged = vec![Vec::new(), [VECTOR.1, b"x"].concat()];
    // One bit in each line of the header, the nonce, the first byte of the chunk, and the tag.
    damaged.extend(borders.iter().map(|at| flip((at + 3).min(VECTOR.1.len() - 1))));
    damaged.push(flip(header + 16 + 40));
    damaged.extend(borders.iter().map(|at| VECTOR.1[..at.saturating_sub(1)].to_vec()));
    for bytes in &damaged {
        std::fs::write(&path, bytes).unwrap();
        std::fs::write(&manifest, VECTOR.0).unwrap();
        let ran = world.ringbolt(&["cat", &id, "-i", &own]).expect(1).says("is damaged");
        assert_eq!(ran.stdout, "");
        let restore = ["restore", &id, "--into", "nobody", "-i", &own];
        assert_ne!(world.ringbolt(&restore).code, Some(0));
        let deep = ["verify", &id, "--level", "deep", "-i", &own];
        world.ringbolt(&deep).expect(1).says("is damaged");
        std::fs::write(&manifest, forged(bytes)).unwrap();
        let ran = world.ringbolt(&["cat", &id, "-i", &own]).expect(1);
        assert_eq!(ran.stdout, "");
        world.ringbolt(&deep).expect(1);
        assert_eq!(world.list()[0]["proof"], "broken");
    }
}
