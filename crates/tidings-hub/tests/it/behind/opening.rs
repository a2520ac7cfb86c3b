//! What a hub has of its log when it opens, what it tells of it, and that it lets go of it.

use std::time::Duration;

use tidings_hub::{Hub, HubConfig, Retention, Start, Update};

use super::hub_on;
use super::listener::{Listener, Way, in_every_way, numbers};
use super::memory::MemoryLog;
use crate::fixture::ROOMY;

#[test]
fn history_is_there_before_anything_new_is_published() {
    in_every_way(async |way| {
        for tail in [1, 4, 100] {
            let log = MemoryLog::with("a", 10);
            let hub = hub_on(&log, tail).await;
            let stats = hub.stats();
            assert_eq!((hub.epoch(), stats.newest), (log.epoch(), Some(log.position(10))));
            assert_eq!((stats.oldest, stats.updates), (Some(log.position(1)), tail.min(10)));
            assert_eq!(hub.last_event_id(), Some(log.position(10).to_event_id()));
            let mut listener = Listener::open(&hub, way, &["a"], Start::Earliest).await;
            assert_eq!(listener.all().await, numbers(1..=10));
            assert_eq!(hub.stats().gaps, 0);
        }
    });
}

/// Updates that were too old for the memory left it, and with them the newest id that the hub knew.
#[tokio::test(start_paused = true)]
async fn the_newest_id_is_known_as_long_as_the_log_has_its_update() {
    let log = MemoryLog::with("a", 10);
    let max_age = Some(Duration::from_secs(1));
    let config = HubConfig { retention: Retention { max_age, ..ROOMY.retention }, ..ROOMY };
    let hub = Hub::open(log.shared(), config, None).await.unwrap();
    tokio::time::advance(Duration::from_mins(1)).await;
    assert_eq!(hub.last_event_id(), Some(log.position(10).to_event_id()));
    assert_eq!(hub.stats().updates, 1);
    log.trim(11);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(hub.last_event_id(), None);
    assert_eq!((hub.stats().oldest, hub.stats().newest), (None, None));
}

#[tokio::test(start_paused = true)]
async fn an_empty_log_is_opened_and_one_that_is_away_is_not() {
    let log = MemoryLog::new(usize::MAX);
    let hub = hub_on(&log, 4).await;
    assert_eq!((hub.newest(), hub.stats().newest), (log.position(0), None));
    publish_one(&hub).await;
    assert_eq!(hub.newest(), log.position(1));
    log.change(|contents| contents.is_away = true);
    let refused = Hub::open(log.shared(), ROOMY, None).await.unwrap_err();
    assert!(refused.to_string().contains("sent it away"), "{refused}");
}

async fn publish_one(hub: &Hub) {
    hub.publish(Update::new("a", "1")).await.unwrap();
}

/// A hub waited for what the log had when it was asked, which the log had let go of by the time it was followed.
#[tokio::test(start_paused = true)]
async fn a_log_that_is_trimmed_while_it_is_opened_is_opened() {
    let log = MemoryLog::with("a", 10);
    log.change(|contents| contents.is_followed_late = true);
    let opening = tokio::spawn({
        let log = log.clone();
        async move { hub_on(&log, 4).await }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    log.trim(11);
    log.change(|contents| contents.is_followed_late = false);
    let hub = tokio::time::timeout(Duration::from_mins(1), opening).await.unwrap().unwrap();
    assert_eq!(hub.newest(), log.position(10));
    publish_one(&hub).await;
}

/// What the log said was thrown away, and the operator was told only that it was away.
#[tokio::test(start_paused = true)]
async fn why_a_log_goes_away_while_it_is_opened_is_told() {
    let log = MemoryLog::with("a", 10);
    log.change(|contents| contents.is_followed_late = true);
    let opening = tokio::spawn({
        let log = log.shared();
        async move { Hub::open(log, ROOMY, None).await }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    log.change(|contents| (contents.is_away, contents.is_followed_late) = (true, false));
    let refused = opening.await.unwrap().unwrap_err();
    assert!(refused.to_string().contains("sent it away"), "{refused}");
}

/// As it lets go of its hub, whoever listened has let go of it.
#[test]
fn a_dropped_hub_lets_go_of_its_log() {
    in_every_way(async |way| {
        let log = MemoryLog::with("a", 10);
        let hub = hub_on(&log, 4).await;
        log.change(|contents| contents.reads_are_held = true);
        let mut listener = Listener::after(&hub, way, &["a"], log.position(0)).await;
        assert_eq!(listener.all().await, []);
        assert_eq!(log.contents().waiting_reads, 1);
        drop((hub, listener));
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!((log.contents().waiting_reads, log.handles()), (0, 1), "served {way:?}");
    });
}

#[tokio::test(start_paused = true)]
async fn what_is_counted_is_of_this_hub_and_what_is_retained_of_the_log() {
    let log = MemoryLog::with("a", 10);
    let (hub, other) = (hub_on(&log, 4).await, hub_on(&log, 4).await);
    publish_one(&hub).await;
    publish_one(&other).await;
    log.until(|contents| contents.next == 13).await;
    let mut listener = Listener::open(&hub, Way::Alone, &["a"], Start::Earliest).await;
    assert_eq!(listener.all().await.len(), 12);
    let stats = hub.stats();
    assert_eq!((stats.published, stats.updates, stats.gaps, stats.subscribers), (1, 4, 0, 1));
    assert_eq!((stats.oldest, stats.newest), (Some(log.position(1)), Some(log.position(12))));
}

/// What is taken out at the log's end never comes.
#[tokio::test(start_paused = true)]
async fn a_log_without_its_end_is_opened() {
    let log = MemoryLog::with("a", 10);
    log.punch(9..=10);
    let hub = tokio::time::timeout(Duration::from_mins(1), hub_on(&log, 4)).await.unwrap();
    assert_eq!(hub.newest(), log.position(8));
    publish_one(&hub).await;
    assert_eq!(hub.newest(), log.position(11));
}
