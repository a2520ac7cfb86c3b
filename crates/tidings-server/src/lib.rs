//! The HTTP edge of the Tidings hub: subscribing and publishing over HTTP/1.1 and HTTP/2, the Mercure protocol (0.x),
//! authorisation, limits, metrics, the dashboard.
//!
//! This is the only crate that knows server-side HTTP.

mod acceptor;
mod address;
mod admin;
mod announce;
pub mod auth;
mod body;
mod compact;
mod config;
mod connection;
mod cors;
mod dashboard;
mod direct;
#[cfg(test)]
mod documented;
mod error;
mod headers;
mod http_connection;
mod lag;
mod mercure;
mod metrics;
mod origin;
mod publish;
mod reject;
mod relay;
mod router;
mod script;
mod serve;
mod server;
mod sockets;
mod stream;
mod subscribe;
mod subscriptions;

pub use acceptor::bind;
pub use address::TrustedProxies;
pub use body::Body;
pub use config::{Lane, RequestLimits, ServerConfig, StreamConfig};
pub use connection::Fate;
pub use error::StartError;
pub use origin::InvalidOrigin;
pub use relay::{InvalidRelay, RelayAccess, RelayConfig, RelayMode};
pub use server::{Peer, Server};
