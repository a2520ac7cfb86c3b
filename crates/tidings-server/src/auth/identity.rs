//! Who asks: what a verified token says, or a host program.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tidings_hub::{Grants, Selector};
use tokio::time::Instant;

/// Stands for an end too far away for the clock.
const FAR: Duration = Duration::from_hours(24 * 365);

/// What a request is made for. Each has its own key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Sends updates.
    Publisher,
    /// Reads updates, or the list of subscriptions.
    Subscriber,
}

/// Who asks, and what they may do: what a verified token says, the application's answer, or a host program.
///
/// A host puts one into the extensions of a request before the hub sees it: then its word counts, for publishing as for
/// subscribing, and no token is looked at. A request without one is treated as [`AuthConfig`](super::AuthConfig) says, by
/// default refused. Clients cannot put anything there.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use tidings_server::auth::Identity;
///
/// let mut request = http::Request::new(());
/// // Reads public updates and those private ones, until the session ends, and publishes nothing.
/// let session_ends = SystemTime::now() + Duration::from_hours(1);
/// let alice = Identity::of("alice").may_read(["users/alice", "teams/blue/{room}"]).until(session_ends);
/// request.extensions_mut().insert(alice);
/// ```
#[derive(Clone)]
pub struct Identity {
    /// Whom the limit per user counts streams for, and whose idempotency keys those of a publish are: a token's `sub`.
    /// `None` when anonymous or empty: then the limit does not apply.
    pub user: Option<Arc<str>>,
    /// The session: a token's `sid`, or the application's name for it. All its streams can be ended together.
    pub session: Option<Arc<str>>,
    /// What a stream is for, whatever its client asked for; an empty list refuses it (403). `None` leaves the choice to the
    /// client.
    pub topics: Option<Vec<Selector>>,
    /// The topics that may be published. `None` is nothing: a publish is refused (403).
    pub publish: Option<Grants>,
    /// The topics whose private updates may be read. `None` is none. Public ones may be read by whoever may subscribe.
    pub subscribe: Option<Grants>,
    /// The application's own data, shown with the active subscriptions: JSON without spaces. What is not JSON is left out.
    pub payload: Option<Arc<str>>,
    /// When it ends, a token's `exp` or the end that the application set: a stream opened with it ends then at the latest,
    /// with an `expired` event, and a request made later is refused (401). `None` is never.
    pub expires_at: Option<SystemTime>,
}

impl Identity {
    /// Nobody in particular: reads public updates only, and publishes nothing.
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

    /// A user who reads public updates, and publishes nothing. An empty name is [`anonymous`](Self::anonymous).
    pub fn of(user: impl Into<Arc<str>>) -> Self {
        let user = Some(user.into()).filter(|user| !user.is_empty());
        Self { user, ..Self::anonymous() }
    }

    /// The same, reading private updates of the topics that these selectors match: a topic, a URI template, or `*` for all.
    ///
    /// What has `{` in it is a template, and matches more than itself: a name that its user chose has to be checked
    /// before it becomes a part of a selector.
    #[must_use]
    pub fn may_read<S: Into<Arc<str>>>(self, selectors: impl IntoIterator<Item = S>) -> Self {
        Self { subscribe: Some(grants(selectors)), ..self }
    }

    /// The same, publishing over HTTP to the topics that these selectors match, as for [`may_read`](Self::may_read).
    ///
    /// A page may publish so if it is the host's own, or its origin is one of
    /// [`publish_origins`](super::AuthConfig::publish_origins): other sites' pages cannot, although a browser adds the
    /// host's cookies to what they send. Publishing from the host's own code needs no grant.
    #[must_use]
    pub fn may_publish<S: Into<Arc<str>>>(self, selectors: impl IntoIterator<Item = S>) -> Self {
        Self { publish: Some(grants(selectors)), ..self }
    }

    /// The same for a session: its streams can be ended together, as when somebody logs out. See
    /// [`Server::end_streams`](crate::Server::end_streams).
    #[must_use]
    pub fn in_session(self, session: impl Into<Arc<str>>) -> Self {
        let session = Some(session.into()).filter(|session| !session.is_empty());
        Self { session, ..self }
    }

    /// The same with what its streams are for, whatever their clients ask for: see [`topics`](Self::topics). It does not grant
    /// private updates.
    #[must_use]
    pub fn only_topics<S: Into<Arc<str>>>(self, selectors: impl IntoIterator<Item = S>) -> Self {
        Self { topics: Some(selectors.into_iter().map(Selector::new).collect()), ..self }
    }

    /// The same until then: see [`expires_at`](Self::expires_at).
    #[must_use]
    pub fn until(self, end: SystemTime) -> Self {
        Self { expires_at: Some(end), ..self }
    }

    /// When it ends, on the clock that streams go by.
    pub(crate) fn expiry(&self) -> Option<Instant> {
        let now = Instant::now();
        let left = self.expires_at?.duration_since(SystemTime::now()).unwrap_or_default();
        Some(now.checked_add(left).unwrap_or(now + FAR))
    }
}

impl fmt::Debug for Identity {
    /// Without the session, whose name may be its secret, and the payload.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("user", &self.user)
            .field("topics", &self.topics)
            .field("publish", &self.publish)
            .field("subscribe", &self.subscribe)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

fn grants<S: Into<Arc<str>>>(selectors: impl IntoIterator<Item = S>) -> Grants {
    Grants::new(selectors.into_iter().map(Selector::new))
}
