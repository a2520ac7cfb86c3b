//! Bytes that are not HTTP, or HTTP that means two things.

use super::harness::{Case, Expected, Harness, case, form, refused};
use crate::support::{Answer, TestServer};

const BROKEN: Expected = refused(400, "body_broken", "broke off before its end");

/// What is wrong, the bytes, and what is answered.
const BYTES: &[(&str, &[u8], Expected)] = &[
    ("a line that is no request", b"nonsense\r\n\r\n", Expected::Bare(400)),
    ("binary noise", b"\x00\x01\x02\xff\xfe\xfd\r\n\r\n", Expected::Bare(400)),
    ("the beginning of TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", Expected::Bare(400)),
    ("SSH", b"SSH-2.0-OpenSSH_9.6\r\n", Expected::Bare(400)),
    ("HTTP/0.9", b"GET /events?topic=a\r\n", Expected::Bare(400)),
    ("HTTP/1.2", b"GET /events?topic=a HTTP/1.2\r\n\r\n", Expected::Bare(400)),
    ("HTTP/2.0 in text", b"GET /events?topic=a HTTP/2.0\r\n\r\n", Expected::Bare(400)),
    ("HTTP in small letters", b"GET /events?topic=a http/1.1\r\n\r\n", Expected::Bare(400)),
    ("a method with a sign that is none", b"GE@T /events HTTP/1.1\r\n\r\n", Expected::Bare(400)),
    ("a method in quotes", b"\"GET\" /events HTTP/1.1\r\n\r\n", Expected::Bare(400)),
    ("no path", b"GET HTTP/1.1\r\n\r\n", Expected::Bare(400)),
    (
        "a host for a path",
        b"GET events HTTP/1.1\r\n\r\n",
        refused(404, "not_found", "nothing is served"),
    ),
    ("a space in the path", b"GET /events?topic=a b HTTP/1.1\r\n\r\n", Expected::Bare(400)),
    ("NUL in the path", b"GET /events?topic=\0 HTTP/1.1\r\n\r\n", Expected::Bare(400)),
    ("CR in the path", b"GET /events?topic=a\rb HTTP/1.1\r\n\r\n", Expected::Bare(400)),
    ("a header without a colon", b"GET /events HTTP/1.1\r\nHost\r\n\r\n", Expected::Bare(400)),
    ("a header without a name", b"GET /events HTTP/1.1\r\n: a\r\n\r\n", Expected::Bare(400)),
    ("a space in a header's name", b"GET /events HTTP/1.1\r\nA b: c\r\n\r\n", Expected::Bare(400)),
    (
        "a space before a header's colon",
        b"GET /events HTTP/1.1\r\nHost : a\r\n\r\n",
        Expected::Bare(400),
    ),
    ("NUL in a header's name", b"GET /events HTTP/1.1\r\nA\0: c\r\n\r\n", Expected::Bare(400)),
    (
        "NUL in a header",
        b"GET /events?topic=a HTTP/1.1\r\nLast-Event-ID: a\0b\r\n\r\n",
        Expected::Bare(400),
    ),
    (
        "CR in a header",
        b"GET /events?topic=a HTTP/1.1\r\nLast-Event-ID: a\rb\r\n\r\n",
        Expected::Bare(400),
    ),
    (
        "a header over two lines",
        b"GET /events?topic=a HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
        Expected::Bare(400),
    ),
    (
        "a body's length with a letter",
        b"POST /events HTTP/1.1\r\nContent-Length: 1x\r\n\r\n",
        Expected::Bare(400),
    ),
    (
        "a body's length with a sign",
        b"POST /events HTTP/1.1\r\nContent-Length: +1\r\n\r\n",
        Expected::Bare(400),
    ),
    (
        "a body's length below nought",
        b"POST /events HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        Expected::Bare(400),
    ),
    (
        "a body's length of 2^64",
        b"POST /events HTTP/1.1\r\nContent-Length: 18446744073709551616\r\n\r\n",
        Expected::Bare(400),
    ),
    (
        "two lengths",
        b"POST /events HTTP/1.1\r\nContent-Length: 7\r\nContent-Length: 8\r\n\r\ntopic=ab",
        Expected::Bare(400),
    ),
    (
        "two lengths in one",
        b"POST /events HTTP/1.1\r\nContent-Length: 7, 7\r\n\r\ntopic=a",
        Expected::Bare(400),
    ),
    (
        "an encoding that is not chunked",
        b"POST /events HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
        Expected::Bare(400),
    ),
    (
        "an encoding after chunked",
        b"POST /events HTTP/1.1\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
        Expected::Bare(400),
    ),
    (
        "chunks in HTTP/1.0",
        b"POST /events HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        Expected::Bare(400),
    ),
    ("HTTP/2's beginning gone wrong", b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", Expected::Bare(400)),
];

/// What is wrong, and a body in chunks.
const CHUNKS: &[(&str, &str)] = &[
    ("a size that is no number", "zz\r\ntopic=a\r\n0\r\n\r\n"),
    ("a size below nought", "-7\r\ntopic=a\r\n0\r\n\r\n"),
    ("a size beyond 64 bits", "10000000000000000\r\ntopic=a\r\n0\r\n\r\n"),
    ("a size without a line end", "7topic=a\r\n0\r\n\r\n"),
    ("a chunk longer than its size", "3\r\ntopic=a\r\n0\r\n\r\n"),
    ("an end without its line", "7\r\ntopic=a0\r\n\r\n"),
    ("no size", "\r\ntopic=a\r\n0\r\n\r\n"),
    ("a size with a bare LF", "7\ntopic=a\n0\n\n"),
];

/// What is large, made where it is used.
fn large() -> Vec<Case> {
    let with =
        |headers: &str| format!("GET /events?topic=a HTTP/1.1\r\nHost: hub\r\n{headers}\r\n");
    let extension = format!("7;{}\r\ntopic=a\r\n0\r\n\r\n", "x".repeat(100_000));
    let trailers = format!("7\r\ntopic=a\r\n0\r\nA: {}\r\n\r\n", "x".repeat(100_000));
    vec![
        case(
            "a header of 20 KB",
            with(&format!("A: {}\r\n", "a".repeat(20_000))),
            Expected::Bare(431),
        ),
        case(
            "a name of 20 KB",
            with(&format!("{}: a\r\n", "a".repeat(20_000))),
            Expected::Bare(431),
        ),
        case("1,000 headers", with(&"A: b\r\n".repeat(1_000)), Expected::Bare(431)),
        case(
            "a query of 20 KB",
            format!("GET /events?topic={} HTTP/1.1\r\n\r\n", "a".repeat(20_000)),
            Expected::Bare(431),
        ),
        case(
            "10,000 topics in the query",
            format!("GET /events?{} HTTP/1.1\r\n\r\n", "topic=a&".repeat(10_000)),
            Expected::Bare(431),
        ),
        case("a line without an end", "x".repeat(100_000), Expected::Bare(431)),
        case("a chunk with an extension of 100 KB", chunked(&extension), BROKEN),
        case("trailers of 100 KB", chunked(&trailers), BROKEN),
    ]
}

fn chunked(body: &str) -> Vec<u8> {
    let head =
        "POST /events HTTP/1.1\r\nHost: hub\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    format!("{head}Transfer-Encoding: chunked\r\n\r\n{body}").into_bytes()
}

pub(super) fn cases() -> Vec<Case> {
    let bytes = BYTES.iter().map(|&(name, bytes, expected)| case(name, bytes, expected));
    let chunks = CHUNKS.iter().map(|&(name, body)| case(name, chunked(body), BROKEN));
    bytes.chain(chunks).chain(large()).collect()
}

#[tokio::test]
async fn bytes_that_are_not_http_are_refused_and_publish_nothing() {
    Harness::open().await.check_all(cases()).await;
}

/// Sends bytes and reads all answers until the connection ends.
async fn answers(server: &TestServer, bytes: &[u8]) -> Vec<Answer> {
    let mut client = server.connect().await;
    client.send(bytes).await;
    let mut answers = Vec::new();
    while let Some(head) = client.head().await {
        answers.push(client.body(head).await);
    }
    answers
}

/// A second request hidden in the body of the first, for a proxy that goes by the length and a hub that goes by the
/// chunks, or the other way round. Chunks win and the connection ends, so what is behind them is never read as a request
/// (RFC 9112, 6.3).
#[tokio::test]
async fn a_request_hidden_behind_another_is_not_served() {
    let mut harness = Harness::open().await;
    let hidden = String::from_utf8(form("topic=hidden")).unwrap();
    let chunks = format!("9\r\ntopic=bad\r\n0\r\n\r\n{hidden}");
    let length = chunks.len();
    let head =
        "POST /events HTTP/1.1\r\nHost: hub\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    for lines in [
        format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"),
        format!("Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n"),
        "Content-Length: 9\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n".to_owned(),
    ] {
        let answers =
            answers(&harness.server, format!("{head}{lines}\r\n{chunks}").as_bytes()).await;
        assert_eq!(answers.len(), 1, "{lines}");
        harness.was_published("").await;
        harness.goes_on(&lines.replace("\r\n", ", ")).await;
    }
}

#[tokio::test]
async fn requests_on_one_connection_are_answered_in_their_order() {
    let mut harness = Harness::open().await;
    let many: Vec<u8> =
        (0..100).flat_map(|number| form(format!("topic=a&id=own-{number}"))).collect();
    let then_nonsense = [many, b"nonsense\r\n\r\n".to_vec()].concat();
    let answers = answers(&harness.server, &then_nonsense).await;
    let told: Vec<String> = answers.iter().map(Answer::text).collect();
    let mut expected: Vec<String> = (0..100).map(|number| format!("own-{number}")).collect();
    expected.push(String::new());
    assert_eq!(told, expected);
    assert_eq!(answers.last().unwrap().status, 400);
    for _ in 0..100 {
        harness.was_published("").await;
    }
    harness.goes_on("a hundred requests at once").await;
}

#[tokio::test]
async fn what_is_beyond_a_body_s_length_is_not_part_of_it() {
    let mut harness = Harness::open().await;
    let request = [form("topic=a&data=told"), b" and more".to_vec()].concat();
    let mut client = harness.server.connect().await;
    client.send(&request).await;
    assert_eq!(client.answer().await.status, 200);
    harness.was_published("told").await;
    harness.goes_on("a body longer than its length").await;
}
