//! What a publisher sends, and what the log keeps of it.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidings_wire::{Event, EventId, EventType};
use tokio::time::Instant;

use crate::index::Index;
use crate::position::Position;

/// What a publisher sends: data about one or more topics.
///
/// ```
/// use tidings_hub::{EventType, Update};
///
/// let plain = Update::new("news", r#"{"text":"for all who subscribe"}"#);
/// let private = Update::new("users/alice", "for those with a grant").private();
/// let typed = Update::new("news", "a page listens to this type by itself").with_type(EventType::new("alert")?);
/// let several = Update { topics: vec!["news".into(), "sports".into()], ..plain };
/// # drop((private, typed, several));
/// # Ok::<(), tidings_hub::InvalidField>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Update {
    /// What it is about: the canonical topic first, then alternate ones. At least one.
    pub topics: Vec<String>,
    /// The payload, opaque to the hub. Subscribers see every line end in it as LF, as the event-stream format does.
    pub data: String,
    /// The publisher's own id; without one, or with an empty one, the event's id is its position in the log.
    pub id: Option<EventId>,
    /// Among which updates the own id means this one.
    pub id_scope: IdScope,
    /// The event's type; without one a browser dispatches a `message`.
    pub event_type: Option<EventType>,
    /// A reconnection time that the event passes on to subscribers.
    pub retry: Option<Duration>,
    /// Whether only subscribers with a grant for one of its topics receive it.
    pub private: bool,
    /// Makes a repeated publish return the first one's receipt, for as long as the log retains that update.
    pub idempotency_key: Option<Arc<str>>,
}

/// Among which updates a publisher's own id is looked for when a subscriber resumes after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum IdScope {
    /// Among all of the hub ([`Start::After`](crate::Start::After)); of equal ids the oldest counts (Mercure REC-3).
    #[default]
    Hub,
    /// Among those of the update's canonical topic ([`Start::AfterOnTopic`](crate::Start::AfterOnTopic)); of equal ids
    /// the newest counts. For streams relayed from elsewhere, where other streams have the same ids, and the same stream
    /// begins anew when its source is restarted.
    Topic,
}

impl Update {
    /// How many topics an update may have: a log counts them in two bytes.
    pub const MAX_TOPICS: usize = 65_535;

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

    /// The same update with an event type: a page listens to it with `addEventListener`, and `onmessage` does not see it.
    #[must_use]
    pub fn with_type(self, event_type: EventType) -> Self {
        Self { event_type: Some(event_type), ..self }
    }

    /// The same update with a key that makes publishing it again harmless.
    #[must_use]
    pub fn with_idempotency_key(self, key: impl Into<Arc<str>>) -> Self {
        Self { idempotency_key: Some(key.into()), ..self }
    }

    /// The update as the log takes it: each topic once, where it came first, and no empty id, which would reset the
    /// place of every browser that sees it. Done before the hub's lock is taken, because there may be many topics.
    pub(crate) fn normalised(mut self) -> Self {
        self.id = self.id.filter(|id| !id.as_str().is_empty());
        if self.topics.len() > 1 {
            let mut seen = HashSet::with_capacity(self.topics.len());
            let firsts: Vec<bool> =
                self.topics.iter().map(|topic| seen.insert(topic.as_str())).collect();
            let mut firsts = firsts.into_iter();
            self.topics.retain(|_| firsts.next().unwrap_or_default());
        }
        self
    }

    /// The most that the update can weigh in the log with the names of its topics, in bytes. It may weigh some bytes
    /// less, because its position is not known yet.
    pub(crate) fn max_weight(&self) -> usize {
        let lines = 1 + self.data.bytes().filter(|byte| matches!(byte, b'\r' | b'\n')).count();
        let data = self.data.len() + lines * "data: \n".len();
        let event_type = self.event_type.as_ref().map_or(0, |text| {
            let text: &str = text.as_ref();
            "event: \n".len() + text.len()
        });
        let own_id = self.id.as_ref().map_or(LoggedUpdate::MAX_POSITION_BYTES, |id| {
            LoggedUpdate::OWN_ID_BYTES + 2 * id.as_str().len()
        });
        let key =
            self.idempotency_key.as_ref().map_or(0, |key| LoggedUpdate::KEY_BYTES + key.len());
        let topics: usize = self.topics.iter().map(|topic| Index::weight(topic)).sum();
        LoggedUpdate::OVERHEAD_BYTES
            + data
            + event_type
            + "id: \nretry: \n\n".len()
            + LoggedUpdate::MAX_DECIMAL_BYTES
            + own_id
            + key
            + LoggedUpdate::TOPIC_BYTES * self.topics.len()
            + topics
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
    /// Where its id is the publisher's own, among which updates it is looked for.
    pub(crate) own_id: Option<IdScope>,
    pub(crate) idempotency: Option<Idempotency>,
}

/// The key of a publish and a digest of what was published with it.
#[derive(Debug)]
pub(crate) struct Idempotency {
    pub(crate) key: Arc<str>,
    pub(crate) digest: u64,
}

/// Without what it says and about what: it may be private.
impl fmt::Debug for LoggedUpdate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoggedUpdate").field("position", &self.position).finish_non_exhaustive()
    }
}

impl LoggedUpdate {
    // Measured with 1,000 to 10,000 of each, where tables that grow by doubling have the most to spare: a test compares
    // the sums with what is allocated.
    /// What every update costs beside its frame, in bytes.
    const OVERHEAD_BYTES: usize = 224;
    /// The least that an update weighs, in bytes: one topic, hardly any frame.
    pub(crate) const MIN_BYTES: usize = Self::OVERHEAD_BYTES + Self::TOPIC_BYTES;
    /// What each of its topics costs beside the topic's own node, in bytes.
    pub(crate) const TOPIC_BYTES: usize = 40;
    /// What an own id costs beside its text, in bytes.
    const OWN_ID_BYTES: usize = 128;
    /// What an idempotency key costs beside its text, in bytes.
    const KEY_BYTES: usize = 80;
    /// How long a number in a frame can be, in bytes.
    const MAX_DECIMAL_BYTES: usize = 20;
    /// How long a position in a frame can be, in bytes.
    const MAX_POSITION_BYTES: usize = 30;

    /// What it is about: the canonical topic first.
    pub fn topics(&self) -> impl Iterator<Item = &str> {
        self.topics.iter().map(AsRef::as_ref)
    }

    /// Whether only subscribers with a grant receive it.
    pub fn is_private(&self) -> bool {
        self.private
    }

    /// What it weighs against the log's limit, in bytes. The names of its topics are shared, and weighed by the index.
    pub(crate) fn weight(&self) -> usize {
        let own_id =
            if self.own_id.is_some() { Self::OWN_ID_BYTES + self.id.as_str().len() } else { 0 };
        let key = self.idempotency.as_ref().map_or(0, |known| Self::KEY_BYTES + known.key.len());
        Self::OVERHEAD_BYTES
            + self.frame.len()
            + Self::TOPIC_BYTES * self.topics.len()
            + own_id
            + key
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
