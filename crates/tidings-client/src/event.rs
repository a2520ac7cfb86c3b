//! An event as it was received.

use tidings_wire::EventRef;

use crate::hub_event::HubEvent;

/// One event of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The type: `message` where the stream names none.
    pub event_type: String,
    /// The `data` lines, joined with LF.
    pub data: String,
    /// The last id of the stream up to this event, its own or an earlier one, also one of an earlier connection; empty
    /// if there is none. It is where to resume: what to give to
    /// [`Subscribe::with_last_event_id`](crate::Subscribe::with_last_event_id) after a restart of the program.
    pub last_event_id: String,
}

impl Event {
    /// What a Tidings hub itself says with this event; `None` for every other event, and where the data is not
    /// what a hub says.
    pub fn from_hub(&self) -> Option<HubEvent> {
        HubEvent::read(&self.event_type, &self.data)
    }
}

impl From<EventRef<'_>> for Event {
    fn from(event: EventRef<'_>) -> Self {
        Self {
            event_type: event.event_type.to_owned(),
            data: event.data.to_owned(),
            last_event_id: event.last_event_id.to_owned(),
        }
    }
}
