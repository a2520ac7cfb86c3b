//! Ending chosen subscriptions at once, whatever they are owed: somebody has lost the right to what they ask for.

use std::pin::pin;
use std::sync::Arc;
use std::task::Waker;

use crate::close::CloseReason;
use crate::hub::Hub;
use crate::index::SubscriberKey;
use crate::served::Served;
use crate::state::{Member, State};
use crate::subscriber::Subscriber;

/// How many subscriptions are looked at, or ended, before others may have the lock in between.
const MAX_LOCKED: usize = 1_024;

/// Whether a subscription ends at once, and whether whoever serves it knows that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AtOnce {
    No,
    /// It was told to. What was given out before may be on its way to the client still.
    Due,
    /// Whoever serves it has nothing of it in hand any more.
    Told,
}

impl Hub {
    /// Ends the subscriptions that `chosen` picks, at once: from now on each is given its end and nothing else, neither
    /// what it is owed nor what is published later. That is for those who must not read on; when the hub goes down,
    /// [`close_some`](Self::close_some) lets everybody have what they are owed.
    ///
    /// What was given to a subscriber's task just before may not have left the process yet: [`Ending::told`] waits for
    /// that. A subscription that is opened meanwhile may be missed.
    ///
    /// `chosen` may use the hub. The lock is held for some subscriptions at a time.
    pub fn end_at_once(
        &self,
        mut chosen: impl FnMut(&Subscriber) -> bool,
        reason: CloseReason,
    ) -> Ending {
        let mut ending = Ending { hub: self.clone(), count: 0, untold: Vec::new() };
        let mut from = Some(0);
        while let Some(first) = from {
            let mut some = Vec::new();
            from = self.lock().collect_some(first, &mut some);
            some.retain(|(_, subscriber)| chosen(subscriber));
            let mut woken = Vec::new();
            let mut state = self.lock();
            for (key, subscriber) in &some {
                ending.count +=
                    usize::from(state.end_at_once(*key, subscriber, reason, &mut woken));
            }
            drop(state);
            woken.into_iter().for_each(Waker::wake);
            ending.untold.append(&mut some);
        }
        ending
    }
}

/// Subscriptions that end at once, and whether they know that yet.
#[derive(Debug)]
#[must_use = "what was given out before may be on its way until all are told"]
pub struct Ending {
    hub: Hub,
    count: usize,
    untold: Vec<(SubscriberKey, Arc<Subscriber>)>,
}

impl Ending {
    /// How many subscriptions were ended. Those that had been told to end at once before are not counted again.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Waits until each of the subscriptions has come to its end or is dropped. From then on whoever serves them has
    /// nothing of them in hand: no update reaches their clients but what had left the process.
    ///
    /// It waits for as long as somebody keeps a subscription and does not read on.
    ///
    /// # Cancel safety
    /// Cancel safe: the subscriptions end all the same.
    pub async fn told(&mut self) {
        loop {
            let hub = self.hub.clone();
            let mut news = pin!(hub.0.told.notified());
            // From here on none is missed.
            news.as_mut().enable();
            if self.forget_told() {
                return;
            }
            news.await;
        }
    }

    /// Whether all know; forgets those that do, up to the first that does not.
    fn forget_told(&mut self) -> bool {
        loop {
            let some = self.untold.len().saturating_sub(MAX_LOCKED);
            let state = self.hub.lock();
            let told = self.untold.iter().skip(some).rev();
            let told = told.take_while(|(key, subscriber)| state.is_told(*key, subscriber)).count();
            drop(state);
            self.untold.truncate(self.untold.len() - told);
            if self.untold.is_empty() || told < MAX_LOCKED {
                return self.untold.is_empty();
            }
        }
    }
}

impl State {
    /// Adds the subscribers at some of the keys from `first` on. Gives the key to go on from, if there may be more.
    fn collect_some(
        &self,
        first: SubscriberKey,
        some: &mut Vec<(SubscriberKey, Arc<Subscriber>)>,
    ) -> Option<SubscriberKey> {
        let end = first + MAX_LOCKED;
        for key in first..end {
            let member = self.members.get(key);
            some.extend(member.map(|member| (key, Arc::clone(&member.subscriber))));
        }
        (end < self.members.capacity()).then_some(end)
    }

    /// Ends a subscription at once, if it is still this subscriber's; `false` when it was told so before.
    fn end_at_once(
        &mut self,
        key: SubscriberKey,
        subscriber: &Arc<Subscriber>,
        reason: CloseReason,
        woken: &mut Vec<Waker>,
    ) -> bool {
        let Some(member) = self.members.get_mut(key) else { return false };
        if !Arc::ptr_eq(&member.subscriber, subscriber) || member.at_once != AtOnce::No {
            return false;
        }
        member.at_once = AtOnce::Due;
        member.closed = Some(reason);
        woken.extend(match &mut member.served {
            Served::Alone { waker, .. } => waker.take(),
            Served::InShard { shard, seat } => {
                let inbox = self.shards.get(*shard);
                inbox.and_then(|inbox| inbox.end_at_once(*seat, member.subscriber.id))
            }
        });
        true
    }

    /// Whether a subscriber knows of its end, or is gone.
    fn is_told(&self, key: SubscriberKey, subscriber: &Arc<Subscriber>) -> bool {
        self.members.get(key).is_none_or(|member| {
            !Arc::ptr_eq(&member.subscriber, subscriber) || member.at_once == AtOnce::Told
        })
    }

    /// Whether a subscription ends at once.
    pub(crate) fn ends_at_once(&self, key: SubscriberKey) -> bool {
        self.members.get(key).is_some_and(|member| member.at_once != AtOnce::No)
    }

    /// Notes that whoever serves a subscription knows of its end, if that is at once.
    pub(crate) fn note_told(&mut self, key: SubscriberKey) {
        if let Some(member) = self.members.get_mut(key) {
            member.note_told();
        }
    }
}

impl Member {
    /// Notes that whoever serves it knows of its end, and tells whether that is at once.
    pub(crate) fn note_told(&mut self) -> bool {
        if self.at_once == AtOnce::No {
            return false;
        }
        self.at_once = AtOnce::Told;
        true
    }
}
