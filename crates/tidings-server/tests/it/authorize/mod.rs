//! An application with sessions of its own, which the hub asks, and streams that are ended from the admin listener.
//!
//! - `application`: a web server that answers as a test says, and counts what it is asked.
//! - `answers`: what each answer leads to.
//! - `cache`: which questions are asked again, and that no two users share an answer.
//! - `publishing`: who may publish, and from which pages.
//! - `ending`: sessions that end, on the lane of the run.
//! - `relayed`: the same for the streams of a relay.
//! - `secrets`: no credential reaches the log.

mod answers;
pub(crate) mod application;
mod cache;
pub(crate) mod ending;
mod publishing;
mod relayed;
mod secrets;
