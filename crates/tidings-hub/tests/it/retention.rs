//! The log keeps what it may and lets go of the rest, whoever has not read it yet.

use std::sync::Arc;
use std::time::Duration;

use tidings_hub::{Delivery, HubConfig, Position, Resume, Retention, Update};

use crate::fixture::{
    Now, ROOMY, after, earliest, event_id, hub, hub_of, live, publish, roomy_hub, updates,
};

#[test]
fn the_oldest_updates_leave_when_there_are_too_many() {
    let hub = hub_of(2);
    for data in ["1", "2", "3"] {
        publish(&hub, "a", data);
    }
    assert_eq!(earliest(&hub, &["a"]).drain(), updates(&["2", "3"]));
    let stats = hub.stats();
    let at = |seq| Some(Position { epoch: hub.epoch(), seq });
    assert_eq!((stats.updates, stats.oldest, stats.newest), (2, at(2), at(3)));
    assert_eq!(stats.published, 3);
}

#[test]
fn the_oldest_updates_leave_when_they_are_too_large_together() {
    let max_bytes = 10_000;
    let hub = hub(HubConfig { retention: Retention { max_bytes, ..ROOMY.retention }, ..ROOMY });
    for _ in 0..100 {
        publish(&hub, "a", &"x".repeat(1_000));
        assert!(hub.stats().bytes <= max_bytes, "{} bytes", hub.stats().bytes);
    }
    assert!(hub.stats().updates >= 5, "{} updates", hub.stats().updates);
}

#[tokio::test(start_paused = true)]
async fn the_oldest_updates_leave_when_they_are_too_old() {
    let retention = Retention { max_age: Some(Duration::from_secs(10)), ..ROOMY.retention };
    let hub = hub(HubConfig { retention, ..ROOMY });
    publish(&hub, "a", "1");
    tokio::time::advance(Duration::from_secs(6)).await;
    let second = publish(&hub, "a", "2").id;
    tokio::time::advance(Duration::from_secs(6)).await;
    // Nobody published since: whoever looks sees no update that is too old.
    assert_eq!(hub.stats().updates, 1);
    assert_eq!(earliest(&hub, &["a"]).drain(), updates(&["2"]));
    assert_eq!(hub.last_event_id(), Some(second));
    tokio::time::advance(Duration::from_secs(6)).await;
    assert_eq!(hub.last_event_id(), None);
    let stats = hub.stats();
    assert_eq!((stats.updates, stats.bytes, stats.topics), (0, 0, 0));
    assert_eq!((stats.oldest, stats.newest), (None, None));
}

#[test]
fn an_evicted_update_is_freed_though_a_stuck_subscriber_never_read_it() {
    let hub = hub_of(3);
    let stuck = [live(&hub, &["a"]), live(&hub, &["*"]), earliest(&hub, &["{x}"])];
    let mut reader = live(&hub, &["a"]);
    publish(&hub, "a", "1");
    let Some(Delivery::Updates(updates)) = reader.poll() else { panic!("one is owed") };
    let update = Arc::downgrade(&updates[0]);
    drop(updates);
    assert_eq!(update.strong_count(), 1, "the log alone holds a retained update");
    for _ in 0..3 {
        publish(&hub, "a", "x");
    }
    assert_eq!(update.strong_count(), 0, "something still holds an evicted update");
    drop(stuck);
}

#[test]
fn a_stuck_subscriber_delays_nobody() {
    let hub = hub_of(3);
    let stuck = live(&hub, &["a"]);
    let mut reader = live(&hub, &["a"]);
    for n in 0..100 {
        let data = n.to_string();
        publish(&hub, "a", &data);
        assert_eq!(reader.drain(), updates(&[&data]));
    }
    drop(stuck);
}

#[test]
fn a_log_that_retains_nothing_still_tells_who_was_waiting() {
    let hub = hub_of(0);
    let mut probe = live(&hub, &["a"]);
    publish(&hub, "b", "x");
    assert!(probe.poll().is_none());
    publish(&hub, "a", "x");
    assert!(matches!(probe.poll(), Some(Delivery::Gap(_))));
    assert!(probe.poll().is_none());
}

#[test]
fn ids_and_topics_are_forgotten_with_their_updates() {
    let hub = hub_of(1);
    hub.publish(Update::new("a", "1").with_id(event_id("mine"))).now().unwrap();
    assert_eq!(hub.last_event_id(), Some(event_id("mine")));
    assert_eq!(hub.stats().topics, 1);
    let second = publish(&hub, "b", "2");
    assert_eq!(hub.last_event_id(), Some(second.id));
    assert_eq!(hub.stats().topics, 1);
    assert_eq!(after(&hub, "mine", &["a"]).subscription.resume(), Resume::Unknown);
}

#[test]
fn the_weight_of_an_update_counts_everything_that_a_publisher_chose() {
    let weigh = |update: Update| {
        let hub = roomy_hub();
        hub.publish(update).now().unwrap();
        hub.stats().bytes
    };
    let bytes = 10_000;
    let long = "x".repeat(bytes);
    let small = weigh(Update::new("a", "b"));
    assert!(weigh(Update::new("a", long.as_str())) >= small + bytes - 1);
    assert!(weigh(Update::new(long.as_str(), "b")) >= small + bytes - 1);
    assert!(weigh(Update::new("a", "b").with_idempotency_key(long.as_str())) >= small + bytes);
    // Once in the frame, once beside it.
    let own_id = weigh(Update::new("a", "b").with_id(event_id(&long)));
    assert!(own_id >= small - 20 + 2 * bytes, "{own_id} bytes");
}

#[test]
fn a_topics_name_is_weighed_once_however_many_updates_it_has() {
    let hub = hub_of(10);
    let topic = "x".repeat(10_000);
    for _ in 0..20 {
        publish(&hub, &topic, "x");
    }
    let bytes = hub.stats().bytes;
    assert!((10_000..20_000).contains(&bytes), "{bytes} bytes");
    for _ in 0..10 {
        publish(&hub, "b", "x");
    }
    let bytes = hub.stats().bytes;
    assert!(bytes < 10_000, "{bytes} bytes, a topic without updates included");
}
