//! What the application answers, as JSON or as headers: who it is, and what they may do.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::auth::kicks::MAX_NAME_BYTES;
use crate::compact::compact;

/// How many selectors a list may have.
const MAX_SELECTORS: usize = 1_000;
/// How long a selector may be, in bytes: what a topic may be.
const MAX_SELECTOR_BYTES: usize = 4_096;
/// What the headers' names begin with.
const PREFIX: &str = "x-tidings-";
/// How much of an unknown name an error repeats.
const MAX_SHOWN_NAME_CHARS: usize = 64;

/// What an answer says. What it does not say is `None`.
#[derive(Default, PartialEq)]
pub(super) struct Answer {
    pub(super) user: Option<Arc<str>>,
    pub(super) session: Option<Arc<str>>,
    pub(super) topics: Option<Vec<String>>,
    pub(super) subscribe: Option<Vec<String>>,
    pub(super) publish: Option<Vec<String>>,
    pub(super) expires_in: Option<Duration>,
    /// JSON without spaces.
    pub(super) payload: Option<Arc<str>>,
}

/// What text may begin with, and JSON may not.
const BOM: &[u8] = "\u{feff}".as_bytes();

impl fmt::Debug for Answer {
    /// Without the session, whose name may be its secret, and the payload.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("user", &self.user)
            .field("topics", &self.topics)
            .field("subscribe", &self.subscribe)
            .field("publish", &self.publish)
            .field("expires_in", &self.expires_in)
            .finish_non_exhaustive()
    }
}

impl Answer {
    /// Reads what a good answer says. What is in the body stands before what is in the headers.
    ///
    /// # Errors
    /// The first thing that is not understood: to go by the rest would be to guess what may be read.
    pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, AnswerError> {
        let mut answer = Self::default();
        answer.read_headers(headers)?;
        let body = body.trim_ascii();
        if is_json(headers) {
            // An application that returns nothing may say so in JSON.
            if !matches!(body, b"" | b"null") {
                answer.read_json(body)?;
            }
        } else if body.starts_with(b"{") || body.starts_with(b"[") {
            return Err(AnswerError::Unlabelled);
        } else if body.starts_with(b"<") || body.starts_with(BOM) {
            return Err(AnswerError::WebPage);
        }
        Ok(answer)
    }

    fn read_headers(&mut self, headers: &HeaderMap) -> Result<(), AnswerError> {
        for name in headers.keys() {
            let Some(short) = name.as_str().strip_prefix(PREFIX) else { continue };
            let member = Member::ALL.into_iter().find(|member| member.header() == Some(short));
            let Some(member) = member else {
                let known = Member::ALL.into_iter().filter_map(Member::header);
                return Err(AnswerError::unknown(name.as_str(), PREFIX, short, known));
            };
            self.set(member, &Source::Headers(&headers.get_all(name).iter().collect::<Vec<_>>()))?;
        }
        Ok(())
    }

    fn read_json(&mut self, body: &[u8]) -> Result<(), AnswerError> {
        let members: Members<'_> = serde_json::from_slice(body).map_err(|error| {
            if error.is_data() {
                AnswerError::NotAnObject
            } else {
                AnswerError::NotJson { line: error.line(), column: error.column() }
            }
        })?;
        let mut seen = Vec::new();
        for (name, value) in members.0 {
            let Some(member) = Member::ALL.into_iter().find(|member| member.name() == name) else {
                let known = Member::ALL.into_iter().map(Member::name);
                return Err(AnswerError::unknown(&name, "", &name, known));
            };
            if seen.contains(&member) {
                return Err(AnswerError::Twice { name: member.name() });
            }
            seen.push(member);
            if value.get() != "null" {
                self.set(member, &Source::Json(value))?;
            }
        }
        Ok(())
    }

    fn set(&mut self, member: Member, source: &Source<'_>) -> Result<(), AnswerError> {
        match member {
            Member::User => self.user = source.name(member)?,
            Member::Session => self.session = source.name(member)?,
            Member::Topics => self.topics = Some(source.selectors(member)?),
            Member::Subscribe => self.subscribe = Some(source.selectors(member)?),
            Member::Publish => self.publish = Some(source.selectors(member)?),
            Member::ExpiresIn => self.expires_in = Some(source.seconds(member)?),
            Member::Payload => self.payload = source.json(),
        }
        Ok(())
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = value.and_then(|value| value.split(';').next()).unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Member {
    User,
    Session,
    Topics,
    Subscribe,
    Publish,
    ExpiresIn,
    Payload,
}

impl Member {
    const ALL: [Self; 7] = [
        Self::User,
        Self::Session,
        Self::Topics,
        Self::Subscribe,
        Self::Publish,
        Self::ExpiresIn,
        Self::Payload,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Session => "session",
            Self::Topics => "topics",
            Self::Subscribe => "subscribe",
            Self::Publish => "publish",
            Self::ExpiresIn => "expires_in",
            Self::Payload => "payload",
        }
    }

    /// The header's name behind the prefix, where there is one.
    fn header(self) -> Option<&'static str> {
        match self {
            Self::ExpiresIn => Some("expires-in"),
            Self::Payload => None,
            _ => Some(self.name()),
        }
    }

    fn expected(self) -> &'static str {
        match self {
            Self::User | Self::Session => "one text of at most 8 KiB",
            Self::Topics | Self::Subscribe | Self::Publish => {
                "a list of at most 1,000 texts, each of 1 to 4,096 bytes; one that holds a comma can only stand in JSON"
            }
            Self::ExpiresIn => "a number of seconds above 0",
            Self::Payload => "JSON",
        }
    }

    fn wrong(self) -> AnswerError {
        AnswerError::Wrong { name: self.name(), expected: self.expected() }
    }
}

/// Where a member stands.
enum Source<'a> {
    Json(&'a RawValue),
    Headers(&'a [&'a HeaderValue]),
}

impl Source<'_> {
    /// `None` for the empty text, as in a token.
    fn name(&self, member: Member) -> Result<Option<Arc<str>>, AnswerError> {
        let name = match self {
            Self::Json(value) => serde_json::from_str(value.get()).map_err(|_| member.wrong())?,
            Self::Headers(values) => single(values).ok_or(member.wrong())?.to_owned(),
        };
        if name.len() > MAX_NAME_BYTES {
            return Err(member.wrong());
        }
        Ok((!name.is_empty()).then(|| name.into()))
    }

    fn selectors(&self, member: Member) -> Result<Vec<String>, AnswerError> {
        let selectors: Option<Vec<String>> = match self {
            Self::Json(value) => serde_json::from_str(value.get()).ok(),
            Self::Headers(values) => listed(values),
        };
        let selectors = selectors.ok_or(member.wrong())?;
        let is_one = |selector: &String| (1..=MAX_SELECTOR_BYTES).contains(&selector.len());
        if selectors.len() > MAX_SELECTORS || !selectors.iter().all(is_one) {
            return Err(member.wrong());
        }
        Ok(selectors)
    }

    fn seconds(&self, member: Member) -> Result<Duration, AnswerError> {
        let text = match self {
            Self::Json(value) => value.get(),
            Self::Headers(values) => single(values).ok_or(member.wrong())?,
        };
        let seconds: Option<f64> = serde_json::from_str(text).ok();
        let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        duration.filter(|duration| !duration.is_zero()).ok_or(member.wrong())
    }

    fn json(&self) -> Option<Arc<str>> {
        match self {
            Self::Json(value) => Some(compact(value.get()).into()),
            Self::Headers(_) => None,
        }
    }
}

/// The text of a header that is there once.
fn single<'a>(values: &[&'a HeaderValue]) -> Option<&'a str> {
    let [value] = values else { return None };
    Some(std::str::from_utf8(value.as_bytes()).ok()?.trim_ascii())
}

/// What headers list, separated by commas (RFC 9110, 5.6.1). A template that holds a comma would be torn apart: its
/// pieces are no lists.
fn listed(values: &[&HeaderValue]) -> Option<Vec<String>> {
    let mut listed = Vec::new();
    for value in values {
        for piece in std::str::from_utf8(value.as_bytes()).ok()?.split(',').map(str::trim_ascii) {
            if piece.matches('{').count() != piece.matches('}').count() {
                return None;
            }
            if !piece.is_empty() {
                listed.push(piece.to_owned());
            }
        }
    }
    Some(listed)
}

/// The members of an object, in their order, those that are there twice included.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = object.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        json.deserialize_map(Reader)
    }
}

/// Why an answer is not understood. It repeats no value, which may be secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum AnswerError {
    /// The body looks like JSON, and does not say so.
    Unlabelled,
    /// The body is that of somebody who does not know of this question.
    WebPage,
    NotJson {
        line: usize,
        column: usize,
    },
    NotAnObject,
    /// Answers do not have this.
    Unknown {
        name: String,
        nearest: Option<String>,
    },
    Twice {
        name: &'static str,
    },
    /// A value is not what it should be.
    Wrong {
        name: &'static str,
        expected: &'static str,
    },
}

impl AnswerError {
    /// `short` is the name behind `prefix`.
    fn unknown(
        name: &str,
        prefix: &str,
        short: &str,
        known: impl Iterator<Item = &'static str>,
    ) -> Self {
        let name: String = name.chars().take(MAX_SHOWN_NAME_CHARS).collect();
        let near = |known: &&str| {
            let longer = short.chars().count().max(known.len());
            longer <= MAX_SHOWN_NAME_CHARS
                && strsim::damerau_levenshtein(short, known) * 3 <= longer
        };
        let nearest =
            known.filter(near).min_by_key(|known| strsim::damerau_levenshtein(short, known));
        Self::Unknown { name, nearest: nearest.map(|nearest| format!("{prefix}{nearest}")) }
    }
}

impl fmt::Display for AnswerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unlabelled => f.write_str(
                "its body looks like JSON, and its Content-Type is not application/json: say that it is, or send no body",
            ),
            Self::WebPage => f.write_str(
                "its body looks like a web page: see that the URL is that of the callback, and answer with JSON or no body",
            ),
            Self::NotJson { line, column } => {
                write!(f, "its body is not JSON at line {line}, column {column}")
            }
            Self::NotAnObject => f.write_str("its body is not a JSON object"),
            Self::Unknown { name, nearest: Some(nearest) } => {
                write!(f, "answers have no `{}`: did you mean `{nearest}`?", name.escape_debug())
            }
            Self::Unknown { name, nearest: None } => {
                write!(f, "answers have no `{}`: leave it out", name.escape_debug())
            }
            Self::Twice { name } => write!(f, "`{name}` is there twice"),
            Self::Wrong { name, expected } => write!(f, "`{name}` must be {expected}"),
        }
    }
}

impl std::error::Error for AnswerError {}

#[cfg(test)]
mod tests;
