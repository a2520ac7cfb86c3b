//! `sse-codec`: a codec over one buffer. It is fed by hand, which spares it the copy through the
//! reader that it is made for. It searches an unfinished line from its start with every chunk.

use futures_codec::{BytesMut, Decoder as _, Encoder as _};
use sse_codec::{Event as Message, SSECodec};
use tidings_wire::{Event, EventId};

use crate::codec::tally::Visitor;

pub(super) fn visit(chunks: &[&[u8]], visitor: &mut impl Visitor) -> anyhow::Result<()> {
    let mut codec = SSECodec::default();
    let mut buffer = BytesMut::new();
    for chunk in chunks {
        buffer.extend_from_slice(chunk);
        while let Some(message) = codec.decode(&mut buffer)? {
            if let Message::Message { id, event, data } = message {
                visitor.event(&event, &data, id.as_deref().unwrap_or_default());
            }
        }
    }
    Ok(())
}

/// Encoding consumes the event, so it is made anew each time.
pub(super) fn encode(events: &[Event], sink: &mut dyn FnMut(&[u8])) -> anyhow::Result<()> {
    let mut codec = SSECodec::default();
    for Event { id, event_type, data, .. } in events {
        let event_type = event_type.as_ref().map_or("message", |text| text.as_str());
        let id = id.as_ref().map(EventId::as_str);
        let mut out = BytesMut::new();
        codec.encode(Message::message(event_type, data, id), &mut out)?;
        sink(&out);
    }
    Ok(())
}
