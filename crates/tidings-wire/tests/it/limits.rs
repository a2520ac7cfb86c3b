//! Limits hold, fail loudly, and stay failed until the stream is finished.

use tidings_wire::{DecodeError, Decoder, Limits};

use crate::stream::{Content, decode_with, event};

const LIMITS: Limits = Limits { max_line_bytes: 10, max_event_bytes: 6 };

/// Decodes whole and byte by byte, which must not differ.
#[track_caller]
fn decode(limits: Limits, stream: &str) -> Content {
    let decoder = || Decoder::new().with_limits(limits);
    let whole = decode_with(&mut decoder(), [stream.as_bytes()]);
    assert_eq!(decode_with(&mut decoder(), stream.as_bytes().chunks(1)), whole);
    whole
}

#[test]
fn a_line_may_be_as_long_as_the_limit_and_no_longer() {
    let too_long = Err(DecodeError::LineTooLong { limit: 10 });
    for (fits, exceeds) in [
        ("data: 6789\n", "data: 67890\n"),
        ("id:4567890\r", "id:45678901\r"),
        ("event:7890\r\n", "event:78901\r\n"),
        (":234567890\n", ":2345678901\n"),
        ("unknown890\n", "unknown8901\n"),
        ("retry:7890\n", "retry:78901\n"),
    ] {
        assert!(decode(LIMITS, fits).end.is_ok(), "{fits:?}");
        assert_eq!(decode(LIMITS, exceeds).end, too_long, "{exceeds:?}");
        let unended = exceeds.trim_end();
        assert_eq!(decode(LIMITS, unended).end, too_long, "{unended:?}");
    }
}

#[test]
fn an_event_may_hold_as_much_data_as_the_limit_and_no_more() {
    let too_large = Err(DecodeError::EventTooLarge { limit: 6 });
    let found = decode(LIMITS, "data: ab\ndata:cde\n\ndata:abcde\ndata\n\n");
    assert_eq!(found.items, [event("message", "ab\ncde", ""), event("message", "abcde\n", "")]);
    assert_eq!(decode(LIMITS, "data: ab\ndata:cdef\n\n").end, too_large);
    assert_eq!(
        decode(LIMITS, "data:abcd\ndata\ndata\n\n").items,
        [event("message", "abcd\n\n", "")]
    );
    assert_eq!(decode(LIMITS, "data:abcdef\n").end, Err(DecodeError::LineTooLong { limit: 10 }));
    let wide = Limits { max_line_bytes: 100, ..LIMITS };
    assert_eq!(decode(wide, "data:abcdefg\n").end, too_large);
    assert_eq!(
        decode(wide, "data:\ndata:\ndata:\ndata:\ndata:\ndata:\ndata:\ndata:\n").end,
        too_large
    );
}

/// The decoder once counted a chunk's bytes into the line before it looked at the value's first
/// byte, and so named the line's limit where the event's had been exceeded first.
#[test]
fn of_two_exceeded_limits_the_first_exceeded_is_told() {
    let limits = Limits { max_line_bytes: 7, max_event_bytes: 0 };
    let found = decode(limits, "data: data");
    assert_eq!(found.end, Err(DecodeError::EventTooLarge { limit: 0 }));
    let by_one_byte = Limits { max_line_bytes: 7, max_event_bytes: 1 };
    let found = decode(by_one_byte, "data: data");
    assert_eq!(found.end, Err(DecodeError::LineTooLong { limit: 7 }));
    for (limits, end) in [
        (limits, DecodeError::EventTooLarge { limit: 0 }),
        (by_one_byte, DecodeError::LineTooLong { limit: 7 }),
    ] {
        for cut in 1..10 {
            let (first, second) = b"data: data".split_at(cut);
            let found = decode_with(&mut Decoder::new().with_limits(limits), [first, second]);
            assert_eq!(found.end, Err(end), "cut at {cut}");
        }
    }
}

#[test]
fn what_came_before_the_limit_was_exceeded_is_found() {
    let found = decode(LIMITS, "data: a\n\n: too long a comment\ndata: b\n\n");
    assert_eq!(found.items, [event("message", "a", "")]);
    assert_eq!(found.end, Err(DecodeError::LineTooLong { limit: 10 }));
}

#[test]
fn an_exceeded_limit_ends_the_stream_until_it_is_finished() {
    let mut decoder = Decoder::new().with_limits(LIMITS);
    let error = Err(DecodeError::LineTooLong { limit: 10 });
    assert_eq!(decode_with(&mut decoder, [&b"id: 1\n\ndata: too long\n"[..]]).end, error);
    assert_eq!(decode_with(&mut decoder, [&b"data: a\n\n"[..]]).end, error);
    assert_eq!(decode_with(&mut decoder, [&b""[..]]).end, error);
    decoder.finish();
    let found = decode_with(&mut decoder, [&b"data: a\n\n"[..]]);
    assert_eq!(found.items, [event("message", "a", "1")]);
}

#[test]
fn limits_are_on_by_default() {
    let Limits { max_line_bytes, max_event_bytes } = Limits::default();
    assert_eq!((max_line_bytes, max_event_bytes), (16 << 20, 16 << 20));
    let endless = vec![b'x'; 1 << 20];
    let mut decoder = Decoder::new();
    let found = decode_with(&mut decoder, std::iter::repeat_n(endless.as_slice(), 17));
    assert_eq!(found.end, Err(DecodeError::LineTooLong { limit: max_line_bytes }));
    let error = found.end.unwrap_err();
    assert_eq!(error.to_string(), "a line is longer than 16777216 bytes");
}

#[test]
fn a_decoder_does_not_show_its_stream() {
    let mut decoder = Decoder::new();
    decode_with(&mut decoder, [&b"id: secret\n\ndata: secret\n: secret"[..]]);
    assert!(!format!("{decoder:?}").contains("secret"));
}
