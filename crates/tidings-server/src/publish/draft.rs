//! An update as a publisher wrote it: the checks that are the same in every body.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use tidings_hub::{IdScope, Update};
use tidings_wire::{EventId, EventType, InvalidField};

use crate::announce::RESERVED_TYPES;

/// How large one update may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DraftLimits {
    /// Topics per update. Default: 1,000, as in the reference hub.
    pub max_topics: usize,
    /// Bytes per topic. Default: 4,096, Mercure's bound for what a topic is matched with.
    pub max_topic_bytes: usize,
    /// Bytes of `data`. Default: 1 MiB, Mercure 1.0's bound for a whole request.
    pub max_data_bytes: usize,
    /// Bytes of `id`. Default: 1,024, because it comes back in a request header, and servers and
    /// proxies bound those to 8 KiB or so.
    pub max_id_bytes: usize,
    /// No topic may contain this text: the hub's own updates are about topics that do. Default:
    /// `/.well-known/mercure` (Mercure 0.x).
    pub reserved_substring: &'static str,
}

impl Default for DraftLimits {
    fn default() -> Self {
        Self {
            max_topics: 1_000,
            max_topic_bytes: 4_096,
            max_data_bytes: 1024 * 1024,
            max_id_bytes: 1_024,
            reserved_substring: "/.well-known/mercure",
        }
    }
}

/// An update's fields as a body has them. Empty texts are as good as absent ones.
#[derive(Debug, Default)]
pub(super) struct RawDraft {
    topics: Vec<String>,
    pub(super) data: String,
    pub(super) id: String,
    pub(super) event_type: String,
    pub(super) retry_ms: u64,
    pub(super) private: bool,
}

impl RawDraft {
    /// Adds a topic. Checked one by one, so that a body full of topics ends at the limit.
    pub(super) fn push_topic(
        &mut self,
        topic: String,
        limits: &DraftLimits,
    ) -> Result<(), DraftError> {
        if topic.is_empty() {
            return Err(DraftError::EmptyTopic);
        }
        if topic.len() > limits.max_topic_bytes {
            return Err(DraftError::TopicTooLong { limit: limits.max_topic_bytes });
        }
        if topic.contains(limits.reserved_substring) {
            return Err(DraftError::ReservedTopic { reserved: limits.reserved_substring });
        }
        if self.topics.len() >= limits.max_topics {
            return Err(DraftError::TooManyTopics { limit: limits.max_topics });
        }
        self.topics.push(topic);
        Ok(())
    }

    pub(super) fn check(self, limits: &DraftLimits) -> Result<Update, DraftError> {
        if self.topics.is_empty() {
            return Err(DraftError::MissingTopic);
        }
        if self.data.len() > limits.max_data_bytes {
            return Err(DraftError::DataTooLarge {
                size: self.data.len(),
                limit: limits.max_data_bytes,
            });
        }
        let event_type = match self.event_type.as_str() {
            "" => None,
            text => {
                if let Some(name) = RESERVED_TYPES.into_iter().find(|name| *name == text) {
                    return Err(DraftError::ReservedType { name });
                }
                Some(EventType::new(text).map_err(DraftError::BadType)?)
            }
        };
        Ok(Update {
            id_scope: IdScope::Hub,
            topics: self.topics,
            data: self.data,
            id: check_id(&self.id, limits)?,
            event_type,
            retry: (self.retry_ms > 0).then(|| Duration::from_millis(self.retry_ms)),
            private: self.private,
            idempotency_key: None,
        })
    }
}

fn check_id(id: &str, limits: &DraftLimits) -> Result<Option<EventId>, DraftError> {
    if id.is_empty() {
        return Ok(None);
    }
    if id.len() > limits.max_id_bytes {
        return Err(DraftError::BadId(IdFault::TooLong { limit: limits.max_id_bytes }));
    }
    if id.starts_with('#') {
        return Err(DraftError::BadId(IdFault::LeadingHash));
    }
    if id == "earliest" {
        return Err(DraftError::BadId(IdFault::Earliest));
    }
    EventId::new(id).map(Some).map_err(|error| DraftError::BadId(IdFault::Character(error)))
}

/// Why a body is not an update. [`reason`](Self::reason) is for programs, `Display` for people.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum DraftError {
    /// There is no topic.
    MissingTopic,
    /// A topic is the empty text.
    EmptyTopic,
    /// There are more topics than `limit`.
    TooManyTopics {
        /// How many there may be.
        limit: usize,
    },
    /// A topic has more bytes than `limit`.
    TopicTooLong {
        /// How many bytes it may have.
        limit: usize,
    },
    /// A topic is in the hub's own namespace. Mercure 0.x answers 403.
    ReservedTopic {
        /// What the topic contains.
        reserved: &'static str,
    },
    /// The data has more bytes than `limit`.
    DataTooLarge {
        /// How many bytes it has.
        size: usize,
        /// How many it may have.
        limit: usize,
    },
    /// The id may not be used.
    BadId(IdFault),
    /// The type has NUL, CR or LF.
    BadType(InvalidField),
    /// The type is that of an event of the hub's own.
    ReservedType {
        /// The type.
        name: &'static str,
    },
    /// The reconnection time is not a whole number of milliseconds.
    BadRetry,
    /// A text is not UTF-8.
    NotUtf8 {
        /// The field it is in, or `body` for a body that has to be UTF-8 as a whole.
        field: &'static str,
    },
    /// A form has a `%` that two hexadecimal digits do not follow.
    BadEscape {
        /// The field it is in, or `name` for a field's name.
        field: &'static str,
    },
    /// A JSON update has a field that is none of an update's.
    UnknownField {
        /// The field, cut to 64 characters.
        name: String,
        /// The known field it looks like, if there is one.
        nearest: Option<&'static str>,
    },
    /// A JSON update has a field twice.
    DuplicateField {
        /// The field.
        field: &'static str,
    },
    /// A JSON value is not of the kind that its field takes.
    WrongType {
        /// The field, or `update` for an update itself.
        field: &'static str,
        /// What it takes.
        expected: &'static str,
    },
    /// The body is not well-formed JSON.
    BadJson {
        /// The line, counted from 1; in a bulk body the one in the body.
        line: usize,
        /// The column in bytes, counted from 1.
        column: usize,
    },
    /// A JSON array has more updates than `limit`.
    TooManyUpdates {
        /// How many there may be.
        limit: usize,
    },
    /// A line of a bulk body has more bytes than `limit`.
    LineTooLong {
        /// How many bytes it may have.
        limit: usize,
    },
    /// One update of a JSON array has an error.
    InArray {
        /// Which update, counted from 0.
        index: usize,
        /// What is wrong with it.
        error: Box<DraftError>,
    },
}

/// Why a text cannot be a publisher's own id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum IdFault {
    /// It has NUL, CR or LF.
    Character(InvalidField),
    /// It begins with `#`, as the ids that the hub makes do.
    LeadingHash,
    /// It is `earliest`, which asks for the whole log when it comes back.
    Earliest,
    /// It has more bytes than `limit`.
    TooLong {
        /// How many bytes it may have.
        limit: usize,
    },
}

impl DraftError {
    /// A stable name for the error, in snake case.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::MissingTopic => "missing_topic",
            Self::EmptyTopic => "empty_topic",
            Self::TooManyTopics { .. } => "too_many_topics",
            Self::TopicTooLong { .. } => "topic_too_long",
            Self::ReservedTopic { .. } => "reserved_topic",
            Self::DataTooLarge { .. } => "data_too_large",
            Self::BadId(_) => "bad_id",
            Self::BadType(_) => "bad_type",
            Self::ReservedType { .. } => "reserved_type",
            Self::BadRetry => "bad_retry",
            Self::NotUtf8 { .. } => "not_utf8",
            Self::BadEscape { .. } => "bad_escape",
            Self::UnknownField { .. } => "unknown_field",
            Self::DuplicateField { .. } => "duplicate_field",
            Self::WrongType { .. } => "wrong_type",
            Self::BadJson { .. } => "bad_json",
            Self::TooManyUpdates { .. } => "too_many_updates",
            Self::LineTooLong { .. } => "line_too_long",
            Self::InArray { error, .. } => error.reason(),
        }
    }
}

impl fmt::Display for DraftError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingTopic => f.write_str("missing `topic`: give the update at least one"),
            Self::EmptyTopic => f.write_str("`topic` is empty: name what the update is about"),
            Self::TooManyTopics { limit } => {
                write!(f, "more than {limit} topics: publish the update in parts")
            }
            Self::TopicTooLong { limit } => {
                write!(f, "`topic` is longer than {limit} bytes: shorten it")
            }
            Self::ReservedTopic { reserved } => {
                write!(f, "`topic` contains `{reserved}`, which is the hub's own: choose another")
            }
            Self::DataTooLarge { size, limit } => write!(
                f,
                "`data` has {size} bytes of at most {limit}: send less, or a link to the rest"
            ),
            Self::BadId(fault) => fault.fmt(f),
            Self::BadType(_) => f.write_str("`type` has NUL, CR or LF: remove it"),
            Self::ReservedType { name } => {
                write!(f, "`type` is `{name}`, as only the hub's own events are: choose another")
            }
            Self::BadRetry => {
                write!(f, "`retry` is not a whole number of milliseconds from 0 to {}", u64::MAX)
            }
            Self::NotUtf8 { field } => write!(f, "`{field}` is not UTF-8: encode it so"),
            Self::BadEscape { field } => write!(
                f,
                "`{field}` has a % without two hexadecimal digits after it: write %25 for a % sign"
            ),
            // Escaped, because the text goes to the log, too, where a line end could forge a line.
            Self::UnknownField { name, nearest: Some(nearest) } => {
                write!(f, "unknown field `{}`: did you mean `{nearest}`?", name.escape_debug())
            }
            Self::UnknownField { name, nearest: None } => write!(
                f,
                "unknown field `{}`: an update has `topic`, `data`, `type`, `id`, `retry` and \
                 `private`",
                name.escape_debug()
            ),
            Self::DuplicateField { field } => {
                write!(f, "`{field}` is there twice: keep one")
            }
            Self::WrongType { field, expected } => write!(f, "`{field}` has to be {expected}"),
            Self::BadJson { line, column } => {
                write!(f, "not well-formed JSON at line {line}, column {column}")
            }
            Self::TooManyUpdates { limit } => write!(
                f,
                "more than {limit} updates in one array: send application/x-ndjson, which has no \
                 such limit"
            ),
            Self::LineTooLong { limit } => {
                write!(f, "the line is longer than {limit} bytes: send a smaller update")
            }
            // Not a cause but where the error is, so it belongs to the text.
            Self::InArray { index, error } => write!(f, "update {index} of the array: {error}"),
        }
    }
}

impl Error for DraftError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::BadId(IdFault::Character(error)) | Self::BadType(error) => Some(error),
            Self::InArray { error, .. } => error.source(),
            _ => None,
        }
    }
}

impl fmt::Display for IdFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Character(_) => f.write_str("`id` has NUL, CR or LF: remove it"),
            Self::LeadingHash => {
                f.write_str("`id` begins with #, as only the hub's own do: choose another")
            }
            Self::Earliest => {
                f.write_str("`id` is `earliest`, which means the whole log: choose another")
            }
            Self::TooLong { limit } => {
                write!(f, "`id` is longer than {limit} bytes: it has to fit in a request header")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: DraftLimits = DraftLimits {
        max_topics: 2,
        max_topic_bytes: 30,
        max_data_bytes: 5,
        max_id_bytes: 10,
        reserved_substring: "/.well-known/mercure",
    };

    fn raw(topics: &[&str]) -> Result<RawDraft, DraftError> {
        let mut raw = RawDraft::default();
        for topic in topics {
            raw.push_topic((*topic).to_owned(), &LIMITS)?;
        }
        Ok(raw)
    }

    #[track_caller]
    fn check_topics(topics: &[&str], reason: &str) {
        let error = raw(topics).and_then(|raw| raw.check(&LIMITS)).unwrap_err();
        assert_eq!(error.reason(), reason);
    }

    #[track_caller]
    fn check_field(set: impl FnOnce(&mut RawDraft), reason: &str) {
        let mut raw = raw(&["a"]).unwrap();
        set(&mut raw);
        assert_eq!(raw.check(&LIMITS).unwrap_err().reason(), reason);
    }

    #[test]
    fn an_update_has_one_or_more_topics_within_the_limits() {
        assert_eq!(raw(&["a", "b"]).unwrap().check(&LIMITS).unwrap().topics, ["a", "b"]);
        check_topics(&[], "missing_topic");
        check_topics(&["a", ""], "empty_topic");
        check_topics(&["a", "b", "c"], "too_many_topics");
        check_topics(&["0123456789012345678901234567890"], "topic_too_long");
        check_topics(&["/.well-known/mercure/x"], "reserved_topic");
        check_topics(&["https://x/.well-known/mercureX"], "reserved_topic");
    }

    #[test]
    fn an_id_can_be_sent_back_and_is_not_one_of_the_hubs() {
        check_field(|raw| raw.id = "a\nb".into(), "bad_id");
        check_field(|raw| raw.id = "a\rb".into(), "bad_id");
        check_field(|raw| raw.id = "a\0b".into(), "bad_id");
        check_field(|raw| raw.id = "#a".into(), "bad_id");
        check_field(|raw| raw.id = "earliest".into(), "bad_id");
        check_field(|raw| raw.id = "0123456789x".into(), "bad_id");
        let mut raw = raw(&["a"]).unwrap();
        raw.id = "a#b".into();
        assert_eq!(raw.check(&LIMITS).unwrap().id, Some(EventId::new("a#b").unwrap()));
    }

    #[test]
    fn a_type_is_one_line_and_the_data_is_within_its_limit() {
        check_field(|raw| raw.event_type = "a\nb".into(), "bad_type");
        check_field(|raw| raw.data = "123456".into(), "data_too_large");
    }

    #[test]
    fn empty_fields_and_a_retry_of_zero_are_absent() {
        let draft = raw(&["a"]).unwrap().check(&LIMITS).unwrap();
        let expected = Update {
            id_scope: IdScope::Hub,
            topics: vec!["a".into()],
            data: String::new(),
            id: None,
            event_type: None,
            retry: None,
            private: false,
            idempotency_key: None,
        };
        assert_eq!(draft, expected);
    }

    #[test]
    fn an_error_in_an_array_keeps_its_reason_and_says_where_it_is() {
        let error = DraftError::InArray { index: 3, error: Box::new(DraftError::MissingTopic) };
        assert_eq!(error.reason(), "missing_topic");
        let text = "update 3 of the array: missing `topic`: give the update at least one";
        assert_eq!(error.to_string(), text);
    }
}
