//! Why a request is not authorised, and why a configuration is not usable.

use std::error::Error;
use std::fmt;

use super::{KeyError, KeySetError, Role};
use crate::origin::InvalidOrigin;

/// Why a request was not authenticated. Never holds anything of the token: causes that could
/// quote it are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthError {
    /// There is no token, and anonymous access is not allowed.
    MissingToken,
    /// The `Authorization` header is not `Bearer` followed by a token.
    MalformedHeader,
    /// There is more than one `Authorization` header.
    SeveralHeaders,
    /// There is more than one token in the query string.
    SeveralParameters,
    /// The token is too short to be one.
    TokenTooShort,
    /// The token is longer than 8 KiB.
    TokenTooLong,
    /// The token is not a signed JSON Web Token.
    Malformed,
    /// The token's `alg` is not that of the key.
    WrongAlgorithm,
    /// The token demands extensions by a `crit` header.
    UnsupportedCritical,
    /// The signature is not the key's.
    BadSignature,
    /// The key set does not have the key the token names.
    UnknownKey,
    /// There is a token, but no key is configured to verify it.
    NoKey,
    /// The token's `exp` has passed.
    Expired,
    /// The token's `nbf` has not come.
    NotYetValid,
    /// A claim has another shape than it should.
    BadClaims {
        /// The claim's name.
        claim: &'static str,
    },
    /// A request to publish by cookie says nothing of the page it comes from.
    OriginMissing,
    /// A request to publish by cookie comes from a page whose origin is not allowed.
    OriginNotAllowed,
    /// The key set was never loaded. Waiting may help; nothing is wrong with the request.
    KeysUnavailable,
    /// The application does not know who this is.
    CallbackUnauthorized,
    /// The application does not allow this.
    CallbackForbidden,
    /// The application lets this client subscribe to nothing.
    NoTopics,
    /// The application allows the publish, but does not say to which topics.
    NoPublishList,
    /// The application gave no answer that is understood. Waiting may help; nothing is wrong with the request.
    CallbackFailed,
    /// The user's or session's streams were ended while the request was looked at. To ask again helps.
    Kicked,
}

impl AuthError {
    /// A stable name, for logs, metrics and problem documents.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::MissingToken => "missing_token",
            Self::MalformedHeader => "malformed_header",
            Self::SeveralHeaders => "several_headers",
            Self::SeveralParameters => "several_parameters",
            Self::TokenTooShort => "token_too_short",
            Self::TokenTooLong => "token_too_long",
            Self::Malformed => "malformed_token",
            Self::WrongAlgorithm => "wrong_algorithm",
            Self::UnsupportedCritical => "unsupported_critical",
            Self::BadSignature => "bad_signature",
            Self::UnknownKey => "unknown_key",
            Self::NoKey => "no_key",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::BadClaims { .. } => "bad_claims",
            Self::OriginMissing => "origin_missing",
            Self::OriginNotAllowed => "origin_not_allowed",
            Self::KeysUnavailable => "keys_unavailable",
            Self::CallbackUnauthorized => "callback_unauthorized",
            Self::CallbackForbidden => "callback_forbidden",
            Self::NoTopics | Self::NoPublishList => "forbidden",
            Self::CallbackFailed => "callback_failed",
            Self::Kicked => "kicked",
        }
    }
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MissingToken => {
                "a token is required: send `Authorization: Bearer` and one that the hub's key verifies"
            }
            Self::MalformedHeader => "the Authorization header is not a bearer token: write `Bearer` and the token",
            Self::SeveralHeaders => "there is more than one Authorization header",
            Self::SeveralParameters => "there is more than one token in the query",
            Self::TokenTooShort => "the token is too short",
            Self::TokenTooLong => "the token is too long",
            Self::Malformed => "the token is not a signed JSON Web Token",
            Self::WrongAlgorithm => "the token's algorithm is not the one of the key",
            Self::UnsupportedCritical => "the token demands extensions that are not supported",
            Self::BadSignature => "the token's signature does not match the key",
            Self::UnknownKey => "the token's key is not in the key set",
            Self::NoKey => {
                "no key is configured to verify a token, so no token helps: set auth.publisher_key or auth.subscriber_key; a program that embeds the hub puts an Identity into the request"
            }
            Self::Expired => "the token has expired",
            Self::NotYetValid => "the token is not valid yet",
            Self::BadClaims { claim } => {
                return write!(f, "the token's claim {claim} has the wrong shape");
            }
            Self::OriginMissing => {
                "the request has neither Origin nor Referer: to publish with a cookie send one that auth.publish_origins lists"
            }
            Self::OriginNotAllowed => {
                "the request's origin may not publish: auth.publish_origins does not list it"
            }
            Self::KeysUnavailable => "the key set is not available",
            Self::CallbackUnauthorized => {
                "the application behind auth.authorize_url does not know who this is: log in there"
            }
            Self::CallbackForbidden => {
                "the application behind auth.authorize_url does not allow this: log in there as somebody who may"
            }
            Self::NoTopics => {
                "the application behind auth.authorize_url allows no topics: its answer has an empty `topics`"
            }
            Self::NoPublishList => {
                "the application behind auth.authorize_url does not say what may be published: it has to answer with `publish`, the list of topics, as JSON or in X-Tidings-Publish"
            }
            Self::CallbackFailed => {
                "the application behind auth.authorize_url gave no answer that the hub understands: try again; the hub's log says what is wrong"
            }
            Self::Kicked => "the streams of this user or session were just ended: try again",
        })
    }
}

impl Error for AuthError {}

/// Why a configuration is refused at start.
#[derive(Debug)]
#[non_exhaustive]
pub enum AuthConfigError {
    /// A key does not fit its algorithm.
    Key {
        /// Whose key.
        role: Role,
        /// What is wrong.
        source: KeyError,
    },
    /// A key set cannot be used at all: its URL is wrong, or its file cannot be read.
    KeySet {
        /// Whose key set.
        role: Role,
        /// What is wrong.
        source: KeySetError,
    },
    /// A cookie cannot have this name.
    CookieName,
    /// An entry of the origins that may publish is not one.
    PublishOrigin(InvalidOrigin),
    /// The URL of the authorize callback is not one of http or https, or has a user or a password.
    AuthorizeUrl,
    /// The time for an answer of the authorize callback is zero.
    AuthorizeTimeout,
    /// The authorize callback cannot be asked, because TLS is not to be had.
    AuthorizeClient(reqwest::Error),
}

impl fmt::Display for AuthConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whose = |role: &Role| match role {
            Role::Publisher => "publisher",
            Role::Subscriber => "subscriber",
        };
        match self {
            Self::Key { role, .. } => write!(f, "the {} key is not usable", whose(role)),
            Self::KeySet { role, .. } => write!(f, "the {} key set is not usable", whose(role)),
            Self::CookieName => f.write_str("a cookie cannot have the name that was given"),
            Self::PublishOrigin(_) => f.write_str("an origin that may publish is not valid"),
            Self::AuthorizeUrl => f.write_str(
                "the authorize callback needs an http or https URL, without user and password: the client's own are sent there",
            ),
            Self::AuthorizeTimeout => f.write_str("the authorize callback needs more time than none"),
            Self::AuthorizeClient(_) => f.write_str("the authorize callback cannot be asked"),
        }
    }
}

impl Error for AuthConfigError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Key { source, .. } => Some(source),
            Self::KeySet { source, .. } => Some(source),
            Self::CookieName | Self::AuthorizeUrl | Self::AuthorizeTimeout => None,
            Self::AuthorizeClient(source) => Some(source),
            Self::PublishOrigin(source) => Some(source),
        }
    }
}
