//! Which paths of a helper container are on the volumes of its workload. What is written elsewhere is gone
//! with the helper.

use std::fs;
use std::path::{Path, PathBuf};

use super::AsideError;

/// Where the kernel says what is mounted.
const MOUNTS: &str = "/proc/self/mountinfo";

/// Makes sure that a path is on a volume, or would be.
pub(super) fn check(path: &Path) -> Result<(), AsideError> {
    let failed = |act, path: &Path| {
        let path = path.display().to_string();
        move |source| AsideError::File { act, path, source }
    };
    let mounts = fs::read_to_string(MOUNTS).map_err(failed("read", Path::new(MOUNTS)))?;
    let there = path.ancestors().find(|there| there.exists()).unwrap_or(Path::new("/"));
    let there = there.canonicalize().map_err(failed("find", there))?;
    match holds(&mounts, &there) {
        true => Ok(()),
        false => Err(AsideError::NoVolume(path.display().to_string())),
    }
}

/// Whether a path without links in it is on a volume: neither in the helper's own file system, nor in
/// memory, nor the kernel's own. <https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html>
fn holds(mounts: &str, folder: &Path) -> bool {
    let above = mounts.lines().filter_map(|line| {
        let (fields, kind) = line.split_once(" - ")?;
        let point = PathBuf::from(unescaped(fields.split(' ').nth(4)?));
        folder.starts_with(&point).then_some((point, kind.split(' ').next()?))
    });
    // Of several at one place, the last covers the others.
    let nearest = above.max_by_key(|(point, _)| point.components().count());
    nearest.is_some_and(|(point, kind)| {
        point != Path::new("/") && !["tmpfs", "proc", "sysfs"].contains(&kind)
    })
}

/// Spaces, tabs, line breaks and backslashes come as three octal digits.
fn unescaped(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match code {
            Some(code) => {
                plain.push(char::from(code));
                plain.push_str(&part[3..]);
            }
            None => plain.push_str(part),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_are_told_from_what_goes_with_the_helper() {
        let mounts = "600 500 0:52 / / rw,relatime master:1 - overlay overlay rw\n\
            601 600 0:53 / /proc rw - proc proc rw\n\
            602 600 254:1 /var/lib/docker/volumes/a/_data /data rw,relatime - ext4 /dev/vda rw\n\
            603 600 0:60 / /backups rw - tmpfs tmpfs rw\n\
            604 602 254:1 /srv/x /data/my\\040files rw shared:9 - ext4 /dev/vda rw\n\
            605 600 0:61 / /data/hidden rw - ext4 /dev/vdb rw\n\
            606 605 0:62 / /data/hidden rw - tmpfs tmpfs rw\n\
            607 600 254:1 /srv/app.db /app/app.db rw - ext4 /dev/vda rw\n";
        for (folder, expected) in [
            ("/data", true),
            ("/data/sub", true),
            ("/data/my files/x", true),
            ("/data/hidden", false),
            ("/database", false),
            ("/", false),
            ("/tmp", false),
            ("/backups", false),
            ("/app/app.db", true),
            ("/app", false),
            ("/proc/1", false),
        ] {
            assert_eq!(holds(mounts, Path::new(folder)), expected, "{folder}");
        }
    }
}
