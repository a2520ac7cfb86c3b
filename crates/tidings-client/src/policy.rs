//! What an answer's status means for the next attempt.

use http::StatusCode;

/// What to do after an answer that opens no stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// Wait, and try again.
    Retry,
    /// Give up for good. After 204 that is no error.
    Stop,
    /// Ask the functions that make the URL and the headers once more, at once: what they gave before may have expired. Where
    /// there are none, and the second time without an open stream in between, it is [`Stop`](Self::Stop).
    Renew,
}

/// What is done unless the caller says otherwise: 408, 425, 429 and 5xx are tried again, 401 and 403 are
/// [renewed](Verdict::Renew), everything else stops.
///
/// ```
/// use tidings_client::{Subscribe, Verdict, default_policy};
///
/// let patient = Subscribe::new("https://example.com/events").with_policy(|status| match status.as_u16() {
///     404 => Verdict::Retry,
///     _ => default_policy(status),
/// });
/// ```
pub fn default_policy(status: StatusCode) -> Verdict {
    match status.as_u16() {
        401 | 403 => Verdict::Renew,
        408 | 425 | 429 | 500..=599 => Verdict::Retry,
        _ => Verdict::Stop,
    }
}
