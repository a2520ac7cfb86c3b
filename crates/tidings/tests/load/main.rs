//! What must hold under load, tried on the built program, with the figures it gave.
//!
//! - `churn`: clients of a relay that come and go
//! - `commands`: publish, subscribe and resume with plain `curl`
//! - `replay`: a long replay while publishing goes on
//! - `stuck`: a subscriber that stops reading, and the others beside it
//! - `vanish`: thousands that disappear and come back
//! - `drain`: SIGTERM and SIGINT
//! - `startup`: how soon it is ready
//! - `stream`, `publisher`, and from `support` `hub` and `request`: the program, and those who talk to it
//! - `memory`: what memory it has
//! - `network`: a link that can be cut
//! - `numbered`: updates that tell which they are and when they were sent
//! - `turn`, from `support`: one test at a time
#![expect(clippy::unwrap_used, reason = "helper functions of the tests fail by panicking")]
#![expect(clippy::indexing_slicing, reason = "helper functions of the tests fail by panicking")]
#![expect(clippy::panic, reason = "helper functions of the tests fail by panicking")]
#![expect(clippy::print_stderr, reason = "the figures are for whoever reads the test's output")]

mod churn;
mod commands;
mod drain;
#[path = "../support/hub.rs"]
mod hub;
mod memory;
mod network;
mod numbered;
mod publisher;
mod replay;
#[path = "../support/request.rs"]
mod request;
mod startup;
mod stream;
mod stuck;
#[path = "../support/turn.rs"]
mod turn;
mod vanish;
