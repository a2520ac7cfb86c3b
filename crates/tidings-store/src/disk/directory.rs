//! The directory of a log on disk: made when it is missing, and used by one process at a time.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::error::OpenError;

/// A directory that this process alone uses for as long as it has this.
#[derive(Debug)]
pub(super) struct Directory {
    pub(super) path: PathBuf,
    /// Where the updates are.
    pub(super) file: PathBuf,
    /// Locked. The system lets go of it when the process ends, however it ends.
    _lock: File,
}

impl Directory {
    /// Makes the directory if it is missing, readable for its owner alone, and takes it.
    pub(super) fn take(dir: &Path) -> Result<Self, OpenError> {
        let failed = |cause| OpenError::Directory { dir: dir.to_owned(), cause };
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
        let path = dir.canonicalize().map_err(failed)?;
        let mut lock = open(&path.join("lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(OpenError::InUse { dir: path, pid: holder(&mut lock) });
            }
            Err(TryLockError::Error(cause)) => return Err(failed(cause)),
        }
        // For whoever comes second. A disk without room for it is no reason not to go on.
        if lock.set_len(0).and_then(|()| lock.rewind()).is_ok() {
            drop(writeln!(lock, "{}", std::process::id()));
        }
        let file = path.join("log.sqlite");
        // Made here, because SQLite would make it readable for all, and some updates are private.
        open(&file).map_err(failed)?;
        // The names in a directory survive a power cut once the directory is synced.
        let parent = path.parent().unwrap_or(&path);
        for named_in in [path.as_path(), parent] {
            // A parent that may not be read cannot be synced: the directory was there before, then.
            if let Ok(named_in) = File::open(named_in) {
                named_in.sync_all().map_err(failed)?;
            }
        }
        Ok(Self { path, file, _lock: lock })
    }
}

fn open(file: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(file)
}

/// Who has the lock, by what it wrote into it.
fn holder(lock: &mut File) -> Option<u32> {
    let mut text = String::new();
    lock.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
