//! Where a stream is cut makes no difference to what it holds, and nothing waits for a later chunk.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop, prop_assert_eq, prop_oneof, proptest};
use tidings_wire::{Decoder, EventId, Limits};

use crate::oracle;
use crate::stream::{Found, decode, decode_with, event};

/// Bytes that look like a stream: the format's own pieces, torn and mixed with others.
fn stream_like() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => prop::sample::select(vec![
            "\n", "\r", "\r\n", "\n\n", "\r\r", "\r\n\r\n", ":", " ", "\0", "\u{feff}", "data", "data:",
            "data: ", "event", "event: ", "id", "id: ", "retry", "retry: ", "300", "x", "é", "豆",
            "\u{2028}", "99999999999999999999", "Data: ", "datax", ": ping",
        ]).prop_map(|text| text.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..6),
        1 => prop::sample::select(vec![&b"\xef"[..], b"\xef\xbb", b"\xff", b"\xf0\x9f\x92"])
            .prop_map(<[u8]>::to_vec),
    ];
    vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// The stream in chunks whose sizes come from `sizes`, over and over; a size may be nought.
fn cut<'a>(stream: &'a [u8], sizes: &'a [usize]) -> Vec<&'a [u8]> {
    let mut chunks = Vec::new();
    let mut rest = stream;
    for size in sizes.iter().cycle() {
        let (chunk, left) = rest.split_at((*size).min(rest.len()));
        chunks.push(chunk);
        rest = left;
        if rest.is_empty() {
            break;
        }
    }
    chunks
}

/// Sizes of chunks, at least one of which is not nought.
fn sizes() -> impl Strategy<Value = Vec<usize>> {
    (1..12_usize, vec(0..20_usize, 0..5)).prop_map(|(first, more)| [vec![first], more].concat())
}

proptest! {
    #[test]
    fn a_stream_holds_what_the_standard_says_however_it_is_cut(
        stream in stream_like(),
        sizes in sizes(),
    ) {
        let expected = oracle::decode(&stream);
        prop_assert_eq!(&decode([stream.as_slice()]), &expected);
        prop_assert_eq!(&decode(cut(&stream, &sizes)), &expected);
        prop_assert_eq!(&decode(stream.chunks(1)), &expected);
    }

    #[test]
    fn limits_are_exceeded_at_the_same_place_however_the_stream_is_cut(
        stream in stream_like(),
        sizes in sizes(),
        max_line_bytes in 0..24_usize,
        max_event_bytes in 0..24_usize,
    ) {
        let limits = Limits { max_line_bytes, max_event_bytes };
        let decoder = || Decoder::new().with_limits(limits);
        let expected = decode_with(&mut decoder(), [stream.as_slice()]);
        prop_assert_eq!(&decode_with(&mut decoder(), cut(&stream, &sizes)), &expected);
        prop_assert_eq!(&decode_with(&mut decoder(), stream.chunks(1)), &expected);
    }

    #[test]
    fn arbitrary_bytes_decode_as_the_standard_says(stream in vec(any::<u8>(), 0..200)) {
        prop_assert_eq!(decode(stream.chunks(3)), oracle::decode(&stream));
    }
}

#[test]
fn an_event_is_found_at_the_first_byte_of_its_blank_line() {
    let mut decoder = Decoder::new();
    assert_eq!(decode_with(&mut decoder, [&b"data: a\r\n"[..]]).items, []);
    assert_eq!(decode_with(&mut decoder, [&b"\r"[..]]).items, [event("message", "a", "")]);
    let rest = decode_with(&mut decoder, [&b"\n"[..], b"data: b\r", b"\r"]);
    assert_eq!(rest.items, [event("message", "b", "")]);
}

#[test]
fn comments_and_reconnection_times_are_found_at_the_end_of_their_lines() {
    let mut decoder = Decoder::new();
    let found = decode_with(&mut decoder, [&b"event: t\ndata: a\n: hi\nretry: 5\ndata: b\n"[..]]);
    let comment = Found::Comment("hi".to_owned());
    assert_eq!(found.items, [comment, Found::Retry(Duration::from_millis(5))]);
    assert_eq!(decode_with(&mut decoder, [&b"\n"[..]]).items, [event("t", "a\nb", "")]);
}

#[test]
fn a_reconnection_time_is_digits_only_and_saturates() {
    let millis = |millis| Found::Retry(Duration::from_millis(millis));
    let stream =
        b"retry: 03000\nretry: +1\nretry: 1 \nretry\nretry:0\nretry: 18446744073709551616\n";
    assert_eq!(decode([&stream[..]]).items, [millis(3000), millis(0), millis(u64::MAX)]);
}

#[test]
fn the_last_event_id_outlives_a_stream_that_brings_none() {
    let mut decoder = Decoder::new().with_last_event_id(&EventId::new("7").unwrap());
    let found = decode_with(&mut decoder, [&b"data: a\n\nid: 8\n\ndata: b\n\n"[..]]);
    assert_eq!(found.items, [event("message", "a", "7"), event("message", "b", "8")]);
    decoder.finish();
    let found = decode_with(&mut decoder, [&b"data: c\n\n"[..]]);
    assert_eq!(found.items, [event("message", "c", "8")]);
    assert_eq!(found.end.unwrap(), "8");
}

#[test]
fn the_end_of_a_stream_drops_what_has_no_blank_line_and_its_id() {
    let parts = [
        &b"id: 1\ndata: a\n"[..],
        b"event: t\n",
        b"data: a\ndata:",
        b"data: a\r",
        b"\xef\xbb",
        b": c",
    ];
    for part in parts {
        let mut decoder = Decoder::new();
        assert_eq!(decode_with(&mut decoder, [part]).items, []);
        decoder.finish();
        let next = decode_with(&mut decoder, [&b"\xef\xbb\xbfdata: b\n\n"[..]]);
        assert_eq!(next.items, [event("message", "b", "")], "after {part:?}");
    }
}

#[test]
fn an_event_has_its_own_type_and_no_other() {
    let named = b"event: a\ndata\n\nevent: b\ndata\n\nevent: b\ndata\n\n";
    let odd = b"data\n\nevent: \xff\ndata\n\nevent: a\n\ndata\n\n";
    let stream = [&named[..], odd].concat();
    let types = ["a", "b", "b", "message", "\u{fffd}", "message"];
    let expected = types.map(|event_type| event(event_type, "", ""));
    assert_eq!(decode([stream.as_slice()]).items, expected);
    assert_eq!(decode(stream.chunks(1)).items, expected);
}

/// Long pieces of a cut line are copied in parts of 2 KiB, which must not part a character.
#[test]
fn a_long_piece_of_a_cut_line_keeps_its_characters() {
    for character in ["x", "\u{e9}", "\u{8c46}", "\u{1f4e8}"] {
        for shift in 0..4 {
            for length in [2047, 2048, 2049, 4096, 10_000] {
                let data = format!("{}{}", "-".repeat(shift), character.repeat(length));
                let stream = format!("data: {data}\n\n");
                let expected = [event("message", &data, "")];
                assert_eq!(decode([stream.as_bytes()]).items, expected);
                let (whole, end) = stream.as_bytes().split_at(stream.len() - 2);
                assert_eq!(decode([whole, end]).items, expected, "{character} {shift} {length}");
            }
        }
    }
}

#[test]
fn an_event_cut_after_a_large_one_is_not_mixed_with_it() {
    let large = "x".repeat(300_000);
    let stream = format!("event: big\ndata: {large}\n\ndata: small\n\n");
    let expected = [event("big", &large, ""), event("message", "small", "")];
    for size in [1, 1000, 300_010, 300_030] {
        assert_eq!(decode(stream.as_bytes().chunks(size)).items, expected, "chunks of {size}");
    }
}
