//! A publish that is repeated with its key is in the log once.

use std::time::Duration;

use tidings_hub::{PublishError, Update};
use tidings_wire::EventType;

use crate::fixture::{Now, event_id, hub_of, live, publish, roomy_hub, updates};

fn keyed() -> Update {
    Update::new("a", "1").with_idempotency_key("key")
}

#[test]
fn a_repeated_publish_answers_the_first_ones_receipt() {
    let hub = roomy_hub();
    let mut probe = live(&hub, &["a"]);
    let first = hub.publish(keyed()).now().unwrap();
    publish(&hub, "a", "2");
    let again = hub.publish(keyed()).now().unwrap();
    assert_eq!((&again.id, again.position), (&first.id, first.position));
    assert_eq!((first.repeated, again.repeated), (false, true));
    assert_eq!(probe.drain(), updates(&["1", "2"]));
    assert_eq!(hub.stats().published, 2);
}

#[test]
fn the_first_ones_own_id_is_answered() {
    let hub = roomy_hub();
    let update = keyed().with_id(event_id("mine"));
    hub.publish(update.clone()).now().unwrap();
    assert_eq!(hub.publish(update).now().unwrap().id, event_id("mine"));
}

#[test]
fn a_key_with_another_update_is_refused() {
    let hub = roomy_hub();
    hub.publish(keyed()).now().unwrap();
    let before = hub.stats();
    let others = [
        Update { data: "2".into(), ..keyed() },
        Update { topics: vec!["b".into()], ..keyed() },
        Update { topics: vec!["a".into(), "b".into()], ..keyed() },
        Update { private: true, ..keyed() },
        Update { event_type: Some(EventType::new("t").unwrap()), ..keyed() },
        Update { id: Some(event_id("mine")), ..keyed() },
        Update { retry: Some(Duration::from_secs(1)), ..keyed() },
    ];
    for other in others {
        assert_eq!(hub.publish(other.clone()).now(), Err(PublishError::KeyReused), "{other:?}");
    }
    assert_eq!(hub.stats(), before);
}

#[test]
fn equal_updates_without_a_key_are_two() {
    let hub = roomy_hub();
    let mut probe = live(&hub, &["a"]);
    publish(&hub, "a", "1");
    publish(&hub, "a", "1");
    assert_eq!(probe.drain(), updates(&["1", "1"]));
}

#[test]
fn a_key_is_free_again_when_its_update_has_left_the_log() {
    let hub = hub_of(1);
    hub.publish(keyed()).now().unwrap();
    publish(&hub, "a", "x");
    let other = Update { data: "2".into(), ..keyed() };
    assert!(!hub.publish(other).now().unwrap().repeated);
}
