//! What a Tidings hub itself says on a stream, typed: `docs/protocol.md`, "What a stream looks like".

use std::time::Duration;

use serde::{Deserialize, Deserializer};

/// One of the events that a hub adds to the updates of its publishers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum HubEvent {
    /// `gap`: updates are lost.
    Gap(Gap),
    /// `refused`: the request is turned away for now; the stream ends.
    Refused(Refused),
    /// `expired`: the right to this stream has ended; the stream ends.
    Expired(Expired),
    /// `drain`: the hub goes down; the stream ends.
    Drain(Drain),
}

/// Updates are lost that the subscriber may have been owed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Gap {
    /// The id that was sent to resume from; `None` if the subscriber fell behind while it was connected.
    pub last_event_id: Option<String>,
    /// The place just before the first update that can follow.
    pub resumed_after: String,
    /// How many updates are lost, on whatever topics; `None` if the hub cannot know.
    pub missed: Option<u64>,
}

/// The request is turned away for now. The client comes back by itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Refused {
    /// The status that a request by anything but an `EventSource` would have been answered with.
    pub status: u16,
    /// The stable reason.
    pub reason: String,
    /// How long the hub asks to wait.
    #[serde(rename = "retry_ms", deserialize_with = "milliseconds")]
    pub retry: Duration,
}

/// The right to this stream has ended.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Expired {
    /// Why: `token_expired`, `kicked`.
    pub reason: String,
}

/// The hub goes down. The client comes back by itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Drain {
    /// How long the hub asks to wait.
    #[serde(rename = "retry_ms", deserialize_with = "milliseconds")]
    pub retry: Duration,
}

impl HubEvent {
    /// Reads an event of this type and data; `None` if it is none of a hub's.
    pub(crate) fn read(event_type: &str, data: &str) -> Option<Self> {
        match event_type {
            "gap" => serde_json::from_str(data).ok().map(Self::Gap),
            "refused" => serde_json::from_str(data).ok().map(Self::Refused),
            "expired" => serde_json::from_str(data).ok().map(Self::Expired),
            "drain" => serde_json::from_str(data).ok().map(Self::Drain),
            _ => None,
        }
    }
}

fn milliseconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u64::deserialize(deserializer).map(Duration::from_millis)
}
