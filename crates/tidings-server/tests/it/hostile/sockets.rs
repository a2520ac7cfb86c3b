//! Connections that are half closed, reset, or full.

use std::time::Duration;

use socket2::SockRef;
use tidings_hub::HubConfig;
use tidings_server::{ServerConfig, StreamConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::harness::{Harness, form};
use crate::support::{Client, open_config};

const NDJSON: &str = "POST /events HTTP/1.1\r\nHost: hub\r\nContent-Type: application/x-ndjson\r\n";

/// Presence is off: a stream that opens and closes would announce itself to the witness.
async fn harness() -> Harness {
    let config = ServerConfig { subscriptions: false, ..open_config() };
    Harness::start(HubConfig::default(), config).await
}

/// Ends a connection with a reset.
fn reset(client: Client) {
    SockRef::from(&client.socket).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
}

/// `printf ... | nc -N` does so.
#[tokio::test]
async fn a_publisher_that_closes_its_half_at_once_is_answered() {
    let mut harness = harness().await;
    for number in 0..20 {
        let mut client = harness.server.connect().await;
        client.send(&form(format!("topic=a&data={number}"))).await;
        client.socket.shutdown().await.unwrap();
        assert_eq!(client.answer().await.status, 200);
        harness.was_published(&number.to_string()).await;
    }
    harness.goes_on("half a connection").await;
}

#[tokio::test]
async fn a_body_that_breaks_off_publishes_nothing() {
    let mut harness = harness().await;
    let whole = form("topic=a&data=0123456789");
    for (name, bytes) in [
        ("half closed in the head", &whole[..40]),
        ("half closed before the body", &whole[..whole.len() - 23]),
        ("half closed in the body", &whole[..whole.len() - 5]),
    ] {
        let mut client = harness.server.connect().await;
        client.send(bytes).await;
        client.socket.shutdown().await.unwrap();
        let answer = client.head().await;
        assert!(answer.is_none_or(|answer| answer.status == 400), "{name}");
        harness.goes_on(name).await;
        let mut client = harness.server.connect().await;
        client.send(bytes).await;
        reset(client);
        harness.goes_on(&format!("{name}, reset")).await;
    }
}

#[tokio::test]
async fn a_bulk_publish_that_breaks_off_has_published_its_whole_lines() {
    let mut harness = harness().await;
    for is_reset in [false, true] {
        let mut client = harness.server.connect().await;
        client.send(format!("{NDJSON}Transfer-Encoding: chunked\r\n\r\n").as_bytes()).await;
        client.send(b"24\r\n{\"topic\":\"a\",\"data\":\"1\"}\n{\"topic\":\"b\"\r\n").await;
        assert_eq!(client.head().await.unwrap().status, 200);
        assert!(client.piece().await.unwrap().starts_with(b"{\"id\":"));
        harness.was_published("1").await;
        if is_reset {
            reset(client);
        } else {
            client.socket.shutdown().await.unwrap();
            assert_eq!(client.piece().await, None);
        }
        harness.goes_on("a line cut off").await;
    }
}

#[tokio::test]
async fn a_stream_that_is_reset_or_half_closed_is_let_go_and_harms_no_other() {
    let mut harness = harness().await;
    for is_reset in [false, true] {
        let mut streams = Vec::new();
        for _ in 0..10 {
            streams.push(harness.server.subscribe("topic=*", "").await);
        }
        harness.subscribers(11).await;
        let mut left = streams.split_off(5);
        let mut half_closed = Vec::new();
        for mut stream in streams {
            if is_reset {
                reset(stream.client);
            } else {
                stream.client.socket.shutdown().await.unwrap();
                half_closed.push(stream);
            }
        }
        harness.subscribers(6).await;
        harness.goes_on("five of ten left").await;
        for stream in &mut left {
            assert_eq!(stream.data(1).await, ["after five of ten left"]);
        }
        drop((left, half_closed));
        harness.subscribers(1).await;
    }
}

/// It writes and writes. Once the hub's own room for results and the sockets are full the hub reads no more, and closes
/// the connection when its time is over.
#[tokio::test]
async fn a_bulk_publisher_that_reads_no_results_is_stopped() {
    let stream = StreamConfig { peer_timeout: Duration::from_secs(5), ..StreamConfig::default() };
    let config = ServerConfig { stream, ..open_config() };
    let mut harness = Harness::start(HubConfig::default(), config).await;
    let mut client = harness.server.connect().await;
    client.send(format!("{NDJSON}Content-Length: 99999999999\r\n\r\n").as_bytes()).await;
    let lines = "x\n".repeat(8 * 1024);
    let mut sent = 0;
    tokio::time::pause();
    while client.socket.write_all(lines.as_bytes()).await.is_ok() {
        sent += lines.len();
        assert!(sent < 64 * 1024 * 1024, "it takes everything");
    }
    tokio::time::resume();
    harness.goes_on("results that nobody reads").await;
}

/// What is not read of a body must not cost the client its answer.
#[tokio::test]
async fn a_refusal_arrives_though_the_body_was_not_read() {
    let mut harness = harness().await;
    let mut client = harness.server.connect().await;
    let body = vec![b'a'; 256 * 1024];
    let head =
        format!("POST /events HTTP/1.1\r\nHost: hub\r\nContent-Length: {}\r\n\r\n", body.len());
    client.send(head.as_bytes()).await;
    client.send(&body).await;
    let answer = client.answer().await;
    assert_eq!((answer.status, &answer.json()["reason"]), (415, &"unsupported_media_type".into()));
    let mut rest = Vec::new();
    drop(client.socket.read_to_end(&mut rest).await);
    harness.goes_on("a body that was not read").await;
}
