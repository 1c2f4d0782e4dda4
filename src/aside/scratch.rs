//! A folder of one's own for a copy that must be whole before it is passed on. It does not know what is
//! copied.
//!
//! It holds a lock as long as it is used. The kernel takes that away from whoever is killed, so what has
//! no lock is a leftover, whichever container made it; the next one in the same place removes it.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{StatVfs, statfs, statvfs};

/// What such folders' names begin with.
const NAME: &str = ".ringbolt-aside.";
/// What a copy may take beside its own size.
const MARGIN: u64 = 1 << 20;
/// The magic numbers of file systems in memory: statfs(2).
const IN_MEMORY: [u32; 2] = [0x0102_1994, 0x8584_58f6];

/// A private folder, removed with all that is in it when this is dropped.
#[derive(Debug)]
pub(super) struct Scratch {
    folder: PathBuf,
    _lock: File,
}

impl Scratch {
    /// Makes one in the first of these places that is there and has room. What is written to memory
    /// counts against the container's limit, so such places come last. `None`: none has room.
    pub(super) fn with_room(places: &[PathBuf], bytes: u64) -> Option<Self> {
        let has_room = |place: &&PathBuf| {
            statvfs(place.as_path()).is_ok_and(|disk| room(&disk) >= bytes + MARGIN)
        };
        let (memory, disks): (Vec<&PathBuf>, Vec<&PathBuf>) =
            places.iter().filter(has_room).partition(|place| in_memory(place));
        disks.into_iter().chain(memory).find_map(|place| Self::within(place).ok())
    }

    /// Makes one in this place.
    pub(super) fn within(place: &Path) -> io::Result<Self> {
        sweep(place)?;
        let mut number = 0;
        loop {
            let folder = place.join(format!("{NAME}{}.{number}", std::process::id()));
            match DirBuilder::new().mode(0o700).create(&folder) {
                Ok(()) => {
                    let lock = File::open(&folder)?;
                    lock.lock()?;
                    // Before that, it looked like a leftover.
                    if folder.exists() {
                        return Ok(Self { folder, _lock: lock });
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(error),
            }
        }
    }

    pub(super) fn join(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays is removed by the next one in this place.
        fs::remove_dir_all(&self.folder).ok();
    }
}

/// Removes folders whose maker was killed.
fn sweep(place: &Path) -> io::Result<()> {
    for entry in fs::read_dir(place)? {
        let entry = entry?;
        let ours = entry.file_name().to_string_lossy().starts_with(NAME);
        if !ours || !entry.file_type()?.is_dir() {
            continue;
        }
        // One that cannot be opened is somebody else's, or was removed by now.
        let Ok(folder) = File::open(entry.path()) else { continue };
        if folder.try_lock().is_ok() {
            fs::remove_dir_all(entry.path()).ok();
        }
    }
    Ok(())
}

fn room(disk: &StatVfs) -> u64 {
    disk.f_bavail.saturating_mul(disk.f_frsize)
}

fn in_memory(place: &Path) -> bool {
    let kind = statfs(place).map(|disk| u32::try_from(disk.f_type).unwrap_or_default());
    kind.is_ok_and(|kind| IN_MEMORY.contains(&kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_leftovers_are_swept() {
        let place = std::env::temp_dir().join(format!("ringbolt-scratch-{}", std::process::id()));
        fs::create_dir(&place).unwrap();
        let used = Scratch::within(&place).unwrap();
        fs::write(used.join("copy"), "1").unwrap();
        let (left, other) = (place.join(format!("{NAME}1.7")), place.join("other"));
        for folder in [&left, &other] {
            fs::create_dir(folder).unwrap();
            fs::write(folder.join("copy"), "1").unwrap();
        }
        let next = Scratch::within(&place).unwrap();
        assert!(used.join("copy").exists() && !left.exists() && other.join("copy").exists());
        drop((used, next));
        assert_eq!(fs::read_dir(&place).unwrap().count(), 1);
        assert!(Scratch::with_room(std::slice::from_ref(&place), u64::MAX / 2).is_none());
        assert!(Scratch::with_room(&["/nowhere".into(), place.clone()], 1).is_some());
        fs::remove_dir_all(&place).unwrap();
    }
}
