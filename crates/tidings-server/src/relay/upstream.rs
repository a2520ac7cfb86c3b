//! Asking an upstream for its event stream: the request, redirects, and what counts as an answer.

use std::error::Error;
use std::time::Duration;

use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, COOKIE,
    HeaderMap, HeaderValue, LOCATION,
};
use http::{HeaderName, StatusCode};
use reqwest::{Client, Response, Url, redirect};

use super::config::{InvalidRelay, RelayConfig};
use super::error::UpstreamError;
use crate::http_client;

/// How many redirects are followed.
const MAX_REDIRECTS: usize = 5;
/// After how long a silence the kernel asks a peer whether it still lives, and how often before it counts as gone: an
/// upstream that vanished without a word is found within a minute.
const PROBE_AFTER: Duration = Duration::from_secs(30);
const PROBES: u32 = 3;

/// What says who a client is, or may hold what it entrusted to this site: it goes to the upstream's own origin only.
const PERSONAL: [HeaderName; 5] = [
    AUTHORIZATION,
    COOKIE,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("tracestate"),
    HeaderName::from_static("baggage"),
];

/// What is asked, beside the relay's own headers.
#[derive(Clone, Debug, Default)]
pub(super) struct Question {
    /// The client's headers that are passed on.
    pub(super) headers: HeaderMap,
    /// The last id of the stream as it was before.
    pub(super) last_event_id: Option<HeaderValue>,
}

/// The client for one relay's upstream.
pub(super) fn client(config: &RelayConfig) -> Result<Client, InvalidRelay> {
    let path = || config.path.clone();
    let certificates = match &config.certificates {
        None => Vec::new(),
        Some(pem) => reqwest::Certificate::from_pem_bundle(pem)
            .ok()
            .filter(|certificates| !certificates.is_empty())
            .ok_or_else(|| InvalidRelay::Certificates { path: path() })?,
    };
    let scheme = config.url.split(':').next().unwrap_or_default();
    let client = http_client::build(scheme, certificates, |builder| {
        builder
            // Each stream is one connection, and is over when that is closed.
            .http1_only()
            .pool_max_idle_per_host(0)
            // Followed here, where it is known what may be sent to whom.
            .redirect(redirect::Policy::none())
            // What the environment says is for programs that talk to the world; an upstream is a neighbour.
            .no_proxy()
            .connect_timeout(config.connect_timeout)
            .tcp_keepalive(PROBE_AFTER)
            .tcp_keepalive_interval(PROBE_AFTER / PROBES)
            .tcp_keepalive_retries(PROBES)
            .user_agent(concat!("tidings/", env!("CARGO_PKG_VERSION")))
    });
    client.map_err(|source| InvalidRelay::Client { path: path(), source })
}

/// An event stream, and whose it is.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) response: Response,
    /// It comes from the relay's own upstream, not from where that has redirected to.
    pub(super) is_own: bool,
}

/// Asks for the event stream at `url`, with the relay's `own` headers. `patience` is how long the head of the answer may
/// take, redirects included.
///
/// # Cancel safety
/// Dropped, it closes the connection.
pub(super) async fn ask(
    client: &Client,
    url: Url,
    own: &HeaderMap,
    question: &Question,
    patience: Duration,
) -> Result<Answer, UpstreamError> {
    let answer = tokio::time::timeout(patience, follow(client, url, own, question));
    let Answer { response, is_own } = answer.await.unwrap_or(Err(UpstreamError::NoAnswer))?;
    Ok(Answer { response: check(response)?, is_own })
}

/// Asks, and goes where the upstream redirects to.
async fn follow(
    client: &Client,
    mut url: Url,
    own: &HeaderMap,
    question: &Question,
) -> Result<Answer, UpstreamError> {
    let mut headers = headers(own, question);
    let mut is_own = true;
    for _ in 0..=MAX_REDIRECTS {
        let request = client.get(url.clone()).headers(headers.clone()).send();
        // Without the URL, whose query may hold a secret.
        let response = request.await.map_err(|error| unreachable(&error.without_url()))?;
        if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
            return Ok(Answer { response, is_own });
        }
        let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let next = location.and_then(|location| url.join(location).ok());
        let next = next.filter(|next| matches!(next.scheme(), "http" | "https"));
        let next = next.ok_or(UpstreamError::Redirect)?;
        if next.origin() != url.origin() {
            is_own = false;
            forget_secrets(&mut headers, own);
        }
        url = next;
    }
    Err(UpstreamError::Redirect)
}

/// What keeps a request from being answered, as it is told: the causes have the words that help.
fn unreachable(error: &reqwest::Error) -> UpstreamError {
    let mut cause: &dyn Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    UpstreamError::Unreachable { cause: cause.to_string().into() }
}

fn headers(own: &HeaderMap, question: &Question) -> HeaderMap {
    let mut headers = question.headers.clone();
    headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
    // Compression would hold events back.
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(id) = &question.last_event_id {
        headers.insert(crate::mercure::LAST_EVENT_ID, id.clone());
    }
    for name in own.keys() {
        headers.remove(name);
        for value in own.get_all(name) {
            headers.append(name, value.clone());
        }
    }
    headers
}

/// Takes out what is for the upstream alone: the client's credentials, and every header of the relay's own.
fn forget_secrets(headers: &mut HeaderMap, own: &HeaderMap) {
    for name in PERSONAL.iter().chain(own.keys()) {
        headers.remove(name);
    }
}

/// Tells whether an answer is an event stream.
fn check(response: Response) -> Result<Response, UpstreamError> {
    match response.status() {
        StatusCode::OK => {}
        StatusCode::NO_CONTENT => return Err(UpstreamError::Ended),
        status if status.is_client_error() => return Err(UpstreamError::Refused(status)),
        status => return Err(UpstreamError::Failed(status)),
    }
    let content_type = response.headers().get(CONTENT_TYPE);
    let content_type = content_type.map(|value| String::from_utf8_lossy(value.as_bytes()));
    let essence = content_type.as_deref().and_then(|value| value.split(';').next());
    if !essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("text/event-stream")) {
        let content_type = content_type.map(|value| value.chars().take(100).collect());
        return Err(UpstreamError::NotEventStream { content_type });
    }
    let encoding = response.headers().get(CONTENT_ENCODING);
    if encoding.is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(UpstreamError::Encoded);
    }
    Ok(response)
}
