//! What things cost, without a clock: in allocations, in bytes kept and in subscribers woken. That no more than the
//! nodes of a topic are touched is a test of the index (`src/index.rs`), where it can be seen.

use tidings_hub::{Hub, Start, Update};

use crate::allocation::{Allocated, allocated};
use crate::fixture::{
    Probe, about, earliest, event_id, hub_of, live, publish, roomy_hub, subscriber,
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
            hub.publish(update).unwrap();
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
            hub.publish(update).unwrap();
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
                probes.push(hub.subscribe(subscriber(&[selector]), Start::Live).unwrap());
            }
            probes
        });
        let each = live_bytes.cast_unsigned() / HOW_MANY;
        assert!(each < 700, "{each} bytes for each subscriber to {selector:?}");
        drop(probes);
    }
}

/// The update with this number.
type Shape = fn(usize) -> Update;

/// The retention's bytes are bytes of memory: what is counted is at least what is kept, and not much more.
#[test]
fn the_log_counts_at_least_the_memory_that_it_keeps() {
    let shapes: [(&str, Shape); 6] = [
        ("one topic", |_| Update::new("a", "x")),
        ("large", |_| Update::new("a", "x".repeat(5_000))),
        ("a topic each", |n| Update::new(format!("topic/{n}"), "x")),
        ("three topics each", |n| {
            about(&[&format!("a/{n}"), &format!("b/{n}"), &format!("c/{n}")], "x")
        }),
        ("an own id each", |n| Update::new("a", "x").with_id(event_id(&n.to_string()))),
        ("a key each", |n| Update::new("a", "x").with_idempotency_key(n.to_string())),
    ];
    for (shape, update) in shapes {
        // Tables grow by doubling: some sizes have just enough, some have the most to spare.
        for how_many in [1_000, 1_050, 1_800, 2_000, 7_500, 8_200] {
            let hub = roomy_hub();
            let ((), Allocated { live_bytes, .. }) = allocated(|| {
                for n in 0..how_many {
                    hub.publish(update(n)).unwrap();
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
