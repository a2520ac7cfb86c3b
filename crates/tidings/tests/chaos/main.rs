//! What an acknowledged update survives, tried on the built program: hubs that are killed, engines that go away, and clients
//! that come back to whichever hub there is.
//!
//! - `crash`: one hub on its disk, killed at random moments
//! - `clients`: the same, with the publishers and subscribers of `tidings-client`
//! - `hopping`: three hubs on one engine, all of them killed and restarted under clients that hop from hub to hub
//! - `away`: what two hubs do while their engine is away, and when it has lost everything
//! - `together`: what two hubs know of each other's streams
//! - `starting`: what a hub finds when it starts, and what it says when it cannot
//! - `asking`: a publish whose answer is looked at
//! - `hall`: what is published and who reads it, in `crash`, `clients` and `hopping`
//! - `publisher`, `subscriber`: they never give up; `ledger`: what they were told, and whether it is the same
//! - `node`: a hub that is started again where it was; `engine`: a real Redis or NATS; `stream`: one connection; `token`: who asks
//! - `hub`, `request`, `turn`, from `support`: the program, and one test at a time
#![expect(clippy::unwrap_used, reason = "helper functions of the tests fail by panicking")]
#![expect(clippy::indexing_slicing, reason = "helper functions of the tests fail by panicking")]
#![expect(clippy::expect_used, reason = "helper functions of the tests fail by panicking")]
#![expect(clippy::panic, reason = "helper functions of the tests fail by panicking")]
#![expect(clippy::print_stderr, reason = "the figures are for whoever reads the test's output")]

mod asking;
mod away;
mod clients;
mod crash;
mod engine;
mod hall;
mod hopping;
#[path = "../support/hub.rs"]
mod hub;
mod ledger;
mod node;
mod publisher;
#[path = "../support/request.rs"]
mod request;
mod starting;
mod stream;
mod subscriber;
mod together;
mod token;
#[path = "../support/turn.rs"]
mod turn;
