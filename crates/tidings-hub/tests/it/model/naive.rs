//! The model: all that was ever published, and which of it is retained.

use std::collections::BTreeSet;

use proptest::sample::Index;
use tidings_hub::{
    CloseReason, Gap, Hub, HubConfig, Position, PublishError, Receipt, Resume, Retention, Start,
    Stats, Update,
};
use tokio::time::Instant;

use super::listener::Listener;
use super::operation::{Draft, From, IDS, KEYS, SELECTORS, SHARDS, TOPICS};
use super::turns::{Carrier, Turns};
use crate::fixture::{Now, Probe, ROOMY, event_id, granted, hub, roomy_hub};

/// An update as it was published.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) seq: u64,
    pub(super) id: String,
    pub(super) draft: Draft,
    weight: usize,
    at: Instant,
}

/// A hub, and what is known about it without asking it.
pub(super) struct Model {
    hub: Hub,
    /// Retains everything, and so tells what one more update weighs.
    scale: Hub,
    /// What each topic weighs, and each key.
    topic_bytes: [usize; TOPICS.len()],
    key_bytes: [usize; KEYS.len()],
    retention: Retention,
    /// Every update ever, the retained ones last.
    all: Vec<Known>,
    evicted: usize,
    gaps: u64,
    listeners: Vec<Listener>,
    /// How many listeners there ever were.
    listened: usize,
    shards: [Turns; SHARDS],
}

impl Model {
    pub(super) fn new(retention: Retention) -> Self {
        let hub = hub(HubConfig { retention, ..ROOMY });
        Self {
            shards: std::array::from_fn(|shard| Turns::new(&hub, shard)),
            hub,
            scale: roomy_hub(),
            topic_bytes: TOPICS.map(topic_bytes),
            key_bytes: KEYS.map(key_bytes),
            retention,
            all: Vec::new(),
            evicted: 0,
            gaps: 0,
            listeners: Vec::new(),
            listened: 0,
        }
    }

    pub(super) fn publish(&mut self, drafts: &[Draft]) {
        let results = match drafts {
            [draft] => vec![self.hub.publish(update(draft)).now()],
            several => self.hub.publish_all(several.iter().map(update)).now(),
        };
        assert_eq!(results.len(), drafts.len());
        for (draft, result) in drafts.iter().zip(results) {
            self.published(draft, result);
        }
    }

    fn published(&mut self, draft: &Draft, result: Result<Receipt, PublishError>) {
        let first =
            self.retained().iter().find(|u| draft.key.is_some() && u.draft.key == draft.key);
        if let Some(first) = first {
            if first.draft.is_same_as(draft) {
                let receipt = result.unwrap();
                assert!(receipt.repeated);
                assert_eq!((receipt.position.seq, receipt.id.as_str()), (first.seq, &*first.id));
            } else {
                assert_eq!(result, Err(PublishError::KeyReused));
            }
            return;
        }
        let receipt = result.unwrap();
        assert!(!receipt.repeated);
        let seq = self.all.len() as u64 + 1;
        let position = self.at(seq);
        let id = draft.own_id.map_or_else(|| position.to_string(), |id| IDS[id].to_owned());
        assert_eq!((receipt.position, receipt.id.as_str()), (position, &*id));
        let known =
            Known { seq, id, draft: draft.clone(), weight: self.weigh(draft), at: Instant::now() };
        for listener in &mut self.listeners {
            listener.published(&known);
            if let Some((shard, _)) = listener.seat()
                && listener.asked_for(&known)
            {
                self.shards[shard].has_news();
            }
        }
        self.all.push(known);
        self.evict();
    }

    /// What an update weighs without its topics, as another hub counts it that has had all the others.
    fn weigh(&self, draft: &Draft) -> usize {
        let is_new =
            |topic: &&usize| self.all.iter().all(|known| !known.draft.topics.contains(topic));
        let new: BTreeSet<_> = draft.topics.iter().filter(is_new).collect();
        let new: usize = new.into_iter().map(|&topic| self.topic_bytes[topic]).sum();
        let before = self.scale.stats().bytes;
        // A hub that retains everything would not take a key twice.
        self.scale.publish(update(&Draft { key: None, ..draft.clone() })).now().unwrap();
        let key = draft.key.map_or(0, |key| self.key_bytes[key]);
        self.scale.stats().bytes - before - new + key
    }

    /// What all that is retained weighs, each topic once.
    fn bytes(&self) -> usize {
        let topics: usize = self.topics().iter().map(|&topic| self.topic_bytes[topic]).sum();
        topics + self.retained().iter().map(|update| update.weight).sum::<usize>()
    }

    /// The topics that have a retained update.
    fn topics(&self) -> BTreeSet<usize> {
        self.retained().iter().flat_map(|update| update.draft.topics.iter().copied()).collect()
    }

    fn evict(&mut self) {
        loop {
            let kept = self.retained();
            let Some(oldest) = kept.first() else { return };
            let too_old = self.retention.max_age.is_some_and(|age| oldest.at.elapsed() > age);
            if !too_old
                && kept.len() <= self.retention.max_updates
                && self.bytes() <= self.retention.max_bytes
            {
                return;
            }
            self.evicted += 1;
        }
    }

    pub(super) fn subscribe(&mut self, selectors: &[usize], grants: &[usize], start: From) {
        self.evict();
        let texts = |of: &[usize]| of.iter().map(|&s| SELECTORS[s].0).collect::<Vec<_>>();
        let subscriber = granted(&texts(selectors), &texts(grants));
        let (start, resume, cursor, gap) = self.beginning(start);
        let probe = Probe::open(&self.hub, subscriber, start);
        assert_eq!(probe.subscription.resume(), resume);
        self.listened += 1;
        let listener = Listener::new(self.listened, probe, selectors, grants, cursor, gap);
        self.listeners.push(listener);
    }

    /// How a subscription is asked for, how it begins, with which update, and the gap it is told.
    fn beginning(&self, from: From) -> (Start, Resume, u64, Option<Gap>) {
        let (oldest, next) = (self.evicted as u64 + 1, self.all.len() as u64 + 1);
        let id = match from {
            From::Live => return (Start::Live, Resume::Live, next, None),
            From::Earliest => return (Start::Earliest, Resume::Earliest, oldest, None),
            From::Back(back) => self.at((next - 1).saturating_sub(back)).to_string(),
            From::Ahead(ahead) => self.at(next - 1 + ahead).to_string(),
            From::OwnId(id) => IDS[id].to_owned(),
            From::Unknown => "never".to_owned(),
            From::OtherEpoch => self.scale_position(1).to_string(),
        };
        let gap = |before, missed| {
            Some(Gap { last_event_id: Some(id.clone()), before: self.at(before), missed })
        };
        let seen = match from {
            From::Back(back) => Some((next - 1).saturating_sub(back)),
            From::OwnId(_) => self.retained().iter().find(|u| u.id == id).map(|u| u.seq),
            _ => None,
        };
        let (resume, cursor, gap) = match (from, seen) {
            (From::Ahead(_), _) => (Resume::Unknown, next, gap(next - 1, None)),
            (_, None) => (Resume::Unknown, oldest, gap(oldest - 1, None)),
            (_, Some(seen)) if seen + 1 < oldest => {
                (Resume::Partial, oldest, gap(oldest - 1, Some(oldest - 1 - seen)))
            }
            (_, Some(seen)) => (Resume::Complete, seen + 1, None),
        };
        (Start::After(id), resume, cursor, gap)
    }

    pub(super) fn read(&mut self, who: Index) {
        if self.listeners.is_empty() {
            return;
        }
        let listener = who.index(self.listeners.len());
        let oldest = self.evicted as u64 + 1;
        let before = Position { epoch: self.hub.epoch(), seq: oldest - 1 };
        if self.listeners[listener].read(&self.all, before, &mut self.shards) {
            self.gaps += 1;
        }
    }

    pub(super) fn adopt(&mut self, who: Index, shard: usize, room: usize) {
        let alone: Vec<_> =
            (0..self.listeners.len()).filter(|&l| self.listeners[l].seat().is_none()).collect();
        if alone.is_empty() {
            return;
        }
        let listener = self.listeners.swap_remove(alone[who.index(alone.len())]);
        let carrier = Carrier { who: listener.id, room };
        let is_owed = listener.is_owed(&self.all);
        let turns = &mut self.shards[shard];
        let adopt = |subscription| turns.shard.adopt(subscription, carrier);
        self.listeners.push(listener.go_to(shard, self.all.len() as u64, adopt));
        turns.rouse(&mut self.listeners);
        assert_eq!(self.listeners[self.listeners.len() - 1].is_behind(), is_owed);
    }

    pub(super) fn turn(&mut self, shard: usize, count: usize, times: usize) {
        self.shards[shard].turn((count, times), &self.all, &mut self.listeners);
    }

    pub(super) fn make_room(&mut self, who: Index, room: usize) {
        let seats: Vec<_> = self.listeners.iter().filter_map(Listener::seat).collect();
        if !seats.is_empty() {
            let (shard, seat) = seats[who.index(seats.len())];
            self.shards[shard].carrier(seat).room = room;
        }
    }

    pub(super) fn drop_shard(&mut self, shard: usize) {
        self.shards[shard] = Turns::new(&self.hub, shard);
        self.listeners.retain(|listener| listener.seat().is_none_or(|(its, _)| its != shard));
    }

    pub(super) fn leave(&mut self, who: Index) {
        if !self.listeners.is_empty() {
            let who = who.index(self.listeners.len());
            self.leave_as(who);
        }
    }

    fn leave_as(&mut self, who: usize) {
        let listener = self.listeners.swap_remove(who);
        if let Some((shard, seat)) = listener.seat() {
            let carrier = self.shards[shard].shard.remove(seat);
            assert_eq!(carrier.map(|carrier| carrier.who), Some(listener.id));
        }
    }

    pub(super) fn close_all(&mut self, reason: CloseReason) {
        let mut open = 0;
        for listener in &mut self.listeners {
            if listener.told_to_end(&self.all, reason) {
                open += 1;
                if let Some((shard, _)) = listener.seat() {
                    self.shards[shard].has_news();
                }
            }
        }
        assert_eq!(self.hub.close_some(usize::MAX, reason), open);
        assert!(self.listeners.iter().all(Listener::was_woken_as_expected));
    }

    /// What can be seen from outside at any time.
    pub(super) fn check(&mut self) {
        self.evict();
        let kept = self.retained();
        let expected = Stats {
            subscribers: self.listeners.len(),
            published: self.all.len() as u64,
            gaps: self.gaps,
            updates: kept.len(),
            bytes: self.bytes(),
            topics: self.topics().len(),
            oldest: kept.first().map(|update| self.at(update.seq)),
            newest: kept.last().map(|update| self.at(update.seq)),
            log_is_away: false,
            is_unannounced: false,
        };
        let last = kept.last().map(|update| event_id(&update.id));
        assert_eq!(self.hub.stats(), expected);
        assert_eq!(self.hub.last_event_id(), last);
        for listener in &self.listeners {
            assert!(listener.was_woken_as_expected());
        }
        for shard in &self.shards {
            shard.check(&self.all, &self.listeners);
        }
    }

    /// Reads everything to the end.
    pub(super) fn finish(mut self) {
        let before = Position { epoch: self.hub.epoch(), seq: self.evicted as u64 };
        for (shard, seat) in self.listeners.iter().filter_map(Listener::seat) {
            self.shards[shard].carrier(seat).room = usize::MAX;
        }
        for turns in &mut self.shards {
            while !turns.is_idle() {
                turns.turn((usize::MAX, usize::MAX), &self.all, &mut self.listeners);
            }
        }
        for listener in &mut self.listeners {
            while !listener.has_everything(&self.all) {
                assert!(listener.seat().is_none() || listener.is_behind(), "nobody would read");
                listener.read(&self.all, before, &mut self.shards);
            }
        }
        while !self.listeners.is_empty() {
            self.leave_as(0);
        }
        assert!(self.shards.iter().all(|turns| turns.shard.is_empty()));
        assert_eq!(self.hub.stats().subscribers, 0);
    }

    fn retained(&self) -> &[Known] {
        &self.all[self.evicted..]
    }

    fn at(&self, seq: u64) -> Position {
        Position { epoch: self.hub.epoch(), seq }
    }

    fn scale_position(&self, seq: u64) -> Position {
        Position { epoch: self.scale.epoch(), seq }
    }
}

/// What a hub counts for each of two equal updates: the first one brings the topic and has the key.
fn first_and_second(first: Update, second: Update) -> (usize, usize) {
    let hub = roomy_hub();
    hub.publish(first).now().unwrap();
    let first = hub.stats().bytes;
    hub.publish(second).now().unwrap();
    (first, hub.stats().bytes - first)
}

fn topic_bytes(topic: &str) -> usize {
    let (first, second) = first_and_second(Update::new(topic, "x"), Update::new(topic, "x"));
    first - second
}

fn key_bytes(key: &str) -> usize {
    let keyed = Update::new("a", "x").with_idempotency_key(key);
    let (first, second) = first_and_second(keyed, Update::new("a", "x"));
    first - second - topic_bytes("a")
}

fn update(draft: &Draft) -> Update {
    Update {
        topics: draft.topics.iter().map(|&topic| TOPICS[topic].to_owned()).collect(),
        data: draft.data.to_owned(),
        id: draft.own_id.map(|id| event_id(IDS[id])),
        private: draft.private,
        idempotency_key: draft.key.map(|key| KEYS[key].into()),
        ..Update::default()
    }
}
