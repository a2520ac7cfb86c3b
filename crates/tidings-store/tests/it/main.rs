//! The logs' tests.
//!
//! - `contract`: what every log must do, written once and run on each.
//! - `disk`: the log on disk, and what may befall a disk.
//! - `nats`: on JetStream.
//! - `naive`: a log in a vector, which shows that the contract can be kept, and what others are compared with.
//! - `redis`: the log on Redis Streams, and what becomes of it when its server does not do well.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod contract;
mod disk;
mod naive;
mod nats;
mod redis;
