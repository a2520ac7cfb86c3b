//! What the encoder writes, byte for byte, and what the field types refuse.

use std::collections::HashMap;
use std::time::Duration;

use bytes::BytesMut;
use tidings_wire::{Comment, Event, EventId, EventType, InvalidField, KEEP_ALIVE, encode_retry};

#[track_caller]
fn check(event: &Event, expected: &str) {
    let encoded = event.encode();
    assert_eq!(encoded, expected);
    let mut appended = BytesMut::from("before");
    event.encode_into(&mut appended);
    assert_eq!(appended.strip_prefix(b"before"), Some(expected.as_bytes()));
}

#[test]
fn fields_come_in_one_order_and_a_blank_line_ends_them() {
    let event = Event::new("hello")
        .with_id(EventId::new("7").unwrap())
        .with_retry(Duration::from_micros(1_500_999))
        .with_type(EventType::new("greeting").unwrap());
    check(&event, "event: greeting\nretry: 1500\nid: 7\ndata: hello\n\n");
}

#[test]
fn data_keeps_its_spaces_and_its_empty_lines() {
    check(&Event::default(), "data: \n\n");
    check(&Event::new(" a"), "data:  a\n\n");
    check(&Event::new("a\n"), "data: a\ndata: \n\n");
    check(&Event::new("\n\na"), "data: \ndata: \ndata: a\n\n");
}

#[test]
fn every_kind_of_line_break_in_data_starts_a_new_data_line() {
    check(&Event::new("a\nb\rc\r\nd"), "data: a\ndata: b\ndata: c\ndata: d\n\n");
    check(&Event::new("a\r\r\n\nb"), "data: a\ndata: \ndata: \ndata: b\n\n");
    check(&Event::new("x\rid: evil"), "data: x\ndata: id: evil\n\n");
    check(&Event::new("a\u{2028}b\u{85}c"), "data: a\u{2028}b\u{85}c\n\n");
}

#[test]
fn an_event_is_encoded_in_one_allocation_of_the_exact_size() {
    let event =
        Event::new("a\r\nb\nc").with_retry(Duration::MAX).with_id(EventId::new("").unwrap());
    let encoded = event.encode();
    let bytes = encoded.len();
    assert_eq!(encoded.try_into_mut().map(|buffer| buffer.capacity()), Ok(bytes));
}

#[test]
fn comments_and_reconnection_times_are_blocks_of_their_own() {
    assert_eq!(Comment::new("hi: there").unwrap().encode(), ": hi: there\n\n");
    assert_eq!(encode_retry(Duration::ZERO), "retry: 0\n\n");
    assert_eq!(encode_retry(Duration::from_secs(3)), "retry: 3000\n\n");
    assert_eq!(encode_retry(Duration::MAX), format!("retry: {}\n\n", u64::MAX));
    assert_eq!(KEEP_ALIVE, b":\n\n");
}

#[test]
fn a_field_that_would_break_its_line_is_refused_with_the_byte_and_its_place() {
    assert_eq!(EventId::new("a\0b"), Err(InvalidField::Id { byte: 0, offset: 1 }));
    assert_eq!(EventId::new("é\r\n"), Err(InvalidField::Id { byte: b'\r', offset: 2 }));
    assert_eq!(EventType::new("ab\n"), Err(InvalidField::Type { byte: b'\n', offset: 2 }));
    assert_eq!(EventType::new("\0"), Err(InvalidField::Type { byte: 0, offset: 0 }));
    assert_eq!(Comment::new("\r"), Err(InvalidField::Comment { byte: b'\r', offset: 0 }));
    let error = EventId::new("a\nb").unwrap_err();
    assert_eq!(error.to_string(), "event id holds the byte 0x0a at offset 1");
}

#[test]
fn a_field_that_fits_its_line_is_kept_as_it_is() {
    for text in ["", " ", "#a-1", "urn:uuid:1", "…", "\u{2028}\u{85}\u{b}"] {
        assert_eq!(EventId::new(text).unwrap().as_str(), text);
        assert_eq!(EventType::new(text).unwrap().to_string(), text);
        assert_eq!(Comment::new(text.to_owned()).unwrap().as_ref(), text);
    }
    assert_eq!(Comment::new("a\0").unwrap().as_str(), "a\0");
}

#[test]
fn an_id_is_found_in_a_map_by_its_text() {
    let map = HashMap::from([(EventId::new("7").unwrap(), 1)]);
    assert_eq!(map.get("7"), Some(&1));
}
