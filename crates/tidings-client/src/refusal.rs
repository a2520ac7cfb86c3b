//! What a server says when it turns a request away.

use std::fmt;
use std::time::{Duration, SystemTime};

use http::StatusCode;
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};

use crate::retry_after::retry_after;

/// How much of a refusal's body is read, and for how long: a server that stalls there is not waited for.
const MAX_BODY_BYTES: usize = 64 << 10;
const BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// How much of a text that a server gives as its reason is kept.
const MAX_TEXT_CHARS: usize = 1_000;

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

impl Refusal {
    /// Reads why a server turned a request away.
    pub(crate) async fn read(mut response: reqwest::Response) -> Self {
        let status = response.status();
        let retry_after = retry_after(response.headers(), SystemTime::now());
        let mut body = Vec::new();
        let deadline = Instant::now() + BODY_TIMEOUT;
        // A body that breaks off, stalls or does not end still says something.
        while let Ok(Ok(Some(chunk))) = timeout_at(deadline, response.chunk()).await {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_BODY_BYTES {
                break;
            }
        }
        let (reason, detail) = explanation(&body);
        Self { status, reason, detail, retry_after }
    }
}

/// What a server says, as it is kept: not all of it where it is long, and with its control characters escaped, for it ends up in
/// errors and thus in logs and on terminals, which some of them command.
pub(crate) fn said(text: &str) -> String {
    let mut said = String::new();
    for c in text.chars().take(MAX_TEXT_CHARS) {
        if c.is_control() { said.extend(c.escape_default()) } else { said.push(c) }
    }
    said
}

/// The reason and the detail in the body of a refusal.
fn explanation(body: &[u8]) -> (Option<String>, Option<String>) {
    if let Ok(problem) = serde_json::from_slice::<Problem>(body) {
        let reason = problem.reason.or(problem.title);
        return (reason.as_deref().map(said), problem.detail.as_deref().map(said));
    }
    let text = String::from_utf8_lossy(body);
    (text.lines().map(str::trim).find(|line| !line.is_empty()).map(said), None)
}

/// What is read of a problem document (RFC 9457).
#[derive(Deserialize)]
struct Problem {
    reason: Option<String>,
    title: Option<String>,
    detail: Option<String>,
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
