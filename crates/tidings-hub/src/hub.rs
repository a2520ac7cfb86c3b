//! The hub's handle: publish, subscribe, look, close.

use std::fmt;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tidings_wire::EventId;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::behind::Behind;
use crate::close::CloseReason;
use crate::config::HubConfig;
use crate::error::{BatchError, PublishError, SubscribeError};
use crate::index::SubscriberKey;
use crate::position::{Epoch, Position};
use crate::presence::Announcer;
use crate::publishing::Publishing;
use crate::state::State;
use crate::stats::Stats;
use crate::subscriber::{Start, Subscriber};
use crate::subscription::Subscription;
use crate::update::{Receipt, Update};

/// How many updates are published before others may have the lock in between.
const MAX_LOCKED_UPDATES: usize = 256;

/// A handle to a hub. Clones are handles to the same hub.
///
/// ```
/// use tidings_hub::{Delivery, Epoch, Grants, Hub, HubConfig, Selector, Start, Subscriber, SubscriberId, Update};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?.block_on(async {
/// let hub = Hub::new(Epoch::random()?, HubConfig::default(), None);
/// let subscriber = Subscriber {
///     id: SubscriberId::random()?,
///     selectors: vec![Selector::new("news/{id}")],
///     grants: Grants::none(),
///     user: None,
///     session: None,
///     address: None,
///     payload: None,
/// };
/// let mut subscription = hub.subscribe(subscriber, Start::Live).await?;
/// hub.publish(Update::new("news/1", "hello")).await?;
/// let Delivery::Updates(updates) = subscription.next().await else { panic!("nothing was lost or closed") };
/// assert!(updates[0].frame.ends_with(b"data: hello\n\n"));
/// # Ok(()) })
/// # }
/// ```
#[derive(Clone)]
pub struct Hub(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    announcer: Option<Box<dyn Announcer>>,
    /// Held for as long as one publish, one read or one look takes; never across an await.
    pub(crate) state: Mutex<State>,
    /// The log behind the hub, where there is one.
    pub(crate) behind: Option<Behind>,
    /// Tells that a subscription has noted its end, or is gone.
    pub(crate) told: Notify,
}

impl Hub {
    /// A hub with an empty log in memory. [`open`](Self::open) makes one with a log behind it.
    pub fn new(epoch: Epoch, config: HubConfig, announcer: Option<Box<dyn Announcer>>) -> Self {
        Self(Arc::new(Inner::new(State::new(epoch, config), announcer, None)))
    }

    /// Which log the hub has.
    pub fn epoch(&self) -> Epoch {
        self.lock().tail.epoch()
    }

    /// Whether a log is behind the hub, so that a publish may fail for a while, and its answer be lost.
    pub fn has_log(&self) -> bool {
        self.0.behind.is_some()
    }

    /// Puts an update into the log and wakes the subscribers that it is for.
    ///
    /// When the future is ready, the update is in the log, and every subscriber will have it or be told of a gap. With a log
    /// behind the hub it survives then what that log survives; a hub in memory waits for nobody but its lock, which others
    /// hold for microseconds. Updates are in the log in the order in which they were published, awaited or not. No grant is
    /// asked for: who may publish is the caller's question.
    ///
    /// ```
    /// use tidings_hub::{Epoch, Hub, HubConfig, PublishError, Update};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// let hub = Hub::new(Epoch::random()?, HubConfig::default(), None);
    /// let receipt = hub.publish(Update::new("news", "hello").with_idempotency_key("order-7")).await?;
    /// // The same again changes nothing and has the same answer; another update with that key is refused.
    /// let again = hub.publish(Update::new("news", "hello").with_idempotency_key("order-7")).await?;
    /// assert_eq!((again.id, again.repeated), (receipt.id, true));
    /// let other = hub.publish(Update::new("news", "other").with_idempotency_key("order-7")).await;
    /// assert_eq!(other, Err(PublishError::KeyReused));
    /// # Ok(()) })
    /// # }
    /// ```
    ///
    /// # Cancel safety
    /// The update is on its way when this returns; to drop the future takes nothing back.
    ///
    /// # Errors
    /// When the update is not one ([`PublishError::NoTopic`], [`PublishError::TooManyTopics`],
    /// [`PublishError::ReservedId`]), is too large for the log,
    /// reuses an idempotency key, the hub is closing, or the log behind it is away
    /// ([`PublishError::Unavailable`]). The log is unchanged then, but see there.
    pub fn publish(&self, update: Update) -> Publishing<Result<Receipt, PublishError>> {
        let update = update.normalised();
        if let Some(behind) = &self.0.behind {
            return self.publish_behind(behind, update);
        }
        let mut woken = Vec::new();
        let result = self.lock().publish(update, Instant::now(), &mut woken);
        woken.into_iter().for_each(Waker::wake);
        Publishing::done(result)
    }

    /// Publishes several updates, in order, at less cost than one by one. Each has its own result, and other publishers'
    /// updates may come between them; [`publish_batch`](Self::publish_batch) is for all or none.
    pub fn publish_all(
        &self,
        updates: impl IntoIterator<Item = Update>,
    ) -> Publishing<Vec<Result<Receipt, PublishError>>> {
        // What makes the updates may use the hub, and may take its time.
        let updates: Vec<Update> = updates.into_iter().map(Update::normalised).collect();
        if let Some(behind) = &self.0.behind {
            return self.publish_all_behind(behind, updates);
        }
        let mut results = Vec::with_capacity(updates.len());
        let mut updates = updates.into_iter();
        let now = Instant::now();
        while updates.len() > 0 {
            let mut woken = Vec::new();
            let mut state = self.lock();
            let some = updates.by_ref().take(MAX_LOCKED_UPDATES);
            results.extend(some.map(|update| state.publish(update, now, &mut woken)));
            // Whoever waits for the lock goes next.
            MutexGuard::unlock_fair(state);
            woken.into_iter().for_each(Waker::wake);
        }
        Publishing::done(results)
    }

    /// Publishes several updates, or none of them if there is one that cannot be. No other update comes between them.
    /// (A log behind the hub may promise less.)
    ///
    /// The hub does nothing else meanwhile: this is for hundreds, not for millions.
    ///
    /// # Errors
    /// The first update that [`publish`](Self::publish) would refuse, or one that has the idempotency key of another
    /// among them. The log is unchanged then.
    pub fn publish_batch(
        &self,
        updates: impl IntoIterator<Item = Update>,
    ) -> Publishing<Result<Vec<Receipt>, BatchError>> {
        let updates: Vec<Update> = updates.into_iter().map(Update::normalised).collect();
        if let Some(behind) = &self.0.behind {
            return self.publish_batch_behind(behind, updates);
        }
        let weights: Vec<usize> = updates.iter().map(Update::max_weight).collect();
        let mut woken = Vec::new();
        let now = Instant::now();
        let mut state = self.lock();
        let receipts = state.check_batch(&updates, &weights).and_then(|()| {
            let publish = |(place, update)| {
                state.publish(update, now, &mut woken).map_err(|error| BatchError { place, error })
            };
            updates.into_iter().enumerate().map(publish).collect()
        });
        drop(state);
        woken.into_iter().for_each(Waker::wake);
        Publishing::done(receipts)
    }

    /// Opens a subscription. A hub in memory waits for nothing; with a log behind it, it may have to be looked up there where
    /// the subscription begins.
    ///
    /// # Cancel safety
    /// Cancel safe: there is no subscription then.
    ///
    /// # Errors
    /// When a limit is reached, no selector is named, the hub is closing, or the log behind it is away and has to be
    /// asked.
    pub async fn subscribe(
        &self,
        subscriber: Subscriber,
        start: Start,
    ) -> Result<Subscription, SubscribeError> {
        if self.0.behind.is_some() {
            // Who is to be refused costs the log nothing, and is told why though it is away.
            self.lock().check_newcomer(&subscriber)?;
        }
        let found = self.place(&start, &subscriber.selectors).await?;
        let announcements =
            self.0.announcer.as_ref().map(|a| a.joined(&subscriber)).unwrap_or_default();
        // A log behind the hub cannot have them in the same step: they come to the newcomer, too.
        let (at_once, later) = match self.0.behind {
            Some(_) => (Vec::new(), announcements),
            None => (announcements, Vec::new()),
        };
        let subscriber = Arc::new(subscriber);
        let mut woken = Vec::new();
        let opened = self.lock().subscribe(
            Arc::clone(&subscriber),
            (start, found),
            at_once,
            Instant::now(),
            &mut woken,
        );
        woken.into_iter().for_each(Waker::wake);
        let (key, resume) = opened?;
        self.announce(later);
        Ok(Subscription::new(self.clone(), key, subscriber, resume))
    }

    /// Who is subscribed, in no order.
    pub fn subscribers(&self) -> Vec<Arc<Subscriber>> {
        self.lock().members.iter().map(|(_, member)| Arc::clone(&member.subscriber)).collect()
    }

    /// The position of the newest update, retained or not. Before the first it is that of the place before it.
    pub fn newest(&self) -> Position {
        self.lock().tail.newest_position()
    }

    /// The publisher's own id of the newest update on a topic that has one in the scope of its topic
    /// ([`IdScope::Topic`](crate::IdScope::Topic)), among the newest 1,000 of it that the hub has in memory: of a log behind
    /// the hub that is the newest part.
    pub fn newest_topic_id(&self, topic: &str) -> Option<EventId> {
        self.lock().newest_topic_id(topic)
    }

    /// The id of the newest retained update.
    pub fn last_event_id(&self) -> Option<EventId> {
        let mut state = self.lock();
        state.evict(Instant::now());
        state.tail.newest().map(|update| update.id.clone())
    }

    /// What the hub holds now.
    pub fn stats(&self) -> Stats {
        stats(&mut self.lock())
    }

    /// What the hub holds now, unless it is not to be had within `patience`, because the hub is stuck.
    pub fn try_stats(&self, patience: Duration) -> Option<Stats> {
        self.0.state.try_lock_for(patience).map(|mut state| stats(&mut state))
    }

    /// Refuses every new subscription from now on, and every publish to a log in memory, which would be lost. A log behind
    /// the hub takes updates to the end. Open subscriptions go on until they are closed.
    pub fn close(&self) {
        self.lock().closing = true;
    }

    /// Lets up to `count` open subscriptions end, each once it has everything it is owed. Answers how many were still
    /// open: fewer than `count` means that none is left.
    pub fn close_some(&self, count: usize, reason: CloseReason) -> usize {
        let woken = self.lock().close_some(count, reason);
        let closed = woken.closed;
        woken.wakers.into_iter().for_each(Waker::wake);
        closed
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock()
    }

    /// Ends a subscription and tells the others.
    pub(crate) fn leave(&self, key: SubscriberKey) {
        // Its waker is dropped with it, which may run code that uses the hub: not under the lock.
        let Some(member) = self.lock().leave(key) else { return };
        if member.closed.is_some() {
            self.0.told.notify_waiters();
        }
        let Some(announcer) = &self.0.announcer else { return };
        // A closing hub in memory takes no more updates; there is nobody left to tell then.
        self.announce(announcer.left(&member.subscriber));
    }
}

impl Hub {
    /// Publishes what nobody waits for.
    fn announce(&self, updates: Vec<Update>) {
        if updates.is_empty() {
            return;
        }
        let publishing = self.publish_all(updates);
        if let Some(behind) = &self.0.behind {
            let inner = Arc::downgrade(&self.0);
            // It is counted when it is known to be in the log.
            behind.spawn(async move {
                if publishing.await.iter().any(Result::is_err)
                    && let Some(inner) = inner.upgrade()
                {
                    let mut state = inner.state.lock();
                    state.unannounced_at = Some(state.tail.next());
                }
            });
        }
    }
}

impl Inner {
    pub(crate) fn new(
        state: State,
        announcer: Option<Box<dyn Announcer>>,
        behind: Option<Behind>,
    ) -> Self {
        Self { announcer, state: Mutex::new(state), behind, told: Notify::new() }
    }
}

/// Without what is in the log: whoever shows a hub does not mean to show private updates.
impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").finish_non_exhaustive()
    }
}

fn stats(state: &mut State) -> Stats {
    state.evict(Instant::now());
    let (oldest, next) = (state.oldest(), state.tail.next());
    let retained = |seq| (next > oldest).then(|| state.tail.position(seq));
    Stats {
        subscribers: state.members.len(),
        published: state.published,
        gaps: state.gaps,
        updates: state.tail.len(),
        bytes: state.tail.bytes() + state.index.retained_bytes(),
        topics: state.index.retained_topics(),
        oldest: retained(oldest),
        newest: retained(next.saturating_sub(1)),
        log_is_away: state.away.is_some(),
        is_unannounced: state.unannounced_at == Some(next),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stuck_hub_is_looked_at_in_vain_and_holds_nobody_up() {
        let hub = Hub::new(Epoch::random().unwrap(), HubConfig::default(), None);
        let patience = Duration::from_millis(10);
        assert_eq!(hub.try_stats(patience), Some(hub.stats()));
        let _stuck = hub.lock();
        assert_eq!(hub.try_stats(patience), None);
    }
}
