//! The parameters of a 0.x subscribe request: `topic` selectors and the cursor under its several names.

use std::fmt;

use http::HeaderMap;
use http::header::HeaderName;
use tidings_hub::Selector;

/// The header in which a browser sends the last id it saw, and in which a 0.x hub answers from where it goes on.
pub(crate) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// The query parameters that carry a cursor, the standard's first. The others are in the field's old and foreign
/// clients (REC-1).
pub(crate) const CURSOR_PARAMETERS: [&str; 4] =
    ["lastEventID", "last_event_id", "Last-Event-ID", "lastEventId"];
/// The cursor that asks for everything retained (REC-4).
pub(crate) const EARLIEST: &str = "earliest";
/// How long one selector may be, in bytes: what a topic may be.
const MAX_SELECTOR_BYTES: usize = 4_096;

/// What a subscribe request asks for.
#[derive(Debug)]
pub(crate) struct SubscribeQuery {
    pub(crate) selectors: Vec<Selector>,
    /// The id that the client saw last, where it says one.
    pub(crate) cursor: Option<String>,
}

impl SubscribeQuery {
    /// Reads the query string and the cursor header. `max_selectors` bounds how many selectors are compiled. Where `given`
    /// names the selectors, those of the query are not looked at.
    pub(crate) fn parse(
        query: &str,
        headers: &HeaderMap,
        max_selectors: usize,
        given: Option<Vec<Selector>>,
    ) -> Result<Self, QueryError> {
        let asks = given.is_none();
        let mut selectors = given.unwrap_or_default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if name == "topic" && asks {
                if selectors.len() == max_selectors {
                    return Err(QueryError::TooManySelectors { limit: max_selectors });
                }
                if value.len() > MAX_SELECTOR_BYTES {
                    return Err(QueryError::SelectorTooLong { limit: MAX_SELECTOR_BYTES });
                }
                selectors.push(Selector::new(value.into_owned()));
            }
        }
        if selectors.is_empty() {
            return Err(QueryError::MissingTopic);
        }
        Ok(Self { selectors, cursor: cursor(query, headers) })
    }
}

/// The id that a client saw last, from the header or the query string.
pub(crate) fn cursor(query: &str, headers: &HeaderMap) -> Option<String> {
    cursor_header(headers).or_else(|| {
        let mut cursors: [Option<String>; CURSOR_PARAMETERS.len()] = Default::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if let Some(which) = CURSOR_PARAMETERS.iter().position(|known| *known == name)
                && let Some(cursor) = cursors.get_mut(which)
            {
                cursor.get_or_insert_with(|| value.into_owned());
            }
        }
        cursors.into_iter().flatten().find(|cursor| !cursor.is_empty())
    })
}

/// The header wins over the query: a browser that reconnects sends both, and the query is the older one.
fn cursor_header(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(&LAST_EVENT_ID)?;
    let cursor = String::from_utf8_lossy(value.as_bytes()).into_owned();
    (!cursor.is_empty()).then_some(cursor)
}

/// What is wrong with a subscribe request's parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum QueryError {
    /// There is no `topic`.
    MissingTopic,
    /// There are more selectors than `limit`.
    TooManySelectors {
        /// How many there may be.
        limit: usize,
    },
    /// A selector has more bytes than `limit`.
    SelectorTooLong {
        /// How many bytes it may have.
        limit: usize,
    },
}

impl QueryError {
    /// A stable name for the error, in snake case.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::MissingTopic => "missing_topic",
            Self::TooManySelectors { .. } => "too_many_selectors",
            Self::SelectorTooLong { .. } => "selector_too_long",
        }
    }
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingTopic => f.write_str("Missing \"topic\" parameter: name at least one topic to subscribe to, as ?topic=..."),
            Self::TooManySelectors { limit } => write!(f, "more than {limit} topic selectors: open several streams, or use a template"),
            Self::SelectorTooLong { limit } => write!(f, "a topic selector is longer than {limit} bytes: shorten it"),
        }
    }
}

impl std::error::Error for QueryError {}
