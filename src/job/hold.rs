//! Holds: a container paused or stopped while its files are read, and let go on again whatever happens.
//!
//! Before a container is held, a mark is written under `data_dir`, and locked for as long as the run
//! goes on. A mark that nobody locks was left by a run that was killed: whoever finds it lets the
//! container go on. So a held container waits for the next start of Ringbolt at the longest.

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Context, JobError};
use crate::model::{Hold, Plan};

/// How often a container that cannot go on is asked to, and the first pause in between; each
/// further one is twice as long.
const ATTEMPTS: u32 = 6;
const PAUSE: Duration = Duration::from_millis(250);

/// A container that is held by this run. Dropping it lets nobody go on: [`release`] does.
#[derive(Debug)]
pub(super) struct Held {
    /// Locked for as long as this value lives.
    _mark: File,
}

/// Holds the plan's container, if the plan says so and it is doing anything.
///
/// # Errors
/// [`JobError::Mark`], [`JobError::HeldTwice`], [`JobError::Docker`]; [`release`] is due all the same.
pub(super) async fn hold(context: &Context, plan: &Plan) -> Result<Option<Held>, JobError> {
    let id = &plan.workload.id;
    let Some(hold) = plan.hold else { return Ok(None) };
    if !context.docker.is_active(id).await? {
        return Ok(None);
    }
    let path = context.held.join(id);
    let failed = |source| JobError::Mark { path: path.clone(), source };
    fs::create_dir_all(&context.held).map_err(failed)?;
    let mut mark = File::options().create(true).append(true).open(&path).map_err(failed)?;
    match mark.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(JobError::HeldTwice(plan.workload.name.clone()));
        }
        Err(TryLockError::Error(source)) => return Err(failed(source)),
    }
    mark.set_len(0).and_then(|()| mark.write_all(hold.to_string().as_bytes())).map_err(failed)?;
    mark.sync_all().map_err(failed)?;
    context.docker.hold(id, hold).await?;
    Ok(Some(Held { _mark: mark }))
}

/// Lets the plan's container go on, if its run has held it.
///
/// # Errors
/// [`JobError::StillHeld`] if it does not.
pub(super) async fn release(context: &Context, plan: &Plan) -> Result<(), JobError> {
    match plan.hold {
        Some(_) => go_on(context, &context.held.join(&plan.workload.id)).await.map(drop),
        None => Ok(()),
    }
}

/// Lets every container go on that was left held by a run that was killed. Returns their ids.
///
/// # Errors
/// The first one that does not; the others do.
pub async fn release_left(context: &Context) -> Result<Vec<String>, JobError> {
    let (mut released, mut failure) = (Vec::new(), None);
    for id in marks(&context.held) {
        match go_on(context, &context.held.join(&id)).await {
            Ok(true) => released.push(id),
            Ok(false) => {}
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    failure.map_or(Ok(released), Err)
}

/// The ids of containers that are held: they do not run, and are not to be missed.
pub(super) fn marks(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// Whether a mark was there that no run holds any more; then its container goes on.
async fn go_on(context: &Context, path: &Path) -> Result<bool, JobError> {
    let failed = |source| JobError::Mark { path: path.to_owned(), source };
    let mark = match File::open(path) {
        Ok(mark) => mark,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(failed(error)),
    };
    match mark.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(false),
        Err(TryLockError::Error(source)) => return Err(failed(source)),
    }
    let id = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    // A mark without a word is older than the hold: nothing was held yet.
    if let Ok(hold) = fs::read_to_string(path).map_err(failed)?.parse::<Hold>() {
        let mut pause = PAUSE;
        let mut attempt = 1;
        while let Err(source) = context.docker.release(id, hold).await {
            if attempt == ATTEMPTS {
                let (container, source) = (id.to_owned(), Box::new(source));
                return Err(JobError::StillHeld { container, hold, source });
            }
            tokio::time::sleep(pause).await;
            (attempt, pause) = (attempt + 1, pause * 2);
        }
    }
    fs::remove_file(path).map_err(failed)?;
    Ok(true)
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
