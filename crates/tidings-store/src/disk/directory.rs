//! The directory of a log on disk: made when it is missing, and used by one process at a time.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::error::OpenError;
use super::file;

/// A directory that this process alone uses for as long as it has this.
#[derive(Debug)]
pub(super) struct Directory {
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
        begin(&path, &file)?;
        // The names in a directory survive a power cut once the directory is synced.
        let parent = path.parent().unwrap_or(&path);
        for named_in in [path.as_path(), parent] {
            // A parent that may not be read cannot be synced: the directory was there before, then.
            if let Ok(named_in) = File::open(named_in) {
                named_in.sync_all().map_err(failed)?;
            }
        }
        Ok(Self { file, _lock: lock })
    }
}

/// Makes the file where there is none. It has its name when it is a log: one that is empty was cut.
fn begin(dir: &Path, file: &Path) -> Result<(), OpenError> {
    let failed = |cause| OpenError::Directory { dir: dir.to_owned(), cause };
    let length = |file: &Path| match file.metadata() {
        Ok(metadata) => Ok(Some(metadata.len())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(error)),
    };
    // SQLite would take both for a new log, and the write-ahead log away.
    let is_wrong = match length(file)? {
        Some(0) => Some("it is empty"),
        None if length(&dir.join("log.sqlite-wal"))?.is_some_and(|length| length > 0) => {
            Some("it is missing, and its write-ahead log is there")
        }
        Some(_) => return Ok(()),
        None => None,
    };
    if let Some(what) = is_wrong {
        return Err(OpenError::Damaged { file: file.to_owned(), what: what.to_owned() });
    }
    let new = dir.join("log.sqlite.new");
    // What is left of one that was not finished.
    for left in [&new, &dir.join("log.sqlite.new-journal")] {
        if length(left)?.is_some() {
            fs::remove_file(left).map_err(failed)?;
        }
    }
    // Made here, because SQLite would make it readable for all, and some updates are private.
    open(&new).map_err(failed)?;
    file::make(&new)?;
    fs::rename(&new, file).map_err(failed)
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
