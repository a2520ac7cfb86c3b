//! What a request is made of anew at each attempt: the URL and the headers, as values or as functions.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use http::StatusCode;

/// Any error of a function that the caller gave.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// The attempt that a URL or a header is asked for.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Attempt {
    /// The id that the stream is to resume after; empty if there is none, and where something is published. It is sent as
    /// `Last-Event-ID`, so it is of use here only for servers that take it elsewhere.
    pub last_event_id: String,
    /// How many ends and failed attempts there have been in a row.
    pub failures: u32,
    /// What the server answered a moment ago, 401 say, if this is for that reason: what was given then is not good any more
    /// ([`Verdict::Renew`](crate::Verdict::Renew)).
    pub refused: Option<StatusCode>,
}

type Answer = Pin<Box<dyn Future<Output = Result<String, BoxError>> + Send>>;

/// A text, or who is asked for it at each attempt.
#[derive(Clone)]
pub(crate) enum Source {
    Value(String),
    Function(Arc<dyn Fn(Attempt) -> Answer + Send + Sync>),
}

impl Source {
    pub(crate) fn function<F, A, E>(function: F) -> Self
    where
        F: Fn(Attempt) -> A + Send + Sync + 'static,
        A: Future<Output = Result<String, E>> + Send + 'static,
        E: Into<BoxError> + 'static,
    {
        let function = move |attempt| {
            let answer = function(attempt);
            Box::pin(async move { answer.await.map_err(Into::into) }) as Answer
        };
        Self::Function(Arc::new(function))
    }

    /// The text for this attempt.
    pub(crate) async fn text(&self, attempt: &Attempt) -> Result<String, BoxError> {
        match self {
            Self::Value(text) => Ok(text.clone()),
            Self::Function(function) => function(attempt.clone()).await,
        }
    }
}

/// What it holds may be secret.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Value(_) => "Value",
            Self::Function(_) => "Function",
        })
    }
}
