//! How a subscription ends that waits for what is read from the log.

use tidings_hub::{CloseReason, Delivery, Start, Update};

use super::hub_on;
use super::listener::{Listener, Way, in_every_way, numbers};
use super::memory::MemoryLog;
use crate::fixture::{Seen, subscriber};

#[test]
fn a_drain_lets_those_who_are_behind_read_to_the_end() {
    in_every_way(async |way| {
        let log = MemoryLog::with("a", 2_000);
        let hub = hub_on(&log, 4).await;
        log.change(|contents| contents.reads_are_held = true);
        let mut behind = Listener::after(&hub, way, &["a"], log.position(0)).await;
        let mut live = Listener::open(&hub, way, &["a"], Start::Live).await;
        assert_eq!(behind.all().await, []);
        hub.close();
        assert_eq!(hub.close_some(usize::MAX, CloseReason::Drain), 2);
        assert_eq!(live.next().await, Seen::Closed(CloseReason::Drain));
        assert_eq!(behind.all().await, [], "what it is owed comes first");
        log.change(|contents| contents.reads_are_held = false);
        let mut expected = numbers(1..=2_000);
        expected.push(Seen::Closed(CloseReason::Drain));
        assert_eq!(behind.all().await, expected);
    });
}

#[test]
fn who_ends_at_once_is_given_nothing_of_what_is_read() {
    in_every_way(async |way| {
        let log = MemoryLog::with("a", 2_000);
        let hub = hub_on(&log, 4).await;
        log.change(|contents| contents.reads_are_held = true);
        let mut behind = Listener::after(&hub, way, &["a"], log.position(0)).await;
        assert_eq!(behind.all().await, []);
        let mut ending = hub.end_at_once(|_| true, CloseReason::Kicked);
        assert_eq!(ending.count(), 1);
        assert_eq!(behind.next().await, Seen::Closed(CloseReason::Kicked));
        ending.told().await;
        log.change(|contents| contents.reads_are_held = false);
        hub.publish(Update::new("a", "later")).await.unwrap();
        let rest = behind.all().await;
        assert!(rest.iter().all(|s| *s == Seen::Closed(CloseReason::Kicked)), "{rest:?}");

        // It has come, and was not given yet.
        let mut behind = Listener::after(&hub, way, &["a"], log.position(0)).await;
        behind.look();
        log.until(|contents| contents.waiting_reads == 0).await;
        tokio::task::yield_now().await;
        drop(hub.end_at_once(|_| true, CloseReason::Kicked));
        assert_eq!(behind.all().await, [Seen::Closed(CloseReason::Kicked)]);
    });
}

/// Who waits for a page goes to a shard: the page comes to it there.
#[tokio::test(start_paused = true)]
async fn who_goes_to_a_shard_while_it_is_read_for_is_roused_there() {
    for is_read_first in [true, false] {
        let log = MemoryLog::with("a", 10);
        let hub = hub_on(&log, 4).await;
        log.change(|contents| contents.reads_are_held = true);
        let start = Start::After(log.position(0).to_string());
        let mut subscription = hub.subscribe(subscriber(&["a"]), start).await.unwrap();
        let waiting = tokio::time::timeout(std::time::Duration::from_secs(1), subscription.next());
        assert!(waiting.await.is_err());
        if is_read_first {
            log.change(|contents| contents.reads_are_held = false);
            let Delivery::Updates(updates) = subscription.next().await else { panic!("a gap") };
            assert_eq!(updates.len(), 6);
        }
        let mut listener = Listener::new(&hub, Way::InShard(2), subscription);
        listener.look();
        log.change(|contents| contents.reads_are_held = false);
        let first = if is_read_first { 7 } else { 1 };
        assert_eq!(listener.all().await, numbers(first..=10));
    }
}
