//! What a client does when its stream breaks, and what it remembers.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::server::{BOTH_WAYS, Leave, Stream};
use crate::stage::Stage;

/// A stage where the client comes back at once, and its first stream.
async fn open() -> (Stage, Stream) {
    let mut stage = Stage::new().await;
    stage.start(json!({ "initialDelayMs": 0 })).await;
    let asked = stage.request().await;
    assert!(!asked.headers.contains_key("last-event-id"));
    let stream = asked.open();
    (stage, stream)
}

#[tokio::test]
async fn it_can_be_told_to_reconnect() {
    let (mut stage, first) = open().await;
    first.send("data: a\n\n").await;
    stage.expect("message", "a", "").await;
    stage.command(json!({ "command": "restart" })).await;
    let second = stage.request().await.open();
    second.send("data: b\n\n").await;
    // What was asked for is no error.
    stage.expect("message", "b", "").await;
    first.gone().await;
    stage.close(Some(second)).await;
}

#[tokio::test]
async fn the_last_id_is_sent() {
    for how in BOTH_WAYS {
        let (mut stage, first) = open().await;
        first.send("id: 7\ndata: a\n\n").await;
        stage.expect("message", "a", "7").await;
        first.leave(how).await;
        let asked = stage.request().await;
        assert_eq!(asked.headers["last-event-id"], "7", "{how:?}");
        let second = asked.open();
        stage.close(Some(second)).await;
    }
}

#[tokio::test]
async fn the_last_id_is_sent_though_later_events_have_none() {
    for how in BOTH_WAYS {
        let (mut stage, first) = open().await;
        first.send("id: 7\ndata: a\n\n").await;
        first.send("data: b\n\n").await;
        stage.expect("message", "a", "7").await;
        stage.expect("message", "b", "7").await;
        first.leave(how).await;
        let asked = stage.request().await;
        assert_eq!(asked.headers["last-event-id"], "7", "{how:?}");
        let second = asked.open();
        stage.close(Some(second)).await;
    }
}

#[tokio::test]
async fn an_empty_id_is_not_sent() {
    for how in BOTH_WAYS {
        let (mut stage, first) = open().await;
        first.send("id: 7\ndata: a\n\n").await;
        first.send("id: \ndata: b\n\n").await;
        stage.expect("message", "a", "7").await;
        stage.expect("message", "b", "").await;
        first.leave(how).await;
        let asked = stage.request().await;
        assert!(!asked.headers.contains_key("last-event-id"), "{how:?}: {:?}", asked.headers);
        let second = asked.open();
        stage.close(Some(second)).await;
    }
}

#[tokio::test]
async fn the_body_is_sent_again() {
    for how in BOTH_WAYS {
        let mut stage = Stage::new().await;
        let headers = json!({ "content-type": "application/json; charset=utf-8" });
        let body = r#"{"wants": "news"}"#;
        let posted =
            json!({ "method": "POST", "body": body, "headers": headers, "initialDelayMs": 0 });
        stage.start(posted).await;
        let asked = stage.request().await;
        assert_eq!((asked.method.as_str(), &asked.body[..]), ("POST", body.as_bytes()));
        asked.open().leave(how).await;
        let asked = stage.request().await;
        assert_eq!((asked.method.as_str(), &asked.body[..]), ("POST", body.as_bytes()), "{how:?}");
        assert_eq!(asked.headers["content-type"], "application/json; charset=utf-8");
        let second = asked.open();
        stage.close(Some(second)).await;
    }
}

#[tokio::test]
async fn a_stream_that_falls_silent_is_given_up() {
    let mut stage = Stage::new().await;
    stage.start(json!({ "initialDelayMs": 0, "readTimeoutMs": 500 })).await;
    let first = stage.request().await.open();
    first.send("data: a\n\n").await;
    stage.expect("message", "a", "").await;
    stage.expect_error().await;
    let second = stage.request().await.open();
    first.gone().await;
    stage.close(Some(second)).await;
}

#[tokio::test]
async fn half_an_event_is_forgotten_and_its_id_too() {
    for how in BOTH_WAYS {
        let (mut stage, first) = open().await;
        first.send("id: 7\ndata: a\n\nid: 8\ndata: half").await;
        stage.expect("message", "a", "7").await;
        first.leave(how).await;
        let asked = stage.request().await;
        assert_eq!(asked.headers["last-event-id"], "7", "{how:?}");
        let second = asked.open();
        second.send("data: b\n\n").await;
        stage.expect_after_the_end("b", "7").await;
        stage.close(Some(second)).await;
    }
}

#[tokio::test]
async fn the_second_stream_is_as_good_as_the_first() {
    for how in BOTH_WAYS {
        let (mut stage, first) = open().await;
        first.send("id: 7\ndata: a\n\n").await;
        stage.expect("message", "a", "7").await;
        first.leave(how).await;
        let second = stage.request().await.open();
        second.send("id: 8\ndata: b\n\n").await;
        stage.expect_after_the_end("b", "8").await;
        stage.close(Some(second)).await;
    }
}

/// LaunchDarkly's suite writes null for a time that it leaves to the client. One service of ours took that for 0, and its
/// client came back without a pause.
#[tokio::test]
async fn a_time_of_null_is_the_clients_own() {
    let mut stage = Stage::new().await;
    stage.start(json!({ "initialDelayMs": null, "readTimeoutMs": null })).await;
    let started = Instant::now();
    // Each wait is a random part of a longer time, so that three of them are not all short.
    for _ in 0..3 {
        stage.request().await.open().leave(Leave::Duly).await;
    }
    let last = stage.request().await.open();
    let waited = started.elapsed();
    assert!(waited > Duration::from_millis(100), "{waited:?}");
    stage.close(Some(last)).await;
}
