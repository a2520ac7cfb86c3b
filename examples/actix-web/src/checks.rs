//! What clients send, checked once, and what they are told when it is wrong.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tidings_hub::{InvalidField, PublishError};

const MAX_USER: usize = 64;
const MAX_TEXT: usize = 1_000;

/// A user's name. It can be a part of a topic selector: it has nothing in it that makes a template.
#[derive(Clone, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct User(String);

impl User {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// What the user's notifications are about.
    pub(crate) fn topic(&self) -> String {
        format!("users/{}", self.0)
    }
}

impl TryFrom<String> for User {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        let is_good = (1..=MAX_USER).contains(&name.len()) && name.bytes().all(is_part);
        is_good.then_some(Self(name)).ok_or("a user is 1 to 64 letters, digits, _ or -")
    }
}

/// A message's text.
#[derive(Deserialize, Serialize)]
#[serde(try_from = "String")]
pub(crate) struct Text(String);

impl TryFrom<String> for Text {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let is_good = (1..=MAX_TEXT).contains(&text.chars().count());
        is_good.then_some(Self(text)).ok_or("a text is 1 to 1000 characters")
    }
}

/// Why a request is refused.
#[derive(Debug)]
pub(crate) enum Fault {
    NoSession,
    /// Its JSON, or something in it.
    Invalid(String),
    Publish(PublishError),
    Internal,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSession => f.write_str("log in first"),
            Self::Invalid(error) => f.write_str(error),
            Self::Publish(error) => error.fmt(f),
            Self::Internal => f.write_str("internal error"),
        }
    }
}

impl ResponseError for Fault {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::NoSession => StatusCode::UNAUTHORIZED,
            Self::Invalid(_) => StatusCode::BAD_REQUEST,
            // While the app goes down; nothing else is wrong with what the handlers publish.
            Self::Publish(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        HttpResponse::build(self.status_code()).json(json!({ "error": self.to_string() }))
    }
}

impl From<PublishError> for Fault {
    fn from(error: PublishError) -> Self {
        Self::Publish(error)
    }
}

impl From<InvalidField> for Fault {
    fn from(_: InvalidField) -> Self {
        Self::Internal
    }
}

impl From<getrandom::Error> for Fault {
    fn from(_: getrandom::Error) -> Self {
        Self::Internal
    }
}
