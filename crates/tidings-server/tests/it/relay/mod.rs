//! The relay, against upstreams that do what a test tells them to, over real sockets.
//!
//! - `shared`: one upstream connection for all, ids, resuming, losses, snapshots.
//! - `answers`: what clients are told when an upstream gives no stream.
//! - `log`: a log behind the hub that is away, or does not say what it has.
//! - `per_client`: one upstream connection each, what is passed on, and when it ends.
//! - `routes`: paths, queries, and who may read.
//! - `secrets`: what must not reach the log, another host, or another user.
//! - `tls`: upstreams over HTTPS.

mod answers;
mod log;
mod per_client;
mod routes;
mod secrets;
mod shared;
mod tls;
pub(crate) mod upstream;
