//! What the hub itself adds to a stream: the opening comment, and the events `gap`, `refused`, `expired` and `drain`.
//! All are typed, so that a page's `onmessage` never sees them.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use serde::Serialize;
use tidings_hub::{Gap, Position};
use tidings_wire::{Event, EventId, EventType, KEEP_ALIVE};

const GAP: &str = "gap";
const REFUSED: &str = "refused";
const EXPIRED: &str = "expired";
const DRAIN: &str = "drain";

/// The types of the hub's own events. No publisher may use them: a subscriber acts on them, and drops what it has after a
/// `gap`.
pub(crate) const RESERVED_TYPES: [&str; 4] = [GAP, REFUSED, EXPIRED, DRAIN];

/// A stream's first bytes: a comment, which fires `onopen` in a browser, the reconnection time, and from where on to
/// resume if the connection breaks before the first event.
pub(crate) fn opening(retry: Duration, caught_up: Option<Position>) -> Bytes {
    let retry = retry.as_millis();
    match caught_up {
        Some(position) => format!(":\nretry: {retry}\nid: {position}\n\n").into(),
        None => format!(":\nretry: {retry}\n\n").into(),
    }
}

/// The same with events in it, after which the place to resume from is told: it is not theirs.
pub(crate) fn opening_with(retry: Duration, events: &[u8], caught_up: Option<Position>) -> Bytes {
    let mut bytes = BytesMut::from(&*opening(retry, None));
    bytes.extend_from_slice(events);
    if let Some(position) = caught_up {
        bytes.extend_from_slice(format!("id: {position}\n\n").as_bytes());
    }
    bytes.freeze()
}

/// A keep-alive. Where the log went on without an update for this subscriber it moves the place to resume from, too: a
/// block with an id and no data dispatches nothing (WHATWG 9.2.6), and a later reconnect meets no needless gap.
pub(crate) fn keep_alive(moved_to: Option<Position>) -> Bytes {
    match moved_to {
        Some(position) => format!(":\nid: {position}\n\n").into(),
        None => Bytes::from_static(KEEP_ALIVE),
    }
}

/// Tells that updates are lost. Its id lets a client that reconnects right after it resume without meeting it again.
pub(crate) fn gap(gap: &Gap) -> Bytes {
    #[derive(Serialize)]
    struct Data<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        last_event_id: Option<&'a str>,
        resumed_after: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        missed: Option<u64>,
    }
    let data = Data {
        last_event_id: gap.last_event_id.as_deref(),
        resumed_after: gap.before.to_string(),
        missed: gap.missed,
    };
    event(GAP, Some(gap.before.to_event_id()), None, &data)
}

/// Tells a browser that it was turned away for now, and when to come back.
pub(crate) fn refused(status: u16, reason: &str, retry: Duration) -> Bytes {
    #[derive(Serialize)]
    struct Data<'a> {
        status: u16,
        reason: &'a str,
        retry_ms: u128,
    }
    let data = Data { status, reason, retry_ms: retry.as_millis() };
    event(REFUSED, None, Some(retry), &data)
}

/// Tells that the stream's token, or what the application allowed, has expired, just before the close.
pub(crate) fn expired() -> Bytes {
    no_longer_good("token_expired")
}

/// Tells that what the stream was opened with was revoked, just before the close.
pub(crate) fn kicked() -> Bytes {
    no_longer_good("kicked")
}

fn no_longer_good(reason: &'static str) -> Bytes {
    #[derive(Serialize)]
    struct Data {
        reason: &'static str,
    }
    event(EXPIRED, None, None, &Data { reason })
}

/// Tells that the hub is going down, and when to come back.
pub(crate) fn drain(retry: Duration) -> Bytes {
    #[derive(Serialize)]
    struct Data {
        retry_ms: u128,
    }
    event(DRAIN, None, Some(retry), &Data { retry_ms: retry.as_millis() })
}

fn event(name: &str, id: Option<EventId>, retry: Option<Duration>, data: &impl Serialize) -> Bytes {
    let event = Event {
        id,
        event_type: EventType::new(name).ok(),
        retry,
        data: serde_json::to_string(data).unwrap_or_default(),
    };
    let mut bytes = BytesMut::new();
    event.encode_into(&mut bytes);
    bytes.freeze()
}
