//! Who asks, once their token is verified.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tidings_hub::{Grants, Selector};
use tokio::time::Instant;

/// Stands for a token's end too far away for the clock.
const FAR: Duration = Duration::from_hours(24 * 365);

/// What a request is made for. Each has its own key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Sends updates.
    Publisher,
    /// Reads updates, or the list of subscriptions.
    Subscriber,
}

/// What a verified token says, or the application's answer, or what is left to who shows neither.
#[derive(Clone)]
pub struct Identity {
    /// The token's `sub`. `None` when anonymous, and when it is absent or empty.
    pub user: Option<Arc<str>>,
    /// The session: a token's `sid`, or the application's name for it. All its streams can be ended together.
    pub session: Option<Arc<str>>,
    /// What a stream is for, whatever its client asked for. `None` leaves the choice to the client.
    pub topics: Option<Vec<Selector>>,
    /// The topics that may be published. `None` when the token does not speak of publishing.
    pub publish: Option<Grants>,
    /// The topics whose private updates may be read. `None` when the token does not speak of it.
    pub subscribe: Option<Grants>,
    /// The application's own data, shown with the active subscriptions: JSON without spaces.
    pub payload: Option<Arc<str>>,
    /// The token's `exp`, or the end that the application set: a stream ends then at the latest.
    pub expires_at: Option<SystemTime>,
}

impl Identity {
    /// Nobody in particular: public updates only.
    pub fn anonymous() -> Self {
        Self {
            user: None,
            session: None,
            topics: None,
            publish: None,
            subscribe: None,
            payload: None,
            expires_at: None,
        }
    }

    /// When the token expires, on the clock that streams go by.
    pub(crate) fn expiry(&self) -> Option<Instant> {
        let now = Instant::now();
        let left = self.expires_at?.duration_since(SystemTime::now()).unwrap_or_default();
        Some(now.checked_add(left).unwrap_or(now + FAR))
    }
}

impl fmt::Debug for Identity {
    /// Without the session, whose name may be its secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("user", &self.user)
            .field("topics", &self.topics)
            .field("publish", &self.publish)
            .field("subscribe", &self.subscribe)
            .field("payload", &self.payload)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}
