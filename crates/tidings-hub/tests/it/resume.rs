//! A subscriber that comes back with the last id it saw gets every later matching update once.

use std::sync::Arc;

use tidings_hub::{
    Delivery, Epoch, Gap, Hub, IdScope, LoggedUpdate, Position, Resume, Start, Update,
};

use crate::fixture::{
    Now, Probe, Seen, after, earliest, event_id, granted, hub, hub_of, live, publish, roomy_hub,
    subscriber, updates,
};

#[test]
fn a_resume_after_any_update_gets_every_later_one() {
    let hub = roomy_hub();
    let data: Vec<String> = (1..=10).map(|n| n.to_string()).collect();
    let data: Vec<&str> = data.iter().map(String::as_str).collect();
    let ids: Vec<_> = data.iter().map(|data| publish(&hub, "a", data).id).collect();
    publish(&hub, "other", "x");
    for (seen, id) in ids.iter().enumerate() {
        let mut probe = after(&hub, id, &["a"]);
        assert_eq!(probe.subscription.resume(), Resume::Complete);
        assert_eq!(probe.drain(), updates(&data[seen + 1..]), "after {id}");
    }
}

#[test]
fn a_resume_goes_on_live() {
    let hub = roomy_hub();
    let id = publish(&hub, "a", "1").id;
    publish(&hub, "a", "2");
    let mut probe = after(&hub, id, &["a"]);
    publish(&hub, "a", "3");
    assert_eq!(probe.drain(), updates(&["2", "3"]));
    publish(&hub, "a", "4");
    assert_eq!(probe.drain(), updates(&["4"]));
}

#[test]
fn the_place_before_the_first_update_is_a_place_to_resume_from() {
    let hub = roomy_hub();
    let before = Position { epoch: hub.epoch(), seq: 0 };
    let mut early = after(&hub, before, &["a"]);
    assert_eq!(early.subscription.resume(), Resume::Complete);
    publish(&hub, "a", "1");
    assert_eq!(early.drain(), updates(&["1"]));
    assert_eq!(after(&hub, before, &["a"]).drain(), updates(&["1"]));
}

#[test]
fn a_resume_by_the_publishers_own_id_finds_it() {
    let hub = roomy_hub();
    hub.publish(Update::new("a", "1").with_id(event_id("mine"))).now().unwrap();
    publish(&hub, "a", "2");
    let mut probe = after(&hub, "mine", &["a"]);
    assert_eq!(probe.subscription.resume(), Resume::Complete);
    assert_eq!(probe.drain(), updates(&["2"]));
}

/// An update with an id that is looked for on its topic.
fn on_topic(topic: &str, id: &str, data: &str) -> Update {
    Update { id_scope: IdScope::Topic, ..Update::new(topic, data).with_id(event_id(id)) }
}

fn after_on_topic(hub: &Hub, id: &str, selectors: &[&str]) -> Probe {
    Probe::open(hub, subscriber(selectors), Start::AfterOnTopic(id.to_owned()))
}

/// A relayed stream that began anew has the same ids again, and so have other streams.
#[test]
fn an_id_on_its_topic_means_the_newest_update_there_that_has_it() {
    let hub = roomy_hub();
    for (topic, id, data) in
        [("a", "1", "old"), ("b", "1", "b's"), ("a", "2", "2"), ("a", "1", "new"), ("b", "2", "x")]
    {
        hub.publish(on_topic(topic, id, data)).now().unwrap();
    }
    publish(&hub, "a", "last");
    assert_eq!(after_on_topic(&hub, "1", &["a"]).drain(), updates(&["last"]));
    assert_eq!(after_on_topic(&hub, "2", &["a"]).drain(), updates(&["new", "last"]));
    assert_eq!(after_on_topic(&hub, "1", &["b"]).drain(), updates(&["x"]));
    // Nobody else's ids are mixed with them.
    assert_eq!(after_on_topic(&hub, "1", &["c"]).subscription.resume(), Resume::Unknown);
    assert_eq!(after(&hub, "1", &["c"]).subscription.resume(), Resume::Unknown);
    // Where an id is not known in one scope it is looked for in the other; of several topics' the oldest loses nothing.
    assert_eq!(after(&hub, "1", &["a"]).drain(), updates(&["last"]));
    assert_eq!(after(&hub, "1", &["a", "b"]).drain(), updates(&["2", "new", "x", "last"]));
    hub.publish(Update::new("a", "mine").with_id(event_id("own"))).now().unwrap();
    publish(&hub, "a", "end");
    assert_eq!(after_on_topic(&hub, "own", &["a"]).drain(), updates(&["end"]));
    hub.publish(Update::new("a", "hub's").with_id(event_id("1"))).now().unwrap();
    assert_eq!(after(&hub, "1", &["a"]).drain(), []);
    assert_eq!(after_on_topic(&hub, "1", &["a"]).drain().len(), 4);
    // A position is one wherever it is said.
    let place = hub.newest().to_string();
    assert_eq!(after_on_topic(&hub, &place, &["a"]).subscription.resume(), Resume::Complete);
}

#[test]
fn an_id_on_its_topic_is_forgotten_with_its_update() {
    let hub = hub_of(2);
    hub.publish(on_topic("a", "1", "first")).now().unwrap();
    hub.publish(on_topic("a", "1", "second")).now().unwrap();
    assert_eq!(hub.newest_topic_id("a"), Some(event_id("1")));
    publish(&hub, "b", "x");
    assert_eq!(after_on_topic(&hub, "1", &["a"]).subscription.resume(), Resume::Complete);
    publish(&hub, "b", "x");
    assert_eq!(after_on_topic(&hub, "1", &["a"]).subscription.resume(), Resume::Unknown);
    assert_eq!(hub.newest_topic_id("a"), None);
}

#[test]
fn the_newest_id_of_a_topic_is_that_of_its_newest_update_with_one() {
    let hub = roomy_hub();
    assert_eq!(hub.newest_topic_id("a"), None);
    for id in ["1", "2"] {
        hub.publish(on_topic("a", id, "x")).now().unwrap();
    }
    hub.publish(Update::new("a", "x").with_id(event_id("own"))).now().unwrap();
    publish(&hub, "a", "x");
    hub.publish(on_topic("b", "3", "x")).now().unwrap();
    assert_eq!(hub.newest_topic_id("a"), Some(event_id("2")));
}

/// Mercure REC-3: to resume too early doubles some, to resume too late would lose them.
#[test]
fn of_equal_ids_a_resume_takes_the_oldest() {
    let hub = hub_of(4);
    for data in ["1", "2", "3"] {
        hub.publish(Update::new("a", data).with_id(event_id("same"))).now().unwrap();
    }
    assert_eq!(after(&hub, "same", &["a"]).drain(), updates(&["2", "3"]));
    // When the oldest has left the log, the next one counts.
    publish(&hub, "a", "4");
    publish(&hub, "a", "5");
    assert_eq!(after(&hub, "same", &["a"]).drain(), updates(&["3", "4", "5"]));
    for data in ["6", "7"] {
        publish(&hub, "a", data);
    }
    assert_eq!(after(&hub, "same", &["a"]).subscription.resume(), Resume::Unknown);
}

#[test]
fn the_id_of_an_update_on_another_topic_is_a_place_too() {
    let hub = roomy_hub();
    publish(&hub, "a", "1");
    let id = publish(&hub, "secret", "x").id;
    publish(&hub, "a", "2");
    assert_eq!(after(&hub, id, &["a"]).drain(), updates(&["2"]));
}

#[test]
fn an_empty_own_id_is_none_for_it_would_reset_the_place_of_every_browser() {
    let hub = roomy_hub();
    let receipt = hub.publish(Update::new("a", "1").with_id(event_id(""))).now().unwrap();
    assert_eq!(receipt.id.as_str(), receipt.position.to_string());
}

#[test]
fn a_position_of_another_epoch_is_told_as_a_gap_and_gets_all_that_is_retained() {
    let hub = roomy_hub();
    publish(&hub, "a", "1");
    publish(&hub, "a", "2");
    let epoch: Epoch = "abcdefgh".parse().unwrap();
    let foreign = Position { epoch, seq: 1 };
    let mut probe = after(&hub, foreign, &["a"]);
    assert_eq!(probe.subscription.resume(), Resume::Unknown);
    let gap = Gap {
        last_event_id: Some(foreign.to_string()),
        before: Position { epoch: hub.epoch(), seq: 0 },
        missed: None,
    };
    let expected: Vec<_> = [Seen::Gap(gap)].into_iter().chain(updates(&["1", "2"])).collect();
    assert_eq!(probe.drain(), expected);
}

#[test]
fn an_unknown_id_is_told_as_a_gap_and_gets_all_that_is_retained() {
    let hub = hub_of(1);
    publish(&hub, "a", "1");
    publish(&hub, "a", "2");
    for id in ["never", "", "#", "#-1", "#abcdefgh", "#abcdefgh-", "\u{0}"] {
        let mut probe = after(&hub, id, &["a"]);
        assert_eq!(probe.subscription.resume(), Resume::Unknown, "{id:?}");
        let gap = Gap {
            last_event_id: Some(id.to_owned()),
            before: Position { epoch: hub.epoch(), seq: 1 },
            missed: None,
        };
        let expected: Vec<_> = [Seen::Gap(gap)].into_iter().chain(updates(&["2"])).collect();
        assert_eq!(probe.drain(), expected, "{id:?}");
    }
}

#[test]
fn a_future_position_is_told_as_a_gap_and_goes_on_live() {
    let hub = roomy_hub();
    publish(&hub, "a", "1");
    for seq in [2, 3, u64::MAX] {
        let future = Position { epoch: hub.epoch(), seq };
        let mut probe = after(&hub, future, &["a"]);
        assert_eq!(probe.subscription.resume(), Resume::Unknown);
        let gap = Gap {
            last_event_id: Some(future.to_string()),
            before: Position { epoch: hub.epoch(), seq: 1 },
            missed: None,
        };
        assert_eq!(probe.drain(), [Seen::Gap(gap)]);
    }
}

#[test]
fn one_without_an_id_gets_what_comes_next_or_everything() {
    let hub = roomy_hub();
    publish(&hub, "a", "1");
    let mut next = live(&hub, &["a"]);
    let mut all = earliest(&hub, &["a"]);
    assert_eq!(next.subscription.resume(), Resume::Live);
    assert_eq!(all.subscription.resume(), Resume::Earliest);
    publish(&hub, "a", "2");
    assert_eq!(next.drain(), updates(&["2"]));
    assert_eq!(all.drain(), updates(&["1", "2"]));
    assert_eq!(earliest(&roomy_hub(), &["a"]).drain(), []);
}

#[test]
fn a_template_nobody_asked_for_before_finds_what_is_retained() {
    let hub = roomy_hub();
    publish(&hub, "a/1", "1");
    publish(&hub, "b/1", "2");
    publish(&hub, "a/2", "3");
    let first = earliest(&hub, &["a/{x}"]).drain();
    assert_eq!(first, updates(&["1", "3"]));
    // It is forgotten with its last subscriber, and found again with the next.
    publish(&hub, "a/1", "4");
    assert_eq!(earliest(&hub, &["a/{x}"]).drain(), updates(&["1", "3", "4"]));
    assert_eq!(earliest(&hub, &["{x}/1"]).drain(), updates(&["1", "2", "4"]));
}

/// Guarantee 3, as a client lives it: read some, break off anywhere, come back, and again.
#[tokio::test]
async fn a_subscriber_that_breaks_off_anywhere_loses_and_doubles_nothing() {
    let hub = roomy_hub();
    let mut start = Start::Earliest;
    let mut seen = Vec::new();
    for round in 0..50_u64 {
        let mut subscription = hub.subscribe(subscriber(&["a", "b/{x}"]), start).now().unwrap();
        for n in 0..3 {
            publish(&hub, if n == 1 { "b/1" } else { "a" }, &(round * 3 + n).to_string());
        }
        let Delivery::Updates(updates) = subscription.next().await else {
            panic!("nothing is lost")
        };
        // The client vanishes in the midst of the delivery.
        let taken = &updates[..=fastrand::usize(..updates.len())];
        seen.extend(taken.iter().map(|update| update.position.seq));
        start = Start::After(taken[taken.len() - 1].id.to_string());
    }
    assert!(seen.is_sorted_by(|a, b| a + 1 == *b), "{seen:?}");
    drop(hub);
}

#[test]
fn two_hubs_have_two_epochs() {
    assert_ne!(roomy_hub().epoch(), hub(tidings_hub::HubConfig::default()).epoch());
}

/// What comes next for someone who asks for everything on a topic.
fn first_read(hub: &Hub, grants: &[&str]) -> Arc<[Arc<LoggedUpdate>]> {
    let mut probe = Probe::open(hub, granted(&["a"], grants), Start::Earliest);
    let Some(Delivery::Updates(updates)) = probe.poll() else { panic!("some are owed") };
    updates
}

#[test]
fn those_who_come_back_to_the_same_place_share_one_read() {
    let hub = roomy_hub();
    for n in 0..10 {
        publish(&hub, "a", &n.to_string());
    }
    let first = first_read(&hub, &[]);
    assert!(Arc::ptr_eq(&first, &first_read(&hub, &["a"])), "nothing in it is private");
    publish(&hub, "a", "10");
    assert_eq!(first_read(&hub, &[]).len(), 11, "the log has grown");
    hub.publish(Update::new("a", "11").private()).now().unwrap();
    assert_eq!(first_read(&hub, &[]).len(), 11, "not for everybody");
    assert_eq!(first_read(&hub, &["a"]).len(), 12);
    assert_eq!(first_read(&hub, &[]).len(), 11, "nor shared with anybody");
}
