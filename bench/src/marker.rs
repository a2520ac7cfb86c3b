//! The marker in an update's data by which the bench knows it again: `tb-RUN-TOPIC-SEQ-TIME-xxx…z`.

use std::io::Write as _;

use memchr::memmem;

/// How every marker begins.
const BEGIN: &[u8] = b"tb-";
/// The last byte, which the padding does not have: it tells that the whole data came.
const LAST: u8 = b'z';

/// What a marker says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Marker {
    /// The run that published it: an update of another one does not count.
    pub(crate) run: u32,
    /// The number of the topic.
    pub(crate) topic: u32,
    /// The number of the update in its topic, from 0.
    pub(crate) seq: u32,
    /// When it was published, on the machine's monotonic clock.
    pub(crate) sent: u64,
}

impl Marker {
    /// Writes the data of an update: the marker, padded to so many bytes.
    pub(crate) fn write(self, size: usize, out: &mut Vec<u8>) {
        out.clear();
        let Self { run, topic, seq, sent } = self;
        let written = write!(out, "tb-{run:x}-{topic}-{seq}-{sent}-");
        debug_assert!(written.is_ok(), "writing to memory cannot fail");
        let size = size.max(out.len() + 1);
        out.resize(size - 1, b'x');
        out.push(LAST);
    }

    /// Finds the first marker in a line, and answers what follows it.
    ///
    /// # Errors
    /// When there is something that begins as a marker and is not a whole one.
    pub(crate) fn find(line: &[u8]) -> Result<Option<(Self, &[u8])>, Torn> {
        let Some(at) = memmem::find(line, BEGIN) else { return Ok(None) };
        let rest = line.get(at + BEGIN.len()..).unwrap_or_default();
        let end = memchr::memchr(LAST, rest).ok_or(Torn)?;
        let (marker, rest) = rest.split_at(end);
        Self::parse(marker).map(|marker| Some((marker, rest))).ok_or(Torn)
    }

    fn parse(marker: &[u8]) -> Option<Self> {
        let (run, marker) = number(marker, 16)?;
        let (topic, marker) = number(marker, 10)?;
        let (seq, marker) = number(marker, 10)?;
        let (sent, padding) = number(marker, 10)?;
        if !padding.iter().all(|byte| *byte == b'x') {
            return None;
        }
        let small = |number: u64| u32::try_from(number).ok();
        Some(Self { run: small(run)?, topic: small(topic)?, seq: small(seq)?, sent })
    }
}

/// A marker that is cut or damaged.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Torn;

/// A number that ends with `-`, and what follows.
fn number(text: &[u8], radix: u32) -> Option<(u64, &[u8])> {
    let mut value: u64 = 0;
    for (index, byte) in text.iter().enumerate() {
        if *byte == b'-' && index > 0 {
            return Some((value, text.get(index + 1..)?));
        }
        let digit = char::from(*byte).to_digit(radix)?;
        value = value.checked_mul(radix.into())?.checked_add(digit.into())?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARKER: Marker = Marker { run: 0xbeef, topic: 17, seq: 4_000, sent: 123_456_789_012 };

    #[test]
    fn a_marker_is_found_wherever_it_stands_in_a_line() {
        let mut data = Vec::new();
        MARKER.write(128, &mut data);
        assert_eq!(data.len(), 128);
        for (before, after) in [("data: ", ""), ("data: {\"d\":\"", "\"}"), ("", "tb-")] {
            let line = [before.as_bytes(), &data, after.as_bytes()].concat();
            let (found, rest) = Marker::find(&line).unwrap().unwrap();
            assert_eq!(found, MARKER);
            assert_eq!(rest, [b"z", after.as_bytes()].concat());
        }
        assert_eq!(Marker::find(b"data: nothing"), Ok(None));
    }

    const SIZE: usize = 80;

    #[test]
    fn a_cut_or_damaged_marker_is_an_error() {
        let mut data = Vec::new();
        MARKER.write(SIZE, &mut data);
        for end in 3..data.len() {
            assert_eq!(Marker::find(&data[..end]), Err(Torn), "cut at {end}");
        }
        data[SIZE - 5] = b'y';
        assert_eq!(Marker::find(&data), Err(Torn));
    }
}
