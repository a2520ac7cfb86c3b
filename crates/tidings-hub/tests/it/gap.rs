//! What a subscriber was owed and the log no longer has is told, and nothing else is.

use std::time::Duration;

use tidings_hub::{Gap, Hub, HubConfig, Position, Resume, Retention, Start, Update};

use crate::fixture::{
    Probe, ROOMY, Seen, after, earliest, granted, hub, hub_of, live, publish, updates,
};

/// A gap that ends before the update `before + 1`.
fn gap(hub: &Hub, last_event_id: Option<&str>, before: u64, missed: Option<u64>) -> Seen {
    Seen::Gap(Gap {
        last_event_id: last_event_id.map(str::to_owned),
        before: Position { epoch: hub.epoch(), seq: before },
        missed,
    })
}

/// A gap, and then these updates.
fn gap_then(gap: Seen, data: &[&str]) -> Vec<Seen> {
    std::iter::once(gap).chain(updates(data)).collect()
}

#[test]
fn a_subscriber_that_fell_off_the_log_is_told_once_and_goes_on() {
    let hub = hub_of(2);
    let mut probe = live(&hub, &["a"]);
    for data in ["1", "2", "3", "4", "5"] {
        publish(&hub, "a", data);
    }
    assert_eq!(probe.drain(), gap_then(gap(&hub, None, 3, Some(3)), &["4", "5"]));
    publish(&hub, "a", "6");
    assert_eq!(probe.drain(), updates(&["6"]));
    assert_eq!(hub.stats().gaps, 1);
}

#[test]
fn a_quiet_subscriber_is_told_no_gap_though_other_updates_left_the_log() {
    let hub = hub_of(2);
    let mut quiet = [
        live(&hub, &["a"]),
        live(&hub, &["{x}"]),
        earliest(&hub, &["a"]),
        after(&hub, Position { epoch: hub.epoch(), seq: 0 }, &["a", "b"]),
    ];
    for n in 0..10 {
        publish(&hub, "other/topic", &n.to_string());
    }
    publish(&hub, "a", "at last");
    for probe in &mut quiet {
        assert_eq!(probe.drain(), updates(&["at last"]));
    }
    assert_eq!(hub.stats().gaps, 0);
}

#[test]
fn a_resume_from_an_update_that_left_the_log_says_how_many_are_missing() {
    let hub = hub_of(3);
    let first = publish(&hub, "a", "1").id;
    for data in ["2", "3", "4", "5"] {
        publish(&hub, "a", data);
    }
    // Update 3 is the oldest; after 2 nothing is missing.
    let second = Position { epoch: hub.epoch(), seq: 2 };
    let mut whole = after(&hub, second, &["a"]);
    assert_eq!(whole.subscription.resume(), Resume::Complete);
    assert_eq!(whole.drain(), updates(&["3", "4", "5"]));
    let mut partial = after(&hub, &first, &["a"]);
    assert_eq!(partial.subscription.resume(), Resume::Partial);
    let told = gap(&hub, Some(first.as_str()), 2, Some(1));
    assert_eq!(partial.drain(), gap_then(told, &["3", "4", "5"]));
}

#[test]
fn a_stuck_subscriber_is_told_one_gap_however_long_it_was_stuck() {
    let hub = hub_of(10);
    let mut stuck = live(&hub, &["a"]);
    for n in 0..10_000 {
        publish(&hub, "a", &n.to_string());
    }
    let seen = stuck.drain();
    assert_eq!(seen[0], gap(&hub, None, 9_990, Some(9_990)));
    assert_eq!(seen.len(), 11);
}

#[tokio::test(start_paused = true)]
async fn updates_lost_to_age_are_told_too() {
    let retention = Retention { max_age: Some(Duration::from_secs(10)), ..ROOMY.retention };
    let hub = hub(HubConfig { retention, ..ROOMY });
    let mut probe = live(&hub, &["a"]);
    publish(&hub, "a", "1");
    tokio::time::advance(Duration::from_secs(11)).await;
    publish(&hub, "a", "2");
    assert_eq!(probe.drain(), gap_then(gap(&hub, None, 1, Some(1)), &["2"]));
}
