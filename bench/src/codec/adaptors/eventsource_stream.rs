//! `eventsource-stream`: a stream of events over a stream of chunks. It only decodes. Its time for
//! a long line grows with the square of its chunks.

use eventsource_stream::EventStream;

use super::{Chunks, drain};
use crate::codec::tally::Visitor;

pub(super) fn visit(chunks: &[&[u8]], visitor: &mut impl Visitor) -> anyhow::Result<()> {
    drain(EventStream::new(Chunks(chunks.iter())), |event| {
        let event = event?;
        visitor.event(&event.event, &event.data, &event.id);
        Ok(())
    })
}
