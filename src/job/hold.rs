//! Holds: a container paused or stopped while its files are read, and let go on again whatever happens.
//!
//! Before a container is held, a mark is written under `data_dir`, and locked for as long as the run
//! goes on. A mark that nobody locks was left by a run that was killed: whoever finds it lets the
//! container go on. So a held container waits for the next start of Ringbolt at the longest.

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Context, JobError};
use crate::model::{Hold, Plan};
use crate::transport::Limits;

/// How often our own container is asked to go on, and the first pause in between; each further one is
/// twice as long. What others left is asked once: the next run asks again.
const OWN: u32 = 6;
const LEFT: u32 = 1;
const PAUSE: Duration = Duration::from_millis(250);

/// Between two looks at whether another run has let a container go.
const WAIT: Duration = Duration::from_millis(200);

/// A container that is held by this run. Let it go with [`Held::release`].
#[derive(Debug)]
pub(super) struct Held {
    id: String,
    hold: Hold,
    path: PathBuf,
    /// Locked for as long as this value lives.
    _mark: File,
}

/// Containers that a killed run had left held.
#[derive(Debug, Default)]
pub struct Left {
    /// By their ids.
    pub released: Vec<String>,
    /// Why others still do not go on.
    pub failures: Vec<JobError>,
}

impl Left {
    pub fn is_empty(&self) -> bool {
        self.released.is_empty() && self.failures.is_empty()
    }
}

/// Holds the plan's container, if the plan says so and it is doing anything. What another run holds
/// is waited for: when that run lets it go, nobody else may be reading.
///
/// # Errors
/// [`JobError::Mark`], [`JobError::Stopped`], [`JobError::Docker`], [`JobError::StillHeld`].
pub(super) async fn hold(
    context: &Context,
    plan: &Plan,
    limits: &Limits,
) -> Result<Option<Held>, JobError> {
    let id = plan.workload.id.clone();
    let Some(hold) = plan.hold else { return Ok(None) };
    let path = context.held.join(&id);
    let failed = |source| JobError::Mark { path: path.clone(), source };
    fs::create_dir_all(&context.held).map_err(failed)?;
    let mut mark = loop {
        if let Some(limit) = limits.reached() {
            return Err(JobError::Stopped(limit));
        }
        let mark = File::options().create(true).read(true).append(true).open(&path);
        let mark = mark.map_err(failed)?;
        if lock(&mark, &path)? {
            break mark;
        }
        tokio::time::sleep(WAIT).await;
    };
    // A killed run may have left it held, and nobody could let it go on since.
    let left = word(&mut mark).map_err(failed)?;
    if let Some(left) = left {
        go_on(context, &id, left, OWN).await?;
    }
    if !context.docker.is_active(&id).await? {
        fs::remove_file(&path).map_err(failed)?;
        return Ok(None);
    }
    mark.set_len(0).and_then(|()| mark.write_all(hold.to_string().as_bytes())).map_err(failed)?;
    mark.sync_all().map_err(failed)?;
    let held = Held { id, hold, path, _mark: mark };
    let Err(error) = context.docker.hold(&held.id, hold).await else { return Ok(Some(held)) };
    // Docker may have done it all the same.
    match held.release(context).await {
        Err(still @ JobError::StillHeld { .. }) => Err(still),
        _ => Err(error.into()),
    }
}

impl Held {
    /// Lets the container go on, whatever has become of the mark.
    ///
    /// # Errors
    /// [`JobError::StillHeld`] if it does not, [`JobError::Broken`] if somebody else let it go before.
    pub(super) async fn release(self, context: &Context) -> Result<(), JobError> {
        let was_held = go_on(context, &self.id, self.hold, OWN).await?;
        fs::remove_file(&self.path).or_else(|source| match source.kind() {
            io::ErrorKind::NotFound => Ok(()),
            _ => Err(JobError::Mark { path: self.path.clone(), source }),
        })?;
        if was_held { Ok(()) } else { Err(JobError::Broken(self.hold)) }
    }
}

/// Lets the plan's container go on after a panic, if its run has held it.
///
/// # Errors
/// [`JobError::StillHeld`] if it does not.
pub(super) async fn release(context: &Context, plan: &Plan) -> Result<(), JobError> {
    let path = context.held.join(&plan.workload.id);
    match plan.hold {
        Some(_) => release_mark(context, &path, OWN).await.map(drop),
        None => Ok(()),
    }
}

/// Lets every container go on that was left held by a run that was killed. One that cannot is tried
/// again the next time, and holds up no other.
pub async fn release_left(context: &Context) -> Left {
    let mut left = Left::default();
    for id in marks(&context.held) {
        match release_mark(context, &context.held.join(&id), LEFT).await {
            Ok(true) => left.released.push(id),
            Ok(false) => {}
            Err(error) => left.failures.push(error),
        }
    }
    left
}

/// The ids of containers that are held: they do not run, and are not to be missed.
pub(super) fn marks(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// Whether a mark was there that no run holds any more; then its container goes on.
async fn release_mark(context: &Context, path: &Path, attempts: u32) -> Result<bool, JobError> {
    let failed = |source| JobError::Mark { path: path.to_owned(), source };
    let mut mark = match File::open(path) {
        Ok(mark) => mark,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(failed(error)),
    };
    if !lock(&mark, path)? {
        return Ok(false);
    }
    let id = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if let Some(hold) = word(&mut mark).map_err(failed)? {
        go_on(context, id, hold, attempts).await?;
    }
    fs::remove_file(path).map_err(failed)?;
    Ok(true)
}

/// Locks a mark, if nobody else has and it is still the one at its path: whoever removes a mark has
/// it locked until then.
fn lock(mark: &File, path: &Path) -> Result<bool, JobError> {
    let failed = |source| JobError::Mark { path: path.to_owned(), source };
    match mark.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(false),
        Err(TryLockError::Error(source)) => return Err(failed(source)),
    }
    let own = mark.metadata().map_err(failed)?;
    Ok(fs::metadata(path).is_ok_and(|there| (there.dev(), there.ino()) == (own.dev(), own.ino())))
}

/// What a mark says. `None`: it is older than the hold, and nothing was held yet.
fn word(mark: &mut File) -> io::Result<Option<Hold>> {
    let mut word = String::new();
    mark.read_to_string(&mut word)?;
    Ok(word.parse().ok())
}

/// Asks a container to go on, so often at most. `false`: it did already.
async fn go_on(context: &Context, id: &str, hold: Hold, attempts: u32) -> Result<bool, JobError> {
    let mut pause = PAUSE;
    for _ in 1..attempts {
        match context.docker.release(id, hold).await {
            Ok(was_held) => return Ok(was_held),
            Err(_) => tokio::time::sleep(pause).await,
        }
        pause *= 2;
    }
    context.docker.release(id, hold).await.map_err(|source| {
        let (container, source) = (id.to_owned(), Box::new(source));
        JobError::StillHeld { container, hold, source }
    })
}

/// What to do about a container that is still held.
pub(super) fn advice(container: &str, hold: Hold) -> String {
    let command = match hold {
        Hold::Pause => "unpause",
        Hold::Stop => "start",
    };
    format!("Ringbolt tries again with its next run; by hand: `docker {command} {container}`")
}

/// Where marks are, below `data_dir`.
pub(crate) fn folder(data_dir: &Path) -> PathBuf {
    data_dir.join("held")
}
