//! Connections that bring nothing: the watchdog, and the time for connecting.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tidings_client::Signal;
use tokio::time::{Instant, sleep, timeout};

use crate::server::{Answer, Server, stream};
use crate::told::{all, all_texts, next_texts, subscribe, text};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_falls_silent_is_given_up_and_resumed() {
    let server = Server::start(vec![stream("id: 1\ndata: a\n\n").stalls()]).await;
    let start = Instant::now();
    let told = all_texts(subscribe(server.url("/"))).await;
    let silent = "retrying: nothing came for 60.0 s: the connection counts as lost";
    assert_eq!(told, ["opened 200", "message \"a\" #1", silent, "stopped"]);
    let waited = start.elapsed();
    assert!(waited >= seconds(60) && waited < seconds(63), "{waited:?}");
    assert_eq!(server.requests()[1].header("last-event-id"), Some("1"));
}

#[tokio::test(start_paused = true)]
async fn every_byte_counts_as_a_sign_of_life() {
    let mut lives = stream("");
    for bytes in [":\n", "d", "ata: x", "\n", "unknown", "\n\n", "\n"] {
        lives = lives.pause(seconds(9)).then(bytes);
    }
    let server = Server::start(vec![lives.stalls()]).await;
    let start = Instant::now();
    let mut events = subscribe(server.url("/")).with_idle_timeout(seconds(10)).open();
    let told = next_texts(&mut events, 4).await;
    let silent = "retrying: nothing came for 10.0 s: the connection counts as lost";
    assert_eq!(told, ["opened 200", "comment \"\"", "message \"x\" #", silent]);
    assert!(start.elapsed() >= seconds(73), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_watchdog_can_be_turned_off() {
    for off in [None, Some(Duration::MAX)] {
        let server = Server::start(vec![stream("").pause(seconds(86_400)).then("data\n\n")]).await;
        let told = all_texts(subscribe(server.url("/")).with_idle_timeout(off)).await;
        assert_eq!(told[1], "message \"\" #");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_is_busy_makes_no_connection_silent() {
    let steady = stream("data: 0\n\n").pause(seconds(50)).then("data: 1\n\n").stalls();
    let server = Server::start(vec![steady]).await;
    let mut events = subscribe(server.url("/")).open();
    assert_eq!(next_texts(&mut events, 2).await[1], "message \"0\" #");
    // Asked in vain, and then not for long.
    assert!(timeout(seconds(1), events.next_signal()).await.is_err());
    sleep(seconds(3_600)).await;
    assert_eq!(next_texts(&mut events, 1).await, ["message \"1\" #"]);
    // Asking in short turns is asking all the same.
    let start = Instant::now();
    let lost = loop {
        if let Ok(signal) = timeout(seconds(7), events.next_signal()).await {
            break signal.unwrap();
        }
    };
    assert!(matches!(&lost, Signal::Retrying(_)), "{}", text(&lost));
    assert!(start.elapsed() >= seconds(60) && start.elapsed() < seconds(75));
}

#[tokio::test(start_paused = true)]
async fn who_does_not_answer_in_time_is_asked_again() {
    let half = Answer::raw("HTTP/1.1 200 OK\r\nContent-Type: text/event");
    let drips = (0..40).fold(Answer::raw("HTTP/1.1 200 OK\r\n"), |drips, _| {
        drips.pause(seconds(1)).then("X-Y: z\r\n")
    });
    for silent in [Answer::raw("").stalls(), half.stalls(), drips] {
        let server = Server::start(vec![silent]).await;
        let start = Instant::now();
        let told = all_texts(subscribe(server.url("/"))).await;
        let late = "retrying: the server has not answered within 30.0 s";
        assert_eq!(told, [late, "stopped"]);
        assert!(start.elapsed() >= seconds(30) && start.elapsed() < seconds(32));
    }
}

#[tokio::test(start_paused = true)]
async fn a_function_that_does_not_answer_in_time_has_failed() {
    let server = Server::start(vec![]).await;
    let first = AtomicBool::new(true);
    let subscribe = subscribe(server.url("/")).with_connect_timeout(seconds(5)).with_header_from(
        "x",
        move |_| {
            let stalls = first.swap(false, Ordering::Relaxed);
            async move {
                if stalls {
                    std::future::pending::<()>().await;
                }
                Ok::<_, std::io::Error>("y".to_owned())
            }
        },
    );
    let signals = all(&mut subscribe.open()).await;
    let told: Vec<_> = signals.iter().map(text).collect();
    assert_eq!(told, ["retrying: the URL or a header could not be had", "stopped"]);
}
