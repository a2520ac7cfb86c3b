//! Paths, queries, and who may read.

use std::time::Duration;

use tidings_hub::HubConfig;
use tidings_server::{RelayAccess, RelayConfig, RelayMode, Server, ServerConfig};

use super::super::support::{TestServer, open_config, token};
use super::upstream::{PATH, Upstream, ask, relaying, relaying_all};

#[tokio::test]
async fn a_pattern_leads_each_path_to_its_own_upstream_stream() {
    let upstream = Upstream::start().await;
    let relay = RelayConfig {
        path: "/api/users/{id}/events".into(),
        url: upstream.url("/people/{id}/feed?v=2"),
        ..upstream.relay("/")
    };
    let server = relaying(relay).await;
    let mut feeds = Vec::new();
    for (path, line) in [
        ("/api/users/1/events", "GET /people/1/feed?v=2 HTTP/1.1"),
        ("/api/users/2/events", "GET /people/2/feed?v=2 HTTP/1.1"),
        ("/api/users/a%2Fb/events", "GET /people/a%2Fb/feed?v=2 HTTP/1.1"),
        ("/api/users/1/events?x=1&lastEventID=9", "GET /people/1/feed?v=2&x=1 HTTP/1.1"),
    ] {
        let client = ask(&server, path, "").await;
        let asked = upstream.asked().await;
        assert_eq!(asked.line(), line);
        let mut feed = asked.feed().await;
        feed.send(&format!("data: {path}\n\n")).await;
        let mut stream = client.stream().await;
        if path.contains("lastEventID") {
            assert_eq!(stream.event().await.0, "gap");
        }
        assert_eq!(stream.data(1).await, [path]);
        feeds.push(feed);
    }
    for path in [
        "/api/users/../events",
        "/api/users/%2e%2E/events",
        "/api/users/..%2F..%2Fadmin/events",
        "/api/users/..%5C..%5Cadmin/events",
        "/api/users/%252e%252e/events",
        "/api/users/a/b/events",
        "/api/users//events",
    ] {
        let answer = server.request(&format!("GET {path} HTTP/1.1"), b"").await;
        assert_eq!(answer.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_query_that_is_not_passed_on_makes_no_stream_of_its_own() {
    let upstream = Upstream::start().await;
    let server = relaying(RelayConfig { query: false, ..upstream.relay(PATH) }).await;
    let first = ask(&server, &format!("{PATH}?_=1"), "").await;
    let asked = upstream.asked().await;
    assert_eq!(asked.line(), "GET /api/events HTTP/1.1");
    let mut feed = asked.feed().await;
    let mut first = first.stream().await;
    let mut second = ask(&server, &format!("{PATH}?_=2"), "").await.stream().await;
    feed.send("data: x\n\n").await;
    assert_eq!(
        (first.data(1).await, second.data(1).await),
        (vec!["x".to_owned()], vec!["x".to_owned()])
    );
}

#[tokio::test]
async fn a_relay_may_have_the_hubs_short_path_for_reading() {
    let upstream = Upstream::start().await;
    let server = relaying(upstream.relay("/events")).await;
    let client = ask(&server, "/events", "").await;
    upstream.feed().await.send("data: relayed\n\n").await;
    assert_eq!(client.stream().await.data(1).await, ["relayed"]);
    // To publish there is the hub's, and so is its other path.
    let answer = server
        .request("POST /events HTTP/1.1\r\nContent-Type: application/json", br#"{"topic":"a"}"#)
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let head = "GET /.well-known/mercure HTTP/1.1";
    assert_eq!(server.request(head, b"").await.json()["reason"], "missing_topic");
}

#[tokio::test]
async fn a_relay_of_everything_leaves_the_hubs_own_paths_alone() {
    let upstream = Upstream::start().await;
    let relay = RelayConfig {
        path: "/{*rest}".into(),
        url: upstream.url("/{*rest}"),
        ..upstream.relay("/")
    };
    let server = relaying(relay).await;
    for path in ["/.well-known/mercure", "/.well-known/mercure/subscriptions"] {
        let answer = server.request(&format!("GET {path} HTTP/1.1"), b"").await;
        assert!(matches!(answer.status, 400 | 404), "{path}: {}", answer.status);
    }
    let _client = ask(&server, "/.well-known/mercurey", "").await;
    assert_eq!(upstream.asked().await.line(), "GET /.well-known/mercurey HTTP/1.1");
}

#[tokio::test]
async fn other_methods_are_not_relayed_and_head_asks_nobody() {
    let upstream = Upstream::start().await;
    let server = relaying(upstream.relay(PATH)).await;
    let answer = server.request(&format!("POST {PATH} HTTP/1.1"), b"").await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD")));
    let mut client = server.connect().await;
    client.send_request(&format!("HEAD {PATH} HTTP/1.1"), b"").await;
    let head = client.head().await.unwrap();
    assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")));
    let _client = ask(&server, &format!("{PATH}?first"), "").await;
    assert_eq!(upstream.asked().await.line(), "GET /api/events?first HTTP/1.1");
}

#[tokio::test]
async fn who_may_read_is_the_relays_to_say() {
    let upstream = Upstream::start().await;
    let relay = |path: &str, access| RelayConfig { access, ..upstream.relay(path) };
    let mut config = open_config();
    config.auth.anonymous = false;
    config.relays = vec![
        relay("/anyone", RelayAccess::Anyone),
        relay("/subscribers", RelayAccess::Subscribers),
        relay("/granted/{id}", RelayAccess::Granted),
    ];
    let server = TestServer::start(HubConfig::default(), config).await;
    let bearer = |grants: &[&str]| format!("Authorization: Bearer {}\r\n", token(&[], grants));
    let (nothing, seven) = (bearer(&["x"]), bearer(&["/granted/7"]));
    for (path, headers, status) in [
        ("/anyone", "", 200),
        ("/subscribers", "", 401),
        ("/subscribers", nothing.as_str(), 200),
        ("/granted/7", "", 401),
        ("/granted/7", nothing.as_str(), 403),
        ("/granted/8", seven.as_str(), 403),
        ("/granted/7?x", seven.as_str(), 403),
        ("/granted/7", seven.as_str(), 200),
    ] {
        // It would come back at a soft refusal; these are plain ones.
        let mut client = server.connect().await;
        client.send_request(format!("GET {path} HTTP/1.1\r\n{headers}").trim_end(), b"").await;
        if status == 200 {
            let mut feed = upstream.feed().await;
            let mut stream = client.stream().await;
            feed.send("data: x\n\n").await;
            assert_eq!(stream.data(1).await, ["x"], "{path}");
        } else {
            assert_eq!(client.answer().await.status, status, "{path} {headers}");
        }
    }
}

/// What is relayed from a path that is hard to guess must not be told to who asks for everything.
#[tokio::test]
async fn nobody_meets_relayed_events_under_a_wildcard_without_a_grant() {
    let upstream = Upstream::start().await;
    let server = relaying(upstream.relay("/secret/{id}")).await;
    let client = ask(&server, "/secret/4711?a", "").await;
    let mut feed = upstream.feed().await;
    let mut stream = client.stream().await;
    let mut everything =
        server.subscribe("topic=*&topic=/secret/4711?a&topic=/secret/%7B%2Bid%7D", "").await;
    // A query in braces is a query, and no template.
    let braces = ask(&server, "/secret/4711?{x}", "").await;
    let mut other_feed = upstream.feed().await;
    let mut braces = braces.stream().await;
    feed.send("data: secret\n\n").await;
    assert_eq!(stream.data(1).await, ["secret"]);
    other_feed.send("data: own\n\n").await;
    assert_eq!(braces.data(1).await, ["own"]);
    server.publish("topic=a&data=public").await;
    assert_eq!(everything.data(1).await, ["public"]);
    // With a grant it may be had through the hub as well.
    let bearer = format!("Authorization: Bearer {}\r\n", token(&[], &["/secret/4711?a"]));
    let mut granted = server.subscribe("topic=/secret/4711?a&lastEventID=earliest", &bearer).await;
    assert_eq!(granted.data(1).await, ["secret"]);
}

#[tokio::test]
async fn relays_that_cannot_be_are_refused_at_the_start() {
    let relay = |path: &str, url: &str| RelayConfig { path: path.into(), ..RelayConfig::new(url) };
    let good = || relay("/a/{id}", "http://127.0.0.1:1/a/{id}");
    for (relays, words) in [
        (vec![relay("/a", "127.0.0.1/a")], "http://host/path"),
        (vec![relay("/a", "http://u:p@127.0.0.1/a")], "without user"),
        (vec![relay("a", "http://127.0.0.1/a")], "must begin with /"),
        (vec![relay("/a", "http://127.0.0.1/a/{id}")], "{id}"),
        (vec![relay("/.well-known/mercure/x", "http://127.0.0.1/a")], "the hub's own"),
        (vec![relay("/a/{", "http://127.0.0.1/a")], "/a/{"),
        (
            vec![good(), relay("/a/{name}", "http://127.0.0.1/a")],
            "another relay answers at /a/{id}",
        ),
        (
            vec![RelayConfig { mode: RelayMode::PerClient, snapshot: 1, ..good() }],
            "for a shared relay",
        ),
        (vec![RelayConfig { answer_timeout: Duration::ZERO, ..good() }], "more than zero"),
        (
            vec![good().with_header("content-length".parse().unwrap(), "5".parse().unwrap())],
            "content-length",
        ),
        (vec![RelayConfig { certificates: Some(b"no".to_vec()), ..good() }], "not in PEM"),
    ] {
        let config = ServerConfig { relays, ..open_config() };
        let error = Server::new(HubConfig::default(), config).await.unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains(words), "{source}");
        assert!(!source.contains("u:p"), "{source}");
    }
    assert!(
        Server::new(HubConfig::default(), ServerConfig { relays: vec![good()], ..open_config() })
            .await
            .is_ok()
    );
    drop(relaying_all(Vec::new()).await);
}
