//! What an update is found by without reading it: a number made from a topic, an own id or an idempotency key.
//!
//! Two texts may have the same mark. Whoever looks something up by its mark compares what it finds with what it asked
//! for; a collision costs time and nothing else.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;
use tidings_hub::{Epoch, IdScope, Update};

/// Makes a log's marks. They are made with the log's epoch, so that nobody can work out collisions beforehand.
#[derive(Clone, Debug)]
pub(crate) struct Marker(SipHasher13);

/// What an update is found by.
pub(crate) type Mark = u64;

impl Marker {
    pub(crate) fn new(epoch: Epoch) -> Self {
        let mut key = [0; 16];
        for (place, byte) in key.iter_mut().zip(epoch.as_str().bytes()) {
            *place = byte;
        }
        Self(SipHasher13::new_with_key(&key))
    }

    /// The mark of all updates about a topic.
    pub(crate) fn topic(&self, topic: &str) -> Mark {
        self.mark(b't', &[topic])
    }

    /// The mark of all updates with an own id in the scope of the hub.
    pub(crate) fn hub_id(&self, id: &str) -> Mark {
        self.mark(b'i', &[id])
    }

    /// The mark of all updates with an own id in the scope of a canonical topic.
    pub(crate) fn topic_id(&self, topic: &str, id: &str) -> Mark {
        self.mark(b'o', &[topic, id])
    }

    /// The mark of the update with an idempotency key.
    pub(crate) fn key(&self, key: &str) -> Mark {
        self.mark(b'k', &[key])
    }

    /// The mark of an update's own id, if it has one.
    pub(crate) fn own_id(&self, update: &Update) -> Option<Mark> {
        let id = update.id.as_ref()?.as_str();
        Some(match update.id_scope {
            IdScope::Hub => self.hub_id(id),
            IdScope::Topic => self.topic_id(update.topics.first().map_or("", String::as_str), id),
        })
    }

    fn mark(&self, kind: u8, texts: &[&str]) -> Mark {
        let mut hasher = self.0;
        hasher.write_u8(kind);
        for text in texts {
            hasher.write_u64(text.len() as u64);
            hasher.write(text.as_bytes());
        }
        hasher.finish()
    }
}

/// All that an update is found by.
pub(crate) fn marks_of(marker: &Marker, update: &Update) -> Vec<Mark> {
    let topics = update.topics.iter().map(|topic| marker.topic(topic));
    let key = update.idempotency_key.as_deref().map(|key| marker.key(key));
    topics.chain(marker.own_id(update)).chain(key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marker() -> Marker {
        Marker::new("abcdefgh".parse().unwrap())
    }

    /// Marks are kept on disk and in shared logs: another version must make the same ones.
    #[test]
    fn a_mark_is_the_same_for_ever() {
        assert_eq!(marker().topic("news"), 9_222_615_390_698_627_662);
        assert_eq!(marker().topic_id("news", "7"), 15_532_591_699_013_545_392);
    }

    #[test]
    fn what_is_another_thing_has_another_mark() {
        let marker = marker();
        let marks = [
            marker.topic("a"),
            marker.hub_id("a"),
            marker.key("a"),
            marker.topic_id("a", ""),
            marker.topic_id("", "a"),
            marker.topic("b"),
            Marker::new("abcdefgj".parse().unwrap()).topic("a"),
        ];
        for (place, mark) in marks.iter().enumerate() {
            assert!(!marks[..place].contains(mark), "{place}");
        }
    }
}
