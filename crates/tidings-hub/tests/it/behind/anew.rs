//! A log that is lost and begun anew: everybody is told so, and has all of the new one, once.

use std::task::{Context, Waker};
use std::time::Duration;

use tidings_hub::{
    CloseReason, Delivery, Gap, LoggedUpdate, Next, Position, Resume, Shard, Start, Update,
};

use super::listener::{Listener, in_every_way, numbers};
use super::memory::MemoryLog;
use super::{gap, hub_on, until_newest};
use crate::fixture::{Seen, event_id, subscriber, updates};

/// What everybody has of a new log.
fn all_anew(log: &MemoryLog, count: u64) -> Vec<Seen> {
    let new = (1..=count).map(|number| Seen::Update(format!("new {number}")));
    [gap(log, 1, None)].into_iter().chain(new).collect()
}

#[test]
fn everybody_is_told_a_gap_and_has_all_of_the_new_log_once() {
    in_every_way(async |way| {
        for count in [0, 1, 3, 10, 30] {
            let log = MemoryLog::with("a", 10);
            let hub = hub_on(&log, 4).await;
            let mut live = Listener::open(&hub, way, &["a"], Start::Live).await;
            let mut up_to_date = Listener::after(&hub, way, &["a"], log.position(8)).await;
            let mut unread = Listener::after(&hub, way, &["a"], log.position(9)).await;
            let mut behind = Listener::after(&hub, way, &["a"], log.position(2)).await;
            let mut other = Listener::open(&hub, way, &["b"], Start::Live).await;
            assert_eq!(live.all().await, []);
            assert_eq!(up_to_date.all().await, numbers([9, 10]));
            let old = log.position(10);
            log.begin_anew("a", count);
            for listener in [&mut live, &mut up_to_date, &mut unread, &mut behind] {
                assert_eq!(skip_old(listener.all().await), all_anew(&log, count), "{count}");
            }
            assert_eq!(other.all().await, [gap(&log, 1, None)]);
            assert_eq!((hub.epoch(), hub.newest()), (log.epoch(), log.position(count)));
            let stats = hub.stats();
            assert_eq!(stats.newest, (count > 0).then(|| log.position(count)));

            hub.publish(Update::new("a", "more")).await.unwrap();
            for listener in [&mut live, &mut up_to_date, &mut unread, &mut behind] {
                assert_eq!(listener.all().await, updates(&["more"]));
            }
            let back = hub.subscribe(subscriber(&["a"]), Start::After(old.to_string())).await;
            assert_eq!(back.unwrap().resume(), Resume::Unknown);
        }
    });
}

/// What was read before it was known that the log is lost comes before the gap.
fn skip_old(seen: Vec<Seen>) -> Vec<Seen> {
    let old = seen.iter().take_while(|seen| matches!(seen, Seen::Update(_))).count();
    seen.into_iter().skip(old).collect()
}

#[test]
fn a_page_that_comes_too_late_is_not_given() {
    in_every_way(async |way| {
        let log = MemoryLog::with("a", 10);
        let hub = hub_on(&log, 4).await;
        log.change(|contents| contents.reads_are_held = true);
        let mut listener = Listener::after(&hub, way, &["a"], log.position(0)).await;
        assert_eq!(listener.all().await, []);
        log.begin_anew("a", 8);
        log.until(|contents| contents.waiting_reads <= 1).await;
        assert_eq!(listener.all().await, [gap(&log, 1, None)]);
        log.change(|contents| contents.reads_are_held = false);
        assert_eq!(listener.all().await, all_anew(&log, 8)[1..]);
    });
}

/// Twice, before anybody has looked.
#[test]
fn of_two_new_logs_the_second_counts() {
    in_every_way(async |way| {
        let log = MemoryLog::with("a", 10);
        let hub = hub_on(&log, 4).await;
        let mut live = Listener::open(&hub, way, &["a"], Start::Live).await;
        let id = log.position(3).to_string();
        let mut back = Listener::after(&hub, way, &["a"], "#abcdefgh-8").await;
        let mut behind = Listener::after(&hub, way, &["a"], &id).await;
        for count in [6, 5] {
            log.begin_anew("a", count);
            until_newest(&hub, &log, count).await;
        }
        assert_eq!(live.all().await, all_anew(&log, 5));
        assert_eq!(behind.all().await, all_anew(&log, 5));
        // The first gap has not been told yet: it is one with the second.
        let told = Gap {
            last_event_id: Some("#abcdefgh-8".into()),
            before: log.position(0),
            missed: None,
        };
        let expected = [&[Seen::Gap(told)][..], &all_anew(&log, 5)[1..]].concat();
        assert_eq!(back.all().await, expected);
    });
}

/// It has its end: there is nothing after that, not even the gap.
#[test]
fn who_has_its_end_is_told_nothing_after_it() {
    in_every_way(async |way| {
        let log = MemoryLog::with("a", 10);
        let hub = hub_on(&log, 4).await;
        let mut listener = Listener::open(&hub, way, &["a"], Start::Live).await;
        assert_eq!(hub.close_some(1, CloseReason::Drain), 1);
        assert_eq!(listener.next().await, Seen::Closed(CloseReason::Drain));
        log.begin_anew("a", 3);
        until_newest(&hub, &log, 3).await;
        let rest = listener.all().await;
        assert!(rest.iter().all(|seen| *seen == Seen::Closed(CloseReason::Drain)), "{rest:?}");
    });
}

/// In a shard it stayed open: its seat was of the old log, and was not read for any more.
#[test]
fn who_was_told_to_end_at_once_ends_all_the_same() {
    in_every_way(async |way| {
        let log = MemoryLog::with("a", 10);
        let hub = hub_on(&log, 4).await;
        for ends_first in [true, false] {
            log.change(|contents| contents.reads_are_held = true);
            let mut listener = Listener::after(&hub, way, &["a"], log.position(2)).await;
            assert_eq!(listener.all().await, []);
            if ends_first {
                // Its shard knows; its turn to read comes when there is another log.
                drop(hub.end_at_once(|_| true, CloseReason::Kicked));
                listener.look();
            }
            log.begin_anew("a", 8);
            until_newest(&hub, &log, 8).await;
            if !ends_first {
                drop(hub.end_at_once(|_| true, CloseReason::Kicked));
            }
            assert_eq!(listener.all().await, [Seen::Closed(CloseReason::Kicked)]);
        }
    });
}

/// What was left of the old log was handed to who came while a shard's task was at it, and as many of the new log's first
/// updates were then taken to be known.
#[tokio::test(start_paused = true)]
async fn who_comes_to_a_shard_that_is_still_at_the_old_log_has_nothing_of_it() {
    // Of 20,000 not all are noted by themselves: the rest is overdue.
    for old_updates in [2, 20_000] {
        let log = MemoryLog::new(usize::MAX);
        let hub = hub_on(&log, 4).await;
        let mut shard = Shard::new(hub.clone());
        let adopt = async |shard: &mut Shard<Vec<Position>>, selector: &str| {
            let subscription = hub.subscribe(subscriber(&[selector]), Start::Live).await;
            shard.adopt(subscription.unwrap(), Vec::new())
        };
        for topic in ["a", "b"] {
            adopt(&mut shard, topic).await;
        }
        for number in 1..=old_updates {
            log.put(Update::new(["a", "b"][number % 2], "old"));
        }
        until_newest(&hub, &log, u64::try_from(old_updates).unwrap()).await;
        let cx = &mut Context::from_waker(Waker::noop());
        let take = |_, carrier: &mut Vec<Position>, updates: &[&LoggedUpdate]| {
            carrier.extend(updates.iter().map(|update| update.position));
            updates.len()
        };
        assert!(shard.poll_news(cx).is_ready());
        log.begin_anew("a", 0);
        until_newest(&hub, &log, 0).await;
        let newcomer = adopt(&mut shard, "*").await;
        let topical = adopt(&mut shard, "a").await;
        while shard.deliver(1, take) {}
        for _ in 0..3 {
            log.put(Update::new("a", "new"));
        }
        until_newest(&hub, &log, 3).await;
        while shard.poll_news(cx).is_ready() {
            while shard.deliver(1, take) {}
        }
        for seat in [newcomer, topical] {
            assert!(!shard.is_behind(seat));
            let seqs: Vec<_> = shard.carrier(seat).unwrap().drain(..).collect();
            assert_eq!(seqs, [1, 2, 3].map(|seq| log.position(seq)), "{old_updates}");
        }
    }
}

/// A carrier gave back what was read of the old log, after its seat was of the new one.
#[tokio::test(start_paused = true)]
async fn what_is_put_back_of_the_old_log_is_lost_with_it() {
    let log = MemoryLog::with("a", 10);
    let hub = hub_on(&log, 4).await;
    let mut shard = Shard::new(hub.clone());
    let start = Start::After(log.position(7).to_string());
    let seat = shard.adopt(hub.subscribe(subscriber(&["a"]), start).await.unwrap(), ());
    let Next::Delivery(Delivery::Updates(updates)) = shard.read(seat) else { panic!("a gap") };
    log.begin_anew("a", 2);
    until_newest(&hub, &log, 2).await;
    assert!(shard.poll_news(&mut Context::from_waker(Waker::noop())).is_ready());
    shard.put_back(seat, updates[0].position);
    assert!(matches!(shard.read(seat), Next::Delivery(Delivery::Gap(_))));
    let Next::Delivery(Delivery::Updates(updates)) = shard.read(seat) else { panic!("a gap") };
    let seqs: Vec<_> = updates.iter().map(|update| update.position).collect();
    assert_eq!(seqs, [1, 2].map(|seq| log.position(seq)));
}

/// Where an id was in the old log was taken for a place in the new one.
#[test]
fn who_was_looked_up_in_the_old_log_has_all_of_the_new_one() {
    in_every_way(async |way| {
        let log = MemoryLog::with("a", 10);
        let hub = hub_on(&log, 4).await;
        log.change(|contents| contents.is_followed_late = true);
        log.put(Update::new("a", "11").with_id(event_id("own")));
        let mut opening = Box::pin(Listener::after(&hub, way, &["a"], "own"));
        let second = Duration::from_secs(1);
        assert!(tokio::time::timeout(second, &mut opening).await.is_err(), "it did not wait");
        log.begin_anew("a", 3);
        log.change(|contents| contents.is_followed_late = false);
        let id = Some("own".to_owned());
        let told = Gap { last_event_id: id, before: log.position(0), missed: None };
        let expected = [&[Seen::Gap(told)][..], &all_anew(&log, 3)[1..]].concat();
        assert_eq!(opening.await.all().await, expected);
    });
}
