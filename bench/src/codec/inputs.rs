//! The streams that are decoded, and the events that are encoded.

use anyhow::Result;
use tidings_wire::{Event, EventId, EventType};

/// The bytes of one full Ethernet segment's payload, and of a usual read buffer.
pub(super) const CHUNK_BYTES: [usize; 2] = [1400, 16 * 1024];

/// How large the streams are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    /// The events of a stream of many.
    pub(super) events: usize,
    /// The data of a stream of one.
    pub(super) line_bytes: usize,
}

impl Sizes {
    /// Streams that fit in a core's own cache, as chunks that were just received do, and one line
    /// of 4 MiB.
    pub(super) const FULL: Self = Self { events: 2_000, line_bytes: 4 * 1024 * 1024 };
    /// Enough to see that everything runs.
    pub(super) const SMOKE: Self = Self { events: 20, line_bytes: 40_000 };
}

/// A kind of events.
pub(super) struct Kind {
    pub(super) key: &'static str,
    pub(super) about: &'static str,
    events: fn(Sizes) -> Result<Vec<Event>>,
}

pub(super) const KINDS: &[Kind] = &[
    Kind { key: "llm", about: "a language model's chunks, 174 B each", events: llm_chunks },
    Kind { key: "update", about: "id, event and data, 60 B each", events: updates },
    Kind { key: "line", about: "one line of 4 MiB", events: long_line },
];

/// Events of one kind, and the stream of them.
pub(super) struct Input {
    pub(super) events: Vec<Event>,
    pub(super) stream: Vec<u8>,
}

impl Input {
    /// Makes the events.
    ///
    /// # Errors
    /// None in fact: the ids and the types are valid.
    pub(super) fn new(kind: &Kind, sizes: Sizes) -> Result<Self> {
        let events = (kind.events)(sizes)?;
        let frames: Vec<_> = events.iter().map(Event::encode).collect();
        Ok(Self { stream: frames.concat(), events })
    }
}

#[expect(clippy::unnecessary_wraps, reason = "one signature for all kinds")]
fn llm_chunks(sizes: Sizes) -> Result<Vec<Event>> {
    Ok((0..sizes.events).map(llm_chunk).collect())
}

/// What a language model's API streams: JSON on one `data` line, here and there not in ASCII.
fn llm_chunk(number: usize) -> Event {
    const TOKENS: [&str; 8] =
        [" the", " stream", ".", " ends", " caf\u{e9}", " where", " line", " \u{8c46}"];
    let token = TOKENS.get(number % TOKENS.len()).copied().unwrap_or_default();
    Event::new(format!(
        "{{\"id\":\"chatcmpl-A1b2C3d4\",\"object\":\"chat.completion.chunk\",\
         \"created\":1764000000,\"model\":\"gpt-4o\",\"choices\":[{{\"index\":0,\
         \"delta\":{{\"content\":\"{token}\"}},\"finish_reason\":null}}]}}"
    ))
}

/// Small updates with everything that an event may have.
fn updates(sizes: Sizes) -> Result<Vec<Event>> {
    let update = |number: usize| {
        let event = Event::new(format!("{{\"price\":{number},\"n\":7}}"));
        let id = EventId::new(number.to_string())?;
        Ok(event.with_id(id).with_type(EventType::new("update")?))
    };
    (100_000..100_000 + sizes.events).map(update).collect()
}

/// One event, its data one line.
#[expect(clippy::unnecessary_wraps, reason = "one signature for all kinds")]
fn long_line(sizes: Sizes) -> Result<Vec<Event>> {
    let text: String = (b' '..=b'~').cycle().take(sizes.line_bytes).map(char::from).collect();
    Ok(vec![Event::new(text)])
}
