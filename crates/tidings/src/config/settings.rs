//! The configuration in force, typed: every value is in its range, and every unit is in its type.

use std::{
    fmt,
    net::SocketAddr,
    num::{NonZeroU64, NonZeroUsize},
    path::PathBuf,
    time::Duration,
};

use http::header::HeaderName;
use ipnet::IpNet;
use reqwest::Url;
use tidings_server::{Lane, auth::Algorithm};
use tidings_store::disk::Durability;

/// What the hub runs with. `default.toml` says what each setting means and what it is by default.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// Where publishers and subscribers connect.
    pub(crate) listen: SocketAddr,
    /// Where probes and metrics are.
    pub(crate) admin_listen: SocketAddr,
    /// Development mode: anyone may publish too. Both addresses are loopback.
    pub(crate) dev: bool,
    pub(crate) log: LogConfig,
    pub(crate) auth: AuthConfig,
    /// The origins whose pages may talk to the hub; `*` is any.
    pub(crate) cors_origins: Vec<String>,
    pub(crate) stream: StreamConfig,
    pub(crate) limits: LimitsConfig,
    /// Whose forwarding headers are believed.
    pub(crate) trusted_proxies: Vec<IpNet>,
    /// Over how long streams are closed at shutdown.
    pub(crate) drain_time: Duration,
    /// Whether active subscriptions are announced and listed.
    pub(crate) subscriptions: bool,
    /// Whether the dashboard is served.
    pub(crate) dashboard: bool,
    pub(crate) telemetry: TelemetryConfig,
    /// What is relayed of existing backends.
    pub(crate) relays: Vec<Relay>,
    /// What whoever starts the hub should know, one sentence each, without secrets.
    pub(crate) warnings: Vec<String>,
}

/// Where the log is kept, and how much of it.
#[derive(Clone, Debug)]
pub(crate) struct LogConfig {
    pub(crate) store: Store,
    /// How much of it is in memory, in bytes; not less than `LimitsConfig::update_bytes`.
    pub(crate) memory: NonZeroUsize,
    pub(crate) max_updates: NonZeroUsize,
    /// In bytes; not less than `LimitsConfig::update_bytes`.
    pub(crate) max_bytes: NonZeroU64,
    /// None: no limit by age.
    pub(crate) max_age: Option<Duration>,
}

/// Where the log is kept.
#[derive(Clone, Debug)]
pub(crate) enum Store {
    Memory,
    Disk { directory: PathBuf, durability: Durability },
    Redis { engine: Engine, wait_replicas: u32 },
    Nats { engine: Engine, replicas: usize },
}

/// A server that keeps a log which several hubs share.
#[derive(Clone)]
pub(crate) struct Engine {
    /// May hold a password.
    pub(crate) url: String,
    pub(crate) name: String,
    pub(crate) credentials_file: Option<PathBuf>,
    pub(crate) ca_file: Option<PathBuf>,
}

/// Never shows the URL, which may hold a password.
impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Who may publish and subscribe.
#[derive(Clone, Debug)]
pub(crate) struct AuthConfig {
    /// None only in development mode, and with an authorize callback.
    pub(crate) publisher: Option<KeySource>,
    /// None only when `anonymous` is on, and with an authorize callback.
    pub(crate) subscriber: Option<KeySource>,
    /// Whether one may subscribe without a token.
    pub(crate) anonymous: bool,
    pub(crate) cookie_name: String,
    /// The origins that may publish with the cookie, as written.
    pub(crate) publish_origins: Vec<String>,
    /// The application that is asked about requests without a token.
    pub(crate) authorize: Option<AuthorizeConfig>,
}

/// The application that is asked what a client may do, and how.
#[derive(Clone)]
pub(crate) struct AuthorizeConfig {
    /// An `http` or `https` URL without user and password.
    pub(crate) url: Url,
    /// For how long an allowance is kept; zero is for no time.
    pub(crate) cache: Duration,
    /// How long an answer may take; not zero.
    pub(crate) timeout: Duration,
}

/// Never shows what may be secret in the URL.
impl fmt::Debug for AuthorizeConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizeConfig")
            .field("host", &self.url.host_str())
            .field("cache", &self.cache)
            .field("timeout", &self.timeout)
            .finish()
    }
}

/// Where the keys that verify one role's tokens come from.
#[derive(Clone)]
pub(crate) enum KeySource {
    /// One key and the only algorithm it is used with.
    Key { key: String, algorithm: Algorithm },
    /// A key set behind an `http`, `https` or `file` URL.
    Jwks(Url),
}

/// Never shows the key, nor a password in the URL.
impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key { algorithm, .. } => {
                f.debug_struct("Key").field("algorithm", algorithm).finish_non_exhaustive()
            }
            Self::Jwks(url) => f.debug_tuple("Jwks").field(&url.host_str()).finish(),
        }
    }
}

/// How streams behave.
#[derive(Clone, Debug)]
pub(crate) struct StreamConfig {
    /// Silence before a comment is sent; at least one second.
    pub(crate) keep_alive: Duration,
    /// The least a browser is told to wait before it reconnects; each connection is told up to
    /// double.
    pub(crate) retry: Duration,
    /// None: no limit.
    pub(crate) max_age: Option<Duration>,
    /// How long a peer may take no byte; at least one second.
    pub(crate) peer_timeout: Duration,
    /// How the bytes of streams over HTTP/1.1 leave the process.
    pub(crate) lane: Lane,
}

/// What is refused beyond which number. None: no limit.
#[derive(Clone, Debug)]
pub(crate) struct LimitsConfig {
    pub(crate) streams: NonZeroUsize,
    pub(crate) per_user: Option<NonZeroUsize>,
    pub(crate) per_address: Option<NonZeroUsize>,
    pub(crate) per_topic: Option<NonZeroUsize>,
    pub(crate) selectors: NonZeroUsize,
    pub(crate) topics_per_update: NonZeroUsize,
    pub(crate) update_bytes: NonZeroUsize,
    /// Not less than `update_bytes`.
    pub(crate) request_bytes: NonZeroUsize,
    pub(crate) header_bytes: NonZeroUsize,
    pub(crate) connections: NonZeroUsize,
}

/// What is relayed from where.
#[derive(Clone, Debug)]
pub(crate) struct Relay {
    /// Without what is read when the hub starts: headers and certificates.
    pub(crate) config: tidings_server::RelayConfig,
    pub(crate) headers: Vec<(HeaderName, RelayHeader)>,
    /// A file of certificates in PEM.
    pub(crate) certificates: Option<PathBuf>,
}

/// The value of a header.
#[derive(Clone)]
pub(crate) enum RelayHeader {
    Text(String),
    /// What the variable of this name holds.
    Variable(String),
}

/// Never shows the text, which may be a secret.
impl fmt::Debug for RelayHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => f.write_str("Text(..)"),
            Self::Variable(name) => f.debug_tuple("Variable").field(name).finish(),
        }
    }
}

/// What the hub says about itself.
#[derive(Clone, Debug)]
pub(crate) struct TelemetryConfig {
    /// A filter that `tracing_subscriber::EnvFilter` accepts.
    pub(crate) filter: String,
    pub(crate) format: LogFormat,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}
