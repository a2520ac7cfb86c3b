//! The direct lane: what is particular to sockets that the hub writes to itself, and that many streams on few shards each
//! get everything in order.

use std::time::Duration;

use serde_json::json;
use tidings_hub::{CloseReason, HubConfig, Limits, Update};
use tidings_server::{Lane, ServerConfig};
use tokio::io::AsyncWriteExt;

use super::guarantees::slow::{SMALL_BYTES, with_receive_buffer, with_send_buffers};
use super::memory::held_bytes;
use super::probe::{metric, metric_becomes};
use super::support::{
    EventStream, Now, PATIENCE, TestServer, in_seconds, lane, open_config, seq, sign,
};

const REQUEST: &str = "GET /events?topic=a HTTP/1.1\r\nHost: localhost\r\n\
                       Accept: text/event-stream\r\n\r\n";

/// A server that announces no subscriptions and takes any number of streams from one address.
async fn quiet_server() -> TestServer {
    let limits = Limits { per_address: None, ..HubConfig::default().limits };
    let config = ServerConfig { subscriptions: false, ..open_config() };
    TestServer::start(HubConfig { limits, ..HubConfig::default() }, config).await
}

fn publish(server: &TestServer, data: impl Into<String>) {
    server.server.hub().publish(Update::new("a", data)).now().unwrap();
}

#[tokio::test]
async fn the_head_says_that_the_stream_ends_with_its_connection() {
    if lane() != Lane::Direct {
        return;
    }
    let server = quiet_server().await;
    let mut stream = server.subscribe("topic=a", "").await;
    assert_eq!(stream.head.header("connection"), Some("close"));
    for absent in ["transfer-encoding", "content-length", "keep-alive"] {
        assert_eq!(stream.head.header(absent), None);
    }
    let dates = stream.head.headers.iter().filter(|(name, _)| name == "date");
    assert_eq!(dates.count(), 1);
    publish(&server, "1");
    assert_eq!(stream.data(1).await, ["1"]);
    server.server.hub().close_some(1, CloseReason::MaxAge);
    stream.rest().await;
}

#[tokio::test]
async fn an_http_1_0_subscriber_gets_a_stream_that_ends_with_its_connection() {
    let server = quiet_server().await;
    let mut client = server.connect().await;
    client.send(b"GET /events?topic=a HTTP/1.0\r\nAccept: text/event-stream\r\n\r\n").await;
    let mut stream = client.stream().await;
    assert_eq!(stream.head.header("transfer-encoding"), None);
    for data in ["1", "2"] {
        publish(&server, data);
        assert_eq!(stream.data(1).await, [data]);
    }
    server.server.hub().close_some(1, CloseReason::MaxAge);
    stream.rest().await;
}

/// What a client sends on an open stream is read and thrown away, a little at a time.
#[tokio::test]
async fn a_client_that_sends_megabytes_on_an_open_stream_delays_nobody_and_goes_on() {
    const PIECES: usize = 128;
    if lane() != Lane::Direct {
        // The other lane lets them wait in the kernel.
        return;
    }
    let server = quiet_server().await;
    let mut noisy = server.subscribe("topic=a", "").await.opened().await;
    let mut other = server.subscribe("topic=a", "").await.opened().await;
    let garbage = vec![b'x'; 64 * 1024];
    let held = held_bytes();
    for n in 0..PIECES {
        let sent = tokio::time::timeout(PATIENCE, noisy.client.send(&garbage)).await;
        assert!(sent.is_ok(), "the server does not read");
        publish(&server, n.to_string());
        assert_eq!(other.data(1).await, [n.to_string()]);
        assert_eq!(noisy.data(1).await, [n.to_string()]);
    }
    let more = held_bytes() - held;
    assert!(more < 128 * 1024, "{more} bytes more are held after {PIECES} pieces");
    publish(&server, "last");
    assert_eq!(noisy.data(1).await, ["last"]);
}

#[tokio::test]
async fn a_client_that_closes_its_half_ends_its_stream() {
    let config = ServerConfig { subscriptions: false, ..open_config() };
    let (server, admin) = TestServer::with_admin(HubConfig::default(), config).await;
    let mut stays = server.subscribe("topic=a", "").await.opened().await;
    let mut stream = server.subscribe("topic=a", "").await.opened().await;
    publish(&server, "1");
    assert_eq!(stream.data(1).await, ["1"]);
    stream.client.socket.shutdown().await.unwrap();
    assert_eq!(stream.rest().await, []);
    metric_becomes(admin, "tidings_connections", 1).await;
    assert_eq!(metric(admin, "tidings_streams"), 1);
    assert_eq!(metric(admin, "tidings_streams_closed_total{reason=\"client\"}"), 1);
    publish(&server, "2");
    assert_eq!(stays.data(2).await, ["1", "2"]);
}

/// The answer to the first request has no end, so there is none to a second.
#[tokio::test]
async fn a_request_behind_that_for_a_stream_is_not_answered_and_does_no_harm() {
    for second in [
        "GET /events?topic=b HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n",
        "POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 14\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\r\ntopic=a&data=x",
        "no request at all\r\n\r\n",
    ] {
        let server = quiet_server().await;
        let mut client = server.connect().await;
        client.send(format!("{REQUEST}{second}").as_bytes()).await;
        let mut stream = client.stream().await.opened().await;
        server.server.hub().publish(Update::new("b", "not asked for")).now().unwrap();
        for data in ["1", "2"] {
            publish(&server, data);
            assert_eq!(stream.data(1).await, [data], "behind it: {second:?}");
        }
        let stats = server.server.hub().stats();
        assert_eq!((stats.subscribers, stats.published), (1, 3));
        server.server.hub().close_some(1, CloseReason::MaxAge);
        assert_eq!(stream.rest().await, []);
    }
}

/// Whatever happened on a stream just after its end had come put the end off: a client that took nothing and sent a byte
/// each millisecond kept its stream beyond its token for as long as it liked.
#[tokio::test]
async fn a_stuck_client_that_sends_all_the_time_is_ended_with_its_token() {
    let config = ServerConfig { subscriptions: false, ..open_config() };
    let server = with_send_buffers(SMALL_BYTES, HubConfig::default(), config).await;
    let claims = json!({ "exp": in_seconds(2), "mercure": { "subscribe": ["*"] } });
    let headers = format!("Authorization: Bearer {}\r\n", sign(&claims));
    let client = with_receive_buffer(SMALL_BYTES, &server).await;
    let mut stuck = client.subscribe("topic=a", &headers).await.opened().await;
    let hub = server.server.hub();
    let data = "x".repeat(1_000);
    hub.publish_all((0..1_000).map(|_| Update::new("a", data.as_str()))).now();
    let hostile = async {
        let mut pace = tokio::time::interval(Duration::from_millis(1));
        while hub.stats().subscribers > 0 {
            pace.tick().await;
            // The last one comes when the connection is gone.
            drop(stuck.client.socket.write_all(b"x").await);
        }
    };
    // Its token's end and the second of grace are at most three seconds off.
    tokio::time::timeout(Duration::from_secs(6), hostile).await.expect("it stays open");
}

/// The data of an update far larger than what the kernel takes at once, each place of it told by its text.
fn large(n: usize) -> String {
    let places: Vec<_> = (0..20_000).map(|place| format!("{n}.{place} ")).collect();
    places.concat()
}

#[tokio::test]
async fn a_socket_that_took_part_of_a_frame_gets_the_rest_later_and_others_go_on() {
    let config = ServerConfig { subscriptions: false, ..open_config() };
    let server = with_send_buffers(SMALL_BYTES, HubConfig::default(), config).await;
    let mut live = server.subscribe("topic=a", "").await.opened().await;
    let mut slow = Vec::new();
    for _ in 0..3 {
        let client = with_receive_buffer(SMALL_BYTES, &server).await;
        slow.push(client.subscribe("topic=a", "").await.opened().await);
    }
    let mut expected = Vec::new();
    for n in 0..4 {
        let data = if n % 2 == 0 { large(n) } else { n.to_string() };
        publish(&server, data.clone());
        assert!(live.data(1).await == [data.clone()], "update {n} of one that reads");
        expected.push(data);
    }
    for stream in &mut slow {
        for (n, data) in expected.iter().enumerate() {
            assert!(stream.data(1).await == [data.clone()], "update {n} of one that is slow");
        }
    }
    publish(&server, "last");
    for stream in slow.iter_mut().chain([&mut live]) {
        assert_eq!(stream.data(1).await, ["last"]);
    }
}

/// The number of the next update of a stream that gets all of them.
async fn next_seq(stream: &mut EventStream) -> u64 {
    let (event_type, data, id) = stream.event().await;
    assert_eq!((event_type.as_str(), data), ("message", seq(&id).to_string()));
    seq(&id)
}

/// Publishes some updates, each with its number as its data.
fn publish_burst(server: &TestServer, first: u64, how_many: u64) {
    let updates = (first..first + how_many).map(|n| Update::new("a", n.to_string()));
    assert!(server.server.hub().publish_all(updates).now().iter().all(Result::is_ok));
}

#[tokio::test]
async fn thousands_of_streams_on_one_shard_each_get_all_updates_in_order() {
    const STREAMS: usize = 2_000;
    const UPDATES: u64 = 200;
    const BURST: u64 = 25;
    let server = quiet_server().await;
    let mut streams = Vec::with_capacity(STREAMS);
    for _ in 0..STREAMS {
        streams.push(server.subscribe("topic=a", "").await);
    }
    let mut seen = vec![0; STREAMS];
    for (round, first) in (1..=UPDATES).step_by(usize::try_from(BURST).unwrap()).enumerate() {
        publish_burst(&server, first, BURST);
        // Some read at once, some later.
        for (stream, seen) in streams.iter_mut().zip(&mut seen).skip(round % 4).step_by(4) {
            while *seen < first + BURST - 1 {
                *seen += 1;
                assert_eq!(next_seq(stream).await, *seen);
            }
        }
    }
    for (stream, mut seen) in streams.iter_mut().zip(seen) {
        while seen < UPDATES {
            seen += 1;
            assert_eq!(next_seq(stream).await, seen);
        }
    }
    assert_eq!(server.server.hub().stats().gaps, 0);
}

/// Streams come all the time, some from the log's beginning, while updates are published on another thread. A shard that
/// read on for one of them skipped what was published between two reads.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn streams_on_several_threads_each_get_all_updates_in_order() {
    const STREAMS: usize = 200;
    const UPDATES: u64 = 2_000;
    let server = quiet_server().await;
    publish_burst(&server, 1, 20);
    let mut readers = Vec::with_capacity(STREAMS);
    let mut next = 21;
    for n in 0..STREAMS {
        let (query, first) = match n % 2 {
            0 => ("topic=a", None),
            _ => ("topic=a&lastEventID=earliest", Some(1)),
        };
        let mut stream = server.subscribe(query, "").await;
        readers.push(tokio::spawn(async move {
            let mut seen = next_seq(&mut stream).await;
            assert_eq!(first.unwrap_or(seen), seen);
            while seen < UPDATES {
                seen += 1;
                assert_eq!(next_seq(&mut stream).await, seen);
            }
        }));
        let burst = n as u64 % 9;
        publish_burst(&server, next, burst);
        next += burst;
    }
    while next <= UPDATES {
        let burst = (next % 7 + 1).min(UPDATES + 1 - next);
        publish_burst(&server, next, burst);
        next += burst;
        tokio::task::yield_now().await;
    }
    for reader in readers {
        tokio::time::timeout(PATIENCE, reader).await.expect("an update is missing").unwrap();
    }
    assert_eq!(server.server.hub().stats().gaps, 0);
}
