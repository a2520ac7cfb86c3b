//! What all parts of a log on NATS share: the connection while there is one, and which log it leads to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use tidings_hub::{Bounds, Epoch, Unavailable};
use tokio::sync::{Notify, broadcast, watch};

use super::api::{Api, Held};
use super::config::NatsConfig;
use super::lineage::{Lineage, Subjects};
use super::stream::{self, Seen};
use super::trouble::Trouble;

/// What the parts of a log share.
#[derive(Debug)]
pub(super) struct Link {
    /// Which servers, as it may be shown.
    pub(super) at: String,
    pub(super) config: NatsConfig,
    pub(super) state: watch::Sender<State>,
    /// What the log retained when it was last looked at.
    pub(super) bounds: watch::Sender<Bounds>,
    /// The epoch that was told last to who asked for the bounds.
    pub(super) told: Mutex<Option<Epoch>>,
    /// The last message that was in the log of this epoch.
    pub(super) seen: Mutex<(Epoch, Seen)>,
    pub(super) signals: Signals,
    /// What comes from the other hubs.
    pub(super) bus: broadcast::Sender<Bytes>,
}

/// Whether there is a log now.
#[derive(Clone, Debug)]
pub(super) enum State {
    Away(Unavailable),
    Up(Arc<Up>),
}

/// A log that can be used.
#[derive(Debug)]
pub(super) struct Up {
    pub(super) api: Api,
    pub(super) lineage: Lineage,
    pub(super) subjects: Subjects,
    /// Which connection it is; grows.
    pub(super) connection: u64,
    /// How often the stream was examined; grows.
    pub(super) round: u64,
}

impl Up {
    pub(super) fn epoch(&self) -> Epoch {
        self.lineage.epoch()
    }
}

/// What the parts tell the task that keeps the link. However often they do, nothing is lost and nothing grows.
#[derive(Debug, Default)]
pub(super) struct Signals {
    /// The last round in which something was not as it should be.
    doubted: AtomicU64,
    /// The last connection that did not answer.
    given_up: AtomicU64,
    is_over: AtomicBool,
    told: Notify,
}

impl Signals {
    /// Waits until something is told that matters in this round of this connection.
    pub(super) async fn heard(&self, connection: u64, round: u64) -> Signal {
        loop {
            let told = self.told.notified();
            if self.is_over.load(Ordering::Acquire) {
                return Signal::End;
            }
            if self.given_up.load(Ordering::Acquire) >= connection {
                return Signal::GiveUp;
            }
            if self.doubted.load(Ordering::Acquire) >= round {
                return Signal::Doubt;
            }
            told.await;
        }
    }

    /// Waits until nobody uses the link any more.
    pub(super) async fn over(&self) {
        while !matches!(self.heard(u64::MAX, u64::MAX).await, Signal::End) {}
    }
}

/// What is told to the task that keeps the link.
#[derive(Clone, Copy, Debug)]
pub(super) enum Signal {
    /// Something was not as it should be: look at the stream again.
    Doubt,
    /// The connection does not answer: make another one.
    GiveUp,
    /// Nobody uses the link any more.
    End,
}

impl Link {
    /// What the link is now.
    pub(super) fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// What tells when it changes.
    pub(super) fn states(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// The log, if there is one now.
    pub(super) fn up(&self) -> Result<Arc<Up>, Unavailable> {
        match &*self.state.borrow() {
            State::Up(up) => Ok(Arc::clone(up)),
            State::Away(why) => Err(why.clone()),
        }
    }

    /// What the log retained when it was last looked at.
    pub(super) fn last_bounds(&self) -> Bounds {
        *self.bounds.borrow()
    }

    /// Of which log a seq is that was given after the bounds were told.
    pub(super) fn told(&self) -> Epoch {
        self.told.lock().unwrap_or_else(|| self.last_bounds().epoch)
    }

    /// What tells when that changes.
    pub(super) fn bounds_changes(&self) -> watch::Receiver<Bounds> {
        self.bounds.subscribe()
    }

    /// Asks what the log retains.
    pub(super) async fn look(&self, up: &Up) -> Result<Bounds, Trouble> {
        let Some(info) = up.api.info().await? else {
            self.doubt(up.round);
            return Err(Trouble::Away("the stream was deleted; it is being made anew".into()));
        };
        if stream::read(&info).as_ref() != Some(&up.lineage) {
            self.doubt(up.round);
            return Err(Trouble::Away(
                "the stream holds another log than before; looking at it".into(),
            ));
        }
        let found = bounds(up.epoch(), &info.state);
        self.bounds.send_if_modified(|bounds| std::mem::replace(bounds, found) != found);
        Ok(found)
    }

    /// An error of the log, for an operator.
    pub(super) fn unavailable(&self, trouble: &Trouble) -> Unavailable {
        trouble.unavailable(&self.at)
    }

    /// Something in this round was not as it should be.
    pub(super) fn doubt(&self, round: u64) {
        self.signals.doubted.fetch_max(round, Ordering::AcqRel);
        self.signals.told.notify_one();
    }

    /// This connection does not answer.
    pub(super) fn give_up(&self, connection: u64) {
        self.signals.given_up.fetch_max(connection, Ordering::AcqRel);
        self.signals.told.notify_one();
    }

    /// Nobody uses the link any more.
    pub(super) fn end(&self) {
        self.signals.is_over.store(true, Ordering::Release);
        self.signals.told.notify_one();
    }

    /// A message was in the log.
    pub(super) fn saw(&self, epoch: Epoch, seq: u64, payload: &[u8]) {
        let mut seen = self.seen.lock();
        if seen.0 == epoch && seq > seen.1.seq {
            seen.1 = Seen::new(seq, payload);
        }
    }
}

/// What a stream holds, as a log's bounds.
pub(super) fn bounds(epoch: Epoch, held: &Held) -> Bounds {
    Bounds { epoch, oldest: held.oldest(), next: held.next(), bytes: Some(held.bytes) }
}
