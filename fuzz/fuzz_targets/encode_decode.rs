//! What is written is what is read, and what cannot be written is refused.

#![no_main]

use std::time::Duration;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use tidings_wire::{Chunk, Comment, Decoder, Event, EventId, EventType, Item};

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    id: Option<&'a str>,
    event_type: Option<&'a str>,
    retry_millis: Option<u64>,
    comment: Option<&'a str>,
    data: String,
    chunk_bytes: u8,
}

fuzz_target!(|input: Input<'_>| {
    let forbidden = |text: &str| text.contains(['\0', '\r', '\n']);
    let id = input.id.and_then(|id| EventId::new(id).ok());
    let event_type = input.event_type.and_then(|name| EventType::new(name).ok());
    let comment = input.comment.and_then(|text| Comment::new(text).ok());
    assert_eq!(id.is_some(), input.id.is_some_and(|id| !forbidden(id)));
    assert_eq!(event_type.is_some(), input.event_type.is_some_and(|name| !forbidden(name)));

    let event = Event {
        id: id.clone(),
        event_type: event_type.clone(),
        retry: input.retry_millis.map(Duration::from_millis),
        data: input.data,
    };
    let mut stream = comment.as_ref().map(|comment| comment.encode().to_vec()).unwrap_or_default();
    stream.extend_from_slice(&event.encode());

    let (mut comments, mut retries, mut events) = (Vec::new(), Vec::new(), Vec::new());
    let mut decoder = Decoder::new();
    for chunk in stream.chunks(usize::from(input.chunk_bytes).max(1)) {
        let mut chunk = Chunk::new(chunk);
        while let Some(item) = decoder.decode(&mut chunk).expect("far below the limits") {
            match item {
                Item::Event(event) => events.push(event.to_owned()),
                Item::Comment(text) => comments.push(text.to_owned()),
                Item::Retry(delay) => retries.push(delay),
            }
        }
    }
    assert_eq!(comments, Vec::from_iter(comment.map(|comment| comment.to_string())));
    assert_eq!(retries, Vec::from_iter(event.retry));
    let [found] = events.as_slice() else { panic!("one event was written, not {events:?}") };
    assert_eq!(found.data, event.data.replace("\r\n", "\n").replace('\r', "\n"));
    assert_eq!(found.last_event_id, id.map(|id| id.to_string()).unwrap_or_default());
    let event_type = event_type.map(|name| name.to_string()).filter(|name| !name.is_empty());
    assert_eq!(found.event_type, event_type.unwrap_or_else(|| "message".to_owned()));
});
