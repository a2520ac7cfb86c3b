//! What two hubs on one engine know of each other's streams: limits, the end of streams, lists, and a hub that is killed.

use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

use crate::{
    asking::Asking,
    engine::Engine,
    node::Node,
    stream::{Stream, Unopened},
    token::{self, PUBLISHER_KEY, SUBSCRIBER_KEY},
    turn::alone,
};

const SETTINGS: [&str; 4] =
    [PUBLISHER_KEY, SUBSCRIBER_KEY, "mercure.subscriptions=true", "limits.per_user=2"];
/// All lists of who is subscribed.
const LISTS: &str = "/.well-known/mercure/subscriptions{/topic}{/subscriber}";
/// The metric that counts the hubs.
const HUBS: &str = "tidings_cluster_hubs";
/// How long a hub that was killed may be remembered, and the time to find out.
const FORGOTTEN: Duration = Duration::from_secs(12);
/// How long a message may take from hub to hub, on a slow machine.
const HEARD: Duration = Duration::from_secs(5);
/// How long to wait before a stream is tried again.
const PAUSE: Duration = Duration::from_millis(20);

#[test]
fn hubs_on_redis_act_as_one() {
    alone(async { act_as_one(Engine::redis()).await });
}

#[test]
fn hubs_on_nats_act_as_one() {
    alone(async { act_as_one(Engine::nats()).await });
}

async fn act_as_one(engine: Engine) {
    let mut nodes = [(); 2].map(|()| Node::new(&["--store", &engine.url()], &SETTINGS));
    for node in &mut nodes {
        node.start().await;
    }
    for node in &nodes {
        node.hub().wait_for(HUBS, 2, HEARD).await;
    }
    let token = token::mint(&["*", LISTS]).await;
    list(&nodes, &token).await;
    limit(&nodes, &token).await;
    kick(&nodes, &token).await;
    forget(&mut nodes, &token).await;
}

/// Who is subscribed at one is shown at the other.
async fn list(nodes: &[Node; 2], token: &str) {
    let stream = open(&nodes[0], token).await.unwrap();
    let client = Asking::new().client;
    for node in nodes {
        let url = format!("http://{}/.well-known/mercure/subscriptions", node.address);
        let answer = client.get(url).bearer_auth(token).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert!(!answer.headers().contains_key("x-tidings-missing-hubs"));
        let list: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        let subscriptions = list["subscriptions"].as_array().unwrap();
        assert_eq!(subscriptions.len(), 1, "{list}");
        assert_eq!(
            (&subscriptions[0]["topic"], &subscriptions[0]["active"]),
            (&"a".into(), &true.into())
        );
    }
    drop(stream);
}

/// A user's streams at both count.
async fn limit(nodes: &[Node; 2], token: &str) {
    let [here, there] = nodes;
    let one = open_soon(here, token, HEARD).await;
    let _other = open_soon(there, token, HEARD).await;
    for node in nodes {
        full_soon(node, token).await;
    }
    drop(one);
    open_soon(there, token, HEARD).await;
}

/// The end of a user's streams at both comes before the answer.
async fn kick(nodes: &[Node; 2], token: &str) {
    let asking = Asking { token: Some(token.to_owned()), ..Asking::new() };
    let mut streams = Vec::new();
    for node in nodes {
        streams.push(open_soon(node, token, HEARD).await);
    }
    let url = format!("http://{}/kick?user=alice", nodes[1].admin);
    let answer = asking.client.post(url).send().await.unwrap();
    let (status, text) = (answer.status(), answer.text().await.unwrap());
    assert_eq!((status.as_u16(), text.trim()), (200, "{\"closed\":2}"));
    // Published after the answer.
    asking.publish_until_taken(nodes[0].address, "after the end").await;
    for stream in &mut streams {
        let mut came = Vec::new();
        while let Some(event) = timeout(HEARD, stream.next()).await.expect("the stream is open") {
            came.push((event.kind, event.data));
        }
        let expired = ("expired".to_owned(), "{\"reason\":\"kicked\"}".to_owned());
        assert_eq!(came, [expired]);
    }
}

/// A hub that is killed takes its streams with it, within the time that is stated.
async fn forget(nodes: &mut [Node; 2], token: &str) {
    let [lost, left] = nodes;
    let _streams = [open_soon(lost, token, HEARD).await, open_soon(lost, token, HEARD).await];
    full_soon(left, token).await;
    let begun = Instant::now();
    lost.kill().await;
    open_soon(left, token, FORGOTTEN).await;
    left.hub().wait_for(HUBS, 1, FORGOTTEN).await;
    eprintln!("together: a hub that was killed was forgotten after {:.1?}", begun.elapsed());
    assert!(begun.elapsed() < FORGOTTEN, "{:?}", begun.elapsed());
    // It comes back, and is heard of.
    lost.start().await;
    left.hub().wait_for(HUBS, 2, HEARD).await;
}

/// A stream of the user's, if the hub lets it in.
async fn open(node: &Node, token: &str) -> Result<Stream, Unopened> {
    let authorization = format!("Bearer {token}");
    Stream::open(node.address, "topic=a", &[("Authorization", &authorization)]).await
}

/// One that is let in within a time: until then there may be too many.
async fn open_soon(node: &Node, token: &str, limit: Duration) -> Stream {
    let begun = Instant::now();
    loop {
        match open(node, token).await {
            Ok(stream) => return stream,
            Err(refused) => {
                let is_full = matches!(refused, Unopened::Status(429));
                assert!(
                    is_full && begun.elapsed() < limit,
                    "{refused:?} for {:?}",
                    begun.elapsed()
                );
            }
        }
        sleep(PAUSE).await;
    }
}

/// Waits until a hub lets no more streams of the user in.
async fn full_soon(node: &Node, token: &str) {
    let begun = Instant::now();
    loop {
        match open(node, token).await {
            Ok(_) => assert!(begun.elapsed() < HEARD, "it counts its own streams alone"),
            Err(Unopened::Status(429)) => return,
            Err(other) => panic!("{other:?}"),
        }
        sleep(PAUSE).await;
    }
}
