//! What must hold under load, tried on the built program, with the figures it gave.
//!
//! - `churn`: clients of a relay that come and go
//! - `commands`: publish, subscribe and resume with plain `curl`
//! - `replay`: a long replay while publishing goes on
//! - `stuck`: a subscriber that stops reading, and the others beside it
//! - `vanish`: thousands that disappear and come back
//! - `drain`: SIGTERM and SIGINT
//! - `startup`: how soon it is ready
//! - `hub`, `stream`, `publisher`, `request`: the program, and those who talk to it
//! - `network`: a link that can be cut
//! - `numbered`: updates that tell which they are and when they were sent
//! - `turn`: one test at a time
#![expect(clippy::unwrap_used, reason = "helper functions of the tests fail by panicking")]
#![expect(clippy::indexing_slicing, reason = "helper functions of the tests fail by panicking")]
#![expect(clippy::panic, reason = "helper functions of the tests fail by panicking")]
#![expect(clippy::print_stderr, reason = "the figures are for whoever reads the test's output")]

mod churn;
mod commands;
mod drain;
mod hub;
mod network;
mod numbered;
mod publisher;
mod replay;
mod request;
mod startup;
mod stream;
mod stuck;
mod turn;
mod vanish;
