//! Guarantee 9: limits hold, each refusal says which, and what a subscription took it gives back.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use tidings_hub::{CloseReason, Hub, Limits, Start, SubscribeError, Subscriber};

use crate::fixture::{Now, ROOMY, hub_limited, live, roomy_hub, subscriber};

const NONE: Limits = ROOMY.limits;

fn of_user(name: &str) -> Subscriber {
    Subscriber { user: Some(Arc::from(name)), ..subscriber(&["a"]) }
}

fn from_address(last: u8) -> Subscriber {
    let address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, last));
    Subscriber { address: Some(address), ..subscriber(&["a"]) }
}

fn refusal(hub: &Hub, subscriber: Subscriber) -> Option<SubscribeError> {
    hub.subscribe(subscriber, Start::Live).now().err()
}

/// One of `newcomer` fits, a second is refused with `error`, one of `other` still fits, and when the first has left
/// there is room again.
#[track_caller]
fn check(
    limits: Limits,
    newcomer: impl Fn() -> Subscriber,
    other: Option<Subscriber>,
    error: &SubscribeError,
) {
    let hub = hub_limited(limits);
    let first = hub.subscribe(newcomer(), Start::Live).now().unwrap();
    for _ in 0..3 {
        assert_eq!(refusal(&hub, newcomer()).as_ref(), Some(error));
    }
    if let Some(other) = other {
        assert_eq!(refusal(&hub, other), None);
    }
    assert_eq!(hub.stats().subscribers, 1);
    drop(first);
    for _ in 0..3 {
        assert_eq!(refusal(&hub, newcomer()), None, "the first one's place was not given back");
    }
    assert_eq!(hub.stats().subscribers, 0);
}

#[test]
fn the_hub_takes_no_more_streams_than_it_may() {
    let limits = Limits { streams: Some(1), ..NONE };
    check(limits, || subscriber(&["a"]), None, &SubscribeError::HubFull { limit: 1 });
}

#[test]
fn one_user_has_no_more_streams_than_it_may() {
    let limits = Limits { per_user: Some(1), ..NONE };
    let error = SubscribeError::UserFull { limit: 1 };
    check(limits, || of_user("ann"), Some(of_user("bob")), &error);
    check(limits, || of_user("ann"), Some(subscriber(&["a"])), &error);
}

#[test]
fn what_a_user_has_elsewhere_counts_too() {
    let hub = hub_limited(Limits { per_user: Some(3), ..NONE });
    hub.add_elsewhere([("ann".into(), 2)]);
    let first = hub.subscribe(of_user("ann"), Start::Live).now().unwrap();
    let error = SubscribeError::UserFull { limit: 3 };
    assert_eq!(refusal(&hub, of_user("ann")), Some(error.clone()));
    assert_eq!(refusal(&hub, of_user("bob")), None);
    hub.add_elsewhere([("ann".into(), -1)]);
    assert_eq!(refusal(&hub, of_user("ann")), None);
    hub.add_elsewhere([("ann".into(), 1)]);
    assert_eq!(refusal(&hub, of_user("ann")), Some(error));
    drop(first);
    assert_eq!(refusal(&hub, of_user("ann")), None);
}

#[test]
fn whose_count_has_changed_is_told_once() {
    let hub = roomy_hub();
    let first = hub.subscribe(of_user("ann"), Start::Live).now().unwrap();
    assert_eq!(hub.changed_users(), Some(vec![]), "nobody had asked yet");
    assert_eq!(hub.users(), [("ann".into(), 1)]);
    let second = hub.subscribe(of_user("ann"), Start::Live).now().unwrap();
    drop(hub.subscribe(of_user("bob"), Start::Live).now().unwrap());
    let nobody = hub.subscribe(subscriber(&["a"]), Start::Live).now().unwrap();
    let mut changed = hub.changed_users().unwrap();
    changed.sort();
    assert_eq!(changed, [("ann".into(), 2), ("bob".into(), 0)]);
    assert_eq!(hub.changed_users(), Some(vec![]));
    drop((first, second, nobody));
    assert_eq!(hub.changed_users(), Some(vec![("ann".into(), 0)]));
}

#[test]
fn one_address_has_no_more_streams_than_it_may() {
    let limits = Limits { per_address: Some(1), ..NONE };
    let error = SubscribeError::AddressFull { limit: 1 };
    check(limits, || from_address(1), Some(from_address(2)), &error);
}

#[test]
fn one_selector_has_no_more_streams_than_it_may() {
    let limits = Limits { per_topic: Some(1), ..NONE };
    for selector in ["a", "a/{x}", "*"] {
        let error = SubscribeError::TopicFull { selector: selector.into(), limit: 1 };
        check(limits, || subscriber(&[selector, "other"]), None, &error);
    }
    let error = SubscribeError::TopicFull { selector: "a".into(), limit: 1 };
    check(limits, || subscriber(&["a"]), Some(subscriber(&["b", "*", "{x}"])), &error);
}

#[test]
fn a_selector_named_twice_takes_one_place() {
    let hub = hub_limited(Limits { per_topic: Some(2), ..NONE });
    let first = hub.subscribe(subscriber(&["a", "a", "a"]), Start::Live).now().unwrap();
    let second = hub.subscribe(subscriber(&["a"]), Start::Live).now().unwrap();
    assert!(refusal(&hub, subscriber(&["a"])).is_some());
    drop(first);
    assert_eq!(refusal(&hub, subscriber(&["a"])), None);
    drop(second);
}

#[test]
fn one_subscription_has_no_more_selectors_than_it_may() {
    let limits = Limits { selectors: 2, ..NONE };
    let hub = hub_limited(limits);
    let error = SubscribeError::TooManySelectors { limit: 2 };
    assert_eq!(refusal(&hub, subscriber(&["a", "b", "c"])), Some(error));
    assert_eq!(refusal(&hub, subscriber(&["a", "b"])), None);
}

#[test]
fn one_subscription_has_no_more_templates_than_it_may() {
    let hub = roomy_hub();
    let templates =
        |count: usize| -> Vec<String> { (0..count).map(|n| format!("{{a{n}}}")).collect() };
    let of = |texts: &[String]| subscriber(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(refusal(&hub, of(&templates(64))), None);
    let error = SubscribeError::TooManyTemplates { limit: 64 };
    assert_eq!(refusal(&hub, of(&templates(65))), Some(error));
}

#[test]
fn a_subscription_without_a_selector_is_refused() {
    assert_eq!(refusal(&roomy_hub(), subscriber(&[])), Some(SubscribeError::NoSelector));
}

#[test]
fn a_refusal_counts_against_no_other_limit() {
    let limits = Limits {
        streams: Some(3),
        per_user: Some(2),
        per_address: Some(2),
        per_topic: Some(1),
        ..NONE
    };
    let hub = hub_limited(limits);
    let newcomer = |topic: &str| Subscriber {
        user: Some(Arc::from("ann")),
        selectors: subscriber(&[topic]).selectors,
        ..from_address(1)
    };
    let first = hub.subscribe(newcomer("a"), Start::Live).now().unwrap();
    for _ in 0..5 {
        assert!(matches!(
            refusal(&hub, newcomer("a")),
            Some(SubscribeError::TopicFull { limit: 1, .. })
        ));
    }
    let second = hub.subscribe(newcomer("b"), Start::Live).now().unwrap();
    assert_eq!(refusal(&hub, newcomer("c")), Some(SubscribeError::UserFull { limit: 2 }));
    drop((first, second));
}

#[test]
fn one_that_was_told_to_end_keeps_its_place_until_it_has_ended() {
    let hub = hub_limited(Limits { streams: Some(1), ..NONE });
    let mut ending = live(&hub, &["a"]);
    assert_eq!(hub.close_some(1, CloseReason::Limit), 1);
    assert!(refusal(&hub, subscriber(&["a"])).is_some());
    assert!(!ending.drain().is_empty());
    drop(ending);
    assert_eq!(refusal(&hub, subscriber(&["a"])), None);
}

#[test]
fn each_refusal_says_which_limit_it_was() {
    let errors = [
        SubscribeError::NoSelector,
        SubscribeError::TooManySelectors { limit: 7 },
        SubscribeError::HubFull { limit: 7 },
        SubscribeError::UserFull { limit: 7 },
        SubscribeError::AddressFull { limit: 7 },
        SubscribeError::TopicFull { selector: "a\nb".into(), limit: 7 },
        SubscribeError::Closed,
    ];
    let texts: std::collections::BTreeSet<_> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), errors.len(), "{texts:?}");
    assert!(texts.iter().all(|text| !text.contains('\n')), "{texts:?}");
}
