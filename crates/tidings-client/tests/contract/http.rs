//! What is asked for, and what is made of answers that are no stream.

use serde_json::json;

use crate::stage::Stage;

#[tokio::test]
async fn a_request_says_what_it_wants() {
    let mut stage = Stage::new().await;
    stage.start(json!({})).await;
    let asked = stage.request().await;
    assert_eq!(asked.method, "GET");
    assert_eq!(asked.headers["accept"], "text/event-stream");
    assert_eq!(asked.headers["cache-control"], "no-cache");
    assert!(!asked.headers.contains_key("last-event-id"));
    assert!(asked.body.is_empty());
    let stream = asked.open();
    stage.close(Some(stream)).await;
}

#[tokio::test]
async fn headers_are_sent() {
    let mut stage = Stage::new().await;
    stage.start(json!({ "headers": { "x-one": "1", "x-two": "2" } })).await;
    let asked = stage.request().await;
    assert_eq!(asked.headers["x-one"], "1");
    assert_eq!(asked.headers["x-two"], "2");
    let stream = asked.open();
    stage.close(Some(stream)).await;
}

#[tokio::test]
async fn a_first_last_event_id_is_sent() {
    let mut stage = Stage::new().await;
    stage.start(json!({ "lastEventId": "7" })).await;
    let asked = stage.request().await;
    assert_eq!(asked.headers["last-event-id"], "7");
    let stream = asked.open();
    stage.close(Some(stream)).await;
}

#[tokio::test]
async fn a_body_is_posted() {
    a_body_is_sent_by("POST").await;
}

#[tokio::test]
async fn a_body_is_reported() {
    a_body_is_sent_by("REPORT").await;
}

async fn a_body_is_sent_by(method: &str) {
    let mut stage = Stage::new().await;
    let headers = json!({ "content-type": "application/json; charset=utf-8" });
    let body = r#"{"wants": "news"}"#;
    stage.start(json!({ "method": method, "body": body, "headers": headers })).await;
    let asked = stage.request().await;
    assert_eq!(asked.method, method);
    assert_eq!(asked.headers["content-type"], "application/json; charset=utf-8");
    assert_eq!(asked.body, body);
    let stream = asked.open();
    stage.close(Some(stream)).await;
}

#[tokio::test]
async fn after_204_nothing_more_is_asked() {
    let mut stage = Stage::new().await;
    stage.start(json!({ "initialDelayMs": 0 })).await;
    stage.request().await.answer(204, &[]);
    stage.expect_no_request().await;
    stage.close(None).await;
}

#[tokio::test]
async fn a_permanent_redirect_is_followed() {
    a_redirect_is_followed(301).await;
}

#[tokio::test]
async fn a_temporary_redirect_is_followed() {
    a_redirect_is_followed(307).await;
}

async fn a_redirect_is_followed(status: u16) {
    let mut stage = Stage::new().await;
    stage.start(json!({})).await;
    let elsewhere = stage.url("/elsewhere");
    stage.request().await.answer(status, &[("location", &elsewhere)]);
    let asked = stage.request().await;
    assert_eq!(asked.path, "/elsewhere");
    let stream = asked.open();
    stream.send("data: a\n\n").await;
    stage.expect("message", "a", "").await;
    stage.close(Some(stream)).await;
}

#[tokio::test]
async fn a_permanent_redirect_to_nowhere_is_an_error() {
    a_redirect_to_nowhere_is_an_error(301).await;
}

#[tokio::test]
async fn a_temporary_redirect_to_nowhere_is_an_error() {
    a_redirect_to_nowhere_is_an_error(307).await;
}

/// Neither without a Location nor with an empty one. Where `fetch` follows it, an empty one leads back to itself, and
/// the error is that of a loop.
async fn a_redirect_to_nowhere_is_an_error(status: u16) {
    let nowhere: [&[(&str, &str)]; 2] = [&[], &[("location", "")]];
    for headers in nowhere {
        let mut stage = Stage::new().await;
        stage.start(json!({})).await;
        let error = stage.message_while(status, headers).await;
        assert_eq!(error["kind"], "error", "{error}");
        assert!(error["error"].as_str().is_some_and(|text| !text.is_empty()), "{error}");
        stage.close(None).await;
    }
}
