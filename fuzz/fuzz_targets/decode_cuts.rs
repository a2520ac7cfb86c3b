//! Wherever a stream is cut, and whatever it holds, the decoder finds the same as in one chunk.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use tidings_wire::{Chunk, DecodeError, Decoder, Item, Limits};

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    max_line_bytes: u8,
    max_event_bytes: u8,
    /// The sizes of the chunks, over and over; nought is an empty chunk before one of a byte.
    sizes: [u8; 4],
    stream: &'a [u8],
}

/// Everything that the chunks hold, written out, and how the stream ended.
fn content<'c>(
    limits: Limits,
    chunks: impl IntoIterator<Item = &'c [u8]>,
) -> (Vec<String>, Result<String, DecodeError>) {
    let mut decoder = Decoder::new().with_limits(limits);
    let mut items = Vec::new();
    for chunk in chunks {
        let mut chunk = Chunk::new(chunk);
        loop {
            match decoder.decode(&mut chunk) {
                Ok(Some(item)) => {
                    if let Item::Event(event) = item {
                        assert!(event.data.len() <= 3 * limits.max_event_bytes);
                    }
                    items.push(format!("{item:?}"));
                }
                Ok(None) => break,
                Err(error) => return (items, Err(error)),
            }
        }
        assert!(chunk.rest().is_empty());
    }
    (items, Ok(decoder.last_event_id().to_owned()))
}

fuzz_target!(|input: Input<'_>| {
    let limits = Limits {
        max_line_bytes: input.max_line_bytes.into(),
        max_event_bytes: input.max_event_bytes.into(),
    };
    let whole = content(limits, [input.stream]);
    assert_eq!(content(limits, input.stream.chunks(1)), whole);

    let mut chunks = Vec::new();
    let mut rest = input.stream;
    for size in input.sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        if *size == 0 {
            chunks.push(&[][..]);
        }
        let (chunk, left) = rest.split_at(usize::from(*size).clamp(1, rest.len()));
        chunks.push(chunk);
        rest = left;
    }
    assert_eq!(content(limits, chunks), whole);
});
