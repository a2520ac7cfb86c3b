//! What the writer, the readers and the followers of a log share.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Mutex, RwLock};
use rusqlite::Connection;
use tidings_hub::{Epoch, Logged, Unavailable};
use tokio::sync::{Semaphore, watch};

use super::file;
use super::recent::Recent;
use crate::mark::Marker;

/// How much of what was appended lately is kept for followers, in bytes of records. Who is further behind reads the file.
const MAX_LATELY_BYTES: usize = 8 * 1024 * 1024;

/// What is shared.
pub(super) struct Shared {
    pub(super) file: PathBuf,
    pub(super) epoch: Epoch,
    pub(super) marker: Marker,
    /// What has been committed. It moves last: what it speaks of can be found.
    pub(super) view: watch::Sender<View>,
    /// Moves after the file; held by the writer while `view` moves, so that nobody who has seen the one misses the other.
    pub(super) recent: RwLock<Recent>,
    pub(super) lately: Mutex<Lately>,
    /// Held to read by who reads the file, and to write by the writer when the write-ahead log must begin anew, which it can
    /// only while nobody reads.
    pub(super) gate: RwLock<()>,
    /// Who may read.
    pub(super) reading: Arc<Semaphore>,
    /// Connections to read with that nobody uses.
    pub(super) idle: Mutex<Vec<Connection>>,
    /// Whether damage was met and logged.
    pub(super) has_damage: AtomicBool,
}

/// What has been committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct View {
    pub(super) oldest: u64,
    pub(super) next: u64,
    pub(super) bytes: u64,
    /// Whether nothing will be appended any more.
    pub(super) is_closed: bool,
}

/// The batches that were committed lately, without a hole between them.
#[derive(Debug, Default)]
pub(super) struct Lately {
    batches: VecDeque<Batch>,
    bytes: usize,
}

/// Updates that were committed together. They are some.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    pub(super) updates: Arc<[Logged]>,
    pub(super) bytes: usize,
}

impl Lately {
    /// Adds a batch, and forgets the oldest where there is too much.
    pub(super) fn push(&mut self, batch: Batch) {
        self.bytes += batch.bytes;
        self.batches.push_back(batch);
        while self.bytes > MAX_LATELY_BYTES
            && let Some(oldest) = self.batches.pop_front()
        {
            self.bytes = self.bytes.saturating_sub(oldest.bytes);
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The batch with an update in it, if it is still here.
    pub(super) fn with(&self, seq: u64) -> Option<Batch> {
        let last = |batch: &Batch| batch.updates.last().map_or(0, |logged| logged.seq);
        let first = |batch: &Batch| batch.updates.first().map_or(0, |logged| logged.seq);
        let place = self.batches.partition_point(|batch| last(batch) < seq);
        self.batches.get(place).filter(|batch| first(batch) <= seq).cloned()
    }
}

impl Shared {
    /// An error of the file as others are told of it. Damage is logged the first time it is met.
    pub(super) fn unavailable(&self, error: &rusqlite::Error) -> Unavailable {
        let why = file::unavailable(&self.file, error);
        if file::is_damage(error) && !self.has_damage.swap(true, Ordering::Relaxed) {
            tracing::error!("{why}");
        }
        why
    }
}
