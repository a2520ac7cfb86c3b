//! Everything that happens on a subscription, for those who want to see it.

use std::fmt;
use std::time::Duration;

use http::{HeaderMap, StatusCode};

use crate::event::Event;
use crate::failure::SubscribeError;

/// One thing that has happened, in order.
#[derive(Debug)]
#[non_exhaustive]
pub enum Signal {
    /// A stream is open.
    Opened(Opened),
    /// An event has come.
    Event(Event),
    /// A comment has come, without its colon and one space after it: it shows that the server is alive.
    Comment(String),
    /// An attempt has failed or a stream has ended, and another attempt follows after a wait.
    Retrying(Retrying),
    /// There will be no more: for the reason given, or `None` where the server said so (204). It is the last signal.
    Stopped(Option<SubscribeError>),
}

/// A stream that is open.
#[derive(Clone)]
#[non_exhaustive]
pub struct Opened {
    /// The answer's status.
    pub status: StatusCode,
    /// The answer's headers.
    pub headers: HeaderMap,
}

/// Why there is another attempt, and when.
#[derive(Debug)]
#[non_exhaustive]
pub struct Retrying {
    /// What has happened.
    pub error: SubscribeError,
    /// How long the wait before the next attempt is, in whole milliseconds.
    pub wait: Duration,
    /// How many ends and failed attempts there have been since a connection last stayed open for long, this one included.
    pub failures: u32,
}

/// Headers may be secret, so their names only.
impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<_> = self.headers.keys().collect();
        f.debug_struct("Opened").field("status", &self.status).field("headers", &headers).finish()
    }
}
