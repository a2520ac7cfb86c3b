//! Guarantees 6 and 7: private updates, and the end of a token.

use std::time::Duration;

use serde_json::json;
use tidings_hub::{CloseReason, HubConfig, Update};
use tidings_server::{ServerConfig, StreamConfig};
use tokio::time::Instant;

use super::super::probe::metric;
use super::super::support::{Client, Now, Seen, TestServer, in_seconds, open_config, sign, token};
use super::slow::{SMALL_BYTES, with_receive_buffer, with_send_buffers_and_admin};

#[tokio::test]
async fn a_private_update_reaches_nobody_without_the_grant() {
    let server = TestServer::open().await;
    let before = server.publish("topic=a&data=before").await;
    let all = "topic=a&topic=b&topic=%7Bany%7D&topic=*";
    // Who asks, and which private updates it may read.
    let subscribers = [
        (None, [false, false]),
        (Some(token(&["*"], &[])), [false, false]),
        (Some(token(&[], &["c", "{nothing}/like/it"])), [false, false]),
        (Some(token(&[], &["a"])), [true, false]),
        (Some(token(&[], &["alternate"])), [false, true]),
        (Some(token(&[], &["*"])), [true, true]),
    ];
    let headers = |token: &Option<String>| {
        token.as_ref().map_or(String::new(), |token| format!("Authorization: Bearer {token}\r\n"))
    };
    let mut live = Vec::new();
    for (token, _) in &subscribers {
        live.push(server.subscribe(all, &headers(token)).await.opened().await);
    }
    server.publish("topic=a&data=private-a&private=on").await;
    server.publish("topic=b&topic=alternate&data=private-b&private=on").await;
    server.publish("topic=a&data=end").await;
    for ((token, may_read), live) in subscribers.iter().zip(live) {
        let resumed = format!("{}Last-Event-ID: {before}\r\n", headers(token));
        let earliest = format!("{all}&lastEventID=earliest");
        for (how, mut stream) in [
            ("live", live),
            ("resumed", server.subscribe(all, &resumed).await),
            ("earliest", server.subscribe(&earliest, &headers(token)).await),
        ] {
            let mut expected = vec!["private-a", "private-b"];
            let mut readable = may_read.iter();
            expected.retain(|_| *readable.next().unwrap());
            expected.push("end");
            let mut seen = Vec::new();
            while seen.last().is_none_or(|data| data != "end") {
                // The presence of the other subscribers is private, too, and `*` may read it.
                seen.push(stream.event().await.1);
                seen.retain(|data| !data.contains("mercure") && data != "before");
            }
            assert_eq!(seen, expected, "{how}, {token:?}");
        }
    }
}

/// A subscriber's token that is good for so many seconds more.
fn short_token(seconds: u64) -> String {
    let claims = json!({ "exp": in_seconds(seconds), "mercure": { "subscribe": ["*"] } });
    format!("Authorization: Bearer {}\r\n", sign(&claims))
}

fn is_expired(last: Option<&Seen>) -> bool {
    matches!(last, Some(Seen::Event { event_type, data, .. })
        if event_type == "expired" && data == r#"{"reason":"token_expired"}"#)
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_when_its_token_does() {
    const LIFETIME: Duration = Duration::from_mins(1);
    let server = TestServer::open().await;
    let opened = Instant::now();
    let mut stream =
        server.subscribe("topic=a", &short_token(LIFETIME.as_secs())).await.opened().await;
    let mut silent =
        server.subscribe("topic=b", &short_token(LIFETIME.as_secs())).await.opened().await;
    let hub = server.server.hub().clone();
    let publishing = tokio::spawn(async move {
        let mut interval = tokio::time::interval(Duration::from_millis(100));
        loop {
            interval.tick().await;
            hub.publish(Update::new("a", "tick")).now().unwrap();
        }
    });
    let seen = stream.rest().await;
    let lasted = opened.elapsed();
    publishing.abort();
    assert!(is_expired(seen.last()), "{:?}", seen.last());
    // Tokens know whole seconds: the one that had begun is not the token's.
    assert!(lasted <= LIFETIME && lasted + Duration::from_secs(1) >= LIFETIME, "{lasted:?}");
    assert!(seen.len() > 580, "the updates before its end came: {}", seen.len());
    assert!(is_expired(silent.rest().await.last()), "a silent stream ends, too");
    assert!(opened.elapsed() <= LIFETIME);
}

#[tokio::test(start_paused = true)]
async fn a_stream_with_much_to_replay_ends_with_its_token_too() {
    let server = TestServer::open().await;
    let updates = 40_000;
    let data = "x".repeat(1_000);
    server.server.hub().publish_all((0..updates).map(|_| Update::new("a", data.as_str()))).now();
    let query = "topic=a&lastEventID=earliest";
    let mut stream = server.subscribe(query, &short_token(60)).await.opened().await;
    stream.data(1).await;
    tokio::time::advance(Duration::from_mins(1)).await;
    let rest = stream.rest().await;
    assert!(rest.len() < updates / 2, "it read on: {}", rest.len());
    assert!(is_expired(rest.last()), "{:?}", rest.last());
}

/// A client that took no bytes was not asked for more, and its stream stayed open until the peer timeout, token or not.
#[tokio::test(start_paused = true)]
async fn a_stream_whose_client_does_not_read_ends_with_its_token_and_at_its_age() {
    const LIFETIME: Duration = Duration::from_mins(1);
    let peer_timeout = Duration::from_hours(1);
    for (max_age, headers, reason) in [
        (None, short_token(LIFETIME.as_secs()), CloseReason::Expired),
        (Some(LIFETIME), String::new(), CloseReason::MaxAge),
    ] {
        let stream = StreamConfig { max_age, peer_timeout, ..StreamConfig::default() };
        let config = ServerConfig { stream, ..open_config() };
        let (server, admin) =
            with_send_buffers_and_admin(SMALL_BYTES, HubConfig::default(), config).await;
        let opened = Instant::now();
        let client: Client = with_receive_buffer(SMALL_BYTES, &server).await;
        let stuck = client.subscribe("topic=a", &headers).await.opened().await;
        let data = "x".repeat(1_000);
        let hub = server.server.hub();
        hub.publish_all((0..1_000).map(|_| Update::new("a", data.as_str()))).now();
        let end = async {
            while hub.stats().subscribers > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(2 * LIFETIME, end).await.expect("it stays open");
        let lasted = opened.elapsed();
        let earliest = if max_age.is_some() { LIFETIME.mul_f64(0.8) } else { LIFETIME };
        assert!(lasted >= earliest, "{reason}: it was cut, not stuck: {lasted:?}");
        assert!(lasted <= LIFETIME + Duration::from_millis(1_100), "{reason}: {lasted:?}");
        let closed = format!("tidings_streams_closed_total{{reason=\"{reason}\"}}");
        assert_eq!(metric(admin, &closed), 1);
        drop(stuck);
    }
}
