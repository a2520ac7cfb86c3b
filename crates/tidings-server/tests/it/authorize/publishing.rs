//! Who may publish what, by the application's word, and from which pages.

use serde_json::json;

use super::application::{Application, Reply};
use crate::support::{Answer, TestServer, open_config, token};

const FORM: &str = "Content-Type: application/x-www-form-urlencoded";

/// Publishes a form with these header lines.
async fn publish(server: &TestServer, headers: &[&str], form: &str) -> Answer {
    let head = [&["POST /events HTTP/1.1", FORM], headers].concat().join("\r\n");
    server.request(&head, form.as_bytes()).await
}

#[track_caller]
fn refused(answer: &Answer, status: u16, reason: &str) -> String {
    let problem = answer.json();
    assert_eq!((answer.status, problem["reason"].as_str()), (status, Some(reason)), "{problem}");
    problem["detail"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn publishing_needs_the_list_of_what_may_be_published() {
    let application = Application::answering(Reply::status(200)).await;
    let (server, _) = application.hub().await;
    let bearer = ["Authorization: Bearer the-applications-own"];
    let bare = publish(&server, &bearer, "topic=a&data=1").await;
    let detail = refused(&bare, 403, "forbidden");
    assert!(detail.contains("`publish`") && detail.contains("X-Tidings-Publish"), "{detail}");
    application.answer(Reply::json(&json!({"topics": ["a"], "subscribe": ["a"]})));
    let reading = publish(&server, &["Authorization: Bearer 2"], "topic=a&data=1").await;
    refused(&reading, 403, "forbidden");

    application.answer(Reply::json(&json!({"publish": ["a", "users/{id}"]})));
    let publisher = ["Authorization: Bearer 3"];
    assert_eq!(publish(&server, &publisher, "topic=a&data=1").await.status, 200);
    assert_eq!(publish(&server, &publisher, "topic=users/1&data=1").await.status, 200);
    refused(&publish(&server, &publisher, "topic=b&data=1").await, 403, "forbidden");
    refused(&publish(&server, &publisher, "topic=a&topic=b&data=1").await, 403, "forbidden");
    application.answer(Reply::status(204).with("x-tidings-publish", "a, b"));
    assert_eq!(publish(&server, &["Authorization: Bearer 4"], "topic=a&topic=b").await.status, 200);
    application.answer(Reply::json(&json!({"publish": []})));
    refused(&publish(&server, &["Authorization: Bearer 5"], "topic=a").await, 403, "forbidden");
    assert_eq!(application.last().header("x-original-method"), "POST");
    assert_eq!(server.server.hub().stats().published, 3);
}

#[tokio::test]
async fn what_the_application_refuses_is_not_published() {
    let application = Application::answering(Reply::status(401)).await;
    let (server, _) = application.hub().await;
    refused(&publish(&server, &[], "topic=a").await, 401, "callback_unauthorized");
    application.answer(Reply::status(403));
    refused(&publish(&server, &[], "topic=a").await, 403, "callback_forbidden");
    application.answer(Reply::status(500));
    let failed = publish(&server, &[], "topic=a").await;
    refused(&failed, 503, "callback_failed");
    assert!(failed.header("retry-after").is_some());
    for content_type in ["application/json", "application/x-ndjson"] {
        let head = format!("POST /events HTTP/1.1\r\nContent-Type: {content_type}");
        assert_eq!(server.request(&head, br#"{"topic":"a"}"#).await.status, 503);
    }
    assert_eq!(server.server.hub().stats().published, 0);
}

#[tokio::test]
async fn a_page_publishes_by_cookie_only_where_that_is_allowed() {
    let application = Application::answering(Reply::json(&json!({"publish": ["*"]}))).await;
    let (server, _) = application.hub().await;
    let session = "Cookie: session=1";
    for (headers, reason) in [
        (&[session][..], "origin_missing"),
        (&[session, "Origin: https://evil.example"], "origin_not_allowed"),
        (&[session, "Origin: null"], "origin_not_allowed"),
        (&[session, "Referer: https://evil.example/https://app.example"], "origin_not_allowed"),
        (
            &[session, "Authorization: Bearer x", "Origin: https://evil.example"],
            "origin_not_allowed",
        ),
        // A browser that knows a password sends that of itself, too.
        (&["Authorization: Basic YTpi", "Origin: https://evil.example"], "origin_not_allowed"),
        (&["Authorization: negotiate YTpi", "Origin: null"], "origin_not_allowed"),
    ] {
        refused(&publish(&server, headers, "topic=a").await, 401, reason);
    }
    assert_eq!(application.count(), 0, "it is not even asked");
    for headers in [
        &[session, "Origin: https://app.example"][..],
        &[session, "Referer: https://app.example/page"],
        &["Authorization: Basic YTpi", "Origin: https://app.example"],
        &["Authorization: Basic YTpi"],
        &["Authorization: Bearer x", "Origin: https://evil.example"],
    ] {
        assert_eq!(publish(&server, headers, "topic=a").await.status, 200, "{headers:?}");
    }
}

#[tokio::test]
async fn the_roles_are_decided_each_on_its_own() {
    let application = Application::answering(Reply::json(&json!({"publish": ["*"]}))).await;
    let (server, _) =
        application.hub_with(|config| config.auth.publisher = open_config().auth.publisher).await;
    let good = format!("Authorization: Bearer {}", token(&["a"], &[]));
    assert_eq!(publish(&server, &[&good], "topic=a").await.status, 200);
    refused(&publish(&server, &[&good], "topic=b").await, 403, "forbidden");
    refused(&publish(&server, &[&format!("{good}x")], "topic=a").await, 401, "bad_signature");
    assert_eq!(application.count(), 0);
    assert_eq!(publish(&server, &["Authorization: Basic YTpi"], "topic=b").await.status, 200);
    assert_eq!(application.count(), 1);
    // What is allowed to publish is not allowed to subscribe.
    application.answer(Reply::status(403));
    let head = "GET /events?topic=a HTTP/1.1\r\nAuthorization: Basic YTpi";
    refused(&server.request(head, b"").await, 403, "callback_forbidden");
}

/// A page in a visitor's browser has the visitor's address, and that may be all that the application goes by.
#[tokio::test]
async fn a_page_cannot_publish_by_its_visitors_address() {
    let application = Application::answering(Reply::json(&json!({"publish": ["a"]}))).await;
    let (server, _) = application.hub().await;
    let evil = publish(&server, &["Origin: https://evil.example"], "topic=a").await;
    refused(&evil, 401, "origin_not_allowed");
    assert_eq!(application.count(), 0);
    assert_eq!(publish(&server, &["Origin: https://app.example"], "topic=a").await.status, 200);
    // What only a script can set is no browser's doing.
    let script = ["Origin: https://evil.example", "Authorization: Bearer its-own"];
    assert_eq!(publish(&server, &script, "topic=a").await.status, 200);
}

/// A long body went on publishing after its sender had been thrown out.
#[tokio::test]
async fn who_is_thrown_out_publishes_nothing_more() {
    let reply = json!({"user": "ann", "publish": ["a"]});
    let application = Application::answering(Reply::json(&reply)).await;
    let (server, admin) = application.hub().await;
    let bearer = "Authorization: Bearer anns";
    // A form whose last byte is not there yet.
    let mut slow = server.connect().await;
    let head = format!(
        "POST /events HTTP/1.1\r\nHost: localhost\r\n{FORM}\r\n{bearer}\r\nContent-Length: 7\r\n\r\ntopic="
    );
    slow.send(head.as_bytes()).await;
    application.was_asked(1).await;
    // NDJSON of which the first line is published.
    let mut bulk = server.connect().await;
    let head = format!(
        "POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n{bearer}\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    bulk.send(head.as_bytes()).await;
    let line = |id: &str| {
        let line = format!("{{\"topic\":\"a\",\"id\":\"{id}\"}}\n");
        format!("{:x}\r\n{line}\r\n", line.len())
    };
    bulk.send(line("1").as_bytes()).await;
    bulk.head().await.unwrap();
    assert!(String::from_utf8(bulk.piece().await.unwrap()).unwrap().contains("\"id\":\"1\""));
    assert_eq!(super::ending::end(admin, "/kick?user=ann").await, 0);
    slow.send(b"a").await;
    refused(&slow.answer().await, 503, "kicked");
    bulk.send(line("2").as_bytes()).await;
    let refusal = String::from_utf8(bulk.piece().await.unwrap()).unwrap();
    assert!(refusal.contains("\"error\":\"kicked\""), "{refusal}");
    assert_eq!(server.server.hub().stats().published, 1);
}
