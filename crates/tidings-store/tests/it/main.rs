//! The logs' tests.
//!
//! - `contract`: what every log must do, written once and run on each.
//! - `nats`: on JetStream.
//! - `naive`: a log in a vector, which shows that the contract can be kept, and what others are compared with.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod contract;
mod naive;
mod nats;
