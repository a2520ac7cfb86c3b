//! The server over real sockets.
//!
//! - `smoke`: the main job, end to end.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod smoke;
mod support;
