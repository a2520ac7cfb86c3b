//! What NATS says when it does not do what it is asked, told so that an operator knows what to do.

use std::fmt;

use serde::Deserialize;
use tidings_hub::Unavailable;

use super::config::ConnectError;

/// Why something was not done.
#[derive(Clone, Debug)]
pub(super) enum Trouble {
    /// The settings cannot be used.
    Config(String),
    /// It will not be done until somebody mends something.
    Refused(String),
    /// It may be done later.
    Away(String),
    /// Nobody listens to the subject that was published to. JetStream may be off, or starting, or without a leader.
    Unheard,
    /// The server takes no message as large as this one.
    TooLarge,
    /// JetStream's answer is an error.
    Api(ApiError),
}

/// An error as JetStream tells it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct ApiError {
    /// Which one it is; 0 where a server does not say.
    #[serde(default, rename = "err_code")]
    pub(super) code: u32,
    #[serde(default)]
    description: String,
}

impl ApiError {
    pub(super) const STREAM_NOT_FOUND: u32 = 10_059;
    pub(super) const STREAM_NAME_IN_USE: u32 = 10_058;
    pub(super) const NO_MESSAGE: u32 = 10_037;
    pub(super) const WRONG_LAST_SEQUENCE: u32 = 10_071;

    /// What an operator can do about it.
    fn advice(&self) -> &'static str {
        match self.code {
            10_076 | 10_039 => {
                "switch JetStream on, in the server's configuration and for this account"
            }
            10_002 | 10_023 | 10_028 | 10_047 => {
                "give JetStream or the account more room, or let the log retain less"
            }
            10_077 => "see the limits of the stream and the room that JetStream has",
            10_005 | 10_074 => "ask for fewer replicas, or give the cluster more servers",
            10_065 => {
                "another stream has these subjects: delete it, or choose another name for the log"
            }
            10_052 => "change the limits that the server names",
            10_008 | 10_009 | 10_167 => "wait until the cluster has a leader and is not overloaded",
            10_109 => {
                "the stream is sealed: it takes nothing any more; delete it, or choose another name for the log"
            }
            _ => "see the server's log",
        }
    }

    /// Whether waiting does not help.
    fn is_lasting(&self) -> bool {
        matches!(self.code, 10_076 | 10_039 | 10_074 | 10_065 | 10_052 | 10_109)
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JetStream says: {} (error {}); {}", self.description, self.code, self.advice())
    }
}

impl Trouble {
    /// Whether JetStream's answer was this error.
    pub(super) fn is(&self, code: u32) -> bool {
        matches!(self, Self::Api(error) if error.code == code)
    }

    /// As an error of the log; `at` says which servers.
    pub(super) fn unavailable(&self, at: &str) -> Unavailable {
        Unavailable::new(format_args!("NATS at {at}: {self}"))
    }

    /// As the reason why there is no log; `at` says which servers.
    pub(super) fn connecting(self, at: &str) -> ConnectError {
        let text = format!("NATS at {at}: {self}");
        match self {
            Self::Config(why) => ConnectError::Config(why),
            Self::Refused(_) => ConnectError::Refused(text),
            Self::Api(error) if error.is_lasting() => ConnectError::Refused(text),
            Self::Away(_) | Self::Unheard | Self::TooLarge | Self::Api(_) => {
                ConnectError::Away(text)
            }
        }
    }

    /// Whether to try again soon is pointless.
    pub(super) fn is_lasting(&self) -> bool {
        match self {
            Self::Config(_) | Self::Refused(_) => true,
            Self::Api(error) => error.is_lasting(),
            Self::Away(_) | Self::Unheard | Self::TooLarge => false,
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(why) | Self::Refused(why) | Self::Away(why) => f.write_str(why),
            Self::Unheard => f.write_str(
                "nobody answers for JetStream: it is off, for the server or for this account, it is starting, or the \
                 stream is gone; switch it on in the server's configuration (`jetstream {}`)",
            ),
            Self::TooLarge => f.write_str(
                "the server takes no message as large as this one: raise `max_payload` in its configuration, to 2MB say",
            ),
            Self::Api(error) => error.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_server_that_says_that_it_has_no_jetstream_is_not_waited_for() {
        let api = |code| Trouble::Api(ApiError { code, description: String::new() });
        for lasting in [api(10_039), api(10_076)] {
            assert!(lasting.is_lasting());
            assert!(matches!(lasting.connecting("x"), ConnectError::Refused(_)));
        }
        for passing in [Trouble::Unheard, api(10_008), Trouble::Away(String::new())] {
            assert!(!passing.is_lasting());
            assert!(matches!(passing.connecting("x"), ConnectError::Away(_)));
        }
    }
}
