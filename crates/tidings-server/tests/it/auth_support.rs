//! Requests and tokens for the tests of authorisation.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Request;
use http::request::Parts;
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};
use tidings_server::auth::{Algorithm, AuthConfig, Authenticator, KeySource};

/// The secret of every Mercure example.
pub(crate) const SECRET: &str = "!ChangeThisMercureHubJWTSecretKey!";

/// The time of all requests, in seconds since 1970.
pub(crate) const NOW_SECS: u64 = 2_000_000_000;

pub(crate) fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW_SECS)
}

pub(crate) fn secret_key() -> KeySource {
    KeySource::Key { secret_or_pem: SECRET.to_owned(), algorithm: Algorithm::Hs256 }
}

/// A hub with the one secret for both roles, and nobody anonymous.
pub(crate) fn config() -> AuthConfig {
    AuthConfig {
        publisher: Some(secret_key()),
        subscriber: Some(secret_key()),
        publish_origins: vec!["https://app.example".to_owned()],
        ..AuthConfig::default()
    }
}

pub(crate) async fn hub() -> Authenticator {
    Authenticator::new(config()).await.unwrap()
}

/// A token with these claims, signed with the secret by another implementation.
pub(crate) fn token(claims: &Value) -> String {
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    jsonwebtoken::encode(&Header::default(), claims, &key).unwrap()
}

/// A token that grants everything, for ever.
pub(crate) fn full_token() -> String {
    token(&json!({"mercure": {"publish": ["*"], "subscribe": ["*"]}}))
}

/// A token of any header and payload, signed with the secret.
pub(crate) fn signed(header: &str, payload: &str) -> String {
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, SECRET.as_bytes());
    assemble(header, payload, |message| aws_lc_rs::hmac::sign(&key, message).as_ref().to_vec())
}

pub(crate) fn assemble(header: &str, payload: &str, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let message = format!("{}.{}", encode(header.as_bytes()), encode(payload.as_bytes()));
    let signature = encode(&sign(message.as_bytes()));
    format!("{message}.{signature}")
}

pub(crate) fn request(method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
    let builder = Request::builder().method(method).uri(uri);
    let builder = headers
        .iter()
        .fold(builder, |builder, (name, value)| builder.header(*name, value.as_bytes()));
    builder.body(()).unwrap().into_parts().0
}

pub(crate) fn get(headers: &[(&str, &str)]) -> Parts {
    request("GET", "/.well-known/mercure?topic=a", headers)
}

pub(crate) fn post(headers: &[(&str, &str)]) -> Parts {
    request("POST", "/.well-known/mercure", headers)
}

/// A request to subscribe with this token in its header.
pub(crate) fn bearer(token: &str) -> Parts {
    get(&[("authorization", &format!("Bearer {token}"))])
}
