//! No crate at all: `format!`, as handlers write it by hand. It breaks on data of several lines,
//! which are not among the inputs.

use tidings_wire::Event;

#[expect(clippy::unnecessary_wraps, reason = "one signature for all contenders")]
pub(super) fn encode(events: &[Event], sink: &mut dyn FnMut(&[u8])) -> anyhow::Result<()> {
    for Event { id, event_type, data, .. } in events {
        let block = match (event_type, id) {
            (Some(event_type), Some(id)) => {
                format!("event: {event_type}\nid: {id}\ndata: {data}\n\n")
            }
            (Some(event_type), None) => format!("event: {event_type}\ndata: {data}\n\n"),
            (None, Some(id)) => format!("id: {id}\ndata: {data}\n\n"),
            (None, None) => format!("data: {data}\n\n"),
        };
        sink(block.as_bytes());
    }
    Ok(())
}
