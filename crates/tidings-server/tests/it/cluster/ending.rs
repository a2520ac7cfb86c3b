//! A call at one hub ends the streams at all of them, and answers when all have.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tidings_hub::{Grants, HubConfig, Selector, Start, Subscriber, SubscriberId, Update};
use tokio::time::timeout;

use super::{Air, Node};
use crate::authorize::application::{Application, Reply, asking, cookie};
use crate::authorize::ending::{call, end, has_ended};
use crate::support::{Now, PATIENCE, Seen};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_comes_at_any_hub_once_the_call_has_answered() {
    const STREAMS: usize = 5;
    let [a, b, c] = Air::new().hubs(HubConfig::default()).await;
    for round in 0..5 {
        let mut streams = Vec::new();
        for _ in 0..STREAMS {
            for node in [&a, &b, &c] {
                streams.push(node.open("ann").await.unwrap());
            }
        }
        let mut bens = b.open("ben").await.unwrap();
        for node in [&a, &b, &c] {
            node.server.server.hub().publish(Update::new("a", "before").private()).now().unwrap();
        }
        let closed = end(a.admin, "/kick?user=ann").await;
        assert_eq!(closed, 3 * STREAMS as u64, "round {round}");
        for node in [&a, &b, &c] {
            node.server.server.hub().publish(Update::new("a", "after").private()).now().unwrap();
        }
        for mut stream in streams {
            let seen = stream.rest().await;
            let is_after =
                |seen: &Seen| matches!(seen, Seen::Event { data, .. } if data == "after");
            assert!(!seen.iter().any(is_after), "{seen:?}");
        }
        assert_eq!(bens.data(2).await, ["before", "after"]);
    }
    assert_eq!(end(b.admin, "/kick?user=nobody").await, 0);
}

/// Whoever serves a stream may have something of it in hand as long as it does not know of its end.
#[tokio::test]
async fn the_call_answers_once_every_stream_at_every_hub_knows() {
    let [a, b] = Air::new().hubs(HubConfig::default()).await;
    let subscriber = Subscriber {
        id: SubscriberId::random().unwrap(),
        selectors: vec![Selector::new("a")],
        grants: Grants::none(),
        user: Some("ann".into()),
        session: None,
        address: None,
        payload: None,
    };
    let unread = b.server.server.hub().subscribe(subscriber, Start::Live).now().unwrap();
    let mut call = tokio::spawn(end(a.admin, "/kick?user=ann"));
    // It has come as far as it comes: it has told the subscription, which is one that nobody reads.
    assert!(timeout(Duration::from_secs(2), &mut call).await.is_err(), "it has answered");
    drop(unread);
    assert_eq!(call.await.unwrap(), 1);
}

#[tokio::test]
async fn a_session_or_one_stream_is_ended_wherever_it_is() {
    let application = application().await;
    let air = Air::new();
    let [a, b] = asking_hubs(&air, &application).await;
    let mut one = open(&b, "ann/1").await;
    let mut other = open(&b, "ann/2").await;
    let subscribers = b.server.server.hub().subscribers();
    let of_one = subscribers.iter().find(|one| one.session.as_deref() == Some("ann/1")).unwrap();
    assert_eq!(end(a.admin, &format!("/disconnect?subscriber={}", of_one.id)).await, 1);
    has_ended(&mut one).await;
    assert_eq!(end(a.admin, "/disconnect?session=ann%2F2").await, 1);
    has_ended(&mut other).await;
}

/// What the other hub was told of a user before is not gone by after.
#[tokio::test]
async fn an_allowance_that_another_hub_has_kept_lets_nobody_in() {
    let application = application().await;
    let air = Air::new();
    let [a, b] = asking_hubs(&air, &application).await;
    drop((open(&b, "ann/1").await, open(&b, "ben/1").await));
    let asked = application.count();
    drop((open(&b, "ann/1").await, open(&b, "ben/1").await));
    assert_eq!(application.count(), asked, "nothing is kept");
    application.answer(Reply::status(403));
    end(a.admin, "/kick?user=ann").await;
    let request =
        |session| format!("GET /events?topic=a HTTP/1.1\r\n{}", cookie(session).trim_end());
    assert_eq!(b.server.request(&request("ann/1"), b"").await.status, 403);
    drop(open(&b, "ben/1").await);
}

#[tokio::test]
async fn a_hub_that_does_not_answer_is_named() {
    let [a, b, c] = Air::new().hubs(HubConfig::default()).await;
    let mut streams = [a.open("ann").await.unwrap(), b.open("ann").await.unwrap()];
    let mut of_cut = c.open("ann").await.unwrap();
    c.line.cut();
    let answer = call(a.admin, "POST", "/kick?user=ann", "").await;
    assert_eq!(answer.status, 503);
    let text = answer.text();
    assert!(text.starts_with("streams that have ended: 2; "), "{text}");
    let named = text.split(": ").nth(2).unwrap().split(';').next().unwrap();
    assert!(named.len() == 16 && named.chars().all(|c| c.is_ascii_hexdigit()), "{text}");
    for stream in &mut streams {
        has_ended(stream).await;
    }
    c.server.server.hub().publish(Update::new("a", "on")).now().unwrap();
    assert_eq!(of_cut.data(1).await, ["on"]);
    c.line.mend();
    assert_eq!(end(a.admin, "/kick?user=ann").await, 1);
    has_ended(&mut of_cut).await;
}

/// What takes the messages takes none, and says nothing of it.
#[tokio::test]
async fn a_bus_that_hangs_holds_nobody_up() {
    let [a, b] = Air::new().hubs(HubConfig::default()).await;
    a.line.is_stuck.store(true, Ordering::Relaxed);
    let mut stream = a.open("ann").await.unwrap();
    let answer = call(a.admin, "POST", "/kick?user=ann", "").await;
    assert_eq!(answer.status, 503);
    assert!(answer.text().starts_with("streams that have ended: 1; "), "{}", answer.text());
    has_ended(&mut stream).await;
    a.line.is_stuck.store(false, Ordering::Relaxed);
    let mut stream = b.open("ann").await.unwrap();
    assert_eq!(end(a.admin, "/kick?user=ann").await, 1);
    has_ended(&mut stream).await;
}

/// A hub that was started just now knows of no other: it waits until it does.
#[tokio::test]
async fn a_hub_that_has_just_joined_ends_the_streams_of_those_that_it_has_not_met() {
    for _ in 0..3 {
        let air = Air::new();
        let a = air.hub(HubConfig::default(), crate::support::open_config()).await;
        let mut stream = a.open("ann").await.unwrap();
        let b = air.hub(HubConfig::default(), crate::support::open_config()).await;
        assert_eq!(end(b.admin, "/kick?user=ann").await, 1);
        has_ended(&mut stream).await;
    }
}

/// It may be the only one, or the others go on with what it ends.
#[tokio::test(start_paused = true)]
async fn a_hub_that_cannot_speak_says_so_whether_it_knows_of_others_or_not() {
    let [a, b] = Air::new().hubs(HubConfig::default()).await;
    let cannot = async || {
        let answer = call(a.admin, "POST", "/kick?user=ann", "").await;
        assert_eq!(answer.status, 503);
        assert!(answer.text().contains("cannot be spoken to"), "{}", answer.text());
    };
    a.line.cut();
    cannot().await;
    a.knows(1).await;
    cannot().await;
    a.line.mend();
    let mut stream = b.open("ben").await.unwrap();
    assert_eq!(end(a.admin, "/kick?user=ben").await, 1);
    has_ended(&mut stream).await;
}

/// A hub that does not hear the call goes on with its streams for as long as it hears nothing.
#[tokio::test(start_paused = true)]
async fn who_was_thrown_out_while_hubs_did_not_hear_of_each_other_is_out_when_they_do() {
    let [a, b] = Air::new().hubs(HubConfig::default()).await;
    for deaf in [&a, &b] {
        let mut streams = [b.open("ann").await.unwrap(), b.open("ben").await.unwrap()];
        let mut kept = b.open("cid").await.unwrap();
        deaf.line.cut();
        a.knows(1).await;
        b.knows(1).await;
        for user in ["ann", "ben"] {
            let answer = call(a.admin, "POST", &format!("/kick?user={user}"), "").await;
            assert_eq!(answer.status, if deaf.admin == a.admin { 503 } else { 200 });
        }
        b.server.server.hub().publish(Update::new("a", "on")).now().unwrap();
        for stream in &mut streams {
            assert_eq!(stream.data(1).await, ["on"]);
        }
        deaf.line.mend();
        for stream in &mut streams {
            has_ended(stream).await;
        }
        b.server.server.hub().publish(Update::new("a", "still")).now().unwrap();
        assert_eq!(kept.data(2).await, ["on", "still"]);
    }
}

/// Whatever is lost, the question or the answer, it is asked again; and nobody is counted twice or not at all.
#[tokio::test]
async fn a_lost_question_and_a_lost_answer_are_made_good() {
    for lost in ["end", "ended"] {
        let [a, b] = Air::new().hubs(HubConfig::default()).await;
        let mut stream = b.open("ann").await.unwrap();
        b.line.lose(lost);
        let closed = timeout(PATIENCE, end(a.admin, "/kick?user=ann")).await.unwrap();
        assert_eq!(closed, 1, "lost: {lost}");
        has_ended(&mut stream).await;
    }
}

/// It may have thrown somebody out while the two did not hear of each other, and not have waited.
#[tokio::test(start_paused = true)]
async fn what_was_kept_before_a_hub_comes_back_counts_no_longer() {
    let application = application().await;
    let air = Air::new();
    let [a, b] = asking_hubs(&air, &application).await;
    drop(open(&b, "ann/1").await);
    let asked = application.count();
    drop(open(&b, "ann/1").await);
    assert_eq!(application.count(), asked);
    a.line.cut();
    b.knows(1).await;
    a.line.mend();
    b.knows(2).await;
    drop(open(&b, "ann/1").await);
    assert_eq!(application.count(), asked + 1);
}

/// One where the session is `user/session`, and whoever is logged in may read `a`.
async fn application() -> Application {
    crate::authorize::ending::application().await
}

/// Hubs that ask it, and keep what it says for an hour.
async fn asking_hubs(air: &Air, application: &Application) -> [Node; 2] {
    let config = || {
        let mut authorize = application.authorize();
        authorize.cache = Duration::from_hours(1);
        asking(authorize)
    };
    let nodes = [
        air.hub(HubConfig::default(), config()).await,
        air.hub(HubConfig::default(), config()).await,
    ];
    for node in &nodes {
        node.knows(2).await;
    }
    nodes
}

async fn open(node: &Node, session: &str) -> crate::support::EventStream {
    node.server.subscribe("topic=a", &cookie(session)).await.opened().await
}
