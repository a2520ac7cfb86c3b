//! Who waits is woken by what it waits for, once, and by nothing else.

use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};

use tidings_hub::{Delivery, Hub, Start, Subscription, Update};

use crate::fixture::{
    Now, Probe, about, live, publish, roomy_hub, subscriber, updates, without_deadlock,
};

#[test]
fn a_publish_wakes_those_whom_it_is_for_and_nobody_else() {
    let hub = roomy_hub();
    let mut probes: Vec<_> = [&["a/1"][..], &["*"], &["a/{x}"], &["b"], &["b/{x}"], &["b", "a/1"]]
        .into_iter()
        .map(|selectors| live(&hub, selectors))
        .collect();
    assert!(probes.iter_mut().all(|probe| probe.poll().is_none()));
    publish(&hub, "a/1", "x");
    assert_eq!(probes.iter().map(Probe::wakes).collect::<Vec<_>>(), [1, 1, 1, 0, 0, 1]);
}

#[test]
fn one_that_is_behind_is_not_woken_again() {
    let hub = roomy_hub();
    let mut probe = live(&hub, &["a", "b"]);
    assert!(probe.poll().is_none());
    for _ in 0..10 {
        hub.publish(about(&["a", "b"], "x")).now().unwrap();
    }
    assert_eq!(probe.wakes(), 1);
    assert_eq!(probe.drain().len(), 10);
    publish(&hub, "b", "x");
    assert_eq!(probe.wakes(), 2);
}

#[test]
fn one_that_does_not_wait_is_not_woken() {
    let hub = roomy_hub();
    let mut probe = live(&hub, &["a"]);
    publish(&hub, "a", "1");
    assert_eq!((probe.wakes(), probe.drain()), (0, updates(&["1"])));
}

#[test]
fn several_updates_at_once_wake_each_subscriber_once() {
    let hub = roomy_hub();
    let mut probe = live(&hub, &["a"]);
    assert!(probe.poll().is_none());
    hub.publish_all((0..10).map(|n| Update::new("a", n.to_string()))).now();
    assert_eq!(probe.wakes(), 1);
}

/// Notes how far the hub is when it is woken.
#[derive(Debug)]
struct Progress(Hub, Mutex<Vec<u64>>);

impl Wake for Progress {
    fn wake(self: Arc<Self>) {
        self.1.lock().unwrap().push(self.0.stats().published);
    }
}

/// The lock was held from the first update to the last, and nobody was woken before.
#[test]
fn a_long_publish_lets_others_in_between() {
    let hub = roomy_hub();
    let mut probe = live(&hub, &["a"]);
    let progress = Arc::new(Progress(hub.clone(), Mutex::default()));
    let waker = Waker::from(Arc::clone(&progress));
    assert!(probe.subscription.poll_delivery(&mut Context::from_waker(&waker)).is_pending());
    hub.publish_all((0..1_000).map(|n| Update::new("a", n.to_string()))).now();
    let seen = progress.1.lock().unwrap().clone();
    assert!(matches!(seen[..], [1..=500]), "{seen:?}");
    assert_eq!(probe.drain().len(), 1_000);
}

#[test]
fn the_last_waker_counts() {
    let hub = roomy_hub();
    let mut first = live(&hub, &["a"]);
    assert!(first.poll().is_none());
    // The subscription moves to another task.
    let mut second = Probe::new(first.subscription);
    assert!(second.poll().is_none());
    publish(&hub, "a", "x");
    assert_eq!(second.wakes(), 1);
}

#[tokio::test]
async fn one_that_waits_gets_the_next_update() {
    let hub = roomy_hub();
    let mut subscription = hub.subscribe(subscriber(&["a"]), Start::Live).now().unwrap();
    let waiting = tokio::spawn(async move { subscription.next().await });
    tokio::task::yield_now().await;
    publish(&hub, "b", "1");
    publish(&hub, "a", "2");
    let Delivery::Updates(updates) = waiting.await.unwrap() else { panic!("one is owed") };
    assert_eq!(updates[0].position.seq, 2);
}

/// Cancel safety: what a dropped `next` did not return is still owed.
#[tokio::test]
async fn a_wait_that_is_given_up_loses_nothing() {
    let hub = roomy_hub();
    let mut subscription = hub.subscribe(subscriber(&["a"]), Start::Live).now().unwrap();
    tokio::select! {
        biased;
        _ = subscription.next() => panic!("nothing was published"),
        () = std::future::ready(()) => {}
    }
    publish(&hub, "a", "1");
    assert!(matches!(subscription.next().await, Delivery::Updates(updates) if updates.len() == 1));
}

/// A waker that owns a subscription of the same hub, as a task's waker owns the task's future.
struct Owner(#[expect(dead_code, reason = "held to be dropped")] Subscription);

impl Wake for Owner {
    fn wake(self: Arc<Self>) {}
}

/// A waker's last reference may be the hub's: to drop it under the hub's lock would lock it twice.
#[test]
fn a_waker_that_owns_a_subscription_may_be_dropped_by_the_hub() {
    without_deadlock(|| {
        let hub = roomy_hub();
        let mut probe = live(&hub, &["a"]);
        // Replaced by another waker, taken by an update, left behind by the subscription's end.
        wait_as_owner(&hub, &mut probe);
        wait_as_owner(&hub, &mut probe);
        publish(&hub, "a", "x");
        assert_eq!(probe.drain().len(), 1);
        wait_as_owner(&hub, &mut probe);
        drop(probe);
        assert_eq!(hub.stats().subscribers, 0);
    });
}

fn wait_as_owner(hub: &Hub, probe: &mut Probe) {
    let owned = hub.subscribe(subscriber(&["b"]), Start::Live).now().unwrap();
    let waker = Waker::from(Arc::new(Owner(owned)));
    assert!(probe.subscription.poll_delivery(&mut Context::from_waker(&waker)).is_pending());
}
