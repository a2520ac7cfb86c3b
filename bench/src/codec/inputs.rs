//! The streams that are decoded, and the events that are encoded.

use tidings_wire::{Event, EventId, EventType};

/// The bytes of one full Ethernet segment's payload, and of a usual read buffer.
const CHUNK_BYTES: [usize; 2] = [1400, 16 * 1024];

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

/// Events of one kind.
pub(super) struct Input {
    pub(super) name: &'static str,
    pub(super) events: Vec<Event>,
}

/// One stream, and where it is cut.
pub(super) struct Cut {
    pub(super) stream: Vec<u8>,
    pub(super) chunk_bytes: usize,
}

impl Cut {
    pub(super) fn chunks(&self) -> Vec<&[u8]> {
        self.stream.chunks(self.chunk_bytes).collect()
    }
}

impl Input {
    /// The events as one stream, cut in each of the ways.
    pub(super) fn cuts(&self) -> impl Iterator<Item = Cut> {
        let frames: Vec<_> = self.events.iter().map(Event::encode).collect();
        let stream = frames.concat();
        CHUNK_BYTES.into_iter().map(move |chunk_bytes| Cut { stream: stream.clone(), chunk_bytes })
    }
}

/// Every kind of input.
///
/// # Errors
///
/// None in fact: the ids and the type are valid.
pub(super) fn all(sizes: Sizes) -> anyhow::Result<Vec<Input>> {
    let llm = (0..sizes.events).map(llm_chunk).collect();
    let updates = (0..sizes.events).map(update).collect::<anyhow::Result<_>>()?;
    let line = vec![Event::new(long_line(sizes.line_bytes))];
    Ok(vec![
        Input { name: "LLM chunks, 174 B", events: llm },
        Input { name: "id, event, data, 60 B", events: updates },
        Input { name: "one long line", events: line },
    ])
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

/// A small update with everything that an event may have.
fn update(number: usize) -> anyhow::Result<Event> {
    let number = 100_000 + number;
    let event = Event::new(format!("{{\"price\":{number},\"n\":7}}"));
    Ok(event.with_id(EventId::new(number.to_string())?).with_type(EventType::new("update")?))
}

/// Text of one line, of this size.
fn long_line(bytes: usize) -> String {
    (b' '..=b'~').cycle().take(bytes).map(char::from).collect()
}
