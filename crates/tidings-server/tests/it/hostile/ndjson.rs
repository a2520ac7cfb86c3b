//! Lines that are no updates, in the middle of good ones.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body::Frame;
use tidings_server::Peer;

use super::harness::{Case, Expected, Harness, case, logged, post};
use crate::support::{TestServer, in_seconds, sign};

/// What is wrong, the body, and each line's result: `id`, or the reason of its refusal.
const LINES: &[(&str, &[u8], &[&str])] = &[
    ("nothing", b"", &[]),
    ("blank lines", b"\n \n\r\n\t\n", &[]),
    (
        "a bad line in the middle",
        b"{\"topic\":\"a\"}\nnonsense\n{\"topic\":\"b\"}\n",
        &["id", "bad_json", "id"],
    ),
    (
        "CRLF and blank lines",
        b"{\"topic\":\"a\"}\r\n\r\n{}\r\n\n{\"topic\":\"b\"}\r\n",
        &["id", "missing_topic", "id"],
    ),
    ("no line end at the end", b"{\"topic\":\"a\"}\n{\"topic\":\"b\"}", &["id", "id"]),
    ("a last line cut off", b"{\"topic\":\"a\"}\n{\"topic\":", &["id", "bad_json"]),
    ("invalid UTF-8", b"{\"topic\":\"a\xff\"}\n{\"topic\":\"b\"}\n", &["not_utf8", "id"]),
    (
        "a byte order mark",
        b"\xef\xbb\xbf{\"topic\":\"a\"}\n{\"topic\":\"b\"}\n",
        &["bad_json", "id"],
    ),
    ("NUL", b"{\"topic\":\"a\"}\n\0\n{\"topic\":\"b\"}\0\n", &["id", "bad_json", "bad_json"]),
    ("CR for a line end", b"{\"topic\":\"a\"}\r{\"topic\":\"b\"}\r", &["bad_json"]),
    ("an array on a line", b"[{\"topic\":\"a\"}]\n{\"topic\":\"b\"}\n", &["wrong_type", "id"]),
    ("an update over two lines", b"{\"topic\":\n\"a\"}\n", &["bad_json", "wrong_type"]),
    ("two updates on a line", b"{\"topic\":\"a\"}{\"topic\":\"b\"}\n", &["bad_json"]),
    (
        "each kind of field",
        br##"{"topic":"a","id":"a\nb"}
{"topic":"a","type":"a\rb"}
{"topic":"a","id":"#a"}
{"topic":"a","retry":-1}
{"topic":"a","data":"\ud800"}
{"topic":"a","privat":true}
{"topic":"a","topic":"b"}
{"topic":""}
{"topic":7}
{"topic":"/.well-known/mercure"}
{"topic":"a"}
"##,
        &[
            "bad_id",
            "bad_type",
            "bad_id",
            "bad_retry",
            "not_utf8",
            "unknown_field",
            "duplicate_field",
            "empty_topic",
            "wrong_type",
            "reserved_topic",
            "id",
        ],
    ),
];

fn lines(body: impl AsRef<[u8]>) -> Vec<u8> {
    post("application/x-ndjson", body)
}

/// What is long or deep, made where it is used.
fn large() -> Vec<Case> {
    let good = "{\"topic\":\"a\"}\n";
    // As long as the body of a request with one update may be, and a byte more.
    let long = "x".repeat(16 * 1024 * 1024 + 1);
    let escaped = format!(r#"{{"topic":"a","data":"{}"}}"#, "\\u0061".repeat(1_048_576));
    let deep = "[".repeat(100_000);
    let data = format!(r#"{{"topic":"a","data":"{}"}}"#, "a".repeat(1_048_577));
    let results = |results| Expected::Lines(results);
    vec![
        case(
            "a line of more than 16 MiB",
            lines(format!("{good}{long}\n{good}")),
            results(&["id", "line_too_long", "id"]),
        ),
        case(
            "a last line of more than 16 MiB",
            lines(format!("{good}{long}")),
            results(&["id", "line_too_long"]),
        ),
        // Six bytes for one: a line was bound to twice what its data may have.
        case(
            "1 MiB of data in escapes",
            lines(format!("{escaped}\n{good}")),
            results(&["id", "id"]),
        ),
        case(
            "data over its limit on a line",
            lines(format!("{data}\n{good}")),
            results(&["data_too_large", "id"]),
        ),
        case(
            "100,000 brackets on a line",
            lines(format!("{deep}\n{{\"topic\":{deep}\n{good}")),
            results(&["wrong_type", "wrong_type", "id"]),
        ),
    ]
}

pub(super) fn cases() -> Vec<Case> {
    let table = LINES.iter().map(|&(name, body, results)| {
        case(format!("NDJSON: {name}"), lines(body), Expected::Lines(results))
    });
    table.chain(large()).collect()
}

#[tokio::test]
async fn a_bad_line_gets_its_error_in_its_place_and_keeps_no_other_from_being_published() {
    Harness::open().await.check_all(cases()).await;
}

#[tokio::test]
async fn a_bad_line_is_named_by_its_number_and_told_as_soon_as_it_is_read() {
    let server = TestServer::open().await;
    let mut client = server.connect().await;
    let head = "POST /events HTTP/1.1\r\nHost: hub\r\nContent-Type: application/x-ndjson\r\n";
    client.send(format!("{head}Transfer-Encoding: chunked\r\n\r\n").as_bytes()).await;
    client.send(b"8\r\n\n\n{\"a\":1\r\n").await;
    client.send(b"2\r\n}\n\r\n").await;
    assert_eq!(client.head().await.unwrap().status, 200);
    let result = client.piece().await.unwrap();
    let result: serde_json::Value = serde_json::from_slice(&result).unwrap();
    assert_eq!((&result["error"], &result["line"]), (&"unknown_field".into(), &3.into()));
    // The body is still open, and the next line is good.
    client.send(b"e\r\n{\"topic\":\"a\"}\n\r\n").await;
    let result = client.piece().await.unwrap();
    assert!(result.starts_with(b"{\"id\":"));
    client.send(b"0\r\n\r\n").await;
    assert_eq!(client.piece().await, None);
}

/// The token was looked at once: a body without an end was published from for ever.
#[tokio::test(start_paused = true)]
async fn a_body_that_outlasts_its_token_ends_with_it() {
    let harness = Harness::open().await;
    let claims = serde_json::json!({ "exp": in_seconds(60), "mercure": { "publish": ["a"] } });
    let mut client = harness.server.connect().await;
    let token = sign(&claims);
    let head =
        format!("POST /events?secret=1 HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {token}");
    let head =
        format!("{head}\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked");
    client.send(format!("{head}\r\n\r\n").as_bytes()).await;
    assert_eq!(client.head().await.unwrap().status, 200);
    let mut reasons = Vec::new();
    drop(logged());
    for _ in 0..4 {
        // The last one is not granted.
        client.send(b"1c\r\n{\"topic\":\"a\"}\n{\"topic\":\"b\"}\n\r\n").await;
        let results = String::from_utf8(client.piece().await.unwrap()).unwrap();
        for result in results.lines() {
            let result: serde_json::Value = serde_json::from_str(result).unwrap();
            reasons.push(result["error"].as_str().unwrap_or("id").to_owned());
        }
        tokio::time::sleep(Duration::from_secs(21)).await;
    }
    let each = ["id", "forbidden"];
    assert_eq!(reasons, [&each[..], &each, &each, &["expired"]].concat());
    assert_eq!(client.piece().await, None, "the body is over");
    // Each reason once, and not the query.
    let logged = logged();
    for told in ["status=403 reason=\"forbidden\"", "status=401 reason=\"expired\""] {
        let lines: Vec<&str> = logged.lines().filter(|line| line.contains(told)).collect();
        let [line] = lines[..] else { panic!("{told}: {logged}") };
        assert!(line.contains(" INFO ") && line.contains("path=\"/events\""), "{line}");
        assert!(line.contains("address=127.0.0.1"), "{line}");
    }
    assert!(!logged.contains("secret=1") && !logged.contains(&token), "{logged}");
}

/// How many lines a chunk of an endless body has.
const CHUNK_LINES: usize = 8 * 1024;

/// A body without an end, of lines as short as they can be. It counts the chunks that are read of it.
struct Endless {
    chunk: Bytes,
    read: Arc<AtomicUsize>,
}

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.read.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(self.chunk.clone()))))
    }
}

/// Results were once counted and not weighed: those of lines that are no updates are fifty times as long as the lines,
/// and one connection that did not read held 755 MB.
#[tokio::test]
async fn results_that_nobody_reads_take_bounded_memory() {
    const MOST_BYTES: usize = 16 * 1024 * 1024;
    let server = TestServer::open().await;
    let read = Arc::new(AtomicUsize::new(0));
    let chunk = Bytes::from("x\n".repeat(CHUNK_LINES));
    let request = Request::post("/events")
        .header("Content-Type", "application/x-ndjson")
        .body(Endless { chunk, read: Arc::clone(&read) })
        .unwrap();
    let peer = Peer::from(IpAddr::from([127, 0, 0, 1]));
    let response = server.server.handle(request, peer).await;
    // Once it stops reading, nothing happens in many turns of the runtime.
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    let shortest =
        r#"{"error":"bad_json","detail":"not well-formed JSON at line 1, column 1","line":1}"#;
    let chunks = read.load(Ordering::Relaxed);
    assert!(chunks > 0);
    assert!(
        chunks * CHUNK_LINES * shortest.len() < MOST_BYTES,
        "the results of {chunks} chunks wait"
    );
    drop(response);
}
