//! Why an update is not published, as far as the publisher knows.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::asking::AskFault;
use crate::causes::write_causes;
use crate::refusal::Refusal;
use crate::source::BoxError;

/// Why an update is not published, or may not be, and by which hub.
///
/// `{}` prints what has happened; `{:#}` puts its causes behind it, on the same line: "… cannot be reached: … Connection
/// refused".
///
/// Neither it nor its causes show a password, a query string or a header, save what the caller's own functions put into
/// their errors.
#[derive(Debug)]
pub struct PublishError {
    pub(crate) url: String,
    pub(crate) failure: PublishFailure,
}

impl PublishError {
    /// The hub's URL, without user, password, query and fragment; empty if there is none.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What has happened.
    pub fn failure(&self) -> &PublishFailure {
        &self.failure
    }

    /// What the hub said, if it turned the request away.
    pub fn refusal(&self) -> Option<&Refusal> {
        match &self.failure {
            PublishFailure::Refused(refusal) => Some(refusal),
            PublishFailure::GaveUp { last, .. } => match last.as_ref() {
                PublishFailure::Refused(refusal) => Some(refusal),
                _ => None,
            },
            _ => None,
        }
    }
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.url.is_empty() {
            write!(f, "cannot publish: {}", self.failure)?;
        } else {
            write!(f, "cannot publish to {}: {}", self.url, self.failure)?;
        }
        if f.alternate() { write_causes(f, self) } else { Ok(()) }
    }
}

impl Error for PublishError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.failure.source()
    }
}

impl From<AskFault> for PublishFailure {
    fn from(fault: AskFault) -> Self {
        match fault {
            AskFault::BadUrl => Self::BadUrl,
            AskFault::BadHeader { name } => Self::BadHeader { name },
            AskFault::Asked(cause) => Self::Asked(cause),
        }
    }
}

/// What has happened to a publish.
#[derive(Debug)]
#[non_exhaustive]
pub enum PublishFailure {
    /// The URL is none that can be asked: no URL at all, neither `http` nor `https`, or longer than 64 KiB.
    BadUrl,
    /// A header's name or value cannot stand in a request; the idempotency key is one.
    BadHeader {
        /// Its name, as far as it is one.
        name: String,
    },
    /// The HTTP client could not be made.
    NoClient(BoxError),
    /// The HTTP client that was given follows redirects itself, and did. What then comes from elsewhere, perhaps in answer to
    /// a GET, says nothing of the update: make it with [`http_client`](crate::http_client), or with
    /// `redirect(Policy::none())`.
    ClientFollowsRedirects,
    /// The function that makes the URL or a header failed.
    Asked(BoxError),
    /// The hub turned the request away. Nothing is published by this attempt, unless it was something in between that
    /// answered (502, 504), or the hub does not know (`log_unavailable`); one before it may have published the update.
    Refused(Refusal),
    /// The hub turned one of many updates away. It is not published, unless the reason is `log_unavailable`; the others are
    /// as their own results say.
    LineRefused {
        /// The stable reason.
        reason: String,
        /// The same for people.
        detail: String,
    },
    /// There is no connection to the hub. Nothing is published by this attempt.
    Unreachable(BoxError),
    /// The hub broke off before it had answered in full. The update may be published all the same: publish it again with
    /// the same idempotency key.
    Broken(BoxError),
    /// There was no answer in time. The update may be published all the same, as above.
    NoAnswer {
        /// The time.
        within: Duration,
    },
    /// The answer is not what a hub says. The update may be published.
    BadAnswer,
    /// As many attempts have failed as are allowed, or there is no time for more.
    GaveUp {
        /// How many attempts there were.
        attempts: u32,
        /// How the last one failed.
        last: Box<PublishFailure>,
    },
}

impl fmt::Display for PublishFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadUrl => f.write_str("this is no http or https URL of at most 64 KiB"),
            Self::BadHeader { name } => write!(f, "the header {name:?} cannot stand in a request"),
            Self::NoClient(_) => f.write_str("the HTTP client cannot be made"),
            Self::ClientFollowsRedirects => f.write_str(
                "the HTTP client follows redirects itself: make it with redirect(Policy::none())",
            ),
            Self::Asked(_) => f.write_str("the URL or a header could not be had"),
            Self::Refused(refusal) => write!(f, "the hub answers {refusal}"),
            Self::LineRefused { reason, detail } => {
                write!(f, "the hub refuses the update: {reason}: {detail}")
            }
            Self::Unreachable(_) => f.write_str("the hub cannot be reached"),
            Self::Broken(_) => f.write_str("the hub broke off before it had answered"),
            Self::NoAnswer { within } => {
                write!(f, "the hub has not answered within {:.1} s", within.as_secs_f64())
            }
            Self::BadAnswer => f.write_str("the answer is not a hub's: is the URL right?"),
            Self::GaveUp { attempts: 1, last } => write!(f, "{last}"),
            Self::GaveUp { attempts, last } => {
                write!(f, "{last}; given up after {attempts} attempts")
            }
        }
    }
}

impl Error for PublishFailure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NoClient(cause)
            | Self::Asked(cause)
            | Self::Unreachable(cause)
            | Self::Broken(cause) => Some(cause.as_ref()),
            Self::GaveUp { last, .. } => last.source(),
            _ => None,
        }
    }
}
