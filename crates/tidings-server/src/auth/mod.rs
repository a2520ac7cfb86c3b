//! Authorisation: who asks, and what their token grants.
//!
//! This module knows JSON Web Tokens and keys, and asks the application where that has sessions instead. Where a request carries its token and how grants
//! are written in it belong to a protocol's dialect (`crate::mercure`).

mod algorithm;
mod authenticator;
mod authorize;
mod config;
mod error;
mod identity;
mod jwk;
mod jwks;
mod key;
pub(crate) mod kicks;
mod object;
mod token;

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use authenticator::Authenticator;
pub use config::{AuthConfig, AuthorizeConfig, KeySource};
pub use error::{AuthConfigError, AuthError};
pub use identity::{Identity, Role};
pub use jwks::KeySetError;
pub use key::{KeyError, VerificationKey};
pub(crate) use object::read_object;
