//! The server over real sockets.
//!
//! - `guarantees`: one test for each line of `docs/guarantees.md`.
//! - `health`: the probes, of a stuck hub too.
//! - `lifetime`: keep-alives, reconnection times, the age of streams.
//! - `metrics`: the figures for Prometheus.
//! - `smoke`: the main job, end to end.
//!
//! `support` starts servers and speaks to them, `probe` asks the admin listener, `memory` counts what is allocated.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod guarantees;
mod health;
mod lifetime;
mod memory;
mod metrics;
mod probe;
mod smoke;
mod support;
