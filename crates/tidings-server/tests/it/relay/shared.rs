//! A shared relay.

use std::time::Duration;

use tidings_hub::{HubConfig, Update};
use tidings_server::{RelayConfig, ServerConfig};

use super::super::guarantees::slow::{SMALL_BYTES, with_receive_buffer, with_send_buffers};
use super::super::support::{EventStream, Now, Seen, TestServer, open_config, seq, token};
use super::upstream::{Feed, PATH, Upstream, ask, quick, relaying, relaying_all};

fn event(event_type: &str, data: &str, id: &str) -> (String, String, String) {
    (event_type.to_owned(), data.to_owned(), id.to_owned())
}

/// A server that relays, its upstream with one connection, and the subscriber for whom it was made.
async fn started(relay: fn(&Upstream) -> RelayConfig) -> (TestServer, Upstream, Feed, EventStream) {
    let upstream = Upstream::start().await;
    let server = relaying(relay(&upstream)).await;
    let client = ask(&server, PATH, "").await;
    let feed = upstream.feed().await;
    let stream = client.stream().await.opened().await;
    (server, upstream, feed, stream)
}

fn plain(upstream: &Upstream) -> RelayConfig {
    upstream.relay(PATH)
}

/// Another subscriber.
async fn join(server: &TestServer, headers: &str) -> EventStream {
    ask(server, PATH, headers).await.stream().await.opened().await
}

#[tokio::test]
async fn all_subscribers_share_one_connection_and_get_the_events_as_they_came() {
    let (server, upstream, mut feed, first) = started(plain).await;
    let mut streams = vec![first];
    for _ in 0..20 {
        streams.push(join(&server, "").await);
    }
    feed.send(": hello\n\nevent: price\r\ndata: one\r\ndata:\r\ndata:  two \r\nid: 7\r\n\r\ndata: {\"n\":1}\n\nid: 8\n\n").await;
    feed.send("event: message\ndata\n\nid: x y\nevent: a:b\ndata: é\n\n").await;
    for stream in &mut streams {
        assert_eq!(stream.event().await, event("price", "one\n\n two ", "7"));
        let (event_type, data, id) = stream.event().await;
        assert_eq!((event_type.as_str(), data.as_str()), ("message", "{\"n\":1}"));
        assert_eq!(seq(&id), 2, "an event without an id has the hub's: {id}");
        let (_, data, id) = stream.event().await;
        assert_eq!((data.as_str(), seq(&id)), ("", 3));
        assert_eq!(stream.event().await, event("a:b", "é", "x y"));
    }
    // Had there been a second request, it would come before this one.
    let _other = ask(&server, &format!("{PATH}?other"), "").await;
    assert_eq!(upstream.asked().await.line(), "GET /api/events?other HTTP/1.1");
}

#[tokio::test]
async fn a_subscriber_resumes_by_the_hubs_ids_though_the_upstream_has_none() {
    let (server, _upstream, mut feed, mut stream) = started(plain).await;
    feed.send("data: 1\n\ndata: 2\n\n").await;
    assert_eq!(stream.data(2).await, ["1", "2"]);
    let last = stream.last_event_id().to_owned();
    drop(stream);
    let mut other = join(&server, "").await;
    feed.send("data: 3\n\ndata: 4\n\n").await;
    assert_eq!(other.data(2).await, ["3", "4"], "it has seen nothing before");
    let mut resumed = join(&server, &format!("Last-Event-ID: {last}\r\n")).await;
    assert_eq!(resumed.data(2).await, ["3", "4"]);
    feed.send("data: 5\n\n").await;
    assert_eq!(
        (resumed.data(1).await, other.data(1).await),
        (vec!["5".to_owned()], vec!["5".to_owned()])
    );
}

/// Ids that came again, as they do when an upstream counts from 1 after a restart, led back to the first of them.
#[tokio::test]
async fn an_upstreams_own_id_means_the_newest_event_of_this_stream_that_has_it() {
    let upstream = Upstream::start().await;
    let server = relaying_all(vec![upstream.relay("/a"), upstream.relay("/b")]).await;
    let mut feeds = Vec::new();
    for path in ["/a", "/b"] {
        let client = ask(&server, path, "").await;
        let mut feed = upstream.feed().await;
        let mut stream = client.stream().await.opened().await;
        feed.send("id: 1\ndata: old 1\n\nid: 2\ndata: old 2\n\n").await;
        feed.send("id: 1\ndata: new 1\n\nid: 2\ndata: new 2\n\n").await;
        assert_eq!(stream.data(4).await, ["old 1", "old 2", "new 1", "new 2"]);
        feeds.push((feed, stream));
    }
    for (path, last, rest) in
        [("/a", "1", vec!["new 2"]), ("/b", "1", vec!["new 2"]), ("/a", "2", vec![])]
    {
        let client = ask(&server, path, &format!("Last-Event-ID: {last}\r\n")).await;
        let mut resumed = client.stream().await.opened().await;
        assert_eq!(resumed.head.header("last-event-id"), Some(last));
        assert_eq!(resumed.data(rest.len()).await, rest, "{path} {last}");
        let which = usize::from(path == "/b");
        feeds[which].0.send("data: live\n\n").await;
        assert_eq!(resumed.data(1).await, ["live"]);
    }
}

#[tokio::test]
async fn while_the_upstream_is_lost_its_subscribers_stay_and_it_is_asked_to_go_on_after_its_own_last_id()
 {
    let (_server, upstream, mut feed, mut stream) = started(plain).await;
    feed.send("retry: 100\n\nid: 41\ndata: before\n\ndata: half of an ev").await;
    assert_eq!(stream.data(1).await, ["before"]);
    drop(feed);
    let asked = upstream.asked().await;
    assert_eq!(asked.header("last-event-id"), ["41"]);
    // Whatever it says now, nobody who is there is sent away.
    asked.answer("401 Unauthorized", "", "").await;
    upstream.asked().await.answer("200 OK", "Content-Type: text/html\r\n", "<p>").await;
    let mut feed = upstream.feed().await;
    feed.send("id: 42\ndata: after\n\n").await;
    let comment_or_event = loop {
        match stream.next().await.unwrap() {
            Seen::Comment(_) => {}
            other => break other,
        }
    };
    let after = Seen::Event { event_type: "message".into(), data: "after".into(), id: "42".into() };
    assert_eq!(comment_or_event, after);
}

/// What one client says that it saw went to the upstream, and decided what all the others got.
#[tokio::test]
async fn an_id_that_the_log_does_not_know_is_told_as_a_gap_and_is_nothing_to_the_upstream() {
    let upstream = Upstream::start().await;
    let server = relaying(upstream.relay(PATH)).await;
    let client = ask(&server, PATH, "Last-Event-ID: 999999\r\n").await;
    let asked = upstream.asked().await;
    assert_eq!(asked.header("last-event-id"), Vec::<&str>::new());
    asked.feed().await.send("id: 8\ndata: 8\n\n").await;
    let mut stream = client.stream().await;
    assert_eq!(stream.head.header("last-event-id"), Some("earliest"));
    assert_eq!(stream.event().await.0, "gap");
    assert_eq!(stream.event().await, event("message", "8", "8"));
}

/// Whoever came and went within the linger had it end for all who came after.
#[tokio::test]
async fn the_linger_begins_anew_with_each_who_comes() {
    let linger = Duration::from_millis(600);
    let upstream = Upstream::start().await;
    let server = relaying(RelayConfig { linger, ..upstream.relay(PATH) }).await;
    let client = ask(&server, PATH, "").await;
    let feed = upstream.feed().await;
    drop(client.stream().await);
    let closed = feed.until_closed();
    tokio::pin!(closed);
    for _ in 0..3 {
        // Within the linger, yet together longer than it.
        tokio::select! {
            () = &mut closed => panic!("the connection has ended before its time"),
            () = tokio::time::sleep(linger / 2) => {}
        }
        drop(join(&server, "").await);
    }
    closed.await;
}

#[tokio::test]
async fn ids_that_a_client_could_not_send_back_are_replaced() {
    let (server, _upstream, mut feed, mut stream) = started(plain).await;
    let long = "x".repeat(1_025);
    feed.send(&format!("id:  7\ndata: 1\n\nid: a\u{1}b\ndata: 2\n\nid: {long}\ndata: 3\n\n")).await;
    for n in 1..=3 {
        let (_, data, id) = stream.event().await;
        assert_eq!((data, seq(&id)), (n.to_string(), n));
    }
    let last = stream.last_event_id().to_owned();
    feed.send("id: é\ndata: 4\n\n").await;
    let mut resumed = join(&server, &format!("Last-Event-ID: {last}\r\n")).await;
    assert_eq!(resumed.event().await, event("message", "4", "é"));
}

#[tokio::test]
async fn who_has_a_grant_resumes_at_the_hub_itself_after_a_relayed_event() {
    let (server, _upstream, mut feed, mut stream) = started(plain).await;
    feed.send("id: 1\ndata: 1\n\nid: 2\ndata: 2\n\n").await;
    assert_eq!(stream.data(2).await, ["1", "2"]);
    let bearer = format!("Authorization: Bearer {}\r\n", token(&[], &[PATH]));
    let query = format!("topic={PATH}&topic=news&lastEventID=1");
    let mut granted = server.subscribe(&query, &bearer).await;
    assert_eq!(granted.event().await, event("message", "2", "2"));
}

#[tokio::test]
async fn when_the_last_subscriber_has_gone_the_upstream_is_let_go_after_the_linger() {
    let (server, upstream, mut feed, stream) =
        started(|upstream| quick(upstream.relay(PATH))).await;
    feed.send("id: 1\ndata: 1\n\n").await;
    drop(stream);
    feed.until_closed().await;
    // What is missed meanwhile the upstream is asked for, as it has ids.
    let client = ask(&server, PATH, "").await;
    let asked = upstream.asked().await;
    assert_eq!(asked.header("last-event-id"), ["1"]);
    asked.feed().await.send("data: 2\n\n").await;
    assert_eq!(client.stream().await.data(1).await, ["2"]);
}

#[tokio::test]
async fn who_comes_back_within_the_linger_finds_the_connection_open() {
    let relay = |upstream: &Upstream| RelayConfig {
        linger: Duration::from_mins(10),
        ..upstream.relay(PATH)
    };
    let (server, _upstream, mut feed, mut stream) = started(relay).await;
    for round in 0..3 {
        let last = stream.last_event_id().to_owned();
        drop(stream);
        feed.send(&format!("data: {round}\n\n")).await;
        stream = join(&server, &format!("Last-Event-ID: {last}\r\n")).await;
        assert_eq!(stream.data(1).await, [round.to_string()]);
    }
}

const STATE: &str = "event: hello\nid: h\ndata: a\n\nevent: state\ndata: b\n\n";

#[tokio::test]
async fn a_snapshot_is_for_each_newcomer_once_and_not_for_those_who_are_there() {
    let relay = |upstream: &Upstream| RelayConfig { snapshot: 2, ..upstream.relay(PATH) };
    let upstream = Upstream::start().await;
    let server = relaying(relay(&upstream)).await;
    let client = ask(&server, PATH, "").await;
    let mut feed = upstream.feed().await;
    // Half of it is there when the first two come.
    feed.send("retry: 100\nevent: hello\nid: h\ndata: a\n\n").await;
    let mut first = client.stream().await.opened().await;
    assert_eq!(first.event().await, event("hello", "a", "h"));
    let mut second = join(&server, "").await;
    assert_eq!(second.event().await, event("hello", "a", "h"));
    feed.send("event: state\ndata: b\n\ndata: live\n\n").await;
    for stream in [&mut first, &mut second] {
        assert_eq!(stream.event().await.1, "b");
        assert_eq!(stream.event().await.1, "live");
    }
    let mut third = join(&server, "").await;
    assert_eq!(third.event().await, event("hello", "a", "h"));
    assert_eq!(third.event().await.1, "b");
    feed.send("data: again\n\n").await;
    for stream in [&mut first, &mut second, &mut third] {
        assert_eq!(stream.data(1).await, ["again"]);
    }
    // The upstream is lost. The new snapshot replaces the old one; those who are there are not told.
    drop(feed);
    let mut feed = upstream.feed().await;
    feed.send(&STATE.replace("data: b", "data: B")).await;
    feed.send("data: last\n\n").await;
    for stream in [&mut first, &mut second, &mut third] {
        assert_eq!(stream.data(1).await, ["last"]);
    }
    let mut fourth = join(&server, "").await;
    assert_eq!(fourth.data(2).await, ["a", "B"]);
    // Its place is behind the snapshot, although an event of that has an id.
    let last = fourth.last_event_id().to_owned();
    feed.send("data: end\n\n").await;
    assert_eq!(fourth.data(1).await, ["end"]);
    let mut resumed = join(&server, &format!("Last-Event-ID: {last}\r\n")).await;
    assert_eq!(resumed.data(1).await, ["end"], "who resumes has had the snapshot");
}

#[tokio::test]
async fn with_snapshot_replay_a_newcomer_gets_the_changes_since_the_snapshot_too() {
    let relay = |upstream: &Upstream| RelayConfig {
        snapshot: 1,
        snapshot_replay: true,
        ..upstream.relay(PATH)
    };
    let (server, upstream, mut feed, mut first) = started(relay).await;
    feed.send("retry: 100\ndata: state 1\n\ndata: change 1\n\ndata: change 2\n\n").await;
    assert_eq!(first.data(3).await, ["state 1", "change 1", "change 2"]);
    assert_eq!(join(&server, "").await.data(3).await, ["state 1", "change 1", "change 2"]);
    drop(feed);
    let mut feed = upstream.feed().await;
    feed.send("data: state 2\n\ndata: change 3\n\n").await;
    assert_eq!(first.data(1).await, ["change 3"]);
    assert_eq!(join(&server, "").await.data(2).await, ["state 2", "change 3"]);
}

#[tokio::test]
async fn an_event_that_is_too_large_costs_a_connection_and_nothing_else() {
    let relay = |upstream: &Upstream| RelayConfig { event_bytes: 1_000, ..upstream.relay(PATH) };
    let (_server, upstream, mut feed, mut stream) = started(relay).await;
    feed.send("retry: 100\nid: 1\ndata: fine\n\n").await;
    feed.send(&format!("data: {}", "x".repeat(2_000))).await;
    feed.until_closed().await;
    let asked = upstream.asked().await;
    assert_eq!(asked.header("last-event-id"), ["1"]);
    asked.feed().await.send("data: goes on\n\n").await;
    assert_eq!(stream.data(2).await, ["fine", "goes on"]);
}

#[tokio::test]
async fn ids_that_only_a_hub_may_make_are_replaced() {
    let (_server, _upstream, mut feed, mut stream) = started(plain).await;
    feed.send("id: #abcdefgh-9\ndata: 1\n\nid: earliest\ndata: 2\n\nid:\ndata: 3\n\n").await;
    for n in 1..=3 {
        let (_, data, id) = stream.event().await;
        assert_eq!((data, seq(&id)), (n.to_string(), n), "{id}");
        assert!(!id.starts_with("#abcdefgh"));
    }
}

#[tokio::test]
async fn what_is_published_to_the_relays_topic_reaches_its_subscribers() {
    let (server, _upstream, mut feed, mut stream) = started(plain).await;
    server.server.hub().publish(Update::new(PATH, "published")).now().unwrap();
    feed.send("data: relayed\n\n").await;
    assert_eq!(stream.data(2).await, ["published", "relayed"]);
}

#[tokio::test]
async fn a_stuck_subscriber_delays_neither_the_upstream_nor_the_others() {
    let upstream = Upstream::start().await;
    let config = ServerConfig { relays: vec![upstream.relay(PATH)], ..open_config() };
    let server = with_send_buffers(SMALL_BYTES, HubConfig::default(), config).await;
    let mut stuck = with_receive_buffer(SMALL_BYTES, &server).await;
    stuck.send_request(&format!("GET {PATH} HTTP/1.1"), b"").await;
    let mut feed = upstream.feed().await;
    let mut live = join(&server, "").await;
    // A hundred times what the kernel keeps for the stuck one. Each is with the other before the next is sent.
    for n in 0..400 {
        feed.send(&format!("data: {n:04000}\n\n")).await;
        assert_eq!(live.data(1).await, [format!("{n:04000}")]);
    }
    // It was there, and has lost nothing.
    let mut stuck = stuck.stream().await;
    for n in 0..400 {
        assert_eq!(stuck.data(1).await, [format!("{n:04000}")]);
    }
}
