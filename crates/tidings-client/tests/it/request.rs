//! What is asked, at the first attempt and at each one after it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use http::Method;
use tidings_client::{Attempt, Subscribe};

use crate::server::{Server, answer, stream};
use crate::told::{all, all_texts, plain_client, subscribe, text};

#[tokio::test(start_paused = true)]
async fn the_request_is_the_one_of_an_event_source_unless_it_is_told_otherwise() {
    let server = Server::start(vec![]).await;
    assert_eq!(all_texts(subscribe(server.url("/a?b=c#d"))).await, ["stopped"]);
    let request = &server.requests()[0];
    assert_eq!(request.line, "GET /a?b=c HTTP/1.1");
    assert_eq!(request.header("accept"), Some("text/event-stream"));
    assert_eq!(request.header("cache-control"), Some("no-cache"));
    assert_eq!(request.header("last-event-id"), None);
    let mut names = request.header_names();
    names.sort_unstable();
    assert_eq!(names, ["accept", "cache-control", "host", "user-agent"]);
}

#[tokio::test(start_paused = true)]
async fn method_body_headers_and_id_go_with_each_attempt() {
    let server = Server::start(vec![stream("id: n\u{fc}\ndata\n\n"), stream("")]).await;
    let subscribe = subscribe(server.url("/").replace("http://", "http://ann:p%40ss@"))
        .with_method(Method::from_bytes(b"REPORT").unwrap())
        .with_body("{\"a\":1}")
        .with_header("X-One", "1")
        .with_header("accept", "text/event-stream, */*")
        .with_last_event_id("\u{2026}");
    all_texts(subscribe).await;
    let requests = server.requests();
    assert_eq!(requests.len(), 3);
    for request in &requests {
        assert_eq!(request.line, "REPORT / HTTP/1.1");
        assert_eq!(request.body, "{\"a\":1}");
        assert_eq!(request.header("x-one"), Some("1"));
        assert_eq!(request.header("accept"), Some("text/event-stream, */*"));
        assert_eq!(request.header("authorization"), Some("Basic YW5uOnBAc3M="));
    }
    let ids: Vec<_> = requests.iter().map(|it| it.header_bytes("last-event-id").unwrap()).collect();
    assert_eq!(ids, ["\u{2026}".as_bytes(), "n\u{fc}".as_bytes(), "n\u{fc}".as_bytes()]);
}

#[tokio::test(start_paused = true)]
async fn functions_are_asked_at_each_attempt_and_told_which_it_is() {
    let server = Server::start(vec![stream("id: \u{1}7\ndata\n\n"), stream("")]).await;
    let calls = Arc::new(AtomicU32::new(0));
    let origin = server.origin.clone();
    let subscribe = Subscribe::with_url_from(move |attempt: Attempt| {
        // An id that fits in no header.
        let url = format!("{origin}/?after={}&n={}", attempt.last_event_id.len(), attempt.failures);
        async move { Ok::<_, std::io::Error>(url) }
    })
    .with_http_client(plain_client())
    .with_header_from("authorization", move |_| {
        let call = calls.fetch_add(1, Ordering::Relaxed);
        async move {
            tokio::task::yield_now().await;
            Ok::<_, std::io::Error>(format!("Bearer {call}"))
        }
    });
    all_texts(subscribe).await;
    let requests = server.requests();
    let lines: Vec<_> = requests.iter().map(|it| it.line.as_str()).collect();
    let expected =
        ["GET /?after=0&n=0 HTTP/1.1", "GET /?after=2&n=1 HTTP/1.1", "GET /?after=2&n=2 HTTP/1.1"];
    assert_eq!(lines, expected);
    let tokens: Vec<_> = requests.iter().map(|it| it.header("authorization").unwrap()).collect();
    assert_eq!(tokens, ["Bearer 0", "Bearer 1", "Bearer 2"]);
    assert_eq!(requests[1].header_bytes("last-event-id"), None);
}

#[tokio::test(start_paused = true)]
async fn a_function_that_fails_has_failed_the_attempt_and_is_asked_again_later() {
    let server = Server::start(vec![answer("503 Service Unavailable", "", "")]).await;
    let calls = AtomicU32::new(0);
    let subscribe = subscribe(server.url("/")).with_header_from("authorization", move |_| {
        let call = calls.fetch_add(1, Ordering::Relaxed);
        async move {
            if call.is_multiple_of(2) { Err("no token today") } else { Ok("Bearer x".to_owned()) }
        }
    });
    let signals = all(&mut subscribe.open()).await;
    let told: Vec<_> = signals.iter().map(text).collect();
    let could_not = "retrying: the URL or a header could not be had";
    let expected =
        [could_not, "retrying: the server answers 503 Service Unavailable", could_not, "stopped"];
    assert_eq!(told, expected);
    let tidings_client::Signal::Retrying(retrying) = &signals[0] else { panic!() };
    let said = format!("{}/: the URL or a header could not be had: no token today", server.origin);
    assert_eq!(format!("{:#}", retrying.error), said);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_asked_stops_at_once_and_says_why() {
    let bad = "stopped: this is no http or https URL of at most 64 KiB";
    let long = format!("http://127.0.0.1:9/?{}", "x".repeat(1 << 16));
    for url in ["", "nowhere", "/events", "ftp://x/", "http://", "unix:/x", "http://[::1", &long] {
        assert_eq!(all_texts(subscribe(url)).await, [bad], "{url}");
    }
    for (name, value) in [("a b", "x"), ("a", "x\ny"), ("", "x"), ("a:", "x"), ("a", "\0")] {
        let told = all_texts(subscribe("http://127.0.0.1:9/").with_header(name, value)).await;
        assert_eq!(told, [format!("stopped: the header {name:?} cannot stand in a request")]);
    }
    for id in ["a\0", "\n", "\r"] {
        let told = all_texts(subscribe("http://127.0.0.1:9/").with_last_event_id(id)).await;
        assert_eq!(told, ["stopped: an id with NUL, CR or LF cannot be resumed after"]);
    }
}
