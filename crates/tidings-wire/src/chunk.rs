//! The bytes that have come, how far they are decoded, and how far they are known to be text.

use crate::text;

/// Bytes of a stream as they came, to be decoded from the front.
///
/// They are checked for UTF-8 many lines at a time, not value by value; this remembers how far.
#[derive(Debug, Clone, Copy)]
pub struct Chunk<'c> {
    rest: &'c [u8],
    /// What `rest` begins with as far as that has been found to be UTF-8.
    text: &'c str,
}

/// A whole line that lies in one chunk, without its end.
#[derive(Clone, Copy)]
pub(crate) struct Line<'c> {
    pub(crate) bytes: &'c [u8],
    /// The same as text; `None` if it is not UTF-8.
    pub(crate) text: Option<&'c str>,
}

impl<'c> Chunk<'c> {
    /// These bytes, none of them decoded yet.
    pub fn new(bytes: &'c [u8]) -> Self {
        Self { rest: bytes, text: "" }
    }

    /// What is not decoded yet.
    #[inline]
    pub fn rest(&self) -> &'c [u8] {
        self.rest
    }

    /// Passes a byte, if there is one.
    #[inline]
    pub(crate) fn pass_byte(&mut self) {
        self.rest = self.rest.get(1..).unwrap_or_default();
        self.text = self.text.get(1..).unwrap_or_default();
    }

    /// Takes bytes that need not be text, up to `end`.
    #[inline]
    pub(crate) fn take_bytes(&mut self, end: usize) -> &'c [u8] {
        let (bytes, rest) = self.rest.split_at(end);
        self.rest = rest;
        self.text = self.text.get(end..).unwrap_or_default();
        bytes
    }

    /// Takes the line from here to `end`.
    #[inline]
    pub(crate) fn take_line(&mut self, end: usize) -> Line<'c> {
        if self.text.len() < end {
            // Either nothing is checked from here on, or the check ended within this line. It looks
            // no further than a fault, so it looks at no byte of a faultless line twice.
            (self.text, _) = text::split(self.rest);
        }
        let (bytes, rest) = self.rest.split_at(end);
        self.rest = rest;
        let text = self.text.split_at_checked(end);
        self.text = text.map_or("", |(_, after)| after);
        Line { bytes, text: text.map(|(line, _)| line) }
    }
}
