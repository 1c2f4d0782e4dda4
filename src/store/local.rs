//! A directory as a store. Its [`commit`] is the only place in the house that renames.
//!
//! Durability follows the usual order (restic, arrow-rs): write, fsync the file, rename, fsync the
//! directory. Object stores have no such steps, so none of this leaks into the trait.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Claim, Key, Object, Orphans, Probe, Store, StoreError, Upload};
use crate::model::Slug;

const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;
/// Temporary files are `.<name>.<number>.tmp` beside the final one; no key begins with a dot.
const TEMPORARY: &str = ".tmp";
/// The kinds of file system that a container's own layer is: overlayfs and fuse-overlayfs (`statfs(2)`).
const LAYERS: [rustix::fs::FsWord; 2] = [0x794c_7630, 0x6573_5546];
const LOCK: &str = ".ringbolt.lock";
const PROBE: &str = "ringbolt.probe";
/// No key of ours has more components.
const DEEPEST: usize = 3;

#[derive(Debug)]
struct Local {
    name: Slug,
    root: PathBuf,
}

#[derive(Debug)]
struct LocalUpload {
    store: Slug,
    key: Key,
    /// `None` once committed.
    temporary: Option<PathBuf>,
    target: PathBuf,
    file: File,
}

pub(super) fn open(name: Slug, url: &str) -> Result<Arc<dyn Store>, StoreError> {
    match url.strip_prefix("file://") {
        Some(path) if path.starts_with('/') => {
            let store: Arc<dyn Store> = Arc::new(Local { name, root: path.into() });
            Ok(store)
        }
        _ => Err(StoreError::Url { store: name, url: url.to_owned() }),
    }
}

impl Local {
    fn path(&self, key: &Key) -> PathBuf {
        self.root.join(key.as_str())
    }

    fn unreachable(&self, source: io::Error) -> StoreError {
        StoreError::Unreachable { store: self.name.clone(), url: self.url(), source }
    }

    fn failed(
        &self,
        act: &'static str,
        key: &(impl ToString + ?Sized),
    ) -> impl FnOnce(io::Error) -> StoreError {
        let (store, key) = (self.name.clone(), key.to_string());
        move |source| match source.kind() {
            io::ErrorKind::NotFound => StoreError::Missing { key, store },
            _ => StoreError::Io { act, key, store, source },
        }
    }

    /// Opens the lock file, and the root if it is not there yet.
    fn lock_file(&self) -> Result<File, StoreError> {
        folder(&self.root).map_err(|error| self.unreachable(error))?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(FILE_MODE);
        options.open(self.root.join(LOCK)).map_err(self.failed("lock", LOCK))
    }

    /// Every file that may be ours, with its path. Folders that no key can lead to (`lost+found`,
    /// `.snapshot`) are not entered, links are not followed.
    fn walk(&self) -> Result<Vec<(PathBuf, fs::Metadata)>, StoreError> {
        let mut found = Vec::new();
        let mut folders = vec![(self.root.clone(), 1)];
        while let Some((folder, depth)) = folders.pop() {
            let failed = |error| match depth {
                1 => self.unreachable(error),
                _ => self.failed("list", &folder.display())(error),
            };
            for entry in fs::read_dir(&folder).map_err(failed)? {
                let entry = entry.map_err(self.failed("list", &folder.display()))?;
                let ours = entry.file_name().to_str().is_some_and(|name| Key::new(name).is_ok());
                match entry.metadata() {
                    Ok(metadata) if metadata.is_dir() && ours && depth < DEEPEST => {
                        folders.push((entry.path(), depth + 1));
                    }
                    Ok(metadata) if metadata.is_file() => found.push((entry.path(), metadata)),
                    Ok(_) => {}
                    // Gone between listing and looking: another process finished its work.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(self.failed("list", &entry.path().display())(error)),
                }
            }
        }
        Ok(found)
    }

    fn objects(&self, files: &[(PathBuf, fs::Metadata)]) -> Vec<Object> {
        let object = |(path, metadata): &(PathBuf, fs::Metadata)| {
            let relative = path.strip_prefix(&self.root).ok()?.to_str()?;
            Some(Object { key: Key::new(relative).ok()?, bytes: metadata.len() })
        };
        files.iter().filter_map(object).collect()
    }
}

impl Store for Local {
    fn name(&self) -> &Slug {
        &self.name
    }

    fn url(&self) -> String {
        format!("file://{}", self.root.display())
    }

    fn root(&self) -> String {
        self.root.display().to_string()
    }

    fn is_new(&self) -> bool {
        !self.root.exists()
    }

    fn claim(&self) -> Result<Claim, StoreError> {
        let file = self.lock_file()?;
        // Only a sweep locks against others, and a sweep is short.
        file.lock_shared().map_err(self.failed("lock", LOCK))?;
        Ok(Claim(file))
    }

    fn create(&self, key: &Key) -> Result<Box<dyn Upload>, StoreError> {
        let target = self.path(key);
        let parent = target.parent().unwrap_or(&self.root);
        folder(parent).map_err(self.failed("make a folder for", key))?;
        let (file, temporary) =
            create_beside(parent, key.file_name()).map_err(self.failed("create", key))?;
        let (store, key) = (self.name.clone(), key.clone());
        Ok(Box::new(LocalUpload { store, key, temporary: Some(temporary), target, file }))
    }

    fn open(&self, key: &Key) -> Result<Box<dyn Read + Send>, StoreError> {
        let file = File::open(self.path(key)).map_err(self.failed("open", key))?;
        Ok(Box::new(file))
    }

    fn list(&self) -> Result<Vec<Object>, StoreError> {
        Ok(self.objects(&self.walk()?))
    }

    fn delete(&self, key: &Key) -> Result<(), StoreError> {
        let path = self.path(key);
        fs::remove_file(&path).map_err(self.failed("delete", key))?;
        path.parent().map_or(Ok(()), sync_folder).map_err(self.failed("delete", key))
    }

    fn sweep(&self, also: Orphans) -> Result<Vec<String>, StoreError> {
        let lock = self.lock_file()?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Ok(Vec::new()),
            Err(fs::TryLockError::Error(error)) => return Err(self.failed("lock", LOCK)(error)),
        }
        let files = self.walk()?;
        let unfinished = |(path, _): &(PathBuf, fs::Metadata)| {
            let key = unfinished_key(path.strip_prefix(&self.root).ok()?)?;
            Some((path.clone(), key))
        };
        let unfinished: Vec<(PathBuf, Key)> = files.iter().filter_map(unfinished).collect();
        let keys: Vec<Key> = unfinished.iter().map(|(_, key)| key.clone()).collect();
        let mut removed = Vec::new();
        // The unfinished files go last: they are what tells an orphan from a stranger's file, also
        // after a crash in here.
        for key in also(&keys, &self.objects(&files)) {
            self.delete(&key)?;
            removed.push(key.to_string());
        }
        for (path, _) in unfinished {
            fs::remove_file(&path).map_err(self.failed("delete", &path.display()))?;
            let relative = path.strip_prefix(&self.root).unwrap_or(&path);
            removed.push(relative.display().to_string());
        }
        Ok(removed)
    }

    fn probe(&self) -> Result<Probe, StoreError> {
        // A root that is not there yet is made by the first backup; what holds it must be writable.
        let existing = self.root.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
        if !existing.is_dir() {
            return Err(self.unreachable(io::ErrorKind::NotADirectory.into()));
        }
        let (mut file, probe) =
            create_beside(existing, PROBE).map_err(self.failed("write", PROBE))?;
        let written = file.write_all(b"ringbolt").and_then(|()| fs::read(&probe));
        let removed = fs::remove_file(&probe);
        written.and(removed).map_err(self.failed("write", PROBE))?;
        let space = rustix::fs::statvfs(existing).map_err(io::Error::from);
        let space = space.map_err(self.failed("measure", PROBE))?;
        let bytes = |blocks: u64| Some(blocks.saturating_mul(space.f_frsize));
        Ok(Probe {
            free: bytes(space.f_bavail),
            total: bytes(space.f_blocks),
            passing: in_own_layer(existing).map_err(self.failed("measure", PROBE))?,
        })
    }
}

impl Write for LocalUpload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Upload for LocalUpload {
    fn target(&self) -> String {
        format!("`{}` in store `{}`", self.key, self.store)
    }

    fn commit(mut self: Box<Self>) -> Result<(), StoreError> {
        let temporary = self.temporary.take();
        let committed = match &temporary {
            Some(temporary) => commit(&self.file, temporary, &self.target),
            None => Ok(()),
        };
        committed.map_err(|source| {
            self.temporary = temporary;
            let (key, store) = (self.key.to_string(), self.store.clone());
            StoreError::Io { act: "commit", key, store, source }
        })
    }
}

impl Drop for LocalUpload {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // An abort: what cannot be removed now is swept at the next start.
            fs::remove_file(temporary).ok();
        }
    }
}

/// Makes a temporary file. A number tells it from one that a crash left and nobody has swept yet.
fn create_beside(folder: &Path, name: &str) -> io::Result<(File, PathBuf)> {
    let mut number = 0;
    loop {
        let temporary = folder.join(format!(".{name}.{number}{TEMPORARY}"));
        let mut options = OpenOptions::new();
        match options.write(true).create_new(true).mode(FILE_MODE).open(&temporary) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < 99 => {
                number += 1;
            }
            made => return made.map(|file| (file, temporary)),
        }
    }
}

/// Makes a file durable under its final name.
fn commit(file: &File, temporary: &Path, target: &Path) -> io::Result<()> {
    file.sync_all()?;
    // Who reads it back shall read the disk and not the memory of what was written.
    rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed)?;
    fs::rename(temporary, target)?;
    target.parent().map_or(Ok(()), sync_folder)
}

/// Whether a folder goes away with the container that we run in: nothing is mounted where it is.
fn in_own_layer(folder: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;

    let layered = LAYERS.contains(&rustix::fs::statfs("/")?.f_type);
    Ok(layered && fs::metadata(folder)?.dev() == fs::metadata("/")?.dev())
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Makes a folder and what leads to it, and makes their names durable.
fn folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        folder(parent)?;
    }
    match DirBuilder::new().mode(FOLDER_MODE).create(path) {
        Ok(()) => path.parent().map_or(Ok(()), sync_folder),
        // Another run made it first.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

/// The key that one of our temporary files was to become. Only [`create_beside`] makes such names.
fn unfinished_key(relative: &Path) -> Option<Key> {
    let name = relative.file_name()?.to_str()?;
    let stem = name.strip_prefix('.')?.strip_suffix(TEMPORARY)?;
    let (name, number) = stem.rsplit_once('.')?;
    let _is_number: u32 = number.parse().ok()?;
    let _is_archive: crate::model::ArchiveId = name.split('.').next()?.parse().ok()?;
    Key::new(relative.with_file_name(name).to_str()?).ok()
}
