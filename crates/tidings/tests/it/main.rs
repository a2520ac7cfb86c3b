//! The built program, run as a user runs it.
//!
//! - `browser`: the dashboard in a real Chromium
//! - `client`: the client crate and a real hub, over a line that breaks
//! - `cli`: exit codes, what goes to which stream, the configuration
//! - `token`: what a minted token holds
//! - `publish`: the request a hub gets, and what its answers become
//! - `subscribe`: printing, resuming, refusals
//! - `support`: the program, and a scripted hub
#![expect(clippy::unwrap_used, reason = "helper functions of the tests fail by panicking")]

mod browser;
mod cli;
mod client;
mod publish;
mod subscribe;
mod support;
mod token;
