//! The contract of an event-stream client, case by case, against a test service: the one of this crate, or the one at
//! `TIDINGS_CONTRACT_SERVICE`, which may be written in any language.
//!
//! The cases say what LaunchDarkly's `sse-contract-tests` ask for, in this project's own words, so that they hold where that
//! suite cannot be had; `cargo xtask contract` runs both. Each of its tests, of its 2.31.1 and of the payload sizes that it got
//! later, has a case here that expects as much or more.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "tests: their helpers are not test functions to clippy"
)]

mod asking;
mod cases;
mod http;
mod parsing;
mod reconnecting;
mod server;
mod service;
mod stage;
