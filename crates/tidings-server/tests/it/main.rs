//! The server's tests.
//!
//! - `auth_*`: whose tokens count: where they are found, what they say, keys of every algorithm, key sets that rotate.
//! - `authorize`: an application that is asked who may do what, and streams that are ended from outside.
//! - `cluster`: hubs that act as one: limits, calls that end streams and lists across several.
//! - `direct`: what is particular to the direct lane, and that many streams on few shards get everything in order.
//! - `embedding`: the hub inside a host program: where it is mounted, whom the host vouches for, how it ends.
//! - `guarantees`: one test for each line of `docs/guarantees.md`.
//! - `health`: the probes, of a stuck hub too.
//! - `hostile`: bad input gets a clear error and changes nothing.
//! - `lifetime`: keep-alives, reconnection times, the age of streams.
//! - `mercure`: the Mercure protocol by behaviour.
//! - `metrics`: the figures for Prometheus.
//! - `relay`: event streams of an existing backend, relayed.
//! - `smoke`: the main job, end to end.
//!
//! `support` starts servers and speaks to them, `probe` asks the admin listener, `memory` counts what is allocated, `memory_log` is a log
//! to put behind a hub.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod auth_credentials;
mod auth_jwks;
mod auth_keys;
mod auth_support;
mod auth_tokens;
mod authorize;
mod cluster;
mod direct;
mod embedding;
mod guarantees;
mod health;
mod hostile;
mod lifetime;
mod memory;
/// A log to put behind a hub: the one that the hub's own tests use.
#[path = "../../../tidings-hub/tests/it/behind/memory.rs"]
#[expect(dead_code, reason = "the hub's own tests do more with it")]
mod memory_log;
mod mercure;
mod metrics;
mod probe;
mod relay;
mod smoke;
mod support;
