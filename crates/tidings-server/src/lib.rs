//! The HTTP edge of the Tidings hub: subscribing and publishing over HTTP/1.1 and HTTP/2, the Mercure protocol (0.x),
//! authorisation, limits, metrics, the dashboard.
//!
//! This is the only crate that knows server-side HTTP.
//!
//! A program of its own calls [`Server::serve`]. A host program mounts [`Server::service`] or [`Server::endpoint`] in its
//! router, vouches for its users with an [`auth::Identity`], and calls [`Server::drain`] before it goes down: the page
//! `docs/embedding.md` has axum, actix-web and hyper.

/// The code of the page about embedding has to compile.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/embedding.md")]
struct EmbeddingPage;

mod acceptor;
mod address;
mod admin;
mod announce;
pub mod auth;
mod bodies;
mod body;
mod cluster;
mod compact;
mod config;
mod connection;
mod cors;
mod dashboard;
mod direct;
mod disconnect;
#[cfg(test)]
mod documented;
mod drain;
mod error;
mod headers;
mod http_client;
mod http_connection;
mod kick;
mod lag;
mod mercure;
mod metrics;
mod origin;
mod peer;
mod publish;
mod reject;
mod relay;
mod router;
mod script;
mod serve;
mod server;
mod service;
mod sockets;
mod stream;
mod subscribe;
mod subscriptions;
mod told;

pub use acceptor::bind;
pub use address::TrustedProxies;
pub use body::Body;
pub use config::{Lane, RequestLimits, ServerConfig, StreamConfig};
pub use disconnect::Whom;
pub use error::StartError;
pub use origin::InvalidOrigin;
pub use peer::Peer;
pub use relay::{InvalidRelay, RelayAccess, RelayConfig, RelayMode};
pub use server::Server;
pub use service::HubService;
