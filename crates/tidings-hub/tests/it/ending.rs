//! Subscriptions that are ended at once are given nothing more, alone or in a shard, and it can be awaited that they know.

use std::task::{Context, Poll, Waker};

use tidings_hub::{CloseReason, Delivery, Ending, Hub, Next, Shard, Start, Subscriber};

use crate::fixture::{
    Now, Probe, Seen, earliest, granted, live, publish, roomy_hub, subscriber, updates,
    without_deadlock,
};

fn of(user: &str) -> Subscriber {
    Subscriber { user: Some(user.into()), ..subscriber(&["a"]) }
}

fn end(hub: &Hub, user: &str) -> Ending {
    hub.end_at_once(|subscriber| subscriber.user.as_deref() == Some(user), CloseReason::Kicked)
}

/// Whether all know of their end.
fn is_told(ending: &mut Ending) -> bool {
    let told = std::pin::pin!(ending.told());
    told.poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

/// Looks for news and hands them over, to carriers that count what they are given.
fn turn(shard: &mut Shard<usize>) -> bool {
    let is_news = shard.poll_news(&mut Context::from_waker(Waker::noop())).is_ready();
    while is_news
        && shard.deliver(1, |_, given, updates| {
            *given += updates.len();
            updates.len()
        })
    {}
    is_news
}

#[test]
fn one_that_is_ended_at_once_is_not_even_given_what_it_is_owed() {
    let hub = roomy_hub();
    let mut kicked = Probe::open(&hub, of("kicked"), Start::Live);
    let mut other = Probe::open(&hub, of("other"), Start::Live);
    publish(&hub, "a", "before");
    let mut ending = end(&hub, "kicked");
    assert_eq!(ending.count(), 1);
    publish(&hub, "a", "after");
    assert!(!is_told(&mut ending), "it has not looked");
    assert_eq!(kicked.drain(), [Seen::Closed(CloseReason::Kicked)]);
    assert!(is_told(&mut ending));
    assert_eq!(kicked.drain(), [Seen::Closed(CloseReason::Kicked)], "and so for ever");
    assert_eq!(other.drain(), updates(&["before", "after"]));
}

#[test]
fn a_replay_and_a_gap_are_not_given_either() {
    let hub = roomy_hub();
    publish(&hub, "a", "1");
    let mut replaying = earliest(&hub, &["a"]);
    let mut lost = Probe::open(&hub, subscriber(&["a"]), Start::After("gone".to_owned()));
    assert_eq!(hub.end_at_once(|_| true, CloseReason::Kicked).count(), 2);
    assert_eq!(replaying.drain(), [Seen::Closed(CloseReason::Kicked)]);
    assert_eq!(lost.drain(), [Seen::Closed(CloseReason::Kicked)]);
}

#[test]
fn in_a_shard_nothing_is_handed_over_once_it_is_told() {
    let hub = roomy_hub();
    let mut shard = Shard::new(hub.clone());
    let kicked = shard.adopt(hub.subscribe(of("kicked"), Start::Live).now().unwrap(), 0);
    let other = shard.adopt(hub.subscribe(of("other"), Start::Live).now().unwrap(), 0);
    publish(&hub, "a", "in the inbox");
    let mut ending = end(&hub, "kicked");
    publish(&hub, "a", "behind it");
    assert!(!is_told(&mut ending), "the shard has not looked");
    assert!(turn(&mut shard));
    assert!(is_told(&mut ending));
    assert_eq!(
        (shard.carrier(kicked).map(|given| *given), shard.ends_at_once(kicked)),
        (Some(0), true)
    );
    assert_eq!(
        (shard.carrier(other).map(|given| *given), shard.ends_at_once(other)),
        (Some(2), false)
    );
    assert_eq!(shard.take_roused(), [kicked]);
    publish(&hub, "a", "later");
    assert!(turn(&mut shard));
    assert_eq!(shard.carrier(kicked), Some(&mut 0));
    let Next::Delivery(Delivery::Closed(reason)) = shard.read(kicked) else { panic!("no end") };
    assert_eq!(reason, CloseReason::Kicked);
}

/// What is planned is handed over while the call waits, and it waits for that.
#[test]
fn what_a_shard_has_in_hand_is_waited_for() {
    let hub = roomy_hub();
    let mut shard = Shard::new(hub.clone());
    let seats = ["kicked", "kicked"]
        .map(|user| shard.adopt(hub.subscribe(of(user), Start::Live).now().unwrap(), 0_usize));
    publish(&hub, "a", "1");
    assert!(shard.poll_news(&mut Context::from_waker(Waker::noop())).is_ready());
    let hand_over = |shard: &mut Shard<usize>| {
        shard.deliver(1, |_, given, updates| {
            *given += updates.len();
            updates.len()
        })
    };
    assert!(hand_over(&mut shard));
    let mut ending = end(&hub, "kicked");
    assert!(!is_told(&mut ending));
    while hand_over(&mut shard) {}
    assert!(!is_told(&mut ending), "it has not looked for what is new");
    assert_eq!(seats.map(|seat| *shard.carrier(seat).unwrap()), [1, 1]);
    assert!(turn(&mut shard));
    assert!(is_told(&mut ending));
}

#[test]
fn one_in_a_shard_that_is_behind_reads_its_end_only() {
    let hub = roomy_hub();
    publish(&hub, "a", "1");
    let mut shard = Shard::new(hub.clone());
    let seat = shard.adopt(hub.subscribe(of("kicked"), Start::Earliest).now().unwrap(), 0);
    let mut ending = end(&hub, "kicked");
    // It reads before it looks for news.
    assert!(matches!(shard.read(seat), Next::Delivery(Delivery::Closed(CloseReason::Kicked))));
    assert!(is_told(&mut ending) && shard.ends_at_once(seat));
    publish(&hub, "a", "2");
    assert!(turn(&mut shard));
    assert_eq!(shard.carrier(seat), Some(&mut 0));
}

#[test]
fn one_on_its_way_to_a_shard_is_told_when_it_comes() {
    let hub = roomy_hub();
    let newcomer = hub.subscribe(of("kicked"), Start::Earliest).now().unwrap();
    let mut ending = end(&hub, "kicked");
    publish(&hub, "a", "1");
    assert!(!is_told(&mut ending));
    let mut shard = Shard::new(hub.clone());
    let seat = shard.adopt(newcomer, 0);
    assert!(is_told(&mut ending) && shard.ends_at_once(seat));
    publish(&hub, "a", "2");
    turn(&mut shard);
    assert_eq!((shard.carrier(seat).map(|given| *given), shard.take_roused().len()), (Some(0), 1));
    assert!(matches!(shard.read(seat), Next::Delivery(Delivery::Closed(CloseReason::Kicked))));
}

#[test]
fn those_that_are_gone_are_not_waited_for() {
    let hub = roomy_hub();
    let alone = Probe::open(&hub, of("kicked"), Start::Live);
    let mut shard = Shard::new(hub.clone());
    shard.adopt(hub.subscribe(of("kicked"), Start::Live).now().unwrap(), 0);
    let mut ending = end(&hub, "kicked");
    assert_eq!(ending.count(), 2);
    drop(alone);
    assert!(!is_told(&mut ending));
    drop(shard);
    assert!(is_told(&mut ending));
    assert!(is_told(&mut end(&hub, "kicked")), "there is nobody");
}

#[test]
fn one_that_drains_is_ended_all_the_same_and_each_is_counted_once() {
    let hub = roomy_hub();
    let mut probe = Probe::open(&hub, of("kicked"), Start::Live);
    publish(&hub, "a", "owed");
    assert_eq!(hub.close_some(1, CloseReason::Drain), 1);
    assert_eq!(end(&hub, "kicked").count(), 1);
    let mut again = end(&hub, "kicked");
    assert_eq!(again.count(), 0);
    assert!(!is_told(&mut again), "who asks again may rely on the answer, too");
    assert_eq!(probe.drain(), [Seen::Closed(CloseReason::Kicked)]);
    assert!(is_told(&mut again));
}

#[tokio::test]
async fn the_end_wakes_those_that_end_and_their_knowledge_whoever_waits_for_it() {
    let hub = roomy_hub();
    let mut subscription = hub.subscribe(of("kicked"), Start::Live).now().unwrap();
    let waiting = tokio::spawn(async move {
        let end = format!("{:?}", subscription.next().await);
        (end, subscription)
    });
    tokio::task::yield_now().await;
    end(&hub, "kicked").told().await;
    assert_eq!(waiting.await.unwrap().0, "Closed(Kicked)");
}

#[test]
fn of_thousands_those_that_are_chosen_end_and_whoever_chooses_may_use_the_hub() {
    without_deadlock(|| {
        let hub = roomy_hub();
        let mut probes: Vec<_> = (0..5_000)
            .map(|n| Probe::open(&hub, of(if n % 2 == 0 { "even" } else { "odd" }), Start::Live))
            .collect();
        // Places that were left are passed over.
        probes.drain(100..200);
        let mut ending = hub.end_at_once(
            |subscriber| {
                assert!(hub.stats().subscribers > 0);
                subscriber.user.as_deref() == Some("odd")
            },
            CloseReason::Kicked,
        );
        assert_eq!(ending.count(), 2_450);
        publish(&hub, "a", "1");
        let ended = probes.iter_mut().filter_map(Probe::poll);
        let ended = ended.filter(|seen| matches!(seen, Delivery::Closed(_))).count();
        assert_eq!(ended, 2_450);
        assert!(is_told(&mut ending));
    });
}

#[test]
fn a_private_update_is_not_given_to_one_that_had_the_grant_when_it_was_published() {
    let hub = roomy_hub();
    let mut shard = Shard::new(hub.clone());
    let seat = shard.adopt(hub.subscribe(granted(&["a"], &["a"]), Start::Live).now().unwrap(), 0);
    let mut alone = Probe::open(&hub, granted(&["a"], &["a"]), Start::Live);
    hub.publish(tidings_hub::Update::new("a", "secret").private()).now().unwrap();
    assert_eq!(hub.end_at_once(|_| true, CloseReason::Kicked).count(), 2);
    turn(&mut shard);
    assert_eq!(shard.carrier(seat), Some(&mut 0));
    assert_eq!(alone.drain(), [Seen::Closed(CloseReason::Kicked)]);
}

/// It was told the newest position as its place to resume from, past what it was not given.
#[test]
fn one_that_ends_at_once_is_told_no_place_to_resume_from() {
    let hub = roomy_hub();
    let probe = live(&hub, &["a"]);
    assert!(probe.subscription.caught_up().is_some());
    assert_eq!(hub.end_at_once(|_| true, CloseReason::Kicked).count(), 1);
    publish(&hub, "a", "missed");
    assert_eq!(probe.subscription.caught_up(), None);
}

#[test]
fn nothing_is_ended_that_was_not_chosen() {
    let hub = roomy_hub();
    let mut probe = live(&hub, &["a"]);
    assert_eq!(hub.end_at_once(|_| false, CloseReason::Kicked).count(), 0);
    assert!(matches!(
        probe.subscription.poll_delivery(&mut Context::from_waker(Waker::noop())),
        Poll::Pending
    ));
}
