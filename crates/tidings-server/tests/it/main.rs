//! Tests of the HTTP edge.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod auth_credentials;
mod auth_jwks;
mod auth_keys;
mod auth_support;
mod auth_tokens;
