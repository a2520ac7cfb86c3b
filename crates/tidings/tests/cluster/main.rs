//! Hubs behind a real nginx and a real HAProxy, with the sample configurations as they stand in `examples/balancer`.
//!
//! - `one`: what a stream through a balancer is, and what becomes of it where a hub is down or goes down
//! - `two`: two hubs that share a log
//! - `balancer`: nginx or HAProxy, running the sample
//! - `browser`: a client that comes back as an `EventSource` does
//! - `publisher`: who publishes until each update is acknowledged
//! - `hub`, `request`, `turn`, from `support`: the program, and one test at a time
//! - `redis`, from `tidings-store`: the log that the hubs share
#![expect(clippy::unwrap_used, reason = "helper functions of the tests fail by panicking")]
#![expect(clippy::indexing_slicing, reason = "helper functions of the tests fail by panicking")]
#![expect(clippy::expect_used, reason = "helper functions of the tests fail by panicking")]
#![expect(clippy::panic, reason = "helper functions of the tests fail by panicking")]

mod balancer;
mod browser;
#[path = "../support/hub.rs"]
mod hub;
mod one;
mod publisher;
#[path = "../../../tidings-store/tests/engine/redis.rs"]
#[expect(dead_code, reason = "the tests of the log itself use all of it")]
mod redis;
#[path = "../support/request.rs"]
mod request;
#[path = "../support/turn.rs"]
mod turn;
mod two;
