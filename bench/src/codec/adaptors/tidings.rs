//! `tidings-wire`: events are lent, so whoever keeps one pays for the copy.

use bytes::BytesMut;
use tidings_wire::{Chunk, Decoder, Event, EventId, EventType, Item};

use crate::codec::tally::Visitor;

/// As its users do it: each event is looked at where it lies.
pub(super) fn visit(chunks: &[&[u8]], visitor: &mut impl Visitor) -> anyhow::Result<()> {
    let mut decoder = Decoder::new();
    for chunk in chunks {
        let mut chunk = Chunk::new(chunk);
        while let Some(item) = decoder.decode(&mut chunk)? {
            if let Item::Event(event) = item {
                visitor.event(event.event_type, event.data, event.last_event_id);
            }
        }
    }
    Ok(())
}

/// What the other crates do: each event is made one that outlives the decoder.
pub(super) fn own(chunks: &[&[u8]], visitor: &mut impl Visitor) -> anyhow::Result<()> {
    let mut decoder = Decoder::new();
    for chunk in chunks {
        let mut chunk = Chunk::new(chunk);
        while let Some(item) = decoder.decode(&mut chunk)? {
            if let Item::Event(event) = item {
                let event = event.to_owned();
                visitor.event(&event.event_type, &event.data, &event.last_event_id);
            }
        }
    }
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "one signature for all contenders")]
pub(super) fn encode(events: &[Event], sink: &mut dyn FnMut(&[u8])) -> anyhow::Result<()> {
    for event in events {
        sink(&event.encode());
    }
    Ok(())
}

/// One buffer for all events, as for a batch.
#[expect(clippy::unnecessary_wraps, reason = "one signature for all contenders")]
pub(super) fn encode_into(events: &[Event], sink: &mut dyn FnMut(&[u8])) -> anyhow::Result<()> {
    let mut out = BytesMut::new();
    for event in events {
        event.encode_into(&mut out);
        sink(&out);
        out.clear();
    }
    Ok(())
}

/// With the checks and the copies that make texts an event, as the other crates are measured.
pub(super) fn encode_texts(events: &[Event], sink: &mut dyn FnMut(&[u8])) -> anyhow::Result<()> {
    for Event { id, event_type, data, .. } in events {
        let mut event = Event::new(data.as_str());
        if let Some(id) = id {
            event = event.with_id(EventId::new(id.as_str())?);
        }
        if let Some(event_type) = event_type {
            event = event.with_type(EventType::new(event_type.as_str())?);
        }
        sink(&event.encode());
    }
    Ok(())
}
