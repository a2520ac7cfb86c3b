//! From the layers to the typed configuration: reads each setting once, checks its range, then what
//! settings say together. Pure: reads neither files nor the environment.

use std::{
    net::{IpAddr, SocketAddr},
    num::NonZeroUsize,
    time::Duration,
};

use clap::ValueEnum;
use ipnet::IpNet;
use reqwest::Url;
use tidings_hub::Update;
use tidings_server::{Lane, RelayAccess, auth::Algorithm};
use tracing_subscriber::EnvFilter;

use super::{
    error::ConfigError,
    layers::{Layers, Setting},
    relay::RelayTable,
    settings::{
        AuthConfig, AuthorizeConfig, Config, KeySource, LimitsConfig, LogFormat, Relay,
        StreamConfig, TelemetryConfig,
    },
    units::parse_duration,
    value::Value,
};

/// The shortest secret that is as strong as HS256 itself (RFC 7518, 3.2).
const STRONG_SECRET_BYTES: usize = 32;

/// The secret of Mercure's examples, which everyone knows.
const WELL_KNOWN_SECRET: &str = "!ChangeThisMercureHubJWTSecretKey!";

/// The longest silence that common proxies let pass.
const SAFE_KEEP_ALIVE: Duration = Duration::from_secs(30);

/// The hub's short path, which a relay may take.
const EVENTS_PATH: &str = "/events";

/// The shortest keep-alive and peer timeout.
const ONE_SECOND: Duration = Duration::from_secs(1);

/// The smallest head of a request that leaves room for a token.
const LEAST_HEADER_BYTES: usize = 4 << 10;

impl Config {
    /// Types and checks the values in force.
    ///
    /// # Errors
    /// When a value is out of its range, settings contradict each other, or nothing says who may
    /// publish or subscribe and development mode is off.
    pub(crate) fn resolve(layers: &Layers) -> Result<Self, ConfigError> {
        let read = Reader { layers, relay: None };
        let mut config = Self {
            listen: read.address("listen")?,
            admin_listen: read.address("admin_listen")?,
            dev: read.switch("dev")?,
            log: read.log()?,
            auth: read.auth()?,
            cors_origins: read.list("cors.origins")?,
            stream: read.stream()?,
            limits: read.limits()?,
            trusted_proxies: read.networks("proxies.trusted")?,
            drain_time: read.duration("drain.time")?,
            subscriptions: read.switch("mercure.subscriptions")?,
            dashboard: read.switch("dashboard.enabled")?,
            telemetry: read.telemetry()?,
            relays: read.relays()?,
            warnings: layers.warnings.clone(),
        };
        config.check()?;
        config.warn(layers);
        Ok(config)
    }

    /// Checks what settings say together.
    fn check(&self) -> Result<(), ConfigError> {
        if self.dev {
            for (name, address) in [("listen", self.listen), ("admin_listen", self.admin_listen)] {
                if !address.ip().is_loopback() {
                    return Err(ConfigError::DevNotLoopback { name, address });
                }
            }
        }
        let conflict = |name, rule, other| Err(ConfigError::Conflict { name, other, rule });
        if self.listen == self.admin_listen && self.listen.port() != 0 {
            return conflict("admin_listen", "must differ from", "listen");
        }
        if self.limits.request_bytes < self.limits.update_bytes {
            return conflict(
                "limits.request_bytes",
                "must not be less than",
                "limits.update_bytes",
            );
        }
        self.check_log()?;
        let is_decided = self.auth.authorize.is_some();
        // A hub that only relays has no publishers, and no subscribers of its own where anyone may read what it relays.
        if self.auth.publisher.is_none() && !self.dev && !is_decided && self.relays.is_empty() {
            return Err(ConfigError::NoPublisherKey);
        }
        let is_open = |relay: &Relay| relay.config.access == RelayAccess::Anyone;
        let only_open_relays = !self.relays.is_empty() && self.relays.iter().all(is_open);
        let is_anyones = self.auth.anonymous || only_open_relays;
        if self.auth.subscriber.is_none() && !is_anyones && !is_decided {
            return Err(ConfigError::NoSubscriberKey);
        }
        Ok(())
    }

    /// Notes what is allowed but seldom meant.
    fn warn(&mut self, layers: &Layers) {
        let roles = [("publisher", &self.auth.publisher), ("subscriber", &self.auth.subscriber)];
        for (role, source) in roles {
            match source {
                Some(KeySource::Jwks(_))
                    if layers.setting(&format!("auth.{role}_key")).is_some() =>
                {
                    self.warnings.push(format!(
                        "auth.{role}_key is not used: auth.{role}_jwks_url stands before it"
                    ));
                }
                Some(KeySource::Key { key, .. }) if key == WELL_KNOWN_SECRET => {
                    self.warnings.push(format!(
                        "auth.{role}_key is the example's secret, which everyone knows"
                    ));
                }
                Some(KeySource::Key { key, algorithm })
                    if algorithm.is_symmetric() && key.len() < STRONG_SECRET_BYTES =>
                {
                    self.warnings.push(format!(
                        "auth.{role}_key is shorter than {STRONG_SECRET_BYTES} bytes and can be guessed"
                    ));
                }
                _ => {}
            }
        }
        if self.auth.authorize.is_some() && self.auth.anonymous && !self.dev {
            self.warnings
                .push("auth.anonymous is not used: auth.authorize_url stands before it".to_owned());
        }
        for relay in self.relays.iter().filter(|relay| relay.config.path.contains("/:")) {
            self.warnings.push(format!(
                "`/:` in the relay's path {} stands for itself: a part that varies is written {{name}}",
                relay.config.path
            ));
        }
        if self.relays.iter().any(|relay| relay.config.path == EVENTS_PATH) {
            self.warnings.push(format!(
                "a relay is at {EVENTS_PATH}: to subscribe to the hub itself, use /.well-known/mercure"
            ));
        }
        if self.stream.keep_alive > SAFE_KEEP_ALIVE {
            self.warnings.push(
                "stream.keep_alive is longer than 30s: many proxies will close idle streams"
                    .to_owned(),
            );
        }
    }
}

/// Reads one setting at a time as a type. Every error names the setting, where it was said and what
/// it takes.
pub(super) struct Reader<'a> {
    layers: &'a Layers,
    /// The relay whose settings are read.
    relay: Option<&'a RelayTable>,
}

impl<'a> Reader<'a> {
    /// A reader of one relay's settings.
    pub(super) fn of_relay(layers: &'a Layers, relay: &'a RelayTable) -> Self {
        Self { layers, relay: Some(relay) }
    }

    fn relays(&self) -> Result<Vec<Relay>, ConfigError> {
        let event_bytes = self.at_least_one("limits.update_bytes")?.get();
        self.layers.relays.iter().map(|table| table.resolve(self.layers, event_bytes)).collect()
    }

    fn setting(&self, name: &str) -> Option<&'a Setting> {
        self.relay.and_then(|relay| relay.setting(name)).or_else(|| self.layers.setting(name))
    }

    fn auth(&self) -> Result<AuthConfig, ConfigError> {
        Ok(AuthConfig {
            publisher: self.key_source(
                "auth.publisher_key",
                "auth.publisher_alg",
                "auth.publisher_jwks_url",
            )?,
            subscriber: self.key_source(
                "auth.subscriber_key",
                "auth.subscriber_alg",
                "auth.subscriber_jwks_url",
            )?,
            anonymous: self.switch("auth.anonymous")?,
            cookie_name: self.cookie_name("auth.cookie_name")?,
            publish_origins: self.list("auth.publish_origins")?,
            authorize: self.authorize()?,
        })
    }

    fn authorize(&self) -> Result<Option<AuthorizeConfig>, ConfigError> {
        const NAME: &str = "auth.authorize_url";
        const URL: &str =
            "an http or https URL without user and password: the client's own are sent there";
        let cache = self.duration("auth.authorize_cache")?;
        let timeout = self.duration("auth.authorize_timeout")?;
        if timeout.is_zero() {
            return Err(self.wrong("auth.authorize_timeout", "longer than 0s"));
        }
        if self.layers.setting(NAME).is_none() {
            return Ok(None);
        }
        let url = Url::parse(self.text(NAME)?).map_err(|_| self.wrong(NAME, URL))?;
        let has_credentials = !url.username().is_empty() || url.password().is_some();
        if !matches!(url.scheme(), "http" | "https") || has_credentials {
            return Err(self.wrong(NAME, URL));
        }
        Ok(Some(AuthorizeConfig { url, cache, timeout }))
    }

    fn stream(&self) -> Result<StreamConfig, ConfigError> {
        Ok(StreamConfig {
            keep_alive: self.a_second_or_more("stream.keep_alive")?,
            retry: self.duration("stream.retry")?,
            max_age: self.optional_duration("stream.max_age")?,
            peer_timeout: self.a_second_or_more("stream.peer_timeout")?,
            lane: self.lane("stream.lane")?,
        })
    }

    fn lane(&self, name: &'static str) -> Result<Lane, ConfigError> {
        match self.text(name)? {
            "direct" => Ok(Lane::Direct),
            "body" => Ok(Lane::Body),
            _ => Err(self.wrong(name, "\"direct\" or \"body\"")),
        }
    }

    fn limits(&self) -> Result<LimitsConfig, ConfigError> {
        let header_bytes = self.at_least_one("limits.header_bytes")?;
        if header_bytes.get() < LEAST_HEADER_BYTES {
            return Err(self.wrong("limits.header_bytes", "at least 4KiB"));
        }
        let topics_per_update = self.at_least_one("limits.topics_per_update")?;
        if topics_per_update.get() > Update::MAX_TOPICS {
            return Err(self.wrong("limits.topics_per_update", "at most 65_535"));
        }
        Ok(LimitsConfig {
            streams: self.at_least_one("limits.streams")?,
            per_user: self.limit("limits.per_user")?,
            per_address: self.limit("limits.per_address")?,
            per_topic: self.limit("limits.per_topic")?,
            selectors: self.at_least_one("limits.selectors")?,
            topics_per_update,
            update_bytes: self.at_least_one("limits.update_bytes")?,
            request_bytes: self.at_least_one("limits.request_bytes")?,
            header_bytes,
            connections: self.at_least_one("limits.connections")?,
        })
    }

    fn telemetry(&self) -> Result<TelemetryConfig, ConfigError> {
        let filter = self.text("telemetry.log")?;
        if EnvFilter::try_new(filter).is_err() {
            return Err(self.wrong("telemetry.log", "error, warn, info, debug, trace or a filter"));
        }
        let format = LogFormat::from_str(self.text("telemetry.log_format")?, false)
            .map_err(|_| self.wrong("telemetry.log_format", "\"text\" or \"json\""))?;
        Ok(TelemetryConfig { filter: filter.to_owned(), format })
    }

    /// The key set if there is one, else the key, else nothing.
    fn key_source(
        &self,
        key: &'static str,
        algorithm: &'static str,
        jwks_url: &'static str,
    ) -> Result<Option<KeySource>, ConfigError> {
        const URL: &str = "an http, https or file URL";
        const ALGORITHM: &str = "HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, \
                                 ES512 or EdDSA";
        if self.layers.setting(jwks_url).is_some() {
            let url = Url::parse(self.text(jwks_url)?).map_err(|_| self.wrong(jwks_url, URL))?;
            return match url.scheme() {
                "http" | "https" | "file" => Ok(Some(KeySource::Jwks(url))),
                _ => Err(self.wrong(jwks_url, URL)),
            };
        }
        let algorithm_in_force: Algorithm =
            self.text(algorithm)?.parse().map_err(|_| self.wrong(algorithm, ALGORITHM))?;
        if self.layers.setting(key).is_none() {
            return Ok(None);
        }
        let text = self.text(key)?;
        let is_pem = text.trim_start().starts_with("-----BEGIN");
        match algorithm_in_force.is_symmetric() {
            _ if text.trim().is_empty() => Err(self.wrong(key, "a key, not empty text")),
            true if is_pem => {
                Err(self.wrong(key, "a secret, or its algorithm one for a PEM key: it holds PEM"))
            }
            false if !is_pem => {
                Err(self.wrong(key, "a public key in PEM, as its algorithm is not HS*"))
            }
            _ => Ok(Some(KeySource::Key { key: text.to_owned(), algorithm: algorithm_in_force })),
        }
    }

    fn cookie_name(&self, name: &'static str) -> Result<String, ConfigError> {
        let text = self.text(name)?;
        // RFC 6265, 4.1.1: a cookie's name is a token (RFC 9110, 5.6.2).
        let is_token =
            |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if text.is_empty() || !text.bytes().all(is_token) {
            return Err(self.wrong(name, "a cookie name: ASCII letters, digits and a few signs"));
        }
        Ok(text.to_owned())
    }

    fn address(&self, name: &'static str) -> Result<SocketAddr, ConfigError> {
        let address = self.text(name)?.parse();
        address.map_err(|_| {
            self.wrong(name, "an IP address and a port, such as 127.0.0.1:3000 or [::]:3000")
        })
    }

    fn networks(&self, name: &'static str) -> Result<Vec<IpNet>, ConfigError> {
        let network = |text: &String| {
            let network = text.parse::<IpNet>();
            network.or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).ok()
        };
        let networks = self.list(name)?.iter().map(network).collect::<Option<_>>();
        networks.ok_or_else(|| self.wrong(name, "addresses or ranges such as 10.0.0.0/8"))
    }

    fn a_second_or_more(&self, name: &'static str) -> Result<Duration, ConfigError> {
        let duration = self.duration(name)?;
        if duration < ONE_SECOND { Err(self.wrong(name, "at least 1s")) } else { Ok(duration) }
    }

    pub(super) fn optional_duration(
        &self,
        name: &'static str,
    ) -> Result<Option<Duration>, ConfigError> {
        Ok(Some(self.duration(name)?).filter(|duration| !duration.is_zero()))
    }

    pub(super) fn duration(&self, name: &'static str) -> Result<Duration, ConfigError> {
        let duration = parse_duration(self.text(name)?);
        duration.ok_or_else(|| {
            self.wrong(name, "a duration with its unit, such as 250ms, 15s or 1h30m")
        })
    }

    pub(super) fn at_least_one(&self, name: &'static str) -> Result<NonZeroUsize, ConfigError> {
        self.limit(name)?.ok_or_else(|| self.wrong(name, "at least 1"))
    }

    pub(super) fn limit(&self, name: &'static str) -> Result<Option<NonZeroUsize>, ConfigError> {
        match self.value(name)? {
            Value::Count(count) => {
                let count =
                    usize::try_from(*count).map_err(|_| self.wrong(name, "a smaller number"))?;
                Ok(NonZeroUsize::new(count))
            }
            _ => Err(self.wrong(name, "a whole number")),
        }
    }

    pub(super) fn switch(&self, name: &'static str) -> Result<bool, ConfigError> {
        match self.value(name)? {
            Value::Switch(on) => Ok(*on),
            _ => Err(self.wrong(name, "true or false")),
        }
    }

    fn list(&self, name: &'static str) -> Result<Vec<String>, ConfigError> {
        match self.value(name)? {
            Value::List(items) => Ok(items.clone()),
            _ => Err(self.wrong(name, "a list")),
        }
    }

    pub(super) fn text(&self, name: &'static str) -> Result<&'a str, ConfigError> {
        match self.value(name)? {
            Value::Text(text) => Ok(text),
            _ => Err(self.wrong(name, "text")),
        }
    }

    fn value(&self, name: &'static str) -> Result<&'a Value, ConfigError> {
        let setting = self.setting(name);
        setting.map(|setting| &setting.value).ok_or(ConfigError::Missing { name })
    }

    pub(super) fn wrong(&self, name: &'static str, expected: &'static str) -> ConfigError {
        let key = super::key::Key::named(name).or_else(|| super::relay::named(name));
        match (self.setting(name), key) {
            (Some(setting), Some(key)) => ConfigError::WrongValue {
                name,
                origin: setting.origin.clone(),
                expected,
                found: key.shown(&setting.value),
            },
            _ => ConfigError::Missing { name },
        }
    }
}
