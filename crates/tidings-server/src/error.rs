//! Why a server does not start.

use std::error::Error;
use std::fmt;

use tidings_hub::Unavailable;

use crate::auth::AuthConfigError;
use crate::origin::InvalidOrigin;
use crate::relay::InvalidRelay;

/// Why a server does not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// A key or key set is not usable.
    Auth(AuthConfigError),
    /// An origin is not one.
    Cors(InvalidOrigin),
    /// A relay cannot be used.
    Relay(InvalidRelay),
    /// The log behind the hub is unavailable.
    Log(Unavailable),
    /// The system gives no randomness for the log's epoch.
    Randomness(getrandom::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auth(_) => "the hub's keys cannot be used",
            Self::Cors(_) => "a CORS origin cannot be used",
            Self::Relay(_) => "a relay cannot be used",
            Self::Log(_) => "the log cannot be read",
            Self::Randomness(_) => "the system gives no random numbers",
        })
    }
}

impl Error for StartError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Auth(error) => Some(error),
            Self::Cors(error) => Some(error),
            Self::Relay(error) => Some(error),
            Self::Log(error) => Some(error),
            Self::Randomness(error) => Some(error),
        }
    }
}
