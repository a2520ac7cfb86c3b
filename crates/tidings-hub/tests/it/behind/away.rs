//! A log that is away: who publishes is told at once, who listens waits and has everything when it is back.

use std::time::Duration;

use tidings_hub::{BatchError, PublishError, Resume, Start, SubscribeError, Update};

use super::hub_on;
use super::listener::{Listener, in_every_way, numbers};
use super::memory::MemoryLog;
use crate::fixture::{subscriber, updates};

#[tokio::test(start_paused = true)]
async fn publishing_fails_at_once() {
    let log = MemoryLog::with("a", 3);
    let hub = hub_on(&log, 4).await;
    log.change(|contents| contents.is_away = true);
    let began = tokio::time::Instant::now();
    let update = || Update::new("a", "lost");
    let away = |result: &Result<_, _>| matches!(result, Err(PublishError::Unavailable(_)));
    assert!(away(&hub.publish(update()).await));
    assert!(hub.publish_all([update(), update()]).await.iter().all(away));
    let batch = hub.publish_batch([update(), update()]).await;
    assert!(matches!(batch, Err(BatchError { place: 0, error: PublishError::Unavailable(_) })));
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(hub.stats().published, 0);
    tokio::task::yield_now().await;
    assert!(hub.stats().log_is_away);
    log.change(|contents| contents.is_away = false);
    hub.publish(update()).await.unwrap();
    assert!(!hub.stats().log_is_away);
}

#[test]
fn open_streams_stay_and_have_everything_once_it_is_back() {
    in_every_way(async |way| {
        let log = MemoryLog::with("a", 10);
        let hub = hub_on(&log, 4).await;
        let mut live = Listener::open(&hub, way, &["a"], Start::Live).await;
        let mut behind = Listener::after(&hub, way, &["a"], log.position(2)).await;
        log.change(|contents| contents.is_away = true);
        let mut came = Listener::after(&hub, way, &["a"], log.position(9)).await;
        assert_eq!((live.all().await, behind.all().await), (Vec::new(), Vec::new()));
        // What is in memory is there.
        assert_eq!(came.all().await, numbers([10]));
        log.put(Update::new("a", "11"));
        assert_eq!(live.all().await, []);
        log.change(|contents| contents.is_away = false);
        assert_eq!(live.all().await, numbers([11]));
        assert_eq!(came.all().await, numbers([11]));
        assert_eq!(behind.all().await, numbers(3..=11));
        assert_eq!(hub.stats().gaps, 0);
    });
}

/// Each subscriber's task asked the log four times a second, for as long as it was away.
#[test]
fn who_waits_for_it_asks_it_less_and_less_and_at_once_when_it_is_back() {
    in_every_way(async |way| {
        let log = MemoryLog::with("a", 10);
        let hub = hub_on(&log, 4).await;
        let mut listener = Listener::after(&hub, way, &["a"], log.position(2)).await;
        log.change(|contents| contents.is_away = true);
        assert_eq!(listener.all().await, []);
        let half_an_hour = Duration::from_mins(30);
        assert!(tokio::time::timeout(half_an_hour, listener.next()).await.is_err(), "it is away");
        let asked = log.contents().reads.len();
        assert!((300..=400).contains(&asked), "{asked} times in half an hour");
        let began = tokio::time::Instant::now();
        log.change(|contents| contents.is_away = false);
        assert_eq!(listener.some(8).await, numbers(3..=10));
        assert_eq!(began.elapsed(), Duration::ZERO);
    });
}

#[tokio::test(start_paused = true)]
async fn who_has_to_be_looked_up_in_it_is_refused() {
    let log = MemoryLog::with("a", 10);
    let hub = hub_on(&log, 4).await;
    log.change(|contents| contents.is_away = true);
    let opened = async |id: &str| {
        let start = Start::After(id.to_owned());
        hub.subscribe(subscriber(&["a"]), start).await.map(|subscription| subscription.resume())
    };
    for id in ["own", &log.position(11).to_string()] {
        assert!(matches!(opened(id).await, Err(SubscribeError::Unavailable(_))), "{id}");
    }
    assert_eq!(opened(&log.position(3).to_string()).await, Ok(Resume::Complete));
    assert_eq!(opened(&log.position(8).to_string()).await, Ok(Resume::Complete));
    assert_eq!(opened("#abcdefgh-8").await, Ok(Resume::Unknown));
    let live = hub.subscribe(subscriber(&["a"]), Start::Live).await.unwrap();
    assert_eq!(live.resume(), Resume::Live);
}

/// However long it is away, nobody is read for who is gone.
#[test]
fn who_leaves_is_not_read_for() {
    in_every_way(async |way| {
        let log = MemoryLog::with("a", 100);
        let hub = hub_on(&log, 4).await;
        log.change(|contents| contents.reads_are_held = true);
        let mut listeners = Vec::new();
        for _ in 0..100 {
            let mut listener = Listener::after(&hub, way, &["a"], log.position(2)).await;
            assert_eq!(listener.all().await, []);
            listeners.push(listener);
        }
        let stuck = log.contents().waiting_reads;
        assert!((1..100).contains(&stuck), "{stuck} reads at once");
        drop(listeners);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(log.contents().waiting_reads, 0);
        log.change(|contents| contents.reads_are_held = false);
        let mut listener = Listener::after(&hub, way, &["a"], log.position(98)).await;
        assert_eq!(listener.all().await, updates(&["99", "100"]));
        let mut listener = Listener::after(&hub, way, &["a"], log.position(90)).await;
        assert_eq!(listener.all().await, numbers(91..=100));
        // One that takes little at once is read for again.
        let reads = log.contents().reads.len() - stuck;
        assert!((1..=4).contains(&reads), "{reads} reads for one");
    });
}

/// A page of another log, and one that leads nowhere, were thrown away and asked for again, without a rest.
#[test]
fn a_log_that_makes_no_sense_is_not_asked_all_the_time() {
    in_every_way(async |way| {
        let log = MemoryLog::with("a", 10);
        let hub = hub_on(&log, 4).await;
        // Nobody tells the hub that another log has begun.
        log.change(|contents| contents.is_followed_late = true);
        log.begin_anew("a", 10);
        let mut listener = Listener::open(&hub, way, &["a"], Start::Earliest).await;
        assert_eq!(listener.all().await, []);
        let asked = log.contents().reads.len();
        assert!((1..20).contains(&asked), "{asked} times in a second");

        let log = MemoryLog::with("a", 10);
        let hub = hub_on(&log, 4).await;
        log.change(|contents| contents.max_searched = 0);
        let mut listener = Listener::open(&hub, way, &["a"], Start::Earliest).await;
        assert_eq!(listener.all().await, []);
        let asked = log.contents().reads.len();
        assert!((1..20).contains(&asked), "{asked} times in a second");
        log.change(|contents| contents.max_searched = 1);
        assert_eq!(listener.all().await, numbers(1..=10));
    });
}
