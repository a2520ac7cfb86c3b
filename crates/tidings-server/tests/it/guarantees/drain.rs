//! Guarantee 8: going down.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tidings_hub::{HubConfig, Update};
use tidings_server::{ServerConfig, StreamConfig};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::super::support::{Answer, Client, EventStream, Now, Seen, TestServer, open_config, seq};
use super::slow::{SMALL_BYTES, with_receive_buffer, with_send_buffers};

const DRAIN: Duration = Duration::from_secs(10);

fn config() -> ServerConfig {
    ServerConfig { drain: DRAIN, ..open_config() }
}

/// Publishes, each time on a new connection, until it is refused. Gives the refusal.
async fn publish_until_refused(
    address: SocketAddr,
    name: usize,
    acknowledged: mpsc::Sender<(u64, String)>,
) -> Answer {
    for n in 0..10_000 {
        let data = format!("{name}-{n}");
        let answer = Client::connect(address).await.post(&format!("topic=a&data={data}")).await;
        if answer.status != 200 {
            return answer;
        }
        acknowledged.send((seq(&answer.text()), data)).await.unwrap();
    }
    panic!("publishing goes on and on")
}

/// Everything on a stream, and when it ended.
async fn to_the_end(mut stream: EventStream) -> (Vec<Seen>, Instant) {
    (stream.rest().await, Instant::now())
}

/// Splits what a stream gave at its end into its updates and the reconnection time of its `drain` event.
fn farewell(mut seen: Vec<Seen>) -> (Vec<(u64, String)>, Duration) {
    let Some(Seen::Event { event_type, data, .. }) = seen.pop() else {
        panic!("the last thing is no event")
    };
    assert_eq!(event_type, "drain");
    let data: Value = serde_json::from_str(&data).unwrap();
    let told = Duration::from_millis(data["retry_ms"].as_u64().unwrap());
    assert_eq!(seen.pop(), Some(Seen::Retry(told)), "what scripts and what browsers are told");
    let updates = seen.into_iter().filter_map(|seen| match seen {
        Seen::Event { event_type, data, id } => {
            assert_eq!(event_type, "message", "{data}");
            Some((seq(&id), data))
        }
        Seen::Comment(_) => None,
        Seen::Retry(retry) => panic!("another reconnection time: {retry:?}"),
    });
    (updates.collect(), told)
}

fn assert_refused(answer: &Answer) {
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["reason"], "draining");
    let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((2..=4).contains(&seconds), "{seconds}");
}

#[tokio::test(start_paused = true)]
async fn going_down_loses_nothing_acknowledged_and_spreads_the_ends() {
    const STREAMS: u32 = 20;
    let mut server = TestServer::start(HubConfig::default(), config()).await;
    let mut streams = Vec::new();
    for _ in 0..STREAMS {
        let stream = server.subscribe("topic=a", "").await.opened().await;
        streams.push(tokio::spawn(to_the_end(stream)));
    }
    let (sender, mut acknowledged) = mpsc::channel(64);
    let publishers: Vec<_> = (0..4)
        .map(|name| tokio::spawn(publish_until_refused(server.address, name, sender.clone())))
        .collect();
    drop(sender);
    let mut log = Vec::new();
    while log.len() < 200 {
        log.push(acknowledged.recv().await.unwrap());
    }
    let begun = Instant::now();
    server.shut_down();
    while let Some(update) = acknowledged.recv().await {
        log.push(update);
    }
    log.sort();
    for publisher in publishers {
        assert_refused(&publisher.await.unwrap());
    }
    // Newcomers: a browser is told in a stream, so that it comes back; others by the status.
    let mut browser = server.connect().await;
    browser.ask_as_browser("topic=a", "").await;
    assert_eq!(browser.answer().await.soft_refusal()["reason"], "draining");
    assert_refused(&server.request("GET /events?topic=a HTTP/1.1", b"").await);

    let (mut ends, mut retries) = (Vec::new(), BTreeSet::new());
    for stream in streams {
        let (seen, end) = stream.await.unwrap();
        let (updates, retry) = farewell(seen);
        assert_eq!(updates, log);
        let base = StreamConfig::default().retry;
        assert!((base..=2 * base).contains(&retry), "{retry:?}");
        retries.insert(retry);
        ends.push(end - begun);
    }
    assert!(retries.len() > 10, "each has its own: {retries:?}");
    // One after the other, evenly over four fifths of the drain time.
    ends.sort();
    let step = DRAIN.mul_f64(0.8) / STREAMS;
    for (place, end) in (0..).zip(&ends) {
        let due = step * place;
        assert!((due..due + step / 2).contains(end), "{place}: {ends:?}");
    }
    (&mut server.done).await.unwrap();
    assert!(begun.elapsed() <= DRAIN.mul_f64(0.8), "the last one to end ends the drain");
}

#[tokio::test(start_paused = true)]
async fn with_no_stream_open_going_down_takes_no_time() {
    let mut server = TestServer::start(HubConfig::default(), config()).await;
    let mut idle = server.connect().await;
    assert_eq!(idle.post("topic=a&data=1").await.status, 200);
    let begun = Instant::now();
    server.shut_down();
    (&mut server.done).await.unwrap();
    assert!(begun.elapsed() < Duration::from_millis(100), "{:?}", begun.elapsed());
    assert!(idle.head().await.is_none());
}

/// Browsers open connections ahead of need and say nothing on them. One of those used to hold the end up for the whole
/// drain time, and one that was opened late for the header timeout beyond it.
#[tokio::test(start_paused = true)]
async fn a_silent_connection_does_not_hold_up_the_end() {
    let mut server = TestServer::start(HubConfig::default(), config()).await;
    let mut silent = server.connect().await;
    assert_eq!(server.request("GET / HTTP/1.1", b"").await.status, 200, "it is accepted, too");
    let begun = Instant::now();
    server.shut_down();
    (&mut server.done).await.unwrap();
    assert!(begun.elapsed() < Duration::from_millis(100), "{:?}", begun.elapsed());
    assert!(silent.head().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_stuck_subscriber_holds_the_end_up_no_longer_than_the_drain_time() {
    let mut server = with_send_buffers(SMALL_BYTES, HubConfig::default(), config()).await;
    let stuck = with_receive_buffer(SMALL_BYTES, &server).await;
    let stuck = stuck.subscribe("topic=a", "").await.opened().await;
    let live = server.subscribe("topic=b", "").await.opened().await;
    let live = tokio::spawn(to_the_end(live));
    let data = "x".repeat(1_000);
    server.server.hub().publish_all((0..1_000).map(|_| Update::new("a", &*data))).now();
    let begun = Instant::now();
    server.shut_down();
    // A newcomer that says nothing does not hold it up either.
    tokio::time::sleep(DRAIN / 2).await;
    let _silent = server.connect().await;
    (&mut server.done).await.unwrap();
    let took = begun.elapsed();
    assert!((DRAIN..DRAIN + Duration::from_millis(100)).contains(&took), "{took:?}");
    assert!(farewell(live.await.unwrap().0).0.is_empty());
    drop(stuck);
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_that_is_behind_gets_what_it_is_owed_before_its_end() {
    /// Much less than is published, and so much that the kernel's own timers play no part.
    const BUFFER_BYTES: u32 = 256 * 1024;
    let mut server = with_send_buffers(BUFFER_BYTES, HubConfig::default(), config()).await;
    let behind = with_receive_buffer(BUFFER_BYTES, &server).await;
    let behind = behind.subscribe("topic=a", "").await.opened().await;
    let data = "x".repeat(1_000);
    let log = (0..4_000).map(|n| Update::new("a", format!("{n} {data}")));
    let receipts = server.server.hub().publish_all(log).now();
    let ids: Vec<u64> = receipts.into_iter().map(|receipt| receipt.unwrap().position.seq).collect();
    server.shut_down();
    // By now it is told to end, and still has most of it to read.
    tokio::time::sleep(DRAIN / 2).await;
    let (seen, _) = to_the_end(behind).await;
    let received: Vec<u64> = farewell(seen).0.into_iter().map(|(seq, _)| seq).collect();
    assert_eq!(received, ids);
    (&mut server.done).await.unwrap();
}
