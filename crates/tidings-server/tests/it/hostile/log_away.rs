//! A log behind the hub that is away: who needs it is told to come back, who is connected stays.

use std::time::Duration;

use tidings_hub::HubConfig;
use tidings_server::ServerConfig;

use super::harness::{Case, Expected, Harness, case, form, get, post, refused};
use crate::memory_log::MemoryLog;
use crate::support::{TestServer, open_config, token};

/// What the log says of itself, which is for the operator and in no answer.
const CAUSE: &str = "the test has sent it away";

pub(super) fn cases() -> Vec<Case> {
    let away = |words| refused(503, "log_unavailable", words);
    let written = || away("again with the same idempotency key");
    let array = br#"[{"topic":"a"},{"topic":"b"}]"#;
    let lines = b"{\"topic\":\"a\"}\n{\"topic\":1}\n{\"topic\":\"b\"}\n";
    let results = Expected::Lines(&["log_unavailable", "wrong_type", "log_unavailable"]);
    vec![
        case("a form while the log is away", form("topic=a&data=x"), written()),
        case(
            "an update as JSON while the log is away",
            post("application/json", br#"{"topic":"a"}"#),
            written(),
        ),
        case("an array while the log is away", post("application/json", array), written()),
        case("lines while the log is away", post("application/x-ndjson", lines), results),
        case(
            "a publisher's own id while the log is away",
            get("/events?topic=a&lastEventID=own", ""),
            away("cannot be read"),
        ),
    ]
}

/// A server on a log, and who listens to it.
async fn on(log: &MemoryLog) -> Harness {
    let config =
        ServerConfig { subscriptions: false, drain: Duration::from_secs(5), ..open_config() };
    Harness::with(TestServer::on_log(log.shared(), HubConfig::default(), config).await, true).await
}

#[tokio::test]
async fn who_needs_a_log_that_is_away_is_told_to_come_back_and_open_streams_stay() {
    let log = MemoryLog::new(usize::MAX);
    let mut harness = on(&log).await;
    harness.goes_on("the beginning").await;
    log.change(|contents| contents.is_away = true);
    for case in cases() {
        assert_eq!(harness.answers(&case).await, 0);
    }
    // What the hub has in memory it gives all the same: to who begins now, and to who comes back.
    let resumed = format!("topic=*&lastEventID=%23{}-0", log.epoch());
    for (query, events) in [("topic=*", 0), (resumed.as_str(), 1)] {
        let mut stream = harness.server.subscribe(query, "").await.opened().await;
        for _ in 0..events {
            assert_eq!(stream.event().await.1, "after the beginning");
        }
    }
    harness.subscribers(1).await;
    log.change(|contents| contents.is_away = false);
    harness.goes_on("the log was away").await;
}

/// A browser sees no status: it is told in a stream, and comes back by itself.
#[tokio::test]
async fn a_browser_that_resumes_while_the_log_is_away_is_told_in_a_stream() {
    let log = MemoryLog::new(usize::MAX);
    let mut harness = on(&log).await;
    log.change(|contents| contents.is_away = true);
    let head = "GET /events?topic=a&lastEventID=own HTTP/1.1\r\nAccept: text/event-stream";
    let told = harness.server.request(head, b"").await;
    assert!(!told.text().contains(CAUSE), "{}", told.text());
    let told = told.soft_refusal();
    assert_eq!((&told["status"], &told["reason"]), (&503.into(), &"log_unavailable".into()));
    log.change(|contents| contents.is_away = false);
    drop(harness.server.subscribe("topic=a&lastEventID=own", "").await);
    harness.subscribers(1).await;
    harness.goes_on("it came back").await;
}

#[tokio::test]
async fn the_operator_is_told_why_and_the_publisher_is_not() {
    let log = MemoryLog::new(usize::MAX);
    let harness = on(&log).await;
    log.change(|contents| contents.is_away = true);
    drop(super::logged());
    let answer = harness.exchange(&form("topic=a")).await.unwrap();
    assert_eq!(answer.header("retry-after").map(|after| after.parse::<u64>().is_ok()), Some(true));
    assert!(!answer.text().contains(CAUSE), "{}", answer.text());
    let logged = super::logged();
    assert!(logged.contains(CAUSE), "{logged}");
}

/// Each publish that was refused had a line of its own.
#[tokio::test]
async fn the_operator_is_not_told_of_each_request() {
    let log = MemoryLog::new(usize::MAX);
    let harness = on(&log).await;
    log.change(|contents| contents.is_away = true);
    drop(super::logged());
    let began = std::time::SystemTime::now();
    for _ in 0..100 {
        harness.exchange(&form("topic=a")).await.unwrap();
        harness.exchange(&post("application/x-ndjson", b"{\"topic\":\"a\"}\n")).await.unwrap();
    }
    let seconds = began.elapsed().unwrap().as_secs();
    let logged = super::logged();
    let lines = logged.lines().filter(|line| line.contains(" INFO ") && line.contains(CAUSE));
    let told = lines.count() as u64;
    assert!((1..=seconds + 2).contains(&told), "{told} lines in {seconds} s");
}

/// The time for the next piece of a body ran while the log took its own, and so did that of who waits for a result.
#[tokio::test(start_paused = true)]
async fn who_sends_lines_is_not_timed_out_by_a_slow_log() {
    let log = MemoryLog::new(usize::MAX);
    let harness = on(&log).await;
    let mut client = harness.server.connect().await;
    let head = "POST /events HTTP/1.1\r\nHost: hub\r\nContent-Type: application/x-ndjson\r\n";
    client.send(format!("{head}Transfer-Encoding: chunked\r\n\r\n").as_bytes()).await;
    assert_eq!(client.head().await.unwrap().status, 200);
    for _ in 0..3 {
        let before = log.change(|contents| {
            contents.results_are_held = true;
            contents.appends
        });
        client.send(b"e\r\n{\"topic\":\"a\"}\n\r\n").await;
        let taken = log.until(|contents| contents.appends > before);
        tokio::time::timeout(Duration::from_mins(1), taken).await.expect("the body is over");
        tokio::time::sleep(Duration::from_mins(2)).await;
        log.change(|contents| contents.results_are_held = false);
        let result = String::from_utf8(client.piece().await.unwrap()).unwrap();
        assert!(result.starts_with("{\"id\":"), "{result}");
        // Its own time has only begun.
        tokio::time::sleep(Duration::from_secs(20)).await;
    }
    client.send(b"0\r\n\r\n").await;
    assert_eq!(client.piece().await, None);
}

/// Who is behind while the log is away waits for it, and has everything when it is back.
#[tokio::test]
async fn a_stream_that_is_behind_waits_for_the_log_and_goes_on_where_it_was() {
    let log = MemoryLog::with("a", 200);
    let mut hub = HubConfig::default();
    hub.retention.max_updates = 10;
    let config = ServerConfig { subscriptions: false, ..open_config() };
    let server = TestServer::on_log(log.shared(), hub, config).await;
    log.change(|contents| contents.is_away = true);
    let query = format!("topic=a&lastEventID=%23{}-0", log.epoch());
    let mut stream = server.subscribe(&query, "").await.opened().await;
    log.until(|contents| !contents.reads.is_empty()).await;
    log.change(|contents| contents.is_away = false);
    server.publish("topic=a&data=201").await;
    let expected: Vec<String> = (1..=201).map(|number| number.to_string()).collect();
    assert_eq!(stream.data(201).await, expected);
}

/// The tag goes by the log's newest update, and whoever came while the log was away is announced by none.
#[tokio::test]
async fn the_list_of_subscriptions_has_no_tag_until_the_log_has_moved_past_what_was_not_announced()
{
    const LIST: &str = "/.well-known/mercure/subscriptions";
    let log = MemoryLog::new(usize::MAX);
    let server = TestServer::on_log(log.shared(), HubConfig::default(), open_config()).await;
    let all = token(&[], &[&format!("{LIST}{{/topic}}{{/subscriber}}")]);
    let list = async |known: &str| {
        let head =
            format!("GET {LIST} HTTP/1.1\r\nAuthorization: Bearer {all}\r\nIf-None-Match: {known}");
        server.request(&head, b"").await
    };
    let hub = server.server.hub();
    server.publish("topic=a").await;
    let answer = list("none").await;
    let tag = answer.header("etag").unwrap().to_owned();
    assert_eq!(list(&tag).await.status, 304);
    log.change(|contents| contents.is_away = true);
    let _open = server.subscribe("topic=a", "").await.opened().await;
    while !hub.stats().is_unannounced {
        tokio::task::yield_now().await;
    }
    for is_away in [true, false] {
        log.change(|contents| contents.is_away = is_away);
        let answer = list(&tag).await;
        assert_eq!((answer.status, answer.header("etag")), (200, None), "away: {is_away}");
        assert_eq!(answer.json()["subscriptions"].as_array().unwrap().len(), 1);
    }
    server.publish("topic=a").await;
    assert_ne!(list(&tag).await.header("etag").unwrap(), tag);
}
