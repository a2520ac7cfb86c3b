//! How much a decoder holds before it refuses a stream.

use crate::DecodeError;

/// The sizes above which a stream is refused. They bound the decoder's memory.
///
/// Both are 16 MiB by default: more than the 14 MB that a client test suite sends to every client
/// (more, up to 128 MiB, only to those that ask for it), and small enough that a hostile stream
/// cannot exhaust a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The longest line, in bytes, its end not counted. It holds for every line, also for those
    /// that are read past, so that an endless line ends the stream instead of stalling it.
    pub max_line_bytes: usize,
    /// The most data of one event, in bytes as they came, counting one LF between `data` lines.
    pub max_event_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_line_bytes: 16 * 1024 * 1024, max_event_bytes: 16 * 1024 * 1024 }
    }
}

impl Limits {
    /// Refuses a line of `line_bytes` so far that makes the event's data `event_bytes` so far.
    ///
    /// Where both limits are exceeded, the one that was exceeded first is told: each byte of a
    /// value adds to both counts, so that is the one exceeded by more, and the line's if it was the
    /// same byte. The answer then does not depend on how the stream was cut.
    pub(crate) fn check(self, line_bytes: usize, event_bytes: usize) -> Result<(), DecodeError> {
        let line_excess = line_bytes.saturating_sub(self.max_line_bytes);
        let event_excess = event_bytes.saturating_sub(self.max_event_bytes);
        if line_excess == 0 && event_excess == 0 {
            Ok(())
        } else if line_excess >= event_excess {
            Err(DecodeError::LineTooLong { limit: self.max_line_bytes })
        } else {
            Err(DecodeError::EventTooLarge { limit: self.max_event_bytes })
        }
    }
}
