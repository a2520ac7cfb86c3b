//! Bad input gets a clear error and changes nothing, and the hub goes on (guarantee 11).
//!
//! Most of it is tables of requests with what must be answered; `harness` holds what is checked after each of them.
//!
//! - `form`, `json`, `ndjson`: bodies that are no updates.
//! - `routing`: what is not served, and headers that are wrong.
//! - `syntax`: bytes that are not HTTP.
//! - `subscribing`: selectors, cursors and addresses that are odd or wrong.
//! - `tokens`: everything that can be wrong with a token, and that none is ever told or logged.
//! - `limits`: refusals that depend on what else is going on.
//! - `log_away`: what is refused while the log behind the hub is away, and what is not.
//! - `silence`: clients that stop in the middle.
//! - `sockets`: connections that are half closed, reset, or full.
//! - `http2`: the same over one connection with many streams.
//! - `fuzz`: requests made of noise.
//! - `reasons`: every reason that the server can give is met in one of the tables.

mod form;
mod fuzz;
mod harness;
mod http2;
mod json;
mod limits;
mod log_away;
mod ndjson;
mod reasons;
mod routing;
mod silence;
mod sockets;
mod subscribing;
mod syntax;
mod tokens;

pub(crate) use harness::{keep_log, logged};
