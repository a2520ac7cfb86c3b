//! The decoder: bytes in, in chunks cut anywhere, events out.

use std::fmt;
use std::mem;
use std::time::Duration;

use crate::chunk::{Chunk, Stretch};
use crate::grammar::{self, Field};
use crate::line::{Lines, Piece};
use crate::open_line::OpenLine;
use crate::pending::{Borrowed, Pending};
use crate::{DecodeError, EventId, Item, Limits};

/// Decodes one event stream after the other, exactly as WHATWG HTML 9.2.6 says.
///
/// An event that lies within one chunk is lent from that chunk; only what a chunk's end cuts is
/// copied, once. The work is linear in the bytes whatever the chunks are, and the memory is at most
/// a small multiple of the [`Limits`].
///
/// An event is handed out as soon as its blank line's first byte has come: a CR is not held back
/// for the LF that may follow it.
#[derive(Default)]
pub struct Decoder {
    limits: Limits,
    lines: Lines,
    /// The line that the end of a chunk has cut.
    open: OpenLine,
    pending: Pending,
    /// Whether the pending event has been handed out and is only kept because it may be borrowed.
    handed_out: bool,
    /// Why the stream cannot be decoded further.
    failure: Option<DecodeError>,
}

/// What a line has brought to hand out.
enum Found<'c> {
    /// An event, in `pending` and what is borrowed.
    Event,
    /// A comment: in the chunk, or in the open line's buffer.
    Comment(Option<&'c str>),
    Retry(Duration),
}

impl Decoder {
    /// A decoder with the default [`Limits`] and no last event id.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the limits.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the last event id that events have until the stream brings another: the one that the
    /// request sent as `Last-Event-ID`.
    #[must_use]
    pub fn with_last_event_id(mut self, id: &EventId) -> Self {
        self.pending.seed(id.as_str());
        self
    }

    /// The last event id that a blank line has confirmed; empty if there is none. It is what to
    /// send as `Last-Event-ID` when reconnecting, and blocks without data move it too.
    pub fn last_event_id(&self) -> &str {
        self.pending.last_event_id()
    }

    /// Takes bytes from the front of `chunk` up to the next item.
    ///
    /// `None` means that the chunk is used up. Call it until then with the same chunk, and after
    /// that with the next one.
    ///
    /// # Errors
    ///
    /// A [`DecodeError`] if the stream exceeds the limits. The stream cannot be decoded further:
    /// every call answers the same until [`finish`](Self::finish).
    pub fn decode<'d, 'c: 'd>(
        &'d mut self,
        chunk: &mut Chunk<'c>,
    ) -> Result<Option<Item<'d>>, DecodeError> {
        if let Some(error) = self.failure {
            return Err(error);
        }
        if self.handed_out {
            self.handed_out = false;
            self.pending.clear_event();
        }
        let mut borrowed = Borrowed::default();
        let found = match self.advance(chunk, &mut borrowed) {
            Ok(found) => found,
            Err(error) => {
                self.failure = Some(error);
                return Err(error);
            }
        };
        if let Some(Found::Event) = found {
            self.handed_out = true;
            return Ok(Some(Item::Event(self.pending.event(&borrowed))));
        }
        self.pending.keep(&mut borrowed);
        Ok(match found {
            Some(Found::Comment(text)) => Some(Item::Comment(text.unwrap_or(self.open.value()))),
            Some(Found::Retry(delay)) => Some(Item::Retry(delay)),
            Some(Found::Event) | None => None,
        })
    }

    /// Ends the stream: what has no blank line yet is dropped, as the format wants it, its id too.
    ///
    /// The decoder is then ready for the next stream, with the same limits and last event id. It
    /// also clears an error.
    pub fn finish(&mut self) {
        let mut pending = mem::take(&mut self.pending);
        pending.clear();
        *self = Self { limits: self.limits, pending, ..Self::default() };
    }

    /// Takes lines from the front of `chunk` until one brings something to hand out.
    #[inline]
    fn advance<'c>(
        &mut self,
        chunk: &mut Chunk<'c>,
        borrowed: &mut Borrowed<'c>,
    ) -> Result<Option<Found<'c>>, DecodeError> {
        while let Some(piece) = self.lines.next(chunk) {
            let found = match piece {
                Piece::Last(line) if !self.open.is_open() => self.take_line(line, borrowed)?,
                Piece::Last(rest) => {
                    self.open.extend(rest, &mut self.pending, self.limits)?;
                    self.end_open_line()?
                }
                Piece::Part(part) => {
                    self.pending.keep(borrowed);
                    self.open.extend(part, &mut self.pending, self.limits)?;
                    None
                }
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Acts on a line that lies in the chunk as a whole.
    #[inline]
    fn take_line<'c>(
        &mut self,
        line: Stretch<'c>,
        borrowed: &mut Borrowed<'c>,
    ) -> Result<Option<Found<'c>>, DecodeError> {
        if line.bytes.is_empty() {
            return Ok(self.pending.end_block(borrowed).then_some(Found::Event));
        }
        let (field, value) = grammar::parse(line.bytes);
        let event_bytes = match field {
            Field::Data => self.pending.next_line_at(borrowed) + value.len(),
            _ => 0,
        };
        self.limits.check(line.bytes.len(), event_bytes)?;
        let Some(value) = line.after(line.bytes.len() - value.len()).text else {
            return Ok(self.take_faulty(field, value, borrowed));
        };
        match field {
            Field::Data => self.pending.add_data(value, borrowed),
            Field::Type => borrowed.event_type = Some(value),
            Field::Id => self.pending.set_id(value),
            Field::Retry => return Ok(grammar::retry(value).map(Found::Retry)),
            Field::Comment => return Ok(Some(Found::Comment(Some(value)))),
            Field::Unknown => {}
        }
        Ok(None)
    }

    /// Acts on a line that lies in the chunk as a whole and is not UTF-8: its value is copied, with
    /// U+FFFD in it.
    #[cold]
    fn take_faulty(
        &mut self,
        field: Field,
        value: &[u8],
        borrowed: &mut Borrowed<'_>,
    ) -> Option<Found<'static>> {
        match field {
            Field::Data => self.pending.add_faulty_data(value, borrowed),
            Field::Type => self.pending.add_faulty_type(value, borrowed),
            Field::Id => self.pending.set_faulty_id(value),
            Field::Comment => {
                self.open.set_value(value);
                return Some(Found::Comment(None));
            }
            Field::Retry | Field::Unknown => {}
        }
        None
    }

    /// Acts on the line that earlier chunks began, at its end.
    fn end_open_line(&mut self) -> Result<Option<Found<'static>>, DecodeError> {
        match self.open.end(&mut self.pending, self.limits)? {
            Field::Type => self.pending.set_type(self.open.value()),
            Field::Id => self.pending.set_id(self.open.value()),
            Field::Retry => return Ok(grammar::retry(self.open.value()).map(Found::Retry)),
            Field::Comment => return Ok(Some(Found::Comment(None))),
            // Its value went to the event as it came.
            Field::Data | Field::Unknown => {}
        }
        Ok(None)
    }
}

impl fmt::Debug for Decoder {
    /// Leaves out the stream's content, which may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder")
            .field("limits", &self.limits)
            .field("failure", &self.failure)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::work;

    /// How many bytes were searched for line ends, and how many were copied into an event, in
    /// decoding one event with this many bytes of data in chunks of this size.
    fn work_of(data_bytes: usize, chunk_bytes: usize) -> (usize, usize) {
        let stream = [b"data: ", vec![b'x'; data_bytes].as_slice(), b"\n\n"].concat();
        let mut decoder = Decoder::new();
        let mut found = Vec::new();
        work::reset();
        for chunk in stream.chunks(chunk_bytes) {
            let mut chunk = Chunk::new(chunk);
            while let Some(item) = decoder.decode(&mut chunk).unwrap() {
                if let Item::Event(event) = item {
                    found.push(event.data.len());
                }
            }
        }
        assert_eq!(found, [data_bytes]);
        work::done()
    }

    #[test]
    fn a_long_line_in_small_chunks_is_searched_once_and_copied_once() {
        let line = 4 * 1024 * 1024;
        let stream = line + b"data: \n\n".len();
        assert_eq!(work_of(line, 1400), (stream, line));
        assert_eq!(work_of(line, 7), (stream, line));
    }

    #[test]
    fn an_event_within_one_chunk_is_not_copied() {
        assert_eq!(work_of(1000, 2000), (1000 + b"data: \n\n".len(), 0));
    }
}
