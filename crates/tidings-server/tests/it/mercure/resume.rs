//! The history, and where a stream goes on from.

use serde_json::{Value, json};
use tidings_hub::{HubConfig, Retention, Update};
use tidings_server::ServerConfig;

use super::requests::{bearer, open, open_config, open_hub, publish};
use crate::support::{EventStream, Now, Seen, TestServer, token};

/// How many updates the long histories have: more than the reference hub looks through in search of an id.
const MANY: usize = 12_000;

async fn three() -> TestServer {
    let server = open_hub().await;
    for id in ["a", "b", "c"] {
        publish(&server, &[("topic", "t"), ("id", id), ("data", id)]).await;
    }
    server
}

fn reached(stream: &EventStream) -> Option<&str> {
    stream.head.header("last-event-id")
}

#[tokio::test]
async fn every_spelling_of_the_cursor_resumes_after_the_update_it_names() {
    let server = three().await;
    for name in ["lastEventID", "last_event_id", "Last-Event-ID", "lastEventId"] {
        let mut stream = open(&server, &[("topic", "t"), (name, "a")], &[]).await;
        assert_eq!(reached(&stream), Some("a"), "{name}");
        assert_eq!(stream.data(2).await, ["b", "c"], "{name}");
    }
    let mut stream = open(&server, &[("topic", "t")], &["Last-Event-ID: a"]).await;
    assert_eq!(reached(&stream), Some("a"));
    assert_eq!(stream.data(2).await, ["b", "c"]);
}

/// A browser that reconnects repeats the query of the first request: the header is the newer one.
#[tokio::test]
async fn the_header_wins_over_the_query_unless_it_is_empty() {
    let server = three().await;
    let query = [("topic", "t"), ("lastEventID", "a"), ("Last-Event-ID", "a")];
    let mut stream = open(&server, &query, &["Last-Event-ID: b"]).await;
    assert_eq!(reached(&stream), Some("b"));
    assert_eq!(stream.data(1).await, ["c"]);
    let mut stream = open(&server, &query, &["Last-Event-ID:"]).await;
    assert_eq!(reached(&stream), Some("a"));
    assert_eq!(stream.data(2).await, ["b", "c"]);
}

#[tokio::test]
async fn without_a_cursor_or_with_an_empty_one_a_stream_is_live() {
    let server = three().await;
    for query in [&[("topic", "t")][..], &[("topic", "t"), ("lastEventID", "")]] {
        let mut stream = open(&server, query, &[]).await;
        assert_eq!(reached(&stream), None);
        publish(&server, &[("topic", "t"), ("data", "live")]).await;
        assert_eq!(stream.data(1).await, ["live"]);
    }
}

#[tokio::test]
async fn earliest_asks_for_all_that_is_retained() {
    let server = three().await;
    let mut stream = open(&server, &[("topic", "t"), ("lastEventID", "earliest")], &[]).await;
    assert_eq!(reached(&stream), Some("earliest"));
    assert_eq!(stream.data(3).await, ["a", "b", "c"]);
    publish(&server, &[("topic", "t"), ("data", "live")]).await;
    assert_eq!(stream.data(1).await, ["live"]);
}

#[tokio::test]
async fn earliest_on_an_empty_log_is_live() {
    let server = open_hub().await;
    let mut stream = open(&server, &[("topic", "t"), ("lastEventID", "earliest")], &[]).await;
    assert_eq!(reached(&stream), Some("earliest"));
    publish(&server, &[("topic", "t"), ("data", "live")]).await;
    assert_eq!(stream.data(1).await, ["live"]);
}

/// The sequence is the hub's, not the topic's: an update that the subscriber never saw is a place to resume from, too.
#[tokio::test]
async fn a_cursor_may_name_an_update_on_another_topic() {
    let server = three().await;
    publish(&server, &[("topic", "other"), ("id", "o")]).await;
    publish(&server, &[("topic", "t"), ("data", "d")]).await;
    let mut stream = open(&server, &[("topic", "t"), ("lastEventID", "o")], &[]).await;
    assert_eq!(reached(&stream), Some("o"));
    assert_eq!(stream.data(1).await, ["d"]);
}

#[tokio::test]
async fn of_equal_ids_the_oldest_counts() {
    let server = three().await;
    publish(&server, &[("topic", "t"), ("id", "a"), ("data", "a again")]).await;
    let mut stream = open(&server, &[("topic", "t"), ("lastEventID", "a")], &[]).await;
    assert_eq!(reached(&stream), Some("a"));
    assert_eq!(stream.data(3).await, ["b", "c", "a again"]);
}

/// The reference hub sends nothing, and the client never learns what it has missed. Here it is told, and gets what
/// there is.
#[tokio::test]
async fn an_unknown_id_is_told_as_a_gap_and_gets_all_that_is_retained() {
    let server = three().await;
    let epoch = server.server.hub().epoch();
    let mut stream = open(&server, &[("topic", "t"), ("lastEventID", "unknown")], &[]).await;
    assert_eq!(reached(&stream), Some("earliest"));
    let (event_type, data, id) = stream.event().await;
    assert_eq!((event_type.as_str(), id), ("gap", format!("#{epoch}-0")));
    let data: Value = serde_json::from_str(&data).unwrap();
    assert_eq!(data, json!({ "last_event_id": "unknown", "resumed_after": format!("#{epoch}-0") }));
    assert_eq!(stream.data(3).await, ["a", "b", "c"]);
}

#[tokio::test]
async fn an_unknown_id_on_an_empty_log_is_told_once_and_then_the_stream_is_live() {
    let server = open_hub().await;
    let mut stream = open(&server, &[("topic", "t"), ("lastEventID", "unknown")], &[]).await;
    assert_eq!(reached(&stream), Some("earliest"));
    assert_eq!(stream.event().await.0, "gap");
    publish(&server, &[("topic", "t"), ("data", "live")]).await;
    assert_eq!(stream.data(1).await, ["live"]);
}

#[tokio::test]
async fn an_id_that_the_log_no_longer_has_is_told_with_how_much_is_missing() {
    let retention = Retention { max_updates: 2, ..HubConfig::default().retention };
    let hub = HubConfig { retention, ..HubConfig::default() };
    // An announcement would take a place in this log.
    let config = ServerConfig { subscriptions: false, ..open_config() };
    let server = TestServer::start(hub, config).await;
    let first = publish(&server, &[("topic", "t"), ("data", "1")]).await;
    for data in ["2", "3", "4", "5"] {
        publish(&server, &[("topic", "t"), ("data", data)]).await;
    }
    let mut stream = open(&server, &[("topic", "t"), ("lastEventID", &first)], &[]).await;
    assert_eq!(reached(&stream), Some("earliest"));
    let (event_type, data, id) = stream.event().await;
    assert_eq!(event_type, "gap");
    let data: Value = serde_json::from_str(&data).unwrap();
    assert_eq!(data, json!({ "last_event_id": first, "resumed_after": id, "missed": 2 }));
    assert_eq!(stream.data(2).await, ["4", "5"]);
    let mut stream = open(&server, &[("topic", "t"), ("lastEventID", &id)], &[]).await;
    assert_eq!(reached(&stream), Some(id.as_str()), "the gap is told once");
    assert_eq!(stream.data(2).await, ["4", "5"]);
}

#[tokio::test]
async fn the_id_of_a_private_update_is_not_disclosed() {
    let server = open_hub().await;
    let private = [("topic", "t"), ("private", "on"), ("id", "secret-id"), ("data", "secret")];
    publish(&server, &private).await;
    publish(&server, &[("topic", "t"), ("id", "public-id"), ("data", "public")]).await;
    publish(&server, &[("private", "on"), ("topic", "t"), ("id", "secret-too")]).await;
    for cursor in ["unknown", "earliest"] {
        let mut stream = open(&server, &[("topic", "t"), ("lastEventID", cursor)], &[]).await;
        assert_eq!(reached(&stream), Some("earliest"));
        publish(&server, &[("topic", "t"), ("id", "the end"), ("data", "the end")]).await;
        let mut seen = Vec::new();
        while !matches!(seen.last(), Some(Seen::Event { id, .. }) if id == "the end") {
            seen.push(stream.next().await.unwrap());
        }
        let all = format!("{:?} {seen:?}", stream.head);
        assert!(all.contains("public-id") && !all.contains("secret"), "{all}");
    }
}

#[tokio::test]
async fn a_replay_goes_by_the_present_token() {
    let server = open_hub().await;
    let first = publish(&server, &[("topic", "t"), ("data", "1")]).await;
    publish(&server, &[("topic", "t"), ("private", "on"), ("data", "secret")]).await;
    publish(&server, &[("topic", "t"), ("data", "3")]).await;
    let reader = bearer(&token(&[], &["t"]));
    let query = [("topic", "t"), ("lastEventID", first.as_str())];
    let mut stream = open(&server, &query, &[&reader]).await;
    assert_eq!(stream.data(2).await, ["secret", "3"]);
    let mut stream = open(&server, &query, &[]).await;
    assert_eq!(stream.data(1).await, ["3"]);
}

/// The reference hub replays at the most a thousand updates in one connection, and finds no id behind ten thousand.
#[tokio::test]
async fn a_long_history_is_replayed_in_one_connection() {
    let server = open_hub().await;
    let hub = server.server.hub();
    for number in 0..MANY {
        let topic = if number % 100 == 0 { "rare" } else { "often" };
        let update = Update::new(topic, number.to_string());
        let id = tidings_wire::EventId::new(format!("own-{number}")).unwrap();
        hub.publish(update.with_id(id)).now().unwrap();
    }
    let mut stream = open(&server, &[("topic", "*"), ("lastEventID", "earliest")], &[]).await;
    let all: Vec<String> = (0..MANY).map(|number| number.to_string()).collect();
    assert_eq!(stream.data(MANY).await, all);
    let mut stream = open(&server, &[("topic", "*"), ("lastEventID", "own-11997")], &[]).await;
    assert_eq!(reached(&stream), Some("own-11997"));
    assert_eq!(stream.data(2).await, all[MANY - 2..]);
    let mut stream = open(&server, &[("topic", "rare"), ("lastEventID", "own-5950")], &[]).await;
    let rare: Vec<String> = (6000..MANY).step_by(100).map(|number| number.to_string()).collect();
    assert_eq!(stream.data(rare.len()).await, rare);
}

#[tokio::test]
async fn history_and_live_updates_meet_without_a_seam() {
    let server = open_hub().await;
    let hub = server.server.hub().clone();
    let count = 3000;
    let publisher = tokio::spawn(async move {
        for number in 0..count {
            hub.publish(Update::new("t", number.to_string())).now().unwrap();
            tokio::task::yield_now().await;
        }
    });
    let mut stream = open(&server, &[("topic", "t"), ("lastEventID", "earliest")], &[]).await;
    let all: Vec<String> = (0..count).map(|number| number.to_string()).collect();
    assert_eq!(stream.data(all.len()).await, all);
    publisher.await.unwrap();
}
