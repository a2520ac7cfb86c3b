//! SIGTERM and SIGINT: nothing acknowledged is lost, and nobody is sent away at the same moment as all others.

use std::{collections::HashSet, time::Duration};

use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep},
};

use crate::{
    hub::Hub,
    numbered,
    publisher::{Publisher, publish_all},
    stream::{Stream, open_many},
    turn::alone,
};

const STREAMS: usize = 200;
const PUBLISHERS: usize = 4;
/// The publishers and the backlog: each numbers its own updates.
const SOURCES: usize = PUBLISHERS + 1;
/// Streams that begin to read at the signal, and what they are owed then: more than the system's buffers hold.
const BEHIND: usize = 10;
const BACKLOG: usize = 200;
const BACKLOG_UPDATE_BYTES: usize = 16 * 1024;
/// How often each publisher publishes.
const PERIOD: Duration = Duration::from_millis(40);
/// How long the load runs before the signal.
const BEFORE: Duration = Duration::from_secs(1);
const DRAIN: Duration = Duration::from_secs(3);
/// How much later than the drain time the process may be gone: what the system takes to end it, on a busy machine.
const SLACK: Duration = Duration::from_millis(300);
/// The default of `stream.retry`.
const RETRY: Duration = Duration::from_secs(2);

#[test]
fn sigterm_under_load_ends_every_stream_with_all_that_was_acknowledged_spread_over_the_drain_time()
{
    alone(async {
        let mut hub = Hub::dev(&["drain.time=3s"]).await;
        // Those that are behind come first: a hub is likely to close them first, too.
        let behind = open_many(hub.address, "backlog", BEHIND).await;
        let mut streams = subscribe(&hub, STREAMS).await;
        let mut publishers = JoinSet::new();
        for publisher in 0..PUBLISHERS {
            let connection = Publisher::connect(hub.address).await;
            publishers.spawn(publish_until_refused(connection, publisher));
        }
        sleep(BEFORE).await;
        let backlog = (0..BACKLOG).map(|number| number * SOURCES + PUBLISHERS);
        let backlog = backlog.map(|number| numbered::data(number, BACKLOG_UPDATE_BYTES));
        publish_all(hub.address, "backlog", backlog).await;
        let begun = Instant::now();
        hub.signal("TERM").await;
        let behind: JoinSet<Ended> = behind.into_iter().map(read_to_end).collect();
        let exit = hub.exit().await;
        let took = begun.elapsed();
        assert_eq!(exit.code(), Some(0));
        assert!(took <= DRAIN + SLACK, "{took:?}");

        let acknowledged = publishers.join_all().await.concat();
        assert!(acknowledged.len() > PUBLISHERS * 10, "{} are no load", acknowledged.len());
        let mut ends = Vec::new();
        let mut retries = HashSet::new();
        while let Some(ended) = streams.join_next().await {
            let ended = ended.unwrap();
            let missing = acknowledged.iter().find(|id| !ended.ids.contains(*id));
            assert_eq!(missing, None, "acknowledged and not delivered");
            assert!(ended.retry >= RETRY && ended.retry <= 2 * RETRY, "{:?}", ended.retry);
            retries.insert(ended.retry);
            ends.push(ended.at.duration_since(begun));
        }
        for ended in behind.join_all().await {
            assert_eq!(ended.ids.len(), BACKLOG, "acknowledged and not delivered");
        }
        check_spread(&mut ends);
        assert!(retries.len() > STREAMS / 2, "only {} reconnection times", retries.len());
        eprintln!(
            "drain: exit after {took:.2?}; {STREAMS} streams ended {:.2?} to {:.2?} after the signal with {} different retry times; {} acknowledged updates on each, {BACKLOG} on {BEHIND} that were behind",
            ends[0],
            ends[STREAMS - 1],
            retries.len(),
            acknowledged.len(),
        );
    });
}

#[test]
fn sigint_drains_as_sigterm_does() {
    alone(async {
        let mut hub = Hub::dev(&["drain.time=1s"]).await;
        let streams = subscribe(&hub, 20).await;
        let begun = Instant::now();
        hub.signal("INT").await;
        assert_eq!(hub.exit().await.code(), Some(0));
        assert!(begun.elapsed() <= Duration::from_secs(1) + SLACK, "{:?}", begun.elapsed());
        let ended = streams.join_all().await;
        let ends: Vec<Instant> = ended.iter().map(|ended| ended.at).collect();
        let spread = *ends.iter().max().unwrap() - *ends.iter().min().unwrap();
        assert!(spread >= Duration::from_millis(500), "{spread:?}");
    });
}

#[test]
fn with_no_stream_open_sigterm_ends_the_hub_at_once() {
    alone(async {
        let mut hub = Hub::dev(&[]).await;
        // A publisher's idle connection holds nothing up.
        let mut publisher = Publisher::connect(hub.address).await;
        publisher.publish("a", "1").await;
        let begun = Instant::now();
        hub.signal("TERM").await;
        assert_eq!(hub.exit().await.code(), Some(0));
        let took = begun.elapsed();
        eprintln!("drain: without streams the exit came after {took:.0?}");
        assert!(took < Duration::from_millis(500), "{took:?}");
    });
}

/// What a stream had got when it ended.
struct Ended {
    ids: HashSet<String>,
    retry: Duration,
    at: Instant,
}

/// Opens streams and reads each to its end.
async fn subscribe(hub: &Hub, count: usize) -> JoinSet<Ended> {
    let mut streams = JoinSet::new();
    for _ in 0..count {
        streams.spawn(read_to_end(Stream::open(hub.address, "a").await));
    }
    streams
}

async fn read_to_end(mut stream: Stream) -> Ended {
    let mut ids = HashSet::new();
    let mut next_of = [0; SOURCES];
    while let Some(event) = stream.next().await {
        if event.kind == "drain" {
            assert!(stream.next().await.is_none(), "something came after the drain event");
            return Ended { ids, retry: event.retry.unwrap(), at: Instant::now() };
        }
        let (number, _) = numbered::parse(&event);
        let next = &mut next_of[number % SOURCES];
        assert_eq!(number / SOURCES, *next, "a publisher's updates come in order, each once");
        *next += 1;
        assert!(ids.insert(event.id));
    }
    panic!("the stream ended without a drain event");
}

/// Publishes steadily until the hub takes no more, and answers the ids of what it took.
async fn publish_until_refused(mut publisher: Publisher, which: usize) -> Vec<String> {
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut acknowledged = Vec::new();
    loop {
        ticks.tick().await;
        let data = numbered::data(acknowledged.len() * SOURCES + which, 100);
        match publisher.try_publish("a", &data).await {
            Some(id) => acknowledged.push(id),
            None => return acknowledged,
        }
    }
}

/// Sorts the ends; they must be spread over the drain time.
fn check_spread(ends: &mut [Duration]) {
    ends.sort();
    let (first, last) = (ends[0], ends[ends.len() - 1]);
    assert!(last.saturating_sub(first) >= DRAIN / 2, "from {first:?} to {last:?}");
    for begin in ends.iter() {
        let window = *begin..*begin + DRAIN / 10;
        let within = ends.iter().filter(|end| window.contains(*end)).count();
        assert!(within * 10 <= ends.len() * 4, "{within} streams ended within {window:?}");
    }
}
