//! Who is told what, and that dropping a future loses nothing.

use std::time::Duration;

use futures_core::Stream as _;
use tidings_client::{Events, HubEvent, Signal};
use tokio::time::{Instant, timeout};

use crate::server::{Answer, Server, answer, stream};
use crate::told::{all, all_texts, next_texts, subscribe, text};

#[tokio::test(start_paused = true)]
async fn everything_that_happens_is_told_in_order() {
    let server = Server::start(vec![
        stream(": hello\nevent: a\n: in between\ndata: 1\nid: 7\n\n:x\n"),
        answer("500 Internal Server Error", "Retry-After: 1\r\n", "oops"),
        answer("200 OK", "Content-Type: text/event-stream\r\nX-One: 1\r\n", "data: 2\n\n"),
    ])
    .await;
    let signals = all(&mut subscribe(server.url("/a?token=t")).open()).await;
    let told: Vec<_> = signals.iter().map(text).collect();
    let expected = [
        "opened 200",
        "comment \"hello\"",
        "comment \"in between\"",
        "a \"1\" #7",
        "comment \"x\"",
        "retrying: the stream ended",
        "retrying: the server answers 500 Internal Server Error: oops",
        "opened 200",
        "message \"2\" #7",
        "retrying: the stream ended",
        "stopped",
    ];
    assert_eq!(told, expected);
    let Signal::Opened(opened) = &signals[7] else { panic!() };
    assert_eq!(opened.headers["x-one"], "1");
    let Signal::Retrying(retrying) = &signals[6] else { panic!() };
    assert_eq!(retrying.error.url(), server.url("/a"));
    assert!(retrying.wait >= Duration::from_secs(1));
    assert_eq!(retrying.failures, 2);
}

#[tokio::test(start_paused = true)]
async fn a_comment_is_told_at_the_end_of_its_line() {
    let server = Server::start(vec![stream(": a\n").stalls()]).await;
    let mut events = subscribe(server.url("/")).open();
    assert_eq!(next_texts(&mut events, 2).await, ["opened 200", "comment \"a\""]);
}

#[tokio::test(start_paused = true)]
async fn the_stream_of_events_has_them_and_at_most_one_error() {
    let server = Server::start(vec![
        answer("503 Service Unavailable", "", ""),
        stream("data: 1\n\n"),
        answer("410 Gone", "", ""),
    ])
    .await;
    let mut events = subscribe(server.url("/")).open();
    let next = async |events: &mut Events| {
        std::future::poll_fn(|context| std::pin::Pin::new(&mut *events).poll_next(context)).await
    };
    assert_eq!(next(&mut events).await.unwrap().unwrap().data, "1");
    let error = next(&mut events).await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), format!("{}/: the server answers 410 Gone", server.origin));
    assert!(next(&mut events).await.is_none());
    assert!(next(&mut events).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn dropping_the_future_at_any_point_loses_nothing() {
    let script = || {
        let slow = "retry: 5\n: a\nid: 1\ndata: 1\n\ndata: 2\n\n"
            .bytes()
            .fold(stream(""), |answer, byte| {
                answer.pause(Duration::from_millis(1)).then(vec![byte])
            });
        let away = answer("503 Service Unavailable", "", "");
        let moved = answer("302 Found", "Location: /b\r\n", "");
        vec![away, slow, moved, stream("data: 3\n\n")]
    };
    let whole = Server::start(script()).await;
    let expected = all_texts(subscribe(whole.url("/"))).await;
    let server = Server::start(script()).await;
    let mut events = subscribe(server.url("/")).open();
    let mut told = Vec::new();
    let mut dropped = 0;
    loop {
        // Gives up after every poll that brings nothing.
        match timeout(Duration::ZERO, events.next_signal()).await {
            Ok(Some(signal)) => told.push(text(&signal)),
            Ok(None) => break,
            Err(_) => {
                dropped += 1;
                tokio::time::sleep(Duration::from_micros(300)).await;
            }
        }
    }
    assert_eq!(told, expected);
    assert_eq!(server.requests().len(), whole.requests().len());
    assert!(dropped > 50, "{dropped}");
}

#[tokio::test(start_paused = true)]
async fn reconnecting_at_once_resumes_after_what_came_and_loses_nothing() {
    let first = stream("id: 1\ndata: a\n\nid: 2\ndata: b\n\nid: 3\ndata: cut").stalls();
    let server = Server::start(vec![first, stream("data: c\n\n").stalls()]).await;
    let mut events = subscribe(server.url("/")).open();
    assert_eq!(next_texts(&mut events, 2).await, ["opened 200", "message \"a\" #1"]);
    assert_eq!(events.last_event_id(), "1");
    let start = Instant::now();
    events.reconnect();
    let told = next_texts(&mut events, 3).await;
    assert_eq!(told, ["message \"b\" #2", "opened 200", "message \"c\" #2"]);
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(server.requests()[1].header("last-event-id"), Some("2"));
}

#[tokio::test(start_paused = true)]
async fn reconnecting_ends_a_wait_and_an_attempt_and_not_the_end() {
    let long = answer("503 Service Unavailable", "Retry-After: 100\r\n", "");
    let server = Server::start(vec![long, Answer::raw("").stalls(), stream("")]).await;
    let mut events = subscribe(server.url("/")).open();
    let start = Instant::now();
    next_texts(&mut events, 1).await;
    assert!(timeout(Duration::from_secs(1), events.next_signal()).await.is_err());
    events.reconnect();
    assert!(timeout(Duration::from_secs(1), events.next_signal()).await.is_err());
    events.reconnect();
    assert_eq!(start.elapsed().as_secs(), 2);
    let told: Vec<_> = all(&mut events).await.iter().map(text).collect();
    assert_eq!(told.last().unwrap(), "stopped");
    events.reconnect();
    assert!(events.next_signal().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_reconnect_after_a_long_connection_forgets_the_failures_before_it() {
    let away = || answer("503 Service Unavailable", "", "");
    for (open, expected) in [(9, 3), (10, 1)] {
        let server = Server::start(vec![away(), away(), stream("").stalls(), away()]).await;
        let mut events = subscribe(server.url("/")).open();
        assert_eq!(next_texts(&mut events, 3).await[2], "opened 200");
        assert!(timeout(Duration::from_secs(open), events.next_signal()).await.is_err());
        events.reconnect();
        let Some(Signal::Retrying(retrying)) = events.next_signal().await else { panic!() };
        assert_eq!(retrying.failures, expected, "open for {open} s");
    }
}

#[tokio::test(start_paused = true)]
async fn the_place_to_resume_is_never_ahead_of_what_was_handed_out() {
    let text = "id: 1\n\ndata: a\n\nid: 2\ndata: b\n\nid: 3\n\n";
    let server = Server::start(vec![stream(text).stalls()]).await;
    let mut events = subscribe(server.url("/")).with_last_event_id("0").open();
    assert_eq!(events.last_event_id(), "0");
    for (told, id) in [("opened 200", "0"), ("message \"a\" #1", "1"), ("message \"b\" #2", "3")] {
        assert_eq!(next_texts(&mut events, 1).await, [told]);
        assert_eq!(events.last_event_id(), id);
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_hub_says_itself_comes_typed() {
    let text = "event: gap\nid: #e-40\ndata: {\"last_event_id\":\"#e-17\",\"resumed_after\":\"#e-40\",\"missed\":23}\n\n\
        event: gap\ndata: {\"resumed_after\":\"#e-40\"}\n\n\
        event: refused\nretry: 9\ndata: {\"status\":429,\"reason\":\"user_limit\",\"retry_ms\":2718}\n\n\
        event: expired\ndata: {\"reason\":\"kicked\"}\n\n\
        event: drain\ndata: {\"retry_ms\":2718}\n\n\
        event: gap\ndata: {\"missed\":-1}\n\n\
        event: refused\ndata: {\"status\":429}\n\n\
        event: drain\ndata: soon\n\n\
        data: {\"retry_ms\":2718}\n\n";
    let server = Server::start(vec![stream(text)]).await;
    let mut events = subscribe(server.url("/")).open();
    let mut found = Vec::new();
    while let Some(event) = events.next().await {
        found.push(event.unwrap().from_hub());
    }
    let [gap, fell_behind, refused, expired, drain, rest @ ..] = found.as_slice() else { panic!() };
    let Some(HubEvent::Gap(gap)) = gap else { panic!("{gap:?}") };
    assert_eq!(gap.last_event_id.as_deref(), Some("#e-17"));
    assert_eq!((gap.resumed_after.as_str(), gap.missed), ("#e-40", Some(23)));
    let Some(HubEvent::Gap(gap)) = fell_behind else { panic!("{fell_behind:?}") };
    assert_eq!((&gap.last_event_id, gap.missed), (&None, None));
    let Some(HubEvent::Refused(refused)) = refused else { panic!("{refused:?}") };
    assert_eq!((refused.status, refused.reason.as_str()), (429, "user_limit"));
    assert_eq!(refused.retry, Duration::from_millis(2_718));
    let Some(HubEvent::Expired(expired)) = expired else { panic!("{expired:?}") };
    assert_eq!(expired.reason, "kicked");
    let Some(HubEvent::Drain(drain)) = drain else { panic!("{drain:?}") };
    assert_eq!(drain.retry, Duration::from_millis(2_718));
    assert_eq!(
        rest,
        [None, None, None, None],
        "what a hub does not say is an event like any other"
    );
}
