//! Origins that are allowed to do something, as an operator writes them.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

/// Matches web origins (RFC 6454): `*` for all, `null`, or `scheme://host[:port]` with at most
/// one `*` that stands for any characters. Letter case does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginPattern {
    before: Box<str>,
    /// What follows the `*`. `None` when there is none.
    after: Option<Box<str>>,
}

impl OriginPattern {
    /// Whether `origin`, as a browser writes it, is covered.
    pub fn matches(&self, origin: &str) -> bool {
        let origin = origin.to_ascii_lowercase();
        match &self.after {
            None => origin == *self.before,
            Some(after) => {
                origin.strip_prefix(&*self.before).is_some_and(|rest| rest.ends_with(&**after))
            }
        }
    }
}

impl FromStr for OriginPattern {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        let lower = text.to_ascii_lowercase();
        let origin = lower.split_once("://").is_some_and(|(scheme, host)| {
            !scheme.is_empty()
                && !host.is_empty()
                && !host.contains(|c: char| matches!(c, '/' | '?' | '#' | '@') || c.is_whitespace())
        });
        if !(origin || lower == "*" || lower == "null") || lower.matches('*').count() > 1 {
            return Err(InvalidOrigin { entry: text.into() });
        }
        Ok(match lower.split_once('*') {
            Some((before, after)) => Self { before: before.into(), after: Some(after.into()) },
            None => Self { before: lower.into(), after: None },
        })
    }
}

/// The text is not an [`OriginPattern`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidOrigin {
    entry: Box<str>,
}

impl fmt::Display for InvalidOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not `*`, `null` or scheme://host[:port] with at most one *", self.entry)
    }
}

impl Error for InvalidOrigin {}
