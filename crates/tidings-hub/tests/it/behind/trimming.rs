//! What the log retains no longer, or has never had any more: a gap tells of it exactly.

use tidings_hub::{Gap, Start, Update};

use super::listener::{Listener, Way, in_every_way, numbers};
use super::memory::MemoryLog;
use super::{gap, hub_on};
use crate::fixture::{Seen, subscriber};

#[test]
fn what_was_trimmed_before_somebody_came_back_is_told() {
    in_every_way(async |way| {
        let log = MemoryLog::with("a", 20);
        let hub = hub_on(&log, 4).await;
        log.trim(11);
        for seen in [3, 9, 10] {
            let id = log.position(seen).to_string();
            let subscription = hub.subscribe(subscriber(&["a"]), Start::After(id.clone())).await;
            let mut listener = Listener::new(&hub, way, subscription.unwrap());
            let missed = 10 - seen;
            let before = log.position(10);
            let gap = Gap { last_event_id: Some(id), before, missed: Some(missed) };
            let told = (missed > 0).then_some(Seen::Gap(gap));
            let expected: Vec<_> = told.into_iter().chain(numbers(11..=20)).collect();
            assert_eq!(forgiving(listener.all().await), forgiving(expected));
        }
    });
}

/// A gap told to who comes back before the hub knows that the log was trimmed is one that fell while connected.
fn forgiving(mut seen: Vec<Seen>) -> Vec<Seen> {
    for seen in &mut seen {
        if let Seen::Gap(gap) = seen {
            gap.last_event_id = None;
        }
    }
    seen
}

#[test]
fn what_is_trimmed_while_somebody_reads_is_told() {
    in_every_way(async |way| {
        let log = MemoryLog::with("a", 2_000);
        let hub = hub_on(&log, 4).await;
        let mut listener = Listener::after(&hub, way, &["a"], log.position(0)).await;
        let seen = listener.some(1).await;
        assert_eq!(seen, numbers([1]));
        log.trim(1_001);
        let seen = listener.all().await;
        // What had been read before is given still.
        let given = seen.iter().take_while(|seen| matches!(seen, Seen::Update(_))).count() as u64;
        let missed = 1_000 - (given + 1);
        let mut expected = numbers(2..=given + 1);
        expected.push(gap(&log, 1_001, missed));
        expected.extend(numbers(1_001..=2_000));
        assert_eq!(seen, expected);
        assert_eq!(hub.stats().oldest, Some(log.position(1_001)));
    });
}

/// The log is smaller than the hub's memory.
#[test]
fn the_memory_retains_nothing_that_the_log_does_not() {
    in_every_way(async |way| {
        let log = MemoryLog::new(5);
        let hub = hub_on(&log, 100).await;
        let mut slow = Listener::open(&hub, way, &["a"], Start::Live).await;
        for number in 1..=20 {
            hub.publish(Update::new("a", number.to_string())).await.unwrap();
        }
        assert_eq!(hub.stats().oldest, Some(log.position(16)));
        assert_eq!(hub.stats().updates, 5);
        let mut expected = numbers(16..=20);
        if way == Way::Alone {
            expected.insert(0, gap(&log, 16, 15));
            assert_eq!(slow.all().await, expected);
        } else {
            // What is in a shard's inbox is not lost.
            assert_eq!(slow.all().await.last(), expected.last());
        }
        let mut early = Listener::open(&hub, way, &["a"], Start::Earliest).await;
        assert_eq!(early.all().await, numbers(16..=20));
    });
}

#[test]
fn a_hole_in_the_middle_is_passed_over() {
    in_every_way(async |way| {
        let log = MemoryLog::with("a", 20);
        log.punch(5..=7);
        log.punch(18..=18);
        let hub = hub_on(&log, 4).await;
        let mut listener = Listener::open(&hub, way, &["a"], Start::Earliest).await;
        let left = |number: &u64| !(5..=7).contains(number) && *number != 18;
        assert_eq!(listener.all().await, numbers((1..=20).filter(left)));
        // One comes while somebody listens.
        let mut behind = Listener::after(&hub, way, &["a"], log.position(19)).await;
        log.change(|contents| contents.is_followed_late = true);
        for number in 21..=25 {
            log.put(Update::new("a", number.to_string()));
        }
        log.punch(22..=23);
        log.change(|contents| contents.is_followed_late = false);
        assert_eq!(listener.all().await, numbers([21, 24, 25]));
        assert_eq!(behind.all().await, numbers([20, 21, 24, 25]));
        assert_eq!(hub.stats().gaps, 0);
    });
}

/// Whoever was up to date was told nothing of what the log let go of before the hub could take it in.
#[test]
fn what_the_hub_could_not_take_in_in_time_is_told_to_all() {
    in_every_way(async |way| {
        let log = MemoryLog::with("a", 10);
        let hub = hub_on(&log, 4).await;
        let mut idle = Listener::open(&hub, way, &["a"], Start::Live).await;
        assert_eq!(idle.all().await, []);
        log.put(Update::new("a", "11"));
        assert_eq!(idle.all().await, numbers([11]));
        let mut slow = Listener::after(&hub, way, &["a"], log.position(9)).await;
        log.put(Update::new("a", "12"));
        log.until(|contents| contents.next == 13).await;
        tokio::task::yield_now().await;
        log.change(|contents| contents.is_followed_late = true);
        for number in 13..=30 {
            log.put(Update::new("a", number.to_string()));
        }
        log.trim(21);
        log.change(|contents| contents.is_followed_late = false);
        tokio::task::yield_now().await;
        let late = Listener::open(&hub, way, &["a"], Start::Live).await;
        drop(late);
        let expected = [&[gap(&log, 21, 8)][..], &numbers(21..=30)].concat();
        let seen = idle.all().await;
        if way == Way::Alone {
            // The log has let go of 12, too, before it was read.
            let expected = [&[gap(&log, 21, 9)][..], &numbers(21..=30)].concat();
            assert_eq!(seen, expected);
        } else {
            assert_eq!(seen, [&numbers([12])[..], &expected].concat());
        }
        let expected = [&[gap(&log, 21, 11)][..], &numbers(21..=30)].concat();
        assert_eq!(slow.all().await, expected);
        assert_eq!(hub.newest(), log.position(30));
        log.put(Update::new("a", "31"));
        assert_eq!((idle.all().await, slow.all().await), (numbers([31]), numbers([31])));
    });
}

/// The hub took what a page said of the log for news of it, ahead of those that it follows.
#[test]
fn a_page_that_knows_more_than_the_hub_loses_nothing_that_is_to_come() {
    in_every_way(async |way| {
        let log = MemoryLog::with("a", 10);
        let hub = hub_on(&log, 4).await;
        log.change(|contents| contents.is_followed_late = true);
        let mut listener = Listener::after(&hub, way, &["a"], log.position(2)).await;
        for number in 11..=20 {
            log.put(Update::new("a", number.to_string()));
        }
        log.trim(16);
        // All that the hub knows of is lost.
        assert_eq!(listener.all().await, [gap(&log, 11, 8)]);
        log.change(|contents| contents.is_followed_late = false);
        let expected = [&[gap(&log, 16, 5)][..], &numbers(16..=20)].concat();
        assert_eq!(listener.all().await, expected);
        assert_eq!(hub.newest(), log.position(20));
    });
}
