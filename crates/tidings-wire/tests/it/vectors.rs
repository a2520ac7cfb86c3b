//! The streams in `vectors/wire-cases.json`, which every implementation of the format here passes.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde::Deserialize;
use tidings_wire::OwnedEvent;

use crate::stream::decode;

/// One stream, and the events it holds.
#[derive(Deserialize)]
struct Case {
    name: String,
    /// The stream's bytes in base64, cut as they arrive.
    chunks: Vec<String>,
    expect: Vec<Expected>,
}

#[derive(Deserialize)]
struct Expected {
    t: String,
    d: String,
    i: String,
}

/// Cutting in three ways takes time with the square of the size: no stream may be longer.
const MAX_THREE_WAY_BYTES: usize = 128;

/// A case as bytes and events.
struct Stream {
    name: String,
    chunks: Vec<Vec<u8>>,
    expected: Vec<OwnedEvent>,
}

fn streams() -> Vec<Stream> {
    let cases: Vec<Case> =
        serde_json::from_str(include_str!("../../../../vectors/wire-cases.json")).unwrap();
    assert_eq!(cases.len(), 37, "no case may get lost");
    cases
        .into_iter()
        .map(|case| Stream {
            name: case.name,
            chunks: case.chunks.iter().map(|it| BASE64_STANDARD.decode(it).unwrap()).collect(),
            expected: case
                .expect
                .into_iter()
                .map(|Expected { t, d, i }| OwnedEvent { event_type: t, data: d, last_event_id: i })
                .collect(),
        })
        .collect()
}

#[test]
fn every_stream_holds_its_events_as_it_arrives() {
    for Stream { name, chunks, expected } in streams() {
        let found = decode(chunks.iter().map(Vec::as_slice)).events();
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn every_stream_holds_its_events_wherever_it_is_cut_once() {
    for Stream { name, chunks, expected } in streams() {
        let whole = chunks.concat();
        for cut in 0..=whole.len() {
            let (a, b) = whole.split_at(cut);
            assert_eq!(decode([a, b]).events(), expected, "{name}, cut at {cut}");
        }
    }
}

#[test]
fn every_stream_holds_its_events_wherever_it_is_cut_twice() {
    for Stream { name, chunks, expected } in streams() {
        let whole = chunks.concat();
        assert!(whole.len() <= MAX_THREE_WAY_BYTES, "{name} is too long for this test");
        for first in 0..=whole.len() {
            let (a, rest) = whole.split_at(first);
            for second in 0..=rest.len() {
                let (b, c) = rest.split_at(second);
                let found = decode([a, b, c]).events();
                assert_eq!(found, expected, "{name}, cut at {first} and {second} after it");
            }
        }
    }
}

#[test]
fn every_stream_holds_its_events_byte_by_byte() {
    for Stream { name, chunks, expected } in streams() {
        assert_eq!(decode(chunks.concat().chunks(1)).events(), expected, "{name}");
    }
}
