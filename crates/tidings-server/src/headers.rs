//! Response headers that do not depend on the request: a stream's, and those on every answer.

use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS, X_XSS_PROTECTION,
};

/// What makes a browser's `EventSource` accept the answer. Without a charset: the format is always
/// UTF-8, and the standard defines no such parameter.
const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");

/// Mercure's value, and `no-transform` after it.
///
/// `private` and `no-store`: a stream is made for one reader's grants, so no cache may keep it.
/// `no-cache`, `must-revalidate` and `max-age=0`: the same for caches that do not know `no-store`.
/// `no-transform`: a proxy that compresses holds events back until its window is full.
const NO_CACHING: HeaderValue = HeaderValue::from_static(
    "private, no-cache, no-store, must-revalidate, max-age=0, no-transform",
);

/// nginx and proxies that follow it collect an answer into a buffer unless told not to.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Sets the headers of an answer that is an event stream.
///
/// No hop-by-hop header is set: HTTP/2 forbids them, and on HTTP/1.1 the connection's owner writes
/// them. `Pragma` is left out too: it says nothing that `Cache-Control` does not.
pub(crate) fn set_stream_headers(headers: &mut HeaderMap) {
    headers.insert(CONTENT_TYPE, EVENT_STREAM);
    headers.insert(CACHE_CONTROL, NO_CACHING);
    headers.insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
}

/// Sets the security headers that every answer of a Mercure hub has. One that is already there
/// stays: a page may need a policy of its own.
pub(crate) fn set_security_headers(headers: &mut HeaderMap) {
    let defaults = [
        // Nothing the hub serves belongs in another site's frame.
        (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        // A publisher's text must not be guessed to be a page or a script.
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        // For browsers older than content security policies.
        (X_XSS_PROTECTION, HeaderValue::from_static("1; mode=block")),
        // A page may load from its own origin only, and run nothing inline.
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'self'")),
    ];
    for (name, value) in defaults {
        headers.entry(name).or_insert(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(headers: &HeaderMap) -> Vec<String> {
        let mut lines: Vec<_> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        lines.sort();
        lines
    }

    #[test]
    fn a_stream_is_neither_cached_nor_buffered_nor_transformed() {
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=60"));
        set_stream_headers(&mut headers);
        let expected = [
            "cache-control: private, no-cache, no-store, must-revalidate, max-age=0, no-transform",
            "content-type: text/event-stream",
            "x-accel-buffering: no",
        ];
        assert_eq!(lines(&headers), expected);
    }

    #[test]
    fn every_answer_gets_mercures_security_headers() {
        let mut headers = HeaderMap::new();
        set_security_headers(&mut headers);
        let expected = [
            "content-security-policy: default-src 'self'",
            "x-content-type-options: nosniff",
            "x-frame-options: DENY",
            "x-xss-protection: 1; mode=block",
        ];
        assert_eq!(lines(&headers), expected);
    }

    #[test]
    fn a_page_keeps_its_own_policy() {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'"));
        set_security_headers(&mut headers);
        assert_eq!(headers[CONTENT_SECURITY_POLICY], "default-src 'none'");
        assert_eq!(headers.len(), 4);
    }
}
