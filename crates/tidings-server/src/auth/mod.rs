//! Authorisation: who asks, and what their token grants.
//!
//! This module knows JSON Web Tokens and keys. Where a request carries its token and how grants
//! are written in it belong to a protocol's dialect (`crate::mercure`).

mod algorithm;
mod authenticator;
mod config;
mod error;
mod identity;
mod jwk;
mod jwks;
mod key;
mod object;
mod token;

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use authenticator::Authenticator;
pub use config::{AuthConfig, KeySource};
pub use error::{AuthConfigError, AuthError};
pub use identity::{Identity, Role};
pub use jwks::KeySetError;
pub use key::{KeyError, VerificationKey};
pub(crate) use object::read_object;
