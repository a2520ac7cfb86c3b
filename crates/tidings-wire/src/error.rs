//! The errors of this crate: texts that no field may hold, and streams larger than the limits.

use std::error::Error;
use std::fmt;

/// Why a text cannot be an event's id or type, or a comment.
///
/// Each variant names the field and holds the first byte that may not stand in it. The text itself
/// is not kept, so that the error may be logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidField {
    /// An event id holds NUL, CR or LF.
    Id {
        /// The byte that may not stand there.
        byte: u8,
        /// Where it stands, in bytes from the start of the text.
        offset: usize,
    },
    /// An event type holds NUL, CR or LF.
    Type {
        /// The byte that may not stand there.
        byte: u8,
        /// Where it stands, in bytes from the start of the text.
        offset: usize,
    },
    /// A comment holds CR or LF.
    Comment {
        /// The byte that may not stand there.
        byte: u8,
        /// Where it stands, in bytes from the start of the text.
        offset: usize,
    },
}

impl fmt::Display for InvalidField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (field, byte, offset) = match *self {
            Self::Id { byte, offset } => ("event id", byte, offset),
            Self::Type { byte, offset } => ("event type", byte, offset),
            Self::Comment { byte, offset } => ("comment", byte, offset),
        };
        write!(f, "{field} holds the byte 0x{byte:02x} at offset {offset}")
    }
}

impl Error for InvalidField {}

/// Why a stream cannot be decoded further.
///
/// Bytes that mean nothing are not errors, the format ignores them; only a stream that would take
/// more memory than the [`Limits`](crate::Limits) allow is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// A line, of whatever kind, is longer than the limit.
    LineTooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// The data of one event is larger than the limit.
    EventTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LineTooLong { limit } => write!(f, "a line is longer than {limit} bytes"),
            Self::EventTooLarge { limit } => {
                write!(f, "the data of an event is larger than {limit} bytes")
            }
        }
    }
}

impl Error for DecodeError {}
