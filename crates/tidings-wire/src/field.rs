//! The single-line texts of the format: ids, types and comments, checked once when they are made.
//!
//! A value of these types cannot end its line early, so encoding it cannot fail and cannot be used
//! to inject a field.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use memchr::{memchr2, memchr3};

use crate::InvalidField;

/// An event's id: what a client sends back as `Last-Event-ID`.
///
/// Any text without NUL, CR and LF; the value space of WHATWG HTML 9.2.4. It may be empty: an empty
/// id resets the client's last event id. Cloning shares the text.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(Arc<str>);

impl EventId {
    /// Checks `text` and makes it an id.
    ///
    /// # Errors
    ///
    /// [`InvalidField::Id`] if the text holds NUL, CR or LF.
    pub fn new(text: impl Into<Arc<str>>) -> Result<Self, InvalidField> {
        let text = text.into();
        match find(memchr3(b'\0', b'\r', b'\n', text.as_bytes()), &text) {
            Some((byte, offset)) => Err(InvalidField::Id { byte, offset }),
            None => Ok(Self(text)),
        }
    }
}

/// An event's type: the name that listeners subscribe to.
///
/// Any text without NUL, CR and LF. It may be empty, which means the same as having none: the
/// client sees a `message`. Cloning shares the text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventType(Arc<str>);

impl EventType {
    /// Checks `text` and makes it an event type.
    ///
    /// # Errors
    ///
    /// [`InvalidField::Type`] if the text holds NUL, CR or LF.
    pub fn new(text: impl Into<Arc<str>>) -> Result<Self, InvalidField> {
        let text = text.into();
        match find(memchr3(b'\0', b'\r', b'\n', text.as_bytes()), &text) {
            Some((byte, offset)) => Err(InvalidField::Type { byte, offset }),
            None => Ok(Self(text)),
        }
    }
}

/// A comment: a line that clients read past. It keeps a connection alive.
///
/// Any text without CR and LF. Cloning shares the text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Comment(Arc<str>);

impl Comment {
    /// Checks `text` and makes it a comment.
    ///
    /// # Errors
    ///
    /// [`InvalidField::Comment`] if the text holds CR or LF.
    pub fn new(text: impl Into<Arc<str>>) -> Result<Self, InvalidField> {
        let text = text.into();
        match find(memchr2(b'\r', b'\n', text.as_bytes()), &text) {
            Some((byte, offset)) => Err(InvalidField::Comment { byte, offset }),
            None => Ok(Self(text)),
        }
    }
}

/// The offending byte and its offset, where the search found one.
fn find(offset: Option<usize>, text: &str) -> Option<(u8, usize)> {
    let offset = offset?;
    text.as_bytes().get(offset).map(|&byte| (byte, offset))
}

/// What the three types have in common: reading the text.
macro_rules! reads_as_text {
    ($($name:ident)*) => { $(
        impl $name {
            /// The text, as it was given.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                self.as_str()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:?})", stringify!($name), self.as_str())
            }
        }
    )* };
}

reads_as_text! { EventId EventType Comment }
