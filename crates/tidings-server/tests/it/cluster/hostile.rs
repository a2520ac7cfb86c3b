//! What is no message of another hub, or one that no hub would send, is ignored and counted.

use crate::support::Now;
use bytes::Bytes;
use serde_json::json;
use tidings_hub::HubConfig;
use tidings_store::{Bus as _, MAX_MESSAGE_BYTES};

use super::{Air, per_user, until};
use crate::authorize::ending::end;
use crate::probe::metric;

const REFUSED: &str = "tidings_cluster_messages_refused_total";

/// A message as version 1 has it for ever.
fn forged(from: u64, to: u64, number: u64, message: &str) -> Bytes {
    let numbers = [from, to, number].map(u64::to_be_bytes);
    [b"tdg\x01", numbers.as_flattened(), message.as_bytes()].concat().into()
}

#[tokio::test]
async fn what_is_no_message_is_ignored_and_counted() {
    let air = Air::new();
    let [a, b] = air.hubs(HubConfig::default()).await;
    let mut stream = b.open("ann").await.unwrap();
    let deep = format!("{{\"changed\":{{\"users\":{}", "[".repeat(100_000));
    let long = json!({"changed": {"users": [["x".repeat(10_000), 1]]}}).to_string();
    let bad = [
        Bytes::new(),
        Bytes::from_static(b"t"),
        Bytes::from_static(b"tdg"),
        Bytes::from_static(b"tdg\x01"),
        Bytes::from_static(b"tdg\x02 of the future"),
        Bytes::from_static(b"PING"),
        Bytes::from(vec![b'x'; MAX_MESSAGE_BYTES + 1]),
        Bytes::from(vec![0xff; MAX_MESSAGE_BYTES]),
        forged(0, 0, 1, "\"beat\""),
        forged(7, 0, 1, ""),
        forged(7, 0, 1, "\"dance\""),
        forged(7, 0, 1, "\"beat\"x"),
        forged(7, 0, 1, "{\"end\":{\"call\":-1,\"whom\":{\"user\":\"ann\"}}}"),
        forged(7, 0, 1, "{\"end\":{\"call\":1,\"whom\":{\"user\":\"ann\",\"x\":1}}}"),
        forged(7, 0, 1, "{\"end\":{\"call\":1,\"whom\":{\"everybody\":\"\"}}}"),
        forged(7, 0, 1, "{\"changed\":{\"users\":[[\"ann\",4294967296]]}}"),
        forged(7, 0, 1, &deep),
        forged(7, 0, 1, &long),
        forged(7, 0, 1, "\u{0}"),
    ];
    for (n, message) in (1..).zip(bad) {
        a.line.send(message).await.unwrap();
        until(async || metric(b.admin, REFUSED) == n).await;
    }
    assert_eq!(metric(b.admin, "tidings_cluster_hubs"), 2, "nobody was made up");
    b.server.server.hub().publish(tidings_hub::Update::new("a", "on")).now().unwrap();
    assert_eq!(stream.data(1).await, ["on"]);
    assert_eq!(end(a.admin, "/kick?user=ann").await, 1);
}

/// They are well-formed, and from nobody.
#[tokio::test(start_paused = true)]
async fn hubs_and_users_that_are_made_up_are_bounded_and_forgotten() {
    let air = Air::new();
    let [a] = air.hubs(per_user(2)).await;
    let line = air.line();
    for from in 1..=1_000 {
        line.send(forged(from, 0, u64::MAX, "\"beat\"")).await.unwrap();
    }
    a.knows(256).await;
    assert_eq!(metric(a.admin, REFUSED), 745);
    // It cannot be had to count backwards, or to more than numbers hold.
    for count in [u32::MAX, 0, 1, u32::MAX, 2] {
        let users = json!({"users": {"first": true, "last": true, "users": [["ann", count], ["ann", count]]}});
        line.send(forged(5_000, 0, 1, &users.to_string())).await.unwrap();
        let changed = json!({"changed": {"users": [["ann", count], ["ben", 0]]}});
        line.send(forged(3, 0, u64::MAX, &changed.to_string())).await.unwrap();
    }
    a.knows(1).await;
    assert!(a.open("ann").await.is_some(), "what they said still counts");
}
