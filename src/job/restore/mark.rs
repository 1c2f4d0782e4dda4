//! Marks of replacements that remove before they fill: under `data_dir`, which archive holds what was
//! there, written before it is removed, and locked for as long as the restore lives. A mark that nobody
//! locks is a restore that was killed.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::RestoreError;
use crate::job::{Context, JobError};
use crate::model::{ArchiveId, DatabaseName, Workload};
use crate::pipeline::digest;

/// A restore that was killed, or failed, while it replaced a database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unfinished {
    pub container: String,
    pub database: DatabaseName,
    /// Whether the engine knows no databases by name.
    pub whole: bool,
    /// What the database held before, the oldest first.
    pub safety: Vec<ArchiveId>,
}

/// The claim of one database, for as long as this value lives.
#[derive(Debug)]
pub(super) struct Mark {
    path: PathBuf,
    file: File,
    says: Unfinished,
}

impl Mark {
    /// Claims a database, also one that an earlier restore left half replaced.
    pub(super) fn claim(
        context: &Context,
        workload: &Workload,
        name: &DatabaseName,
        whole: bool,
    ) -> Result<Self, JobError> {
        let path = path(context, workload, name);
        let failed = |source| RestoreError::Mark { path: path.clone(), source };
        fs::create_dir_all(&context.replacing).map_err(failed)?;
        let file = File::options().create(true).truncate(false).read(true).write(true).open(&path);
        let mut file = file.map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(RestoreError::Busy(name.clone()).into()),
            Err(TryLockError::Error(source)) => return Err(failed(source).into()),
        }
        let fresh = || Unfinished {
            container: workload.name.clone(),
            database: name.clone(),
            whole,
            safety: Vec::new(),
        };
        let says = read(&mut file).map_err(failed)?.unwrap_or_else(fresh);
        Ok(Self { path, file, says })
    }

    /// Says durably where what will be removed is.
    pub(super) fn write(&mut self, safety: &ArchiveId) -> Result<(), JobError> {
        self.says.safety.push(safety.clone());
        let text = serde_json::to_vec(&self.says).map_err(io::Error::from);
        let written = text.and_then(|text| {
            self.file.set_len(0)?;
            self.file.rewind()?;
            self.file.write_all(&text)?;
            self.file.sync_all()
        });
        let path = self.path.clone();
        Ok(written.map_err(|source| RestoreError::Mark { path, source })?)
    }

    pub(super) fn remove(self) -> Result<(), JobError> {
        gone(&self.path)
    }
}

impl Drop for Mark {
    /// A claim under which nothing was removed leaves nothing.
    fn drop(&mut self) {
        if self.says.safety.is_empty() {
            fs::remove_file(&self.path).ok();
        }
    }
}

/// Removes what an earlier restore had left to say of a database that is whole again.
pub(super) fn forget(
    context: &Context,
    workload: &Workload,
    name: &DatabaseName,
) -> Result<(), JobError> {
    gone(&path(context, workload, name))
}

/// The archives of what a database held before restores that did not end.
pub(super) fn of(context: &Context, workload: &Workload, name: &DatabaseName) -> Vec<ArchiveId> {
    let found = look(&path(context, workload, name));
    found.map(|unfinished| unfinished.safety).unwrap_or_default()
}

/// Every restore that did not end while it replaced a database, and is not at work.
pub fn unfinished(context: &Context) -> Vec<Unfinished> {
    let entries = fs::read_dir(&context.replacing).into_iter().flatten().flatten();
    let mut found: Vec<Unfinished> = entries.filter_map(|entry| look(&entry.path())).collect();
    found.sort_by(|a, b| (&a.container, &a.database).cmp(&(&b.container, &b.database)));
    found
}

/// What a mark says that nobody locks.
fn look(path: &Path) -> Option<Unfinished> {
    let mut file = File::open(path).ok()?;
    file.try_lock_shared().ok()?;
    let found = read(&mut file).ok()??;
    (!found.safety.is_empty()).then_some(found)
}

fn read(file: &mut File) -> io::Result<Option<Unfinished>> {
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    if text.is_empty() { Ok(None) } else { Ok(Some(serde_json::from_str(&text)?)) }
}

fn gone(path: &Path) -> Result<(), JobError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(RestoreError::Mark { path: path.to_owned(), source: error }.into())
        }
        _ => Ok(()),
    }
}

/// One mark for each database of each container.
fn path(context: &Context, workload: &Workload, name: &DatabaseName) -> PathBuf {
    let name = digest(name.as_str().as_bytes()).to_string();
    context.replacing.join(format!("{}.{}", workload.id, &name[..16]))
}

/// Where marks are, below `data_dir`.
pub(crate) fn folder(data_dir: &Path) -> PathBuf {
    data_dir.join("replacing")
}
