//! What a decoder finds in a stream.

use std::time::Duration;

/// One finding of a [`Decoder`](crate::Decoder), in the order of the stream. The format knows no
/// other kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item<'a> {
    /// An event, at its blank line.
    Event(EventRef<'a>),
    /// A comment, at the end of its line, without the colon and one space after it. It shows that
    /// the sender is alive.
    Comment(&'a str),
    /// The sender's wish how long to wait before reconnecting, at the end of its line. The format
    /// sets no upper bound, so the caller should.
    Retry(Duration),
}

/// An event as a receiver sees it, lent until the decoder is used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventRef<'a> {
    /// The type: `message` where the stream names none.
    pub event_type: &'a str,
    /// The `data` lines, joined with LF.
    pub data: &'a str,
    /// The last id of the stream up to this event, its own or an earlier one; empty if there is
    /// none.
    pub last_event_id: &'a str,
    /// Whether the event's own block set that id, also to what it was before.
    pub has_id: bool,
}

impl EventRef<'_> {
    /// A copy of the event that does not borrow from the decoder.
    pub fn to_owned(&self) -> OwnedEvent {
        OwnedEvent {
            event_type: self.event_type.to_owned(),
            data: self.data.to_owned(),
            last_event_id: self.last_event_id.to_owned(),
        }
    }
}

/// An [`EventRef`] that owns its texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedEvent {
    /// The type: `message` where the stream names none.
    pub event_type: String,
    /// The `data` lines, joined with LF.
    pub data: String,
    /// The last id of the stream up to this event, its own or an earlier one; empty if there is
    /// none.
    pub last_event_id: String,
}
