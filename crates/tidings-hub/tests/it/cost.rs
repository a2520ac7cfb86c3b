//! What things cost, without a clock: in allocations, in bytes kept and in subscribers woken. That no more than the
//! nodes of a topic are touched is a test of the index (`src/index.rs`), where it can be seen.

use std::task::{Context, Waker};

use tidings_hub::{Hub, IdScope, Shard, Start, Update};

use crate::allocation::{Allocated, allocated};
use crate::fixture::{
    Now, Probe, about, earliest, event_id, hub_of, live, publish, roomy_hub, subscriber,
};

/// Waits for topics that nobody publishes to, one each.
fn bystanders(hub: &Hub, how_many: usize) -> Vec<Probe> {
    let mut all: Vec<_> = (0..how_many)
        .map(|n| match n % 2 {
            0 => live(hub, &[&format!("other/{n}")]),
            _ => live(hub, &[&format!("other/{n}/{{x}}")]),
        })
        .collect();
    assert!(all.iter_mut().all(|probe| probe.poll().is_none()));
    all
}

/// What `work` allocates on a hub with a few and with very many bystanders: the same.
#[track_caller]
fn check_is_independent_of_bystanders(work: impl Fn(&Hub, &mut Probe) -> Allocated) {
    let costs = [10, 10_000].map(|how_many| {
        let hub = roomy_hub();
        let bystanders = bystanders(&hub, how_many);
        let mut probe = live(&hub, &["a/1", "a/{x}"]);
        for n in 0..100 {
            publish(&hub, &format!("a/{n}"), "data");
        }
        probe.drain();
        let cost = work(&hub, &mut probe);
        assert_eq!(bystanders.iter().map(Probe::wakes).sum::<usize>(), 0);
        cost
    });
    assert_eq!(costs[0], costs[1], "with 10 and with 10,000 bystanders");
}

#[test]
fn a_publish_costs_the_same_however_many_subscribe_to_other_topics() {
    check_is_independent_of_bystanders(|hub, probe| {
        let update = about(&["a/1", "a/2"], "data");
        let (seen, cost) = allocated(|| {
            hub.publish(update).now().unwrap();
            probe.drain().len()
        });
        assert_eq!(seen, 1);
        cost
    });
}

#[test]
fn the_first_publish_on_a_topic_costs_the_same_however_many_subscribe_to_others() {
    check_is_independent_of_bystanders(|hub, probe| {
        let update = Update::new("a/new", "data");
        let (seen, cost) = allocated(|| {
            hub.publish(update).now().unwrap();
            probe.drain().len()
        });
        assert_eq!(seen, 1);
        cost
    });
}

#[test]
fn a_replay_costs_the_same_however_many_subscribe_to_other_topics() {
    check_is_independent_of_bystanders(|hub, _| {
        let (seen, cost) = allocated(|| earliest(hub, &["a/{x}"]).drain().len());
        assert_eq!(seen, 100);
        cost
    });
}

#[test]
fn a_replay_costs_the_same_however_many_updates_on_other_topics_are_retained() {
    let costs = [10, 10_000].map(|how_many| {
        let hub = roomy_hub();
        for n in 0..how_many {
            publish(&hub, "other", &n.to_string());
        }
        publish(&hub, "a/1", "1");
        publish(&hub, "a/2", "2");
        allocated(|| earliest(&hub, &["a/1", "a/2"]).drain().len())
    });
    assert_eq!(costs[0], costs[1], "with 10 and with 10,000 updates on other topics");
}

#[test]
fn a_stuck_subscriber_costs_no_memory_however_much_is_published() {
    let hub = hub_of(10);
    let stuck = [live(&hub, &["a"]), live(&hub, &["*"]), earliest(&hub, &["{x}", "a", "b"])];
    let data = "x".repeat(10_000);
    let publish_many = || {
        for _ in 0..1_000 {
            publish(&hub, "a", &data);
        }
    };
    publish_many();
    let ((), Allocated { live_bytes, .. }) = allocated(publish_many);
    assert!(live_bytes < 1_000, "{live_bytes} bytes more after a thousand updates more");
    drop(stuck);
}

#[test]
fn a_subscriber_costs_a_few_hundred_bytes() {
    const HOW_MANY: usize = 10_000;
    let hub = roomy_hub();
    for selector in ["one/topic", "*", "one/{template}"] {
        let (probes, Allocated { live_bytes, .. }) = allocated(|| {
            let mut probes = Vec::with_capacity(HOW_MANY);
            for _ in 0..HOW_MANY {
                probes.push(hub.subscribe(subscriber(&[selector]), Start::Live).now().unwrap());
            }
            probes
        });
        let each = live_bytes.cast_unsigned() / HOW_MANY;
        assert!(each < 700, "{each} bytes for each subscriber to {selector:?}");
        drop(probes);
    }
}

/// A shard with so many subscribers to a topic that have all that was published.
fn crowd<const N: usize>(hub: &Hub, how_many: usize, selectors: [&str; N]) -> Shard<()> {
    let mut shard = Shard::new(hub.clone());
    for _ in 0..how_many {
        shard.adopt(hub.subscribe(subscriber(&selectors), Start::Live).now().unwrap(), ());
    }
    shard
}

/// Takes the shard's turn.
fn turn(shard: &mut Shard<()>) -> usize {
    let mut delivered = 0;
    if shard.poll_news(&mut Context::from_waker(Waker::noop())).is_ready() {
        while shard.deliver(100, |_, (), updates| {
            delivered += updates.len();
            updates.len()
        }) {}
    }
    delivered
}

#[test]
fn a_publish_costs_the_same_however_many_of_a_shard_subscribe_to_the_topic() {
    let costs = [10, 10_000].map(|how_many| {
        let hub = roomy_hub();
        let mut shard = crowd(&hub, how_many, ["a"]);
        // The first two find an inbox that never held any; what is needed later is there from the last time.
        [(); 5].map(|()| {
            let update = Update::new("a", "data");
            let (_, cost) = allocated(|| hub.publish(update).now().unwrap());
            assert_eq!(turn(&mut shard), how_many);
            cost
        })
    });
    assert_eq!(costs[0], costs[1], "with 10 and with 10,000 subscribers in the shard");
}

#[test]
fn a_subscriber_in_a_shard_costs_a_few_hundred_bytes() {
    const HOW_MANY: usize = 10_000;
    for selector in ["one/topic", "*", "one/{template}"] {
        let hub = roomy_hub();
        let (shard, Allocated { live_bytes, .. }) = allocated(|| crowd(&hub, HOW_MANY, [selector]));
        // It measures 643 to 707 bytes: what one alone has, its seat, and the room that tables have for more.
        let each = live_bytes.cast_unsigned() / HOW_MANY;
        assert!(each < 760, "{each} bytes for each subscriber to {selector:?}");
        drop(shard);
    }
}

#[test]
fn a_shard_that_never_has_its_turn_costs_a_bounded_amount_of_memory() {
    const MIB: isize = 1024 * 1024;
    let shapes: [(&str, Shape); 3] = [
        ("small", |_| Update::new("a", "x")),
        ("large", |_| Update::new("a", "x".repeat(10_000))),
        ("a long topic each", |n| Update::new(format!("{n:01000}"), "x")),
    ];
    for (shape, update) in shapes {
        let hub = hub_of(10);
        let shard = crowd(&hub, 10, ["*"]);
        let publish_many = |how_many| {
            for n in 0..how_many {
                hub.publish(update(n)).now().unwrap();
            }
        };
        let ((), Allocated { live_bytes, .. }) = allocated(|| publish_many(20_000));
        assert!(live_bytes < 6 * MIB, "{live_bytes} bytes after 20,000 updates, {shape}");
        let ((), Allocated { live_bytes, .. }) = allocated(|| publish_many(1_000));
        assert!(live_bytes < 1_000, "{live_bytes} bytes more after a thousand more, {shape}");
        drop(shard);
    }
}

/// The update with this number.
type Shape = fn(usize) -> Update;

/// The retention's bytes are bytes of memory: what is counted is at least what is kept, and not much more.
#[test]
fn the_log_counts_at_least_the_memory_that_it_keeps() {
    let shapes: [(&str, Shape); 7] = [
        ("one topic", |_| Update::new("a", "x")),
        ("large", |_| Update::new("a", "x".repeat(5_000))),
        ("a topic each", |n| Update::new(format!("topic/{n}"), "x")),
        ("three topics each", |n| {
            about(&[&format!("a/{n}"), &format!("b/{n}"), &format!("c/{n}")], "x")
        }),
        ("an own id each", |n| Update::new("a", "x").with_id(event_id(&n.to_string()))),
        ("an id each, on its topic", |n| Update {
            id_scope: IdScope::Topic,
            ..Update::new("a", "x").with_id(event_id(&n.to_string()))
        }),
        ("a key each", |n| Update::new("a", "x").with_idempotency_key(n.to_string())),
    ];
    for (shape, update) in shapes {
        // Tables grow by doubling: some sizes have just enough, some have the most to spare.
        for how_many in [1_000, 1_050, 1_800, 2_000, 7_500, 8_200] {
            let hub = roomy_hub();
            let ((), Allocated { live_bytes, .. }) = allocated(|| {
                for n in 0..how_many {
                    hub.publish(update(n)).now().unwrap();
                }
            });
            let (counted, kept) = (hub.stats().bytes, live_bytes.cast_unsigned());
            assert!(
                kept <= counted && counted < kept * 3 / 2,
                "{how_many} updates, {shape}: {counted} bytes counted, {kept} kept"
            );
        }
    }
}
