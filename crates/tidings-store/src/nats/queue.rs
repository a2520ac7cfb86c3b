//! What waits to be appended: bounded, in the order of the calls.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_nats::Subject;
use bytes::Bytes;
use futures_core::future::BoxFuture;
use parking_lot::Mutex;
use tidings_hub::{AppendError, Appending, Entry, Epoch, Mode, Unavailable};
use tokio::sync::{Notify, oneshot};

use super::link::{Link, Up};
use super::trouble::Trouble;
use crate::record;

/// What waits to be appended.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    /// Told when something was put into the queue, or it was closed.
    pub(super) more: Notify,
    /// Bytes of what waits, and of what was sent and not answered.
    held: AtomicUsize,
}

#[derive(Debug, Default)]
struct Waiting {
    calls: VecDeque<Call>,
    is_closed: bool,
}

/// What one call of `append` was given.
#[derive(Debug)]
pub(super) struct Call {
    /// Of which log its subjects are.
    pub(super) epoch: Epoch,
    pub(super) mode: Mode,
    pub(super) items: Vec<Item>,
    pub(super) done: Done,
}

/// Where the results of a call go.
#[derive(Debug)]
pub(super) struct Done {
    to: oneshot::Sender<Vec<Appending>>,
    bytes: usize,
}

/// An update, ready to be published, or refused already.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) subject: Subject,
    pub(super) record: Bytes,
    pub(super) key: Option<Arc<str>>,
    pub(super) digest: u64,
    pub(super) too_large: Option<AppendError>,
}

/// How many bytes may be held: what was not acknowledged yet.
const MAX_HELD: usize = 64 * 1024 * 1024;
/// What an update costs beside its record, about, in bytes.
const OVERHEAD: usize = 256;
/// Room for the header with the key, in bytes.
const KEY_HEADER: usize = 64;

impl Queue {
    /// Takes updates that are to be appended; their results come with the future.
    pub(super) fn append(
        &self,
        link: &Link,
        entries: &[Entry],
        mode: Mode,
    ) -> BoxFuture<'static, Vec<Appending>> {
        let count = entries.len();
        if count == 0 {
            return Box::pin(std::future::ready(Vec::new()));
        }
        let refused = |why: Unavailable| -> BoxFuture<'static, Vec<Appending>> {
            Box::pin(std::future::ready(unavailable(&why, count)))
        };
        let up = match link.up() {
            Ok(up) => up,
            Err(why) => return refused(why),
        };
        let items: Vec<Item> = entries.iter().map(|entry| Item::new(&up, entry)).collect();
        let bytes = items.iter().map(|item| item.record.len() + OVERHEAD).sum();
        let (to, results) = oneshot::channel();
        {
            let mut waiting = self.waiting.lock();
            if waiting.is_closed {
                return refused(Unavailable::new("the log was closed"));
            }
            if self.held.load(Ordering::Relaxed).saturating_add(bytes) > MAX_HELD {
                let why = format!(
                    "{} MiB of updates wait for NATS to acknowledge them; it is too slow for what is published",
                    MAX_HELD / (1024 * 1024)
                );
                return refused(link.unavailable(&Trouble::Away(why)));
            }
            self.held.fetch_add(bytes, Ordering::Relaxed);
            waiting.calls.push_back(Call {
                epoch: up.epoch(),
                mode,
                items,
                done: Done { to, bytes },
            });
        }
        self.more.notify_one();
        Box::pin(async move {
            results
                .await
                .unwrap_or_else(|_| unavailable(&Unavailable::new("the log was closed"), count))
        })
    }

    /// The call that has waited longest.
    pub(super) fn pop(&self) -> Option<Call> {
        self.waiting.lock().calls.pop_front()
    }

    /// Whether nothing more comes.
    pub(super) fn is_over(&self) -> bool {
        let waiting = self.waiting.lock();
        waiting.is_closed && waiting.calls.is_empty()
    }

    /// Takes no more; what waits is appended.
    pub(super) fn close(&self) {
        self.waiting.lock().is_closed = true;
        self.more.notify_one();
    }

    /// Gives a call its results.
    pub(super) fn settle(&self, done: Done, results: Vec<Appending>) {
        self.held.fetch_sub(done.bytes, Ordering::Relaxed);
        // Whoever called need not wait.
        drop(done.to.send(results));
    }
}

impl Item {
    fn new(up: &Up, entry: &Entry) -> Self {
        let mut record = Vec::with_capacity(entry.update.data.len() + OVERHEAD);
        record::encode(entry, &mut record);
        let key = entry.update.idempotency_key.clone();
        let limit =
            up.api.conn.max_payload().saturating_sub(if key.is_some() { KEY_HEADER } else { 0 });
        let bytes = record.len();
        Self {
            subject: up.subjects.of(&entry.update),
            record: record.into(),
            key,
            digest: entry.digest,
            too_large: (bytes > limit).then_some(AppendError::TooLarge { bytes, limit }),
        }
    }
}

/// That many results: all unavailable.
pub(super) fn unavailable(why: &Unavailable, count: usize) -> Vec<Appending> {
    (0..count).map(|_| Err(AppendError::Unavailable(why.clone()))).collect()
}
