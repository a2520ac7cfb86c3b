//! How to subscribe: what to ask, whom, and how patiently.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use tidings_wire::Limits;

use crate::asking::Asking;
use crate::backoff::Backoff;
use crate::events::Events;
use crate::policy::{Verdict, default_policy};
use crate::source::{Attempt, BoxError, Source};

/// Reads the event stream at this URL, with the defaults of [`Subscribe`].
pub fn subscribe(url: impl Into<String>) -> Events {
    Subscribe::new(url).open()
}

/// A subscription to an event stream, to be opened.
#[derive(Clone)]
#[must_use = "nothing is asked for until the subscription is opened and read"]
pub struct Subscribe {
    pub(crate) asking: Asking,
    pub(crate) method: Method,
    pub(crate) body: Option<Bytes>,
    pub(crate) last_event_id: String,
    pub(crate) policy: Arc<dyn Fn(StatusCode) -> Verdict + Send + Sync>,
    pub(crate) backoff: Backoff,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) connect_timeout: Duration,
    pub(crate) limits: Limits,
}

impl Subscribe {
    /// The event stream at this URL. A user and password in it are sent as `Authorization: Basic`.
    pub fn new(url: impl Into<String>) -> Self {
        Self::at(Source::Value(url.into()))
    }

    /// The event stream at the URL that this function gives at each attempt: for a token in the query, or for servers that
    /// take the last event id there. Where it fails, the attempt has failed and is made again later.
    pub fn with_url_from<F, A, E>(url: F) -> Self
    where
        F: Fn(Attempt) -> A + Send + Sync + 'static,
        A: Future<Output = Result<String, E>> + Send + 'static,
        E: Into<BoxError> + 'static,
    {
        Self::at(Source::function(url))
    }

    fn at(url: Source) -> Self {
        Self {
            asking: Asking::new(url),
            method: Method::GET,
            body: None,
            last_event_id: String::new(),
            policy: Arc::new(default_policy),
            backoff: Backoff::default(),
            idle_timeout: Some(Duration::from_mins(1)),
            connect_timeout: Duration::from_secs(30),
            limits: Limits::default(),
        }
    }

    /// Adds a header. It is sent to the URL's own origin only: not on after a redirect to another scheme, host or port.
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.asking.headers.push((name.into(), Source::Value(value.into())));
        self
    }

    /// Adds a header whose value this function gives at each attempt, a token that has to be fresh, say. After 401 and 403 it
    /// is asked once more at once ([`Verdict::Renew`]). Where it fails, the attempt has failed and is made again later.
    pub fn with_header_from<F, A, E>(mut self, name: impl Into<String>, value: F) -> Self
    where
        F: Fn(Attempt) -> A + Send + Sync + 'static,
        A: Future<Output = Result<String, E>> + Send + 'static,
        E: Into<BoxError> + 'static,
    {
        self.asking.headers.push((name.into(), Source::function(value)));
        self
    }

    /// Sets the method. Default: `GET`.
    pub fn with_method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    /// Sets a body. It is sent anew at each attempt, and goes on after a 307 or 308, to another origin, too: put no secret into
    /// it. Default: none.
    pub fn with_body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Resumes after this id. Default: none, so that the stream begins where the server likes.
    pub fn with_last_event_id(mut self, id: impl Into<String>) -> Self {
        self.last_event_id = id.into();
        self
    }

    /// Sets what the status of an answer that opens no stream means. 200 and the redirects that are followed (301, 302, 303,
    /// 307, 308) are not asked for. Default: [`default_policy`].
    pub fn with_policy(
        mut self,
        policy: impl Fn(StatusCode) -> Verdict + Send + Sync + 'static,
    ) -> Self {
        self.policy = Arc::new(policy);
        self
    }

    /// Sets how attempts are spread. Default: [`Backoff::default`].
    pub fn with_backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Sets how long a stream may bring no byte, not even a comment, before it counts as lost; `None` for as long as it
    /// likes. Default: 60 seconds.
    pub fn with_idle_timeout(mut self, time: impl Into<Option<Duration>>) -> Self {
        self.idle_timeout = time.into();
        self
    }

    /// Sets how long an attempt may take until the head of the answer is there, the caller's functions and redirects
    /// included. Default: 30 seconds.
    pub fn with_connect_timeout(mut self, time: Duration) -> Self {
        self.connect_timeout = time;
        self
    }

    /// Sets how large a line and an event may be. Default: 16 MiB each.
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Uses this HTTP client, which should be made from [`http_client`](crate::http_client). It must follow no redirects: where one does, that
    /// is noticed afterwards, and the subscription stops. Default: one of its own.
    pub fn with_http_client(mut self, client: reqwest::Client) -> Self {
        self.asking.use_client(client);
        self
    }

    /// The events. Nothing is sent before they are asked for.
    pub fn open(self) -> Events {
        Events::new(self)
    }
}

/// Without what may be secret.
impl fmt::Debug for Subscribe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscribe")
            .field("method", &self.method)
            .field("headers", &self.asking.header_names())
            .field("backoff", &self.backoff)
            .field("idle_timeout", &self.idle_timeout)
            .field("connect_timeout", &self.connect_timeout)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
