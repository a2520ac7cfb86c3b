//! A channel: one upstream stream, and who listens to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hashbrown::HashMap;
use parking_lot::Mutex;
use tidings_hub::{
    Grants, Hub, Position, Selector, Start, SubscribeError, Subscriber, Subscription,
};
use tokio::sync::watch;
use tokio::time::Instant;

use super::error::UpstreamError;
use super::exactly;
use super::snapshot::Snapshot;
use crate::mercure::EARLIEST;

/// The upstream connections of a relay, by topic.
#[derive(Debug, Default)]
pub(super) struct Channels(Mutex<HashMap<String, Arc<Channel>>>);

/// A lock whose holder waits for the log: who comes meanwhile comes before what it publishes, or after it.
#[expect(
    clippy::disallowed_types,
    reason = "what is published and what is kept are one step for newcomers"
)]
type SnapshotLock = tokio::sync::Mutex<Snapshot>;

/// One upstream connection, and who listens to it.
#[derive(Debug)]
pub(super) struct Channel {
    selector: Selector,
    /// What its subscribers may read: this channel. Its updates are private, so that nobody meets them under `*` who could
    /// not ask for them here.
    grants: Grants,
    /// Each subscriber holds a receiver, so that it is known when the last one has gone.
    pub(super) status: watch::Sender<Status>,
    pub(super) snapshot: SnapshotLock,
    /// How many have come.
    arrivals: AtomicU64,
    /// Its upstream is looked after.
    is_followed: AtomicBool,
}

/// Who comes to a channel.
pub(super) struct Newcomer {
    /// Without what the channel gives: what it asks for, and its grant.
    pub(super) subscriber: Subscriber,
    /// The id that it saw last.
    pub(super) cursor: Option<String>,
    /// Whether it gets what came since the snapshot, too.
    pub(super) replay: bool,
    /// Within which time it would have come back if it had been refused.
    pub(super) return_time: Duration,
}

/// How far a channel is, as its subscribers see it: one that has been open stays so while its upstream is lost.
#[derive(Clone, Debug)]
pub(super) enum Status {
    Connecting,
    /// All that the upstream has sent is behind this position.
    Open {
        since: Position,
        opened_at: Instant,
        /// The upstream took so long for the head of its answer that some were refused meanwhile.
        was_late: bool,
    },
    Failed(UpstreamError),
}

/// Keeps the upstream connection of a stream open.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(super) _status: watch::Receiver<Status>,
}

impl Channels {
    /// The channel of a topic, which is there for as long as the receiver is.
    pub(super) fn listen(&self, topic: &str) -> (Arc<Channel>, watch::Receiver<Status>) {
        let mut channels = self.0.lock();
        let channel = channels.entry_ref(topic).or_insert_with(|| Arc::new(Channel::new(topic)));
        (Arc::clone(channel), channel.status.subscribe())
    }

    /// Takes a channel out that nobody has got into, so that it was never followed.
    pub(super) fn forget_unfollowed(&self, topic: &str, channel: &Arc<Channel>) {
        let mut channels = self.0.lock();
        // Whoever comes now may have opened another one.
        let is_this = channels.get(topic).is_some_and(|known| Arc::ptr_eq(known, channel));
        let is_deserted = channel.status.receiver_count() == 0;
        if is_this && is_deserted && !channel.is_followed.load(Ordering::Relaxed) {
            channels.remove(topic);
        }
    }

    /// Takes a channel out that nobody listens to; `false` if somebody has come. Whoever comes takes the same lock.
    pub(super) fn let_go(&self, topic: &str, channel: &Channel) -> bool {
        let mut channels = self.0.lock();
        let is_deserted = channel.status.receiver_count() == 0;
        if is_deserted {
            channels.remove(topic);
        }
        is_deserted
    }

    pub(super) fn remove(&self, topic: &str) {
        self.0.lock().remove(topic);
    }
}

impl Channel {
    pub(super) fn new(topic: &str) -> Self {
        let selector = exactly(topic);
        let (status, _) = watch::channel(Status::Connecting);
        Self {
            grants: Grants::new([selector.clone()]),
            selector,
            status,
            snapshot: SnapshotLock::new(Snapshot::new()),
            arrivals: AtomicU64::new(0),
            is_followed: AtomicBool::new(false),
        }
    }

    /// Tells whether its upstream is not looked after yet, and notes that from now on it is.
    pub(super) fn begin(&self) -> bool {
        !self.is_followed.swap(true, Ordering::Relaxed)
    }

    /// Subscribes somebody, and gives the events that it is to be sent before all others. One that has seen nothing gets
    /// what comes from now on: all, if the upstream has not sent anything yet.
    pub(super) async fn enter(
        &self,
        hub: &Hub,
        newcomer: Newcomer,
    ) -> Result<(Subscription, Option<Bytes>), SubscribeError> {
        let Newcomer { subscriber, cursor, replay, return_time } = newcomer;
        // Held meanwhile: the channel opens, and the snapshot grows, before it or after it.
        let snapshot = self.snapshot.lock().await;
        let status = self.status.borrow().clone();
        let (start, greeting) = match (cursor, status) {
            (Some(id), _) if id == EARLIEST => (Start::Earliest, None),
            (Some(id), _) => (Start::AfterOnTopic(id), None),
            (None, Status::Connecting | Status::Failed(_)) => (Start::Live, None),
            // It was refused while the upstream took its time, and has come back.
            (None, Status::Open { since, opened_at, was_late: true })
                if opened_at.elapsed() < return_time =>
            {
                (Start::After(since.to_string()), None)
            }
            (None, Status::Open { .. }) => {
                let taken_at = snapshot.taken_at().filter(|_| replay);
                let start = taken_at.map_or(Start::Live, |place| Start::After(place.to_string()));
                (start, snapshot.frames())
            }
        };
        let selectors = vec![self.selector.clone()];
        let subscriber = Subscriber { selectors, grants: self.grants.clone(), ..subscriber };
        let subscription = hub.subscribe(subscriber, start).await?;
        self.arrivals.fetch_add(1, Ordering::Relaxed);
        Ok((subscription, greeting))
    }

    /// The upstream has answered, after what is at `since`.
    pub(super) async fn open(&self, since: Position, was_late: bool) {
        let _nobody_enters = self.snapshot.lock().await;
        self.status.send_replace(Status::Open { since, opened_at: Instant::now(), was_late });
    }

    /// Waits until nobody has listened for so long. Somebody may have come since.
    pub(super) async fn is_deserted(&self, linger: Duration) {
        loop {
            self.status.closed().await;
            let seen = self.arrivals.load(Ordering::Relaxed);
            tokio::time::sleep(linger).await;
            let came = self.arrivals.load(Ordering::Relaxed) != seen;
            if !came && self.status.receiver_count() == 0 {
                return;
            }
        }
    }
}
