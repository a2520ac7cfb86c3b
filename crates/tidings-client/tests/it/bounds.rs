//! Limits on lines and events, memory, and that nothing is read that nobody asked for.

use std::time::Duration;

use tidings_client::Limits;
use tokio::time::{sleep, timeout};

use crate::server::{Server, answer, stream};
use crate::told::{all_texts, next_texts, subscribe};

#[tokio::test(start_paused = true)]
async fn an_event_past_the_limits_stops_and_what_came_before_it_is_handed_out() {
    let limits = Limits { max_line_bytes: 64, max_event_bytes: 100 };
    let long = "x".repeat(80);
    let data = format!("data: {}\n", "y".repeat(50)).repeat(3);
    for (text, said) in [
        (format!("data: a\n\ndata: {long}\n\n"), "a line is longer than 64 bytes"),
        (format!("data: a\n\n:{long}"), "a line is longer than 64 bytes"),
        (format!("data: a\n\n{long}"), "a line is longer than 64 bytes"),
        (format!("data: a\n\n{data}"), "the data of an event is larger than 100 bytes"),
    ] {
        let server = Server::start(vec![stream(&text)]).await;
        let told = all_texts(subscribe(server.url("/")).with_limits(limits)).await;
        let stopped = format!("stopped: {said}: allow more with Subscribe::with_limits");
        assert_eq!(told, ["opened 200", "message \"a\" #", &stopped]);
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn an_endless_line_stops_at_16_mib() {
    for start in ["data: ", ":", "unknown", ""] {
        let endless = stream(start).repeat(vec![b'z'; 1 << 16], usize::MAX);
        let server = Server::start(vec![endless]).await;
        let told = all_texts(subscribe(server.url("/"))).await;
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[1].starts_with("stopped: a line is longer than 16777216 bytes"), "{told:?}");
        assert!(server.written() < 32 << 20, "{}", server.written());
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_of_16_mib_is_taken() {
    let line = b"data: ".iter().copied().chain(std::iter::repeat_n(b'z', (16 << 20) - 6));
    let whole: Vec<u8> = line.chain(*b"\n\n").collect();
    let server = Server::start(vec![stream("").then(whole)]).await;
    let mut events = subscribe(server.url("/")).open();
    assert_eq!(events.next().await.unwrap().unwrap().data.len(), (16 << 20) - 6);
}

#[tokio::test]
async fn a_stream_that_is_not_read_is_not_received_either() {
    // One that never ends, of the shortest events there are.
    let endless = stream("data: first\n\n").repeat(b"data\n\n".repeat(10_000), usize::MAX);
    let server = Server::start(vec![endless]).await;
    let mut events = subscribe(server.url("/")).open();
    assert_eq!(next_texts(&mut events, 2).await, ["opened 200", "message \"first\" #"]);
    // The kernel's buffers fill, and then the server cannot write any more.
    let mut written = server.written();
    loop {
        sleep(Duration::from_millis(200)).await;
        let now = server.written();
        if now == written {
            break;
        }
        written = now;
    }
    assert!(written < 32 << 20, "{written} bytes were taken from a server that nobody reads");
    assert_eq!(next_texts(&mut events, 1).await, ["message \"\" #"]);
}

// With a clock that runs: one that is turned waits for a moment in which there is nothing to do.
#[tokio::test]
async fn a_stream_of_what_is_no_event_keeps_nobody_from_their_turn() {
    for noise in ["id: 1\n\n", ":\n", "x\n"] {
        let endless = stream("").repeat(noise.repeat(10_000), usize::MAX);
        let server = Server::start(vec![endless]).await;
        let mut events = subscribe(server.url("/")).open();
        // Without turns for others the time would never be over.
        let asked = tokio::spawn(async move { events.next().await });
        sleep(Duration::from_millis(1)).await;
        let stopped = timeout(Duration::from_millis(1), asked).await;
        assert!(stopped.is_err(), "{noise:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn attempts_come_at_a_sane_rate_whatever_the_server_does() {
    let refused = || answer("503 Service Unavailable", "Retry-After: 0\r\n", "");
    for bad in [refused(), stream("retry: 0\n\n"), stream("retry: 0\ndata\n\n").resets()] {
        let server = Server::start(vec![bad; 1_000]).await;
        let mut events = subscribe(server.url("/"))
            .with_backoff(tidings_client::Backoff::default().with_base(Duration::from_millis(100)))
            .open();
        let start = tokio::time::Instant::now();
        let minute = async { while events.next().await.is_some() {} };
        assert!(timeout(Duration::from_mins(1), minute).await.is_err());
        let requests = server.requests();
        let soon = requests.iter().filter(|it| it.at - start < Duration::from_secs(2)).count();
        assert!((2..=20).contains(&soon), "{soon} attempts in the first two seconds");
        assert!(requests.len() < 40, "{} attempts in a minute", requests.len());
    }
}
