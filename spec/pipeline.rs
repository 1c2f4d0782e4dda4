//! The pipeline: what goes in comes out, with the right digests, and a damaged archive never passes.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use ringbolt::engine::{Invalid, Validator};
use ringbolt::model::{Codec, Facts, Slug, Sum};
use ringbolt::pipeline::{self, Chain, Identities, Line, PipelineError, Recipients, Unchain};
use ringbolt::store::{self, Key};

use crate::encryption::{ED25519, RSA, pair, recipients};
use crate::world::World;

/// Takes everything: the validators have a suite of their own.
#[derive(Debug)]
pub(crate) struct Anything;

impl Validator for Anything {
    fn check(&mut self, _: &[u8]) -> Result<(), Invalid> {
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Facts, Invalid> {
        Ok(Facts::default())
    }
}

pub(crate) fn data() -> Vec<u8> {
    (0..3_000_000u32)
        .flat_map(|i| (i.wrapping_mul(2_654_435_761) >> (i % 24)).to_le_bytes())
        .collect()
}

/// Writes data through a chain into the store. Returns the sums at each stage, and what is stored.
pub(crate) fn write_for(
    world: &World,
    codec: Codec,
    recipients: &Recipients,
    data: &[u8],
) -> ([Sum; 3], Vec<u8>) {
    let name: Slug = "local".parse().unwrap();
    let store = store::open(name, &format!("file://{}", world.store().display())).unwrap();
    let key = Key::new("a").unwrap();
    let upload = store.create(&key).unwrap();
    let mut chain = Chain::new(Box::new(Anything), codec, recipients, upload).unwrap();
    data.chunks(31_337).for_each(|piece| chain.write(piece).unwrap());
    let finished = chain.finish().unwrap();
    let sums = [finished.plain(), finished.compressed(), finished.stored()];
    finished.into_upload().commit().unwrap();
    (sums, std::fs::read(world.store().join("a")).unwrap())
}

/// The same without encryption: what was compressed is what is stored.
fn write(world: &World, codec: Codec, data: &[u8]) -> (Sum, Sum, Vec<u8>) {
    let ([plain, compressed, stored], bytes) =
        write_for(world, codec, &Recipients::default(), data);
    assert_eq!(compressed, stored);
    (plain, stored, bytes)
}

fn read(codec: Codec, stored: &[u8]) -> Result<(Vec<u8>, Sum, Sum), PipelineError> {
    let stored = Box::new(std::io::Cursor::new(stored.to_vec()));
    let mut unchain = Unchain::new(codec, &[], &Identities::default(), stored)?;
    let mut plain = Vec::new();
    unchain.read_to_end(&mut plain).map_err(PipelineError::Read)?;
    let (stored, sum) = unchain.finish()?;
    Ok((plain, stored, sum))
}

/// What a stock tool makes of the bytes.
pub(crate) fn stock(tool: &[&str], input: &[u8]) -> Vec<u8> {
    let mut command = Command::new(tool[0]);
    command.args(&tool[1..]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writing = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap().unwrap();
    output.stdout
}

#[test]
fn every_codec_goes_round_and_stock_tools_read_it() {
    let data = data();
    let cases: [(Codec, &[&str]); 5] = [
        (Codec::Zstd(1), &["zstd", "-dc"]),
        (Codec::Zstd(3), &["zstd", "-dc"]),
        (Codec::Zstd(12), &["zstd", "-dc"]),
        (Codec::Gzip(1), &["gzip", "-dc"]),
        (Codec::None, &["cat"]),
    ];
    for (codec, tool) in cases {
        let world = World::new();
        let (plain, stored, bytes) = write(&world, codec, &data);
        let sha256 = |bytes: &[u8]| {
            String::from_utf8(stock(&["sha256sum"], bytes)).unwrap()[..64].to_owned()
        };
        assert_eq!((plain.bytes, plain.sha256.to_string()), (data.len() as u64, sha256(&data)));
        assert_eq!((stored.bytes, stored.sha256.to_string()), (bytes.len() as u64, sha256(&bytes)));
        assert!(stock(tool, &bytes) == data, "{codec}");
        let (back, stored_again, plain_again) = read(codec, &bytes).unwrap();
        assert!(back == data && (stored_again, plain_again) == (stored, plain), "{codec}");
    }
}

#[test]
fn damaged_bytes_never_pass_for_whole_ones() {
    let data = &data()[..400_000];
    for codec in [Codec::Zstd(3), Codec::Gzip(6), Codec::None] {
        let world = World::new();
        let (plain, stored, bytes) = write(&world, codec, data);
        let passes =
            |bytes: &[u8]| matches!(read(codec, bytes), Ok((_, s, p)) if (s, p) == (stored, plain));
        assert!(passes(&bytes));
        for at in (0..bytes.len()).step_by(bytes.len() / 50) {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            assert!(!passes(&flipped), "{codec}: a bit at {at}");
            assert!(!passes(&bytes[..at]), "{codec}: a cut at {at}");
        }
        assert!(!passes(&[&bytes[..], b"x"].concat()), "{codec}: a tail");
    }
}

/// Decrypts and reads back. What came out before an error is told, too.
fn read_with(
    codec: Codec,
    recipients: &Recipients,
    identities: &Identities,
    stored: &[u8],
) -> (Vec<u8>, Result<(Sum, Sum), PipelineError>) {
    let mut plain = Vec::new();
    let stored = Box::new(std::io::Cursor::new(stored.to_vec()));
    let read = Unchain::new(codec, &recipients.fingerprints(), identities, stored).and_then(
        |mut unchain| {
            unchain.read_to_end(&mut plain).map_err(PipelineError::Read)?;
            unchain.finish()
        },
    );
    (plain, read)
}

#[test]
fn every_codec_goes_round_encrypted_and_each_recipient_reads_it() {
    let data = &data()[..3_000_000];
    let (public, file) = pair();
    let recipients = recipients(&[&public, ED25519.0, RSA.0]);
    let keys = [file.as_str(), ED25519.1, RSA.1].map(|text| Identities::read(text).unwrap());
    let cases: [(Codec, &[&str]); 3] = [
        (Codec::Zstd(3), &["zstd", "-dc"]),
        (Codec::Gzip(1), &["gzip", "-dc"]),
        (Codec::None, &["cat"]),
    ];
    for (codec, tool) in cases {
        let ([plain, compressed, stored], bytes) =
            write_for(&World::new(), codec, &recipients, data);
        for identities in &keys {
            let (back, sums) = read_with(codec, &recipients, identities, &bytes);
            assert!(back == data && sums.unwrap() == (stored, plain), "{codec}");
        }
        // The crate's own front door, as `age --decrypt` goes through it.
        let identity: age::x25519::Identity = file.lines().last().unwrap().parse().unwrap();
        let decrypted = age::decrypt(&identity, &bytes).unwrap();
        assert_eq!(compressed, pipeline::sum(&decrypted[..]).unwrap());
        assert_eq!(stored, pipeline::sum(&bytes[..]).unwrap());
        assert!(stock(tool, &decrypted) == data, "{codec}");
    }
}

/// What age encrypts at a time, and the mark of truth behind it.
const CHUNK: usize = 64 * 1024;
const MARK: usize = 16;

/// Where the payload begins: behind the header's last line and the nonce.
fn payload_at(bytes: &[u8]) -> usize {
    let mac = bytes.windows(5).position(|window| window == b"\n--- ").unwrap();
    mac + 5 + bytes[mac + 5..].iter().position(|byte| *byte == b'\n').unwrap() + 1 + 16
}

#[test]
fn encrypted_bytes_that_were_changed_are_refused_at_their_chunk() {
    let (public, file) = pair();
    let (recipients, identities) = (recipients(&[&public]), Identities::read(&file).unwrap());
    for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 7] {
        let data = &data()[..length];
        let (_, bytes) = write_for(&World::new(), Codec::None, &recipients, data);
        let read = |bytes: &[u8]| read_with(Codec::None, &recipients, &identities, bytes);
        let (back, sums) = read(&bytes);
        assert!(back == data && sums.is_ok(), "{length} bytes");
        let begin = payload_at(&bytes);
        // Nothing behind the last true chunk comes out, whatever was done to the rest.
        let refused = |what: &str, at: usize, bytes: &[u8]| {
            let (out, sums) = read(bytes);
            assert!(sums.is_err(), "{length} bytes, {what} at {at}");
            let whole = at.saturating_sub(begin) / (CHUNK + MARK) * CHUNK;
            assert!(out.len() <= whole && data.starts_with(&out), "{length} bytes, {what} at {at}");
        };
        let borders = (begin..bytes.len()).step_by(CHUNK + MARK).flat_map(|border| {
            [border, border + 1, border + MARK, (border + CHUNK).min(bytes.len() - 1)]
        });
        let everywhere = (0..begin).chain(borders).chain((begin..bytes.len()).step_by(4999));
        for at in everywhere.chain([bytes.len() - 1]).filter(|at| *at < bytes.len()) {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            refused("a bit", at, &flipped);
            refused("a cut", at, &bytes[..at]);
        }
        refused("a tail", bytes.len(), &[&bytes[..], b"x"].concat());
        if let [first, second, ..] = bytes[begin..].chunks(CHUNK + MARK).collect::<Vec<_>>()[..] {
            let (head, rest) = (&bytes[..begin], &bytes[begin + first.len() + second.len()..]);
            refused("a swap", begin, &[head, second, first, rest].concat());
            refused("a lost chunk", begin, &[head, second, rest].concat());
        }
    }
}

#[test]
fn damaged_compressed_and_encrypted_bytes_are_refused() {
    let data = &data()[..400_000];
    let (public, file) = pair();
    let (recipients, identities) = (recipients(&[&public]), Identities::read(&file).unwrap());
    for codec in [Codec::Zstd(3), Codec::Gzip(6)] {
        let (_, bytes) = write_for(&World::new(), codec, &recipients, data);
        for at in (0..bytes.len()).step_by(bytes.len() / 100).chain([bytes.len() - 1]) {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            for (what, damaged) in [("a bit", &flipped[..]), ("a cut", &bytes[..at])] {
                let (_, sums) = read_with(codec, &recipients, &identities, damaged);
                assert!(sums.is_err(), "{codec}: {what} at {at}");
            }
        }
    }
}

#[test]
fn nothing_comes_out_without_the_right_key() {
    let (own, _) = pair();
    let (other, file) = pair();
    let wrong = Identities::read(&file).unwrap();
    let (_, bytes) = write_for(&World::new(), Codec::Zstd(3), &recipients(&[&own]), b"secret");
    for (named, identities, expected) in [
        (&own, &Identities::default(), "no identity was given"),
        (&own, &wrong, "no identity that was given is one of them"),
        // A manifest that names somebody else does not help them.
        (&other, &wrong, "the archive cannot be decrypted"),
    ] {
        let (out, read) = read_with(Codec::Zstd(3), &recipients(&[named]), identities, &bytes);
        assert_eq!((out.len(), read.unwrap_err().to_string().contains(expected)), (0, true));
    }
    // A manifest that names nobody gives what is stored, which no codec takes for its own.
    let (out, read) = read_with(Codec::Zstd(3), &Recipients::default(), &wrong, &bytes);
    assert!(out.is_empty() && read.is_err());
}

#[tokio::test]
async fn a_line_that_is_dropped_leaves_nothing() {
    let world = World::new();
    let name: Slug = "local".parse().unwrap();
    let store = store::open(name, &format!("file://{}", world.store().display())).unwrap();
    let upload = store.create(&Key::new("a").unwrap()).unwrap();
    let line = Line::start(
        Chain::new(Box::new(Anything), Codec::Zstd(3), &Recipients::default(), upload).unwrap(),
    );
    assert!(line.send(bytes::Bytes::from_static(b"half")).await);
    assert!(line.abort().await.is_none());
    assert!(world.files().is_empty());
}
