//! Requests made of noise, and of good requests with some noise in them.

use std::net::IpAddr;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::Full;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::string::{RegexGeneratorStrategy, string_regex};
use tidings_server::Peer;
use tokio::io::AsyncWriteExt as _;
use tokio::runtime::Runtime;

use super::reasons;
use crate::support::TestServer;

/// The longest request that is taken for a seed.
const MAX_SEED_BYTES: usize = 2_000;
/// What may be answered to a request that comes by itself.
const STATUSES: [u16; 13] = [200, 204, 304, 400, 401, 403, 404, 405, 408, 413, 415, 422, 431];

/// One change to a request's bytes.
#[derive(Clone, Debug)]
enum Change {
    Replace(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Repeat(Index, usize),
    Cut(Index),
}

/// Bytes that mean something to a parser.
const MEANING: &[u8] = b"\r\n\0 :;,=&%#?/\\\"{}[]<>-+.*\x7f\x80\xc0\xff09afAF";

fn byte() -> impl Strategy<Value = u8> {
    prop_oneof![any::<u8>(), prop::sample::select(MEANING)]
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (any::<Index>(), byte()).prop_map(|(at, byte)| Change::Replace(at, byte)),
        (any::<Index>(), prop::collection::vec(byte(), 1..8))
            .prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        (any::<Index>(), 1..32_usize).prop_map(|(at, count)| Change::Remove(at, count)),
        (any::<Index>(), 1..64_usize).prop_map(|(at, count)| Change::Repeat(at, count)),
        any::<Index>().prop_map(Change::Cut),
    ]
}

fn apply(mut bytes: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for change in changes {
        if bytes.is_empty() {
            break;
        }
        let length = bytes.len();
        let end = |at: usize, count: usize| (at + count).min(length);
        match change {
            Change::Replace(at, byte) => bytes[at.index(length)] = *byte,
            Change::Insert(at, more) => {
                let at = at.index(length);
                bytes.splice(at..at, more.iter().copied());
            }
            Change::Remove(at, count) => {
                let at = at.index(length);
                bytes.drain(at..end(at, *count));
            }
            Change::Repeat(at, count) => {
                let at = at.index(length);
                let part = bytes[at..end(at, *count)].to_vec();
                bytes.splice(at..at, part);
            }
            Change::Cut(at) => bytes.truncate(at.index(length)),
        }
    }
    bytes
}

/// As many requests as `PROPTEST_CASES` says, else 256. What fails becomes a case of a table, not a file of seeds.
fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
}

/// An update goes in and comes out.
async fn goes_on(server: &TestServer) {
    let mut stream = server.subscribe("topic=still%20there", "").await;
    let id = server.publish("topic=still%20there&data=yes").await;
    assert_eq!(stream.event().await, ("message".into(), "yes".into(), id));
}

#[test]
fn requests_with_noise_in_them_are_answered_or_closed_and_harm_nobody() {
    let runtime = runtime();
    let server = runtime.block_on(TestServer::open());
    let seeds: Vec<Vec<u8>> = reasons::all()
        .into_iter()
        .map(|case| case.request)
        .filter(|request| request.len() <= MAX_SEED_BYTES)
        .collect();
    proptest!(config(), |(seed: Index, changes in prop::collection::vec(change(), 1..12))| {
        let bytes = apply(seed.get(&seeds).clone(), &changes);
        runtime.block_on(async {
            let mut client = server.connect().await;
            drop(client.socket.write_all(&bytes).await);
            drop(client.socket.shutdown().await);
            // Of several requests in one each is answered; a stream is left as soon as it opens.
            while let Some(head) = client.head().await {
                prop_assert!(STATUSES.contains(&head.status), "{head:?}");
                if head.header("content-type") == Some("text/event-stream") {
                    break;
                }
                client.body(head).await;
            }
            Ok(())
        })?;
    });
    runtime.block_on(goes_on(&server));
}

/// Texts that a regular expression matches, which is read once.
fn text(pattern: &str) -> RegexGeneratorStrategy<String> {
    string_regex(pattern).unwrap()
}

/// A request's parts as HTTP has taken them apart.
fn parts() -> impl Strategy<Value = (Method, Uri, Vec<(HeaderName, HeaderValue)>, Vec<u8>)> {
    let method = prop::sample::select(vec![
        Method::GET,
        Method::POST,
        Method::HEAD,
        Method::OPTIONS,
        Method::PUT,
    ]);
    let path = prop_oneof![
        Just("/events".to_owned()),
        Just("/.well-known/mercure".to_owned()),
        text("/.well-known/mercure/subscriptions(/[a-z%0-9{}+]{0,12}){0,3}"),
        text("/[!-~]{0,20}"),
    ];
    let query = prop_oneof![
        text(
            "(topic|lastEventID|authorization|Last-Event-ID)=[!-~]{0,40}(&topic=[!-~]{0,40}){0,3}"
        ),
        text("[!-~]{0,80}"),
    ];
    let uri = (path, query).prop_filter_map("no URI", |(path, query)| {
        format!("{}?{query}", path.replace(['?', '#'], "")).parse::<Uri>().ok()
    });
    let names = [
        "authorization",
        "cookie",
        "origin",
        "referer",
        "accept",
        "content-type",
        "last-event-id",
        "forwarded",
        "x-forwarded-for",
        "idempotency-key",
        "if-none-match",
        "access-control-request-method",
        "access-control-request-headers",
    ];
    let value = prop_oneof![
        prop::sample::select(vec![
            "application/json",
            "application/x-ndjson",
            "application/x-www-form-urlencoded",
            "text/event-stream",
            "Bearer eyJhbGciOiJIUzI1NiJ9.e30.AAAAAAAAAAAAAAAAAAAAAA",
            "mercureAuthorization=a.b.c",
            "earliest",
            "https://a.example",
            "null",
            "#00000000-1",
            "for=\"[::1]:80\", for=_a",
            "POST",
        ])
        .prop_map(|value| value.as_bytes().to_vec()),
        prop::collection::vec(byte(), 0..60),
    ];
    let header = (prop::sample::select(names.to_vec()), value).prop_filter_map(
        "no header",
        |(name, value)| {
            Some((HeaderName::from_static(name), HeaderValue::from_bytes(&value).ok()?))
        },
    );
    let body = prop_oneof![
        text(r#"(\{"(topic|data|id|type|retry|private|x)":["a-z0-9\[\]{},:\\]{0,20}\}?\n?){0,4}"#)
            .prop_map(String::into_bytes),
        text("((topic|data|id|type|retry|private)=[!-~]{0,12}&?){0,6}")
            .prop_map(String::into_bytes),
        prop::collection::vec(byte(), 0..200),
    ];
    (method, uri, prop::collection::vec(header, 0..6), body)
}

#[test]
fn requests_made_of_noise_are_answered_and_harm_nobody() {
    let runtime = runtime();
    let server = runtime.block_on(TestServer::open());
    proptest!(config(), |((method, uri, headers, body) in parts())| {
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        request.headers_mut().extend(headers.into_iter().map(|(name, value)| (Some(name), value)));
        let peer = Peer::from(IpAddr::from([127, 0, 0, 1]));
        let response = runtime.block_on(server.server.handle(request, peer));
        prop_assert!(STATUSES.contains(&response.status().as_u16()), "{response:?}");
    });
    runtime.block_on(goes_on(&server));
}
