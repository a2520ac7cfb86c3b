//! What `tidings subscribe` prints, how it resumes, and when it gives up.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    process::Stdio,
};

use crate::support::{Running, ScriptedHub, answer, read_request, run, stream, tidings};

/// What ends a subscription for good.
fn no_content() -> String {
    answer("204 No Content", "", "")
}

#[test]
fn events_are_printed_as_they_are_and_the_hubs_own_go_to_standard_error() {
    let gap = r##"{"resumed_after":"#e-4","missed":3}"##;
    let events = format!(
        ":\n\nid: 1\ndata: first\n\nevent: gap\ndata: {gap}\n\nevent: gap\ndata: no hub's\n\n\
         event: price\ndata: two\ndata: lines\n\n"
    );
    let hub = ScriptedHub::start(vec![stream(&events), no_content()]);
    let done = run(
        tidings(&["subscribe", "a", "b/{id}", "--url", &hub.url]).env("TIDINGS_TOKEN", "a.b.c")
    );
    assert_eq!((done.code(), done.out()), (0, "first\nno hub's\ntwo\nlines\n"));
    assert!(done.err().contains(&format!("tidings: gap: {gap}\n")), "{}", done.err());
    let request = hub.request();
    assert_eq!(request.line, "GET /.well-known/mercure?topic=a&topic=b%2F%7Bid%7D HTTP/1.1");
    assert_eq!(request.header("accept"), Some("text/event-stream"));
    assert_eq!(request.header("authorization"), Some("Bearer a.b.c"));
    assert_eq!(request.header("last-event-id"), None);
}

#[test]
fn an_event_is_printed_while_its_stream_is_still_open() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut command = tidings(&["subscribe", "a", "--url", &url]);
    let mut child = Running::start(command.stdout(Stdio::piped()));
    let (mut socket, _) = listener.accept().unwrap();
    read_request(&socket);
    let mut lines = BufReader::new(child.stdout()).lines();
    for n in 0..3 {
        let event = if n == 0 { stream("data: 0\n\n") } else { format!("data: {n}\n\n") };
        socket.write_all(event.as_bytes()).unwrap();
        assert_eq!(lines.next().unwrap().unwrap(), n.to_string());
    }
}

#[test]
fn a_lost_stream_is_resumed_after_the_last_event_that_was_printed() {
    let first = "retry: 100\nid: #e-1\ndata: 1\n\nid: #e-2\ndata: 2\n\nid: #e-3\ndata: cut off";
    let second = "id: #e-3\ndata: 3\n\n";
    let hub = ScriptedHub::start(vec![stream(first), stream(second), no_content()]);
    let done = run(&mut tidings(&[
        "subscribe",
        "*",
        "--json",
        "--last-event-id",
        "#e-0",
        "--url",
        &hub.url,
    ]));
    let lines =
        [1, 2, 3].map(|n| format!("{{\"id\":\"#e-{n}\",\"type\":\"message\",\"data\":\"{n}\"}}\n"));
    assert_eq!((done.code(), done.out()), (0, lines.concat().as_str()));
    for id in ["#e-0", "#e-2", "#e-3"] {
        assert_eq!(hub.request().header("last-event-id"), Some(id));
    }
    assert!(
        done.err().contains("/.well-known/mercure: the stream ended; again in "),
        "{}",
        done.err()
    );
}

#[test]
fn what_waiting_can_cure_is_tried_again() {
    let refused = "retry: 100\nevent: refused\ndata: {\"status\":429,\"reason\":\"per_user\",\"retry_ms\":150}\n\n";
    let hub = ScriptedHub::start(vec![
        stream(refused),
        answer("503 Service Unavailable", "Retry-After: 0\r\n", "{\"reason\":\"draining\"}"),
        stream("data: at last\n\n"),
        no_content(),
    ]);
    let done = run(&mut tidings(&["subscribe", "a", "--url", &hub.url]));
    assert_eq!((done.code(), done.out()), (0, "at last\n"));
    assert!(done.err().contains("tidings: refused: {\"status\":429"), "{}", done.err());
    assert!(done.err().contains("503 Service Unavailable: draining"), "{}", done.err());
}

#[test]
fn a_final_refusal_exits_with_1() {
    let problem = r#"{"reason":"missing_token"}"#;
    let hub = ScriptedHub::start(vec![answer("401 Unauthorized", "", problem)]);
    let refused = run(&mut tidings(&["subscribe", "a", "--url", &hub.url]));
    assert_eq!((refused.code(), refused.out()), (1, ""));
    assert_eq!(
        refused.err(),
        "tidings: refused: 401 Unauthorized: missing_token (set TIDINGS_TOKEN or --token)\n"
    );
}

#[test]
fn what_is_no_event_stream_exits_with_2() {
    let hub = ScriptedHub::start(vec![answer("200 OK", "Content-Type: text/html\r\n", "<p>")]);
    let failed = run(&mut tidings(&["subscribe", "a", "--url", &hub.url]));
    assert_eq!((failed.code(), failed.out()), (2, ""));
    assert!(failed.err().contains("text/html"), "{}", failed.err());
}
