//! The settings of authorisation.

use std::fmt;
use std::time::Duration;

use super::Algorithm;
use crate::mercure;

/// Which keys verify tokens, and what is allowed without one.
#[derive(Debug, Clone)]
pub struct AuthConfig {
    /// Verifies the tokens of publishers. Default: none, so that nobody publishes with a token.
    pub publisher: Option<KeySource>,
    /// Verifies the tokens of subscribers. Default: none.
    pub subscriber: Option<KeySource>,
    /// Lets anybody subscribe to public updates. Default: off. With no subscriber key, tokens of
    /// subscribers are not looked at.
    pub anonymous: bool,
    /// Lets anybody publish anything when no token is shown: for development. Default: off.
    pub anonymous_publish: bool,
    /// The cookie that may carry the token. Default: `mercureAuthorization`.
    pub cookie_name: String,
    /// The origins whose pages may publish by cookie, `*` for all, `null`, or
    /// `scheme://host[:port]` with at most one `*`.
    /// Default: none.
    pub publish_origins: Vec<String>,
    /// The application that is asked about requests without a token that a key verifies. It goes before `anonymous` and
    /// `anonymous_publish`. Default: none.
    pub authorize: Option<AuthorizeConfig>,
}

/// An application that has sessions of its own, and how it is asked.
#[derive(Clone, PartialEq, Eq)]
pub struct AuthorizeConfig {
    /// An `http` or `https` URL without user and password.
    pub url: String,
    /// For how long an allowance is kept. Zero: for no time.
    pub cache: Duration,
    /// How long an answer may take. Not zero.
    pub timeout: Duration,
}

impl AuthorizeConfig {
    /// How long an allowance is kept by default: 10 seconds.
    pub const DEFAULT_CACHE: Duration = Duration::from_secs(10);
    /// How long an answer may take by default: 5 seconds.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

    /// The application at `url`, asked with the default times.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), cache: Self::DEFAULT_CACHE, timeout: Self::DEFAULT_TIMEOUT }
    }
}

impl fmt::Debug for AuthorizeConfig {
    /// Never the URL, which can hold a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizeConfig")
            .field("cache", &self.cache)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self {
            publisher: None,
            subscriber: None,
            anonymous: false,
            anonymous_publish: false,
            cookie_name: mercure::credentials::DEFAULT_COOKIE_NAME.to_owned(),
            publish_origins: Vec::new(),
            authorize: None,
        }
    }
}

/// Where verification keys come from.
#[derive(Clone, PartialEq, Eq)]
pub enum KeySource {
    /// One key.
    Key {
        /// The shared secret of an `HS*` algorithm, or a public key in PEM.
        secret_or_pem: String,
        /// The one algorithm tokens may use.
        algorithm: Algorithm,
    },
    /// A JSON Web Key Set (RFC 7517) of public keys, kept up to date.
    JwksUrl {
        /// An `http`, `https` or `file` URL.
        url: String,
        /// How often it is fetched again, beside when a token names an unknown key. Not zero.
        refresh: Duration,
    },
}

impl KeySource {
    /// How often a key set is fetched again by default: every 10 minutes.
    pub const DEFAULT_REFRESH: Duration = Duration::from_mins(10);

    /// A key set at `url`, fetched again every 10 minutes.
    pub fn jwks_url(url: impl Into<String>) -> Self {
        Self::JwksUrl { url: url.into(), refresh: Self::DEFAULT_REFRESH }
    }
}

impl fmt::Debug for KeySource {
    /// Never a secret: a URL can hold one too.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key { algorithm, .. } => {
                f.debug_struct("Key").field("algorithm", algorithm).finish_non_exhaustive()
            }
            Self::JwksUrl { refresh, .. } => {
                f.debug_struct("JwksUrl").field("refresh", refresh).finish_non_exhaustive()
            }
        }
    }
}
