//! Messages: what is written for certificates, and what opens with secret keys. Whose keys they are, and
//! whether they may encrypt now, is not known here.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::mem;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use pgp::composed::{DecryptionOptions, Message, MessageBuilder, TheRing};
use pgp::crypto::sym::SymmetricKeyAlgorithm;
use pgp::errors::Error;
use pgp::packet::PublicSubkey;
use pgp::types::Seipdv1ReadMode;
use rand::rngs::OsRng;

use super::super::EncryptionError;
use super::certificate::{Certificate, Part};
use super::secret::SecretKey;

const BUFFER: usize = 128 * 1024;
/// How many pieces wait for the thread that encrypts.
const WAITING: usize = 4;
/// The length of the message's parts: a power of two. The end of a message need not be known then.
const PART: u32 = 64 * 1024;

/// Who can open a message.
#[derive(Debug, Clone)]
pub(in crate::pipeline) struct Recipients {
    pub(in crate::pipeline) certificates: Vec<Certificate>,
    pub(in crate::pipeline) momentary: Option<PublicSubkey>,
}

/// An encrypting writer. The crate asks for what it encrypts and cannot be handed it, so it runs on a
/// thread of its own.
pub(in crate::pipeline) struct Sealing<W> {
    /// What is on its way to the next piece.
    piece: Vec<u8>,
    pieces: Option<SyncSender<Piece>>,
    thread: Option<JoinHandle<(io::Result<()>, W)>>,
}

enum Piece {
    Bytes(Vec<u8>),
    End,
}

impl<W: Write + Send + 'static> Sealing<W> {
    pub(in crate::pipeline) fn new(recipients: &Arc<Recipients>, writer: W) -> io::Result<Self> {
        let (sender, receiver) = sync_channel(WAITING);
        let source = Source { receiver, piece: Vec::new(), at: 0, ended: false };
        let recipients = recipients.clone();
        let encrypt = move || {
            let mut target = Target { writer, fault: None };
            let written = encrypt(&recipients, source, &mut target);
            let Target { writer, fault } = target;
            let result = match (written, fault) {
                (_, Some(fault)) => Err(fault),
                (Err(error), None) => Err(io::Error::other(error)),
                (Ok(()), None) => Ok(()),
            };
            (result, writer)
        };
        let thread = std::thread::Builder::new().name("openpgp".to_owned()).spawn(encrypt)?;
        Ok(Self { piece: Vec::with_capacity(BUFFER), pieces: Some(sender), thread: Some(thread) })
    }

    /// Writes the end of the message and gives the writer back.
    pub(in crate::pipeline) fn finish(mut self) -> io::Result<W> {
        self.send()?;
        self.hand_on(Piece::End)?;
        let (result, writer) = self.join()?;
        result.map(|()| writer)
    }
}

fn encrypt(recipients: &Recipients, source: Source, target: impl Write) -> Result<(), Error> {
    let mut message =
        MessageBuilder::from_reader("", source).seipd_v1(OsRng, SymmetricKeyAlgorithm::AES256);
    message.partial_chunk_size(PART)?;
    for certificate in &recipients.certificates {
        match certificate.part() {
            Part::Primary(key) => message.encrypt_to_key(OsRng, key)?,
            Part::Sub(key) => message.encrypt_to_key(OsRng, key)?,
        };
    }
    if let Some(key) = &recipients.momentary {
        message.encrypt_to_key(OsRng, key)?;
    }
    message.to_writer(OsRng, target)
}

impl<W> Sealing<W> {
    /// Hands on what has gathered.
    fn send(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = mem::replace(&mut self.piece, Vec::with_capacity(BUFFER));
        self.hand_on(Piece::Bytes(piece))
    }

    fn hand_on(&mut self, piece: Piece) -> io::Result<()> {
        let sent = self.pieces.as_ref().is_some_and(|pieces| pieces.send(piece).is_ok());
        match sent {
            true => Ok(()),
            false => Err(self.join()?.0.err().unwrap_or_else(|| closed("encrypting ended early"))),
        }
    }

    fn join(&mut self) -> io::Result<(io::Result<()>, W)> {
        self.pieces = None;
        let thread = self.thread.take().ok_or_else(|| closed("encrypting has failed before"))?;
        thread.join().map_err(|_| io::Error::other("encrypting panicked"))
    }
}

impl<W> Write for Sealing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(BUFFER - self.piece.len());
        self.piece.extend_from_slice(&bytes[..taken]);
        if self.piece.len() == BUFFER {
            self.send()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send()
    }
}

/// What is given up leaves nothing behind when this returns: the thread has dropped its writer.
impl<W> Drop for Sealing<W> {
    fn drop(&mut self) {
        self.join().ok();
    }
}

fn closed(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, why)
}

/// What the crate reads from. Only what was ended has an end: what was given up is an error, so that
/// it never becomes a whole message.
struct Source {
    receiver: Receiver<Piece>,
    piece: Vec<u8>,
    at: usize,
    ended: bool,
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.piece.len() && !self.ended {
            match self.receiver.recv() {
                Ok(Piece::Bytes(piece)) => (self.piece, self.at) = (piece, 0),
                Ok(Piece::End) => self.ended = true,
                Err(_) => return Err(closed("the dump was given up")),
            }
        }
        let read = buffer.len().min(self.piece.len() - self.at);
        buffer[..read].copy_from_slice(&self.piece[self.at..self.at + read]);
        self.at += read;
        Ok(read)
    }
}

/// What the crate writes to. It keeps the writer's own error, which the crate would wrap in its words.
struct Target<W> {
    writer: W,
    fault: Option<io::Error>,
}

impl<W: Write> Target<W> {
    fn keep<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|error| {
            let kind = error.kind();
            if kind != io::ErrorKind::Interrupted {
                self.fault = Some(error);
            }
            kind.into()
        })
    }
}

impl<W: Write> Write for Target<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.writer.write(bytes);
        self.keep(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.writer.flush();
        self.keep(flushed)
    }
}

/// A decrypting reader. What it hands out is not proven until its end.
pub(in crate::pipeline) struct Opened {
    message: Message<'static>,
    /// The crate panics when it is asked again after an error.
    failed: bool,
}

impl Opened {
    /// `None`: it names no key that is here.
    ///
    /// # Errors
    /// [`EncryptionError::Damaged`] if it is no such message.
    pub(in crate::pipeline) fn new<'a>(
        keys: impl Iterator<Item = &'a SecretKey>,
        reader: impl Read + Send + 'static,
    ) -> Result<Option<Self>, EncryptionError> {
        let reader = Uninterrupted(BufReader::with_capacity(BUFFER, reader));
        // Longer messages than memory are read: the proof is the caller's to wait for.
        let streaming = DecryptionOptions::new().set_seipdv1_read_mode(Seipdv1ReadMode::Streaming);
        let ring = TheRing {
            secret_keys: keys.map(|own| &own.key).collect(),
            decrypt_options: streaming,
            ..TheRing::default()
        };
        let opened = Message::from_bytes(reader).and_then(|read| read.decrypt_the_ring(ring, true));
        match opened {
            Ok((message, _)) if message.is_literal() => Ok(Some(Self { message, failed: false })),
            Ok(_) => Err(EncryptionError::Damaged("there is no plain data inside".into())),
            Err(Error::MissingKey) => Ok(None),
            Err(error) => Err(EncryptionError::Damaged(Box::new(error))),
        }
    }
}

impl Read for Opened {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.failed {
            return Err(io::Error::other("decrypting has failed before"));
        }
        let read = self.message.read(buffer);
        self.failed = read.is_err();
        read
    }
}

/// The crate takes every error for the end of it.
struct Uninterrupted<R>(BufReader<R>);

impl<R: Read> Read for Uninterrupted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }
}

impl<R: Read> BufRead for Uninterrupted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.0.buffer().is_empty() {
            match self.0.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(_) => break,
            }
        }
        Ok(self.0.buffer())
    }

    fn consume(&mut self, amount: usize) {
        self.0.consume(amount);
    }
}

impl<R> fmt::Debug for Uninterrupted<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Uninterrupted").finish_non_exhaustive()
    }
}
