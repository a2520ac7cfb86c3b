//! Why a log on disk cannot be opened, and what to do about it.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a log on disk cannot be opened.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// The directory cannot be made or used: it is a file, may not be written to, or the file system is.
    Directory {
        /// Which.
        dir: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// Another process has the log open.
    InUse {
        /// The directory.
        dir: PathBuf,
        /// The id of that process, where it has written it down.
        pid: Option<u32>,
    },
    /// The file is no log, or is damaged.
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The log was written by a newer version of Tidings.
    Newer {
        /// The file.
        file: PathBuf,
        /// The version of its format.
        version: i64,
        /// The newest version that is known here.
        known: i64,
    },
    /// The file cannot be read or written now: no room, no right to, an error of the device.
    File {
        /// The file.
        file: PathBuf,
        /// What happened.
        what: String,
    },
    /// The system has no randomness, or starts no thread.
    System(io::Error),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory { dir, cause } => write!(
                f,
                "the log's directory {} cannot be used ({cause}): it must be a directory that the hub may write to, or not be there yet",
                dir.display()
            ),
            Self::InUse { dir, pid: Some(pid) } => write!(
                f,
                "the log in {} is in use by process {pid}: stop that one, or give this hub a directory of its own",
                dir.display()
            ),
            Self::InUse { dir, pid: None } => write!(
                f,
                "the log in {} is in use by another process: stop that one, or give this hub a directory of its own",
                dir.display()
            ),
            Self::Damaged { file, what } => write!(
                f,
                "the log {} is damaged ({what}): move it and what is named like it away, and the hub begins a new one; `sqlite3 FILE .recover` reads what can still be read",
                file.display()
            ),
            Self::Newer { file, version, known } => write!(
                f,
                "the log {} has format {version}, and this version of Tidings knows {known}: run the newer Tidings that wrote it, or move it away",
                file.display()
            ),
            Self::File { file, what } => {
                write!(f, "the log {} cannot be opened: {what}", file.display())
            }
            Self::System(_) => f.write_str("the system gives the log no randomness or no thread"),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Directory { cause, .. } | Self::System(cause) => Some(cause),
            _ => None,
        }
    }
}
