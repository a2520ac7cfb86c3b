//! What a client does when its stream breaks, and what it remembers.

use serde_json::json;

use crate::server::Stream;
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
    stage.expect_after_errors("b", "").await;
    first.gone().await;
    stage.close(Some(second)).await;
}

#[tokio::test]
async fn the_last_id_is_sent() {
    let (mut stage, first) = open().await;
    first.send("id: 7\ndata: a\n\n").await;
    stage.expect("message", "a", "7").await;
    first.break_off().await;
    let asked = stage.request().await;
    assert_eq!(asked.headers["last-event-id"], "7");
    let second = asked.open();
    stage.close(Some(second)).await;
}

#[tokio::test]
async fn the_last_id_is_sent_though_later_events_have_none() {
    let (mut stage, first) = open().await;
    first.send("id: 7\ndata: a\n\n").await;
    first.send("data: b\n\n").await;
    stage.expect("message", "a", "7").await;
    stage.expect("message", "b", "7").await;
    first.break_off().await;
    let asked = stage.request().await;
    assert_eq!(asked.headers["last-event-id"], "7");
    let second = asked.open();
    stage.close(Some(second)).await;
}

#[tokio::test]
async fn an_empty_id_is_not_sent() {
    let (mut stage, first) = open().await;
    first.send("id: 7\ndata: a\n\n").await;
    first.send("id: \ndata: b\n\n").await;
    stage.expect("message", "a", "7").await;
    stage.expect("message", "b", "").await;
    first.break_off().await;
    let asked = stage.request().await;
    assert!(!asked.headers.contains_key("last-event-id"), "{:?}", asked.headers);
    let second = asked.open();
    stage.close(Some(second)).await;
}

#[tokio::test]
async fn the_body_is_sent_again() {
    let mut stage = Stage::new().await;
    let headers = json!({ "content-type": "application/json; charset=utf-8" });
    let body = r#"{"wants": "news"}"#;
    let wanted = json!({ "initialDelayMs": 0, "method": "POST", "body": body, "headers": headers });
    stage.start(wanted).await;
    let asked = stage.request().await;
    assert_eq!((asked.method.as_str(), &asked.body[..]), ("POST", body.as_bytes()));
    asked.open().break_off().await;
    let asked = stage.request().await;
    assert_eq!((asked.method.as_str(), &asked.body[..]), ("POST", body.as_bytes()));
    assert_eq!(asked.headers["content-type"], "application/json; charset=utf-8");
    let second = asked.open();
    stage.close(Some(second)).await;
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
    let (mut stage, first) = open().await;
    first.send("id: 7\ndata: a\n\nid: 8\ndata: half").await;
    stage.expect("message", "a", "7").await;
    first.break_off().await;
    let asked = stage.request().await;
    assert_eq!(asked.headers["last-event-id"], "7");
    let second = asked.open();
    second.send("data: b\n\n").await;
    stage.expect_after_errors("b", "7").await;
    stage.close(Some(second)).await;
}

#[tokio::test]
async fn the_second_stream_is_as_good_as_the_first() {
    let (mut stage, first) = open().await;
    first.send("id: 7\ndata: a\n\n").await;
    stage.expect("message", "a", "7").await;
    first.break_off().await;
    let second = stage.request().await.open();
    second.send("id: 8\ndata: b\n\n").await;
    stage.expect_after_errors("b", "8").await;
    stage.close(Some(second)).await;
}
