//! What a publisher sends, and what the log keeps of it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidings_wire::{Event, EventId, EventType};
use tokio::time::Instant;

use crate::position::Position;

/// What a publisher sends: data about one or more topics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Update {
    /// What it is about: the canonical topic first, then alternate ones. At least one.
    pub topics: Vec<String>,
    /// The payload, opaque to the hub. Subscribers see every line end in it as LF, as the event-stream format does.
    pub data: String,
    /// The publisher's own id; without one, or with an empty one, the event's id is its position in the log.
    pub id: Option<EventId>,
    /// The event's type; without one a browser dispatches a `message`.
    pub event_type: Option<EventType>,
    /// A reconnection time that the event passes on to subscribers.
    pub retry: Option<Duration>,
    /// Whether only subscribers with a grant for one of its topics receive it.
    pub private: bool,
    /// Makes a repeated publish return the first one's receipt, for as long as the log retains that update.
    pub idempotency_key: Option<Arc<str>>,
}

impl Update {
    /// A public update about one topic.
    pub fn new(topic: impl Into<String>, data: impl Into<String>) -> Self {
        Self { topics: vec![topic.into()], data: data.into(), ..Self::default() }
    }

    /// The same update, received only by subscribers with a grant.
    #[must_use]
    pub fn private(self) -> Self {
        Self { private: true, ..self }
    }

    /// The same update with the publisher's own id.
    #[must_use]
    pub fn with_id(self, id: EventId) -> Self {
        Self { id: Some(id), ..self }
    }

    /// The same update with a key that makes publishing it again harmless.
    #[must_use]
    pub fn with_idempotency_key(self, key: impl Into<Arc<str>>) -> Self {
        Self { idempotency_key: Some(key.into()), ..self }
    }
}

/// What a publisher gets back: the update is in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The id that the event carries: the publisher's own, or else its position.
    pub id: EventId,
    /// Where in the log the update is.
    pub position: Position,
    /// Whether an earlier publish with the same idempotency key had put it there.
    pub repeated: bool,
}

/// An update in the log: encoded once, shared by all who read it.
#[derive(Debug)]
pub struct LoggedUpdate {
    /// Where in the log it is.
    pub position: Position,
    /// The id its event carries.
    pub id: EventId,
    /// Its event's bytes, ready for the wire.
    pub frame: Bytes,
    /// When it entered the log.
    pub logged_at: Instant,
    pub(crate) topics: Box<[Arc<str>]>,
    pub(crate) private: bool,
    pub(crate) has_own_id: bool,
    pub(crate) idempotency: Option<Idempotency>,
}

/// The key of a publish and a digest of what was published with it.
#[derive(Debug)]
pub(crate) struct Idempotency {
    pub(crate) key: Arc<str>,
    pub(crate) digest: u64,
}

impl LoggedUpdate {
    /// What an update in the log costs beside its frame and topics, in bytes: the entry and its places in the indexes.
    const OVERHEAD_BYTES: usize = 192;
    /// What the fields of an event take beside their values, with the longest position and reconnection time, in bytes.
    const FIELDS_BYTES: usize = 96;
    /// What each line of data takes beside the line itself, in bytes.
    const LINE_BYTES: usize = 7;

    /// What it is about: the canonical topic first.
    pub fn topics(&self) -> impl Iterator<Item = &str> {
        self.topics.iter().map(AsRef::as_ref)
    }

    /// Whether only subscribers with a grant receive it.
    pub fn is_private(&self) -> bool {
        self.private
    }

    /// What an update may weigh at the most, before it is encoded.
    pub(crate) fn weight_of(update: &Update) -> usize {
        // Every line of data becomes `data: ` and a line end.
        let lines = 1 + update.data.bytes().filter(|byte| matches!(byte, b'\r' | b'\n')).count();
        let id = update.id.as_ref().map_or(0, |id| id.as_str().len());
        let event_type = update.event_type.as_ref().map_or(0, |name| name.as_str().len());
        Self::OVERHEAD_BYTES
            + Self::FIELDS_BYTES
            + update.data.len()
            + lines * Self::LINE_BYTES
            + id
            + event_type
            + update.topics.iter().map(String::len).sum::<usize>()
    }

    /// What it weighs against the log's limit, in bytes.
    pub(crate) fn weight(&self) -> usize {
        Self::OVERHEAD_BYTES
            + self.frame.len()
            + self.topics.iter().map(|topic| topic.len()).sum::<usize>()
    }
}

/// Encodes the event of an update that has got its place in the log.
pub(crate) fn encode(update: &mut Update, id: &EventId) -> Bytes {
    Event {
        id: Some(id.clone()),
        event_type: update.event_type.take(),
        retry: update.retry,
        data: std::mem::take(&mut update.data),
    }
    .encode()
}
