//! Many subscriptions served by one task: what it is woken for, in which order its subscriptions get what, and that nothing
//! falls between the inbox and the log. Whatever may happen in whatever order is a test of the model (`model.rs`).

use std::sync::Arc;
use std::task::{Context, Wake, Waker};

use tidings_hub::{CloseReason, Delivery, Hub, Next, SeatKey, Shard, Start, Subscription};

use crate::fixture::{
    Now, Probe, ROOMY, Seen, Wakes, about, data_of, earliest, hub_of, live, publish, roomy_hub,
    subscriber, updates, without_deadlock,
};
use crate::presence;

/// A shard, and what each of its subscriptions has been given.
type Given = Shard<Vec<Seen>>;

fn seat(hub: &Hub, shard: &mut Given, selectors: &[&str]) -> SeatKey {
    shard.adopt(hub.subscribe(subscriber(selectors), Start::Live).now().unwrap(), Vec::new())
}

/// Looks for news as a task does; `false` when there are none.
fn look(shard: &mut Given, waker: &Waker) -> bool {
    shard.poll_news(&mut Context::from_waker(waker)).is_ready()
}

/// Hands over what came, all of it taken.
fn deliver(shard: &mut Given) {
    while shard.deliver(usize::MAX, |_, given, updates| {
        given.extend(updates.iter().map(|update| Seen::Update(data_of(&update.frame).to_owned())));
        updates.len()
    }) {}
}

/// One look for news, and their delivery.
fn turn(shard: &mut Given) {
    if look(shard, Waker::noop()) {
        deliver(shard);
    }
}

/// Reads once; answers whether there was something.
fn read(shard: &mut Given, seat: SeatKey) -> bool {
    let seen = match shard.read(seat) {
        Next::Delivery(Delivery::Updates(updates)) => {
            updates.iter().map(|update| Seen::Update(data_of(&update.frame).to_owned())).collect()
        }
        Next::Delivery(Delivery::Gap(gap)) => vec![Seen::Gap(gap)],
        Next::Delivery(Delivery::Closed(reason)) => vec![Seen::Closed(reason)],
        Next::Searching => Vec::new(),
        Next::UpToDate => return false,
    };
    shard.carrier(seat).unwrap().extend(seen);
    true
}

fn given(shard: &mut Given, seat: SeatKey) -> Vec<Seen> {
    std::mem::take(shard.carrier(seat).unwrap())
}

/// One that was behind had read up to the log's end, and its next read took it to be up to date: what had been published
/// in between waited in the inbox, and was skipped there as old.
#[test]
fn what_is_published_between_two_reads_is_neither_lost_nor_doubled() {
    let hub = roomy_hub();
    let mut shard = Shard::new(hub.clone());
    let subscription = earliest(&hub, &["a"]).subscription;
    publish(&hub, "a", "1");
    let seat = shard.adopt(subscription, Vec::new());
    assert_eq!(shard.take_roused(), [seat]);
    assert!(read(&mut shard, seat));
    publish(&hub, "a", "2");
    assert!(!read(&mut shard, seat), "the rest is in the inbox");
    turn(&mut shard);
    assert_eq!(given(&mut shard, seat), updates(&["1", "2"]));

    // It reads from the log what is in the inbox, too.
    let subscription = earliest(&hub, &["a"]).subscription;
    let seat = shard.adopt(subscription, Vec::new());
    publish(&hub, "a", "3");
    assert!(read(&mut shard, seat));
    turn(&mut shard);
    assert!(!read(&mut shard, seat));
    assert_eq!(given(&mut shard, seat), updates(&["1", "2", "3"]));
}

/// It was told its end as soon as the log had nothing more that it was known to be owed, whatever was in the inbox.
#[test]
fn the_end_comes_after_what_was_published_before_it_and_nothing_after_it() {
    let hub = roomy_hub();
    let mut shard = Shard::new(hub.clone());
    publish(&hub, "a", "1");
    let seat = shard.adopt(earliest(&hub, &["a"]).subscription, Vec::new());
    assert!(read(&mut shard, seat));
    publish(&hub, "a", "2");
    assert_eq!(hub.close_some(1, CloseReason::Drain), 1);
    assert!(!read(&mut shard, seat), "the rest is in the inbox");
    turn(&mut shard);
    assert_eq!(shard.take_roused(), [seat, seat]);
    assert!(read(&mut shard, seat));
    let mut expected = updates(&["1", "2"]);
    expected.push(Seen::Closed(CloseReason::Drain));
    assert_eq!(given(&mut shard, seat), expected);
    publish(&hub, "a", "3");
    turn(&mut shard);
    assert!(read(&mut shard, seat));
    assert_eq!(given(&mut shard, seat), [Seen::Closed(CloseReason::Drain)]);
}

#[test]
fn one_that_was_told_to_end_before_it_came_ends_with_what_it_is_owed() {
    let hub = roomy_hub();
    let (mut idle, behind) = (live(&hub, &["a"]), live(&hub, &["b"]));
    publish(&hub, "b", "1");
    assert_eq!(hub.close_some(2, CloseReason::Drain), 2);
    assert!(matches!(idle.poll(), Some(Delivery::Closed(_))));
    let mut shard = Shard::new(hub.clone());
    let seats = [idle, behind].map(|probe| shard.adopt(probe.subscription, Vec::new()));
    hub.publish(about(&["a", "b"], "2")).now().unwrap();
    turn(&mut shard);
    assert_eq!(shard.take_roused(), seats);
    let end = [Seen::Closed(CloseReason::Drain)];
    for seat in seats {
        while given_last(&mut shard, seat) != end.last().cloned() {
            assert!(read(&mut shard, seat));
        }
    }
    assert_eq!(given(&mut shard, seats[0]), end);
    assert_eq!(given(&mut shard, seats[1]), [&updates(&["1", "2"])[..], &end].concat());
}

fn given_last(shard: &mut Given, seat: SeatKey) -> Option<Seen> {
    shard.carrier(seat).unwrap().last().cloned()
}

/// A seat's next subscription ended with the one before.
#[test]
fn who_takes_the_seat_of_one_that_was_told_to_end_goes_on() {
    let hub = roomy_hub();
    let mut shard = Shard::new(hub.clone());
    let first = seat(&hub, &mut shard, &["a"]);
    hub.close_some(1, CloseReason::Drain);
    shard.remove(first);
    let second = seat(&hub, &mut shard, &["a"]);
    assert_eq!(first, second);
    turn(&mut shard);
    assert!(shard.take_roused().is_empty() && !shard.is_behind(second));
    publish(&hub, "a", "1");
    turn(&mut shard);
    assert_eq!(given(&mut shard, second), updates(&["1"]));
}

#[test]
fn one_may_leave_and_another_may_come_between_two_deliveries() {
    let hub = roomy_hub();
    let mut shard: Given = Shard::new(hub.clone());
    let seats = [(); 4].map(|()| seat(&hub, &mut shard, &["a"]));
    publish(&hub, "a", "1");
    assert!(look(&mut shard, Waker::noop()));
    let mut reached = Vec::new();
    assert!(shard.deliver(1, |seat, _, updates| {
        reached.push(seat);
        updates.len()
    }));
    let others: Vec<_> = seats.into_iter().filter(|seat| *seat != reached[0]).collect();
    shard.remove(others[0]).unwrap();
    shard.remove(others[1]).unwrap();
    let newcomer = seat(&hub, &mut shard, &["a"]);
    assert!(others[..2].contains(&newcomer));
    while shard.deliver(1, |seat, _, updates| {
        assert_eq!(updates.len(), 1);
        reached.push(seat);
        1
    }) {}
    assert_eq!(reached[1..], [others[2]]);
}

/// What a gap told of was noted once more from the inbox, and told as lost once more.
#[test]
fn what_a_gap_told_of_is_not_told_again() {
    let hub = hub_of(1);
    let beyond = tidings_hub::Position { epoch: hub.epoch(), seq: 9 }.to_string();
    let subscription = hub.subscribe(subscriber(&["a"]), Start::After(beyond)).now().unwrap();
    let mut shard = Shard::new(hub.clone());
    let seat = shard.adopt(subscription, Vec::new());
    for data in ["1", "2", "3"] {
        publish(&hub, "a", data);
    }
    assert!(read(&mut shard, seat));
    turn(&mut shard);
    while read(&mut shard, seat) {}
    let seen = given(&mut shard, seat);
    assert!(matches!(&seen[0], Seen::Gap(gap) if gap.before.seq == 2), "{seen:?}");
    assert_eq!(seen[1..], updates(&["3"]));
    assert_eq!(hub.stats().gaps, 1);
}

#[test]
fn updates_that_have_left_the_log_since_are_handed_over_all_the_same() {
    let hub = hub_of(1);
    let mut shard = Shard::new(hub.clone());
    let seat = seat(&hub, &mut shard, &["a"]);
    for data in ["1", "2", "3"] {
        publish(&hub, "a", data);
    }
    turn(&mut shard);
    assert_eq!(given(&mut shard, seat), updates(&["1", "2", "3"]));
    assert_eq!(hub.stats().gaps, 0);
}

#[test]
fn the_task_is_woken_once_until_it_looks_again() {
    let hub = roomy_hub();
    let mut shard = Shard::new(hub.clone());
    for _ in 0..10 {
        seat(&hub, &mut shard, &["a", "*"]);
    }
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    publish(&hub, "a", "before it waits");
    assert!(look(&mut shard, &waker));
    deliver(&mut shard);
    assert_eq!(wakes.count(), 0);
    assert!(!look(&mut shard, &waker) && !look(&mut shard, &waker));
    for _ in 0..5 {
        publish(&hub, "a", "x");
    }
    assert_eq!(hub.close_some(3, CloseReason::Drain), 3);
    assert_eq!(wakes.count(), 1);
    assert!(look(&mut shard, &waker));
    deliver(&mut shard);
    // It does not wait yet.
    publish(&hub, "a", "x");
    assert_eq!(wakes.count(), 1);
    assert!(look(&mut shard, &waker));
    deliver(&mut shard);
    assert!(!look(&mut shard, &waker));
    hub.close_some(1, CloseReason::Drain);
    assert_eq!(wakes.count(), 2);
}

#[test]
fn the_task_is_not_woken_for_what_nobody_in_its_shard_asked_for() {
    let hub = roomy_hub();
    let (mut shard, mut other) = (Shard::new(hub.clone()), Shard::new(hub.clone()));
    seat(&hub, &mut shard, &["a/{x}"]);
    let left = seat(&hub, &mut shard, &["b"]);
    seat(&hub, &mut other, &["b"]);
    shard.remove(left);
    let wakes = [(); 2].map(|()| Arc::new(Wakes::default()));
    let wakers = wakes.clone().map(Waker::from);
    assert!(!look(&mut shard, &wakers[0]) && !look(&mut other, &wakers[1]));
    publish(&hub, "b", "x");
    assert_eq!(wakes.each_ref().map(|wakes| wakes.count()), [0, 1]);
}

#[test]
fn a_shard_is_caught_up_only_when_all_that_came_is_handed_over() {
    let hub = roomy_hub();
    let mut shard = Shard::new(hub.clone());
    let caught_up = |shard: &Given| shard.caught_up().map(|position| position.seq);
    seat(&hub, &mut shard, &["a"]);
    let slow = seat(&hub, &mut shard, &["a"]);
    assert_eq!(caught_up(&shard), Some(0));
    publish(&hub, "other", "x");
    assert_eq!(caught_up(&shard), Some(1), "it is for nobody");
    publish(&hub, "a", "1");
    assert_eq!(caught_up(&shard), None, "it waits in the inbox");
    assert!(look(&mut shard, Waker::noop()));
    assert_eq!(caught_up(&shard), None, "it was taken out of the inbox");
    let take = |shard: &mut Given| {
        shard.deliver(1, |seat, _, updates| if seat == slow { 0 } else { updates.len() })
    };
    assert!(take(&mut shard));
    assert_eq!(caught_up(&shard), None, "one has it, one has not");
    assert!(!take(&mut shard), "nothing is left");
    assert_eq!(caught_up(&shard), Some(2));
    assert!(shard.is_behind(slow), "for this one it says nothing");
}

/// A waker that owns a subscription of the same hub, as a task's waker owns the task's future.
struct Owner(#[expect(dead_code, reason = "held to be dropped")] Subscription);

impl Wake for Owner {
    fn wake(self: Arc<Self>) {}
}

impl Owner {
    fn waker(hub: &Hub) -> Waker {
        Waker::from(Arc::new(Self(hub.subscribe(subscriber(&["b"]), Start::Live).now().unwrap())))
    }
}

/// A subscription's waker was dropped under the hub's lock when a shard took it in, and a task's waker under the inbox's when
/// another took its place. What such a waker owned, left the hub, which locked it a second time.
#[test]
fn a_waker_that_owns_a_subscription_may_be_dropped_by_the_shard() {
    without_deadlock(|| {
        let hub = presence::hub(ROOMY);
        let mut probe = live(&hub, &["*"]);
        let waker = Owner::waker(&hub);
        probe.drain();
        assert!(probe.subscription.poll_delivery(&mut Context::from_waker(&waker)).is_pending());
        drop(waker);
        let mut shard: Given = Shard::new(hub.clone());
        shard.adopt(probe.subscription, Vec::new());
        assert_eq!(hub.stats().subscribers, 1);

        let wakers = [(); 2].map(|()| Owner::waker(&hub));
        turn(&mut shard);
        for waker in wakers {
            assert!(!look(&mut shard, &waker));
        }
        // The first one left as the second took its place, and that woke the second.
        assert_eq!(hub.stats().subscribers, 1);
        turn(&mut shard);
        drop(shard);
        assert_eq!(hub.stats().subscribers, 0);
    });
}

#[test]
fn a_dropped_shard_ends_its_subscriptions_and_no_others() {
    let hub = roomy_hub();
    let mut shard = Shard::new(hub.clone());
    let mut alone = live(&hub, &["a"]);
    let mut other = Shard::new(hub.clone());
    seat(&hub, &mut shard, &["a", "*"]);
    let stays = seat(&hub, &mut other, &["a"]);
    drop(shard);
    assert_eq!(hub.stats().subscribers, 2);
    // Its place in the hub is another's now.
    let mut next = Shard::new(hub.clone());
    let newcomer = seat(&hub, &mut next, &["a"]);
    publish(&hub, "a", "1");
    turn(&mut other);
    turn(&mut next);
    assert_eq!(given(&mut other, stays), updates(&["1"]));
    assert_eq!(given(&mut next, newcomer), updates(&["1"]));
    assert_eq!(Probe::drain(&mut alone), updates(&["1"]));
}
