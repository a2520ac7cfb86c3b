//! Where a redirect leads, and what of the request goes there.

use bytes::Bytes;
use http::header::{
    CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_LOCATION, CONTENT_TYPE,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use reqwest::Url;

use crate::asking::{Login, can_be_asked, take_login};
use crate::failure::RedirectFault;

/// How many redirects one attempt follows.
pub(crate) const MAX_REDIRECTS: usize = 10;

/// The request at one station of the way.
pub(crate) struct Hop {
    pub(crate) url: Url,
    pub(crate) method: Method,
    pub(crate) body: Option<Bytes>,
    /// The caller's headers and login, as long as all redirects have stayed at the first origin.
    pub(crate) headers: HeaderMap,
    pub(crate) login: Option<Login>,
}

/// Whether an answer with this status is a redirect that is followed.
pub(crate) fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

impl Hop {
    /// The request that follows on this answer.
    ///
    /// # Errors
    /// A [`RedirectFault`] if the answer leads nowhere.
    pub(crate) fn follow(
        self,
        status: StatusCode,
        location: Option<&HeaderValue>,
    ) -> Result<Self, RedirectFault> {
        let url = target(&self.url, location)?;
        let mut next = Self { url, ..self };
        if next.url.origin() != self.url.origin() {
            // Any of them may be a secret that is meant for the first origin only. They stay off for good, also where a
            // later redirect leads back: what is asked there is somebody else's choice.
            next.headers.clear();
            next.login = None;
        }
        let becomes_get = match status.as_u16() {
            303 => next.method != Method::HEAD,
            301 | 302 => next.method == Method::POST,
            _ => false,
        };
        if becomes_get {
            next.method = Method::GET;
            next.body = None;
            for name in
                [CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_LOCATION, CONTENT_TYPE]
            {
                next.headers.remove(name);
            }
        }
        Ok(next)
    }
}

/// Where a `Location` leads from here: a URL without user, password and fragment.
fn target(from: &Url, location: Option<&HeaderValue>) -> Result<Url, RedirectFault> {
    let location = location.map(|value| value.as_bytes().trim_ascii()).unwrap_or_default();
    if location.is_empty() {
        return Err(RedirectFault::NoLocation);
    }
    let location = str::from_utf8(location).map_err(|_| RedirectFault::BadLocation)?;
    let mut url = from.join(location).map_err(|_| RedirectFault::BadLocation)?;
    // A login in it is the server's, not the caller's.
    take_login(&mut url);
    url.set_fragment(None);
    if !can_be_asked(&url) || !url.has_host() {
        return Err(RedirectFault::BadLocation);
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use http::header::AUTHORIZATION;
    use proptest::prelude::*;

    use super::*;

    fn hop(method: Method) -> Hop {
        let headers = [
            (AUTHORIZATION, HeaderValue::from_static("Bearer secret")),
            (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        ];
        let mut url = Url::parse("https://ann:hunter2@a.example/x/y?z").unwrap();
        let login = take_login(&mut url);
        let headers = headers.into_iter().collect();
        Hop { url, method, body: Some(Bytes::from_static(b"{}")), headers, login }
    }

    fn follow(status: u16, method: Method, location: &[u8]) -> Result<Hop, RedirectFault> {
        let location = HeaderValue::from_bytes(location).unwrap();
        hop(method).follow(StatusCode::from_u16(status).unwrap(), Some(&location))
    }

    #[test]
    fn a_location_is_read_relative_to_where_it_was_found() {
        let cases: [(&str, &str); 8] = [
            ("/b", "https://a.example/b"),
            ("b", "https://a.example/x/b"),
            ("?b", "https://a.example/x/y?b"),
            ("//b.example/c", "https://b.example/c"),
            ("http://b.example", "http://b.example/"),
            ("https://eve:x@a.example/b#c", "https://a.example/b"),
            ("https://A.EXAMPLE:443/b", "https://a.example/b"),
            ("/\u{fc}", "https://a.example/%C3%BC"),
        ];
        for (location, expected) in cases {
            let next = follow(307, Method::GET, location.as_bytes()).unwrap_or_else(|fault| {
                panic!("{location}: {fault}");
            });
            assert_eq!(next.url.as_str(), expected, "{location}");
        }
    }

    #[test]
    fn what_leads_nowhere_is_a_fault() {
        let moved = StatusCode::MOVED_PERMANENTLY;
        let none = hop(Method::GET).follow(moved, None).err();
        assert_eq!(none, Some(RedirectFault::NoLocation));
        for location in ["", " ", "\t"] {
            let found = follow(301, Method::GET, location.as_bytes()).err();
            assert_eq!(found, Some(RedirectFault::NoLocation), "{location:?}");
        }
        for location in
            [&b"ftp://a/"[..], b"javascript:alert(1)", b"data:,x", b"http://", b"http://[", b"\xff"]
        {
            let found = follow(301, Method::GET, location).err();
            assert_eq!(found, Some(RedirectFault::BadLocation), "{location:?}");
        }
    }

    #[test]
    fn nothing_of_the_callers_goes_to_another_origin_and_none_of_it_comes_back() {
        for location in ["/b", "https://a.example:443/b"] {
            let next = follow(308, Method::GET, location.as_bytes()).unwrap();
            assert!(next.headers.contains_key(AUTHORIZATION) && next.login.is_some(), "{location}");
        }
        for location in
            ["http://a.example/", "https://a.example:8443/", "https://b.a.example/", "//b.example/"]
        {
            let next = follow(308, Method::GET, location.as_bytes()).unwrap();
            assert!(next.headers.is_empty() && next.login.is_none(), "{location}");
            let home = HeaderValue::from_static("https://a.example/x/y");
            let home = next.follow(StatusCode::FOUND, Some(&home)).unwrap();
            assert!(home.headers.is_empty() && home.login.is_none(), "{location} and back");
        }
    }

    #[test]
    fn the_method_and_the_body_go_on_as_with_fetch() {
        let cases = [
            (301, Method::POST, Method::GET),
            (302, Method::POST, Method::GET),
            (303, Method::POST, Method::GET),
            (303, Method::PUT, Method::GET),
            (303, Method::HEAD, Method::HEAD),
            (301, Method::PUT, Method::PUT),
            (302, Method::GET, Method::GET),
            (307, Method::POST, Method::POST),
            (308, Method::POST, Method::POST),
        ];
        for (status, method, expected) in cases {
            let next = follow(status, method.clone(), b"/b").unwrap();
            assert_eq!(next.method, expected, "{status} {method}");
            let dropped = expected == Method::GET && (method != Method::GET || status == 303);
            assert_eq!(next.body.is_none(), dropped, "{status} {method}");
            assert_eq!(!next.headers.contains_key(CONTENT_TYPE), dropped, "{status} {method}");
            assert!(next.headers.contains_key(AUTHORIZATION), "{status} {method}");
        }
    }

    proptest! {
        #[test]
        fn whatever_a_location_holds_it_leads_over_http_or_nowhere(
            location in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..60),
                "(https?:)?/{0,3}[a-z@:\\[\\]%#?.\\\\]{0,20}/{0,2}.{0,10}".prop_map(String::into_bytes),
            ],
        ) {
            if let Ok(value) = HeaderValue::from_bytes(&location)
                && let Ok(url) = target(&Url::parse("https://a.example/x").unwrap(), Some(&value))
            {
                prop_assert!(can_be_asked(&url) && url.has_host());
                prop_assert!(url.username().is_empty() && url.password().is_none());
                prop_assert!(url.fragment().is_none());
            }
        }
    }
}
