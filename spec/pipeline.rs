//! The pipeline: what goes in comes out, with the right digests, and a damaged archive never passes.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use ringbolt::engine::{Invalid, Validator};
use ringbolt::model::{Codec, Facts, Slug, Sum};
use ringbolt::pipeline::{Chain, Line, PipelineError, Unchain};
use ringbolt::store::{self, Key};

use crate::world::World;

/// Takes everything: the validators have a suite of their own.
#[derive(Debug)]
struct Anything;

impl Validator for Anything {
    fn check(&mut self, _: &[u8]) -> Result<(), Invalid> {
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Facts, Invalid> {
        Ok(Facts::default())
    }
}

fn data() -> Vec<u8> {
    (0..3_000_000u32)
        .flat_map(|i| (i.wrapping_mul(2_654_435_761) >> (i % 24)).to_le_bytes())
        .collect()
}

/// Writes data through a chain into the store. Returns the plain and the stored sum.
fn write(world: &World, codec: Codec, data: &[u8]) -> (Sum, Sum, Vec<u8>) {
    let name: Slug = "local".parse().unwrap();
    let store = store::open(name, &format!("file://{}", world.store().display())).unwrap();
    let key = Key::new("a").unwrap();
    let mut chain = Chain::new(Box::new(Anything), codec, store.create(&key).unwrap()).unwrap();
    data.chunks(31_337).for_each(|piece| chain.write(piece).unwrap());
    let finished = chain.finish().unwrap();
    let (plain, stored) = (finished.plain(), finished.stored());
    finished.into_upload().commit().unwrap();
    (plain, stored, std::fs::read(world.store().join("a")).unwrap())
}

fn read(codec: Codec, stored: &[u8]) -> Result<(Vec<u8>, Sum, Sum), PipelineError> {
    let mut unchain = Unchain::new(codec, Box::new(std::io::Cursor::new(stored.to_vec())))?;
    let mut plain = Vec::new();
    unchain.read_to_end(&mut plain).map_err(PipelineError::Read)?;
    let (stored, sum) = unchain.finish()?;
    Ok((plain, stored, sum))
}

/// What a stock tool makes of the bytes.
fn stock(tool: &[&str], input: &[u8]) -> Vec<u8> {
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

#[tokio::test]
async fn a_line_that_is_dropped_leaves_nothing() {
    let world = World::new();
    let name: Slug = "local".parse().unwrap();
    let store = store::open(name, &format!("file://{}", world.store().display())).unwrap();
    let upload = store.create(&Key::new("a").unwrap()).unwrap();
    let line = Line::start(Chain::new(Box::new(Anything), Codec::Zstd(3), upload).unwrap());
    assert!(line.send(bytes::Bytes::from_static(b"half")).await);
    assert!(line.abort().await.is_none());
    assert!(world.files().is_empty());
}
