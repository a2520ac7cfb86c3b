//! Why a stream ended. Each ended stream counts once, under one reason.

use std::fmt;

/// Why a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// The client went away.
    Client,
    /// The client took no bytes for too long.
    Slow,
    /// The token that opened the stream expired.
    Expired,
    /// Somebody with access to the admin listener ended the user's streams, the session's, or this one.
    Kicked,
    /// The stream reached its age limit.
    MaxAge,
    /// The hub is going down.
    Drain,
    /// A limit was lowered or reached.
    Limit,
    /// Writing to the client failed.
    WriteError,
    /// The client vanished without closing the connection.
    HalfOpen,
    /// What the stream was relayed from ended it.
    Upstream,
}

impl CloseReason {
    /// Every reason, in the order of the documents.
    pub const ALL: [Self; 10] = [
        Self::Client,
        Self::Slow,
        Self::Expired,
        Self::Kicked,
        Self::MaxAge,
        Self::Drain,
        Self::Limit,
        Self::WriteError,
        Self::HalfOpen,
        Self::Upstream,
    ];

    /// The reason as metrics and logs spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Slow => "slow",
            Self::Expired => "expired",
            Self::Kicked => "kicked",
            Self::MaxAge => "max_age",
            Self::Drain => "drain",
            Self::Limit => "limit",
            Self::WriteError => "write_error",
            Self::HalfOpen => "half_open",
            Self::Upstream => "upstream",
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
