//! Guarantees 9 and 11: limits hold and say which they are; bad input changes nothing.

use std::time::Duration;

use serde_json::json;
use tidings_hub::{HubConfig, Limits};
use tidings_server::{RequestLimits, ServerConfig};
use tokio::net::TcpSocket;

use super::super::probe::metric;
use super::super::support::{
    Answer, Client, EventStream, Now, PATIENCE, TestServer, in_seconds, open_config, sign,
};

async fn with_limits(limits: Limits) -> TestServer {
    TestServer::start(HubConfig { limits, ..HubConfig::default() }, open_config()).await
}

fn unlimited() -> Limits {
    Limits { streams: None, per_user: None, per_address: None, per_topic: None, selectors: 1_000 }
}

fn token_of(user: &str) -> String {
    sign(&json!({ "sub": user, "exp": in_seconds(600), "mercure": { "subscribe": ["*"] } }))
}

/// Asks for a stream as no browser's `EventSource` does.
async fn ask(server: &TestServer, query: &str) -> Answer {
    server.request(&format!("GET /events?{query} HTTP/1.1"), b"").await
}

/// Asks for a stream as a browser does until it is not refused any more.
async fn comes_back(server: &TestServer, query: &str) -> EventStream {
    let until_open = async {
        loop {
            let mut client = server.connect().await;
            client.ask_as_browser(query, "").await;
            let head = client.head().await.unwrap();
            // A refusal ends after its one event, so its length is known.
            if head.header("content-length").is_none() {
                return EventStream::new(head, client);
            }
        }
    };
    tokio::time::timeout(PATIENCE, until_open).await.expect("the place was not given back")
}

/// Checks that a stream over a limit is refused with these words in both forms, that others are not, and that a place
/// that is given back can be had.
async fn assert_limit(limits: Limits, query: &str, status: u16, reason: &str, says: &str) {
    let server = with_limits(limits).await;
    let first = server.subscribe(query, "").await.opened().await;
    let second = server.subscribe(query, "").await.opened().await;

    let mut browser = server.connect().await;
    browser.ask_as_browser(query, "").await;
    let told = browser.answer().await.soft_refusal();
    let retry_ms = told["retry_ms"].as_u64().unwrap();
    assert!((2_000..=4_000).contains(&retry_ms), "{retry_ms}");
    assert_eq!(told, json!({ "status": status, "reason": reason, "retry_ms": retry_ms }));

    let answer = ask(&server, query).await;
    assert_eq!((answer.status, answer.json()["reason"].as_str()), (status, Some(reason)));
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains(says), "{reason}: {detail}");
    let retry_after: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((2..=4).contains(&retry_after), "{retry_after}");

    drop(first);
    let third = comes_back(&server, query).await;
    assert_eq!(ask(&server, query).await.status, status, "the place is taken again");
    let id = server.publish("topic=a&data=still+open").await;
    for mut open in [second, third] {
        assert_eq!(open.event().await.2, id, "those inside notice nothing");
    }
}

#[tokio::test]
async fn limits_hold_and_each_refusal_says_which() {
    let limit = Some(2);
    let streams = Limits { streams: limit, ..unlimited() };
    assert_limit(streams, "topic=a", 503, "hub_full", "the hub has reached its limit of 2").await;
    let per_address = Limits { per_address: limit, ..unlimited() };
    assert_limit(per_address, "topic=a", 429, "address_limit", "the address has reached").await;
    let per_topic = Limits { per_topic: limit, ..unlimited() };
    let says = "\"a\" has reached the limit of 2";
    assert_limit(per_topic, "topic=b&topic=a", 429, "topic_limit", "has reached the limit").await;
    assert_limit(per_topic, "topic=a", 429, "topic_limit", says).await;
    let per_user = Limits { per_user: limit, ..unlimited() };
    let query = format!("topic=a&authorization={}", token_of("ann"));
    assert_limit(per_user, &query, 429, "user_limit", "the user has reached the limit of 2").await;
}

#[tokio::test]
async fn a_limit_counts_each_user_address_and_topic_for_itself() {
    let one = Some(1);
    let limits = Limits { per_user: one, per_address: Some(3), per_topic: Some(2), ..unlimited() };
    let server = with_limits(limits).await;
    let of = |user: &str, topic: &str| format!("topic={topic}&authorization={}", token_of(user));
    let _ann = server.subscribe(&of("ann", "a"), "").await.opened().await;
    assert_eq!(ask(&server, &of("ann", "b")).await.json()["reason"], "user_limit");
    let _bob = server.subscribe(&of("bob", "a"), "").await.opened().await;
    assert_eq!(ask(&server, &of("eve", "a")).await.json()["reason"], "topic_limit");
    let _eve = server.subscribe(&of("eve", "b"), "").await.opened().await;
    assert_eq!(ask(&server, "topic=b").await.json()["reason"], "address_limit");
    // The whole of 127.0.0.0/8 is this machine.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let elsewhere = Client::new(socket.connect(server.address).await.unwrap());
    let _elsewhere = elsewhere.subscribe("topic=b", "").await.opened().await;
}

#[tokio::test]
async fn a_request_over_a_limit_is_refused_and_says_which() {
    let requests = RequestLimits {
        header_bytes: 8 * 1024,
        body_bytes: 2_000,
        body_timeout: Duration::from_millis(100),
        update_bytes: 1_000,
        topics_per_update: 2,
        ..RequestLimits::default()
    };
    let limits = Limits { selectors: 2, ..unlimited() };
    let hub = HubConfig { limits, ..HubConfig::default() };
    let server = TestServer::start(hub, ServerConfig { requests, ..open_config() }).await;

    let answer = ask(&server, "topic=a&topic=b&topic=c").await;
    assert_eq!((answer.status, &answer.json()["reason"]), (400, &"too_many_selectors".into()));
    assert!(answer.text().contains("more than 2"), "{}", answer.text());
    assert_eq!(answer.header("retry-after"), None, "waiting does not help");

    let form = "POST /events HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded";
    let large_update = format!("topic=a&data={}", "x".repeat(1_001));
    let large_body = format!("topic=a&data=1&more={}", "x".repeat(2_000));
    for (body, status, reason, says) in [
        (large_update.as_str(), 413, "data_too_large", "1000"),
        (large_body.as_str(), 413, "body_too_large", "2000"),
        ("topic=a&topic=b&topic=c", 400, "too_many_topics", "2"),
    ] {
        let answer = server.request(form, body.as_bytes()).await;
        assert_eq!((answer.status, &answer.json()["reason"]), (status, &reason.into()));
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(says), "{reason}: {detail}");
    }

    let mut client = server.connect().await;
    client.send(format!("{form}\r\nHost: a\r\nContent-Length: 9\r\n\r\ntopic").as_bytes()).await;
    let answer = client.answer().await;
    assert_eq!((answer.status, &answer.json()["reason"]), (408, &"body_timeout".into()));

    let head = format!("GET /events?topic=a HTTP/1.1\r\nX-Long: {}", "x".repeat(8 * 1024));
    assert_eq!(server.request(&head, b"").await.status, 431, "the status says which");
    assert_eq!(server.server.hub().stats().published, 0);
}

#[tokio::test]
async fn a_connection_over_the_limit_is_closed_and_counted() {
    let config = ServerConfig { max_connections: 1, ..open_config() };
    let (server, admin) = TestServer::with_admin(HubConfig::default(), config).await;
    let mut stream = server.subscribe("topic=a", "").await.opened().await;
    assert!(server.connect().await.head().await.is_none());
    assert_eq!(metric(admin, "tidings_requests_refused_total{reason=\"connection_limit\"}"), 1);
    server.server.hub().publish(tidings_hub::Update::new("a", "still open")).now().unwrap();
    assert_eq!(stream.data(1).await, ["still open"]);
}

#[tokio::test]
async fn bad_input_gets_a_clear_error_and_changes_nothing() {
    let server = TestServer::open().await;
    let mut watching = server.subscribe("topic=*", "").await.opened().await;
    let before = server.server.hub().stats();
    let form = "application/x-www-form-urlencoded";
    let json = "application/json";
    for (content_type, body, status, reason) in [
        (form, "data=no+topic", 400, "missing_topic"),
        (form, "topic=&data=1", 400, "empty_topic"),
        (form, "topic=a&id=%23mine", 400, "bad_id"),
        (form, "topic=a&id=two%0Alines", 400, "bad_id"),
        (form, "topic=a&type=two%0Dlines", 400, "bad_type"),
        (form, "topic=a&retry=soon", 400, "bad_retry"),
        (form, "topic=a&data=%ff", 400, "not_utf8"),
        (json, r#"{"topic":"a","data":"#, 400, "bad_json"),
        (json, r#"{"topic":"a","dat":"1"}"#, 400, "unknown_field"),
        (json, r#"{"topic":["a",2],"data":"1"}"#, 400, "wrong_type"),
        // The first one is good, and yet nothing of the array is published.
        (json, r#"[{"topic":"a","data":"1"},{"data":"2"}]"#, 400, "missing_topic"),
        ("text/plain", "topic=a&data=1", 415, "unsupported_media_type"),
    ] {
        let head = format!("POST /events HTTP/1.1\r\nContent-Type: {content_type}");
        let answer = server.request(&head, body.as_bytes()).await;
        assert_eq!((answer.status, &answer.json()["reason"]), (status, &reason.into()), "{body}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        assert!(answer.json()["detail"].as_str().is_some_and(|detail| detail.len() > 10));
    }
    for (head, status, reason) in [
        ("GET /events HTTP/1.1", 400, "missing_topic"),
        ("GET /nowhere HTTP/1.1", 404, "not_found"),
        ("DELETE /events HTTP/1.1", 405, "method_not_allowed"),
        (
            "GET /events?topic=a HTTP/1.1\r\nAuthorization: Bearer this.is-long-enough.but-no-token-at-all-and-so-on",
            401,
            "malformed_token",
        ),
        (
            "POST /events HTTP/1.1\r\nIdempotency-Key: a\r\nIdempotency-Key: b\r\nContent-Type: application/json",
            400,
            "bad_idempotency_key",
        ),
    ] {
        let answer = server.request(head, b"").await;
        assert_eq!((answer.status, &answer.json()["reason"]), (status, &reason.into()), "{head}");
    }
    assert_eq!(server.server.hub().stats(), before);
    server.publish("topic=a&data=good").await;
    assert_eq!(watching.data(1).await, ["good"], "nothing came before");
}
