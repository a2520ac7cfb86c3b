//! What is written is what is read.

use std::time::Duration;

use bytes::BytesMut;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Strategy, any, prop_assert_eq, proptest};
use tidings_wire::{Comment, Event, EventId, EventType, KEEP_ALIVE, encode_retry};

use crate::stream::{Found, decode, event};

fn events() -> impl Strategy<Value = Event> {
    (
        option::of("[^\\x00\\r\\n]{0,12}"),
        option::of("[^\\x00\\r\\n]{0,12}"),
        option::of(any::<u64>()),
        "([^\\r\\n]{0,12}(\\r|\\n|\\r\\n)?){0,5}",
    )
        .prop_map(|(id, event_type, retry, data)| Event {
            id: id.map(|id| EventId::new(id).unwrap()),
            event_type: event_type.map(|event_type| EventType::new(event_type).unwrap()),
            retry: retry.map(Duration::from_millis),
            data,
        })
}

/// What a client finds in the encoded event, and the last event id from then on.
fn received(sent: &Event, last_event_id: &mut String) -> Vec<Found> {
    if let Some(id) = &sent.id {
        id.as_str().clone_into(last_event_id);
    }
    let event_type = sent.event_type.as_ref().map_or("", EventType::as_str);
    let event_type = if event_type.is_empty() { "message" } else { event_type };
    let data = sent.data.replace("\r\n", "\n").replace('\r', "\n");
    let retry = sent.retry.map(Found::Retry);
    retry.into_iter().chain([event(event_type, &data, last_event_id)]).collect()
}

proptest! {
    #[test]
    fn events_are_read_as_they_were_written(sent in vec(events(), 0..6), size in 1..40_usize) {
        let mut stream = BytesMut::new();
        let mut expected = Vec::new();
        let mut last_event_id = String::new();
        for event in &sent {
            event.encode_into(&mut stream);
            expected.extend(received(event, &mut last_event_id));
        }
        prop_assert_eq!(decode([&*stream]).items, expected.as_slice());
        prop_assert_eq!(decode(stream.chunks(size)).items, expected);
    }

    #[test]
    fn the_encoded_size_is_exact(sent in events()) {
        let encoded = sent.encode();
        let bytes = encoded.len();
        prop_assert_eq!(encoded.try_into_mut().map(|buffer| buffer.capacity()), Ok(bytes));
    }

    #[test]
    fn comments_are_read_as_they_were_written(text in "[^\\r\\n]{0,20}", millis: u64) {
        let retry = Duration::from_millis(millis);
        let comment = Comment::new(text.as_str()).unwrap().encode();
        let stream = [&*comment, KEEP_ALIVE, &encode_retry(retry)].concat();
        let expected =
            [Found::Comment(text), Found::Comment(String::new()), Found::Retry(retry)];
        prop_assert_eq!(decode([stream.as_slice()]).items, expected);
    }
}
