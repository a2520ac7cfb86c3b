//! JSON Web Tokens in their compact form (RFC 7519, RFC 7515): parsed, verified, then read.
//!
//! A token names its algorithm and perhaps its key; of its header nothing else is used. Keys that
//! a token brings along (`jwk`, `jku`, `x5u`, `x5c`) are never looked at.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::object::read_object;
use super::{AuthError, VerificationKey};

/// The longest token that is looked at.
const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// How far an issuer's clock may be ahead of ours: a token is taken this long before its `nbf`.
/// There is no such tolerance for `exp`, because a stream ends exactly then.
const NOT_BEFORE_LEEWAY: Duration = Duration::from_mins(1);

/// A token taken apart, not verified: only its header can be read.
pub(super) struct Token<'a> {
    header: Header,
    /// The first two segments, which the signature covers.
    signed: &'a str,
    payload: &'a str,
    signature: Vec<u8>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    #[serde(default, deserialize_with = "present")]
    crit: bool,
}

/// True for a member that is there, whatever it holds.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

impl<'a> Token<'a> {
    /// Takes a token apart.
    pub(super) fn parse(text: &'a str) -> Result<Self, AuthError> {
        if text.len() > MAX_TOKEN_BYTES {
            return Err(AuthError::TokenTooLong);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(AuthError::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(AuthError::Malformed)?;
        // Five segments are an encrypted token.
        if payload.contains('.') {
            return Err(AuthError::Malformed);
        }
        let header: Header = read_object(&decode(header)?).ok_or(AuthError::Malformed)?;
        if header.crit {
            return Err(AuthError::UnsupportedCritical);
        }
        Ok(Self { header, signed, payload, signature: decode(signature)? })
    }

    /// The algorithm's name, as the token states it.
    pub(super) fn algorithm(&self) -> &str {
        &self.header.alg
    }

    /// The key's name, as the token states it.
    pub(super) fn key_id(&self) -> Option<&str> {
        self.header.kid.as_deref()
    }

    /// Checks algorithm, signature and times, and gives the claims.
    pub(super) fn verify(
        self,
        key: &VerificationKey,
        now: SystemTime,
    ) -> Result<Claims, AuthError> {
        if self.algorithm() != key.algorithm().name() {
            return Err(AuthError::WrongAlgorithm);
        }
        if !key.verifies(self.signed.as_bytes(), &self.signature) {
            return Err(AuthError::BadSignature);
        }
        let json = String::from_utf8(decode(self.payload)?).map_err(|_| AuthError::Malformed)?;
        Claims::read(json, now)
    }
}

/// The claims of a verified token that is valid now.
pub(super) struct Claims {
    json: String,
    /// `sub`, unless it is empty.
    pub(super) subject: Option<Arc<str>>,
    /// `sid`, unless it is empty.
    pub(super) session: Option<Arc<str>>,
    /// `exp`.
    pub(super) expires_at: Option<SystemTime>,
}

#[derive(Deserialize)]
struct Registered<'a> {
    #[serde(borrow)]
    sub: Option<&'a RawValue>,
    sid: Option<&'a RawValue>,
    exp: Option<&'a RawValue>,
    nbf: Option<&'a RawValue>,
}

impl Claims {
    fn read(json: String, now: SystemTime) -> Result<Self, AuthError> {
        let registered: Registered<'_> =
            read_object(json.as_bytes()).ok_or(AuthError::Malformed)?;
        let subject = registered.sub.map(|raw| name(raw, "sub")).transpose()?.flatten();
        let session = registered.sid.map(|raw| name(raw, "sid")).transpose()?.flatten();
        let expires_at = registered.exp.map(|raw| date(raw, "exp")).transpose()?;
        let not_before = registered.nbf.map(|raw| date(raw, "nbf")).transpose()?;
        if expires_at.is_some_and(|end| end <= now) {
            return Err(AuthError::Expired);
        }
        let ahead = not_before.and_then(|start| start.duration_since(now).ok());
        if ahead.is_some_and(|ahead| ahead > NOT_BEFORE_LEEWAY) {
            return Err(AuthError::NotYetValid);
        }
        Ok(Self { json, subject, session, expires_at })
    }

    /// All claims: a JSON object.
    pub(super) fn json(&self) -> &str {
        &self.json
    }
}

/// Reads a text; `None` for the empty one.
fn name(raw: &RawValue, claim: &'static str) -> Result<Option<Arc<str>>, AuthError> {
    let name: String =
        serde_json::from_str(raw.get()).map_err(|_| AuthError::BadClaims { claim })?;
    Ok((!name.is_empty()).then(|| name.into()))
}

/// Reads a `NumericDate` (RFC 7519, 2): seconds, perhaps with a fraction. What is before 1970 is
/// taken for 1970: either way it has passed.
fn date(raw: &RawValue, claim: &'static str) -> Result<SystemTime, AuthError> {
    let bad = AuthError::BadClaims { claim };
    let Ok(seconds) = serde_json::from_str::<f64>(raw.get()) else { return Err(bad) };
    let since = Duration::try_from_secs_f64(seconds.max(0.0)).ok();
    since.and_then(|since| UNIX_EPOCH.checked_add(since)).ok_or(bad)
}

fn decode(segment: &str) -> Result<Vec<u8>, AuthError> {
    URL_SAFE_NO_PAD.decode(segment).map_err(|_| AuthError::Malformed)
}
