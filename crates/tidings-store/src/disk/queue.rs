//! What waits to be written, in its order and bounded.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tidings_hub::{AppendError, Appending, Mode, Update};
use tokio::sync::oneshot;

use crate::mark::Mark;

/// How much may wait, in bytes of records.
pub(super) const MAX_WAITING_BYTES: usize = 64 * 1024 * 1024;

/// How much goes into one transaction, in updates and in bytes; a single call's may be more.
const MAX_BATCH_UPDATES: usize = 4096;
const MAX_BATCH_BYTES: usize = 4 * 1024 * 1024;

/// An entry made ready by the caller, so that the writer has only to write.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) update: Update,
    pub(super) digest: u64,
    /// When it came, in ms since 1970.
    pub(super) at: u64,
    pub(super) record: Vec<u8>,
    pub(super) checksum: u32,
    /// What it is found by: its topics, its own id, its key.
    pub(super) marks: Vec<Mark>,
}

/// What one call is to append.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) entries: Vec<Result<Ready, AppendError>>,
    pub(super) mode: Mode,
    pub(super) bytes: usize,
    pub(super) done: oneshot::Sender<Vec<Appending>>,
}

/// The queue.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    calls: VecDeque<Call>,
    bytes: usize,
    is_closed: bool,
    /// How many calls the writer waits for.
    awaited: usize,
}

/// What is expected to come at once.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Expected {
    /// How many calls: those who were just told of their updates may have the next ones ready.
    pub(super) calls: usize,
    /// How long they are worth waiting for.
    pub(super) within: Duration,
}

/// What the writer is to do.
#[derive(Debug)]
pub(super) enum Work {
    /// Write these.
    Write(Vec<Call>),
    /// Nothing came for some time.
    Idle,
    /// Nothing comes any more.
    End,
}

impl Queue {
    /// Puts a call at the end.
    ///
    /// # Errors
    /// The call itself, when too much waits already.
    pub(super) fn put(&self, call: Call) -> Result<(), Call> {
        let mut waiting = self.waiting.lock();
        let fits =
            waiting.bytes == 0 || waiting.bytes.saturating_add(call.bytes) <= MAX_WAITING_BYTES;
        if waiting.is_closed || !fits {
            return Err(call);
        }
        waiting.bytes = waiting.bytes.saturating_add(call.bytes);
        waiting.calls.push_back(call);
        // One who waits for many is not woken by each of them.
        if waiting.calls.len() >= waiting.awaited {
            drop(waiting);
            self.changed.notify_one();
        }
        Ok(())
    }

    /// Takes what waits, as much of it as goes into one transaction. Waits so long for some; for ever without a time. When
    /// there is some, it waits for what is expected.
    pub(super) fn take(&self, patience: Option<Duration>, expected: Expected) -> Work {
        let mut waiting = self.waiting.lock();
        waiting.awaited = 1;
        while waiting.calls.is_empty() {
            if waiting.is_closed {
                return Work::End;
            }
            match patience {
                None => self.changed.wait(&mut waiting),
                Some(patience) => {
                    if self.changed.wait_for(&mut waiting, patience).timed_out() {
                        break;
                    }
                }
            }
        }
        if !waiting.is_closed && waiting.calls.len() < expected.calls && !waiting.calls.is_empty() {
            waiting.awaited = expected.calls;
            self.changed.wait_for(&mut waiting, expected.within);
        }
        let (mut batch, mut updates, mut bytes) = (Vec::new(), 0, 0_usize);
        while let Some(call) = waiting.calls.front() {
            updates += call.entries.len();
            bytes = bytes.saturating_add(call.bytes);
            if !batch.is_empty() && (updates > MAX_BATCH_UPDATES || bytes > MAX_BATCH_BYTES) {
                break;
            }
            batch.extend(waiting.calls.pop_front());
        }
        let taken: usize = batch.iter().map(|call| call.bytes).sum();
        waiting.bytes = waiting.bytes.saturating_sub(taken);
        if batch.is_empty() { Work::Idle } else { Work::Write(batch) }
    }

    /// Takes nothing more. What waits is still written.
    pub(super) fn close(&self) {
        self.waiting.lock().is_closed = true;
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(bytes: usize) -> Call {
        Call { entries: Vec::new(), mode: Mode::Each, bytes, done: oneshot::channel().0 }
    }

    #[test]
    fn too_much_is_refused_until_some_is_taken() {
        let queue = Queue::default();
        queue.put(call(MAX_WAITING_BYTES + 1)).unwrap();
        queue.put(call(1)).unwrap_err();
        assert!(
            matches!(queue.take(None, Expected::default()), Work::Write(calls) if calls.len() == 1)
        );
        queue.put(call(MAX_WAITING_BYTES)).unwrap();
        queue.put(call(1)).unwrap_err();
    }

    #[test]
    fn a_batch_is_bounded_and_no_call_is_split() {
        let queue = Queue::default();
        for bytes in [1, MAX_BATCH_BYTES, MAX_BATCH_BYTES * 2, 1, 1] {
            queue.put(call(bytes)).unwrap();
        }
        queue.close();
        let mut batches = Vec::new();
        while let Work::Write(calls) = queue.take(None, Expected::default()) {
            batches.push(calls.len());
        }
        assert_eq!(batches, [1, 1, 1, 2]);
        queue.put(call(1)).unwrap_err();
    }

    #[test]
    fn who_waits_is_told_that_nothing_came() {
        assert!(matches!(
            Queue::default().take(Some(Duration::from_millis(1)), Expected::default()),
            Work::Idle
        ));
    }
}
