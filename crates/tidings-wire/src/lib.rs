//! The event-stream format of Server-Sent Events, sans-I/O.

mod encode;
mod error;
mod event;
mod field;

pub use encode::{KEEP_ALIVE, encode_retry};
pub use error::InvalidField;
pub use event::Event;
pub use field::{Comment, EventId, EventType};
