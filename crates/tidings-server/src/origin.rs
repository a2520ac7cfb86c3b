//! Origins as an operator writes them: who may read the hub's answers, and who may publish by cookie.

use std::error::Error;
use std::fmt;

/// Some allowed origins: `*` for all, `null`, or `scheme://host[:port]` with at most one `*` in the host or for the port,
/// which stands for any characters or none.
#[derive(Debug, Clone)]
pub(crate) enum OriginPattern {
    /// `*`.
    Any,
    /// The others.
    Like(Pattern),
}

/// An origin with at most one `*` in it.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    /// Lower case, up to the `*` if there is one.
    before: String,
    /// What follows the `*`.
    after: Option<String>,
}

impl OriginPattern {
    /// Checks an origin's form. Upper case is taken as lower case.
    ///
    /// # Errors
    /// [`InvalidOrigin`] with the entry and what is wrong with it.
    pub(crate) fn new(origin: &str) -> Result<Self, InvalidOrigin> {
        if origin == "*" {
            return Ok(Self::Any);
        }
        let origin = origin.to_ascii_lowercase();
        check(&origin)?;
        Ok(Self::Like(match origin.split_once('*') {
            Some((before, after)) => Pattern { before: before.into(), after: Some(after.into()) },
            None => Pattern { before: origin, after: None },
        }))
    }

    /// Whether a request's `Origin` is covered.
    pub(crate) fn matches(&self, origin: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Like(pattern) => pattern.matches(origin),
        }
    }

    /// Whether anybody can serve a page from an origin this covers.
    pub(crate) fn spans_every_host(&self) -> bool {
        match self {
            Self::Any => true,
            Self::Like(pattern) => pattern.spans_every_host(),
        }
    }
}

impl Pattern {
    fn matches(&self, origin: &str) -> bool {
        let Some(after) = &self.after else { return origin.eq_ignore_ascii_case(&self.before) };
        let bytes = origin.as_bytes();
        let Some((head, rest)) = bytes.split_at_checked(self.before.len()) else { return false };
        let Some(tail_start) = rest.len().checked_sub(after.len()) else { return false };
        let Some((middle, tail)) = rest.split_at_checked(tail_start) else { return false };
        head.eq_ignore_ascii_case(self.before.as_bytes())
            && tail.eq_ignore_ascii_case(after.as_bytes())
            && middle.iter().all(|byte| is_host_byte(*byte) || *byte == b':')
    }

    fn spans_every_host(&self) -> bool {
        match &self.after {
            Some(after) => {
                self.before.ends_with("://") && (after.is_empty() || after.starts_with(':'))
            }
            None => self.before == "null",
        }
    }
}

/// An entry of the configuration that is not an origin. Each variant holds the entry.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidOrigin {
    /// There is no `scheme://` before it, or the scheme has a character that none may have.
    BadScheme(String),
    /// A path, even if only `/`, a query or a fragment follows the host.
    NotOnlyAnOrigin(String),
    /// The host is missing, or is neither a name nor an IPv6 address in brackets.
    BadHost(String),
    /// The port is neither a number from 1 to 65535 nor `*`.
    BadPort(String),
    /// There is more than one `*`.
    TooManyWildcards(String),
}

impl fmt::Display for InvalidOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (origin, advice) = match self {
            Self::BadScheme(origin) => (origin, "write scheme://host[:port], `*` or `null`"),
            Self::NotOnlyAnOrigin(origin) => {
                (origin, "end it after the host or port, without `/` or anything that follows")
            }
            Self::BadHost(origin) => {
                (origin, "a host has letters, digits, `.`, `-`, `_`, or is an IPv6 address in []")
            }
            Self::BadPort(origin) => (origin, "a port is a number from 1 to 65535, or `*`"),
            Self::TooManyWildcards(origin) => {
                (origin, "only one `*` may stand in it, in the host or for the port")
            }
        };
        write!(f, "`{origin}` is not an origin: {advice}")
    }
}

impl Error for InvalidOrigin {}

/// Checks an origin in lower case.
fn check(origin: &str) -> Result<(), InvalidOrigin> {
    if origin == "null" {
        return Ok(());
    }
    let scheme_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    let authority = match origin.split_once("://") {
        Some((scheme, authority))
            if scheme.starts_with(|first: char| first.is_ascii_alphabetic())
                && scheme.bytes().all(scheme_byte) =>
        {
            authority
        }
        _ => return Err(InvalidOrigin::BadScheme(origin.to_owned())),
    };
    if authority.contains(['/', '?', '#']) {
        return Err(InvalidOrigin::NotOnlyAnOrigin(origin.to_owned()));
    }
    if authority.matches('*').count() > 1 {
        return Err(InvalidOrigin::TooManyWildcards(origin.to_owned()));
    }
    let (host, port) = match authority.rsplit_once(':') {
        // The colons of an IPv6 address are not the port's.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    if !is_host(host) {
        return Err(InvalidOrigin::BadHost(origin.to_owned()));
    }
    if port.is_none_or(|port| port == "*" || is_port(port)) {
        Ok(())
    } else {
        Err(InvalidOrigin::BadPort(origin.to_owned()))
    }
}

/// Without a sign and without leading zeros, as browsers write it.
fn is_port(port: &str) -> bool {
    port.starts_with(|first: char| matches!(first, '1'..='9')) && port.parse::<u16>().is_ok()
}

fn is_host(host: &str) -> bool {
    match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(|byte| is_host_byte(byte) || byte == b'*'),
    }
}

fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b".-_".contains(&byte)
}
