//! Bytes as text: checked for UTF-8, and gathered from pieces that may be cut within a character.

use crate::chunk::Stretch;

/// How much of a buffer is kept for the next value.
const RETAINED_BYTES: usize = 64 * 1024;

/// How many times what it holds a buffer gets besides when it is full, and how much at most where that is more than
/// doubling it.
const LEAP: usize = 7;
const MAX_LEAP_BYTES: usize = 16 * 1024 * 1024;

/// How much is copied at once. From some KiB on glibc copies with `rep movsb`, which on some processors takes several
/// times as long where source and destination lie badly to each other (measured 2026-11: a 4 MiB line in 16 KiB chunks).
const COPIED_AT_ONCE: usize = 2 * 1024;

/// Splits bytes where they cease to be UTF-8.
#[inline]
pub(crate) fn split(bytes: &[u8]) -> (&str, &[u8]) {
    match simdutf8::compat::from_utf8(bytes) {
        Ok(text) => (text, &[]),
        Err(fault) => {
            let (valid, rest) = bytes.split_at(fault.valid_up_to());
            (simdutf8::basic::from_utf8(valid).unwrap_or_default(), rest)
        }
    }
}

/// A value that comes in pieces. Ill-formed UTF-8 becomes U+FFFD as in a whole value.
#[derive(Default)]
pub(crate) struct Text {
    /// What has come as text.
    valid: String,
    /// The first bytes of a character whose others are still to come.
    cut: Vec<u8>,
    /// How many bytes have come.
    bytes: usize,
}

impl Text {
    /// The text; without the last character if that is cut.
    #[inline]
    pub(crate) fn as_str(&self) -> &str {
        &self.valid
    }

    /// How many bytes have come. The text may have more, since U+FFFD has three.
    #[inline]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Appends text. Nothing may be cut before it.
    #[inline]
    pub(crate) fn push_str(&mut self, text: &str) {
        self.bytes += text.len();
        self.valid.push_str(text);
    }

    /// Appends the next stretch of the value.
    #[inline]
    pub(crate) fn push(&mut self, stretch: Stretch<'_>) {
        match stretch.text {
            Some(text) if self.cut.is_empty() => {
                self.bytes += text.len();
                self.append(text);
            }
            _ => self.push_bytes(stretch.bytes),
        }
    }

    /// Appends bytes that may begin or end within a character.
    fn push_bytes(&mut self, mut bytes: &[u8]) {
        self.bytes += bytes.len();
        if !self.cut.is_empty() {
            bytes = self.complete(bytes);
        }
        let (valid, rest) = split(bytes);
        self.append(valid);
        if !rest.is_empty() {
            self.push_faulty(rest);
        }
    }

    /// Appends a piece of a value that is cut, in a buffer that grows by leaps: moving a long value from one buffer to
    /// the next is much of what it costs (measured 2026-11: 4 MiB in 1,400 B chunks took a quarter less time).
    #[inline]
    fn append(&mut self, text: &str) {
        if self.valid.capacity() - self.valid.len() < text.len() {
            let leap = self.valid.len().saturating_mul(LEAP).min(MAX_LEAP_BYTES);
            self.valid.reserve(leap + text.len());
        }
        let mut rest = text;
        while rest.len() > COPIED_AT_ONCE {
            let (piece, after) = rest.split_at(rest.floor_char_boundary(COPIED_AT_ONCE));
            self.valid.push_str(piece);
            rest = after;
        }
        self.valid.push_str(rest);
    }

    /// Ends a value: what is cut now stays so.
    #[inline]
    pub(crate) fn end(&mut self) {
        if !self.cut.is_empty() {
            self.cut.clear();
            self.valid.push(char::REPLACEMENT_CHARACTER);
        }
    }

    /// Empties it for the next value, without keeping a large one's memory.
    pub(crate) fn clear(&mut self) {
        self.bytes = 0;
        self.cut.clear();
        if self.valid.capacity() > RETAINED_BYTES {
            // Freed, not shrunk in place: from a large free glibc learns to serve the next large buffer
            // without new pages (measured 2026-11: over four times the speed on lines of 4 MiB).
            self.valid = String::new();
        } else {
            self.valid.clear();
        }
    }

    /// Gives the cut character its bytes, and answers those that come after it.
    #[cold]
    fn complete<'b>(&mut self, mut bytes: &'b [u8]) -> &'b [u8] {
        while let Some((next, rest)) = bytes.split_first() {
            self.cut.push(*next);
            match std::str::from_utf8(&self.cut) {
                Ok(character) => self.valid.push_str(character),
                Err(fault) if fault.error_len().is_none() => {
                    bytes = rest;
                    continue;
                }
                // What was cut ends before this byte, which begins something else.
                Err(_) => {
                    self.end();
                    return bytes;
                }
            }
            self.cut.clear();
            return rest;
        }
        bytes
    }

    /// Appends bytes that do not begin with a whole character.
    #[cold]
    fn push_faulty(&mut self, bytes: &[u8]) {
        let mut chunks = bytes.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            self.valid.push_str(chunk.valid());
            let faulty = chunk.invalid();
            let is_cut = || std::str::from_utf8(faulty).is_err_and(|it| it.error_len().is_none());
            if chunks.peek().is_none() && is_cut() {
                self.cut.extend_from_slice(faulty);
            } else if !faulty.is_empty() {
                self.valid.push(char::REPLACEMENT_CHARACTER);
            }
        }
    }
}

/// Replaces `text` by these bytes.
#[cold]
pub(crate) fn set(text: &mut String, bytes: &[u8]) {
    *text = String::from_utf8_lossy(bytes).into_owned();
}
