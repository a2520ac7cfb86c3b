//! The newest part of the log, in memory: one ordered sequence of updates, with its retention, the publishers' own ids
//! and the idempotency keys. Where no log is behind the hub it is the whole log. It knows nothing of selectors
//! (`index.rs`) or subscribers (`state.rs`).

use std::collections::VecDeque;
use std::hash::Hash;
use std::sync::Arc;

use hashbrown::{Equivalent, HashMap};
use tidings_wire::EventId;
use tokio::time::Instant;

use crate::config::Retention;
use crate::position::{Epoch, Position};
use crate::selector::Selector;
use crate::update::{IdScope, Idempotency, LoggedUpdate, Update, encode};

/// The updates and what finds one of them without a scan.
#[derive(Debug)]
pub(crate) struct Tail {
    epoch: Epoch,
    retention: Retention,
    /// The retained updates; the first one's seq is `oldest`, each later one's is one more.
    entries: VecDeque<Arc<LoggedUpdate>>,
    /// The seq of the oldest retained update, or of the next one when nothing is retained.
    oldest: u64,
    /// What `entries` weigh together.
    bytes: usize,
    /// Where each publisher's own id is, oldest first: the oldest of equal ids counts (Mercure REC-3).
    own_ids: HashMap<EventId, VecDeque<u64>>,
    /// Where the ids are whose scope is their topic, by topic and id, oldest first: the newest of equal ids counts.
    topic_ids: HashMap<(Arc<str>, EventId), VecDeque<u64>>,
    /// Where each idempotency key is; one update a key.
    keys: HashMap<Arc<str>, u64>,
}

/// Where an id that a subscriber saw last stands in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Everything from this seq on came later, and nothing that came later is lost.
    From(u64),
    /// Updates between it and the oldest retained one are lost; `missed` of them where the id told.
    Lost { missed: Option<u64> },
    /// It is beyond the newest update: the log has lost its end since.
    Beyond,
}

impl Tail {
    pub(crate) fn new(epoch: Epoch, retention: Retention) -> Self {
        Self {
            epoch,
            retention,
            entries: VecDeque::new(),
            oldest: 1,
            bytes: 0,
            own_ids: HashMap::new(),
            topic_ids: HashMap::new(),
            keys: HashMap::new(),
        }
    }

    /// Begins at another place of the log, or of another log. What was in the tail was evicted.
    pub(crate) fn begin(&mut self, epoch: Epoch, oldest: u64) {
        debug_assert!(self.entries.is_empty(), "what was in the tail is evicted first");
        self.epoch = epoch;
        self.oldest = oldest;
    }

    /// Which log it is the newest part of.
    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The seq of the oldest update, or of the next one when there is none.
    pub(crate) fn oldest(&self) -> u64 {
        self.oldest
    }

    /// The seq that the next update will have.
    pub(crate) fn next(&self) -> u64 {
        self.oldest + self.entries.len() as u64
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// What the retained updates weigh, without the names of their topics.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn position(&self, seq: u64) -> Position {
        Position { epoch: self.epoch, seq }
    }

    /// The position of the newest update, or where it would be.
    pub(crate) fn newest_position(&self) -> Position {
        self.position(self.next() - 1)
    }

    pub(crate) fn at(&self, seq: u64) -> Option<&Arc<LoggedUpdate>> {
        let offset = seq.checked_sub(self.oldest)?;
        self.entries.get(usize::try_from(offset).ok()?)
    }

    pub(crate) fn newest(&self) -> Option<&Arc<LoggedUpdate>> {
        self.entries.back()
    }

    /// The update that was published with this key, if it is retained.
    pub(crate) fn with_key(&self, key: &str) -> Option<&Arc<LoggedUpdate>> {
        self.at(*self.keys.get(key)?)
    }

    /// An update as it would be at the end of the log, yet without its topics.
    pub(crate) fn draft(
        &self,
        update: &mut Update,
        idempotency: Option<Idempotency>,
        now: Instant,
    ) -> LoggedUpdate {
        let position = self.position(self.next());
        let publishers = update.id.take();
        let own_id = publishers.is_some().then_some(update.id_scope);
        let id = publishers.unwrap_or_else(|| position.to_event_id());
        LoggedUpdate {
            position,
            frame: encode(update, &id),
            id,
            logged_at: now,
            topics: Box::default(),
            private: update.private,
            own_id,
            idempotency,
        }
    }

    /// Puts a drafted update at the end.
    pub(crate) fn append(&mut self, draft: LoggedUpdate) -> Arc<LoggedUpdate> {
        let seq = self.next();
        match (draft.own_id, draft.topics.first()) {
            (Some(IdScope::Hub), _) => {
                self.own_ids.entry_ref(&draft.id).or_default().push_back(seq);
            }
            (Some(IdScope::Topic), Some(topic)) => {
                let key = (Arc::clone(topic), draft.id.clone());
                self.topic_ids.entry(key).or_default().push_back(seq);
            }
            (Some(IdScope::Topic) | None, _) => {}
        }
        if let Some(idempotency) = &draft.idempotency {
            self.keys.insert(Arc::clone(&idempotency.key), seq);
        }
        let entry = Arc::new(draft);
        self.bytes += entry.weight();
        self.entries.push_back(Arc::clone(&entry));
        entry
    }

    /// Takes out the oldest update if the retention asks for it, where the index has `index_bytes` for what is retained.
    /// Called until it answers `None`.
    pub(crate) fn evict(&mut self, now: Instant, index_bytes: usize) -> Option<Arc<LoggedUpdate>> {
        let oldest = self.entries.front()?;
        let too_old =
            self.retention.max_age.is_some_and(|age| now.duration_since(oldest.logged_at) > age);
        let too_much = self.entries.len() > self.retention.max_updates
            || self.bytes + index_bytes > self.retention.max_bytes;
        if too_old || too_much { self.evict_oldest() } else { None }
    }

    /// Takes out the oldest update, if there is one.
    pub(crate) fn evict_oldest(&mut self) -> Option<Arc<LoggedUpdate>> {
        let entry = self.entries.pop_front()?;
        self.oldest += 1;
        self.bytes -= entry.weight();
        match (entry.own_id, entry.topics.first()) {
            (Some(IdScope::Hub), _) => forget_oldest(&mut self.own_ids, &entry.id),
            (Some(IdScope::Topic), Some(topic)) => {
                forget_oldest(&mut self.topic_ids, &(Arc::clone(topic), entry.id.clone()));
            }
            (Some(IdScope::Topic) | None, _) => {}
        }
        if let Some(idempotency) = &entry.idempotency {
            self.keys.remove(&idempotency.key);
        }
        Some(entry)
    }

    /// Where the id that a subscriber saw last stands, where `oldest` is the oldest update that is retained anywhere. An own id is looked for in its scope first, and then in the other:
    /// updates of both may have the same topic.
    pub(crate) fn find(
        &self,
        id: &str,
        scope: IdScope,
        selectors: &[Selector],
        oldest: u64,
    ) -> Found {
        let Ok(position) = id.parse::<Position>() else {
            let in_hub = || self.own_ids.get(id).and_then(VecDeque::front);
            // Of several topics the one that is furthest behind: to resume too early doubles some, too late loses them.
            let on_topic = || {
                let topics = selectors.iter().map(Selector::as_str);
                let newest = |topic| self.topic_ids.get(&OnTopic { topic, id })?.back();
                topics.filter_map(newest).min()
            };
            let place = match scope {
                IdScope::Hub => in_hub().or_else(on_topic),
                IdScope::Topic => on_topic().or_else(in_hub),
            };
            return place.map_or(Found::Lost { missed: None }, |seq| Found::From(seq + 1));
        };
        if position.epoch != self.epoch {
            return Found::Lost { missed: None };
        }
        let after = position.seq.saturating_add(1);
        if after > self.next() {
            Found::Beyond
        } else if after < oldest {
            Found::Lost { missed: Some(oldest - after) }
        } else {
            Found::From(after)
        }
    }
}

/// A key of the ids that are looked for on their topic, lent.
#[derive(Hash)]
struct OnTopic<'a> {
    topic: &'a str,
    id: &'a str,
}

impl Equivalent<(Arc<str>, EventId)> for OnTopic<'_> {
    fn equivalent(&self, (topic, id): &(Arc<str>, EventId)) -> bool {
        **topic == *self.topic && id.as_str() == self.id
    }
}

/// Takes out the oldest of the places of an id.
fn forget_oldest<K: Eq + Hash>(ids: &mut HashMap<K, VecDeque<u64>>, id: &K) {
    if let Some(places) = ids.get_mut(id) {
        places.pop_front();
        if places.is_empty() {
            ids.remove(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Tail {
        /// How many updates, bytes, ids and keys there are.
        pub(crate) fn entries(&self) -> usize {
            self.entries.len()
                + self.bytes
                + self.own_ids.len()
                + self.topic_ids.len()
                + self.keys.len()
        }
    }
}
