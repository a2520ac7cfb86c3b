//! Which relay a path belongs to.

use std::fmt;
use std::sync::Arc;

use http::header::{
    CONNECTION, CONTENT_LENGTH, HeaderName, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use matchit::InsertError;
use reqwest::{Client, Url};
use tokio::sync::Semaphore;
use tracing::warn;

use super::channel::Channels;
use super::config::{InvalidRelay, RelayAccess, RelayConfig, RelayMode};
use super::error::UpstreamError;
use super::target::Target;
use super::upstream;
use crate::mercure::{CURSOR_PARAMETERS, HUB_PATH};
use crate::told::Told;

/// The query parameter that may carry a hub's token.
const TOKEN_PARAMETER: &str = "authorization";

/// Headers that are about the connection or the body of a request.
const FRAMING: [HeaderName; 8] = [
    CONNECTION,
    CONTENT_LENGTH,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// All relays.
#[derive(Default)]
pub(crate) struct Relays(matchit::Router<Arc<Relay>>);

/// One relay.
pub(super) struct Relay {
    pub(super) config: RelayConfig,
    pub(super) target: Target,
    pub(super) client: Client,
    pub(super) channels: Channels,
    /// How many more upstream connections there may be.
    pub(super) room: Arc<Semaphore>,
    told: Told,
}

/// A relay, and where a request for one of its paths leads.
pub(crate) struct Route {
    pub(super) relay: Arc<Relay>,
    path: String,
    pub(super) url: Url,
}

impl Relays {
    /// Checks the settings. `is_alone`: no other hub has the same log.
    ///
    /// # Errors
    /// [`InvalidRelay`] says of which relay what is wrong.
    pub(crate) fn new(configs: Vec<RelayConfig>, is_alone: bool) -> Result<Self, InvalidRelay> {
        let mut router = matchit::Router::new();
        for config in configs {
            let (path, mode) = (config.path.clone(), config.mode);
            let relay = Relay::new(config)?;
            let fault = |fault: String| InvalidRelay::Path { path: path.clone(), fault };
            if mode == RelayMode::Shared && !is_alone {
                return Err(fault(SHARED_LOG.to_owned()));
            }
            if !path.starts_with('/') {
                return Err(fault("the path must begin with /".to_owned()));
            }
            if is_the_hubs(&path) {
                return Err(fault("this path is the hub's own".to_owned()));
            }
            router.insert(&path, Arc::new(relay)).map_err(|error| {
                fault(match error {
                    InsertError::Conflict { with } => {
                        format!("another relay answers at {with}: give one of them another path")
                    }
                    error => error.to_string(),
                })
            })?;
        }
        Ok(Self(router))
    }

    /// The relay of a request's path, with its query.
    pub(crate) fn find(&self, path: &str, query: &str) -> Option<Route> {
        if is_the_hubs(path) {
            return None;
        }
        let found = self.0.at(path).ok()?;
        let relay = found.value;
        let url = {
            let is_shared = relay.config.mode == RelayMode::Shared;
            relay.target.fill(&found.params, &relay.passed_query(query, is_shared))?
        };
        Some(Route { relay: Arc::clone(relay), path: path.to_owned(), url })
    }
}

/// Why a shared relay needs a log of its own hub.
const SHARED_LOG: &str = "it cannot put its events into a log that several hubs share, because each of them would: leave \
                          out the bus, or make it a per-client relay";

/// What cannot work in a relay's settings.
fn fault(config: &RelayConfig) -> Option<String> {
    if config.mode == RelayMode::PerClient && config.snapshot > 0 {
        return Some("a snapshot is for a shared relay: a per-client one keeps nothing".to_owned());
    }
    for (name, time) in
        [("connect_timeout", config.connect_timeout), ("answer_timeout", config.answer_timeout)]
    {
        if time.is_zero() {
            return Some(format!("{name} must be more than zero"));
        }
    }
    let framing = config.headers.keys().find(|name| FRAMING.contains(name))?;
    Some(format!("the header {framing} is about one connection, and is not the relay's to set"))
}

/// Whether a path is Mercure's, which stays the hub's whatever is relayed.
fn is_the_hubs(path: &str) -> bool {
    path.strip_prefix(HUB_PATH).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Relay {
    fn new(config: RelayConfig) -> Result<Self, InvalidRelay> {
        let target = Target::parse(&config.url)?;
        if let Some(fault) = fault(&config) {
            return Err(InvalidRelay::Path { path: config.path, fault });
        }
        let named = |name: &str| {
            config.path.contains(&format!("{{{name}}}"))
                || config.path.contains(&format!("{{*{name}}}"))
        };
        if let Some(name) = target.names().find(|name| !named(name)) {
            let (path, name) = (config.path.clone(), name.to_owned());
            return Err(InvalidRelay::UnknownName { path, name });
        }
        Ok(Self {
            client: upstream::client(&config)?,
            target,
            channels: Channels::default(),
            room: Arc::new(Semaphore::new(config.upstreams.min(Semaphore::MAX_PERMITS))),
            told: Told::default(),
            config,
        })
    }

    /// What of a request's query goes to the upstream, as it is written. Not the hub's own parameters: a token that was
    /// shown to the hub, and, where it is to be without that, one subscriber's place in the stream.
    fn passed_query(&self, query: &str, without_cursor: bool) -> String {
        if !self.config.query {
            return String::new();
        }
        let is_passed = |pair: &&str| {
            let name = pair.split('=').next().unwrap_or_default();
            let name = form_urlencoded::parse(name.as_bytes()).next();
            let name = name.map(|(name, _)| name).unwrap_or_default();
            let is_token = name == TOKEN_PARAMETER && self.config.access != RelayAccess::Anyone;
            let is_cursor = without_cursor && CURSOR_PARAMETERS.contains(&name.as_ref());
            !is_token && !is_cursor
        };
        query.split('&').filter(is_passed).collect::<Vec<_>>().join("&")
    }

    /// Tells the log why an upstream gives no stream, and gives the same back. Where one fails many may ask for it: a
    /// line a second is enough.
    pub(super) fn tell(&self, error: UpstreamError) -> UpstreamError {
        let (reason, detail) = (error.reason(), error.for_operators());
        if self.told.is_news(reason) {
            let (relay, upstream) = (self.config.path.as_str(), self.target.origin());
            warn!(relay, upstream, reason, detail, "the upstream gives no event stream");
        }
        error
    }
}

impl Route {
    pub(super) fn config(&self) -> &RelayConfig {
        &self.relay.config
    }

    /// The topic of what comes: the path as asked for, with the query that the upstream is sent. Braces are escaped, so
    /// that it is no template.
    pub(super) fn topic(&self, query: &str) -> String {
        let query = self.relay.passed_query(query, true);
        let before = if query.is_empty() { "" } else { "?" };
        format!("{}{before}{query}", self.path).replace('{', "%7B").replace('}', "%7D")
    }
}

/// Without the relays' secrets.
impl fmt::Debug for Relays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relays").finish_non_exhaustive()
    }
}
