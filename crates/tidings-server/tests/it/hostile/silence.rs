//! Clients that stop in the middle. Time is paused while they are silent.

use std::time::Duration;

use tidings_hub::HubConfig;
use tidings_server::{RequestLimits, ServerConfig, StreamConfig};
use tokio::time::Instant;

use super::harness::{Case, Expected, Harness, case, refused};
use crate::support::{TestServer, open_config};

const HEADER_TIMEOUT: Duration = Duration::from_secs(4);
const BODY_TIMEOUT: Duration = Duration::from_secs(8);

/// Times within a test's own patience.
fn config() -> ServerConfig {
    ServerConfig {
        requests: RequestLimits {
            header_timeout: HEADER_TIMEOUT,
            body_timeout: BODY_TIMEOUT,
            ..RequestLimits::default()
        },
        stream: StreamConfig {
            keep_alive: Duration::from_secs(3),
            peer_timeout: Duration::from_secs(5),
            ..StreamConfig::default()
        },
        ..open_config()
    }
}

/// What has been sent when the client falls silent, and what becomes of it.
const BEGUN: &[(&str, &str, Expected)] = &[
    ("nothing", "", Expected::Closed),
    ("one byte", "G", Expected::Closed),
    ("half a head", "GET /events?topic=a HTTP/1.1\r\nHost: h", Expected::Closed),
    (
        "a head without its last line",
        "GET /events?topic=a HTTP/1.1\r\nHost: hub\r\n",
        Expected::Closed,
    ),
    ("what could be HTTP/2", "PR", Expected::Closed),
    ("the first word of HTTP/2", "PRI", Expected::Closed),
    ("the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Expected::Closed),
    ("half the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nS", Expected::Closed),
    (
        "half a form",
        "POST /events HTTP/1.1\r\nHost: hub\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 20\r\n\r\ntopic=a",
        refused(408, "body_timeout", "did not come in time"),
    ),
    (
        "half a chunk of JSON",
        "POST /events HTTP/1.1\r\nHost: hub\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n20\r\n{\"topic\":",
        refused(408, "body_timeout", "did not come in time"),
    ),
    (
        "JSON without its last chunk",
        "POST /events HTTP/1.1\r\nHost: hub\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nd\r\n{\"topic\":\"a\"}\r\n",
        refused(408, "body_timeout", "did not come in time"),
    ),
    (
        "a line and a half",
        "POST /events HTTP/1.1\r\nHost: hub\r\nContent-Type: application/x-ndjson\r\nContent-Length: 99\r\n\r\n{\"topic\":\"a\"}\n{\"topic\"",
        Expected::Lines(&["id", "body_timeout"]),
    ),
];

pub(super) fn cases() -> Vec<Case> {
    let silent = |&(name, bytes, expected)| {
        case(format!("{name}, then silence"), bytes, expected).then_silence()
    };
    BEGUN.iter().map(silent).collect()
}

#[tokio::test]
async fn a_client_that_falls_silent_is_turned_away_in_time() {
    Harness::start(HubConfig::default(), config()).await.check_all(cases()).await;
}

/// A byte now and then does not make a head any less late.
#[tokio::test]
async fn a_head_that_comes_byte_by_byte_has_no_more_time_than_another() {
    tokio::time::pause();
    for head in [
        "GET /events?topic=a&topic=a&topic=a&topic=a HTTP/1.1\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let server = TestServer::start(HubConfig::default(), config()).await;
        let mut client = server.connect().await;
        let begun = Instant::now();
        let mut sent = 0;
        for byte in head.as_bytes() {
            let ended = tokio::time::timeout(Duration::from_millis(700), client.head()).await;
            if ended.is_ok() {
                break;
            }
            client.send(&[*byte]).await;
            sent += 1;
        }
        // The first byte and the head after it have this time each.
        assert!(begun.elapsed() <= 2 * HEADER_TIMEOUT + Duration::from_secs(1), "{head:?}");
        assert!(sent < head.len(), "{head:?}");
    }
}

/// Connections were closed after the time that a head may take, 10 s: proxies keep them for reuse longer than that, and
/// now and then sent a request on one that was just being closed.
#[tokio::test(start_paused = true)]
async fn a_connection_that_was_used_may_be_silent_for_a_while() {
    const IDLE_TIMEOUT: Duration = Duration::from_secs(75);
    let server = TestServer::start(HubConfig::default(), config()).await;
    let mut client = server.connect().await;
    for _ in 0..3 {
        assert_eq!(client.post("topic=a").await.status, 200);
        tokio::time::sleep(IDLE_TIMEOUT.saturating_sub(Duration::from_secs(5))).await;
    }
    assert_eq!(client.post("topic=a").await.status, 200);
    let silent_since = Instant::now();
    tokio::time::sleep(IDLE_TIMEOUT + Duration::from_secs(1)).await;
    assert!(client.head().await.is_none(), "it is closed in the end");
    assert!(silent_since.elapsed() < IDLE_TIMEOUT + Duration::from_secs(2));
}
