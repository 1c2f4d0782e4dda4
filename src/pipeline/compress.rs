//! The codecs. The only place that knows zstd and flate2.

use std::io::{self, BufReader, Read, Write};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use zstd::zstd_safe::CParameter;

use crate::model::Codec;

/// Two workers at level 3 compress about as fast as one Docker stream delivers. A third gained nothing
/// in `docker/bench`, and each holds a job's input and output in memory.
const WORKERS: u32 = 2;
/// The input of one job. zstd's own choice (four windows, 8 MiB at level 3) doubles peak memory and
/// was slower, too, on the machine it was measured on: small jobs stay in the caches.
const JOB: u32 = 1 << 20;
/// From this level on the window outgrows [`JOB`], and zstd's own choice is right.
const SLOW: u8 = 10;
const BUFFER: usize = 128 * 1024;

/// A compressing writer.
pub(super) enum Encoder<W: Write> {
    Zstd(zstd::Encoder<'static, W>),
    Gzip(GzEncoder<W>),
    None(W),
}

/// A decompressing reader.
pub(super) enum Decoder<R: Read> {
    Zstd(zstd::Decoder<'static, BufReader<R>>),
    Gzip(Box<MultiGzDecoder<BufReader<R>>>),
    None(R),
}

impl<W: Write> Encoder<W> {
    pub(super) fn new(codec: Codec, writer: W) -> io::Result<Self> {
        Ok(match codec {
            Codec::Zstd(level) => {
                let mut encoder = zstd::Encoder::new(writer, i32::from(level))?;
                encoder.multithread(WORKERS)?;
                // A frame's own checksum lets stock tools notice a flipped bit.
                encoder.include_checksum(true)?;
                if level < SLOW {
                    encoder.set_parameter(CParameter::JobSize(JOB))?;
                }
                Self::Zstd(encoder)
            }
            Codec::Gzip(level) => {
                Self::Gzip(GzEncoder::new(writer, Compression::new(level.into())))
            }
            Codec::None => Self::None(writer),
        })
    }

    /// Writes what is held back, and gives the writer back: the last stage has closed.
    pub(super) fn finish(self) -> io::Result<W> {
        match self {
            Self::Zstd(encoder) => encoder.finish(),
            Self::Gzip(encoder) => encoder.finish(),
            Self::None(writer) => Ok(writer),
        }
    }
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Zstd(encoder) => encoder.write(bytes),
            Self::Gzip(encoder) => encoder.write(bytes),
            Self::None(writer) => writer.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Zstd(encoder) => encoder.flush(),
            Self::Gzip(encoder) => encoder.flush(),
            Self::None(writer) => writer.flush(),
        }
    }
}

impl<R: Read> Decoder<R> {
    pub(super) fn new(codec: Codec, reader: R) -> io::Result<Self> {
        let buffered = |reader| BufReader::with_capacity(BUFFER, reader);
        Ok(match codec {
            Codec::Zstd(_) => Self::Zstd(zstd::Decoder::with_buffer(buffered(reader))?),
            Codec::Gzip(_) => Self::Gzip(Box::new(MultiGzDecoder::new(buffered(reader)))),
            Codec::None => Self::None(reader),
        })
    }

    pub(super) fn into_inner(self) -> R {
        match self {
            Self::Zstd(decoder) => decoder.finish().into_inner(),
            Self::Gzip(decoder) => decoder.into_inner().into_inner(),
            Self::None(reader) => reader,
        }
    }
}

impl<R: Read> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Zstd(decoder) => decoder.read(buffer),
            Self::Gzip(decoder) => decoder.read(buffer),
            Self::None(reader) => reader.read(buffer),
        }
    }
}
