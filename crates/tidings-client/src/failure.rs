//! Why an attempt fails, a stream ends, or a subscription stops.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use tidings_wire::DecodeError;

use crate::asking::AskFault;
use crate::causes::write_causes;
use crate::refusal::Refusal;
use crate::source::BoxError;

/// What has happened to a subscription, and at which URL.
///
/// `{}` prints what has happened; `{:#}` puts its causes behind it, on the same line: "… cannot be reached: … Connection
/// refused".
///
/// Neither it nor its causes show a password, a query string or a header, save what the caller's own functions put into
/// their errors.
#[derive(Debug)]
pub struct SubscribeError {
    pub(crate) url: String,
    pub(crate) failure: Failure,
}

impl SubscribeError {
    /// The URL, without user, password, query and fragment; empty if there is none.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What has happened.
    pub fn failure(&self) -> &Failure {
        &self.failure
    }

    /// What the server said, if it turned the request away.
    pub fn refusal(&self) -> Option<&Refusal> {
        match &self.failure {
            Failure::Refused(refusal) => Some(refusal),
            Failure::GaveUp { last, .. } => match last.as_ref() {
                Failure::Refused(refusal) => Some(refusal),
                _ => None,
            },
            _ => None,
        }
    }
}

impl fmt::Display for SubscribeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.url.is_empty() {
            write!(f, "{}", self.failure)?;
        } else {
            write!(f, "{}: {}", self.url, self.failure)?;
        }
        if f.alternate() { write_causes(f, self) } else { Ok(()) }
    }
}

impl Error for SubscribeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.failure.source()
    }
}

impl From<AskFault> for Failure {
    fn from(fault: AskFault) -> Self {
        match fault {
            AskFault::BadUrl => Self::BadUrl,
            AskFault::BadHeader { name } => Self::BadHeader { name },
            AskFault::Asked(cause) => Self::Asked(cause),
        }
    }
}

/// Why an attempt failed, a stream ended, or a subscription stopped.
#[derive(Debug)]
#[non_exhaustive]
pub enum Failure {
    /// The URL is none that can be asked: no URL at all, neither `http` nor `https`, or longer than 64 KiB.
    BadUrl,
    /// A header's name or value cannot stand in a request.
    BadHeader {
        /// Its name, as far as it is one.
        name: String,
    },
    /// The id to resume after holds NUL, CR or LF.
    BadLastEventId,
    /// The HTTP client could not be made: the system has no certificates, say.
    NoClient(BoxError),
    /// The function that makes the URL or a header failed.
    Asked(BoxError),
    /// There is no connection to the server.
    Unreachable(BoxError),
    /// The server broke off before it answered, or its answer is no HTTP.
    NoHttp(BoxError),
    /// There was no answer within the time for connecting.
    NoAnswer {
        /// The time.
        within: Duration,
    },
    /// The server turned the request away.
    Refused(Refusal),
    /// The answer is no event stream.
    NotEventStream {
        /// Its content type, if it has one.
        content_type: Option<String>,
    },
    /// The answer is compressed, which nobody asked for.
    Compressed,
    /// The server sends elsewhere, and that cannot be followed.
    Redirected(RedirectFault),
    /// The HTTP client that was given follows redirects itself, so that this crate cannot keep the caller's headers from
    /// other origins: make it with [`http_client`](crate::http_client), or with `redirect(Policy::none())`.
    ClientFollowsRedirects,
    /// The stream ended.
    Ended,
    /// The stream broke off.
    Broken(BoxError),
    /// Nothing came for so long that the connection counts as lost.
    Idle {
        /// How long.
        time: Duration,
    },
    /// A line or an event is larger than the limits.
    TooLarge(DecodeError),
    /// As many attempts in a row as [`Backoff::with_max_attempts`](crate::Backoff::with_max_attempts) allows have failed.
    GaveUp {
        /// How many.
        attempts: u32,
        /// How the last one failed.
        last: Box<Failure>,
    },
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadUrl => f.write_str("this is no http or https URL of at most 64 KiB"),
            Self::BadHeader { name } => write!(f, "the header {name:?} cannot stand in a request"),
            Self::BadLastEventId => f.write_str("an id with NUL, CR or LF cannot be resumed after"),
            Self::NoClient(_) => f.write_str("the HTTP client cannot be made"),
            Self::Asked(_) => f.write_str("the URL or a header could not be had"),
            Self::Unreachable(_) => f.write_str("the server cannot be reached"),
            Self::NoHttp(_) => f.write_str("the server broke off, or its answer is not HTTP"),
            Self::NoAnswer { within } => {
                write!(f, "the server has not answered within {:.1} s", within.as_secs_f64())
            }
            Self::Refused(refusal) => write!(f, "the server answers {refusal}"),
            Self::NotEventStream { content_type: Some(found) } => {
                write!(f, "the answer is {found:?} and not text/event-stream: is the URL right?")
            }
            Self::NotEventStream { content_type: None } => f.write_str(
                "the answer does not say that it is text/event-stream: is the URL right?",
            ),
            Self::Compressed => {
                f.write_str("the answer is compressed, though nobody asked for that")
            }
            Self::Redirected(fault) => write!(f, "{fault}"),
            Self::ClientFollowsRedirects => f.write_str(
                "the HTTP client follows redirects itself: make it with redirect(Policy::none())",
            ),
            Self::Ended => f.write_str("the stream ended"),
            Self::Broken(_) => f.write_str("the stream broke off"),
            Self::Idle { time } => {
                write!(
                    f,
                    "nothing came for {:.1} s: the connection counts as lost",
                    time.as_secs_f64()
                )
            }
            Self::TooLarge(error) => write!(f, "{error}: allow more with Subscribe::with_limits"),
            Self::GaveUp { attempts: 1, last } => write!(f, "{last}"),
            Self::GaveUp { attempts, last } => {
                write!(f, "{last}; given up after {attempts} attempts")
            }
        }
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NoClient(cause)
            | Self::Asked(cause)
            | Self::Unreachable(cause)
            | Self::NoHttp(cause)
            | Self::Broken(cause) => Some(cause.as_ref()),
            Self::GaveUp { last, .. } => last.source(),
            _ => None,
        }
    }
}

/// Why a redirect cannot be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RedirectFault {
    /// The answer does not say where to: there is no `Location`, or it is empty.
    NoLocation,
    /// `Location` is no URL, or is one that is neither `http` nor `https`, or longer than 64 KiB.
    BadLocation,
    /// There were more redirects in a row than are followed.
    TooMany {
        /// How many are followed.
        limit: usize,
    },
}

impl fmt::Display for RedirectFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoLocation => f.write_str("the server redirects without a Location"),
            Self::BadLocation => f.write_str(
                "the server redirects to a Location that is no http or https URL of at most 64 KiB",
            ),
            Self::TooMany { limit } => write!(f, "the server redirects more than {limit} times"),
        }
    }
}

impl Error for RedirectFault {}
