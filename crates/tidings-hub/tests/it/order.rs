//! Subscribers see what they asked for in log order, each update once.

use tidings_hub::{Delivery, Start, Update};

use crate::fixture::{
    Now, about, earliest, live, publish, roomy_hub, subscriber, updates, without_deadlock,
};

#[test]
fn subscribers_see_updates_in_log_order() {
    let hub = roomy_hub();
    let mut probe = live(&hub, &["a", "b", "c/{x}", "c/1"]);
    for (topic, data) in
        [("b", "1"), ("c/2", "2"), ("a", "3"), ("other", "4"), ("c/1", "5"), ("a", "6")]
    {
        publish(&hub, topic, data);
    }
    let expected = updates(&["1", "2", "3", "5", "6"]);
    assert_eq!(probe.drain(), expected);
    assert_eq!(earliest(&hub, &["c/1", "c/{x}", "b", "a"]).drain(), expected);
}

#[test]
fn the_order_is_the_same_however_one_asks() {
    let hub = roomy_hub();
    publish(&hub, "a/1", "1");
    publish(&hub, "a/2", "2");
    publish(&hub, "a/1", "3");
    for selectors in [
        &["*"][..],
        &["a/{id}"],
        &["a/1", "a/2"],
        &["a/2", "a/1"],
        &["a/1", "a/1", "a/2"],
        &["{+any}", "*", "a/1"],
        &["a/{id}", "{x}/1"],
    ] {
        assert_eq!(
            earliest(&hub, selectors).drain(),
            updates(&["1", "2", "3"]),
            "asked for {selectors:?}"
        );
    }
}

#[test]
fn an_update_to_several_topics_that_one_subscriber_matches_arrives_once() {
    let hub = roomy_hub();
    let selectors = ["a/1", "a/2", "a/{x}", "{y}/1", "a/1", "*"];
    // With and without `*`, which is read another way.
    let mut probes = [live(&hub, &selectors), live(&hub, &selectors[..5]), live(&hub, &["a/{x}"])];
    hub.publish(about(&["a/1", "a/2", "a/1"], "x")).now().unwrap();
    for probe in &mut probes {
        assert_eq!(probe.drain(), updates(&["x"]));
    }
    assert_eq!(earliest(&hub, &selectors).drain(), updates(&["x"]));
    assert_eq!(earliest(&hub, &selectors[..5]).drain(), updates(&["x"]));
}

#[test]
fn a_topic_named_twice_is_one_topic() {
    let hub = roomy_hub();
    let mut probe = live(&hub, &["*"]);
    hub.publish(about(&["b", "a", "b"], "x")).now().unwrap();
    let Some(Delivery::Updates(updates)) = probe.poll() else { panic!("one update is owed") };
    assert_eq!(updates[0].topics().collect::<Vec<_>>(), ["b", "a"]);
}

#[test]
fn one_that_is_far_behind_gets_everything_in_bounded_reads() {
    let hub = roomy_hub();
    let mut probes = [live(&hub, &["*"]), live(&hub, &["a"]), live(&hub, &["a", "{x}"])];
    let data: Vec<String> = (0..1_000).map(|n| n.to_string()).collect();
    for data in &data {
        publish(&hub, "a", data);
    }
    for probe in &mut probes {
        let mut seen = Vec::new();
        while let Some(Delivery::Updates(updates)) = probe.poll() {
            assert!(updates.len() <= 64, "{} updates in one read", updates.len());
            seen.extend(updates.iter().map(|update| update.position.seq));
        }
        assert_eq!(seen, (1..=1_000).collect::<Vec<u64>>());
    }
}

#[test]
fn a_read_ends_before_it_has_too_many_bytes() {
    let hub = roomy_hub();
    let mut probe = live(&hub, &["a"]);
    let data = "x".repeat(7_000);
    for _ in 0..5 {
        publish(&hub, "a", &data);
    }
    let mut reads = Vec::new();
    while let Some(Delivery::Updates(updates)) = probe.poll() {
        reads.push(updates.len());
    }
    assert_eq!(reads, [2, 2, 1]);
}

#[test]
fn an_update_between_the_replay_and_what_is_live_is_neither_lost_nor_doubled() {
    let hub = roomy_hub();
    for n in 0..100 {
        publish(&hub, "a", &n.to_string());
    }
    let mut probe = earliest(&hub, &["a"]);
    let mut seen = Vec::new();
    // One more is published whenever some of the replay has been read.
    for n in 100..110 {
        if let Some(Delivery::Updates(updates)) = probe.poll() {
            seen.extend(updates.iter().map(|update| update.position.seq));
        }
        publish(&hub, "a", &n.to_string());
    }
    while let Some(Delivery::Updates(updates)) = probe.poll() {
        seen.extend(updates.iter().map(|update| update.position.seq));
    }
    assert_eq!(seen, (1..=110).collect::<Vec<u64>>());
}

#[test]
fn a_frame_is_encoded_once_and_shared_by_all() {
    let hub = roomy_hub();
    let mut probes = [live(&hub, &["a"]), live(&hub, &["*"]), live(&hub, &["{x}"])];
    publish(&hub, "a", "x");
    let frames: Vec<_> = probes
        .iter_mut()
        .map(|probe| match probe.poll() {
            Some(Delivery::Updates(updates)) => updates[0].frame.as_ptr(),
            other => panic!("one update is owed, not {other:?}"),
        })
        .collect();
    assert!(frames.iter().all(|&frame| frame == frames[0]), "the frame was copied");
}

#[test]
fn several_published_at_once_each_have_their_own_result_and_order() {
    let hub = roomy_hub();
    let mut probe = live(&hub, &["a"]);
    let results =
        hub.publish_all([Update::new("a", "1"), Update::default(), Update::new("a", "2")]).now();
    let seqs: Vec<_> = results.iter().map(|r| r.as_ref().ok().map(|r| r.position.seq)).collect();
    assert_eq!(seqs, [Some(1), None, Some(2)]);
    assert_eq!(probe.drain(), updates(&["1", "2"]));
}

#[test]
fn what_produces_the_updates_may_use_the_hub() {
    without_deadlock(|| {
        let hub = roomy_hub();
        let updates = (0..3).map(|n| {
            publish(&hub, "made", "while producing");
            Update::new("a", n.to_string())
        });
        assert_eq!(hub.publish_all(updates).now().len(), 3);
        assert_eq!(hub.stats().published, 6);
    });
}

/// Publishers and subscribers on several threads: each subscriber has the one order that the log has.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_order_is_one_for_all_when_many_publish_at_once() {
    const PUBLISHERS: usize = 4;
    const EACH: usize = 500;
    let hub = roomy_hub();
    let readers: Vec<_> = [&["*"][..], &["t/{n}"], &["t/0", "t/1", "t/2", "t/3"]]
        .into_iter()
        .cycle()
        .take(6)
        .map(|selectors| {
            let mut subscription = hub.subscribe(subscriber(selectors), Start::Live).now().unwrap();
            tokio::spawn(async move {
                let mut seqs = Vec::new();
                while seqs.len() < PUBLISHERS * EACH {
                    match subscription.next().await {
                        Delivery::Updates(updates) => {
                            seqs.extend(updates.iter().map(|update| update.position.seq));
                        }
                        other => panic!("nothing is lost or closed: {other:?}"),
                    }
                }
                seqs
            })
        })
        .collect();
    let publishers: Vec<_> = (0..PUBLISHERS)
        .map(|publisher| {
            let hub = hub.clone();
            tokio::spawn(async move {
                for n in 0..EACH {
                    publish(&hub, &format!("t/{publisher}"), &n.to_string());
                    if n % 50 == 0 {
                        tokio::task::yield_now().await;
                    }
                }
            })
        })
        .collect();
    for publisher in publishers {
        publisher.await.unwrap();
    }
    let expected: Vec<u64> = (1..=(PUBLISHERS * EACH) as u64).collect();
    for reader in readers {
        assert_eq!(reader.await.unwrap(), expected);
    }
}

#[test]
fn a_selector_that_is_no_template_is_its_own_text() {
    let hub = roomy_hub();
    let odd = "{not a template";
    let mut probe = live(&hub, &[odd]);
    publish(&hub, "a", "no");
    publish(&hub, odd, "yes");
    assert_eq!(probe.drain(), updates(&["yes"]));
}
