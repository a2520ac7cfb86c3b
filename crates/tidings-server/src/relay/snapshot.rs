//! What an upstream sends at the beginning of every connection, kept for those who come later.

use bytes::{Bytes, BytesMut};
use tidings_hub::Position;
use tidings_wire::{Event, EventId};

/// The first events of the newest connection that had them all; of the first one as far as they have come.
#[derive(Debug)]
pub(super) struct Snapshot {
    kept: Bytes,
    /// What came after it is after this.
    taken_at: Option<Position>,
}

/// The snapshot of a connection that was made again, until it is whole.
#[derive(Debug, Default)]
pub(super) struct Draft {
    frames: BytesMut,
    events: usize,
}

impl Snapshot {
    pub(super) fn new() -> Self {
        Self { kept: Bytes::new(), taken_at: None }
    }

    /// Adds an event of the first connection, which is in the log at `position` as well.
    pub(super) fn add(&mut self, event: &Event, position: Position) {
        let mut frames = BytesMut::from(&*self.kept);
        encode(event, &mut frames);
        self.kept = frames.freeze();
        self.taken_at = Some(position);
    }

    /// Replaces it by the one of a later connection.
    pub(super) fn replace(&mut self, draft: Draft, taken_at: Position) {
        *self = Self { kept: draft.frames.freeze(), taken_at: Some(taken_at) };
    }

    /// Its events, ready for the wire; nothing while there are none.
    pub(super) fn frames(&self) -> Option<Bytes> {
        (!self.kept.is_empty()).then(|| self.kept.clone())
    }

    pub(super) fn taken_at(&self) -> Option<Position> {
        self.taken_at
    }
}

impl Draft {
    /// Adds an event; tells whether there are `wanted` now.
    pub(super) fn add(&mut self, event: &Event, wanted: usize) -> bool {
        encode(event, &mut self.frames);
        self.events += 1;
        self.events >= wanted
    }
}

/// Encodes an event with its own id or with none: the subscriber is told of its place in the log behind the snapshot.
fn encode(event: &Event, frames: &mut BytesMut) {
    let is_own = |id: &EventId| !id.as_str().is_empty();
    let id = event.id.clone().filter(is_own);
    Event { id, ..event.clone() }.encode_into(frames);
}
