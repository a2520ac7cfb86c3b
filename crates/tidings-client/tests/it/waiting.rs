//! How long the client waits before an attempt, and after how many it gives up.

use std::time::Duration;

use tidings_client::{Backoff, Signal};

use crate::server::{Answer, Server, answer, stream};
use crate::told::{all, subscribe, text};

/// The waits in milliseconds, each checked against the time between the requests, and the failures that were told.
async fn waits(answers: Vec<Answer>, backoff: Backoff) -> Vec<(u128, u32)> {
    let server = Server::start(answers).await;
    let signals = all(&mut subscribe(server.url("/")).with_backoff(backoff).open()).await;
    let told: Vec<_> = signals
        .iter()
        .filter_map(|signal| match signal {
            Signal::Retrying(retrying) => Some((retrying.wait, retrying.failures)),
            _ => None,
        })
        .collect();
    let requests = server.requests();
    for (pair, (wait, _)) in requests.windows(2).zip(&told) {
        let waited = pair[1].at - pair[0].at;
        assert!(waited >= *wait, "{waited:?} instead of {wait:?}");
        assert_eq!(wait.subsec_nanos() % 1_000_000, 0, "{wait:?} is printed");
    }
    told.into_iter().map(|(wait, failures)| (wait.as_millis(), failures)).collect()
}

fn away(headers: &str) -> Answer {
    answer("503 Service Unavailable", headers, "")
}

/// No random part.
fn exact() -> Backoff {
    Backoff::default().with_base(Duration::ZERO)
}

#[tokio::test(start_paused = true)]
async fn the_random_part_doubles_with_each_failure_up_to_its_cap() {
    let mut longest = [0; 8];
    let backoff = Backoff::default().with_cap(Duration::from_secs(20));
    for _ in 0..40 {
        let told = waits(vec![away(""); 8], backoff).await;
        for (n, (wait, failures)) in told.into_iter().enumerate() {
            assert_eq!(failures as usize, n + 1);
            longest[n] = wait.max(longest[n]);
        }
    }
    let most = [1_000, 2_000, 4_000, 8_000, 16_000, 20_000, 20_000, 20_000];
    for (longest, most) in longest.into_iter().zip(most) {
        // Of 40 drawn evenly, all in the lower half is one case in 10^12.
        assert!(longest <= most && longest > most / 2, "{longest} of {most}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_server_asks_for_comes_before_the_random_part() {
    let answers = vec![
        away("Retry-After: 7\r\n"),
        stream("retry: 3000\n\n"),
        away("Retry-After: 2\r\n"),
        away("Retry-After: 4\r\n"),
        away("Retry-After: soon\r\n"),
        away(""),
        stream("retry: 0\n\n"),
        stream("retry: 99999999999999999999999999999999\n\n"),
        stream("retry: 10\nretry: 1x\nretry: -5\nretry\n\n"),
        away("Retry-After: 99999999999999999999999\r\n"),
    ];
    let told: Vec<_> = waits(answers, exact()).await.into_iter().map(|(wait, _)| wait).collect();
    let expected = [7_000, 3_000, 3_000, 4_000, 3_000, 3_000, 0, 300_000, 10, 300_000];
    assert_eq!(told, expected);
    let jittered = waits(vec![away("Retry-After: 7\r\n")], Backoff::default()).await[0].0;
    assert!((7_000..=8_000).contains(&jittered), "{jittered}");
}

#[tokio::test(start_paused = true)]
async fn a_date_to_come_back_at_is_waited_for() {
    // The client's clock is the system's here, which tests do not turn.
    let soon = std::time::SystemTime::now() + Duration::from_secs(40);
    let date = format!("Retry-After: {}\r\n", httpdate::fmt_http_date(soon));
    let wait = waits(vec![away(&date)], exact()).await[0].0;
    assert!((30_000..=40_000).contains(&wait), "{wait}");
}

#[tokio::test(start_paused = true)]
async fn only_a_connection_that_stays_open_makes_the_failures_forgotten() {
    let open_for = |seconds| stream("").pause(Duration::from_secs(seconds));
    let answers = vec![away(""), open_for(9), stream("data\n\n"), open_for(10), away(""), away("")];
    let told: Vec<_> = waits(answers, exact()).await.into_iter().map(|(_, n)| n).collect();
    assert_eq!(told, [1, 2, 3, 1, 2, 3]);
    let backoff = exact().with_healthy_after(Duration::from_secs(2));
    let told = waits(vec![away(""), open_for(3), away("")], backoff).await;
    assert_eq!(told, [(0, 1), (0, 1), (0, 2)]);
}

#[tokio::test(start_paused = true)]
async fn after_as_many_attempts_as_are_allowed_it_stops() {
    let server = Server::start(vec![away(""), stream("data\n\n"), away("")]).await;
    let backoff = Backoff::default().with_max_attempts(3);
    let signals = all(&mut subscribe(server.url("/")).with_backoff(backoff).open()).await;
    let told: Vec<_> = signals.iter().map(text).collect();
    let expected = [
        "retrying: the server answers 503 Service Unavailable",
        "opened 200",
        "message \"\" #",
        "retrying: the stream ended",
        "stopped: the server answers 503 Service Unavailable; given up after 3 attempts",
    ];
    assert_eq!(told, expected);
    let Some(Signal::Stopped(Some(error))) = signals.last() else { panic!() };
    assert_eq!(error.refusal().unwrap().status, 503);
}

#[tokio::test(start_paused = true)]
async fn without_a_bound_it_never_gives_up() {
    let server = Server::start(vec![away(""); 100]).await;
    let signals = all(&mut subscribe(server.url("/")).open()).await;
    assert_eq!((signals.len(), server.requests().len()), (101, 101));
}
