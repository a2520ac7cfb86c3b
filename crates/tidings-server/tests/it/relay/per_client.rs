//! A per-client relay.

use std::time::Duration;

use tidings_hub::HubConfig;
use tidings_server::{RelayConfig, ServerConfig, StreamConfig};

use super::super::support::{Client, Seen, TestServer, open_config};
use super::upstream::{PATH, Upstream, ask, quick, relaying};

/// What has come of a stream's body, once it ends so.
async fn read_until(client: &mut Client, end: &str) -> String {
    let mut text = String::new();
    while !text.ends_with(end) {
        let piece = client.piece().await.expect("the stream ended");
        text.push_str(std::str::from_utf8(&piece).unwrap());
    }
    text
}

#[tokio::test]
async fn each_client_has_a_connection_of_its_own_with_its_own_headers() {
    let upstream = Upstream::start().await;
    let relay = upstream
        .per_client(PATH)
        .with_header("x-service".parse().unwrap(), "token".parse().unwrap())
        .with_header("user-agent".parse().unwrap(), "relay".parse().unwrap());
    let server = relaying(relay).await;
    let headers = "Cookie: session=alice\r\nAuthorization: Bearer a\r\nLast-Event-ID: 7\r\nAccept-Language: de\r\n\
                   User-Agent: browser\r\ntraceparent: 00-1\r\ntracestate: a=b\r\nX-Other: private\r\nX-Service: forged\r\n";
    let alice = ask(&server, &format!("{PATH}?lastEventID=6"), headers).await;
    let asked = upstream.asked().await;
    assert_eq!(asked.line(), "GET /api/events?lastEventID=6 HTTP/1.1");
    for (name, values) in [
        ("cookie", vec!["session=alice"]),
        ("authorization", vec!["Bearer a"]),
        ("last-event-id", vec!["7"]),
        ("accept-language", vec!["de"]),
        ("traceparent", vec!["00-1"]),
        ("tracestate", vec!["a=b"]),
        ("x-forwarded-for", vec!["127.0.0.1"]),
        ("x-service", vec!["token"]),
        ("user-agent", vec!["relay"]),
        ("x-other", vec![]),
        ("accept", vec!["text/event-stream"]),
    ] {
        assert_eq!(asked.header(name), values, "{name}");
    }
    let mut alice_feed = asked.feed_with("Set-Cookie: session=a2; HttpOnly\r\n").await;
    let bob = ask(&server, PATH, "Cookie: session=bob\r\n").await;
    let asked = upstream.asked().await;
    assert_eq!(asked.header("cookie"), ["session=bob"]);
    assert_eq!(asked.header("authorization"), Vec::<&str>::new());
    let mut bob_feed = asked.feed().await;
    alice_feed.send("data: for alice\n\n").await;
    bob_feed.send("data: for bob\n\n").await;
    let mut alice = alice.stream().await;
    assert_eq!(alice.head.header("set-cookie"), Some("session=a2; HttpOnly"));
    assert!(alice.head.header("cache-control").unwrap().contains("private, no-cache, no-store"));
    assert_eq!(alice.data(1).await, ["for alice"]);
    let mut bob = bob.stream().await;
    assert_eq!(bob.head.header("set-cookie"), None);
    assert_eq!(bob.data(1).await, ["for bob"]);
}

#[tokio::test]
async fn the_bytes_are_the_upstreams_to_its_end() {
    const BYTES: &str = ":c\r\nretry: 1\rdata: x\n\nid\ndata:y\r\n\r\nunknown: z\n";
    let upstream = Upstream::start().await;
    let server = relaying(upstream.per_client(PATH)).await;
    let mut client = ask(&server, PATH, "").await;
    let mut feed = upstream.feed().await;
    feed.send(BYTES).await;
    drop(feed);
    let head = client.head().await.unwrap();
    let answer = client.body(head).await;
    assert_eq!(answer.text(), BYTES);
}

#[tokio::test]
async fn when_the_client_goes_the_upstreams_connection_ends_at_once() {
    let upstream = Upstream::start().await;
    let server = relaying(upstream.per_client(PATH)).await;
    let client = ask(&server, PATH, "").await;
    let feed = upstream.feed().await;
    let stream = client.stream().await;
    drop(stream);
    feed.until_closed().await;
    // Also before the upstream has answered.
    let client = ask(&server, PATH, "").await;
    let asked = upstream.asked().await;
    drop(client);
    asked.until_given_up().await;
    let stats = || server.server.hub().stats().subscribers;
    while stats() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn silence_is_filled_where_a_comment_may_stand() {
    let upstream = Upstream::start().await;
    let keep_alive = Duration::from_millis(100);
    let config = ServerConfig {
        relays: vec![upstream.per_client(PATH)],
        stream: StreamConfig { keep_alive, ..StreamConfig::default() },
        ..open_config()
    };
    let server = TestServer::start(HubConfig::default(), config).await;
    let mut client = ask(&server, PATH, "").await;
    let mut feed = upstream.feed().await;
    client.head().await.unwrap();
    assert_eq!(read_until(&mut client, "\n").await, ":\n");
    feed.send("event: a\n").await;
    // Between two lines of an event: a comment, and no blank line, which would end the event.
    let text = read_until(&mut client, ":\n").await;
    assert!(text.starts_with("event: a\n") || text.starts_with(":\nevent: a\n"), "{text}");
    feed.send("data: half").await;
    let half = read_until(&mut client, "half").await;
    // Within a line nothing. The rest of it is what comes next, however long it takes.
    tokio::time::sleep(3 * keep_alive).await;
    feed.send(" line\n\n").await;
    let rest = read_until(&mut client, "line\n\n").await;
    assert!(half.ends_with("data: half") && rest == " line\n\n", "{half:?} {rest:?}");
}

#[tokio::test]
async fn a_drain_ends_it_with_a_word_between_events_and_without_one_within() {
    let upstream = Upstream::start().await;
    let mut server = relaying(upstream.per_client(PATH)).await;
    let mut clients = Vec::new();
    for bytes in ["data: whole\n\n", "data: half\n"] {
        let client = ask(&server, PATH, "").await;
        let mut feed = upstream.feed().await;
        feed.send(bytes).await;
        let mut stream = client.stream().await;
        if bytes.contains("whole") {
            assert_eq!(stream.data(1).await, ["whole"]);
        }
        clients.push((stream, feed));
    }
    server.shut_down();
    let is_drain =
        |seen: &Seen| matches!(seen, Seen::Event { event_type, .. } if event_type == "drain");
    for ((mut stream, feed), is_told) in clients.into_iter().zip([true, false]) {
        let rest = stream.rest().await;
        assert_eq!(rest.iter().any(is_drain), is_told, "{rest:?}");
        feed.until_closed().await;
    }
    (&mut server.done).await.unwrap();
}

#[tokio::test]
async fn the_hubs_limits_hold() {
    let upstream = Upstream::start().await;
    let mut hub = HubConfig::default();
    hub.limits.per_address = Some(1);
    let config = ServerConfig { relays: vec![quick(upstream.per_client(PATH))], ..open_config() };
    let server = TestServer::start(hub, config).await;
    let client = ask(&server, PATH, "").await;
    let _feed = upstream.feed().await;
    let _stream = client.stream().await;
    let answer = server.request(&format!("GET {PATH} HTTP/1.1"), b"").await;
    assert_eq!((answer.status, &answer.json()["reason"]), (429, &"address_limit".into()));
}

#[tokio::test]
async fn its_age_is_limited_too() {
    let upstream = Upstream::start().await;
    let relay: RelayConfig = upstream.per_client(PATH);
    let config = ServerConfig {
        relays: vec![relay],
        stream: StreamConfig {
            max_age: Some(Duration::from_millis(300)),
            ..StreamConfig::default()
        },
        ..open_config()
    };
    let server = TestServer::start(HubConfig::default(), config).await;
    let client = ask(&server, PATH, "").await;
    let feed = upstream.feed().await;
    assert_eq!(client.stream().await.rest().await, []);
    feed.until_closed().await;
}
