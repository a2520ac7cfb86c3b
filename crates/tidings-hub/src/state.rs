//! What the hub's one lock protects: the log, the index over it, and the subscribers with their cursors.
//!
//! A subscriber's cursor is the first update it is still owed, or none when it is up to date. A publish sets the cursor
//! of those who were up to date; a read moves it on. There is no queue: being behind, replaying after a reconnect and
//! being up to date are the same state with another number in it. The cursors of subscribers in a shard are with the
//! shard (`shard/`): a publish only leaves it a notice.

use std::sync::Arc;
use std::task::Waker;

use hashbrown::HashMap;
use slab::Slab;
use tidings_wire::EventId;
use tokio::time::Instant;

use crate::admission::Admission;
use crate::close::CloseReason;
use crate::config::HubConfig;
use crate::digest::digest;
use crate::ending::AtOnce;
use crate::error::{BatchError, PublishError};
use crate::fetch::{Fetch, Fetched};
use crate::inbox::Inbox;
use crate::index::{Index, NodeKey, SubscriberKey};
use crate::log::Unavailable;
use crate::position::{Epoch, Position};
use crate::replays::Replays;
use crate::selector::Selector;
use crate::served::Served;
use crate::subscriber::Subscriber;
use crate::subscription::Gap;
use crate::tail::Tail;
use crate::update::{IdScope, Idempotency, LoggedUpdate, Receipt, Update};

/// Among how many of a topic's newest updates its newest own id is looked for.
const TOPIC_ID_CANDIDATES: usize = 1_000;

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) tail: Tail,
    pub(crate) index: Index,
    pub(crate) members: Slab<Member>,
    /// Where to leave notices for each shard.
    pub(crate) shards: Slab<Arc<Inbox>>,
    pub(crate) replays: Replays,
    pub(crate) published: u64,
    pub(crate) gaps: u64,
    pub(crate) closing: bool,
    /// The oldest seq that the log behind the hub retains; none where the tail is the whole log.
    pub(crate) log_oldest: Option<u64>,
    /// Why the log behind the hub is away, while it is.
    pub(crate) away: Option<Unavailable>,
    /// Where the log was when an announcement could not be published.
    pub(crate) unannounced_at: Option<u64>,
    /// What is to be read from the log, until the lock is let go.
    pub(crate) fetches: Vec<Fetch>,
    pub(crate) admission: Admission,
    pub(crate) config: HubConfig,
}

/// A subscriber and where it stands.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) subscriber: Arc<Subscriber>,
    /// Its nodes, ascending, and its slot in each one's list of subscribers: the index's, or its shard's.
    pub(crate) places: Vec<Place>,
    /// The templates among its selectors.
    pub(crate) templates: Box<[Selector]>,
    /// Who takes its updates to it.
    pub(crate) served: Served,
    /// Set when updates that it may have been owed are lost and it was not told yet.
    pub(crate) gap: Option<Gap>,
    /// Set when it shall end once it has what it is owed.
    pub(crate) closed: Option<CloseReason>,
    /// Whether it shall not even have that.
    pub(crate) at_once: AtOnce,
    /// What it has of the log before the tail.
    pub(crate) fetched: Fetched,
}

#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) node: NodeKey,
    pub(crate) slot: usize,
}

/// Subscriptions that were told to end.
pub(crate) struct Closing {
    pub(crate) closed: usize,
    pub(crate) wakers: Vec<Waker>,
}

impl State {
    pub(crate) fn new(epoch: Epoch, config: HubConfig) -> Self {
        Self {
            tail: Tail::new(epoch, config.retention),
            index: Index::new(),
            members: Slab::new(),
            shards: Slab::new(),
            replays: Replays::default(),
            published: 0,
            gaps: 0,
            closing: false,
            log_oldest: None,
            away: None,
            unannounced_at: None,
            fetches: Vec::new(),
            admission: Admission::default(),
            config,
        }
    }

    /// Puts an update into the log and collects who was waiting for it.
    pub(crate) fn publish(
        &mut self,
        mut update: Update,
        now: Instant,
        woken: &mut Vec<Waker>,
    ) -> Result<Receipt, PublishError> {
        self.check(&update)?;
        let idempotency =
            update.idempotency_key.take().map(|key| Idempotency { digest: digest(&update), key });
        if let Some(Idempotency { key, digest }) = &idempotency
            && let Some(first) = self.tail.with_key(key)
        {
            if first.idempotency.as_ref().is_none_or(|known| known.digest != *digest) {
                return Err(PublishError::KeyReused);
            }
            return Ok(Receipt { id: first.id.clone(), position: first.position, repeated: true });
        }
        let mut draft = self.tail.draft(&mut update, idempotency, now);
        self.check_weight(&draft, &update.topics)?;
        draft.topics = self.index.intern(&update.topics);
        let entry = self.add(draft, woken);
        self.published += 1;
        self.evict(now);
        Ok(Receipt { id: entry.id.clone(), position: entry.position, repeated: false })
    }

    /// Puts an update at the end of the tail and collects who was waiting for it.
    pub(crate) fn add(&mut self, draft: LoggedUpdate, woken: &mut Vec<Waker>) -> Arc<LoggedUpdate> {
        let entry = self.tail.append(draft);
        let (members, shards) = (&mut self.members, &self.shards);
        self.index.append(&entry, |node, reached| {
            for &key in &reached.subscribers {
                let Some(member) = members.get_mut(key) else { continue };
                // One that was told to end and has everything is owed nothing more.
                if member.closed.is_none() && may_receive(&member.subscriber, &entry) {
                    woken.extend(member.served.owe(entry.position.seq));
                }
            }
            for &(shard, _) in &reached.shards {
                woken.extend(shards.get(shard).and_then(|inbox| inbox.notify(&entry, node)));
            }
        });
        entry
    }

    pub(crate) fn check(&self, update: &Update) -> Result<(), PublishError> {
        // What a log behind the hub takes is not lost with the hub: others read it, or this one when it is back.
        if self.closing && self.log_oldest.is_none() {
            return Err(PublishError::Closed);
        }
        if update.topics.is_empty() {
            return Err(PublishError::NoTopic);
        }
        if update.topics.len() > Update::MAX_TOPICS {
            return Err(PublishError::TooManyTopics { limit: Update::MAX_TOPICS });
        }
        if update.id.as_ref().is_some_and(|id| id.as_str().starts_with(Position::MARK)) {
            return Err(PublishError::ReservedId);
        }
        Ok(())
    }

    /// Tells whether all of several updates would be taken, one after the other. `weights` are the most they can weigh.
    pub(crate) fn check_batch(
        &self,
        updates: &[Update],
        weights: &[usize],
    ) -> Result<(), BatchError> {
        let mut digests = HashMap::new();
        let mut check = |update: &Update, bytes| {
            self.check(update)?;
            self.check_max_weight(bytes)?;
            let Some(key) = &update.idempotency_key else { return Ok(()) };
            let digest = digest(update);
            let logged = self.tail.with_key(key).and_then(|first| first.idempotency.as_ref());
            let known =
                digests.insert(Arc::clone(key), digest).or(logged.map(|known| known.digest));
            if known.is_some_and(|known| known != digest) {
                return Err(PublishError::KeyReused);
            }
            Ok(())
        };
        for (place, (update, bytes)) in updates.iter().zip(weights).enumerate() {
            check(update, *bytes).map_err(|error| BatchError { place, error })?;
        }
        Ok(())
    }

    /// Refuses what would push everything out of the log, itself included.
    fn check_weight(&self, draft: &LoggedUpdate, topics: &[String]) -> Result<(), PublishError> {
        // The draft has no topics yet.
        let each = |topic: &String| Index::weight(topic) + LoggedUpdate::TOPIC_BYTES;
        let topics: usize = topics.iter().map(each).sum();
        let (bytes, limit) = (draft.weight() + topics, self.config.retention.max_bytes);
        if bytes > limit { Err(PublishError::TooLarge { bytes, limit }) } else { Ok(()) }
    }

    /// Refuses what weighs more than the whole tail may. `bytes` is the most that an update can weigh.
    pub(crate) fn check_max_weight(&self, bytes: usize) -> Result<(), PublishError> {
        let limit = self.config.retention.max_bytes;
        if bytes > limit { Err(PublishError::TooLarge { bytes, limit }) } else { Ok(()) }
    }

    /// The seq of the oldest update that is retained anywhere, or of the next one when nothing is.
    pub(crate) fn oldest(&self) -> u64 {
        self.log_oldest.unwrap_or_else(|| self.tail.oldest())
    }

    /// Lets go of what the retention no longer keeps. There is no timer: whoever publishes, subscribes or looks does it.
    pub(crate) fn evict(&mut self, now: Instant) {
        let oldest = self.tail.oldest();
        // The newest one stays for as long as the log behind the hub has it: its id is asked for.
        let least = usize::from(self.log_oldest.is_some());
        while self.tail.len() > least
            && let Some(entry) = self.tail.evict(now, self.index.retained_bytes())
        {
            self.index.evict(&entry);
        }
        if self.tail.oldest() > oldest {
            self.replays.forget_before(self.tail.oldest());
        }
    }

    /// See [`Hub::newest_topic_id`](crate::Hub::newest_topic_id).
    pub(crate) fn newest_topic_id(&self, topic: &str) -> Option<EventId> {
        let node = self.index.node(self.index.topic(topic)?)?;
        let newest = node.updates_from(0).rev().take(TOPIC_ID_CANDIDATES);
        let mut updates = newest.filter_map(|seq| self.tail.at(seq));
        let scoped = updates.find(|update| update.own_id == Some(IdScope::Topic))?;
        Some(scoped.id.clone())
    }

    /// Why a subscription was told to end, if it was.
    pub(crate) fn closing(&self, key: SubscriberKey) -> Option<CloseReason> {
        self.members.get(key).and_then(|member| member.closed)
    }

    /// Notes who waits for a subscriber to be owed something. Gives the waker that it had before: to drop one may run
    /// code that uses the hub, so that is not for under the lock.
    pub(crate) fn wait(&mut self, key: SubscriberKey, waker: &Waker) -> Option<Waker> {
        let Served::Alone { waker: known, .. } = &mut self.members.get_mut(key)?.served else {
            return None;
        };
        match known {
            Some(known) if known.will_wake(waker) => None,
            _ => known.replace(waker.clone()),
        }
    }

    /// Owes a subscriber all of another log, from `oldest` on, and tells it so.
    pub(crate) fn lose_all(&mut self, key: SubscriberKey, oldest: u64) {
        let before = self.tail.position(oldest - 1);
        if let Some(member) = self.members.get_mut(key) {
            member.lose_all(before);
        }
    }

    /// Lets up to `count` subscriptions end, each once it has what it is owed.
    pub(crate) fn close_some(&mut self, count: usize, reason: CloseReason) -> Closing {
        let open = self.members.iter_mut().filter(|(_, member)| member.closed.is_none());
        let mut closing = Closing { closed: 0, wakers: Vec::new() };
        for (_, member) in open.take(count) {
            member.closed = Some(reason);
            closing.closed += 1;
            closing.wakers.extend(match &mut member.served {
                Served::Alone { waker, .. } => waker.take(),
                Served::InShard { shard, seat } => {
                    self.shards.get(*shard).and_then(|inbox| inbox.end(*seat, member.subscriber.id))
                }
            });
        }
        closing
    }
}

impl Member {
    /// Begins with another log, unless it has only its end to read. One in a shard does so when the shard knows, which has
    /// its cursor. Gives whom to wake.
    pub(crate) fn begin_anew(
        &mut self,
        before: Position,
        dropped: &mut Vec<Fetched>,
    ) -> Option<Waker> {
        dropped.extend(self.fetched.take().map(Some));
        let has_all = self.closed.is_some() && self.gap.is_none() && self.served.owed().is_none();
        if has_all || matches!(self.served, Served::InShard { .. }) {
            return None;
        }
        self.lose_all(before);
        self.served.rouse()
    }

    /// Its log is gone: all of another one is owed from after `before` on, after a gap.
    fn lose_all(&mut self, before: Position) {
        if self.at_once != AtOnce::No {
            return;
        }
        let last_event_id = self.gap.take().and_then(|gap| gap.last_event_id);
        self.gap = Some(Gap { last_event_id, before, missed: None });
        if let Served::Alone { owed, .. } = &mut self.served {
            *owed = Some(before.seq + 1);
        }
    }
}

/// Guarantee 6: a private update reaches only subscribers with a grant for one of its topics.
pub(crate) fn may_receive(subscriber: &Subscriber, update: &LoggedUpdate) -> bool {
    !update.is_private() || subscriber.grants.allows_any(update.topics())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::publishing::tests::Now;
    use crate::{Grants, Hub, Retention, Selector, Shard, Start, SubscriberId, Subscription};

    const TEXTS: [&str; 8] = ["a/1", "a/2", "b", "*", "a/{x}", "{x}", "{+x}", "a/{x}/{y}"];
    const MAX_AGE: Duration = Duration::from_mins(1);

    /// Everybody, those in shards and those alone.
    struct Everybody {
        hub: Hub,
        alone: Vec<Subscription>,
        shards: [Shard<()>; 2],
    }

    impl Everybody {
        fn new() -> Self {
            let retention =
                Retention { max_updates: 5, max_bytes: usize::MAX, max_age: Some(MAX_AGE) };
            let config = HubConfig { retention, ..HubConfig::default() };
            let hub = Hub::new(Epoch::random().unwrap(), config, None);
            let shards = [(); 2].map(|()| Shard::new(hub.clone()));
            Self { hub, alone: Vec::new(), shards }
        }

        fn publish(&self, texts: &[usize], key: usize) {
            let id_scope = if key.is_multiple_of(2) { IdScope::Hub } else { IdScope::Topic };
            let update = Update {
                id_scope,
                topics: texts.iter().map(|&text| TEXTS[text].to_owned()).collect(),
                id: Some(EventId::new(TEXTS[texts[0]]).unwrap()),
                idempotency_key: Some(key.to_string().into()),
                ..Update::default()
            };
            self.hub.publish(update).now().ok();
        }

        fn subscribe(&mut self, selectors: &[usize]) {
            let newcomer = Subscriber {
                id: SubscriberId::random().unwrap(),
                selectors: selectors.iter().map(|&text| Selector::new(TEXTS[text])).collect(),
                grants: Grants::none(),
                user: Some("user".into()),
                session: None,
                address: Some([192, 0, 2, 1].into()),
                payload: None,
            };
            self.alone.push(self.hub.subscribe(newcomer, Start::Earliest).now().unwrap());
        }

        /// One of those alone leaves, or goes to a shard.
        fn move_on(&mut self, which: prop::sample::Index, shard: Option<usize>) {
            if self.alone.is_empty() {
                return;
            }
            let subscription = self.alone.swap_remove(which.index(self.alone.len()));
            if let Some(shard) = shard {
                self.shards[shard].adopt(subscription, ());
            }
        }

        /// One leaves a shard.
        fn leave_shard(&mut self, which: prop::sample::Index, shard: usize) {
            let seats: Vec<_> = self.shards[shard].keys().collect();
            if !seats.is_empty() {
                assert!(self.shards[shard].remove(seats[which.index(seats.len())]).is_some());
            }
        }

        /// The lists of subscribers, of the nodes and of the shards, and the members' places agree.
        fn check_places(&self) {
            let state = self.hub.lock();
            let mut places = 0;
            let shard_of = |key| self.shards.iter().find(|shard| shard.key() == key).unwrap();
            for (key, member) in &state.members {
                places += member.places.len();
                for place in &member.places {
                    let node = state.index.node(place.node).unwrap();
                    match member.served {
                        Served::Alone { .. } => {
                            assert_eq!(node.subscribers.get(place.slot), Some(&key));
                        }
                        Served::InShard { shard, seat } => {
                            let listed = shard_of(shard).listed(place.node);
                            assert_eq!(listed.get(place.slot), Some(&seat));
                            assert!(node.shards.contains(&(shard, listed.len())));
                        }
                    }
                }
            }
            assert_eq!(state.index.listed_subscribers(), places);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever was subscribed to and published in whatever order, all of it is forgotten.
        #[test]
        fn nothing_is_left_when_all_have_left_and_every_update_is_evicted(
            steps in prop::collection::vec(
                (
                    0..8_u8,
                    prop::collection::vec(0..TEXTS.len(), 1..5),
                    any::<prop::sample::Index>(),
                    0..2_usize,
                ),
                1..60,
            ),
        ) {
            let mut everybody = Everybody::new();
            for (step, texts, which, shard) in steps {
                match step {
                    0 | 1 => everybody.publish(&texts, which.index(9)),
                    2 | 3 => everybody.subscribe(&texts),
                    4 => everybody.move_on(which, None),
                    5 | 6 => everybody.move_on(which, Some(shard)),
                    _ => everybody.leave_shard(which, shard),
                }
                everybody.check_places();
            }
            let Everybody { hub, alone, shards } = everybody;
            drop(alone);
            for mut shard in shards {
                for seat in shard.keys().collect::<Vec<_>>() {
                    shard.remove(seat);
                }
                prop_assert_eq!(shard.entries(), 0);
            }
            let mut state = hub.lock();
            state.evict(Instant::now() + MAX_AGE + Duration::from_secs(1));
            prop_assert_eq!(state.index.entries(), 0, "{:?}", state.index);
            prop_assert_eq!(state.index.listed_subscribers(), 0, "{:?}", state.index);
            prop_assert_eq!(state.tail.entries(), 0, "{:?}", state.tail);
            prop_assert_eq!(state.admission.entries(), 0, "{:?}", state.admission);
            prop_assert!(state.members.is_empty());
            prop_assert_eq!(state.replays.len(), 0);
            prop_assert!(state.shards.is_empty());
        }
    }
}
