//! The Mercure protocol in its 0.x dialect, through the whole server.
//!
//! - `conformance`: the cases of the protocol's published test suite.
//! - `publish`: what a publisher sends and is answered.
//! - `subscribe`: what a subscriber asks for and gets.
//! - `authorisation`: tokens, where they are carried, and what they allow.
//! - `resume`: the history, and where a stream goes on from.
//! - `presence`: who is subscribed now, as events and as documents.
//! - `cross_origin`: pages of other sites.
//! - `requests`: requests as Mercure's clients send them.

mod authorisation;
mod conformance;
mod cross_origin;
mod presence;
mod publish;
mod requests;
mod resume;
mod subscribe;
