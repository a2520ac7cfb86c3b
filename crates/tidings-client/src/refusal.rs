//! What a server says when it turns a request away.

use std::fmt;
use std::time::Duration;

use http::StatusCode;

/// A server's answer to a request that it turned away.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// The status of the answer.
    pub status: StatusCode,
    /// The stable `reason` of a problem document (RFC 9457) or else its title; the first line of any other body.
    pub reason: Option<String>,
    /// The problem document's detail, for people.
    pub detail: Option<String>,
    /// How long the server asks to wait (`Retry-After`).
    pub retry_after: Option<Duration>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        for part in [&self.reason, &self.detail].into_iter().flatten() {
            write!(f, ": {part}")?;
        }
        Ok(())
    }
}
