//! The server over real sockets.
//!
//! - `hostile`: bad input gets a clear error and changes nothing.
//! - `smoke`: the main job, end to end.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod hostile;
mod smoke;
mod support;
