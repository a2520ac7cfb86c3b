//! The admin calls that end streams: `POST /kick` and `POST /disconnect`.

use std::time::Duration;

use http::header::{ALLOW, CONTENT_TYPE, HeaderName, ORIGIN};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::auth::kicks::MAX_NAME_BYTES;
use crate::body::Body;
use crate::disconnect::{Ended, Whom};
use crate::server::Server;

const KICK: &str = "/kick";
const DISCONNECT: &str = "/disconnect";

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// How long the streams may take to end. Those whose clients take no bytes are cut after a second.
const PATIENCE: Duration = Duration::from_secs(5);

const USE_KICK: &str =
    "write POST /kick?user=USER, the name percent-encoded, and nothing else behind the `?`\n";
const USE_DISCONNECT: &str = "write POST /disconnect?session=SESSION or POST /disconnect?subscriber=URN, the name percent-encoded, and nothing else behind the `?`\n";

/// Whether a path is one of these calls.
pub(crate) fn is_served(path: &str) -> bool {
    matches!(path, KICK | DISCONNECT)
}

/// Ends the streams that a request names. The work is done in the hub's runtime: the admin listener's only thread must
/// not wait for a hub that is stuck.
pub(crate) async fn answer(request: &Parts, server: &Server, hub: &Handle) -> Response<Body> {
    let whom = match read(request) {
        Ok(whom) => whom,
        Err(refusal) => return refusal.respond(),
    };
    let server = server.clone();
    let ending = hub.spawn(async move { server.end_everywhere(whom).await });
    match timeout(PATIENCE, ending).await {
        Ok(Ok(Ended { closed, is_unasked: true, .. })) => text(
            StatusCode::SERVICE_UNAVAILABLE,
            format!(
                "streams that have ended: {closed}; the other hubs cannot be spoken to, and were not told: see whether the log's engine can be reached from here, and ask again\n"
            ),
        ),
        Ok(Ok(Ended { missing, closed, .. })) if !missing.is_empty() => text(
            StatusCode::SERVICE_UNAVAILABLE,
            format!(
                "streams that have ended: {closed}; hubs that have not answered, as each names itself in its log: {}; ask again: one that is down is forgotten within 10 s\n",
                missing.join(" ")
            ),
        ),
        Ok(Ok(Ended { closed, .. })) => {
            let mut response = Response::new(format!("{{\"closed\":{closed}}}\n").into());
            let json = HeaderValue::from_static("application/json");
            response.headers_mut().insert(CONTENT_TYPE, json);
            response
        }
        Ok(Err(_)) | Err(_) => text(
            StatusCode::SERVICE_UNAVAILABLE,
            "the streams were told to end and have not all ended within 5 s: look at /health/live, and ask again\n",
        ),
    }
}

/// Why a call is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    Method,
    WebPage,
    Parameters(&'static str),
}

impl Refused {
    fn respond(self) -> Response<Body> {
        match self {
            Self::Method => {
                let mut response = text(
                    StatusCode::METHOD_NOT_ALLOWED,
                    "use POST, as in: curl -X POST 'http://127.0.0.1:3001/kick?user=USER'\n",
                );
                response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
                response
            }
            Self::WebPage => text(
                StatusCode::FORBIDDEN,
                "a web page may not end streams through its visitor's browser: call from a program, without Origin and Sec-Fetch-Site\n",
            ),
            Self::Parameters(usage) => text(StatusCode::BAD_REQUEST, usage),
        }
    }
}

/// Reads whose streams a request is about.
fn read(request: &Parts) -> Result<Whom, Refused> {
    if request.method != Method::POST {
        return Err(Refused::Method);
    }
    let headers = &request.headers;
    // `none` is what a browser says of what its user typed.
    let is_from_page = |value: &HeaderValue| value != "none";
    if headers.contains_key(ORIGIN) || headers.get_all(SEC_FETCH_SITE).iter().any(is_from_page) {
        return Err(Refused::WebPage);
    }
    let is_kick = request.uri.path() == KICK;
    let usage = Refused::Parameters(if is_kick { USE_KICK } else { USE_DISCONNECT });
    let query = request.uri.query().unwrap_or_default();
    let mut parameters = form_urlencoded::parse(query.as_bytes());
    let (Some((parameter, name)), None) = (parameters.next(), parameters.next()) else {
        return Err(usage);
    };
    // What is not UTF-8 would be looked for under another name, and not found.
    let is_name =
        (1..=MAX_NAME_BYTES).contains(&name.len()) && !name.contains(char::REPLACEMENT_CHARACTER);
    let whom = match (is_kick, &*parameter) {
        (true, "user") => Whom::User,
        (false, "session") => Whom::Session,
        (false, "subscriber") => Whom::Subscriber,
        _ => return Err(usage),
    };
    if is_name { Ok(whom(name.into_owned())) } else { Err(usage) }
}

fn text(status: StatusCode, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn reading(method: &str, uri: &str, headers: &[(&str, &str)]) -> Result<Whom, Refused> {
        let request = Request::builder().method(method).uri(uri);
        let request =
            headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        read(&request.body(()).unwrap().into_parts().0)
    }

    #[track_caller]
    fn refused(method: &str, uri: &str, headers: &[(&str, &str)], expected: Refused) {
        assert!(
            reading(method, uri, headers).err() == Some(expected),
            "{method} {uri} {headers:?}"
        );
    }

    #[test]
    fn a_call_names_whose_streams_end() {
        let is = |uri: &str, whom: Whom| reading("POST", uri, &[]).is_ok_and(|read| read == whom);
        assert!(is("/kick?user=a%20%2B%26", Whom::User("a +&".to_owned())));
        assert!(is("/disconnect?session=%C3%A9", Whom::Session("é".to_owned())));
        assert!(is("/disconnect?subscriber=urn:uuid:1", Whom::Subscriber("urn:uuid:1".to_owned())));
        assert!(reading("POST", "/kick?user=a", &[("sec-fetch-site", "none")]).is_ok());
    }

    #[test]
    fn a_web_page_ends_nothing() {
        for headers in [
            [("origin", "https://evil.example")],
            [("origin", "http://127.0.0.1:3001")],
            [("origin", "null")],
            [("origin", "")],
            [("sec-fetch-site", "cross-site")],
            [("sec-fetch-site", "same-site")],
            [("sec-fetch-site", "same-origin")],
        ] {
            refused("POST", "/kick?user=a", &headers, Refused::WebPage);
        }
    }

    #[test]
    fn what_names_nobody_is_refused_with_what_to_write() {
        let long = format!("/kick?user={}", "a".repeat(MAX_NAME_BYTES + 1));
        for uri in [
            "/kick",
            "/kick?",
            "/kick?user",
            "/kick?user=",
            "/kick?usr=a",
            "/kick?session=a",
            "/kick?user=a&user=b",
            "/kick?user=a&x=1",
            "/kick?user=%FF",
            "/kick?a",
            &long,
        ] {
            refused("POST", uri, &[], Refused::Parameters(USE_KICK));
        }
        for uri in [
            "/disconnect",
            "/disconnect?session=",
            "/disconnect?subscriber=",
            "/disconnect?user=a",
            "/disconnect?session=a&subscriber=b",
        ] {
            refused("POST", uri, &[], Refused::Parameters(USE_DISCONNECT));
        }
        for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"] {
            refused(method, "/kick?user=a", &[], Refused::Method);
        }
    }
}
