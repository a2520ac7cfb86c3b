//! What one line says: a comment, or a field and its value (WHATWG HTML 9.2.6).

use std::time::Duration;

/// The first bytes of a line from which its field is known, and where its value begins: the
/// longest field name, the colon and one space.
pub(crate) const HEAD_BYTES: usize = b"event: ".len();

/// The kinds of lines that are not blank.
#[derive(Clone, Copy)]
pub(crate) enum Field {
    Comment,
    Data,
    Type,
    Id,
    Retry,
    /// Read past, as the format wants it.
    Unknown,
}

/// Tells a line's field and value. Of a line longer than [`HEAD_BYTES`] it may be given any part
/// from the start that is no shorter; the value is then the part's.
#[inline]
pub(crate) fn parse(line: &[u8]) -> (Field, &[u8]) {
    let (field, after_name) = match line {
        [b'd', b'a', b't', b'a', rest @ ..] => (Field::Data, rest),
        [b'i', b'd', rest @ ..] => (Field::Id, rest),
        [b'e', b'v', b'e', b'n', b't', rest @ ..] => (Field::Type, rest),
        [b':', ..] => (Field::Comment, line),
        [b'r', b'e', b't', b'r', b'y', rest @ ..] => (Field::Retry, rest),
        _ => return (Field::Unknown, line),
    };
    match after_name {
        [] => (field, after_name),
        [b':', b' ', value @ ..] | [b':', value @ ..] => (field, value),
        _ => (Field::Unknown, line),
    }
}

/// The value of a `retry` field: decimal digits and nothing else. A number too large for the type
/// is its largest.
pub(crate) fn retry(value: &str) -> Option<Duration> {
    if value.is_empty() {
        return None;
    }
    let mut millis = 0_u64;
    for digit in value.bytes() {
        if !digit.is_ascii_digit() {
            return None;
        }
        millis = millis.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    }
    Some(Duration::from_millis(millis))
}
