//! Events, comments and reconnection times as bytes. Encoding cannot fail.
//!
//! A space always follows the colon, because a client strips one: a value that begins with a space
//! would lose it otherwise. Every block ends with its blank line, so that blocks can be written one
//! after the other, and one block is one buffer, so that a part of it is not flushed on its own.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use memchr::memchr2;

use crate::{Comment, Event};

/// What keeps a silent stream alive: an empty comment, which no listener sees.
pub const KEEP_ALIVE: &[u8] = b":\n\n";

/// The digits of the largest `u64`.
const MAX_DECIMAL_BYTES: usize = 20;

impl Event {
    /// The event as bytes, in one allocation of the exact size.
    ///
    /// The fields come in the order `event`, `retry`, `id`, `data`; a client acts on them only at
    /// the blank line, so the order is for readers.
    pub fn encode(&self) -> Bytes {
        let layout = Layout::of(self);
        let mut out = Vec::with_capacity(layout.encoded_bytes);
        layout.write(self, &mut out);
        out.into()
    }

    /// Appends the event's bytes to `out`: the same as [`encode`](Self::encode) makes.
    pub fn encode_into(&self, out: &mut BytesMut) {
        let layout = Layout::of(self);
        out.reserve(layout.encoded_bytes);
        layout.write(self, out);
    }
}

impl Comment {
    /// The comment as bytes, with a blank line after it.
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::with_capacity(line_bytes("", self.as_str().len()) + 1);
        put_line(&mut out, "", self.as_str().as_bytes());
        out.put(b"\n");
        out.into()
    }
}

/// A block that only tells the client how long to wait before it reconnects, from now on.
///
/// The time is written in whole milliseconds, rounded down, and at most `u64::MAX`.
pub fn encode_retry(retry: Duration) -> Bytes {
    let retry = Decimal::millis(retry);
    let mut out = Vec::with_capacity(line_bytes("retry", retry.digits().len()) + 1);
    put_line(&mut out, "retry", retry.digits());
    out.put(b"\n");
    out.into()
}

/// What has to be known of an event before its bytes are written.
struct Layout {
    /// The size of the whole block.
    encoded_bytes: usize,
    /// Whether `data` is one line, and so needs no second look for line breaks.
    single_line: bool,
    retry: Option<Decimal>,
}

impl Layout {
    fn of(event: &Event) -> Self {
        let retry = event.retry.map(Decimal::millis);
        let single_line = memchr2(b'\r', b'\n', event.data.as_bytes()).is_none();
        let data_bytes = if single_line {
            line_bytes("data", event.data.len())
        } else {
            Pieces::of(&event.data).map(|piece| line_bytes("data", piece.len())).sum()
        };
        let event_type = event.event_type.as_ref();
        let encoded_bytes = event_type.map_or(0, |text| line_bytes("event", text.as_str().len()))
            + retry.as_ref().map_or(0, |retry| line_bytes("retry", retry.digits().len()))
            + event.id.as_ref().map_or(0, |id| line_bytes("id", id.as_str().len()))
            + data_bytes
            + 1;
        Self { encoded_bytes, single_line, retry }
    }

    fn write(&self, event: &Event, out: &mut impl Output) {
        if let Some(event_type) = &event.event_type {
            put_line(out, "event", event_type.as_str().as_bytes());
        }
        if let Some(retry) = &self.retry {
            put_line(out, "retry", retry.digits());
        }
        if let Some(id) = &event.id {
            put_line(out, "id", id.as_str().as_bytes());
        }
        if self.single_line {
            put_line(out, "data", event.data.as_bytes());
        } else {
            for piece in Pieces::of(&event.data) {
                put_line(out, "data", piece);
            }
        }
        out.put(b"\n");
    }
}

/// Where encoded bytes go, with room for all of them.
trait Output {
    fn put(&mut self, bytes: &[u8]);
}

impl Output for Vec<u8> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

impl Output for BytesMut {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// The size of one line: the name, a colon, a space, the value and LF.
fn line_bytes(name: &str, value_bytes: usize) -> usize {
    name.len() + 2 + value_bytes + 1
}

#[inline]
fn put_line(out: &mut impl Output, name: &str, value: &[u8]) {
    out.put(name.as_bytes());
    out.put(b": ");
    out.put(value);
    out.put(b"\n");
}

/// The lines of a text, split at CR LF, CR and LF. There is always one more than there are breaks,
/// so that empty lines at the end are kept.
struct Pieces<'a> {
    /// What is not split yet; `None` after the last piece.
    rest: Option<&'a [u8]>,
}

impl<'a> Pieces<'a> {
    fn of(text: &'a str) -> Self {
        Self { rest: Some(text.as_bytes()) }
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let text = self.rest.take()?;
        let Some(end) = memchr2(b'\r', b'\n', text) else {
            return Some(text);
        };
        let (piece, rest) = text.split_at(end);
        self.rest = match rest {
            [b'\r', b'\n', rest @ ..] | [_, rest @ ..] => Some(rest),
            [] => None,
        };
        Some(piece)
    }
}

/// A number's decimal digits, without an allocation.
struct Decimal {
    store: [u8; MAX_DECIMAL_BYTES],
    start: usize,
}

impl Decimal {
    /// The duration in whole milliseconds, at most `u64::MAX`.
    fn millis(duration: Duration) -> Self {
        let mut left = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let mut decimal = Self { store: [b'0'; MAX_DECIMAL_BYTES], start: MAX_DECIMAL_BYTES };
        for digit in decimal.store.iter_mut().rev() {
            *digit = b'0' + (left % 10) as u8;
            decimal.start -= 1;
            left /= 10;
            if left == 0 {
                break;
            }
        }
        decimal
    }

    fn digits(&self) -> &[u8] {
        self.store.get(self.start..).unwrap_or_default()
    }
}
