//! Into a folder of the host: the plain dump as a file, or what a tar of files holds. It needs no Docker,
//! and goes over nothing that is there.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::RestoreError;
use super::left::staged_name;
use crate::archive::{self, Archive, ArchiveError, Manifest, Plain};
use crate::aside;
use crate::engine::{Access, Destination, Engine};
use crate::job::{Event, JobError, blocking, load, random};
use crate::labels::Rules;
use crate::model::{Codec, Command, Database, DatabaseName, Facts, Place};
use crate::pipeline::{Identities, Scheme};
use crate::transport::{Limit, Stop};

/// The longest path that is a name.
const LONGEST: usize = crate::model::LONGEST_DATABASE;
const BUFFER: usize = 256 * 1024;

type Watcher = Arc<dyn Fn(&Event) + Send + Sync>;

/// What was written to the host, or would be.
#[derive(Debug, Clone)]
pub struct Written {
    pub path: PathBuf,
    pub facts: Facts,
    /// Whether it is a folder or file as it was, and not a dump.
    pub unpacked: bool,
}

/// A restore into a folder that may begin.
#[derive(Debug)]
pub struct Folder {
    archive: Archive,
    identities: Identities,
    /// What unpacks it; `None`: it is written as it is.
    engine: Option<&'static dyn Engine>,
    pub will: Written,
}

/// Says what a restore into a folder would write, and touches nothing.
///
/// # Errors
/// [`JobError`] if no identity opens the archive, or something is there already.
pub fn into_folder(
    rules: &Rules,
    archive: &Archive,
    identities: &Identities,
    folder: &Path,
) -> Result<Folder, JobError> {
    let manifest = &archive.manifest;
    archive::check_identities(manifest, identities)?;
    let folder = std::path::absolute(folder).map_err(|source| file("find", folder, source))?;
    // Commands that run in a helper are Ringbolt's own, and run here as well.
    let engine = rules.engine(&manifest.engine).filter(|e| e.card().place == Place::Helper);
    let own = manifest.part.database().map(|name| Path::new(name.as_str()));
    let name = match (engine, own.and_then(Path::file_name)) {
        (Some(_), Some(own)) => own.to_owned(),
        _ => plain_name(manifest).into(),
    };
    let path = folder.join(name);
    if path.symlink_metadata().is_ok() {
        return Err(RestoreError::FileThere(path).into());
    }
    let will = Written { path, facts: manifest.facts.clone(), unpacked: engine.is_some() };
    Ok(Folder { archive: archive.clone(), identities: identities.clone(), engine, will })
}

impl Folder {
    /// Writes it, whole or not at all.
    ///
    /// # Errors
    /// [`JobError`]; then nothing has the final name.
    pub async fn run(self, watcher: Watcher, stop: &Stop) -> Result<Written, JobError> {
        let (id, expected) = (self.archive.manifest.id.clone(), self.archive.manifest.plain.bytes);
        watcher(&Event::RestoreStarted { id, expected });
        let ended = watcher.clone();
        let stop = stop.clone();
        let written = blocking(move || self.write(watcher, &stop)).await;
        ended(&Event::RestoreEnded);
        written
    }

    fn write(self, watcher: Watcher, stop: &Stop) -> Result<Written, JobError> {
        let path = &self.will.path;
        let name = named(path)?;
        let staged = staged_name(&name, LONGEST, random());
        archive::prove(&self.archive, &self.identities)?;
        if let Some(folder) = path.parent() {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
            made.map_err(|source| file("make", folder, source))?;
        }
        let written = self.fill(&staged, watcher, stop).and_then(|()| {
            let settle = ["files-settle", staged.as_str(), name.as_str()];
            self.aside(&settle.map(str::to_owned), &mut io::empty()).map(drop)
        });
        if let Err(error) = written {
            let discard = ["files-discard", staged.as_str()];
            self.aside(&discard.map(str::to_owned), &mut io::empty()).ok();
            return Err(error);
        }
        Ok(self.will)
    }

    fn fill(&self, staged: &DatabaseName, watcher: Watcher, stop: &Stop) -> Result<(), JobError> {
        let manifest = &self.archive.manifest;
        let plain = archive::open_plain(self.archive.store.as_ref(), manifest, &self.identities)?;
        let mut reading = Reading { plain, watcher, stop: stop.clone() };
        let filled = match self.engine {
            Some(engine) => self.unpack(engine, staged, &mut reading),
            None => copy(&mut reading, Path::new(staged.as_str()), &manifest.payload),
        };
        if stop.asked() {
            return Err(JobError::Stopped(Limit::Stopped));
        }
        // A damaged archive is the reason why what came of it could not be unpacked.
        let rest = io::copy(&mut reading, &mut io::sink());
        let failed = |source| ArchiveError::Read { key: manifest.payload.clone(), source };
        rest.map_err(failed)?;
        reading.plain.finish()?;
        filled
    }

    fn unpack(
        &self,
        engine: &dyn Engine,
        staged: &DatabaseName,
        reading: &mut Reading,
    ) -> Result<(), JobError> {
        let manifest = &self.archive.manifest;
        let paths = [staged.to_string()];
        let access = Access { user: "", password: None, paths: &paths };
        let named = Database::named(staged.clone());
        let like = manifest.database.as_ref().unwrap_or(&named);
        let (format, major) = (&*manifest.format, manifest.server_major);
        let to = Destination { format, staged, name: staged, like, major };
        self.command(&engine.restore(&access, &to).load, reading)?;
        let asked = engine.ask_facts(&access, staged, &manifest.facts);
        let answer = self.command(&asked, &mut io::empty())?;
        load::agree(&manifest.facts, engine.read_facts(&answer)?).map(drop)
    }

    /// Runs one of Ringbolt's own commands: `ringbolt aside NAME …`.
    fn command(&self, command: &Command, input: &mut dyn Read) -> Result<Vec<u8>, JobError> {
        self.aside(command.argv.get(2..).unwrap_or_default(), input)
    }

    fn aside(&self, arguments: &[String], input: &mut dyn Read) -> Result<Vec<u8>, JobError> {
        let mut answer = Vec::new();
        let path = self.will.path.clone();
        aside::run(arguments, input, &mut answer)
            .map_err(|source| RestoreError::Unpack { path, source })?;
        Ok(answer)
    }
}

/// The plain dump, watched, until somebody wants it to stop.
struct Reading {
    plain: Plain,
    watcher: Watcher,
    stop: Stop,
}

impl Read for Reading {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stop.asked() {
            return Err(io::Error::other(Limit::Stopped));
        }
        let read = self.plain.read(buffer)?;
        (self.watcher)(&Event::RestoreAdvanced { bytes: read as u64 });
        Ok(read)
    }
}

/// Writes the dump to a new file that only its owner can read.
fn copy(reading: &mut Reading, path: &Path, payload: &str) -> Result<(), JobError> {
    let failed = |source| file("write", path, source);
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut dump = opened.map_err(failed)?;
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = reading.read(&mut buffer);
        let read = read.map_err(|source| ArchiveError::Read { key: payload.to_owned(), source })?;
        if read == 0 {
            return Ok(dump.sync_all().map_err(failed)?);
        }
        dump.write_all(&buffer[..read]).map_err(failed)?;
    }
}

fn file(act: &'static str, path: &Path, source: io::Error) -> RestoreError {
    RestoreError::File { act, path: path.to_owned(), source }
}

/// A path as the commands of files take it.
fn named(path: &Path) -> Result<DatabaseName, RestoreError> {
    let text = path.to_str().and_then(|text| text.parse().ok());
    text.ok_or_else(|| file("name", path, io::ErrorKind::InvalidFilename.into()))
}

/// The payload's name without what is peeled off: `20261120T030000Z-01jd8abcde.pgdump`.
fn plain_name(manifest: &Manifest) -> String {
    let name = manifest.payload.as_str();
    let name = name.strip_suffix(Scheme::of(&manifest.recipients).extension()).unwrap_or(name);
    let compressed = match manifest.codec {
        Codec::Zstd(_) => ".zst",
        Codec::Gzip(_) => ".gz",
        Codec::None => "",
    };
    name.strip_suffix(compressed).unwrap_or(name).to_owned()
}
