//! The log on disk.

use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;
use tidings_hub::Log;
use tidings_store::Retention;
use tidings_store::disk::{DiskConfig, DiskLog, Durability, OpenError};

use crate::contract::{ROOMY, Stand, contract};

/// Everything is retained, and synced.
pub(crate) const ROOMY_AND_SYNCED: DiskConfig =
    DiskConfig { retention: ROOMY, durability: Durability::Synced };

/// A log in a directory of its own.
struct OnDisk(TempDir);

impl Stand for OnDisk {
    async fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    async fn open(&self, retention: Retention) -> Arc<dyn Log> {
        let config = DiskConfig { retention, durability: Durability::Process };
        Arc::new(DiskLog::open(&self.0.path().join("log"), config).unwrap())
    }
}

contract!(OnDisk);

/// Opens a log, shared as a hub has it.
fn open(dir: &Path) -> Result<Arc<dyn Log>, OpenError> {
    Ok(Arc::new(DiskLog::open(dir, ROOMY_AND_SYNCED)?))
}
