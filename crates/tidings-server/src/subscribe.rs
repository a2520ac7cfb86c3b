//! `GET` on the hub: who asks for what, from where in the log, and the stream that answers.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, Response};
use tidings_hub::{Grants, Resume, Start, SubscribeError, Subscription};
use tokio::time::Instant;
use tracing::warn;

use crate::auth::{AuthError, Role};
use crate::body::Body;
use crate::headers::set_stream_headers;
use crate::mercure::{EARLIEST, LAST_EVENT_ID, SubscribeQuery};
use crate::reject::Refusal;
use crate::relay::Lease;
use crate::server::Call;
use crate::stream::EventStream;

/// How many headers a stream's answer has at the most.
const STREAM_HEADERS: usize = 12;

/// Opens a stream. `HEAD` gets its headers and opens none.
pub(crate) async fn answer(call: &Call<'_>) -> Result<Response<Body>, Refusal> {
    let shared = call.shared();
    // Authorisation first: a stranger learns nothing about parameters (SUB-3).
    let mut identity = call.identify(Role::Subscriber).await?;
    let query = call.parts.uri.query().unwrap_or_default();
    let max_selectors = shared.hub_config.limits.selectors;
    let topics_are_given = identity.topics.is_some();
    if identity.topics.as_ref().is_some_and(Vec::is_empty) {
        return Err(AuthError::NoTopics.into());
    }
    let expires_at = identity.expiry();
    let topics = identity.topics.take();
    let query = SubscribeQuery::parse(query, &call.parts.headers, max_selectors, topics)?;
    if call.parts.method == Method::HEAD {
        return Ok(head_only());
    }
    let grants = identity.subscribe.clone().unwrap_or_else(Grants::none);
    let subscriber = call.subscriber(identity, query.selectors, grants)?;
    let start = match query.cursor.as_deref() {
        None => Start::Live,
        Some(EARLIEST) => Start::Earliest,
        Some(id) => Start::After(id.to_owned()),
    };
    let subscription = shared.hub.subscribe(subscriber, start).await.map_err(|error| {
        if topics_are_given && is_about_selectors(&error) {
            warn!(%error, "the topics that the application gives this stream cannot be subscribed to: the request is refused for now");
            return Refusal::Auth(AuthError::CallbackFailed);
        }
        Refusal::Subscribe(error)
    })?;
    call.check_not_kicked(subscription.subscriber())?;
    let (resume, cursor) = (subscription.resume(), query.cursor);
    let (greeting, lease) = (None, None);
    Ok(stream(call, Opened { subscription, resume, cursor, expires_at, greeting, lease }))
}

/// Whether a stream is not opened because of what it asks for.
fn is_about_selectors(error: &SubscribeError) -> bool {
    matches!(
        error,
        SubscribeError::NoSelector
            | SubscribeError::TooManySelectors { .. }
            | SubscribeError::TooManyTemplates { .. }
    )
}

/// A subscription that was opened for a request, and what goes with it.
pub(crate) struct Opened {
    pub(crate) subscription: Subscription,
    /// How it began, as the client sees it.
    pub(crate) resume: Resume,
    /// The id that the client saw last, where it said one.
    pub(crate) cursor: Option<String>,
    /// When what the client showed expires, if it does.
    pub(crate) expires_at: Option<Instant>,
    /// Events that come before all others.
    pub(crate) greeting: Option<Bytes>,
    /// What is kept for as long as the stream is open.
    pub(crate) lease: Option<Lease>,
}

/// The stream that answers.
pub(crate) fn stream(call: &Call<'_>, opened: Opened) -> Response<Body> {
    let Opened { subscription, resume, cursor, expires_at, greeting, lease } = opened;
    let mut script = call.script(&subscription, resume, expires_at);
    if let Some(lease) = lease {
        script = script.relayed(greeting, lease);
    }
    let stream = EventStream::new(subscription, script, Arc::clone(&call.shared().bodies));
    let mut response = stream_response(Body::stream(stream));
    if let Some(reached) = cursor.and_then(|cursor| reached(resume, &cursor)) {
        response.headers_mut().insert(LAST_EVENT_ID, reached);
    }
    response
}

/// A stream's headers, without a stream.
pub(crate) fn head_only() -> Response<Body> {
    stream_response(Body::empty())
}

/// The answer whose body a stream is.
pub(crate) fn stream_response(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    // With those that every answer has. To grow by doubling would move them three times.
    response.headers_mut().reserve(STREAM_HEADERS);
    set_stream_headers(response.headers_mut());
    response
}

/// The id of the event before the first one sent, where a cursor was given (REC-2): the cursor itself if nothing is
/// missing after it, else `earliest`.
fn reached(resume: Resume, cursor: &str) -> Option<HeaderValue> {
    match resume {
        Resume::Complete => HeaderValue::from_bytes(cursor.as_bytes()).ok(),
        Resume::Live | Resume::Earliest | Resume::Partial | Resume::Unknown => {
            Some(HeaderValue::from_static(EARLIEST))
        }
    }
}
