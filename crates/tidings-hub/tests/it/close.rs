//! A hub that closes refuses what is new and ends what is open, with nothing owed left behind.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures_core::Stream;
use tidings_hub::{CloseReason, Delivery, PublishError, Start, SubscribeError, Update};

use crate::fixture::{Now, Probe, Seen, earliest, live, publish, roomy_hub, subscriber, updates};

#[test]
fn a_closing_hub_refuses_publishers_and_subscribers() {
    let hub = roomy_hub();
    let mut open = live(&hub, &["a"]);
    publish(&hub, "a", "1");
    hub.close();
    assert_eq!(hub.publish(Update::new("a", "2")).now(), Err(PublishError::Closed));
    assert_eq!(hub.publish_all([Update::new("a", "2")]).now(), [Err(PublishError::Closed)]);
    let refused = hub.subscribe(subscriber(&["a"]), Start::Live).now();
    assert_eq!(refused.err(), Some(SubscribeError::Closed));
    // What is open goes on until it is closed.
    assert_eq!(open.drain(), updates(&["1"]));
}

#[test]
fn what_is_owed_comes_before_the_end() {
    let hub = roomy_hub();
    let mut probe = live(&hub, &["a"]);
    let data: Vec<String> = (0..200).map(|n| n.to_string()).collect();
    for data in &data {
        publish(&hub, "a", data);
    }
    assert_eq!(hub.close_some(1, CloseReason::Drain), 1);
    let data: Vec<&str> = data.iter().map(String::as_str).collect();
    let mut expected = updates(&data);
    expected.push(Seen::Closed(CloseReason::Drain));
    assert_eq!(probe.drain(), expected);
}

#[test]
fn nothing_comes_after_the_end() {
    let hub = roomy_hub();
    let mut probe = live(&hub, &["a"]);
    hub.close_some(1, CloseReason::Expired);
    for _ in 0..2 {
        assert_eq!(probe.drain(), [Seen::Closed(CloseReason::Expired)]);
        publish(&hub, "a", "late");
    }
    // It can be had by coming back.
    assert_eq!(earliest(&hub, &["a"]).drain(), updates(&["late", "late"]));
}

#[test]
fn as_many_end_as_asked_for_and_each_once() {
    let hub = roomy_hub();
    let mut probes: Vec<_> = (0..5).map(|_| live(&hub, &["a"])).collect();
    assert!(probes.iter_mut().all(|probe| probe.poll().is_none()));
    assert_eq!(hub.close_some(2, CloseReason::Drain), 2);
    assert_eq!(hub.close_some(2, CloseReason::Limit), 2);
    assert_eq!(hub.close_some(2, CloseReason::MaxAge), 1);
    assert_eq!(hub.close_some(2, CloseReason::MaxAge), 0);
    let seen = probes.iter_mut().flat_map(Probe::drain);
    let mut reasons: Vec<_> = seen.map(|seen| format!("{seen:?}")).collect();
    reasons.sort();
    assert_eq!(
        reasons,
        ["Closed(Drain)", "Closed(Drain)", "Closed(Limit)", "Closed(Limit)", "Closed(MaxAge)"]
    );
    assert_eq!(probes.iter().map(Probe::wakes).sum::<usize>(), 5);
}

#[tokio::test]
async fn one_that_waits_is_woken_by_the_end() {
    let hub = roomy_hub();
    let mut subscription = hub.subscribe(subscriber(&["a"]), Start::Live).now().unwrap();
    let waiting = tokio::spawn(async move { format!("{:?}", subscription.next().await) });
    tokio::task::yield_now().await;
    hub.close_some(1, CloseReason::Drain);
    assert_eq!(waiting.await.unwrap(), "Closed(Drain)");
    assert_eq!(hub.stats().subscribers, 0);
}

#[test]
fn a_stream_ends_after_it_said_why() {
    let hub = roomy_hub();
    let mut subscription = hub.subscribe(subscriber(&["a"]), Start::Live).now().unwrap();
    publish(&hub, "a", "1");
    hub.close_some(1, CloseReason::Drain);
    let mut next =
        || Pin::new(&mut subscription).poll_next(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(next(), Poll::Ready(Some(Delivery::Updates(_)))));
    assert!(matches!(next(), Poll::Ready(Some(Delivery::Closed(CloseReason::Drain)))));
    assert!(matches!(next(), Poll::Ready(None)));
    assert!(matches!(next(), Poll::Ready(None)));
}

#[test]
fn a_dropped_subscription_leaves_nothing_in_the_hub() {
    let hub = roomy_hub();
    let probe = live(&hub, &["a", "{x}", "*"]);
    let subscriber = Arc::downgrade(probe.subscription.subscriber());
    assert_eq!(hub.stats().subscribers, 1);
    drop(probe);
    assert_eq!(hub.stats().subscribers, 0);
    assert_eq!(subscriber.strong_count(), 0);
}
