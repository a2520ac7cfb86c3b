//! The log in memory: one ordered sequence of updates, with its retention, the publishers' own ids and the
//! idempotency keys. It knows nothing of selectors (`index.rs`) or subscribers (`state.rs`).

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::HashMap;
use tidings_wire::EventId;
use tokio::time::Instant;

use crate::config::Retention;
use crate::position::{Epoch, Position};
use crate::update::{Idempotency, LoggedUpdate, Update, encode};

/// The retained updates and what finds one of them without a scan.
#[derive(Debug)]
pub(crate) struct Log {
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

impl Log {
    pub(crate) fn new(epoch: Epoch, retention: Retention) -> Self {
        Self {
            epoch,
            retention,
            entries: VecDeque::new(),
            oldest: 1,
            bytes: 0,
            own_ids: HashMap::new(),
            keys: HashMap::new(),
        }
    }

    /// The seq of the oldest retained update, or of the next one when nothing is retained.
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
        let own_id = update.id.take();
        let has_own_id = own_id.is_some();
        let id = own_id.unwrap_or_else(|| position.to_event_id());
        LoggedUpdate {
            position,
            frame: encode(update, &id),
            id,
            logged_at: now,
            topics: Box::default(),
            private: update.private,
            has_own_id,
            idempotency,
        }
    }

    /// Puts a drafted update at the end.
    pub(crate) fn append(&mut self, draft: LoggedUpdate) -> Arc<LoggedUpdate> {
        let seq = self.next();
        if draft.has_own_id {
            self.own_ids.entry_ref(&draft.id).or_default().push_back(seq);
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
        if !too_old && !too_much {
            return None;
        }
        let entry = self.entries.pop_front()?;
        self.oldest += 1;
        self.bytes -= entry.weight();
        if entry.has_own_id {
            self.forget_own_id(&entry.id);
        }
        if let Some(idempotency) = &entry.idempotency {
            self.keys.remove(&idempotency.key);
        }
        Some(entry)
    }

    fn forget_own_id(&mut self, id: &EventId) {
        if let Some(places) = self.own_ids.get_mut(id) {
            places.pop_front();
            if places.is_empty() {
                self.own_ids.remove(id);
            }
        }
    }

    /// Where the id that a subscriber saw last stands.
    pub(crate) fn find(&self, id: &str) -> Found {
        let Ok(position) = id.parse::<Position>() else {
            let place = self.own_ids.get(id).and_then(VecDeque::front);
            return place.map_or(Found::Lost { missed: None }, |seq| Found::From(seq + 1));
        };
        if position.epoch != self.epoch {
            return Found::Lost { missed: None };
        }
        let after = position.seq.saturating_add(1);
        if after > self.next() {
            Found::Beyond
        } else if after < self.oldest {
            Found::Lost { missed: Some(self.oldest - after) }
        } else {
            Found::From(after)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Log {
        /// How many updates, bytes, ids and keys there are.
        pub(crate) fn entries(&self) -> usize {
            self.entries.len() + self.bytes + self.own_ids.len() + self.keys.len()
        }
    }
}
