//! The settings of one relay.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use http::header::{HeaderMap, HeaderName, HeaderValue};

/// The settings of one relay: what is relayed, to whom, and how.
#[derive(Clone)]
pub struct RelayConfig {
    /// Where subscribers ask for it: a path. `{name}` stands for one part of it, `{*name}` at the end for all the rest.
    /// By default the path of `url`.
    pub path: String,
    /// Where the events come from: an `http` or `https` URL without user, password and fragment. Its path may hold the
    /// `{name}`s of `path`; its query, if it has one, is sent with every request.
    pub url: String,
    /// Whether subscribers share one upstream connection. Default: they do.
    pub mode: RelayMode,
    /// Who may read it. Default: [`RelayAccess::Subscribers`].
    pub access: RelayAccess,
    /// Whether the query of the request is sent to the upstream; what is asked for with another query is another stream
    /// then. Default: it is.
    pub query: bool,
    /// Headers that are added to every request to the upstream, such as a token of this service. They replace the
    /// client's of the same name, and are not sent to any other host that the upstream redirects to.
    pub headers: HeaderMap,
    /// How many events the upstream sends at the beginning of every connection: such as a greeting, or the current state.
    /// They are kept, and sent to each new subscriber; on later connections they are not sent to those who are there.
    /// For a shared relay. Default: 0.
    pub snapshot: usize,
    /// Whether a new subscriber gets, after the snapshot, what came since it: right where the snapshot is a state and the
    /// events are changes of it. For a shared relay. Default: no.
    pub snapshot_replay: bool,
    /// For how long the upstream connection of a shared relay is kept when its last subscriber has gone. Default: 30 s.
    pub linger: Duration,
    /// How long the upstream may take to accept a connection. Default: 5 s.
    pub connect_timeout: Duration,
    /// How long a client waits for the head of the upstream's answer before it is refused. A shared upstream that takes
    /// longer is waited for on, for those who come back. Default: 30 s.
    pub answer_timeout: Duration,
    /// How large a line, and the data of an event, may be, in bytes. An upstream that sends more is disconnected, and
    /// connected to again. For a shared relay: a per-client one keeps nothing. Default: 1 MiB.
    pub event_bytes: usize,
    /// How many upstream connections there may be at once. Default: 1,000.
    pub upstreams: usize,
    /// Certificates in PEM that an `https` upstream's may be signed by, beside those that the system trusts.
    pub certificates: Option<Vec<u8>>,
}

/// Whether subscribers share an upstream connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RelayMode {
    /// One upstream connection for each URL, whoever asks for it. Nothing of a client's request but its path and query
    /// reaches the upstream.
    #[default]
    Shared,
    /// One upstream connection for each subscriber, with the client's credentials: for streams that depend on who asks.
    PerClient,
}

/// Who may read a relay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RelayAccess {
    /// Anyone: tokens are not looked at. Right where the upstream decides, in the per-client mode.
    Anyone,
    /// Who may subscribe to this hub.
    #[default]
    Subscribers,
    /// Who may, and has a grant for the relay's topic: the path as asked for, with its query if the relay passes that on.
    Granted,
}

impl RelayConfig {
    /// A relay of `url` at the same path, with the defaults.
    pub fn new(url: impl Into<String>) -> Self {
        let url = url.into();
        let path = url.split_once("://").and_then(|(_, rest)| rest.find('/').map(|at| &rest[at..]));
        let path = path.unwrap_or("/").split(['?', '#']).next().unwrap_or("/").to_owned();
        Self {
            path,
            url,
            mode: RelayMode::default(),
            access: RelayAccess::default(),
            query: true,
            headers: HeaderMap::new(),
            snapshot: 0,
            snapshot_replay: false,
            linger: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(5),
            answer_timeout: Duration::from_secs(30),
            event_bytes: 1024 * 1024,
            upstreams: 1_000,
            certificates: None,
        }
    }

    /// Adds a header to every request to the upstream.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }
}

/// Never shows the headers' values, which may be secrets.
impl fmt::Debug for RelayConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<&str> = self.headers.keys().map(HeaderName::as_str).collect();
        f.debug_struct("RelayConfig")
            .field("path", &self.path)
            .field("url", &self.url.split('?').next())
            .field("mode", &self.mode)
            .field("access", &self.access)
            .field("headers", &headers)
            .finish_non_exhaustive()
    }
}

/// Why a relay cannot be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum InvalidRelay {
    /// The URL is not one, or not of the kind that is relayed.
    Url {
        /// The URL, without query, user and password.
        url: String,
        /// What it must be.
        expected: &'static str,
    },
    /// The path is not one.
    Path {
        /// The path.
        path: String,
        /// What is wrong with it.
        fault: String,
    },
    /// The URL's path holds a `{name}` that the relay's path does not.
    UnknownName {
        /// The relay's path.
        path: String,
        /// The name.
        name: String,
    },
    /// The certificates are not in PEM.
    Certificates {
        /// The relay's path.
        path: String,
    },
    /// No HTTP client can be made, as where the system has no certificates.
    Client {
        /// The relay's path.
        path: String,
        /// Why.
        source: reqwest::Error,
    },
}

impl fmt::Display for InvalidRelay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url { url, expected } => {
                write!(f, "the relay of {url:?}: the URL must be {expected}")
            }
            Self::Path { path, fault } => write!(f, "the relay at {path:?}: {fault}"),
            Self::UnknownName { path, name } => {
                write!(
                    f,
                    "the relay at {path:?}: its URL holds {{{name}}}, which its path does not"
                )
            }
            Self::Certificates { path } => {
                write!(f, "the relay at {path:?}: the certificates are not in PEM")
            }
            Self::Client { path, .. } => {
                write!(f, "the relay at {path:?}: no HTTP client can be made")
            }
        }
    }
}

impl Error for InvalidRelay {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Client { source, .. } => Some(source),
            _ => None,
        }
    }
}
