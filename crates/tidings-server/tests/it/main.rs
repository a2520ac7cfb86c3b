//! The server's tests.
//!
//! - `auth_*`: whose tokens count: where they are found, what they say, keys of every algorithm, key sets that rotate.
//! - `hostile`: bad input gets a clear error and changes nothing.
//! - `smoke`: the main job over real sockets, end to end.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod auth_credentials;
mod auth_jwks;
mod auth_keys;
mod auth_support;
mod auth_tokens;
mod hostile;
mod smoke;
mod support;
