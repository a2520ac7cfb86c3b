//! What waits to be appended: bounded, in the order of the calls, refused at once while the server is away.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tidings_hub::{AppendError, Appending, Unavailable};
use tokio::sync::{Notify, oneshot};

/// How much may wait for its acknowledgement, in bytes of records.
pub(super) const MAX_WAITING_BYTES: usize = 64 * 1024 * 1024;

/// How many records are sent together, unless a single group has more.
const MAX_BATCH_RECORDS: usize = 512;
/// How many bytes of records are sent together, unless a single chunk has more.
const MAX_BATCH_BYTES: usize = 1024 * 1024;

/// A record that is to be appended.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) bytes: Vec<u8>,
    /// Its idempotency key as it is kept, and its digest.
    pub(super) key: Option<(String, u64)>,
    /// Its own id as it is kept.
    pub(super) own_id: Option<String>,
}

/// Records that are sent together, and who waits for them.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) records: Vec<Record>,
    /// Whether all or none of them are appended.
    pub(super) is_group: bool,
    pub(super) reply: oneshot::Sender<Vec<Appending>>,
}

impl Chunk {
    fn bytes(&self) -> usize {
        self.records.iter().map(|record| record.bytes.len()).sum()
    }

    fn fail(self, why: &Unavailable) {
        let failed =
            self.records.iter().map(|_| Err(AppendError::Unavailable(why.clone()))).collect();
        // Nobody may wait any more.
        drop(self.reply.send(failed));
    }
}

/// What waits.
#[derive(Debug)]
pub(super) struct Queue {
    /// Where the server is.
    place: Arc<str>,
    state: Mutex<State>,
    /// Rung when something has come, and when nothing more will.
    bell: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Chunk>,
    /// How many records wait, and how many bytes they have.
    waiting_records: usize,
    waiting_bytes: usize,
    /// Of what waits and of what was sent and is not acknowledged yet.
    bytes: usize,
    /// Why nothing is taken.
    away: Option<Unavailable>,
    is_closed: bool,
}

impl Queue {
    pub(super) fn new(place: Arc<str>) -> Self {
        Self { place, state: Mutex::default(), bell: Notify::new() }
    }

    /// Takes all of these, or none.
    pub(super) fn push(&self, chunks: Vec<Chunk>) -> Result<(), Unavailable> {
        let bytes: usize = chunks.iter().map(Chunk::bytes).sum();
        let mut state = self.state.lock();
        if let Some(why) = &state.away {
            return Err(why.clone());
        }
        if state.bytes + bytes > MAX_WAITING_BYTES {
            let (place, most) = (&self.place, MAX_WAITING_BYTES / (1024 * 1024));
            return Err(Unavailable::new(format_args!(
                "{place}: cannot append: too much waits already ({most} MiB): publish less at a time, or look what \
                 keeps the server: its disk, its CPU, or the network"
            )));
        }
        state.bytes += bytes;
        state.waiting_bytes += bytes;
        state.waiting_records += chunks.iter().map(|chunk| chunk.records.len()).sum::<usize>();
        state.waiting.extend(chunks);
        drop(state);
        self.bell.notify_one();
        Ok(())
    }

    /// Waits for the next batch; `None` when there will be no more. With `full`, only for one that can get no larger.
    pub(super) async fn next(&self, full: bool) -> Option<Vec<Chunk>> {
        loop {
            {
                let mut state = self.state.lock();
                if state.is_closed || !full || state.has_full_batch() {
                    let batch = state.batch();
                    if !batch.is_empty() {
                        return Some(batch);
                    }
                    if state.is_closed {
                        return None;
                    }
                }
            }
            self.bell.notified().await;
        }
    }

    /// Makes room: so much was acknowledged, or has failed.
    pub(super) fn settled(&self, bytes: usize) {
        let mut state = self.state.lock();
        state.bytes = state.bytes.saturating_sub(bytes);
    }

    /// Fails all that waits, and whatever comes until [`back`](Self::back).
    pub(super) fn away(&self, why: &Unavailable) {
        let failed = {
            let mut state = self.state.lock();
            state.away = Some(why.clone());
            (state.bytes, state.waiting_bytes, state.waiting_records) = (0, 0, 0);
            std::mem::take(&mut state.waiting)
        };
        for chunk in failed {
            chunk.fail(why);
        }
    }

    /// The server is there again.
    pub(super) fn back(&self) {
        self.state.lock().away = None;
    }

    /// Nothing more comes; what waits is still sent.
    pub(super) fn close(&self) {
        self.state.lock().is_closed = true;
        self.bell.notify_one();
    }

    /// Waits until nothing more comes; only while the server is away, when nothing else rings.
    pub(super) async fn closed(&self) {
        while !self.state.lock().is_closed {
            self.bell.notified().await;
        }
    }
}

impl State {
    fn has_full_batch(&self) -> bool {
        self.waiting_records >= MAX_BATCH_RECORDS || self.waiting_bytes >= MAX_BATCH_BYTES
    }

    fn batch(&mut self) -> Vec<Chunk> {
        let mut batch = Vec::new();
        let (mut records, mut bytes) = (0, 0);
        while let Some(chunk) = self.waiting.front() {
            let (more_records, more_bytes) = (chunk.records.len(), chunk.bytes());
            let is_too_much =
                records + more_records > MAX_BATCH_RECORDS || bytes + more_bytes > MAX_BATCH_BYTES;
            if !batch.is_empty() && is_too_much {
                break;
            }
            records += more_records;
            bytes += more_bytes;
            batch.extend(self.waiting.pop_front());
        }
        self.waiting_records = self.waiting_records.saturating_sub(records);
        self.waiting_bytes = self.waiting_bytes.saturating_sub(bytes);
        batch
    }
}
