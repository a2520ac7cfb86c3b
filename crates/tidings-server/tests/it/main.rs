//! The server over real sockets.
//!
//! - `mercure`: the Mercure protocol in its 0.x dialect, by behaviour.
//! - `smoke`: the main job, end to end.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod mercure;
mod smoke;
mod support;
