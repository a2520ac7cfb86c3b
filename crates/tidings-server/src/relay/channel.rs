//! A channel: one upstream stream, and who listens to it.

use std::sync::Arc;
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
use super::snapshot::Snapshot;

/// The upstream connections of a relay, by topic.
#[derive(Debug, Default)]
pub(super) struct Channels(pub(super) Mutex<HashMap<String, Arc<Channel>>>);

/// One upstream connection, and who listens to it.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) selector: Selector,
    /// What its subscribers may read: this channel. Its updates are private, so that nobody meets them under `*` who could
    /// not ask for them here.
    pub(super) grants: Grants,
    /// Each subscriber holds a receiver, so that it is known when the last one has gone.
    pub(super) status: watch::Sender<Status>,
    pub(super) snapshot: Mutex<Snapshot>,
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

impl Status {
    /// Where a newcomer begins that has seen nothing and was to see all: the place before the upstream's first event, if
    /// it waited for that, or was refused while it waited and comes back within `return_time`.
    pub(super) fn beginning(&self, has_waited: bool, return_time: Duration) -> Option<Position> {
        match self {
            Self::Open { since, opened_at, was_late } => {
                let comes_back = *was_late && opened_at.elapsed() < return_time;
                (has_waited || comes_back).then_some(*since)
            }
            Self::Connecting | Self::Failed(_) => None,
        }
    }
}

impl Channels {
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
    /// Subscribes one who has seen nothing, and gives the snapshot that it is to be sent first.
    pub(super) fn greet(
        &self,
        hub: &Hub,
        subscriber: Subscriber,
        replay: bool,
    ) -> Result<(Subscription, Option<Bytes>), SubscribeError> {
        // Held meanwhile, so that an event of the snapshot comes with it or after it, and not both.
        let snapshot = self.snapshot.lock();
        let taken_at = snapshot.taken_at().filter(|_| replay);
        let start = taken_at.map_or(Start::Live, |position| Start::After(position.to_string()));
        Ok((hub.subscribe(subscriber, start)?, snapshot.frames()))
    }

    /// Waits until nobody has listened for so long. Somebody may have come since.
    pub(super) async fn is_deserted(&self, linger: Duration) {
        loop {
            self.status.closed().await;
            tokio::time::sleep(linger).await;
            if self.status.receiver_count() == 0 {
                return;
            }
        }
    }
}
