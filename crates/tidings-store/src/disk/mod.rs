//! A log on this machine's disk, in one SQLite file.
//!
//! What waits to be appended is committed together, as one row or few: many publishers share one wait for the disk. Nobody is
//! told of an update, neither its publisher nor a subscriber, before it is committed.
//!
//! Why SQLite: it was compared with two storage engines written in Rust on this workload (records of 200 B, a sync for each
//! batch; a row for each), and its file can be read with tools that every system has.
//!
//! | | append and `fdatasync` | SQLite (WAL, full sync) | fjall 3.1 | redb 4.6 |
//! | --- | --- | --- | --- | --- |
//! | batches/s of 1 | 6,986 | 9,448 | 10,547 | 5,390 |
//! | of 16 | 5,530 | 7,980 | 6,576 | 3,768 |
//! | of 64 | 5,120 | 5,614 | 4,441 | 2,488 |
//! | of 1,000 | 2,372 | 971 | 894 | 794 |
//! | open 1,000,000 and read 1,000 from the middle | | 0.7 ms, 0.3 MB | 16 ms, 5 MB | 0.6 ms, 0.4 MB |
//! | 500,000 more while as many are trimmed | | 0.7 s, 210 MB | 38 s, 412 MB | 0.7 s, 209 MB |

mod block;
mod blocks;
mod directory;
mod error;
mod file;
mod follower;
mod found;
mod marks;
mod plan;
mod postings;
mod queue;
mod reader;
mod recent;
mod retain;
mod shared;
mod writer;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::{Duration, UNIX_EPOCH};

use futures_core::future::BoxFuture;
use parking_lot::{Mutex, RwLock};
use tidings_hub::{
    AppendError, Appending, Bounds, Entry, Follow, Log, Mode, OwnId, Page, Unavailable, Wanted,
};
use tokio::sync::{Semaphore, oneshot, watch};

pub use error::OpenError;

use self::directory::Directory;
use self::follower::Follower;
use self::queue::{Call, Queue, Ready};
use self::retain::{Kept, millis, wal_bytes};
use self::shared::{Lately, Shared, View};
use self::writer::Writer;
use crate::mark::{Marker, marks_of};
use crate::record;
use crate::retention::Retention;

/// How large an update may be in the file, in bytes.
const MAX_RECORD_BYTES: usize = 32 * 1024 * 1024;

/// What an entry takes in the queue beside its record, about, in bytes.
const ENTRY_BYTES: usize = 256;

/// How many read the file at a time.
const READERS: usize = 4;

/// How long closing waits for what is still to be written.
const CLOSING: Duration = Duration::from_secs(30);

/// How a log on disk is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskConfig {
    /// How much it retains. `max_bytes` is what the file and its write-ahead log take together, at least 1 MiB; they may
    /// take some more for a moment, about a tenth. A file that was larger once does not become smaller: its free room is
    /// used again.
    pub retention: Retention,
    /// What an acknowledged update survives.
    pub durability: Durability,
}

/// What an acknowledged update survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The end of the process and that of the system, a power cut among them, where the disk keeps what it says that it
    /// has. An update is acknowledged when it is synced.
    #[default]
    Synced,
    /// The end of the process, however it ends, and not that of the system: an update is acknowledged when the system has
    /// it. A power cut or a crash of the system may take the newest away; the log has another epoch then, so that every
    /// subscriber that resumes is told a gap.
    Process,
}

/// A log on this machine's disk.
///
/// It does [`Mode::All`]. An idempotency key is known exactly as long as its update is retained. It is never told to be
/// [`Anew`](tidings_hub::News::Anew), and is [`Away`](tidings_hub::News::Away) only while its file cannot be read, and in the
/// end.
///
/// Its futures need a Tokio runtime with its time enabled. Dropping it writes what waits, for up to 30 seconds, and blocks
/// for as long; who follows is told that the log was closed.
pub struct DiskLog {
    shared: Arc<Shared>,
    queue: Arc<Queue>,
    writer: Option<JoinHandle<()>>,
    /// Hangs up when the writer has ended.
    ended: Mutex<Receiver<()>>,
}

impl DiskLog {
    /// Opens the log in a directory, or makes one. The directory is made if it is missing, readable for its owner alone.
    /// It reads and writes the disk, some milliseconds as a rule, and blocks for as long.
    ///
    /// # Errors
    /// When the directory cannot be used, another process has the log open, the file is damaged or a newer version's, or the
    /// disk fails. Nothing is lost then: what is in the directory stays as it is.
    pub fn open(dir: &Path, config: DiskConfig) -> Result<Self, OpenError> {
        let directory = Directory::take(dir)?;
        let path = &directory.file;
        let failed = |error| file::refused(path, &error);
        let connection = file::open(path, config.durability, wal_bytes(&config.retention))?;
        let epoch = |name| {
            let text = file::text(&connection, name).map_err(failed)?;
            text.and_then(|text| text.parse().ok()).ok_or_else(|| OpenError::Damaged {
                file: path.clone(),
                what: "it does not say which log it is".to_owned(),
            })
        };
        let marker = Marker::new(epoch("marks_of")?);
        let kept = Kept::read(&connection).map_err(failed)?;
        let recent = writer::recent(&connection, &marker, &kept).map_err(failed)?;
        let Kept { oldest, next, bytes, .. } = kept;
        let shared = Arc::new(Shared {
            file: path.clone(),
            epoch: epoch("epoch")?,
            marker,
            view: watch::Sender::new(View { oldest, next, bytes, is_closed: false }),
            recent: RwLock::new(recent),
            lately: Mutex::new(Lately::default()),
            gate: RwLock::new(()),
            reading: Arc::new(Semaphore::new(READERS)),
            idle: Mutex::default(),
            has_damage: false.into(),
        });
        let queue = Arc::new(Queue::default());
        let writer =
            Writer::new(shared.clone(), queue.clone(), config, connection, kept, directory);
        let (ends, ended) = mpsc::channel();
        let run = move || {
            let _ends = ends;
            writer.run();
        };
        let writer = thread::Builder::new().name("tidings-log".into()).spawn(run);
        let writer = Some(writer.map_err(OpenError::System)?);
        Ok(Self { shared, queue, writer, ended: Mutex::new(ended) })
    }
}

/// Without what is in it: it may be private.
impl fmt::Debug for DiskLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskLog").field("file", &self.shared.file).finish_non_exhaustive()
    }
}

impl Drop for DiskLog {
    fn drop(&mut self) {
        self.queue.close();
        let ended = self.ended.get_mut().recv_timeout(CLOSING);
        if ended == Err(mpsc::RecvTimeoutError::Timeout) {
            tracing::error!(log = %self.shared.file.display(), "the log is still being written, and is left to itself");
        } else if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!(log = %self.shared.file.display(), "the log's writer had failed");
        }
    }
}

impl Log for DiskLog {
    fn append(&self, entries: Vec<Entry>, mode: Mode) -> BoxFuture<'static, Vec<Appending>> {
        let count = entries.len();
        let (done, results) = oneshot::channel();
        let entries: Vec<_> =
            entries.into_iter().map(|entry| ready(&self.shared.marker, entry)).collect();
        let size = |entry: &Result<Ready, AppendError>| {
            ENTRY_BYTES + entry.as_ref().map_or(0, |ready| ready.record.len())
        };
        let bytes = ENTRY_BYTES + entries.iter().map(size).sum::<usize>();
        let put = self.queue.put(Call { entries, mode, bytes, done });
        let file = self.shared.file.clone();
        Box::pin(async move {
            let why = if put.is_err() {
                "more waits to be written than may: the disk is slower than what is published"
            } else {
                match results.await {
                    Ok(results) => return results,
                    Err(_) => "it was closed before all was written",
                }
            };
            let why = Unavailable::new(format_args!("the log {}: {why}", file.display()));
            vec![Err(AppendError::Unavailable(why)); count]
        })
    }

    fn read(&self, wanted: Wanted) -> BoxFuture<'static, Result<Page, Unavailable>> {
        Box::pin(reader::page(self.shared.clone(), wanted))
    }

    fn find(&self, id: OwnId) -> BoxFuture<'static, Result<Option<u64>, Unavailable>> {
        Box::pin(reader::find(self.shared.clone(), id))
    }

    fn bounds(&self) -> BoxFuture<'static, Result<Bounds, Unavailable>> {
        let View { oldest, next, bytes, .. } = *self.shared.view.borrow();
        let bounds = Bounds { epoch: self.shared.epoch, oldest, next, bytes: Some(bytes) };
        Box::pin(std::future::ready(Ok(bounds)))
    }

    fn follow(&self, from: u64) -> Box<dyn Follow> {
        Box::new(Follower::new(&self.shared, from))
    }
}

/// Makes an entry ready to be written. The caller does it, so that the one writer need not.
fn ready(marker: &Marker, entry: Entry) -> Result<Ready, AppendError> {
    let mut bytes = Vec::with_capacity(entry.update.data.len() + ENTRY_BYTES);
    record::encode(&entry, &mut bytes);
    if bytes.len() > MAX_RECORD_BYTES {
        return Err(AppendError::TooLarge { bytes: bytes.len(), limit: MAX_RECORD_BYTES });
    }
    let marks = marks_of(marker, &entry.update);
    let at = millis(entry.at.duration_since(UNIX_EPOCH).unwrap_or_default());
    let checksum = block::checksum(&bytes);
    Ok(Ready { update: entry.update, digest: entry.digest, at, record: bytes, checksum, marks })
}
