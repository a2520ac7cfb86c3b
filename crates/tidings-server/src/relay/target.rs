//! Where a relay's events come from: a URL with names in its path, which the request's path fills in.

use matchit::Params;
use percent_encoding::percent_decode;
use reqwest::Url;

use super::config::InvalidRelay;

/// How often a value may be encoded, one way within the other.
const MAX_DECODINGS: usize = 4;

const EXPECTED: &str = "http://host/path or https://host/path, without user, password and fragment";

/// A URL whose path may hold names.
#[derive(Debug)]
pub(super) struct Target {
    /// Scheme, host and port.
    origin: String,
    path: Vec<Part>,
    /// The URL's own query.
    query: Option<String>,
}

#[derive(Debug)]
enum Part {
    Text(String),
    Name(String),
}

impl Target {
    /// Reads a URL.
    ///
    /// # Errors
    /// When it is none that can be relayed.
    pub(super) fn parse(url: &str) -> Result<Self, InvalidRelay> {
        let wrong = || InvalidRelay::Url { url: without_secrets(url), expected: EXPECTED };
        let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
        let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(authority_end);
        let (path, query) = match rest.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (rest, None),
        };
        let origin = format!("{scheme}://{authority}");
        let parsed = Url::parse(&origin).map_err(|_| wrong())?;
        let is_http = matches!(parsed.scheme(), "http" | "https");
        if !is_http || authority.contains('@') || url.contains('#') {
            return Err(wrong());
        }
        Ok(Self { origin, path: parts(path).ok_or_else(wrong)?, query })
    }

    /// The names in the path.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.path.iter().filter_map(|part| match part {
            Part::Name(name) => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }

    /// Where it is, for logs: without the query, which may hold a secret.
    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    /// The URL for what the names stand for. `None` where that would lead elsewhere than the path says.
    pub(super) fn fill(&self, params: &Params<'_, '_>, query: &str) -> Option<Url> {
        let mut url = self.origin.clone();
        for part in &self.path {
            match part {
                Part::Text(text) => url.push_str(text),
                Part::Name(name) => url.push_str(params.get(name).filter(|value| is_plain(value))?),
            }
        }
        let queries = self.query.as_deref().into_iter().chain(Some(query));
        let mut before = '?';
        for query in queries.filter(|query| !query.is_empty()) {
            url.push(before);
            url.push_str(query);
            before = '&';
        }
        Url::parse(&url).ok()
    }
}

/// A URL as it may be shown: without query, user and password.
fn without_secrets(url: &str) -> String {
    let bare = url.split(['?', '#']).next().unwrap_or_default();
    match (bare.split_once("://"), bare.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://{rest}"),
        (None, Some((_, rest))) => rest.to_owned(),
        (_, None) => bare.to_owned(),
    }
}

/// The parts of a path; `None` where a name is not closed or empty.
fn parts(path: &str) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut rest = path;
    while let Some((text, name)) = rest.split_once('{') {
        let (name, then) = name.split_once('}')?;
        let name = name.strip_prefix('*').unwrap_or(name);
        if name.is_empty() {
            return None;
        }
        parts.push(Part::Text(text.to_owned()));
        parts.push(Part::Name(name.to_owned()));
        rest = then;
    }
    if rest.contains('}') {
        return None;
    }
    parts.push(Part::Text(rest.to_owned()));
    Some(parts)
}

/// Whether a value of a request's path stays where it is put, also at an upstream that decodes it, and decodes it again:
/// no part of it goes up (`..`, however it is written), and it has only the characters that a path may have (RFC 3986,
/// 3.3), so that no parser takes one for a separator.
fn is_plain(value: &str) -> bool {
    let may_stand =
        |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:@/".contains(&byte);
    if !value.bytes().all(may_stand) {
        return false;
    }
    let mut decoded = value.as_bytes().to_vec();
    for _ in 0..MAX_DECODINGS {
        let mut parts = decoded.split(|byte| matches!(byte, b'/' | b'\\'));
        if parts.any(|part| matches!(part, b"." | b"..")) {
            return false;
        }
        let again: Vec<u8> = percent_decode(&decoded).collect();
        if again == decoded {
            return true;
        }
        decoded = again;
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The URL that a path is relayed from, where its pattern matches.
    fn fill(url: &str, pattern: &str, path: &str, query: &str) -> Option<String> {
        let target = Target::parse(url).unwrap();
        let mut router = matchit::Router::new();
        router.insert(pattern, ()).unwrap();
        let params = router.at(path).ok()?.params;
        target.fill(&params, query).map(String::from)
    }

    #[test]
    fn names_and_queries_are_filled_in() {
        let url = "http://app:8000/users/{id}/events";
        let pattern = "/api/users/{id}/events";
        let filled = |path, query| fill(url, pattern, path, query);
        assert_eq!(
            filled("/api/users/7/events", ""),
            Some("http://app:8000/users/7/events".into())
        );
        assert_eq!(
            filled("/api/users/a%2Fb/events", "x=1&y"),
            Some("http://app:8000/users/a%2Fb/events?x=1&y".into())
        );
        let own_query = "https://app/e?channel=all";
        assert_eq!(fill(own_query, "/e", "/e", ""), Some("https://app/e?channel=all".into()));
        assert_eq!(
            fill(own_query, "/e", "/e", "x=1"),
            Some("https://app/e?channel=all&x=1".into())
        );
        let rest = fill("http://app/live/{*rest}", "/live/{*rest}", "/live/a/b", "");
        assert_eq!(rest, Some("http://app/live/a/b".into()));
    }

    #[test]
    fn a_path_that_leads_elsewhere_is_refused() {
        let url = "http://app/users/{id}/events";
        for value in [
            "..%2F..%2Fadmin",
            "..%5Cadmin",
            "%252e%252e",
            "a%252F%252e%252e",
            "..",
            ".",
            "%2e%2e",
            "%2E.",
            ".%2e",
            "a\\..\\b",
            "a|b",
            "a^b",
            "a\u{e9}",
        ] {
            let path = format!("/users/{value}/events");
            assert_eq!(fill(url, "/users/{id}/events", &path, ""), None, "{value}");
        }
        for rest in ["a/../b", "../b", "a/%2e%2e/b", "a/.."] {
            let path = format!("/live/{rest}");
            assert_eq!(fill("http://app/live/{*r}", "/live/{*r}", &path, ""), None, "{rest}");
        }
    }

    #[test]
    fn what_cannot_be_relayed_is_no_target() {
        for url in [
            "",
            "app/events",
            "ftp://app/e",
            "http://",
            "http://user:secret@app/e",
            "http://app/e#f",
            "http://app/{id",
            "http://app/{}/e",
            "http://app/id}",
            "http://[::1/e",
        ] {
            assert!(Target::parse(url).is_err(), "{url}");
        }
    }

    proptest! {
        /// Whatever is asked for, the upstream's host and the fixed parts of its path are as configured.
        #[test]
        fn no_path_reaches_another_place(value in "[ -~]{0,20}", query in "[ -~]{0,20}") {
            let path = format!("/users/{value}/events");
            if let Some(url) = fill("http://app:8000/users/{id}/events", "/users/{id}/events", &path, &query) {
                let url = Url::parse(&url).unwrap();
                prop_assert_eq!((url.host_str(), url.port()), (Some("app"), Some(8000)));
                let segments: Vec<_> = url.path_segments().unwrap().collect();
                prop_assert_eq!(segments.len(), 3);
                prop_assert_eq!((segments[0], segments[2]), ("users", "events"));
            }
        }
    }
}
