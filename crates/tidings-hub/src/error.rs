//! Why the hub turns a publish or a subscribe away.

use std::fmt;

use crate::log::Unavailable;

/// Why an update was not published. Nothing of it is in the log, but see [`Unavailable`](Self::Unavailable).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublishError {
    /// It names no topic.
    NoTopic,
    /// It names more topics than an update may have.
    TooManyTopics {
        /// How many it may have.
        limit: usize,
    },
    /// Its own id begins with `#`, which is kept for ids that the hub makes.
    ReservedId,
    /// It is larger than the log takes: in memory what all of it may weigh, on NATS the server's `max_payload`.
    TooLarge {
        /// What it takes there, in bytes.
        bytes: usize,
        /// The most that the log takes, in bytes.
        limit: usize,
    },
    /// Another update was published with the same idempotency key.
    KeyReused,
    /// The hub is closing.
    Closed,
    /// The log behind the hub cannot be written to now, or has not said that it has the update: it may be in it all the same,
    /// or get there. To publish it again with the same idempotency key has it there once; without a key, perhaps twice.
    Unavailable(Unavailable),
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTopic => f.write_str("an update needs at least one topic"),
            Self::TooManyTopics { limit } => write!(f, "an update may have at most {limit} topics"),
            Self::ReservedId => {
                f.write_str("an id may not begin with '#', which marks ids that the hub makes")
            }
            Self::TooLarge { bytes, limit } => {
                write!(
                    f,
                    "the update takes {bytes} bytes, {limit} is the most: publish less, or raise what the log may hold, on NATS the servers' `max_payload`"
                )
            }
            Self::KeyReused => f.write_str("the idempotency key was used for another update"),
            Self::Closed => f.write_str("the hub is closing"),
            Self::Unavailable(_) => f.write_str(
                "the log cannot be written to now, or does not say what it has: the update may be in it, so publish it \
                 again with the same idempotency key",
            ),
        }
    }
}

impl std::error::Error for PublishError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unavailable(why) => Some(why),
            _ => None,
        }
    }
}

/// Why none of several updates was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchError {
    /// Which of them cannot be published, counted from 0.
    pub place: usize,
    /// Why.
    pub error: PublishError,
}

impl fmt::Display for BatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "update {} cannot be published, and so none was", self.place)
    }
}

impl std::error::Error for BatchError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

/// Why a subscription was not opened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubscribeError {
    /// It names no selector.
    NoSelector,
    /// It names more selectors than one subscription may have.
    TooManySelectors {
        /// How many it may have.
        limit: usize,
    },
    /// It names more templates than one subscription may have.
    TooManyTemplates {
        /// How many it may have.
        limit: usize,
    },
    /// The hub has as many subscriptions as it may have.
    HubFull {
        /// How many it may have.
        limit: usize,
    },
    /// The user has as many subscriptions as one user may have, here and elsewhere.
    UserFull {
        /// How many one user may have.
        limit: usize,
    },
    /// The address has as many subscriptions as one address may have.
    AddressFull {
        /// How many one address may have.
        limit: usize,
    },
    /// A selector has as many subscriptions as one selector may have.
    TopicFull {
        /// The selector.
        selector: String,
        /// How many one selector may have.
        limit: usize,
    },
    /// The hub is closing.
    Closed,
    /// Where to resume has to be looked up in the log behind the hub, which is away.
    Unavailable(Unavailable),
}

impl fmt::Display for SubscribeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSelector => f.write_str("a subscription needs at least one topic selector"),
            Self::TooManySelectors { limit } => {
                write!(f, "a subscription may have at most {limit} topic selectors")
            }
            Self::TooManyTemplates { limit } => write!(
                f,
                "a subscription may have at most {limit} templates among its topic selectors"
            ),
            Self::HubFull { limit } => {
                write!(f, "the hub has reached its limit of {limit} streams")
            }
            Self::UserFull { limit } => {
                write!(f, "the user has reached the limit of {limit} streams")
            }
            Self::AddressFull { limit } => {
                write!(f, "the address has reached the limit of {limit} streams")
            }
            Self::TopicFull { selector, limit } => {
                write!(
                    f,
                    "the topic selector {selector:?} has reached the limit of {limit} streams"
                )
            }
            Self::Closed => f.write_str("the hub is closing"),
            Self::Unavailable(_) => f.write_str("the log cannot be read now"),
        }
    }
}

impl std::error::Error for SubscribeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unavailable(why) => Some(why),
            _ => None,
        }
    }
}
