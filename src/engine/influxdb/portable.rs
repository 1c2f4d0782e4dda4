//! Judges a portable backup: a tar of its folder, which holds a manifest, what the server knows of its
//! databases, and each shard as a compressed tar.
//!
//! The manifest says which files there must be. A shard is read to its end: its own checksum must be
//! right, its tar whole, and as long as the manifest says. (In 1.x that is the length before compression,
//! in 2.x the length of the file.)

use std::collections::BTreeMap;
use std::io::{self, Write};

use flate2::write::MultiGzDecoder;
use serde_json::Value;

use crate::engine::tar::{Event, Kind, Reader};
use crate::engine::{Invalid, Validator};
use crate::model::Facts;

/// A manifest is held in memory up to this: a shard takes some 150 bytes of it.
const LONGEST_MANIFEST: u64 = 64 << 20;

/// A portable backup, so far.
#[derive(Debug, Default)]
pub(super) struct Portable {
    reader: Reader,
    manifest: Option<Vec<u8>>,
    current: Current,
    /// Every other file that is whole.
    files: BTreeMap<String, Found>,
}

/// The file whose bytes stream by.
#[derive(Debug, Default)]
enum Current {
    #[default]
    None,
    Manifest(Vec<u8>),
    Shard(String, u64, Box<MultiGzDecoder<Shard>>),
    Other(String, u64),
}

/// A file that was there.
#[derive(Debug)]
struct Found {
    bytes: u64,
    /// Of a shard: how long it is before compression, and how many files with data it has.
    shard: Option<(u64, u64)>,
}

/// A shard's tar, so far.
#[derive(Debug, Default)]
struct Shard {
    reader: Reader,
    bytes: u64,
    data_files: u64,
}

impl Write for Shard {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = bytes;
        while let Some(event) = self.reader.next(&mut rest).map_err(io::Error::other)? {
            if let Event::Entry(entry) = event {
                self.data_files += u64::from(entry.name.ends_with(b".tsm"));
            }
        }
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Validator for Portable {
    fn check(&mut self, mut piece: &[u8]) -> Result<(), Invalid> {
        while let Some(event) = self.reader.next(&mut piece)? {
            match event {
                Event::Data(data) => match &mut self.current {
                    Current::Manifest(text) => text.extend_from_slice(data),
                    Current::Shard(name, _, shard) => {
                        shard.write_all(data).map_err(|error| broken(name, &error))?;
                    }
                    Current::Other(..) | Current::None => {}
                },
                Event::Entry(entry) => {
                    self.close()?;
                    let name = String::from_utf8_lossy(&entry.name).into_owned();
                    let Kind::File { bytes } = entry.kind else {
                        return Err(Invalid::Foreign(format!("`{name}` in it is no file")));
                    };
                    self.current = if name.ends_with(".manifest") {
                        if bytes > LONGEST_MANIFEST {
                            return Err(Invalid::Foreign("its manifest is too long".to_owned()));
                        }
                        Current::Manifest(Vec::new())
                    } else if name.ends_with(".tar.gz") {
                        Current::Shard(name, bytes, Box::new(MultiGzDecoder::new(Shard::default())))
                    } else {
                        Current::Other(name, bytes)
                    };
                }
                Event::Comment(_) => {}
            }
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Facts, Invalid> {
        self.reader.finish()?;
        self.close()?;
        let cut = |what: &str| Invalid::Cut(what.to_owned());
        let manifest = self.manifest.as_ref().ok_or_else(|| cut("its manifest is missing"))?;
        let manifest: Value =
            serde_json::from_slice(manifest).map_err(|_| cut("its manifest is not readable"))?;
        let mut listed = BTreeMap::new();
        list(&manifest, &mut listed);
        if listed.is_empty() {
            return Err(Invalid::Foreign("its manifest lists nothing".to_owned()));
        }
        for (name, bytes) in &listed {
            let found = self.files.get(name);
            let found = found.ok_or_else(|| Invalid::Cut(format!("`{name}` is missing")))?;
            let right = match (found.shard, bytes) {
                (Some((unpacked, _)), Some(bytes)) => [unpacked, found.bytes].contains(bytes),
                // 1.x leaves the mark at its beginning out of the length of what it knows.
                (None, Some(bytes)) => found.bytes >= *bytes,
                (_, None) => true,
            };
            if !right {
                return Err(Invalid::Cut(format!("`{name}` is not as long as its manifest says")));
            }
        }
        let own = |name: &String| !listed.contains_key(name);
        if let Some(name) = self.files.keys().find(|name| own(name)) {
            return Err(Invalid::Foreign(format!("its manifest does not list `{name}`")));
        }
        let mut facts = Facts::default();
        // Only 1.x can be asked for its shards again.
        if manifest.get("meta").is_some() {
            let filled = |found: &&Found| found.shard.is_some_and(|(_, files)| files > 0);
            let shards = self.files.values().filter(filled).count() as u64;
            facts.counts.insert("shards".to_owned(), shards);
        }
        Ok(facts)
    }
}

impl Portable {
    /// The current file has all its bytes.
    fn close(&mut self) -> Result<(), Invalid> {
        let (name, found) = match std::mem::take(&mut self.current) {
            Current::None => return Ok(()),
            Current::Manifest(text) => {
                return match self.manifest.replace(text) {
                    None => Ok(()),
                    Some(_) => Err(Invalid::Foreign("it has two manifests".to_owned())),
                };
            }
            Current::Shard(name, bytes, shard) => {
                let shard = shard.finish().map_err(|error| broken(&name, &error))?;
                shard.reader.finish().map_err(|error| broken(&name, &error))?;
                (name, Found { bytes, shard: Some((shard.bytes, shard.data_files)) })
            }
            Current::Other(name, bytes) => (name, Found { bytes, shard: None }),
        };
        match self.files.insert(name.clone(), found) {
            None => Ok(()),
            Some(_) => Err(Invalid::Foreign(format!("`{name}` is in it twice"))),
        }
    }
}

fn broken(name: &str, error: &dyn std::error::Error) -> Invalid {
    Invalid::Cut(format!("`{name}`: {error}"))
}

/// Every file that a manifest lists, wherever in it, and how long it says that it is.
fn list(value: &Value, listed: &mut BTreeMap<String, Option<u64>>) {
    match value {
        Value::Object(fields) => {
            if let Some(name) =
                fields.get("fileName").and_then(Value::as_str).filter(|n| !n.is_empty())
            {
                listed.insert(name.to_owned(), fields.get("size").and_then(Value::as_u64));
            }
            fields.values().for_each(|value| list(value, listed));
        }
        Value::Array(values) => values.iter().for_each(|value| list(value, listed)),
        _ => {}
    }
}
