//! The list of active subscriptions has those of all hubs, whichever is asked.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tidings_hub::{Grants, HubConfig, Selector, Start, Subscriber, SubscriberId, Subscription};
use tidings_server::ServerConfig;

use super::{Air, Node};
use crate::support::{Answer, Now, open_config, sign, token};

const LIST: &str = "/.well-known/mercure/subscriptions";
const MISSING: &str = "x-tidings-missing-hubs";

async fn get(node: &Node, path: &str, headers: &str) -> Answer {
    let all = token(&[], &[&format!("{LIST}{{/topic}}{{/subscriber}}")]);
    let head = format!("GET {LIST}{path} HTTP/1.1\r\nAuthorization: Bearer {all}\r\n{headers}");
    node.server.request(head.trim_end(), b"").await
}

/// The topics in a list, which is whole.
async fn topics(node: &Node, path: &str) -> Vec<String> {
    let answer = get(node, path, "").await;
    assert_eq!((answer.status, answer.header(MISSING)), (200, None));
    assert!(answer.header("etag").is_some());
    let mut topics: Vec<String> = listed(&answer).map(|one| text(&one["topic"])).collect();
    topics.sort();
    topics
}

fn listed(answer: &Answer) -> impl Iterator<Item = Value> {
    answer.json()["subscriptions"].as_array().unwrap().clone().into_iter()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

#[tokio::test]
async fn every_hub_lists_the_subscriptions_of_all() {
    let [a, b, c] = Air::new().hubs(HubConfig::default()).await;
    let payload = json!({"name": "Ann \"é\"", "n": 1.0});
    let claims = json!({"mercure": {"subscribe": ["a"], "payload": payload}});
    let headers = format!("Authorization: Bearer {}\r\n", sign(&claims));
    let _open = (
        a.server.subscribe("topic=a&topic=b%2F%7Bid%7D", &headers).await.opened().await,
        b.server.subscribe("topic=a", "").await.opened().await,
        c.server.subscribe("topic=c", "").await.opened().await,
    );
    for node in [&a, &b, &c] {
        assert_eq!(topics(node, "").await, ["a", "a", "b/{id}", "c"]);
        assert_eq!(topics(node, "/a").await, ["a", "a"]);
        assert_eq!(topics(node, "/x").await, [""; 0]);
        let of_b: Vec<Value> = listed(&get(node, "/b%2F%7Bid%7D", "").await).collect();
        let [of_b] = of_b.as_slice() else { panic!("{of_b:?}") };
        // It is the same document everywhere, member for member.
        let subscriber = a.server.server.hub().subscribers()[0].id.to_string();
        let escaped = subscriber.replace(':', "%3A");
        let id = format!("{LIST}/b%2F%7Bid%7D/{escaped}");
        assert_eq!(
            of_b,
            &json!({"id": id, "type": "Subscription", "subscriber": subscriber, "topic": "b/{id}", "active": true, "payload": payload})
        );
        let single = get(node, &format!("/b%2F%7Bid%7D/{escaped}"), "").await;
        assert_eq!((single.status, single.json()["payload"].clone()), (200, payload.clone()));
        assert!(single.json()["lastEventID"].is_string());
        let nobody = get(node, &format!("/c/{escaped}"), "").await;
        assert_eq!(nobody.status, 404);
    }
}

/// A subscription with so many selectors of 4,000 bytes each.
fn large(node: &Node, count: usize) -> Subscription {
    let selectors = (0..count).map(|n| Selector::new(format!("{n}-{}", "x".repeat(4_000))));
    let subscriber = Subscriber {
        id: SubscriberId::random().unwrap(),
        selectors: selectors.collect(),
        grants: Grants::none(),
        user: None,
        session: None,
        address: None,
        payload: None,
    };
    node.server.server.hub().subscribe(subscriber, Start::Live).now().unwrap()
}

#[tokio::test]
async fn a_list_that_does_not_fit_into_a_message_comes_whole() {
    const SELECTORS: usize = 400;
    let [a, b, c] = Air::new().hubs(HubConfig::default()).await;
    let _open = (large(&b, SELECTORS), large(&c, SELECTORS));
    let topics = topics(&a, "").await;
    assert_eq!(topics.len(), 2 * SELECTORS);
    assert_eq!(topics.iter().collect::<BTreeSet<_>>().len(), SELECTORS);
}

/// One part of the answer is lost; the hub is asked again.
#[tokio::test]
async fn a_lost_part_of_a_list_is_made_good() {
    let [a, b] = Air::new().hubs(HubConfig::default()).await;
    let _open = large(&b, 200);
    let mut left = 1;
    b.line.only(move |message| {
        let is_part = super::is(message, "subscriptions") && message.len() > 100_000;
        left -= i32::from(is_part);
        !is_part || left != 0
    });
    assert_eq!(topics(&a, "").await.len(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_lacks_a_hub_says_so() {
    let [a, b, c] = Air::new().hubs(HubConfig::default()).await;
    let _open = (
        a.server.subscribe("topic=a", "").await.opened().await,
        b.server.subscribe("topic=b", "").await.opened().await,
        c.server.subscribe("topic=c", "").await.opened().await,
    );
    let tag = get(&a, "", "").await.header("etag").unwrap().to_owned();
    c.line.cut();
    let answer = get(&a, "", "").await;
    assert_eq!((answer.status, answer.header(MISSING)), (200, Some("1")));
    assert_eq!(answer.header("etag"), None, "the next one may be another");
    let known: BTreeSet<String> = listed(&answer).map(|one| text(&one["topic"])).collect();
    assert_eq!(known, BTreeSet::from(["a".to_owned(), "b".to_owned()]));
    // One that is not found may be at the hub that does not answer.
    let path = |node: &Node, topic: &str| {
        let id = node.server.server.hub().subscribers()[0].id.to_string();
        format!("/{topic}/{}", id.replace(':', "%3A"))
    };
    let single = get(&a, &path(&c, "c"), "").await;
    assert_eq!((single.status, single.header(MISSING)), (503, Some("1")));
    assert_eq!(single.json()["reason"], "hubs_missing");
    assert_eq!(get(&a, &path(&b, "b"), "").await.status, 200);
    // It goes by the log, which has not moved.
    let unchanged = get(&a, "", &format!("If-None-Match: {tag}\r\n")).await;
    assert_eq!(unchanged.status, 304);
    a.knows(2).await;
    assert_eq!(topics(&a, "").await, ["a", "b"]);
}

/// A hub that does not show its own list does not show it to the others either.
#[tokio::test]
async fn a_hub_without_the_list_keeps_its_subscriptions_to_itself() {
    let air = Air::new();
    let a = air.hub(HubConfig::default(), open_config()).await;
    let config = ServerConfig { subscriptions: false, ..open_config() };
    let b = air.hub(HubConfig::default(), config).await;
    a.knows(2).await;
    let _open = b.server.subscribe("topic=b", "").await.opened().await;
    assert_eq!(topics(&a, "").await, [""; 0]);
}
