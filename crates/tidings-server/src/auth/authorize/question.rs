//! What the application is asked: a client's request, as far as it needs it to know who that is.

use std::net::IpAddr;

use aws_lc_rs::digest::{Context, SHA256};
use http::header::{
    ACCEPT, ACCEPT_LANGUAGE, AUTHORIZATION, COOKIE, HeaderMap, HeaderName, HeaderValue,
    InvalidHeaderValue, USER_AGENT,
};
use http::request::Parts;

use crate::auth::Role;
use crate::mercure::CURSOR_PARAMETERS;
use crate::mercure::credentials;

const X_ORIGINAL_METHOD: HeaderName = HeaderName::from_static("x-original-method");
const X_ORIGINAL_URI: HeaderName = HeaderName::from_static("x-original-uri");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The client's headers that the application gets as they are, beside its cookies.
const PASSED_ON: [HeaderName; 3] = [AUTHORIZATION, ACCEPT_LANGUAGE, USER_AGENT];
/// Headers that tell which requests belong together. Each request has others, and no answer depends on them.
const TRACE: [HeaderName; 2] =
    [HeaderName::from_static("traceparent"), HeaderName::from_static("tracestate")];

/// Whether this client may do what it asks for.
///
/// It has no `Debug`: it holds credentials.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    pub(super) role: Role,
    pub(super) request: &'a Parts,
    /// The client's address, where it is known.
    pub(super) address: Option<IpAddr>,
    /// Whether a parameter of the query may be a token of the hub's, which is nothing to the application.
    pub(super) has_keys: bool,
}

/// Names a question. Two that the application could answer differently have different ones.
pub(super) type Digest = [u8; 32];

impl Question<'_> {
    /// The headers with which the application is asked.
    ///
    /// # Errors
    /// When the request has bytes that no header can carry. HTTP lets none of those through.
    pub(super) fn headers(&self) -> Result<HeaderMap, InvalidHeaderValue> {
        let request = &self.request.headers;
        let mut headers = HeaderMap::new();
        // Frameworks answer a request of this kind with a status where they would send a browser to a login page.
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        for name in PASSED_ON.iter().chain(&TRACE) {
            for value in request.get_all(name) {
                headers.append(name.clone(), value.clone());
            }
        }
        if let Some(cookies) = self.cookies() {
            headers.insert(COOKIE, HeaderValue::from_bytes(&cookies)?);
        }
        for (name, value) in &mut headers {
            value.set_sensitive(matches!(*name, AUTHORIZATION | COOKIE));
        }
        let uri = self.uri(|name, value| self.is_hub_token(name, value));
        headers.insert(X_ORIGINAL_METHOD, HeaderValue::from_str(self.request.method.as_str())?);
        headers.insert(X_ORIGINAL_URI, HeaderValue::from_bytes(uri.as_bytes())?);
        if let Some(address) = self.address {
            headers.insert(X_FORWARDED_FOR, HeaderValue::from_str(&address.to_string())?);
        }
        Ok(headers)
    }

    /// A digest of all that the application learns, but for the trace and for where in the log the client goes on.
    pub(super) fn digest(&self) -> Digest {
        let mut digest = Context::new(&SHA256);
        // Each part with its length, so that none can pass for the end of another.
        let mut add = |part: &[u8]| {
            digest.update(&(part.len() as u64).to_be_bytes());
            digest.update(part);
        };
        add(match self.role {
            Role::Publisher => b"publisher",
            Role::Subscriber => b"subscriber",
        });
        add(self.request.method.as_str().as_bytes());
        let is_left_out = |name: &str, value: &str| {
            CURSOR_PARAMETERS.contains(&name) || self.is_hub_token(name, value)
        };
        add(self.uri(is_left_out).as_bytes());
        add(self.address.map(|address| address.to_string()).unwrap_or_default().as_bytes());
        add(&self.cookies().unwrap_or_default());
        for name in &PASSED_ON {
            let values = self.request.headers.get_all(name);
            add(&(values.iter().count() as u64).to_be_bytes());
            values.iter().for_each(|value| add(value.as_bytes()));
        }
        digest.finish().as_ref().try_into().unwrap_or_default()
    }

    /// All cookies in one header: HTTP/2 may carry each in its own (RFC 9113, 8.2.3).
    fn cookies(&self) -> Option<Vec<u8>> {
        let mut values = self.request.headers.get_all(COOKIE).iter();
        let first = values.next()?;
        let mut joined = first.as_bytes().to_vec();
        for value in values {
            joined.extend_from_slice(b"; ");
            joined.extend_from_slice(value.as_bytes());
        }
        Some(joined)
    }

    /// The path and the query as asked, without the parameters that are left out.
    fn uri(&self, is_left_out: impl Fn(&str, &str) -> bool) -> String {
        let uri = &self.request.uri;
        let Some(query) = uri.query() else { return uri.path().to_owned() };
        let is_kept = |pair: &&str| {
            let mut parsed = form_urlencoded::parse(pair.as_bytes());
            parsed.next().is_none_or(|(name, value)| !is_left_out(&name, &value))
        };
        let kept: Vec<&str> = query.split('&').filter(is_kept).collect();
        if kept.is_empty() {
            return uri.path().to_owned();
        }
        format!("{}?{}", uri.path(), kept.join("&"))
    }

    fn is_hub_token(&self, name: &str, value: &str) -> bool {
        self.has_keys && credentials::is_token_parameter(name, value)
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    const TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.eyJtZXJjdXJlIjp7fX0.c2lnbmF0dXJlc2lnbmF0dXJl";

    fn parts(uri: &str, headers: &[(&str, &str)]) -> Parts {
        let request = Request::builder().uri(uri);
        let request =
            headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        request.body(()).unwrap().into_parts().0
    }

    fn question(request: &Parts) -> Question<'_> {
        let address = Some([192, 0, 2, 1].into());
        Question { role: Role::Subscriber, request, address, has_keys: true }
    }

    fn digest(uri: &str, headers: &[(&str, &str)]) -> Digest {
        question(&parts(uri, headers)).digest()
    }

    #[test]
    fn the_application_gets_what_tells_who_the_client_is_and_nothing_else() {
        let given = [
            ("cookie", "a=1"),
            ("cookie", "b=2"),
            ("authorization", "Basic YTpi"),
            ("accept-language", "de"),
            ("user-agent", "browser"),
            ("traceparent", "00-1-2-01"),
            ("tracestate", "x=y"),
            ("x-forwarded-for", "198.51.100.7"),
            ("x-original-uri", "/admin"),
            ("x-tidings-user", "root"),
            ("host", "hub.example"),
            ("origin", "https://app.example"),
            ("last-event-id", "1"),
        ];
        let parts = parts("http://hub.example/events?topic=a&lastEventID=1", &given);
        let headers = question(&parts).headers().unwrap();
        let mut lines: Vec<_> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        lines.sort();
        assert_eq!(
            lines,
            [
                "accept-language: de",
                "accept: application/json",
                "authorization: Basic YTpi",
                "cookie: a=1; b=2",
                "traceparent: 00-1-2-01",
                "tracestate: x=y",
                "user-agent: browser",
                "x-forwarded-for: 192.0.2.1",
                "x-original-method: GET",
                "x-original-uri: /events?topic=a&lastEventID=1",
            ]
        );
        let shown = format!("{headers:?}");
        assert!(!shown.contains("YTpi") && !shown.contains("b=2"), "{shown}");
    }

    #[test]
    fn a_token_of_the_hub_in_the_query_is_nothing_to_the_application() {
        let uri = |uri: &str, has_keys| {
            let parts = parts(uri, &[]);
            let question = Question { has_keys, ..question(&parts) };
            question.headers().unwrap()["x-original-uri"].to_str().unwrap().to_owned()
        };
        let asked = format!("/events?topic=a%2Fb&authorization={TOKEN}&x=%20");
        assert_eq!(uri(&asked, true), "/events?topic=a%2Fb&x=%20");
        assert_eq!(uri(&asked, false), asked, "a hub without keys has no tokens");
        assert_eq!(uri(&format!("/events?%61uthorization={TOKEN}"), true), "/events");
        let own = "/events?authorization=the-applications-own&topic=a&&b";
        assert_eq!(uri(own, true), own);
        assert_eq!(uri("/events", true), "/events");
    }

    #[test]
    fn questions_that_can_be_answered_differently_have_different_digests() {
        let asked = "/events?topic=a";
        let plain = digest(asked, &[("cookie", "a=1")]);
        let others = [
            digest(asked, &[("cookie", "a=2")]),
            digest(asked, &[("cookie", "a=1 ")]),
            digest(asked, &[("cookie", "A=1")]),
            digest(asked, &[]),
            digest(asked, &[("authorization", "a=1")]),
            digest(asked, &[("cookie", "a=1"), ("authorization", "Basic YTpi")]),
            digest(asked, &[("cookie", "a=1"), ("authorization", "")]),
            digest(asked, &[("cookie", "a=1"), ("user-agent", "x")]),
            digest(asked, &[("cookie", "a=1"), ("accept-language", "x")]),
            digest("/events?topic=b", &[("cookie", "a=1")]),
            digest("/events?topic=a&x", &[("cookie", "a=1")]),
            digest("/.well-known/mercure?topic=a", &[("cookie", "a=1")]),
            digest(&format!("{asked}&authorization=short"), &[("cookie", "a=1")]),
        ];
        let parts = parts(asked, &[("cookie", "a=1")]);
        let publisher = Question { role: Role::Publisher, ..question(&parts) };
        let elsewhere = Question { address: Some([192, 0, 2, 2].into()), ..question(&parts) };
        let mut all = vec![plain, publisher.digest(), elsewhere.digest()];
        all.extend(others);
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }

    #[test]
    fn where_the_client_goes_on_and_its_trace_make_no_other_question() {
        let plain = digest("/events?topic=a", &[("cookie", "a=1; b=2")]);
        for (uri, headers) in [
            ("/events?topic=a&lastEventID=%231", &[("cookie", "a=1; b=2")][..]),
            (
                "/events?last_event_id=1&topic=a&Last-Event-ID=2&lastEventId=3",
                &[("cookie", "a=1; b=2")],
            ),
            ("/events?topic=a", &[("cookie", "a=1; b=2"), ("last-event-id", "7")]),
            ("/events?topic=a", &[("cookie", "a=1; b=2"), ("traceparent", "00-1-2-01")]),
            ("/events?topic=a", &[("cookie", "a=1"), ("cookie", "b=2")]),
        ] {
            assert_eq!(digest(uri, headers), plain, "{uri}");
        }
    }
}
