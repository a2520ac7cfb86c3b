//! Every refusal: its status, its stable reason, and whether waiting helps. One table, `Refusal::row`.

use std::fmt;
use std::time::Duration;

use http::header::{
    ACCEPT, ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE,
};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode};
use serde::Serialize;
use tidings_hub::{BatchError, PublishError, SubscribeError, Unavailable};

use crate::announce;
use crate::auth::AuthError;
use crate::body::Body;
use crate::headers::set_stream_headers;
use crate::mercure::QueryError;
use crate::publish::DraftError;
use crate::relay::UpstreamError;
use crate::script::jittered_retry;
use crate::told::Told;

/// How many other hubs have not said who is subscribed there, and one more if they could not be asked; absent when all
/// have.
pub(crate) const MISSING_HUBS: HeaderName = HeaderName::from_static("x-tidings-missing-hubs");

/// Why a request is turned away.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Nothing is there.
    NotFound,
    /// The hub serves the path, but not so.
    MethodNotAllowed { allow: &'static str },
    /// The token, or its absence.
    Auth(AuthError),
    /// The token is good, but does not allow this.
    Forbidden { what: &'static str },
    /// The subscribe request's parameters.
    Query(QueryError),
    /// The update's fields.
    Draft(DraftError),
    /// The body is of a kind that the hub does not read.
    UnsupportedMediaType,
    /// The body is larger than it may be.
    BodyTooLarge { limit: usize },
    /// The body did not come in time.
    BodyTimeout,
    /// The body broke off.
    BodyBroken,
    /// The `Idempotency-Key` header is no key.
    BadIdempotencyKey,
    /// The hub does not take the update.
    Publish(PublishError),
    /// The hub does not take one of several updates, and so none.
    Batch(BatchError),
    /// It is not here, and so many other hubs have not said whether it is there.
    HubsMissing { count: usize },
    /// The hub does not open the stream.
    Subscribe(SubscribeError),
    /// The upstream of a relay gives no event stream.
    Upstream(UpstreamError),
    /// The system gave no randomness, or a header could not be written.
    Internal,
}

/// A row of the table.
struct Row {
    status: StatusCode,
    reason: &'static str,
    /// Whether the same request may succeed later.
    transient: bool,
}

const fn row(status: StatusCode, reason: &'static str) -> Row {
    Row { status, reason, transient: false }
}

const fn later(status: StatusCode, reason: &'static str) -> Row {
    Row { status, reason, transient: true }
}

impl Refusal {
    fn row(&self) -> Row {
        use StatusCode as S;
        match self {
            Self::NotFound => row(S::NOT_FOUND, "not_found"),
            Self::MethodNotAllowed { .. } => row(S::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::Auth(
                error
                @ (AuthError::KeysUnavailable | AuthError::CallbackFailed | AuthError::Kicked),
            ) => later(S::SERVICE_UNAVAILABLE, error.reason()),
            Self::Auth(
                error @ (AuthError::CallbackForbidden
                | AuthError::NoTopics
                | AuthError::NoPublishList),
            ) => row(S::FORBIDDEN, error.reason()),
            // Mercure 0.x hubs answer 401 for every fault of a token.
            Self::Auth(error) => row(S::UNAUTHORIZED, error.reason()),
            Self::Forbidden { .. } => row(S::FORBIDDEN, "forbidden"),
            Self::Query(error) => row(S::BAD_REQUEST, error.reason()),
            Self::Draft(error) => draft_row(error),
            Self::UnsupportedMediaType => row(S::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type"),
            Self::BodyTooLarge { .. } => row(S::PAYLOAD_TOO_LARGE, "body_too_large"),
            Self::BodyTimeout => row(S::REQUEST_TIMEOUT, "body_timeout"),
            Self::BodyBroken => row(S::BAD_REQUEST, "body_broken"),
            Self::BadIdempotencyKey => row(S::BAD_REQUEST, "bad_idempotency_key"),
            Self::Publish(error) => publish_row(error),
            // It is refused as it would be on its own.
            Self::Batch(batch) => publish_row(&batch.error),
            Self::HubsMissing { .. } => later(S::SERVICE_UNAVAILABLE, "hubs_missing"),
            Self::Subscribe(error) => subscribe_row(error),
            Self::Upstream(error) => Row {
                status: error.status(),
                reason: error.reason(),
                transient: error.is_transient(),
            },
            Self::Internal => later(S::INTERNAL_SERVER_ERROR, "internal"),
        }
    }

    /// The stable word for it, in metrics, logs and bodies.
    pub(crate) fn reason(&self) -> &'static str {
        self.row().reason
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.row().status
    }

    /// Why the log behind the hub is away, where that is it. For the operator: it may name machines.
    pub(crate) fn unavailable(&self) -> Option<&Unavailable> {
        match self {
            Self::Publish(PublishError::Unavailable(why))
            | Self::Subscribe(SubscribeError::Unavailable(why)) => Some(why),
            Self::Batch(batch) => match &batch.error {
                PublishError::Unavailable(why) => Some(why),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether it is told in the log by default: who may not do what, and limits that are reached.
    pub(crate) fn is_noteworthy(&self) -> bool {
        // Of an upstream's failures the relay tells, once for many.
        !matches!(self, Self::Upstream(_))
            && matches!(self.status().as_u16(), 401 | 403 | 429 | 503)
    }

    /// Whether it is news to the operator: that the log behind the hub is away is told once in a while, not for each request.
    pub(crate) fn is_news(&self, log_away: &Told) -> bool {
        self.unavailable().is_none_or(|why| log_away.is_news(&why.to_string()))
    }

    /// The answer. A browser's `EventSource` gives up for ever at any status but 200, so one that may succeed later is
    /// told so in a stream and comes back by itself; everyone else gets the status.
    pub(crate) fn respond(&self, request: &Parts, retry: Duration) -> Response<Body> {
        let Row { status, reason, transient } = self.row();
        let retry = jittered_retry(retry);
        if transient && looks_like_event_source(request) {
            let mut response =
                Response::new(announce::refused(status.as_u16(), reason, retry).into());
            set_stream_headers(response.headers_mut());
            return response;
        }
        let mut response = if status == StatusCode::NO_CONTENT {
            // It has no body (RFC 9110, 15.3.5).
            let mut response = Response::new(Body::empty());
            *response.status_mut() = status;
            response
        } else {
            problem(status, reason, self.to_string())
        };
        let headers = response.headers_mut();
        // It is about who asks, and about now: some statuses may be kept by caches that are told nothing.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if transient {
            headers.insert(RETRY_AFTER, HeaderValue::from(retry.as_secs().max(1)));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Self::HubsMissing { count } = self {
            headers.insert(MISSING_HUBS, HeaderValue::from(*count));
        }
        if let Self::MethodNotAllowed { allow } = self {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        response
    }
}

fn draft_row(error: &DraftError) -> Row {
    use StatusCode as S;
    match error {
        DraftError::ReservedTopic { .. } => row(S::FORBIDDEN, error.reason()),
        DraftError::DataTooLarge { .. } => row(S::PAYLOAD_TOO_LARGE, error.reason()),
        // It is refused as it would be on its own.
        DraftError::InArray { error, .. } => draft_row(error),
        _ => row(S::BAD_REQUEST, error.reason()),
    }
}

fn publish_row(error: &PublishError) -> Row {
    use StatusCode as S;
    match error {
        PublishError::NoTopic => row(S::BAD_REQUEST, "missing_topic"),
        PublishError::TooManyTopics { .. } => row(S::BAD_REQUEST, "too_many_topics"),
        PublishError::ReservedId => row(S::BAD_REQUEST, "bad_id"),
        PublishError::TooLarge { .. } => row(S::PAYLOAD_TOO_LARGE, "data_too_large"),
        PublishError::KeyReused => row(S::UNPROCESSABLE_ENTITY, "idempotency_key_reused"),
        PublishError::Closed => later(S::SERVICE_UNAVAILABLE, "draining"),
        PublishError::Unavailable(_) => later(S::SERVICE_UNAVAILABLE, "log_unavailable"),
        _ => later(S::SERVICE_UNAVAILABLE, "unavailable"),
    }
}

fn subscribe_row(error: &SubscribeError) -> Row {
    use StatusCode as S;
    match error {
        SubscribeError::NoSelector => row(S::BAD_REQUEST, "missing_topic"),
        SubscribeError::TooManySelectors { .. } => row(S::BAD_REQUEST, "too_many_selectors"),
        SubscribeError::TooManyTemplates { .. } => row(S::BAD_REQUEST, "too_many_templates"),
        SubscribeError::HubFull { .. } => later(S::SERVICE_UNAVAILABLE, "hub_full"),
        SubscribeError::UserFull { .. } => later(S::TOO_MANY_REQUESTS, "user_limit"),
        SubscribeError::AddressFull { .. } => later(S::TOO_MANY_REQUESTS, "address_limit"),
        SubscribeError::TopicFull { .. } => later(S::TOO_MANY_REQUESTS, "topic_limit"),
        SubscribeError::Closed => later(S::SERVICE_UNAVAILABLE, "draining"),
        SubscribeError::Unavailable(_) => later(S::SERVICE_UNAVAILABLE, "log_unavailable"),
        _ => later(S::SERVICE_UNAVAILABLE, "unavailable"),
    }
}

impl fmt::Display for Refusal {
    /// What happened and what to do, for the problem body.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str("nothing is served at this path: subscribe and publish at /.well-known/mercure or /events, or ask for a path that is relayed as it is written"),
            Self::MethodNotAllowed { allow } => write!(f, "the method is not served here: use {allow}"),
            Self::Auth(error) => error.fmt(f),
            Self::Forbidden { what } => write!(f, "no grant to {what}: ask for a token whose claims cover it, or have the application's answer cover it"),
            Self::Query(error) => error.fmt(f),
            Self::Draft(error) => error.fmt(f),
            Self::UnsupportedMediaType => f.write_str("send application/x-www-form-urlencoded, application/json or application/x-ndjson, and say so in Content-Type"),
            Self::BodyTooLarge { limit } => write!(f, "the body is larger than {limit} bytes: send less, or many updates as application/x-ndjson"),
            Self::BodyTimeout => f.write_str("the body did not come in time"),
            Self::BodyBroken => f.write_str("the body broke off before its end"),
            Self::BadIdempotencyKey => f.write_str("Idempotency-Key must be one header of 1 to 255 ASCII characters: letters, digits, signs, and spaces between them"),
            Self::Publish(error) => error.fmt(f),
            Self::Batch(BatchError { place, error }) => write!(f, "update {place} of the array: {error}"),
            Self::HubsMissing { count } => write!(f, "there is no such subscription here, and {count} of the other hubs that share the log have not said whether it is there: ask again"),
            Self::Subscribe(error) => error.fmt(f),
            Self::Upstream(error) => error.fmt(f),
            Self::Internal => f.write_str("the hub could not answer: try again"),
        }
    }
}

/// Whether the request is one that `EventSource` would make: a `GET` that asks for an event stream and cannot send a
/// token in a header.
fn looks_like_event_source(request: &Parts) -> bool {
    let accepts = |value: &HeaderValue| {
        value.to_str().is_ok_and(|accept| accept.to_ascii_lowercase().contains("text/event-stream"))
    };
    request.method == Method::GET
        && request.headers.get_all(ACCEPT).iter().any(accepts)
        && !request.headers.contains_key(AUTHORIZATION)
}

/// A problem document (RFC 9457) with the stable reason as an extension member.
fn problem(status: StatusCode, reason: &'static str, detail: String) -> Response<Body> {
    #[derive(Serialize)]
    struct Problem {
        title: &'static str,
        status: u16,
        reason: &'static str,
        detail: String,
    }
    let title = status.canonical_reason().unwrap_or_default();
    let document = Problem { title, status: status.as_u16(), reason, detail };
    let body = serde_json::to_vec(&document).unwrap_or_default();
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static("application/problem+json");
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

impl From<AuthError> for Refusal {
    fn from(error: AuthError) -> Self {
        Self::Auth(error)
    }
}

impl From<UpstreamError> for Refusal {
    fn from(error: UpstreamError) -> Self {
        Self::Upstream(error)
    }
}

impl From<QueryError> for Refusal {
    fn from(error: QueryError) -> Self {
        Self::Query(error)
    }
}

impl From<DraftError> for Refusal {
    fn from(error: DraftError) -> Self {
        Self::Draft(error)
    }
}

impl From<PublishError> for Refusal {
    fn from(error: PublishError) -> Self {
        Self::Publish(error)
    }
}

impl From<BatchError> for Refusal {
    fn from(error: BatchError) -> Self {
        Self::Batch(error)
    }
}

impl From<SubscribeError> for Refusal {
    fn from(error: SubscribeError) -> Self {
        Self::Subscribe(error)
    }
}
