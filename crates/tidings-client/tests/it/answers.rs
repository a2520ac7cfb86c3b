//! What each answer means for the subscription.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tidings_client::{Attempt, Signal, Subscribe, Verdict, default_policy, http_client};
use tokio::time::Instant;

use crate::server::{Answer, Server, answer, stream};
use crate::told::{all, all_texts, subscribe};

#[tokio::test(start_paused = true)]
async fn an_event_stream_opens_whatever_its_parameters() {
    for content_type in
        ["text/event-stream", "text/event-stream;", "TEXT/Event-Stream ; charset=windows-1252"]
    {
        let headers = format!("Content-Type: {content_type}\r\n");
        let server = Server::start(vec![answer("200 OK", &headers, "data: \u{fc}\n\n")]).await;
        let told = all_texts(subscribe(server.url("/"))).await;
        let expected =
            ["opened 200", "message \"\u{fc}\" #", "retrying: the stream ended", "stopped"];
        assert_eq!(told, expected, "{content_type}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_event_stream_stops() {
    let cases = [
        ("Content-Type: text/html; charset=utf-8\r\n", "\"text/html\""),
        ("Content-Type: text/event-streams\r\n", "\"text/event-streams\""),
        ("Content-Type: x text/event-stream\r\n", "\"x text/event-stream\""),
        ("Content-Type:\r\n", "\"\""),
        ("", "does not say that it is text/event-stream"),
        ("Content-Type: text/event-stream\r\nContent-Encoding: gzip\r\n", "compressed"),
    ];
    for (headers, said) in cases {
        let server = Server::start(vec![answer("200 OK", headers, "data\n\n")]).await;
        let told = all_texts(subscribe(server.url("/"))).await;
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with("stopped: the answer") && told[0].contains(said), "{told:?}");
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_204_ends_without_an_error() {
    let server = Server::start(vec![answer("204 No Content", "", "")]).await;
    assert_eq!(all_texts(subscribe(server.url("/"))).await, ["stopped"]);
    let mut events = subscribe(server.url("/")).open();
    assert!(events.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn what_waiting_may_mend_is_asked_again_and_everything_else_is_not() {
    for status in 200..600_u16 {
        if matches!(status, 200 | 204 | 205 | 301 | 302 | 303 | 307 | 308) {
            continue;
        }
        let line = format!("{status} X");
        let server = Server::start(vec![answer(&line, "", "")]).await;
        let told = all_texts(subscribe(server.url("/"))).await;
        let retries = matches!(status, 408 | 425 | 429 | 500..);
        let requests = if retries { 2 } else { 1 };
        assert_eq!(server.requests().len(), requests, "{status}");
        let said = if retries { "retrying: " } else { "stopped: " };
        assert!(told[0].starts_with(&format!("{said}the server answers {status}")), "{told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_tells_the_servers_reason() {
    let problem = r#"{"status":404,"reason":"not_found","detail":"nothing here"}"#;
    let cases = [
        (problem, "404 Not Found: not_found: nothing here"),
        (r#"{"title":"Gone away"}"#, "404 Not Found: Gone away"),
        ("\n <h1>404</h1>\nmore", "404 Not Found: <h1>404</h1>"),
        ("", "404 Not Found"),
        ("[1,2", "404 Not Found: [1,2"),
    ];
    for (body, said) in cases {
        let server = Server::start(vec![answer("404 Not Found", "", body)]).await;
        let told = all_texts(subscribe(server.url("/"))).await;
        assert_eq!(told, [format!("stopped: the server answers {said}")]);
    }
    // One whose body stalls is not waited for long, and one without end is not read to it.
    let head = "HTTP/1.1 404 Not Found\r\n\r\nno";
    let endless = Answer::raw(head).repeat(vec![b'n'; 1 << 16], usize::MAX);
    for refusal in [Answer::raw(head).stalls(), endless] {
        let server = Server::start(vec![refusal]).await;
        let mut events = subscribe(server.url("/")).open();
        let start = Instant::now();
        let error = events.next().await.unwrap().unwrap_err();
        assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
        let reason = error.refusal().unwrap().reason.as_deref().unwrap();
        assert!(reason.starts_with("no") && reason.len() <= 1_000, "{reason}");
    }
}

/// A subscription whose token is counted up each time it is asked for.
fn with_token(url: String) -> Subscribe {
    let calls = Arc::new(AtomicU32::new(0));
    subscribe(url).with_header_from("authorization", move |attempt: Attempt| {
        let call = calls.fetch_add(1, Ordering::Relaxed);
        let refused = attempt.refused.map_or(0, |status| status.as_u16());
        async move { Ok::<_, std::io::Error>(format!("{call}:{refused}")) }
    })
}

#[tokio::test(start_paused = true)]
async fn a_401_or_403_asks_the_functions_once_more_at_once() {
    for status in ["401 Unauthorized", "403 Forbidden"] {
        let no = || answer(status, "", "");
        let server = Server::start(vec![no(), stream(""), no(), stream("data\n\n")]).await;
        let signals = all(&mut with_token(server.url("/")).open()).await;
        let Signal::Retrying(first) = &signals[0] else { panic!("{signals:?}") };
        assert_eq!((first.wait.as_millis(), first.failures), (0, 0));
        let requests = server.requests();
        let tokens: Vec<_> =
            requests.iter().map(|it| it.header("authorization").unwrap()).collect();
        let code = &status[..3];
        let renewed = [format!("1:{code}"), format!("3:{code}")];
        assert_eq!(tokens, ["0:0", &renewed[0], "2:0", &renewed[1], "4:0"], "a stream was open");
        assert_eq!(requests[0].at, requests[1].at);
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_401_without_an_open_stream_between_stops() {
    let no = || answer("401 Unauthorized", "", "");
    let away = answer("503 Service Unavailable", "", "");
    for (answers, expected) in [(vec![no(), no(), no()], 2), (vec![no(), away, no(), no()], 3)] {
        let server = Server::start(answers).await;
        let told = all_texts(with_token(server.url("/"))).await;
        let last = told.last().unwrap();
        assert_eq!(last, "stopped: the server answers 401 Unauthorized");
        assert_eq!(server.requests().len(), expected);
    }
    let server = Server::start(vec![no(), stream("")]).await;
    let told = all_texts(subscribe(server.url("/"))).await;
    assert_eq!(told, ["stopped: the server answers 401 Unauthorized"], "nothing to renew");
}

#[tokio::test(start_paused = true)]
async fn what_a_refusal_says_is_one_line_that_commands_no_terminal() {
    for body in [
        "\n  no\u{1b}[2J\u{7f}\u{9b}1m more \nand so on",
        r#"{"reason":"no\u001b[2J\u007f\u009b1m more","detail":"a\r\nb"}"#,
    ] {
        let server = Server::start(vec![answer("404 X", "", body)]).await;
        let told = all_texts(subscribe(server.url("/"))).await;
        let shown = r"\u{1b}[2J\u{7f}\u{9b}1m ";
        let detail = if body.starts_with('{') { r": a\r\nb" } else { "" };
        assert_eq!(
            told,
            [format!("stopped: the server answers 404 Not Found: no{shown}more{detail}")]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_callers_policy_stands_before_ours() {
    let server = Server::start(vec![
        answer("404 Not Found", "", ""),
        answer("204 No Content", "", ""),
        answer("503 Service Unavailable", "", ""),
    ])
    .await;
    let patient = subscribe(server.url("/")).with_policy(|status| match status.as_u16() {
        204 | 404 => Verdict::Retry,
        503 => Verdict::Stop,
        _ => default_policy(status),
    });
    let expected = [
        "retrying: the server answers 404 Not Found",
        "retrying: the server answers 204 No Content",
        "stopped: the server answers 503 Service Unavailable",
    ];
    assert_eq!(all_texts(patient).await, expected);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_http_or_breaks_off_is_tried_again() {
    let no_http = "retrying: the server broke off, or its answer is not HTTP";
    let half = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n";
    let endless =
        Answer::raw("HTTP/1.1 200 OK\r\n").repeat(b"X-Y: z\r\n".repeat(1_000), usize::MAX);
    for bad in [
        Answer::raw(""),
        Answer::raw("SSH-2.0-OpenSSH_9.6\r\n"),
        Answer::raw("HTTP/1.1 2x0 OK\r\n\r\n"),
        Answer::raw(half),
        Answer::raw(half).resets(),
        endless,
    ] {
        let server = Server::start(vec![bad]).await;
        assert_eq!(all_texts(subscribe(server.url("/"))).await, [no_http, "stopped"]);
    }
    let head = "Content-Length: 100\r\nContent-Type: text/event-stream\r\n\r\ndata: a\n\n";
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\
        Content-Type: text/event-stream\r\n\r\n9\r\ndata: a\n\n\r\nnonsense";
    for broken in [
        Answer::raw(format!("HTTP/1.1 200 OK\r\n{head}")),
        Answer::raw(chunked),
        stream("data: a\n\n").pause(Duration::from_millis(1)).resets(),
    ] {
        let server = Server::start(vec![broken]).await;
        let told = all_texts(subscribe(server.url("/"))).await;
        let expected =
            ["opened 200", "message \"a\" #", "retrying: the stream broke off", "stopped"];
        assert_eq!(told, expected);
    }
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", nobody.local_addr().unwrap());
    drop(nobody);
    let mut events = subscribe(url).open();
    let Some(Signal::Retrying(retrying)) = events.next_signal().await else { panic!() };
    assert_eq!(retrying.error.failure().to_string(), "the server cannot be reached");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_follows_redirects_itself_is_found_out() {
    let moved = answer("302 Found", "Location: /b\r\n", "");
    let server = Server::start(vec![moved, stream("data\n\n")]).await;
    let follows = reqwest::redirect::Policy::limited(5);
    let client = http_client().redirect(follows).no_proxy().tls_certs_only([]).build().unwrap();
    let told = all_texts(Subscribe::new(server.url("/")).with_http_client(client)).await;
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("redirect(Policy::none())"), "{told:?}");
}
