//! What a subscriber was owed and the log no longer has is told, and nothing else is.

use std::time::Duration;

use tidings_hub::{Gap, Hub, HubConfig, Position, Resume, Retention, Start, Update};

use crate::fixture::{
    Now, Probe, ROOMY, Seen, after, earliest, granted, hub, hub_of, live, publish, updates,
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
fn one_that_was_told_and_is_owed_nothing_more_is_not_told_again() {
    let hub = hub_of(2);
    let mut probe = live(&hub, &["a"]);
    publish(&hub, "a", "lost");
    for _ in 0..2 {
        publish(&hub, "b", "x");
    }
    // Only the gap is read; then everything else leaves the log too.
    assert!(matches!(probe.poll(), Some(tidings_hub::Delivery::Gap(_))));
    for _ in 0..5 {
        publish(&hub, "b", "x");
    }
    assert_eq!(probe.drain(), []);
}

#[test]
fn an_update_that_a_subscriber_may_not_receive_leaves_no_gap() {
    let hub = hub_of(70);
    let mut fresh = earliest(&hub, &["a"]);
    for n in 0..64 {
        publish(&hub, "a", &n.to_string());
    }
    for _ in 0..6 {
        hub.publish(Update::new("a", "secret").private()).now().unwrap();
    }
    // A replay whose first match is private, and a read that stopped just before one.
    let last_public = Position { epoch: hub.epoch(), seq: 64 };
    let mut resumed = after(&hub, last_public, &["a"]);
    assert!(fresh.poll().is_some());
    for _ in 0..70 {
        publish(&hub, "b", "x");
    }
    assert_eq!(fresh.drain(), []);
    assert_eq!(resumed.drain(), []);
    // One with the grant was owed them.
    let mut granted = Probe::open(&hub, granted(&["b", "c"], &["*"]), Start::Live);
    hub.publish(Update::new("c", "secret").private()).now().unwrap();
    for _ in 0..70 {
        publish(&hub, "x", "x");
    }
    assert_eq!(granted.drain(), [gap(&hub, None, 141, Some(1))]);
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
fn a_gap_that_grew_before_it_was_read_is_told_as_one() {
    let hub = hub_of(2);
    let first = publish(&hub, "a", "1").id;
    for data in ["2", "3", "4"] {
        publish(&hub, "a", data);
    }
    let mut partial = after(&hub, &first, &["a"]);
    let mut unknown = after(&hub, "never", &["a"]);
    for data in ["5", "6", "7"] {
        publish(&hub, "a", data);
    }
    let told = gap(&hub, Some(first.as_str()), 5, Some(4));
    assert_eq!(partial.drain(), gap_then(told, &["6", "7"]));
    let told = gap(&hub, Some("never"), 5, None);
    assert_eq!(unknown.drain(), gap_then(told, &["6", "7"]));
}

#[test]
fn to_resume_from_where_a_gap_ended_meets_no_gap() {
    let hub = hub_of(2);
    let mut quiet = after(&hub, "never", &["a"]);
    for _ in 0..9 {
        publish(&hub, "b", "x");
    }
    publish(&hub, "a", "1");
    let seen = quiet.drain();
    let Some(Seen::Gap(gap)) = seen.first() else { panic!("an unknown id is told: {seen:?}") };
    let mut resumed = after(&hub, gap.before, &["a"]);
    assert_eq!(resumed.subscription.resume(), Resume::Complete);
    assert_eq!(resumed.drain(), updates(&["1"]));
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
