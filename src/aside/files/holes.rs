//! Where a file has holes. It does not know what becomes of them.

use std::os::fd::BorrowedFd;

use rustix::fs::{SeekFrom, Stat, seek};
use rustix::io::Errno;

use crate::engine::tar::{Kind, Piece};

/// A disk's blocks, as `stat` counts them.
const DISK_BLOCK: u64 = 512;

/// What a file is in a tar: sparse, if it takes less room than its length.
pub(super) fn kind(file: BorrowedFd<'_>, stat: &Stat) -> Result<Kind, Errno> {
    let bytes = u64::try_from(stat.st_size).unwrap_or_default();
    let whole = Kind::File { bytes };
    let blocks = u64::try_from(stat.st_blocks).unwrap_or_default();
    if blocks.saturating_mul(DISK_BLOCK) >= bytes {
        return Ok(whole);
    }
    let mut pieces = Vec::new();
    let mut at = 0;
    while at < bytes {
        let begin = match seek(file, SeekFrom::Data(at)) {
            Ok(begin) => begin,
            // There is only a hole left.
            Err(Errno::NXIO) => break,
            // This file system does not say.
            Err(Errno::INVAL | Errno::OPNOTSUPP) => return Ok(whole),
            Err(error) => return Err(error),
        };
        if begin >= bytes {
            break;
        }
        let end = seek(file, SeekFrom::Hole(begin))?.min(bytes);
        // The file is being changed; then the rest is no hole.
        let end = if end > begin { end } else { bytes };
        pieces.push(Piece { at: begin, bytes: end - begin });
        at = end;
    }
    match pieces.as_slice() {
        [all] if all.bytes == bytes => Ok(whole),
        _ => Ok(Kind::Sparse { bytes, pieces }),
    }
}
