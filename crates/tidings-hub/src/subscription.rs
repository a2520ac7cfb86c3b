//! What a subscriber awaits: updates in log order, gaps, and the end.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;

use crate::close::CloseReason;
use crate::hub::Hub;
use crate::index::SubscriberKey;
use crate::position::Position;
use crate::read::Read;
use crate::subscriber::Subscriber;
use crate::update::LoggedUpdate;

/// What a subscription gives next.
#[derive(Debug)]
pub enum Delivery {
    /// The next updates in log order, at least one. How many is the hub's choice: one when the subscriber is up to
    /// date, many when it is behind. Shared by subscriptions that read the same.
    Updates(Arc<[Arc<LoggedUpdate>]>),
    /// Updates are lost that the subscriber was owed or, after a resume, may have been. Those that follow come after
    /// the gap.
    Gap(Gap),
    /// The end. Everything the subscriber was owed came before, unless it [ends at once](Hub::end_at_once).
    Closed(CloseReason),
}

/// Updates between a subscriber's cursor and the oldest that the log still has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The last id that the subscriber said it saw; none when it fell behind while connected.
    pub last_event_id: Option<String>,
    /// The position just before the first update that can follow: to resume from here meets no gap.
    pub before: Position,
    /// How many updates, on whatever topics, are lost; none when the hub cannot know, because the id is unknown.
    pub missed: Option<u64>,
}

impl Gap {
    /// The same gap, now that the log has let go of everything up to `before` too.
    pub(crate) fn grown_to(self, before: Position) -> Self {
        let more = before.seq.saturating_sub(self.before.seq);
        let before = Position { seq: self.before.seq + more, ..self.before };
        Self { before, missed: self.missed.map(|missed| missed + more), ..self }
    }
}

/// How a subscription began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// With the next update: nothing else was asked for.
    Live,
    /// With the oldest retained update, as asked for.
    Earliest,
    /// After the given id; nothing was lost.
    Complete,
    /// After the given id, but the log no longer has everything since: a gap comes first.
    Partial,
    /// The given id is unknown to the log: a gap comes first, then all that the log has. After a position beyond the
    /// log's end, nothing of what it has.
    Unknown,
}

/// An open subscription: a cursor over the log.
///
/// It holds no queue: however slowly it is read, it costs the hub the same few hundred bytes. Dropping it ends it.
#[derive(Debug)]
pub struct Subscription {
    hub: Hub,
    key: SubscriberKey,
    subscriber: Arc<Subscriber>,
    resume: Resume,
    /// The end was given: the stream has nothing after it.
    ended: bool,
}

impl Subscription {
    pub(crate) fn new(
        hub: Hub,
        key: SubscriberKey,
        subscriber: Arc<Subscriber>,
        resume: Resume,
    ) -> Self {
        Self { hub, key, subscriber, resume, ended: false }
    }

    pub(crate) fn key(&self) -> SubscriberKey {
        self.key
    }

    /// Who subscribes to what.
    pub fn subscriber(&self) -> &Arc<Subscriber> {
        &self.subscriber
    }

    /// How it began.
    pub fn resume(&self) -> Resume {
        self.resume
    }

    /// The newest position, if the subscriber has everything up to it; none while it is owed something.
    ///
    /// To resume from here later meets no gap for as long as the log retains what follows, however long ago the last
    /// update for this subscriber was.
    pub fn caught_up(&self) -> Option<Position> {
        self.hub.lock().caught_up(self.key)
    }

    /// Waits for what comes next. After [`Delivery::Closed`] it gives the same again.
    ///
    /// # Cancel safety
    /// Cancel safe: what was not returned is still owed.
    pub async fn next(&mut self) -> Delivery {
        std::future::poll_fn(|cx| self.poll_delivery(cx)).await
    }

    /// Waits until the subscription is told to end, and takes nothing meanwhile: for who is not ready yet to read.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn told_to_end(&mut self) -> CloseReason {
        std::future::poll_fn(|cx| {
            let mut state = self.hub.lock();
            if let Some(reason) = state.closing(self.key) {
                return Poll::Ready(reason);
            }
            let replaced = state.wait(self.key, cx.waker());
            drop(state);
            drop(replaced);
            Poll::Pending
        })
        .await
    }

    /// The form of [`next`](Self::next) for those who write futures by hand.
    pub fn poll_delivery(&mut self, cx: &mut Context<'_>) -> Poll<Delivery> {
        loop {
            let mut state = self.hub.lock();
            match state.read(self.key) {
                Read::Ready(delivery) => {
                    drop(state);
                    if matches!(delivery, Delivery::Closed(_)) {
                        self.hub.0.told.notify_waiters();
                    }
                    return Poll::Ready(delivery);
                }
                // The lock is let go between rounds, so that a long search holds up nobody.
                Read::Again => {}
                Read::UpToDate | Read::Waiting => {
                    let replaced = state.wait(self.key, cx.waker());
                    let fetches = std::mem::take(&mut state.fetches);
                    drop(state);
                    drop(replaced);
                    self.hub.fetch(fetches);
                    return Poll::Pending;
                }
            }
        }
    }
}

/// What [`next`](Subscription::next) gives, up to and with [`Delivery::Closed`].
impl Stream for Subscription {
    type Item = Delivery;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Delivery>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let delivery = std::task::ready!(self.poll_delivery(cx));
        self.ended = matches!(delivery, Delivery::Closed(_));
        Poll::Ready(Some(delivery))
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.hub.leave(self.key);
    }
}
