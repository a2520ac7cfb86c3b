//! The limit per user counts the streams at all hubs: of those that are there, and of no others.

use std::sync::Arc;
use std::time::Duration;

use tidings_hub::HubConfig;
use tidings_server::ServerConfig;
use tokio::time::{Instant, sleep, timeout};

use super::{Air, Node, is, per_user, until};
use crate::support::{PATIENCE, TestServer, open_config};

async fn is_full(node: &Node, user: &str) -> bool {
    node.open(user).await.is_none()
}

#[tokio::test]
async fn a_users_streams_at_all_hubs_count_against_one_limit() {
    let [a, b, c] = Air::new().hubs(per_user(2)).await;
    let first = a.open("ann").await.unwrap();
    let second = b.open("ann").await.unwrap();
    for node in [&c, &a, &b] {
        until(async || is_full(node, "ann").await).await;
    }
    assert!(!is_full(&c, "ben").await);
    // A place that is given back at one hub can be had at another.
    drop(first);
    until(async || !is_full(&c, "ann").await).await;
    let third = {
        let mut third = None;
        until(async || {
            third = c.open("ann").await;
            third.is_some()
        })
        .await;
        third
    };
    until(async || is_full(&a, "ann").await).await;
    drop((second, third));
    until(async || !is_full(&a, "ann").await).await;
}

#[tokio::test]
async fn a_newcomer_learns_what_the_others_have() {
    let air = Air::new();
    let [a] = air.hubs(per_user(1)).await;
    let _stream = a.open("ann").await.unwrap();
    let b = air.hub(per_user(1), open_config()).await;
    until(async || is_full(&b, "ann").await).await;
    assert!(!is_full(&b, "ben").await);
}

#[tokio::test]
async fn a_hub_that_goes_down_in_order_says_so() {
    let [mut a, b, c] = Air::new().hubs(HubConfig::default()).await;
    a.server.shut_down();
    (&mut a.server.done).await.unwrap();
    let both_know = async {
        for node in [&b, &c] {
            node.knows(2).await;
        }
    };
    // It is not that they have heard nothing for ten seconds.
    timeout(Duration::from_secs(5), both_know).await.unwrap();
    // What the others say does not call it back.
    let stream = b.open("ann").await.unwrap();
    drop(stream);
    c.knows(2).await;
    b.knows(2).await;
}

#[tokio::test]
async fn a_host_program_that_drains_its_hub_says_so() {
    let [a, b] = Air::new().hubs(HubConfig::default()).await;
    a.server.server.drain().await;
    timeout(Duration::from_secs(5), b.knows(1)).await.unwrap();
}

/// How long after `since` of the test's clock something is so.
async fn after(since: Instant, mut is_so: impl AsyncFnMut() -> bool) -> Duration {
    while !is_so().await {
        assert!(since.elapsed() < PATIENCE, "it never is so");
        sleep(Duration::from_millis(50)).await;
    }
    since.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_falls_silent_is_forgotten_after_ten_seconds_with_its_streams() {
    let [a, b] = Air::new().hubs(per_user(1)).await;
    let stream = a.open("ann").await.unwrap();
    until(async || is_full(&b, "ann").await).await;
    a.line.cut();
    let forgotten = after(Instant::now(), async || !is_full(&b, "ann").await).await;
    let seconds = forgotten.as_secs_f64();
    assert!((8.9..11.2).contains(&seconds), "{forgotten:?}");
    // It is there again, with the same stream.
    a.line.mend();
    let known = after(Instant::now(), async || is_full(&b, "ann").await).await;
    assert!(known < Duration::from_secs(3), "{known:?}");
    a.knows(2).await;
    drop(stream);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_is_gone_without_a_word_is_forgotten() {
    let air = Air::new();
    let [a] = air.hubs(HubConfig::default()).await;
    // Without an admin listener, whose thread would keep it alive.
    let config = ServerConfig { bus: Some(Arc::new(air.line())), ..open_config() };
    let mut killed = TestServer::start(HubConfig::default(), config).await;
    a.knows(2).await;
    killed.done.abort();
    assert!((&mut killed.done).await.is_err());
    drop(killed);
    let gone = Instant::now();
    a.knows(1).await;
    let seconds = gone.elapsed().as_secs_f64();
    assert!((8.9..11.2).contains(&seconds), "{seconds}");
}

/// A message in which a hub tells of a user's stream is lost; the next one shows that it is missing.
#[tokio::test(start_paused = true)]
async fn what_was_lost_is_asked_for_again() {
    let [a, b] = Air::new().hubs(per_user(1)).await;
    a.line.lose("changed");
    let stream = a.open("ann").await.unwrap();
    let known = after(Instant::now(), async || is_full(&b, "ann").await).await;
    assert!((0.2..3.0).contains(&known.as_secs_f64()), "{known:?}");
    // So is what was lost of the answer.
    b.line.only(|message| !is(message, "changed") && !is(message, "users"));
    drop(stream);
    sleep(Duration::from_secs(4)).await;
    assert!(is_full(&b, "ann").await);
    b.line.mend();
    let known = after(Instant::now(), async || !is_full(&b, "ann").await).await;
    assert!(known < Duration::from_secs(3), "{known:?}");
}

/// What is opened at several hubs in the moment before they hear of each other may exceed the limit. The moment passes.
#[tokio::test]
async fn many_users_come_and_go_and_the_counts_agree_in_the_end() {
    const USERS: usize = 40;
    let [a, b, c] = Air::new().hubs(per_user(3)).await;
    let nodes = [&a, &b, &c];
    let mut streams = Vec::new();
    for round in 0..3 {
        for user in 0..USERS {
            let node = nodes[(round + user) % 3];
            streams.extend(node.open(&format!("user-{user}")).await);
        }
        streams.rotate_left(round * 7);
        streams.truncate(USERS);
    }
    drop(streams);
    for user in 0..USERS {
        let user = format!("user-{user}");
        let mut open = Vec::new();
        for node in nodes {
            until(async || {
                open.extend(node.open(&user).await);
                node.server
                    .server
                    .hub()
                    .subscribers()
                    .iter()
                    .any(|one| one.user.as_deref() == Some(&*user))
            })
            .await;
        }
        assert_eq!(open.len(), 3, "{user}");
        for node in nodes {
            until(async || is_full(node, &user).await).await;
        }
    }
}
