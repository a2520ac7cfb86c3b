//! The event-stream format of Server-Sent Events, sans-I/O: no sockets, no async, no clock.
//!
//! [`Event::encode`] makes bytes and cannot fail, since what could break the stream is refused
//! when the fields are made. [`Decoder`] takes bytes in whatever chunks they come and gives back
//! events, comments and reconnection times, exactly as the WHATWG HTML standard (9.2) says, in
//! linear time and bounded memory.
//!
//! ```
//! use tidings_wire::{Chunk, Decoder, Event, EventId, EventType, Item};
//!
//! let event = Event::new("first line\nsecond line")
//!     .with_id(EventId::new("42")?)
//!     .with_type(EventType::new("note")?);
//! let frame = event.encode();
//! assert_eq!(frame, "event: note\nid: 42\ndata: first line\ndata: second line\n\n");
//!
//! let mut decoder = Decoder::new();
//! let mut seen = Vec::new();
//! for chunk in frame.chunks(7) {
//!     let mut chunk = Chunk::new(chunk);
//!     while let Some(item) = decoder.decode(&mut chunk)? {
//!         if let Item::Event(event) = item {
//!             seen.push((event.event_type.to_owned(), event.data.to_owned()));
//!         }
//!     }
//! }
//! assert_eq!(seen, [("note".to_owned(), "first line\nsecond line".to_owned())]);
//! assert_eq!(decoder.last_event_id(), "42");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod chunk;
mod decode;
mod encode;
mod error;
mod event;
mod field;
mod grammar;
mod item;
mod limits;
mod line;
mod open_line;
mod pending;
mod text;
#[cfg(test)]
mod work;

pub use chunk::Chunk;
pub use decode::Decoder;
pub use encode::{KEEP_ALIVE, encode_retry};
pub use error::{DecodeError, InvalidField};
pub use event::Event;
pub use field::{Comment, EventId, EventType};
pub use item::{EventRef, Item, OwnedEvent};
pub use limits::Limits;
