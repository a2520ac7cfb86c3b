//! One update published: what is sent, what is tried again and with which key, and what is not.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tidings_client::{Backoff, PublishFailure, Publisher, Update};
use tokio::time::Instant;

use crate::server::{Answer, Server, answer};
use crate::told::plain_client;

fn publisher(server: &Server) -> Publisher {
    Publisher::new(server.url("/events")).with_http_client(plain_client())
}

fn ok() -> Answer {
    answer("200 OK", "Content-Type: text/plain\r\n", "#e-7")
}

#[tokio::test(start_paused = true)]
async fn an_update_is_sent_as_the_form_that_every_mercure_hub_takes() {
    let server = Server::start(vec![ok()]).await;
    let update = Update::new("books/1", "a=1&b\n\u{fc}")
        .with_topic("books")
        .with_type("price")
        .with_id("x 1")
        .with_retry(Duration::from_secs(5))
        .into_private();
    let publisher = publisher(&server).with_header("authorization", "Bearer a.b.c");
    assert_eq!(publisher.publish(&update).await.unwrap(), "#e-7");
    let request = &server.requests()[0];
    assert_eq!(request.line, "POST /events HTTP/1.1");
    assert_eq!(request.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(request.header("authorization"), Some("Bearer a.b.c"));
    let form = "topic=books%2F1&topic=books&data=a%3D1%26b%0A%C3%BC&type=price&id=x+1&retry=5000&private=on";
    assert_eq!(request.body, form);
}

#[tokio::test(start_paused = true)]
async fn what_may_be_published_already_is_sent_again_with_the_same_key() {
    let half = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n#e";
    let server = Server::start(vec![
        answer("503 Service Unavailable", "Retry-After: 3\r\n", ""),
        Answer::raw(""),
        Answer::raw(half),
        Answer::raw("").stalls(),
        Answer::raw(half).stalls(),
        answer("429 Too Many Requests", "", ""),
        ok(),
        ok(),
    ])
    .await;
    let publisher = publisher(&server).with_retry_for(Duration::from_mins(10));
    assert_eq!(publisher.publish(&Update::new("a", "b")).await.unwrap(), "#e-7");
    publisher.publish(&Update::new("a", "b")).await.unwrap();
    let requests = server.requests();
    let keys: Vec<_> = requests.iter().map(|it| it.header("idempotency-key").unwrap()).collect();
    assert_eq!(keys.len(), 8);
    assert!(keys[..7].iter().all(|key| *key == keys[0] && key.len() == 32), "{keys:?}");
    assert_ne!(keys[7], keys[0], "another publish is another one");
    assert!(requests.iter().all(|it| it.body == "topic=a&data=b"));
    assert!(requests[1].at - requests[0].at >= Duration::from_secs(3));
    assert!(requests[4].at - requests[3].at >= Duration::from_secs(30));
    assert!(requests[5].at - requests[4].at >= Duration::from_secs(30));
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_given_is_the_one() {
    let server = Server::start(vec![answer("200 OK", "", "#e-7\n")]).await;
    let publish =
        publisher(&server).publish(&Update::new("a", "")).with_idempotency_key("order-17");
    assert_eq!(publish.await.unwrap(), "#e-7", "some end the line");
    assert_eq!(server.requests()[0].header("idempotency-key"), Some("order-17"));
    assert_eq!(server.requests()[0].body, "topic=a");
    let publish = publisher(&server).publish(&Update::new("a", "")).with_idempotency_key("a\nb");
    let error = publish.await.unwrap_err();
    assert!(
        matches!(error.failure(), PublishFailure::BadHeader { name } if name == "idempotency-key")
    );
    let publisher = publisher(&server).with_header("x", "a\nb");
    let error = publisher.publish(&Update::new("a", "")).await.unwrap_err();
    assert_eq!(error.url(), server.url("/events"));
}

#[tokio::test(start_paused = true)]
async fn what_would_be_in_vain_is_not_tried_again() {
    for status in
        ["204 No Content", "301 X", "302 X", "307 X", "400 X", "401 X", "403 X", "413 X", "422 X"]
    {
        let problem = r#"{"reason":"why","detail":"so"}"#;
        let server = Server::start(vec![answer(status, "Location: /x\r\n", problem)]).await;
        let result = publisher(&server).publish(&Update::new("a", "b")).await;
        assert_eq!(server.requests().len(), 1, "{status}");
        if status.starts_with("204") {
            assert_eq!(result.unwrap(), "");
            continue;
        }
        let refusal = result.unwrap_err().refusal().unwrap().clone();
        assert_eq!(refusal.status.as_str(), &status[..3]);
        assert_eq!(refusal.reason.as_deref(), Some("why"));
    }
    let page = "<!doctype html>\n<title>Home</title>\n";
    for bad in [
        answer("200 OK", "", &"x".repeat(70_000)),
        answer("200 OK", "Content-Type: text/html\r\n", page),
        answer("200 OK", "", "#e-7\0"),
        Answer::raw(b"HTTP/1.1 200 OK\r\n\r\n\xff"),
    ] {
        let server = Server::start(vec![bad]).await;
        let error = publisher(&server).publish(&Update::new("a", "b")).await.unwrap_err();
        assert!(matches!(error.failure(), PublishFailure::BadAnswer), "{error}");
    }
    let long = format!("http://127.0.0.1:9/{}", "x".repeat(1 << 16));
    for url in ["", "ftp://x/", "nowhere", &long] {
        let publisher = Publisher::new(url).with_http_client(plain_client());
        let error = publisher.publish(&Update::new("a", "b")).await.unwrap_err();
        let said = "cannot publish: this is no http or https URL of at most 64 KiB";
        assert_eq!(error.to_string(), said);
    }
}

#[tokio::test(start_paused = true)]
async fn attempts_are_bounded_in_number_and_in_time() {
    let away = || vec![answer("503 Service Unavailable", "", ""); 20];
    let server = Server::start(away()).await;
    let patient = publisher(&server).with_retry_for(Duration::from_hours(1));
    let error = patient.publish(&Update::new("a", "b")).await.unwrap_err();
    let said = error.to_string();
    assert!(said.ends_with("503 Service Unavailable; given up after 8 attempts"), "{said}");
    assert_eq!(server.requests().len(), 8);

    let server = Server::start(away()).await;
    let unbounded = publisher(&server).with_backoff(Backoff::default().with_max_attempts(None));
    let start = Instant::now();
    let error = unbounded.publish(&Update::new("a", "b")).await.unwrap_err();
    assert!(matches!(error.failure(), PublishFailure::GaveUp { .. }), "{error}");
    assert!(start.elapsed() <= Duration::from_mins(2), "{:?}", start.elapsed());
    assert!(start.elapsed() >= Duration::from_secs(20), "{:?}", start.elapsed());

    let server = Server::start(vec![answer("503 X", "Retry-After: 121\r\n", "")]).await;
    let start = Instant::now();
    let error = publisher(&server).publish(&Update::new("a", "b")).await.unwrap_err();
    let said = "the hub answers 503 Service Unavailable";
    assert_eq!(error.failure().to_string(), said, "one attempt is none to speak of");
    assert_eq!(start.elapsed(), Duration::ZERO, "there is no use in waiting");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_refused_is_asked_for_once_more() {
    let no = || answer("401 Unauthorized", "", "");
    let server = Server::start(vec![no(), ok(), no(), no(), ok()]).await;
    let calls = AtomicU32::new(0);
    let publisher = publisher(&server).with_header_from("authorization", move |attempt| {
        let call = calls.fetch_add(1, Ordering::Relaxed);
        let refused = attempt.refused.is_some();
        async move { Ok::<_, std::io::Error>(format!("{call} {refused}")) }
    });
    publisher.publish(&Update::new("a", "b")).await.unwrap();
    let error = publisher.publish(&Update::new("a", "b")).await.unwrap_err();
    assert_eq!(error.refusal().unwrap().status, 401);
    let requests = server.requests();
    let tokens: Vec<_> = requests.iter().map(|it| it.header("authorization").unwrap()).collect();
    assert_eq!(tokens, ["0 false", "1 true", "2 false", "3 true"]);
}

#[tokio::test(start_paused = true)]
async fn what_a_redirect_led_to_is_not_believed() {
    let elsewhere = || answer("303 See Other", "Location: /elsewhere\r\n", "");
    let server = Server::start(vec![elsewhere(), ok(), elsewhere(), ok()]).await;
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let publisher = publisher(&server).with_http_client(client);
    let update = Update::new("a", "b");
    let errors = [
        publisher.publish(&update).await.unwrap_err(),
        publisher.publish_all([update]).next().await.unwrap().unwrap_err(),
    ];
    for error in errors {
        let said =
            "the HTTP client follows redirects itself: make it with redirect(Policy::none())";
        assert_eq!(error.failure().to_string(), said);
    }
    assert_eq!(server.requests().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn the_type_and_the_key_are_the_publishers_own() {
    let server = Server::start(vec![ok()]).await;
    let publisher = publisher(&server)
        .with_header("content-type", "text/plain")
        .with_header("idempotency-key", "always");
    publisher.publish(&Update::new("a", "b")).with_idempotency_key("one").await.unwrap();
    let request = &server.requests()[0];
    assert_eq!(request.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(request.header("idempotency-key"), Some("one"));
}
