//! A subscriber that stops reading for a minute under load.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    task::{JoinHandle, JoinSet},
    time::{Instant, MissedTickBehavior, interval, sleep_until, timeout_at},
};

use crate::{
    hub::Hub,
    numbered,
    publisher::{Publisher, publish_all},
    stream::{Stream, open_many},
    turn::alone,
};

/// How many others subscribe to the same topic.
const OTHERS: usize = 50;
/// How often an update is published.
const PERIOD: Duration = Duration::from_millis(4);
const UPDATE_BYTES: usize = 2 * 1024;
/// How long everyone reads before one stops.
const BEFORE: Duration = Duration::from_secs(8);
const STALL: Duration = Duration::from_mins(1);
/// How often the hub's memory is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(500);
/// How much the hub's memory may grow meanwhile.
const MAX_GROWTH_BYTES: usize = 1024 * 1024;
/// A delay that a busy machine may cause by itself.
const BUSY: Duration = Duration::from_millis(100);
/// How many updates a stuck subscriber leaves at the least: the system's buffers have taken what they can.
const LEAST_LEFT: usize = SMALL_LOG + SMALL_LOG / 2;
/// A log that retains more than is published in the minute, and one that does not.
const LARGE_LOG: usize = 20_000;
const SMALL_LOG: usize = 1_000;
/// The last update's data.
const END: &str = "end";

#[test]
fn a_subscriber_that_stops_reading_for_a_minute_gets_what_the_log_retained_after_a_gap_if_it_must_and_costs_no_memory_and_nobodys_time()
 {
    alone(async {
        // Side by side, each with tasks of its own: neither waits for the other.
        let large = tokio::spawn(stall(LARGE_LOG));
        let small = tokio::spawn(stall(SMALL_LOG));
        let gaps = large.await.unwrap();
        assert!(gaps.is_empty(), "a gap of {gaps:?}, but everything was retained");
        let missed: usize = small.await.unwrap().iter().sum();
        assert!(missed >= LEAST_LEFT - SMALL_LOG, "{missed} missed, but the log is small");
    });
}

/// Lets one subscriber be stuck for a while on a hub that retains so many updates. Answers how many it missed by each gap
/// it was told.
async fn stall(retained: usize) -> Vec<usize> {
    let hub = Hub::dev(&[&format!("log.max_updates={retained}")]).await;
    // The log is at its limit from the beginning: what it weighs does not count.
    let first = retained + retained / 4;
    let filling = (0..first).map(|number| numbered::data(number, UPDATE_BYTES));
    publish_all(hub.address, "a", filling).await;
    let mut others = JoinSet::new();
    for stream in open_many(hub.address, "a", OTHERS).await {
        others.spawn(read_to_end(stream, first));
    }
    let mut stuck = Stream::open(hub.address, "a").await;
    let load = Load::start(&hub, first).await;

    let last = read_until(&mut stuck, first, Instant::now() + BEFORE).await;
    let memory_before = hub.memory();
    let begun = load.mark(&hub).await;
    let mut memory_most = memory_before;
    let stall_over = Instant::now() + STALL;
    while Instant::now() < stall_over {
        sleep_until(Instant::now() + LOOK).await;
        memory_most = memory_most.max(hub.memory());
    }
    let over = load.mark(&hub).await;

    let published = over.published - begun.published;
    let taken = (over.delivered - begun.delivered).saturating_sub(OTHERS * published);
    assert!(taken + LEAST_LEFT <= published, "not stuck: it took {taken} of {published}");
    let missed = read_on(&mut stuck, last, retained, &load).await;
    load.end().await;
    let delays = others.join_all().await.concat();
    let before = Delays::of(&delays, Duration::ZERO, begun.at);
    let during = Delays::of(&delays, begun.at, over.at);
    let growth = memory_most.saturating_sub(memory_before);
    eprintln!(
        "stuck: log of {retained}: took {taken} of {published} updates, then missed {missed:?}; memory {} KiB, grew by {} KiB; delay of the others before: {before}, during: {during}",
        memory_before / 1024,
        growth / 1024,
    );
    assert!(growth <= MAX_GROWTH_BYTES, "the hub's memory grew by {growth} bytes");
    during.check_like(&before);
    missed
}

/// Reads until a moment, in order from `first` on, and answers the last number.
async fn read_until(stream: &mut Stream, first: usize, end: Instant) -> usize {
    let mut next = first;
    while let Ok(event) = timeout_at(end, stream.next()).await {
        assert_eq!(numbered::parse(&event.unwrap()).0, next);
        next += 1;
    }
    next - 1
}

/// Reads on after `last` until it has caught up, and answers the gaps. What was missed must be as many as was told, and
/// no longer retained. A second gap may come: the system takes some more from the hub now and then, read or not.
async fn read_on(stream: &mut Stream, mut last: usize, retained: usize, load: &Load) -> Vec<usize> {
    let mut gaps = Vec::new();
    while last + 1 < load.published() {
        let event = stream.next().await.unwrap();
        if event.kind == "gap" {
            let data: serde_json::Value = serde_json::from_str(&event.data).unwrap();
            let missed = usize::try_from(data["missed"].as_u64().unwrap()).unwrap();
            last += missed;
            gaps.push(missed);
            // One more may be published already and not yet counted.
            let oldest = load.published() + 1 - retained;
            assert!(last < oldest, "{last} was missed, but {oldest} is retained");
        } else {
            last += 1;
            assert_eq!(numbered::parse(&event).0, last);
        }
    }
    gaps
}

/// A steady publisher.
struct Load {
    published: Arc<AtomicUsize>,
    ending: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

/// How far everything was at one moment.
struct Mark {
    at: Duration,
    /// The number of the next update.
    published: usize,
    /// Updates handed to streams.
    delivered: usize,
}

impl Load {
    async fn start(hub: &Hub, first: usize) -> Self {
        let published = Arc::new(AtomicUsize::new(first));
        let ending = Arc::new(AtomicBool::new(false));
        let mut publisher = Publisher::connect(hub.address).await;
        let (count, enough) = (Arc::clone(&published), Arc::clone(&ending));
        let task = tokio::spawn(async move {
            let mut ticks = interval(PERIOD);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while !enough.load(Ordering::Relaxed) {
                ticks.tick().await;
                let number = count.load(Ordering::Relaxed);
                publisher.publish("a", &numbered::data(number, UPDATE_BYTES)).await;
                count.store(number + 1, Ordering::Relaxed);
            }
            publisher.publish("a", END).await;
        });
        Self { published, ending, task }
    }

    fn published(&self) -> usize {
        self.published.load(Ordering::Relaxed)
    }

    async fn mark(&self, hub: &Hub) -> Mark {
        let published = self.published();
        let delivered = hub.metric("tidings_updates_delivered_total").await;
        Mark { at: numbered::now(), published, delivered }
    }

    async fn end(self) {
        self.ending.store(true, Ordering::Relaxed);
        self.task.await.unwrap();
    }
}

/// Reads everything from `first` on, in order, and answers when each was sent and how long it took.
async fn read_to_end(mut stream: Stream, first: usize) -> Vec<(Duration, Duration)> {
    let mut delays = Vec::new();
    loop {
        let event = stream.next().await.unwrap();
        if event.data == END {
            return delays;
        }
        let (number, sent) = numbered::parse(&event);
        assert_eq!(number, first + delays.len());
        delays.push((sent, numbered::now().saturating_sub(sent)));
    }
}

/// How long updates took from the publisher to the subscribers.
struct Delays {
    median: Duration,
    worst: Duration,
}

impl Delays {
    /// Of the updates that were sent from one moment to another.
    fn of(delays: &[(Duration, Duration)], from: Duration, to: Duration) -> Self {
        let sent = delays.iter().filter(|(sent, _)| (from..to).contains(sent));
        let mut delays: Vec<Duration> = sent.map(|(_, delay)| *delay).collect();
        delays.sort();
        Self { median: delays[delays.len() / 2], worst: delays[delays.len() - 1] }
    }

    /// Of the order of what they were.
    fn check_like(&self, before: &Self) {
        assert!(self.median <= 3 * before.median.max(BUSY / 10), "the median is {self}");
        assert!(self.worst <= 10 * before.worst.max(BUSY), "the worst is {self}");
    }
}

impl std::fmt::Display for Delays {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "median {:.1?}, worst {:.1?}", self.median, self.worst)
    }
}
