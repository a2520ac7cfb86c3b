//! Cross-origin requests: which origins may read the hub's answers (Mercure 0.x, Fetch standard).

use http::Method;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderValue, ORIGIN, VARY,
};
use http::request::Parts;

use crate::origin::{InvalidOrigin, OriginPattern};

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
    /// [`InvalidOrigin`] names the first entry that is not one of these.
    pub(crate) fn new(origins: &[String]) -> Result<Self, InvalidOrigin> {
        let mut cors = Self::default();
        for origin in origins {
            match OriginPattern::new(origin)? {
                OriginPattern::Any => cors.any = true,
                pattern @ OriginPattern::Like(_) => cors.origins.push(pattern),
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
        type Variant = fn(String) -> InvalidOrigin;
        let faulty: [(&str, Variant); 16] = [
            ("app.example", InvalidOrigin::BadScheme),
            ("", InvalidOrigin::BadScheme),
            ("*://app.example", InvalidOrigin::BadScheme),
            ("1http://app.example", InvalidOrigin::BadScheme),
            ("https://app.example/", InvalidOrigin::NotOnlyAnOrigin),
            ("https://app.example?x", InvalidOrigin::NotOnlyAnOrigin),
            ("https://", InvalidOrigin::BadHost),
            ("https://:80", InvalidOrigin::BadHost),
            ("https://a b.example", InvalidOrigin::BadHost),
            ("https://u@app.example", InvalidOrigin::BadHost),
            ("https://[::g]", InvalidOrigin::BadHost),
            ("https://app.example:0", InvalidOrigin::BadPort),
            ("https://app.example:+1", InvalidOrigin::BadPort),
            ("https://app.example:65536", InvalidOrigin::BadPort),
            ("https://app.example:8*", InvalidOrigin::BadPort),
            ("https://*.app.example:*", InvalidOrigin::TooManyWildcards),
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
