//! Where a subscription begins that has seen some of the log, and that it has each update after that once, in order.

use std::time::Duration;

use tidings_hub::{Gap, Hub, HubConfig, IdScope, Limits, Resume, Start, SubscribeError, Update};

use super::hub_on;
use super::listener::{Listener, in_every_way, numbers};
use super::memory::MemoryLog;
use crate::fixture::{ROOMY, Seen, about, event_id, granted, subscriber, updates};

/// Updates about two topics in turn, every third of them private.
fn mixed() -> MemoryLog {
    let log = MemoryLog::new(usize::MAX);
    for number in 1..=30 {
        let topic = if number % 2 == 0 { "a/even" } else { "b/odd" };
        let update = Update::new(topic, number.to_string());
        log.put(if number % 3 == 0 { update.private() } else { update });
    }
    log
}

#[test]
fn far_before_the_tail_a_subscriber_is_given_what_it_asks_for_and_may_receive() {
    let public = |number: &u64| !number.is_multiple_of(3);
    let even = |number: &u64| number.is_multiple_of(2);
    in_every_way(async |way| {
        for has_index in [true, false] {
            let log = mixed();
            log.change(|contents| (contents.has_index, contents.max_searched) = (has_index, 4));
            let hub = hub_on(&log, 3).await;
            let all = |selectors: &'static [&str], grants: &'static [&str], seen| {
                let (hub, id) = (hub.clone(), log.position(seen).to_string());
                async move {
                    let subscriber = granted(selectors, grants);
                    let start = Start::After(id);
                    Listener::of(&hub, way, subscriber, start).await.all().await
                }
            };
            assert_eq!(
                all(&["a/even"], &[], 4).await,
                numbers((5..=30).filter(even).filter(public))
            );
            assert_eq!(
                all(&["a/{x}"], &[], 4).await,
                numbers((5..=30).filter(even).filter(public))
            );
            assert_eq!(all(&["*"], &[], 4).await, numbers((5..=30).filter(public)));
            assert_eq!(all(&["*", "a/{x}"], &["*"], 4).await, numbers(5..=30));
            let private_even = (5..=30).filter(|number| even(number) || public(number));
            assert_eq!(all(&["*"], &["a/{x}"], 4).await, numbers(private_even));
            assert_eq!(all(&["a/even", "b/odd", "c"], &["*"], 0).await, numbers(1..=30));
            assert_eq!(all(&["c"], &["*"], 0).await, []);
            assert_eq!(hub.stats().gaps, 0);
        }
    });
}

/// An update about several topics is given once, however many of them are asked for.
#[test]
fn what_matches_twice_is_given_once() {
    in_every_way(async |way| {
        let log = MemoryLog::new(usize::MAX);
        for number in ["1", "2", "3", "4"] {
            log.put(about(&["a", "b", "c"], number));
        }
        let hub = hub_on(&log, 1).await;
        let mut listener = Listener::open(&hub, way, &["c", "a", "{x}"], Start::Earliest).await;
        assert_eq!(listener.all().await, numbers(1..=4));
    });
}

#[test]
fn it_goes_over_into_the_tail_and_into_live() {
    in_every_way(async |way| {
        let log = MemoryLog::with("a", 2_000);
        let hub = hub_on(&log, 10).await;
        let mut listener = Listener::after(&hub, way, &["a"], log.position(0)).await;
        assert_eq!(listener.some(1_500).await, numbers(1..=1_500));
        for number in 2_001..=2_020 {
            hub.publish(Update::new("a", number.to_string())).await.unwrap();
        }
        assert_eq!(listener.all().await, numbers(1_501..=2_020));
        hub.publish(Update::new("a", "2021")).await.unwrap();
        assert_eq!(listener.all().await, numbers([2_021]));
    });
}

#[test]
fn a_page_is_bounded_and_a_large_update_comes_all_the_same() {
    in_every_way(async |way| {
        let log = MemoryLog::new(usize::MAX);
        let large = "x".repeat(1024 * 1024);
        for data in ["1", &large, "2", "3"] {
            log.put(Update::new("a", data));
        }
        let hub = hub_on(&log, 1).await;
        let mut listener = Listener::open(&hub, way, &["a"], Start::Earliest).await;
        assert_eq!(listener.all().await, updates(&["1", &large, "2", "3"]));
        let contents = log.contents();
        assert!(contents.reads.iter().all(|wanted| wanted.max_bytes <= 64 * 1024));
        assert!(
            contents.reads.iter().all(|wanted| wanted.topics.as_deref() == Some(&["a".into()]))
        );
    });
}

/// Falling behind while connected is the same as coming back.
#[test]
fn a_slow_subscriber_that_falls_off_the_tail_reads_on_from_the_log() {
    in_every_way(async |way| {
        let log = MemoryLog::new(usize::MAX);
        let hub = hub_on(&log, 4).await;
        let mut listener = Listener::open(&hub, way, &["a"], Start::Live).await;
        for number in 1..=40 {
            hub.publish(Update::new("a", number.to_string())).await.unwrap();
            hub.publish(Update::new("b", "other")).await.unwrap();
        }
        assert_eq!(listener.all().await, numbers(1..=40));
        assert_eq!(hub.stats().gaps, 0);
    });
}

#[test]
fn beyond_this_hubs_tail_it_waits_for_what_the_log_has() {
    in_every_way(async |way| {
        let log = MemoryLog::with("a", 10);
        let hub = hub_on(&log, 4).await;
        log.change(|contents| contents.is_followed_late = true);
        log.put(Update::new("a", "11"));
        log.put(Update::new("a", "12"));
        let mut opening = Box::pin(Listener::after(&hub, way, &["a"], log.position(11)));
        let patience = Duration::from_secs(1);
        assert!(tokio::time::timeout(patience, &mut opening).await.is_err(), "it did not wait");
        log.change(|contents| contents.is_followed_late = false);
        assert_eq!(opening.await.all().await, numbers([12]));
        // The hub that does not keep up does not say that it has it.
        log.change(|contents| contents.is_followed_late = true);
        log.put(Update::new("a", "13").with_id(event_id("own")));
        for start in [log.position(13).to_string(), "own".to_owned()] {
            let refused = hub.subscribe(subscriber(&["a"]), Start::After(start)).await;
            assert!(matches!(refused, Err(SubscribeError::Unavailable(_))));
        }
    });
}

/// A full hub looked up in the log where each of those would have begun that it turned away.
#[tokio::test(start_paused = true)]
async fn who_is_not_let_in_is_not_looked_up() {
    let log = MemoryLog::with("a", 10);
    let limits = Limits { streams: Some(1), ..ROOMY.limits };
    let hub = Hub::open(log.shared(), HubConfig { limits, ..ROOMY }, None).await.unwrap();
    let _only = hub.subscribe(subscriber(&["a"]), Start::Live).await.unwrap();
    let asked = log.contents().lookups;
    let ids = || ["own".to_owned(), log.position(11).to_string()];
    for id in ids() {
        let refused = hub.subscribe(subscriber(&["a"]), Start::After(id)).await.unwrap_err();
        assert_eq!(refused, SubscribeError::HubFull { limit: 1 });
    }
    hub.close();
    log.change(|contents| contents.is_away = true);
    for id in ids() {
        let refused = hub.subscribe(subscriber(&["a"]), Start::After(id)).await.unwrap_err();
        assert_eq!(refused, SubscribeError::Closed);
    }
    assert_eq!(log.contents().lookups, asked);
}

#[test]
fn beyond_the_logs_end_it_is_unknown() {
    in_every_way(async |way| {
        let log = MemoryLog::with("a", 10);
        let hub = hub_on(&log, 4).await;
        for seq in [11, u64::MAX] {
            let id = log.position(seq).to_string();
            let subscription = hub.subscribe(subscriber(&["a"]), Start::After(id.clone())).await;
            let subscription = subscription.unwrap();
            assert_eq!(subscription.resume(), Resume::Unknown);
            let gap = Gap { last_event_id: Some(id), before: log.position(10), missed: None };
            let mut listener = Listener::new(&hub, way, subscription);
            assert_eq!(listener.all().await, [Seen::Gap(gap)]);
        }
    });
}

#[test]
fn an_own_id_is_looked_up_in_the_log() {
    let scoped = |topic: &str, data: u64, id: &str| Update {
        id_scope: IdScope::Topic,
        ..Update::new(topic, data.to_string()).with_id(event_id(id))
    };
    in_every_way(async |way| {
        let log = MemoryLog::new(usize::MAX);
        log.put(scoped("a", 1, "x"));
        log.put(scoped("b", 2, "x"));
        log.put(scoped("a", 3, "x"));
        log.put(Update::new("a", "4").with_id(event_id("x")));
        log.put(Update::new("b", "5").with_id(event_id("x")));
        log.put(scoped("b", 6, "y"));
        for number in 7..=20 {
            log.put(Update::new("a", number.to_string()));
        }
        let hub = hub_on(&log, 3).await;
        let all = async |selectors: &[&str], start| {
            Listener::open(&hub, way, selectors, start).await.all().await
        };
        let (in_hub, on_topic) =
            (|id: &str| Start::After(id.to_owned()), |id: &str| Start::AfterOnTopic(id.to_owned()));
        // The oldest of equal ids counts in the hub, the newest on a topic; of several topics the one that is furthest behind.
        assert_eq!(all(&["*"], in_hub("x")).await, numbers(5..=20));
        assert_eq!(all(&["a"], on_topic("x")).await, numbers([4].into_iter().chain(7..=20)));
        assert_eq!(all(&["a", "b"], on_topic("x")).await, numbers(3..=20));
        // In the other scope when it is not in its own.
        assert_eq!(all(&["b", "a"], in_hub("y")).await, numbers(7..=20));
        assert_eq!(all(&["c", "a"], on_topic("x")).await, numbers([4].into_iter().chain(7..=20)));
        let subscription = hub.subscribe(subscriber(&["*"]), on_topic("y")).await.unwrap();
        assert_eq!(subscription.resume(), Resume::Unknown);
        let gap = Gap { last_event_id: Some("y".into()), before: log.position(0), missed: None };
        let expected = [&[Seen::Gap(gap)][..], &numbers(1..=20)].concat();
        assert_eq!(Listener::new(&hub, way, subscription).all().await, expected);
    });
}

/// Only some of the topics were looked at, and one of the others was further behind: what it had since then was lost.
#[test]
fn an_own_id_on_more_topics_than_are_asked_about_is_unknown() {
    in_every_way(async |way| {
        let log = MemoryLog::new(usize::MAX);
        let names: Vec<String> = (0..40).map(|topic| format!("t/{topic}")).collect();
        for (number, topic) in [(1, "t/39"), (2, "t/39"), (3, "t/0"), (4, "t/0")] {
            let id = if number % 2 == 1 { "x" } else { "y" };
            log.put(Update {
                id_scope: IdScope::Topic,
                ..Update::new(topic, number.to_string()).with_id(event_id(id))
            });
        }
        let hub = hub_on(&log, 1).await;
        let selectors: Vec<&str> = names.iter().map(String::as_str).collect();
        let start = Start::AfterOnTopic("x".into());
        let mut listener = Listener::open(&hub, way, &selectors, start).await;
        let gap = Gap { last_event_id: Some("x".into()), before: log.position(0), missed: None };
        assert_eq!(listener.all().await, [&[Seen::Gap(gap)][..], &numbers(1..=4)].concat());
    });
}
