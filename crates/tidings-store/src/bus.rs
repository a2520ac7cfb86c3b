//! How the hubs that share a log talk to one another.

use std::fmt;

use bytes::Bytes;
use futures_core::future::BoxFuture;
use tidings_hub::Unavailable;

/// Short messages, each to all hubs that share a log, the sender among them. A message may be lost, most likely while the
/// engine is away; none is kept for who comes later. Those of one sender arrive in their order.
pub trait Bus: fmt::Debug + Send + Sync {
    /// Sends a message of at most [`MAX_MESSAGE_BYTES`]. The work begins with the call, not when the future is polled.
    fn send(&self, message: Bytes) -> BoxFuture<'static, Result<(), Unavailable>>;

    /// Listens from now on.
    fn listen(&self) -> Box<dyn Listen>;
}

/// Who listens to a [`Bus`].
pub trait Listen: Send {
    /// Waits for the next message. It goes on for as long as it is asked; while the engine is away it waits, and connects
    /// again by itself.
    ///
    /// # Cancel safety
    /// Cancel safe: what was not returned comes with the next call.
    fn next(&mut self) -> BoxFuture<'_, Bytes>;
}

/// How large a message on a [`Bus`] may be, in bytes: half of what NATS takes by default.
pub const MAX_MESSAGE_BYTES: usize = 512 * 1024;
