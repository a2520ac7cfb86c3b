//! Guarantee 6: a private update never reaches a subscriber without the grant, replays included.

use tidings_hub::{Position, Start, Subscriber, Update};

use crate::fixture::{Now, Probe, about, granted, hub_of, publish, roomy_hub, subscriber, updates};

/// Who subscribes how, and whether a private update about `a/1` and `b` reaches it (Mercure AUTH-P).
fn audience() -> Vec<(Subscriber, bool)> {
    vec![
        (subscriber(&["*"]), false),
        (subscriber(&["a/1", "b", "{x}", "a/{x}"]), false),
        (granted(&["a/1"], &["a/1"]), true),
        (granted(&["a/1"], &["*"]), true),
        (granted(&["*"], &["a/{x}"]), true),
        // The topic that is asked for and the one that is granted need not be the same.
        (granted(&["b"], &["a/1"]), true),
        (granted(&["a/{x}"], &["b"]), true),
        (granted(&["*"], &["a/2", "c", "b/{x}"]), false),
        // A grant is no subscription.
        (granted(&["c"], &["*"]), false),
    ]
}

#[test]
fn a_private_update_reaches_only_subscribers_with_a_grant() {
    let hub = roomy_hub();
    let mut probes: Vec<_> = audience()
        .into_iter()
        .map(|(subscriber, reached)| (Probe::open(&hub, subscriber, Start::Live), reached))
        .collect();
    hub.publish(about(&["a/1", "b"], "secret").private()).now().unwrap();
    for (probe, reached) in &mut probes {
        let expected = if *reached { updates(&["secret"]) } else { Vec::new() };
        assert_eq!(probe.drain(), expected, "{:?}", probe.subscription.subscriber());
    }
}

#[test]
fn a_replay_gives_private_updates_only_to_subscribers_with_a_grant() {
    let hub = roomy_hub();
    hub.publish(about(&["a/1", "b"], "secret").private()).now().unwrap();
    let start = Position { epoch: hub.epoch(), seq: 0 }.to_string();
    for start in [Start::Earliest, Start::After(start)] {
        for (subscriber, reached) in audience() {
            let mut probe = Probe::open(&hub, subscriber, start.clone());
            let expected = if reached { updates(&["secret"]) } else { Vec::new() };
            assert_eq!(probe.drain(), expected, "{:?}", probe.subscription.subscriber());
        }
    }
}

#[test]
fn public_updates_reach_those_without_a_grant_in_the_midst_of_private_ones() {
    let hub = roomy_hub();
    let mut probe = Probe::open(&hub, subscriber(&["a"]), Start::Live);
    for n in 0..10_000 {
        if n % 5_000 == 0 {
            publish(&hub, "a", &n.to_string());
        } else {
            hub.publish(Update::new("a", "secret").private()).now().unwrap();
        }
    }
    assert_eq!(probe.drain(), updates(&["0", "5000"]));
    let mut replay = Probe::open(&hub, subscriber(&["*"]), Start::Earliest);
    assert_eq!(replay.drain(), updates(&["0", "5000"]));
}

#[test]
fn a_private_update_wakes_nobody_without_a_grant() {
    let hub = hub_of(1);
    let mut without = Probe::open(&hub, subscriber(&["a"]), Start::Live);
    let mut with = Probe::open(&hub, granted(&["a"], &["a"]), Start::Live);
    assert!(without.poll().is_none() && with.poll().is_none());
    hub.publish(Update::new("a", "secret").private()).now().unwrap();
    assert_eq!((without.wakes(), with.wakes()), (0, 1));
}
