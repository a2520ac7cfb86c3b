//! What an answer's status means for the next attempt.

use http::StatusCode;

/// What to do after an answer that opens no stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Wait, and try again.
    Retry,
    /// Give up for good. After 401 and 403 the functions that make the URL and the headers, if there are any, are asked
    /// once more at once, and after 204 it is no error.
    Stop,
}

/// What is done unless the caller says otherwise: 408, 425, 429 and 5xx are tried again, everything else stops.
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
        408 | 425 | 429 | 500..=599 => Verdict::Retry,
        _ => Verdict::Stop,
    }
}
