//! What is published.

use std::time::Duration;

/// An update for a hub to publish. What may be in its fields is the hub's to say: `docs/protocol.md`, "Publish".
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Update {
    /// What it is about; at least one.
    pub topics: Vec<String>,
    /// The payload.
    pub data: String,
    /// Whether only subscribers with a grant for one of the topics receive it.
    pub private: bool,
    /// An id of the publisher's own. Without it the hub gives one.
    pub id: Option<String>,
    /// The event's type.
    pub event_type: Option<String>,
    /// A reconnection time for the subscribers, in whole milliseconds.
    pub retry: Option<Duration>,
}

impl Update {
    /// An update about this topic, with this data, for everybody.
    pub fn new(topic: impl Into<String>, data: impl Into<String>) -> Self {
        Self {
            topics: vec![topic.into()],
            data: data.into(),
            private: false,
            id: None,
            event_type: None,
            retry: None,
        }
    }

    /// Adds a topic.
    #[must_use]
    pub fn with_topic(mut self, topic: impl Into<String>) -> Self {
        self.topics.push(topic.into());
        self
    }

    /// Sets an id of the publisher's own.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Sets the event's type.
    #[must_use]
    pub fn with_type(mut self, event_type: impl Into<String>) -> Self {
        self.event_type = Some(event_type.into());
        self
    }

    /// Sets a reconnection time for the subscribers.
    #[must_use]
    pub fn with_retry(mut self, retry: Duration) -> Self {
        self.retry = Some(retry);
        self
    }

    /// Makes it private: only subscribers with a grant for one of the topics receive it.
    #[must_use]
    pub fn into_private(mut self) -> Self {
        self.private = true;
        self
    }
}
