//! Who is subscribed now: the events that tell, and the documents that list.

use serde_json::{Value, json};

use super::requests::{
    HUB, bearer, closed_config, get, head_of, open, open_config, open_hub, publish, reason, start,
};
use crate::support::{Answer, EventStream, TestServer, in_seconds, sign, token};

/// Selectors that are awkward in a path.
const AWKWARD: [&str; 12] = [
    "https://e.com/books/{id}",
    "https://e.com/a/b?c=d&e=f#g",
    "with space",
    "a+b",
    "100%",
    "%2F",
    "ünï/çødé ✓",
    "a;b,c=d:e@f!$'()*",
    "\"quoted\" <b>",
    "back\\slash",
    "*",
    "",
];

/// A token that may see who is subscribed.
fn may_watch() -> String {
    bearer(&token(&[], &[&format!("{HUB}/subscriptions{{/topic}}{{/subscriber}}")]))
}

/// A stream of what happens to subscriptions.
async fn watch(server: &TestServer) -> EventStream {
    let template = format!("{HUB}/subscriptions{{/topic}}{{/subscriber}}");
    open(server, &[("topic", &template)], &[&may_watch()]).await
}

async fn list(server: &TestServer, path: &str) -> Answer {
    get(server, &format!("{HUB}/subscriptions{path}"), &[&may_watch()]).await
}

async fn document(stream: &mut EventStream) -> Value {
    let (event_type, data, _) = stream.event().await;
    assert_eq!(event_type, "message");
    serde_json::from_str(&data).unwrap()
}

#[tokio::test]
async fn coming_and_going_is_told_to_those_who_may_see_it() {
    let server = open_hub().await;
    let mut stranger = open(&server, &[("topic", "*")], &[]).await;
    let mut watcher = watch(&server).await;
    let payload = json!({ "name": "Ann", "n": 1.50 });
    let claims = json!({
        "exp": in_seconds(3600),
        "mercure": { "subscribe": [], "payload": payload },
    });
    let query = [("topic", "a"), ("topic", "b")];
    let subscriber = open(&server, &query, &[&bearer(&sign(&claims))]).await;
    let mut joined = Vec::new();
    for topic in ["a", "b"] {
        let document = document(&mut watcher).await;
        let id = document["id"].as_str().unwrap();
        let urn = document["subscriber"].as_str().unwrap().to_owned();
        assert!(urn.starts_with("urn:uuid:"), "{urn}");
        let escaped = urn.replace(':', "%3A");
        assert_eq!(id, format!("{HUB}/subscriptions/{topic}/{escaped}"));
        let expected = json!({
            "@context": "https://mercure.rocks/", "id": id, "type": "Subscription",
            "subscriber": urn, "topic": topic, "active": true, "payload": payload,
        });
        assert_eq!(document, expected);
        joined.push(document);
    }
    assert_eq!(joined[0]["subscriber"], joined[1]["subscriber"]);
    drop(subscriber);
    for mut expected in joined {
        expected["active"] = json!(false);
        assert_eq!(document(&mut watcher).await, expected);
    }
    publish(&server, &[("topic", "a"), ("data", "public")]).await;
    assert_eq!(stranger.data(1).await, ["public"]);
}

#[tokio::test]
async fn an_announcement_is_indented_json_with_its_members_in_order() {
    let server = open_hub().await;
    let mut watcher = watch(&server).await;
    let claims = json!({ "mercure": { "subscribe": ["*"], "payload": ["x", 1.50] } });
    let _subscriber = open(&server, &[("topic", "a")], &[&bearer(&sign(&claims))]).await;
    let (_, data, _) = watcher.event().await;
    let names: Vec<_> =
        data.lines().filter_map(|line| line.strip_prefix("  \"")?.split('"').next()).collect();
    assert_eq!(names, ["@context", "id", "type", "subscriber", "topic", "active", "payload"]);
    assert!(data.starts_with("{\n  \"@context\": \"https://mercure.rocks/\",\n  \"id\": "));
}

#[tokio::test]
async fn a_subscriber_without_a_payload_has_none() {
    let server = open_hub().await;
    let mut watcher = watch(&server).await;
    let _subscriber = open(&server, &[("topic", "a")], &[]).await;
    assert_eq!(document(&mut watcher).await.get("payload"), None);
}

/// Beginning and end of a subscription once had the same id, its path. A follower that had seen the end and came back
/// was taken to where the beginning was, because the oldest of equal ids counts, and got everything since twice.
#[tokio::test]
async fn a_follower_of_presence_resumes_where_it_was() {
    let server = open_hub().await;
    let mut watcher = watch(&server).await;
    let subscriber = open(&server, &[("topic", "a")], &[]).await;
    document(&mut watcher).await;
    drop(subscriber);
    let (_, _, id) = watcher.event().await;
    let _other = open(&server, &[("topic", "b")], &[]).await;
    let template = format!("{HUB}/subscriptions{{/topic}}{{/subscriber}}");
    let query = [("topic", template.as_str()), ("lastEventID", &id)];
    let mut watcher = open(&server, &query, &[&may_watch()]).await;
    assert_eq!(document(&mut watcher).await["topic"], "b");
}

#[tokio::test]
async fn the_list_has_every_open_subscription() {
    let server = open_hub().await;
    let claims = json!({ "mercure": { "payload": { "name": "Ann" } } });
    let _one = open(&server, &[("topic", "a"), ("topic", "b")], &[&bearer(&sign(&claims))]).await;
    let _two = open(&server, &[("topic", "a")], &[]).await;
    let answer = list(&server, "").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/ld+json"));
    let document = answer.json();
    assert_eq!(document["@context"], "https://mercure.rocks/");
    assert_eq!(document["id"], format!("{HUB}/subscriptions"));
    assert_eq!(document["type"], "Subscriptions");
    assert_eq!(answer.header("etag"), document["lastEventID"].as_str());
    let subscriptions = document["subscriptions"].as_array().unwrap();
    assert_eq!(subscriptions.len(), 3);
    for subscription in subscriptions {
        assert_eq!(subscription["type"], "Subscription");
        assert_eq!(subscription["active"], true);
        assert_eq!(subscription.get("@context"), None);
    }
    let with_payload = subscriptions.iter().filter(|one| one["payload"]["name"] == "Ann").count();
    assert_eq!(with_payload, 2);

    let of_b = list(&server, "/b").await.json();
    assert_eq!(of_b["id"], format!("{HUB}/subscriptions/b"));
    let of_b = of_b["subscriptions"].as_array().unwrap();
    assert_eq!(of_b.len(), 1);
    let path = of_b[0]["id"].as_str().unwrap();
    let single = get(&server, path, &[&may_watch()]).await;
    assert_eq!(single.status, 200);
    let mut expected = of_b[0].clone();
    expected["@context"] = json!("https://mercure.rocks/");
    expected["lastEventID"] = document["lastEventID"].clone();
    assert_eq!(single.json(), expected);
}

#[tokio::test]
async fn nobody_subscribed_is_an_empty_list_and_no_single_document() {
    let server = open_hub().await;
    for path in ["", "/a"] {
        let answer = list(&server, path).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json()["subscriptions"], json!([]));
        assert_eq!(answer.json()["lastEventID"], "earliest");
    }
    let nobody = "urn%3Auuid%3A00000000-0000-4000-8000-000000000000";
    for path in [format!("/a/{nobody}"), "/a/b".into(), "/a/b/c".into(), "/%FF".into(), "x".into()]
    {
        let answer = list(&server, &path).await;
        assert!(matches!(answer.status, 403 | 404), "{path}: {}", answer.status);
    }
    assert_eq!(list(&server, &format!("/a/{nobody}")).await.status, 404);
}

#[tokio::test]
async fn an_unchanged_list_is_not_sent_again() {
    let server = open_hub().await;
    let _subscriber = open(&server, &[("topic", "a")], &[]).await;
    for path in ["", "/a"] {
        let target = format!("{HUB}/subscriptions{path}");
        let first = get(&server, &target, &[&may_watch()]).await;
        let condition = format!("If-None-Match: {}", first.header("etag").unwrap());
        let again = get(&server, &target, &[&may_watch(), &condition]).await;
        assert_eq!((again.status, again.body.len()), (304, 0));
        assert_eq!(again.header("etag"), first.header("etag"));
    }
}

/// The tag was the id of the newest update, and a subscription's end had the same id as its beginning: who asked again
/// after the end was told that nothing had changed.
#[tokio::test]
async fn the_list_changes_its_tag_when_a_subscription_ends() {
    let server = open_hub().await;
    let mut watcher = watch(&server).await;
    let subscriber = open(&server, &[("topic", "a")], &[]).await;
    document(&mut watcher).await;
    let before = list(&server, "/a").await;
    let condition = format!("If-None-Match: {}", before.header("etag").unwrap());
    drop(subscriber);
    assert_eq!(document(&mut watcher).await["active"], false);
    let target = format!("{HUB}/subscriptions/a");
    let after = get(&server, &target, &[&may_watch(), &condition]).await;
    assert_eq!(after.status, 200);
    assert_eq!(after.json()["subscriptions"], json!([]));
}

/// `lastEventID` was the id of the newest update whoever asked, a private update's own id included.
#[tokio::test]
async fn the_list_does_not_disclose_the_id_of_a_private_update() {
    let server = open_hub().await;
    publish(&server, &[("topic", "t"), ("private", "on"), ("id", "secret-id")]).await;
    let answer = list(&server, "").await;
    assert!(!format!("{answer:?} {}", answer.text()).contains("secret-id"));
    let id = answer.json()["lastEventID"].as_str().unwrap().to_owned();
    publish(&server, &[("topic", "t"), ("data", "later")]).await;
    let mut stream = open(&server, &[("topic", "t"), ("lastEventID", &id)], &[]).await;
    assert_eq!(stream.head.header("last-event-id"), Some(id.as_str()));
    assert_eq!(stream.data(1).await, ["later"]);
}

/// Two of them failed once. A space was written as `+`, as the reference hub does, which `{topic}` in a token's
/// template does not cover; and the empty selector's path was taken for another one.
#[tokio::test]
async fn a_subscription_is_found_at_the_path_it_announces() {
    let server = open_hub().await;
    for selector in AWKWARD {
        let mut watcher = watch(&server).await;
        let _subscriber = open(&server, &[("topic", selector)], &[]).await;
        let announced = document(&mut watcher).await;
        assert_eq!(announced["topic"], selector);
        let path = announced["id"].as_str().unwrap();
        let single = get(&server, path, &[&may_watch()]).await;
        assert_eq!(single.status, 200, "{selector:?} at {path}");
        assert_eq!(single.json()["topic"], selector);
        assert_eq!(single.json()["subscriber"], announced["subscriber"]);
        let of_topic = path.rsplit_once('/').unwrap().0;
        let of_topic = get(&server, of_topic, &[&may_watch()]).await;
        if !selector.is_empty() {
            let listed = of_topic.json()["subscriptions"].as_array().unwrap().len();
            assert_eq!(listed, 1, "{selector:?} at {path}");
        }
    }
}

#[tokio::test]
async fn a_space_in_a_path_may_be_written_both_ways() {
    let server = open_hub().await;
    let _subscriber = open(&server, &[("topic", "with space")], &[]).await;
    let all = bearer(&token(&[], &["*"]));
    for path in ["/with%20space", "/with+space"] {
        let answer = get(&server, &format!("{HUB}/subscriptions{path}"), &[&all]).await;
        assert_eq!(answer.json()["subscriptions"].as_array().unwrap().len(), 1, "{path}");
    }
}

#[tokio::test]
async fn the_list_is_for_tokens_that_cover_its_path() {
    let server = start(closed_config()).await;
    let all = format!("{HUB}/subscriptions");
    let of_a = format!("{HUB}/subscriptions/a");
    let by_topic = format!("{HUB}/subscriptions/{{topic}}");
    for (grants, path, status) in [
        (&[all.as_str()][..], &all, 200),
        (&[all.as_str()], &of_a, 403),
        (&[of_a.as_str()], &of_a, 200),
        (&[of_a.as_str()], &all, 403),
        (&[by_topic.as_str()], &of_a, 200),
        (&["*"], &all, 200),
        (&["a"], &of_a, 403),
        (&[], &all, 403),
    ] {
        let answer = get(&server, path, &[&bearer(&token(&["*"], grants))]).await;
        assert_eq!(answer.status, status, "{grants:?} at {path}: {}", answer.text());
    }
    // The query is no part of what is granted: a parameter more, and the reference hub turns the token away.
    let target = format!("{all}?x=1");
    let answer = get(&server, &target, &[&bearer(&token(&[], &[&all]))]).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// Where anyone may subscribe, no token was answered like a token that does not cover the path: with 403, and the
/// advice to get another one.
#[tokio::test]
async fn the_list_is_not_for_strangers_even_where_anyone_may_subscribe() {
    for config in [closed_config(), open_config()] {
        let server = start(config).await;
        let answer = get(&server, &format!("{HUB}/subscriptions"), &[]).await;
        assert_eq!((answer.status, reason(&answer).as_str()), (401, "missing_token"));
    }
}

/// Nobody could see the list where subscribers have no key, as in development: no token was good for it.
#[tokio::test]
async fn the_list_is_for_all_where_nobody_can_have_a_token_for_it() {
    let mut config = open_config();
    config.auth.subscriber = None;
    let server = start(config).await;
    let _subscriber = open(&server, &[("topic", "a")], &[]).await;
    for headers in [&[][..], &[may_watch().as_str()]] {
        let answer = get(&server, &format!("{HUB}/subscriptions"), headers).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.json()["subscriptions"].as_array().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn presence_can_be_off() {
    let mut config = open_config();
    config.subscriptions = false;
    let server = start(config).await;
    let mut stream = open(&server, &[("topic", "*")], &[&bearer(&token(&[], &["*"]))]).await;
    let _subscriber = open(&server, &[("topic", "a")], &[]).await;
    publish(&server, &[("topic", "t"), ("data", "the first")]).await;
    assert_eq!(stream.data(1).await, ["the first"]);
    let target = format!("GET {HUB}/subscriptions");
    assert_eq!(head_of(&server, &target, &[&may_watch()]).await.status, 404);
}

#[tokio::test]
async fn a_refused_subscriber_is_not_announced() {
    let mut hub = tidings_hub::HubConfig::default();
    hub.limits.per_topic = Some(1);
    let server = TestServer::start(hub, open_config()).await;
    let mut watcher = watch(&server).await;
    let _first = open(&server, &[("topic", "a")], &[]).await;
    assert_eq!(document(&mut watcher).await["topic"], "a");
    let refused = get(&server, &format!("{HUB}?topic=a"), &[]).await;
    assert_eq!((refused.status, reason(&refused).as_str()), (429, "topic_limit"));
    let _other = open(&server, &[("topic", "b")], &[]).await;
    assert_eq!(document(&mut watcher).await["topic"], "b");
}
