//! Where lines end: CR LF, CR and LF, and the byte order mark before the first line, wherever the
//! stream is cut. Every byte is looked at once.

use std::mem;

use memchr::memchr2;

use crate::chunk::{Chunk, Stretch};

const BOM: &[u8] = b"\xef\xbb\xbf";

/// A stretch of one line.
pub(crate) enum Piece<'c> {
    /// The line's last bytes; its end has been passed.
    Last(Stretch<'c>),
    /// Bytes of a line whose end is still to come. Never empty.
    Part(Stretch<'c>),
}

/// What must be remembered of a stream to find its line ends.
#[derive(Default)]
pub(crate) struct Lines {
    /// How many bytes of a byte order mark have come at the stream's start; all of them also when
    /// there turned out to be none.
    bom_bytes: usize,
    /// Whether the last line ended with CR: an LF that follows belongs to that end. The line is
    /// handed out without waiting for it.
    after_cr: bool,
}

impl Lines {
    /// Takes the next piece of a line from the front of `chunk`, or `None` when it is used up.
    #[inline]
    pub(crate) fn next<'c>(&mut self, chunk: &mut Chunk<'c>) -> Option<Piece<'c>> {
        if self.bom_bytes < BOM.len() {
            let withheld = self.pass_bom(chunk);
            if !withheld.is_empty() {
                return Some(Piece::Part(Stretch { bytes: withheld, text: None }));
            }
        }
        if self.after_cr && !chunk.rest().is_empty() {
            self.after_cr = false;
            if let [b'\n', ..] = chunk.rest() {
                chunk.pass_byte();
            }
        }
        let rest = chunk.rest();
        if rest.is_empty() {
            return None;
        }
        let Some(end) = find_end(rest) else {
            return Some(Piece::Part(chunk.take(rest.len())));
        };
        let last = chunk.take(end);
        self.after_cr = matches!(chunk.rest(), [b'\r', ..]);
        chunk.pass_byte();
        Some(Piece::Last(last))
    }

    /// Passes a byte order mark, once, at the start of the stream. Answers the bytes that looked
    /// like the start of one and are not.
    #[cold]
    fn pass_bom(&mut self, chunk: &mut Chunk<'_>) -> &'static [u8] {
        while let Some(first) = chunk.rest().first()
            && let Some(expected) = BOM.get(self.bom_bytes)
        {
            if first != expected {
                let withheld = mem::replace(&mut self.bom_bytes, BOM.len());
                return BOM.get(..withheld).unwrap_or_default();
            }
            self.bom_bytes += 1;
            chunk.pass_byte();
        }
        &[]
    }
}

/// The offset of the first CR or LF.
#[inline]
fn find_end(input: &[u8]) -> Option<usize> {
    // A blank line ends every event, and is not worth the call.
    let end = match input {
        [b'\r' | b'\n', ..] => Some(0),
        _ => memchr2(b'\r', b'\n', input),
    };
    #[cfg(test)]
    crate::work::scanned(end.map_or(input.len(), |end| end + 1));
    end
}
