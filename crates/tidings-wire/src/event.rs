//! The event as a sender sees it: what is to be encoded.

use std::time::Duration;

use crate::{EventId, EventType};

/// One event to be sent.
///
/// Every value is encodable: the fields that could break out of their line are checked types, and
/// `data` may hold anything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// The id that the client sends back when it reconnects. Without one the client keeps the last
    /// id it saw.
    pub id: Option<EventId>,
    /// The type that the client's listeners see. Without one it is `message`.
    pub event_type: Option<EventType>,
    /// How long the client shall wait before it reconnects, from now on. Written in whole
    /// milliseconds, rounded down.
    pub retry: Option<Duration>,
    /// The payload. Line breaks (CR LF, CR or LF) become separate `data` lines, which the client
    /// joins with LF.
    pub data: String,
}

impl Event {
    /// An event with this data and nothing else.
    pub fn new(data: impl Into<String>) -> Self {
        Self { data: data.into(), ..Self::default() }
    }

    /// Sets the id.
    #[must_use]
    pub fn with_id(mut self, id: EventId) -> Self {
        self.id = Some(id);
        self
    }

    /// Sets the type.
    #[must_use]
    pub fn with_type(mut self, event_type: EventType) -> Self {
        self.event_type = Some(event_type);
        self
    }

    /// Sets the time that the client waits before it reconnects.
    #[must_use]
    pub fn with_retry(mut self, retry: Duration) -> Self {
        self.retry = Some(retry);
        self
    }
}
