//! Guarantee 11: an update that is none gets a clear error and changes nothing.

use tidings_hub::{HubConfig, PublishError, Retention, Update};

use crate::fixture::{Now, ROOMY, event_id, hub, live, publish, roomy_hub, updates};

/// Room for this many bytes.
const MAX_BYTES: usize = 10_000;

fn small_hub() -> tidings_hub::Hub {
    let retention = Retention { max_bytes: MAX_BYTES, ..ROOMY.retention };
    hub(HubConfig { retention, ..ROOMY })
}

#[test]
fn an_update_without_a_topic_is_refused() {
    let hub = roomy_hub();
    assert_eq!(hub.publish(Update::default()).now(), Err(PublishError::NoTopic));
}

/// A log that writes down how many topics an update has in two bytes left out those above that.
#[test]
fn an_update_with_more_topics_than_a_log_can_count_is_refused() {
    let hub = roomy_hub();
    let with = |count: usize| {
        let topics = (0..count).map(|number| number.to_string()).collect();
        hub.publish(Update { topics, ..Update::default() }).now()
    };
    let limit = Update::MAX_TOPICS;
    assert_eq!(with(limit + 1), Err(PublishError::TooManyTopics { limit }));
    assert!(with(limit).is_ok());
}

#[test]
fn an_id_of_the_kind_that_the_hub_makes_is_refused() {
    let hub = roomy_hub();
    for id in ["#", "#x", "#abcdefgh-1"] {
        let update = Update::new("a", "x").with_id(event_id(id));
        assert_eq!(hub.publish(update).now(), Err(PublishError::ReservedId), "{id:?}");
    }
    let update = Update::new("a", "x").with_id(event_id("a#b"));
    assert!(hub.publish(update).now().is_ok());
}

#[test]
fn an_update_too_large_for_the_log_is_refused_and_pushes_nothing_out() {
    let hub = small_hub();
    publish(&hub, "a", "kept");
    let before = hub.stats();
    let long = "x".repeat(MAX_BYTES);
    let too_large = [
        Update::new("a", long.as_str()),
        Update::new(long.as_str(), "x"),
        Update::new("a", "x").with_id(event_id(&long)),
        Update::new("a", "x").with_idempotency_key(long.as_str()),
        Update {
            event_type: Some(tidings_wire::EventType::new(long.as_str()).unwrap()),
            ..Update::new("a", "x")
        },
        Update { topics: (0..MAX_BYTES).map(|n| n.to_string()).collect(), ..Update::new("a", "x") },
        // A line end is one byte here and seven in the frame.
        Update::new("a", "\n".repeat(MAX_BYTES / 4)),
    ];
    for update in too_large {
        let Err(PublishError::TooLarge { bytes, limit }) = hub.publish(update).now() else {
            panic!("the update fits")
        };
        assert!(bytes > limit && limit <= MAX_BYTES, "{bytes} bytes, limit {limit}");
    }
    assert_eq!(hub.stats(), before);
}

#[test]
fn a_refused_update_leaves_nothing_behind() {
    let hub = small_hub();
    let mut probe = live(&hub, &["*"]);
    let refused = [
        Update { topics: Vec::new(), ..Update::new("a", "x") }.with_idempotency_key("key"),
        Update::new("a", "x".repeat(MAX_BYTES)).with_idempotency_key("key"),
        Update::new("a", "x").with_id(event_id("#")).with_idempotency_key("key"),
    ];
    for update in refused {
        assert!(hub.publish(update).now().is_err());
    }
    assert_eq!((hub.stats().topics, hub.stats().updates, hub.stats().bytes), (0, 0, 0));
    let receipt = hub.publish(Update::new("a", "y").with_idempotency_key("key")).now().unwrap();
    assert_eq!((receipt.position.seq, receipt.repeated), (1, false));
    assert_eq!(probe.drain(), updates(&["y"]));
}

#[test]
fn any_text_is_a_topic() {
    let hub = roomy_hub();
    for topic in ["", " ", "*", "{", "{x}", "\u{0}", "a\r\nb", "é", "\u{10ffff}"] {
        let mut probe = live(&hub, &[topic]);
        publish(&hub, topic, "x");
        assert_eq!(probe.drain(), updates(&["x"]), "{topic:?}");
    }
}
