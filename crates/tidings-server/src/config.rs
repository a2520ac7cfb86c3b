//! The settings of the HTTP edge, checked and typed.

use std::sync::Arc;
use std::time::Duration;

use tidings_store::Bus;

use crate::address::TrustedProxies;
use crate::auth::AuthConfig;
use crate::relay::RelayConfig;

/// The settings of the HTTP edge. The binary has defaults of its own; its `docs/defaults.md` gives their reasons.
#[derive(Debug)]
pub struct ServerConfig {
    /// Whose tokens count, and for what.
    pub auth: AuthConfig,
    /// From which origins pages of other sites may use the hub; `*` is any.
    pub cors_origins: Vec<String>,
    /// How streams behave.
    pub stream: StreamConfig,
    /// What a request may hold.
    pub requests: RequestLimits,
    /// How many connections [`Server::serve`](crate::Server::serve) may have open at once; one more is closed unanswered, and
    /// a browser tries again.
    pub max_connections: usize,
    /// Which proxies may say whom a request comes from.
    pub trusted_proxies: TrustedProxies,
    /// Over how long streams are closed when the hub goes down.
    pub drain: Duration,
    /// Whether Mercure's active subscriptions are announced and listed. Where anybody may subscribe and subscribers have no
    /// key, whoever comes without an [`Identity`](crate::auth::Identity) may see the list, and so who is there.
    pub subscriptions: bool,
    /// Whether `/` is the dashboard.
    pub dashboard: bool,
    /// Event streams of an existing backend that are relayed.
    pub relays: Vec<RelayConfig>,
    /// How the hub talks to the others that share its log, so that the limit per user, calls that end streams and the list
    /// of active subscriptions hold across all of them; `None` for a hub that is alone. With it no relay may be shared.
    pub bus: Option<Arc<dyn Bus>>,
}

impl Default for ServerConfig {
    /// For a host program: nobody may subscribe or publish but whom the host vouches for with an
    /// [`Identity`](crate::auth::Identity); no other origins, no trusted proxies, 110,000 connections, a drain of 10 s,
    /// neither the list of subscriptions nor the dashboard, and no other hubs.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tidings_server::{ServerConfig, auth::AuthConfig};
    ///
    /// // Public updates are for all, and going down may take three seconds.
    /// let auth = AuthConfig { anonymous: true, ..AuthConfig::default() };
    /// let config = ServerConfig { auth, drain: Duration::from_secs(3), ..ServerConfig::default() };
    /// # assert!(!config.subscriptions && !config.dashboard && !config.auth.anonymous_publish);
    /// ```
    fn default() -> Self {
        Self {
            auth: AuthConfig::default(),
            cors_origins: Vec::new(),
            stream: StreamConfig::default(),
            requests: RequestLimits::default(),
            max_connections: 110_000,
            trusted_proxies: TrustedProxies::default(),
            drain: Duration::from_secs(10),
            subscriptions: false,
            dashboard: false,
            relays: Vec::new(),
            bus: None,
        }
    }
}

/// How streams behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamConfig {
    /// After how long a silence a keep-alive comment is sent; each stream draws its own within 10 % below.
    pub keep_alive: Duration,
    /// How long a browser waits before it reconnects; each stream draws its own between once and twice this.
    pub retry: Duration,
    /// How old a stream may become; each draws its own within 20 % below. `None` is any age.
    pub max_age: Option<Duration>,
    /// For how long a client may take no byte before its connection is closed.
    pub peer_timeout: Duration,
    /// How the bytes of streams over plain HTTP/1.1 leave the process.
    pub lane: Lane,
}

/// How a stream's bytes leave the process. What they are does not depend on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lane {
    /// The hub takes the socket over and writes to it itself: about three quarters of the processor time,
    /// and a sixth of the memory.
    /// Only streams over HTTP/1.1 to [`Server::serve`](crate::Server::serve) have it.
    #[default]
    Direct,
    /// As the body of a response, which whoever serves the connection sends: any version of HTTP, any server.
    Body,
}

impl Default for StreamConfig {
    /// 15 s, 2 s, any age, 90 s, the direct lane.
    fn default() -> Self {
        Self {
            keep_alive: Duration::from_secs(15),
            retry: Duration::from_secs(2),
            max_age: None,
            peer_timeout: Duration::from_secs(90),
            lane: Lane::Direct,
        }
    }
}

/// What a request may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestLimits {
    /// The request line and headers together, in bytes.
    pub header_bytes: usize,
    /// How long a client may take for them.
    pub header_timeout: Duration,
    /// A form or JSON body, in bytes. An NDJSON body may be of any length.
    pub body_bytes: usize,
    /// How long a client may take for a form or JSON body, or between two pieces of an NDJSON body.
    pub body_timeout: Duration,
    /// One update's data, in bytes.
    pub update_bytes: usize,
    /// One update's topics. The hub takes no more than [`Update::MAX_TOPICS`](tidings_hub::Update::MAX_TOPICS).
    pub topics_per_update: usize,
}

impl Default for RequestLimits {
    /// 16 KiB within 10 s; 16 MiB within 30 s; 1 MiB and 1,000 topics an update.
    fn default() -> Self {
        Self {
            header_bytes: 16 * 1024,
            header_timeout: Duration::from_secs(10),
            body_bytes: 16 * 1024 * 1024,
            body_timeout: Duration::from_secs(30),
            update_bytes: 1024 * 1024,
            topics_per_update: 1_000,
        }
    }
}
