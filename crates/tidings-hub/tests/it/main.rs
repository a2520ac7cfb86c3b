//! The guarantees of the hub, one file for each.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what is wrong by panicking"
)]

mod allocation;
mod batch;
mod behind;
mod close;
mod cost;
mod ending;
mod fixture;
mod gap;
mod idempotency;
mod limits;
mod model;
mod order;
mod presence;
mod private;
mod refusal;
mod resume;
mod retention;
mod shard;
mod waking;
