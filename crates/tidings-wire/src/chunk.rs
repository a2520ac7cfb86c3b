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

/// A stretch of a line.
#[derive(Clone, Copy)]
pub(crate) struct Stretch<'c> {
    pub(crate) bytes: &'c [u8],
    /// The same as text; `None` if it is not UTF-8 by itself.
    pub(crate) text: Option<&'c str>,
}

impl Stretch<'_> {
    /// What is left after `bytes` bytes.
    #[inline]
    pub(crate) fn after(self, bytes: usize) -> Self {
        Self {
            bytes: self.bytes.get(bytes..).unwrap_or_default(),
            text: self.text.and_then(|text| text.get(bytes..)),
        }
    }
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

    /// Takes what lies before `end`.
    #[inline]
    pub(crate) fn take(&mut self, end: usize) -> Stretch<'c> {
        if self.text.len() < end {
            self.check();
        }
        let (bytes, rest) = self.rest.split_at(end);
        self.rest = rest;
        let text = self.text.split_at_checked(end);
        self.text = text.map_or("", |(_, after)| after);
        Stretch { bytes, text: text.map(|(line, _)| line) }
    }

    /// Checks what is not decoded yet: nothing from here on has been checked, or the check ended
    /// soon after. It looks no further than a fault, so no byte without one is looked at again and
    /// again.
    #[inline(never)]
    fn check(&mut self) {
        (self.text, _) = text::split(self.rest);
    }
}
