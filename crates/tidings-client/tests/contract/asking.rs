//! The service's own protocol: what it says of itself, and what it makes of requests that it cannot meet.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::stage::{Stage, service};

/// What LaunchDarkly's suite asks for under a name, so that it would leave out what a service does not name.
const KNOWN: [&str; 11] = [
    "bom",
    "comments",
    "empty-or-missing-location",
    "headers",
    "last-event-id",
    "payload-size-stress-testable",
    "post",
    "read-timeout",
    "report",
    "restart",
    "server-directed-shutdown-request",
];

#[tokio::test]
async fn the_service_says_who_it_is_and_leaves_out_nothing_that_the_contract_knows() {
    let answer = reqwest::get(service().await).await.unwrap();
    assert_eq!(answer.status(), 200);
    let about: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    assert!(about["name"].is_string(), "{about}");
    let found = about["capabilities"].as_array().unwrap();
    let found: BTreeSet<&str> = found.iter().map(|it| it.as_str().unwrap()).collect();
    let missing: Vec<&str> = KNOWN.into_iter().filter(|it| !found.contains(it)).collect();
    assert!(missing.is_empty(), "missing: {missing:?}");
}

#[tokio::test]
async fn a_stream_that_cannot_be_opened_is_refused() {
    let stage = Stage::new().await;
    let url = format!("{}/", service().await);
    let (stream, callbacks) = (stage.url("/stream"), stage.url("/callbacks"));
    let wanted = [
        String::new(),
        "no JSON".to_owned(),
        json!({ "callbackUrl": callbacks }).to_string(),
        json!({ "streamUrl": stream }).to_string(),
    ];
    for wanted in wanted {
        assert_eq!(stage.post(&url, wanted.clone()).await.status(), 400, "{wanted}");
    }
}

#[tokio::test]
async fn an_unknown_command_is_refused_and_changes_nothing() {
    let (mut stage, stream) = Stage::open().await;
    for command in ["", "no JSON", "{}", r#"{"command":"dance"}"#] {
        let answer = stage.post(stage.client(), command.to_owned()).await;
        assert_eq!(answer.status(), 400, "{command}");
    }
    stage.expect_no_request().await;
    stream.send("data: a\n\n").await;
    stage.expect("message", "a", "").await;
    stage.close(Some(stream)).await;
}

#[tokio::test]
async fn a_stream_that_is_not_there_is_not_found() {
    let (stage, stream) = Stage::open().await;
    let url = stage.client().to_owned();
    stage.close(Some(stream)).await;
    let stage = Stage::new().await;
    for url in [url, format!("{}/no-stream", service().await)] {
        let restart = r#"{"command":"restart"}"#.to_owned();
        assert_eq!(stage.post(&url, restart).await.status(), 404, "{url}");
        let deleted = reqwest::Client::new().delete(&url).send().await.unwrap();
        assert_eq!(deleted.status(), 404, "{url}");
    }
}
