//! Decoding whole streams into values that can be compared.

use std::time::Duration;

use tidings_wire::{Chunk, DecodeError, Decoder, Item, OwnedEvent};

/// An [`Item`] that owns its texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    Event(OwnedEvent),
    Comment(String),
    Retry(Duration),
}

impl From<Item<'_>> for Found {
    fn from(item: Item<'_>) -> Self {
        match item {
            Item::Event(event) => Self::Event(event.to_owned()),
            Item::Comment(text) => Self::Comment(text.to_owned()),
            Item::Retry(delay) => Self::Retry(delay),
        }
    }
}

/// An event as it is found.
pub(crate) fn event(event_type: &str, data: &str, last_event_id: &str) -> Found {
    Found::Event(OwnedEvent {
        event_type: event_type.to_owned(),
        data: data.to_owned(),
        last_event_id: last_event_id.to_owned(),
    })
}

/// What a stream holds: its items, then the last event id or the error that ended it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) items: Vec<Found>,
    pub(crate) end: Result<String, DecodeError>,
}

impl Content {
    /// The events only.
    pub(crate) fn events(self) -> Vec<OwnedEvent> {
        self.items
            .into_iter()
            .filter_map(|item| match item {
                Found::Event(event) => Some(event),
                Found::Comment(_) | Found::Retry(_) => None,
            })
            .collect()
    }
}

/// Feeds `decoder` the chunks and collects what it finds.
pub(crate) fn decode_with<'c>(
    decoder: &mut Decoder,
    chunks: impl IntoIterator<Item = &'c [u8]>,
) -> Content {
    let mut items = Vec::new();
    for chunk in chunks {
        let mut chunk = Chunk::new(chunk);
        loop {
            match decoder.decode(&mut chunk) {
                Ok(Some(item)) => items.push(item.into()),
                Ok(None) => break,
                Err(error) => return Content { items, end: Err(error) },
            }
        }
        assert!(chunk.rest().is_empty(), "the decoder leaves nothing behind");
    }
    Content { items, end: Ok(decoder.last_event_id().to_owned()) }
}

/// Decodes the chunks as one stream.
pub(crate) fn decode<'c>(chunks: impl IntoIterator<Item = &'c [u8]>) -> Content {
    decode_with(&mut Decoder::new(), chunks)
}
