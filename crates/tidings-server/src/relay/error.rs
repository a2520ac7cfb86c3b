//! Why an upstream gives no event stream, and what its client is told.

use std::fmt;
use std::sync::Arc;

use http::StatusCode;

/// Why an upstream gives no event stream. Nothing of its answer's body is kept, nor of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum UpstreamError {
    /// No connection could be made, or it broke before the answer's head was whole.
    Unreachable {
        /// Why, for the log alone: it may name what clients need not know.
        cause: Arc<str>,
    },
    /// It accepted the connection, and did not answer in time.
    NoAnswer,
    /// It says that there is nothing more to come (204): a browser stops there.
    Ended,
    /// It refuses (a status from 400 to 499).
    Refused(StatusCode),
    /// It has failed (any other status).
    Failed(StatusCode),
    /// It answered with something else.
    NotEventStream {
        /// Its content type, if it said one.
        content_type: Option<String>,
    },
    /// It compressed its answer, unasked.
    Encoded,
    /// It redirects too often, or to what cannot be followed.
    Redirect,
    /// As many upstream connections are open as may be.
    Limit {
        /// How many.
        limit: usize,
    },
}

impl UpstreamError {
    /// A stable name for it.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "upstream_unreachable",
            Self::NoAnswer => "upstream_no_answer",
            Self::Ended => "upstream_ended",
            Self::Refused(_) => "upstream_refused",
            Self::Failed(_) => "upstream_failed",
            Self::NotEventStream { .. } => "upstream_not_event_stream",
            Self::Encoded => "upstream_encoded",
            Self::Redirect => "upstream_redirect",
            Self::Limit { .. } => "upstream_limit",
        }
    }

    /// The status that the client is given: the upstream's own where it is about the client's request.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Refused(status) => *status,
            Self::Ended => StatusCode::NO_CONTENT,
            Self::NoAnswer => StatusCode::GATEWAY_TIMEOUT,
            Self::Limit { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unreachable { .. }
            | Self::Failed(_)
            | Self::NotEventStream { .. }
            | Self::Encoded
            | Self::Redirect => StatusCode::BAD_GATEWAY,
        }
    }

    /// What it is, for the log.
    pub(crate) fn for_operators(&self) -> String {
        match self {
            Self::Unreachable { cause } => format!("{self} ({cause})"),
            _ => self.to_string(),
        }
    }

    /// Whether the same request may succeed later.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Ended => false,
            Self::Refused(status) => matches!(status.as_u16(), 408 | 425 | 429),
            _ => true,
        }
    }
}

impl fmt::Display for UpstreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable { .. } => f.write_str("the upstream cannot be reached: see that it runs, and that the relay's url is right"),
            Self::NoAnswer => f.write_str("the upstream did not answer in time: it must send the head of its answer before its first event, or the relay's answer_timeout must be longer"),
            Self::Ended => f.write_str("the upstream says that no more events come"),
            Self::Refused(status) if matches!(status.as_u16(), 404 | 410) => write!(f, "the upstream refuses with {status}: see that the relay's url is right"),
            Self::Refused(status) => write!(f, "the upstream refuses with {status}: a shared relay sends it no credentials but those of its headers setting, a per-client relay those of the client"),
            Self::Failed(status) => write!(f, "the upstream has failed with {status}"),
            Self::NotEventStream { content_type: Some(content_type) } => write!(f, "the upstream's answer is {content_type:?}, not text/event-stream: see that the relay's url is that of its event stream"),
            Self::NotEventStream { content_type: None } => f.write_str("the upstream's answer has no content type: it must be text/event-stream"),
            Self::Encoded => f.write_str("the upstream's answer is compressed, which holds events back: it must not be"),
            Self::Redirect => f.write_str("the upstream redirects too often, or to what is no http or https URL"),
            Self::Limit { limit } => write!(f, "the relay has reached its limit of {limit} upstream connections"),
        }
    }
}

impl std::error::Error for UpstreamError {}
