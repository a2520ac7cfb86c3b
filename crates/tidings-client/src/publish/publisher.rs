//! The publisher: which hub, as whom, and how patiently.

use std::fmt;
use std::time::Duration;

use futures_core::Stream;

use super::bulk::Results;
use super::iter::Iter;
use super::one::Publish;
use super::update::Update;
use crate::asking::Asking;
use crate::backoff::Backoff;
use crate::source::{Attempt, BoxError, Source};

/// Publishes updates to a hub.
///
/// Each publish has an idempotency key, made for it unless the caller gives one, and is tried again after network errors,
/// 408, 425, 429 and 5xx. A hub that knows the key, as Tidings does, publishes it once; another one may publish it twice
/// when its answer was lost, so allow one attempt there ([`Backoff::with_max_attempts`]).
#[derive(Clone)]
pub struct Publisher {
    pub(crate) asking: Asking,
    pub(crate) backoff: Backoff,
    pub(crate) answer_timeout: Duration,
    pub(crate) retry_for: Duration,
}

impl Publisher {
    /// A publisher to the hub at this URL, `https://example.com/events` say.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            asking: Asking::new(Source::Value(url.into())),
            backoff: Backoff::default().with_max_attempts(8),
            answer_timeout: Duration::from_secs(30),
            retry_for: Duration::from_mins(2),
        }
    }

    /// Adds a header: `authorization`, say. `content-type` and `idempotency-key` are always the publisher's own.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.asking.headers.push((name.into(), Source::Value(value.into())));
        self
    }

    /// Adds a header whose value this function gives at each attempt. After 401 and 403 it is asked once more at once.
    #[must_use]
    pub fn with_header_from<F, A, E>(mut self, name: impl Into<String>, value: F) -> Self
    where
        F: Fn(Attempt) -> A + Send + Sync + 'static,
        A: Future<Output = Result<String, E>> + Send + 'static,
        E: Into<BoxError> + 'static,
    {
        self.asking.headers.push((name.into(), Source::function(value)));
        self
    }

    /// Sets how attempts are spread, and how many there are. Default: [`Backoff::default`] with at most 8 attempts.
    #[must_use]
    pub fn with_backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Sets how long an attempt may go without a word of the hub: the head of an answer, an id, or the next of many results.
    /// The time in which the updates are sent counts. Default: 30 seconds.
    #[must_use]
    pub fn with_answer_timeout(mut self, time: Duration) -> Self {
        self.answer_timeout = time;
        self
    }

    /// Sets for how long attempts are made: none begins later than this after the first. Default: 2 minutes.
    #[must_use]
    pub fn with_retry_for(mut self, time: Duration) -> Self {
        self.retry_for = time;
        self
    }

    /// Uses this HTTP client, which should be made from [`http_client`](crate::http_client). It must follow no redirects: where
    /// one does, that is noticed afterwards, and the publish fails. Default: one of its own.
    #[must_use]
    pub fn with_http_client(mut self, client: reqwest::Client) -> Self {
        self.asking.use_client(client);
        self
    }

    /// Publishes an update, once the result is awaited: `publisher.publish(&update).await` is the update's id.
    pub fn publish(&self, update: &Update) -> Publish {
        Publish::new(self.clone(), update)
    }

    /// Publishes many updates in order (NDJSON, which a Tidings hub understands), as the results are read.
    pub fn publish_all<I>(&self, updates: I) -> Results
    where
        I: IntoIterator<Item = Update>,
        I::IntoIter: Send + 'static,
    {
        Results::new(self.clone(), Iter(Box::new(updates.into_iter())))
    }

    /// Publishes the updates of a stream in order, as they come and as the results are read.
    pub fn publish_stream(&self, updates: impl Stream<Item = Update> + Send + 'static) -> Results {
        Results::new(self.clone(), updates)
    }
}

/// Without what may be secret.
impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher")
            .field("headers", &self.asking.header_names())
            .field("backoff", &self.backoff)
            .finish_non_exhaustive()
    }
}
