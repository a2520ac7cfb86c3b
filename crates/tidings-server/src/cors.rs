//! Cross-origin requests: which origins may read the hub's answers (Mercure 0.x, Fetch standard).

use std::error::Error;
use std::fmt;

use http::Method;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderValue, ORIGIN, VARY,
};
use http::request::Parts;

const ALLOWED_METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST");

/// Mercure's three, and what a JSON publisher in a browser sends.
const ALLOWED_HEADERS: HeaderValue = HeaderValue::from_static(
    "authorization, cache-control, last-event-id, content-type, idempotency-key",
);

/// What a script may read of an answer: where the stream resumes, and where the hub is.
const EXPOSED_HEADERS: HeaderValue = HeaderValue::from_static("Last-Event-ID, Link");

/// Two hours: the longest any Chromium keeps a preflight's answer.
const PREFLIGHT_SECONDS: HeaderValue = HeaderValue::from_static("7200");

const PREFLIGHT_VARY: HeaderValue = HeaderValue::from_static(
    "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
);

/// The origins that may read answers, checked once at start.
///
/// An origin that is listed, by itself or by a wildcard, is answered by name and may send
/// credentials. Origins that anyone can have may not: for `*` the answer is `*`, which browsers
/// refuse to combine with credentials, and `null` (any sandboxed frame) and `https://*` get no
/// `Access-Control-Allow-Credentials`. Otherwise any site could read with its visitor's cookie.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cors {
    any: bool,
    origins: Vec<OriginPattern>,
}

impl Cors {
    /// Allows these origins: each `scheme://host[:port]` with at most one `*` in the host or for
    /// the port, or `*` for all, or `null`. None at all turns CORS off.
    ///
    /// # Errors
    /// [`CorsError`] names the first entry that is not one of these.
    pub(crate) fn new(origins: &[String]) -> Result<Self, CorsError> {
        let mut cors = Self::default();
        for origin in origins {
            match origin.as_str() {
                "*" => cors.any = true,
                _ => cors.origins.push(OriginPattern::new(origin)?),
            }
        }
        Ok(cors)
    }

    /// The headers of the 204 that answers a preflight request, or `None` if this is not one. An
    /// origin that is not allowed gets an answer without permission, which ends it in the browser.
    pub(crate) fn preflight(&self, request: &Parts) -> Option<HeaderMap> {
        let asks = request.method == Method::OPTIONS
            && request.headers.contains_key(ORIGIN)
            && request.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        if !asks || self.is_off() {
            return None;
        }
        let mut headers = HeaderMap::new();
        headers.insert(VARY, PREFLIGHT_VARY);
        if self.allow_origin(request, &mut headers) {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, ALLOWED_METHODS);
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS);
            headers.insert(ACCESS_CONTROL_MAX_AGE, PREFLIGHT_SECONDS);
        }
        Some(headers)
    }

    /// Adds to any other answer what lets the request's origin read it. `Vary: Origin` is there
    /// even for a request without an origin: a cache may offer the same answer to one that has it.
    pub(crate) fn apply(&self, request: &Parts, headers: &mut HeaderMap) {
        if self.is_off() {
            return;
        }
        headers.append(VARY, HeaderValue::from_static("Origin"));
        if self.allow_origin(request, headers) {
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS);
        }
    }

    fn is_off(&self) -> bool {
        !self.any && self.origins.is_empty()
    }

    /// Writes the permission for the request's origin; says whether there is one.
    fn allow_origin(&self, request: &Parts, headers: &mut HeaderMap) -> bool {
        let Some(origin) = request.headers.get(ORIGIN) else { return false };
        let text = origin.to_str().unwrap_or_default();
        let mut listed = self.origins.iter().filter(|pattern| pattern.matches(text)).peekable();
        if listed.peek().is_some() {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            if listed.any(|pattern| !pattern.spans_every_host()) {
                headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
            }
            true
        } else if self.any {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            true
        } else {
            false
        }
    }
}

/// One allowed origin: `null`, or `scheme://host[:port]` with at most one `*` in the host or for
/// the port, which stands for any characters or none.
#[derive(Debug, Clone)]
pub(crate) struct OriginPattern {
    /// Lower case, up to the `*` if there is one.
    before: String,
    /// What follows the `*`.
    after: Option<String>,
}

impl OriginPattern {
    /// Checks an origin's form. Upper case is taken as lower case.
    ///
    /// # Errors
    /// [`CorsError`] with the entry and what is wrong with it.
    pub(crate) fn new(origin: &str) -> Result<Self, CorsError> {
        let origin = origin.to_ascii_lowercase();
        check(&origin)?;
        Ok(match origin.split_once('*') {
            Some((before, after)) => Self { before: before.into(), after: Some(after.into()) },
            None => Self { before: origin, after: None },
        })
    }

    /// Whether a request's `Origin` is covered.
    pub(crate) fn matches(&self, origin: &str) -> bool {
        let Some(after) = &self.after else { return origin.eq_ignore_ascii_case(&self.before) };
        let bytes = origin.as_bytes();
        let Some((head, rest)) = bytes.split_at_checked(self.before.len()) else { return false };
        let Some(tail_start) = rest.len().checked_sub(after.len()) else { return false };
        let Some((middle, tail)) = rest.split_at_checked(tail_start) else { return false };
        head.eq_ignore_ascii_case(self.before.as_bytes())
            && tail.eq_ignore_ascii_case(after.as_bytes())
            && middle.iter().all(|byte| is_host_byte(*byte) || *byte == b':')
    }

    /// Whether anybody can serve a page from an origin this covers.
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
pub enum CorsError {
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

impl fmt::Display for CorsError {
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

impl Error for CorsError {}

/// Checks an origin in lower case.
fn check(origin: &str) -> Result<(), CorsError> {
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
        _ => return Err(CorsError::BadScheme(origin.to_owned())),
    };
    if authority.contains(['/', '?', '#']) {
        return Err(CorsError::NotOnlyAnOrigin(origin.to_owned()));
    }
    if authority.matches('*').count() > 1 {
        return Err(CorsError::TooManyWildcards(origin.to_owned()));
    }
    let (host, port) = match authority.rsplit_once(':') {
        // The colons of an IPv6 address are not the port's.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    if !is_host(host) {
        return Err(CorsError::BadHost(origin.to_owned()));
    }
    if port.is_none_or(|port| port == "*" || is_port(port)) {
        Ok(())
    } else {
        Err(CorsError::BadPort(origin.to_owned()))
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

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn cors(origins: &[&str]) -> Cors {
        Cors::new(&origins.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap()
    }

    fn request(method: Method, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().method(method).uri("/events");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    /// What `apply` lets `origin` do: the allowed origin, and whether with credentials.
    fn applied(cors: &Cors, origin: &str) -> Option<(String, bool)> {
        let mut headers = HeaderMap::new();
        cors.apply(&request(Method::GET, &[("origin", origin)]), &mut headers);
        assert_eq!(headers[VARY], "Origin");
        let allowed = headers.get(ACCESS_CONTROL_ALLOW_ORIGIN)?.to_str().unwrap().to_owned();
        assert_eq!(headers[ACCESS_CONTROL_EXPOSE_HEADERS], "Last-Event-ID, Link");
        Some((allowed, headers.contains_key(ACCESS_CONTROL_ALLOW_CREDENTIALS)))
    }

    fn allows(pattern: &str, origin: &str) -> bool {
        applied(&cors(&[pattern]), origin).is_some()
    }

    #[test]
    fn without_origins_nothing_is_added() {
        let cors = cors(&[]);
        let preflight = [("origin", "https://a.example"), ("access-control-request-method", "GET")];
        assert!(cors.preflight(&request(Method::OPTIONS, &preflight)).is_none());
        let mut headers = HeaderMap::new();
        cors.apply(&request(Method::GET, &preflight), &mut headers);
        assert!(headers.is_empty());
    }

    #[test]
    fn a_listed_origin_is_answered_by_name_with_credentials() {
        let cors = cors(&["https://App.example:8443", "capacitor://localhost"]);
        let named = |origin: &str| Some((origin.to_owned(), true));
        assert_eq!(applied(&cors, "https://app.example:8443"), named("https://app.example:8443"));
        assert_eq!(applied(&cors, "capacitor://localhost"), named("capacitor://localhost"));
        assert_eq!(applied(&cors, "https://app.example"), None);
        assert_eq!(applied(&cors, "http://app.example:8443"), None);
        assert_eq!(applied(&cors, "null"), None);
    }

    #[test]
    fn every_origin_is_answered_with_a_star_and_no_credentials() {
        let star = Some(("*".to_owned(), false));
        assert_eq!(applied(&cors(&["*"]), "https://anyone.example"), star);
        assert_eq!(applied(&Cors::new(&["*".to_owned()]).unwrap(), "http://localhost:5173"), star);
        let both = cors(&["*", "https://app.example"]);
        let named = Some(("https://app.example".to_owned(), true));
        assert_eq!(applied(&both, "https://app.example"), named);
        assert_eq!(applied(&both, "https://anyone.example"), star);
    }

    #[test]
    fn an_origin_that_anyone_can_have_gets_no_credentials() {
        let sent = |pattern: &str, origin: &str| applied(&cors(&[pattern]), origin).unwrap().1;
        assert!(!sent("null", "null"));
        assert!(!sent("https://*", "https://anyone.example"));
        assert!(!sent("https://*:8443", "https://anyone.example:8443"));
        assert!(sent("https://*.app.example", "https://a.app.example"));
        assert!(sent("http://localhost:*", "http://localhost:5173"));
    }

    #[test]
    fn one_wildcard_stands_for_any_part_of_the_host_or_for_the_port() {
        assert!(allows("https://*.app.example", "https://a.app.example"));
        assert!(allows("https://*.app.example", "https://a.b.APP.example"));
        assert!(allows("https://pr-*.app.example", "https://pr-12.app.example"));
        assert!(allows("http://localhost:*", "http://localhost:5173"));
        assert!(!allows("https://*.app.example", "https://app.example"));
        assert!(!allows("https://*.app.example", "https://a.app.example.evil.example"));
        assert!(!allows("https://*.app.example", "https://evil.example/.app.example"));
        assert!(!allows("https://*.app.example", "https://u@.app.example"));
        assert!(!allows("https://aba*aba.example", "https://aba.example"));
    }

    #[test]
    fn a_preflight_says_what_is_allowed() {
        let asks = [("origin", "https://a.example"), ("access-control-request-method", "POST")];
        let headers =
            cors(&["https://a.example"]).preflight(&request(Method::OPTIONS, &asks)).unwrap();
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_ORIGIN], "https://a.example");
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_CREDENTIALS], "true");
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_METHODS], "GET, HEAD, POST");
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_HEADERS], ALLOWED_HEADERS);
        assert_eq!(headers[ACCESS_CONTROL_MAX_AGE], "7200");
        assert_eq!(headers[VARY], PREFLIGHT_VARY);
    }

    #[test]
    fn a_preflight_from_another_origin_gets_no_permission() {
        let asks = [("origin", "https://b.example"), ("access-control-request-method", "POST")];
        let headers =
            cors(&["https://a.example"]).preflight(&request(Method::OPTIONS, &asks)).unwrap();
        assert_eq!(headers.keys().collect::<Vec<_>>(), [VARY]);
    }

    #[test]
    fn only_a_cors_options_request_is_a_preflight() {
        let cors = cors(&["*"]);
        let asks = [("origin", "https://a.example"), ("access-control-request-method", "POST")];
        assert!(cors.preflight(&request(Method::GET, &asks)).is_none());
        assert!(cors.preflight(&request(Method::OPTIONS, &asks[..1])).is_none());
        assert!(cors.preflight(&request(Method::OPTIONS, &asks[1..])).is_none());
    }

    #[test]
    fn an_answer_varies_by_origin_beside_what_it_varies_by_already() {
        let mut headers = HeaderMap::new();
        headers.insert(VARY, HeaderValue::from_static("Accept"));
        cors(&["https://a.example"]).apply(&request(Method::GET, &[]), &mut headers);
        assert_eq!(headers.get_all(VARY).iter().collect::<Vec<_>>(), ["Accept", "Origin"]);
        assert!(!headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
    }

    #[test]
    fn a_wrong_origin_is_refused_at_start_with_advice() {
        type Variant = fn(String) -> CorsError;
        let faulty: [(&str, Variant); 16] = [
            ("app.example", CorsError::BadScheme),
            ("", CorsError::BadScheme),
            ("*://app.example", CorsError::BadScheme),
            ("1http://app.example", CorsError::BadScheme),
            ("https://app.example/", CorsError::NotOnlyAnOrigin),
            ("https://app.example?x", CorsError::NotOnlyAnOrigin),
            ("https://", CorsError::BadHost),
            ("https://:80", CorsError::BadHost),
            ("https://a b.example", CorsError::BadHost),
            ("https://u@app.example", CorsError::BadHost),
            ("https://[::g]", CorsError::BadHost),
            ("https://app.example:0", CorsError::BadPort),
            ("https://app.example:+1", CorsError::BadPort),
            ("https://app.example:65536", CorsError::BadPort),
            ("https://app.example:8*", CorsError::BadPort),
            ("https://*.app.example:*", CorsError::TooManyWildcards),
        ];
        for (origin, variant) in faulty {
            let error = Cors::new(&[origin.to_owned()]).unwrap_err();
            assert_eq!(error, variant(origin.to_owned()));
        }
        for origin in ["null", "*", "http://[::1]", "http://[::1]:3000", "http://my_app:80"] {
            cors(&[origin]);
        }
        let error = OriginPattern::new("https://app.example/").unwrap_err().to_string();
        assert!(error.starts_with("`https://app.example/` is not an origin: end it"), "{error}");
    }
}
