//! `sse-stream`: a stream of blocks over a stream of chunks. Its events are the blocks as they
//! came: no id from an earlier block, no default type.

use sse_stream::{Sse, SseByteStream};
use tidings_wire::Event;

use super::{Chunks, drain};
use crate::codec::tally::Visitor;

pub(super) fn visit(chunks: &[&[u8]], visitor: &mut impl Visitor) -> anyhow::Result<()> {
    drain(SseByteStream::new(Chunks(chunks.iter())), |block| {
        let Sse { event, data, id, .. } = block?;
        if let Some(data) = data {
            let event_type = event.as_deref().unwrap_or("message");
            visitor.event(event_type, &data, id.as_deref().unwrap_or_default());
        }
        Ok(())
    })
}

/// Encoding consumes the event, so it is made anew each time.
pub(super) fn encode(events: &[Event], sink: &mut dyn FnMut(&[u8])) -> anyhow::Result<()> {
    for Event { id, event_type, data, .. } in events {
        let mut event = Sse::default().data(data.as_str());
        if let Some(id) = id {
            event = event.id(id.as_str());
        }
        if let Some(event_type) = event_type {
            event = event.event(event_type.as_str());
        }
        sink(&event.encode()?);
    }
    Ok(())
}
