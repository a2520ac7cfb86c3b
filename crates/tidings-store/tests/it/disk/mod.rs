//! The log on disk, and what may befall a disk.
//!
//! - `opening`: directories and files that are not what they should be, and a second process.
//! - `crashing`: `kill -9`, and write-ahead logs that end anywhere.
//! - `damage`: pages that are not what was written.
//! - `full`: no room left.
//! - `retaining`: how much the file takes.
//! - `moving`: what updates are found by, on its way from memory into the file.
//! - `model`: any operations in any order, compared with a log in a vector.
//!
//! `child` is a process to be killed, or to be given less than others have.

mod child;
mod crashing;
mod damage;
mod full;
mod model;
mod moving;
mod opening;
mod retaining;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;
use tidings_hub::Log;
use tidings_store::Retention;
use tidings_store::disk::{DiskConfig, DiskLog, Durability, OpenError};

use crate::contract::{ROOMY, Stand, contract};

/// A log in a directory of its own.
struct OnDisk(TempDir);

impl Stand for OnDisk {
    async fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    async fn open(&self, retention: Retention) -> Arc<dyn Log> {
        let config = DiskConfig { retention, durability: Durability::Synced };
        Arc::new(DiskLog::open(&self.0.path().join("log"), config).unwrap())
    }
}

contract!(OnDisk);

/// Opens a log that retains everything, as a hub has it.
fn open(dir: &Path) -> Result<Arc<dyn Log>, OpenError> {
    let config = DiskConfig { retention: ROOMY, durability: Durability::Synced };
    Ok(Arc::new(DiskLog::open(dir, config)?))
}

/// Opens a log and tells why that is refused.
fn refusal(dir: &Path) -> OpenError {
    DiskLog::open(dir, DiskConfig { retention: ROOMY, durability: Durability::Synced }).unwrap_err()
}

/// What a directory has in it at this moment, in another one: what a process that is killed now would leave.
fn copy(dir: &Path) -> TempDir {
    let to = TempDir::new().unwrap();
    // The write-ahead log last: what it lacks is in the file, then, or has not come yet.
    for name in ["log.sqlite", "log.sqlite-wal"] {
        if dir.join(name).exists() {
            fs::copy(dir.join(name), to.path().join(name)).unwrap();
        }
    }
    to
}
