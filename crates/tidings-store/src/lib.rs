//! Logs that outlive a hub's process, and logs that several hubs share.
//!
//! Each is a [`Log`](tidings_hub::Log) behind a [`Hub`](tidings_hub::Hub).

mod bus;
pub mod disk;
mod mark;
pub mod nats;
mod record;
pub mod redis;
mod retention;

pub use bus::{Bus, Listen, MAX_MESSAGE_BYTES};
pub use retention::Retention;
