//! What clients are told when an upstream gives no event stream.

use std::time::Duration;

use tidings_hub::HubConfig;
use tidings_server::{RelayConfig, ServerConfig};
use tokio::net::TcpListener;

use super::super::support::{Answer, TestServer, open_config};
use super::upstream::{PATH, Upstream, ask, quick, relaying};

/// Asks as a program does, which is given the status.
async fn as_program(server: &TestServer) -> Answer {
    server.request(&format!("GET {PATH} HTTP/1.1"), b"").await
}

/// The status and the reason that a program is given, and whether a browser's `EventSource` is told to come back.
async fn told(
    relay: fn(&Upstream) -> RelayConfig,
    status: &str,
    headers: &str,
) -> (u16, String, bool) {
    let upstream = Upstream::start().await;
    let server = relaying(relay(&upstream)).await;
    let head = format!("GET {PATH} HTTP/1.1");
    let mut client = server.connect().await;
    client.send_request(&head, b"").await;
    upstream.asked().await.answer(status, headers, "<p>a secret of the upstream</p>").await;
    let answer = client.answer().await;
    assert!(!answer.text().contains("secret"), "{}", answer.text());
    let reason = answer.json()["reason"].as_str().unwrap().to_owned();
    // A shared upstream that has just failed is not asked again at once; a browser is told the same.
    let mut browser = ask(&server, PATH, "").await;
    let as_browser = loop {
        tokio::select! {
            asked = upstream.asked() => asked.answer(status, headers, "").await,
            answer = browser.answer() => break answer,
        }
    };
    let is_soft = as_browser.status == 200;
    if is_soft {
        assert_eq!(as_browser.soft_refusal()["reason"], reason);
    } else {
        assert_eq!(as_browser.status, answer.status);
    }
    (answer.status, reason, is_soft)
}

fn shared(upstream: &Upstream) -> RelayConfig {
    upstream.relay(PATH)
}

fn per_client(upstream: &Upstream) -> RelayConfig {
    upstream.per_client(PATH)
}

#[tokio::test]
async fn a_refusal_is_passed_on_and_a_failure_is_one_of_the_gateway() {
    const HTML: &str = "Content-Type: text/html\r\n";
    const GZIP: &str = "Content-Type: text/event-stream\r\nContent-Encoding: gzip\r\n";
    let cases = [
        ("401 Unauthorized", "", 401, "upstream_refused", false),
        ("403 Forbidden", "", 403, "upstream_refused", false),
        ("404 Not Found", HTML, 404, "upstream_refused", false),
        ("429 Too Many Requests", "", 429, "upstream_refused", true),
        ("500 Internal Server Error", HTML, 502, "upstream_failed", true),
        ("503 Service Unavailable", "", 502, "upstream_failed", true),
        ("302 Found", "Location: ftp://example.com/\r\n", 502, "upstream_redirect", true),
        ("302 Found", "", 502, "upstream_redirect", true),
        ("200 OK", HTML, 502, "upstream_not_event_stream", true),
        ("200 OK", "", 502, "upstream_not_event_stream", true),
        ("200 OK", GZIP, 502, "upstream_encoded", true),
    ];
    let mut asked = Vec::new();
    for (status, headers, ..) in cases {
        asked.push(tokio::spawn(told(shared, status, headers)));
        asked.push(tokio::spawn(told(per_client, status, headers)));
    }
    for (answers, (line, headers, status, reason, is_soft)) in asked.chunks_mut(2).zip(cases) {
        for answer in answers {
            let answer = answer.await.unwrap();
            assert_eq!(answer, (status, reason.to_owned(), is_soft), "{line} {headers}");
        }
    }
}

#[tokio::test]
async fn no_content_ends_a_browsers_attempts() {
    let upstream = Upstream::start().await;
    for relay in [upstream.relay(PATH), upstream.per_client(PATH)] {
        let server = relaying(relay).await;
        let mut client = ask(&server, PATH, "").await;
        upstream.asked().await.answer("204 No Content", "", "").await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.body.as_slice()), (204, &b""[..]));
    }
}

#[tokio::test]
async fn an_upstream_that_never_answers_is_given_up_in_time() {
    let upstream = Upstream::start().await;
    for relay in [upstream.relay(PATH), upstream.per_client(PATH)] {
        let server = relaying(quick(relay)).await;
        let mut client = server.connect().await;
        client.send_request(&format!("GET {PATH} HTTP/1.1"), b"").await;
        let asked = upstream.asked().await;
        let answer = client.answer().await;
        assert_eq!((answer.status, &answer.json()["reason"]), (504, &"upstream_no_answer".into()));
        assert!(answer.header("retry-after").is_some());
        asked.until_given_up().await;
    }
}

#[tokio::test]
async fn an_upstream_that_is_not_there_is_said_to_be_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}{PATH}", listener.local_addr().unwrap());
    drop(listener);
    let server = relaying(RelayConfig {
        access: tidings_server::RelayAccess::Anyone,
        ..RelayConfig::new(url)
    })
    .await;
    let answer = as_program(&server).await;
    assert_eq!((answer.status, &answer.json()["reason"]), (502, &"upstream_unreachable".into()));
}

/// Spring WebFlux sends the head with the first event: it was given up before that came, again and again, and lost it.
#[tokio::test]
async fn who_was_refused_while_the_upstream_was_late_gets_its_first_event_all_the_same() {
    let upstream = Upstream::start().await;
    let linger = Duration::from_mins(10);
    let server = relaying(RelayConfig { linger, ..quick(upstream.relay(PATH)) }).await;
    let mut refused = ask(&server, PATH, "").await;
    let asked = upstream.asked().await;
    assert_eq!(refused.answer().await.soft_refusal()["reason"], "upstream_no_answer");
    let waiting = ask(&server, PATH, "").await;
    let mut feed = asked.feed().await;
    feed.send("data: first\n\n").await;
    let mut waiting = waiting.stream().await;
    assert_eq!(waiting.data(1).await, ["first"]);
    let mut back = ask(&server, PATH, "").await.stream().await;
    assert_eq!(back.data(1).await, ["first"]);
    feed.send("data: second\n\n").await;
    let second = ["second".to_owned()];
    assert_eq!((waiting.data(1).await, back.data(1).await), (second.to_vec(), second.to_vec()));
}

/// A thousand browsers whose upstream fails must not ask it a thousand times.
#[tokio::test]
async fn those_who_wait_together_are_answered_together() {
    let upstream = Upstream::start().await;
    let server = relaying(upstream.relay(PATH)).await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        let mut client = server.connect().await;
        client.send_request(&format!("GET {PATH} HTTP/1.1"), b"").await;
        clients.push(client);
    }
    // All of them wait, and count as the hub's subscribers already.
    while server.server.hub().stats().subscribers < clients.len() {
        tokio::task::yield_now().await;
    }
    upstream.asked().await.answer("500 Internal Server Error", "", "").await;
    for client in &mut clients {
        assert_eq!(client.answer().await.status, 502);
    }
    // Who comes just after it is told the same, and the upstream is left alone.
    assert_eq!(as_program(&server).await.status, 502);
    // Nobody else has asked: the next request is that of somebody who comes later.
    let _late = ask(&server, &format!("{PATH}?late"), "").await;
    assert_eq!(upstream.asked().await.line(), "GET /api/events?late HTTP/1.1");
}

/// One address could use up all upstream connections, with subscriptions that it was refused.
#[tokio::test]
async fn who_is_refused_by_a_limit_opens_no_connection() {
    let upstream = Upstream::start().await;
    let mut hub = HubConfig::default();
    hub.limits.per_address = Some(1);
    for relay in [upstream.relay(PATH), upstream.per_client(PATH)] {
        let config = ServerConfig { relays: vec![relay], ..open_config() };
        let server = TestServer::start(hub, config).await;
        let _waiting = ask(&server, PATH, "").await;
        let _asked = upstream.asked().await;
        let answer = server.request(&format!("GET {PATH}?other HTTP/1.1"), b"").await;
        assert_eq!((answer.status, &answer.json()["reason"]), (429, &"address_limit".into()));
        drop(server);
    }
    // The next request is that of another server.
    let server = relaying(upstream.relay(PATH)).await;
    let _client = ask(&server, &format!("{PATH}?last"), "").await;
    assert_eq!(upstream.asked().await.line(), "GET /api/events?last HTTP/1.1");
}

#[tokio::test]
async fn who_waits_for_an_upstream_is_answered_when_the_hub_goes_down() {
    let upstream = Upstream::start().await;
    for relay in [upstream.relay(PATH), upstream.per_client(PATH)] {
        let drain = Duration::from_mins(10);
        let config = ServerConfig { relays: vec![relay], drain, ..open_config() };
        let mut server = TestServer::start(HubConfig::default(), config).await;
        let mut client = server.connect().await;
        client.send_request(&format!("GET {PATH} HTTP/1.1"), b"").await;
        let _asked = upstream.asked().await;
        server.shut_down();
        let answer = client.answer().await;
        assert_eq!((answer.status, &answer.json()["reason"]), (503, &"draining".into()));
        (&mut server.done).await.unwrap();
    }
}

#[tokio::test]
async fn no_refusal_may_be_kept_by_a_cache() {
    let upstream = Upstream::start().await;
    let server = relaying(upstream.per_client(PATH)).await;
    for status in ["204 No Content", "404 Not Found", "410 Gone", "500 No"] {
        let mut client = server.connect().await;
        client.send_request(&format!("GET {PATH} HTTP/1.1"), b"").await;
        upstream.asked().await.answer(status, "", "").await;
        assert_eq!(client.answer().await.header("cache-control"), Some("no-store"), "{status}");
    }
}

#[tokio::test]
async fn a_relay_has_so_many_upstream_connections_and_no_more() {
    let upstream = Upstream::start().await;
    for mut relay in [upstream.relay(PATH), upstream.per_client(PATH)] {
        relay.upstreams = 1;
        let server = relaying(quick(relay)).await;
        let client = ask(&server, PATH, "").await;
        let feed = upstream.feed().await;
        let stream = client.stream().await;
        let other = format!("GET {PATH}?other HTTP/1.1");
        let answer = server.request(&other, b"").await;
        assert_eq!((answer.status, &answer.json()["reason"]), (503, &"upstream_limit".into()));
        drop(stream);
        feed.until_closed().await;
        // There is room again.
        let _client = loop {
            let mut client = ask(&server, &format!("{PATH}?other"), "").await;
            tokio::select! {
                asked = upstream.asked() => { asked.feed().await; break client }
                refused = client.answer() => assert_eq!(refused.soft_refusal()["reason"], "upstream_limit"),
            }
        };
    }
}
