//! Which questions are asked again, and that no two users share an answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use tidings_hub::Update;
use tokio::task::JoinSet;

use super::application::{Application, Reply, cookie, gate};
use crate::support::{Now, TestServer};

async fn connect(server: &TestServer, query: &str, headers: &str) {
    drop(server.subscribe(query, headers).await.opened().await);
}

#[tokio::test]
async fn an_allowance_is_kept_for_the_same_request_of_the_same_client() {
    let application = Application::answering(Reply::status(200)).await;
    let (server, _) = application.hub().await;
    for _ in 0..3 {
        connect(&server, "topic=a", &cookie("ann")).await;
    }
    // A browser that comes back says how far it got.
    connect(&server, "topic=a", &format!("{}Last-Event-ID: %231\r\n", cookie("ann"))).await;
    connect(&server, "topic=a&lastEventID=earliest", &cookie("ann")).await;
    assert_eq!(application.count(), 1);
    for (n, (query, headers)) in [
        ("topic=a", cookie("ben")),
        ("topic=a", String::new()),
        ("topic=a", "Authorization: Basic YW5u\r\n".to_owned()),
        ("topic=a", format!("{}Authorization: Basic YW5u\r\n", cookie("ann"))),
        ("topic=b", cookie("ann")),
        ("topic=a&topic=b", cookie("ann")),
    ]
    .into_iter()
    .enumerate()
    {
        connect(&server, query, &headers).await;
        assert_eq!(application.count(), n + 2, "{query} {headers}");
        connect(&server, query, &headers).await;
        assert_eq!(application.count(), n + 2, "{query} {headers} again");
    }
    assert!(application.connections() < application.count(), "connections are used again");
}

#[tokio::test]
async fn a_refusal_is_not_kept() {
    let application = Application::answering(Reply::status(401)).await;
    let (server, _) = application.hub().await;
    for status in [401, 403, 500] {
        application.answer(Reply::status(status));
        let answer = server.request("GET /events?topic=a HTTP/1.1\r\nCookie: ann", b"").await;
        assert_eq!(answer.status, if status == 500 { 503 } else { status });
    }
    application.answer(Reply::status(200));
    connect(&server, "topic=a", &cookie("ann")).await;
    assert_eq!(application.count(), 4);
}

#[tokio::test]
async fn an_allowance_is_kept_no_longer_than_configured() {
    let application = Application::answering(Reply::status(200)).await;
    let set = |cache| {
        move |config: &mut tidings_server::ServerConfig| {
            config.auth.authorize.as_mut().unwrap().cache = cache;
        }
    };
    let (server, _) = application.hub_with(set(Duration::ZERO)).await;
    for _ in 0..3 {
        connect(&server, "topic=a", &cookie("ann")).await;
    }
    assert_eq!(application.count(), 3, "0s asks each time");
    let (server, _) = application.hub_with(set(Duration::from_millis(50))).await;
    connect(&server, "topic=a", &cookie("ann")).await;
    let asked_again = async {
        while application.count() < 5 {
            connect(&server, "topic=a", &cookie("ann")).await;
        }
    };
    tokio::time::timeout(crate::support::PATIENCE, asked_again).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_who_ask_the_same_at_once_are_one_question() {
    let shut = gate();
    let application =
        Application::answering(Reply::json(&json!({"user": "ann"})).after(&shut)).await;
    let (server, _) = application.hub().await;
    let server = Arc::new(server);
    let mut connects = JoinSet::new();
    for _ in 0..100 {
        let mut client = server.connect().await;
        client.ask_as_browser("topic=a", &cookie("ann")).await;
        connects.spawn(async move { client.stream().await.opened().await });
    }
    application.was_asked(1).await;
    shut.send_replace(true);
    let streams = connects.join_all().await;
    assert_eq!((streams.len(), application.count()), (100, 1));
}

/// The one that asks for all is gone before it has its answer.
#[tokio::test]
async fn those_that_wait_do_not_depend_on_the_one_that_asks() {
    let shut = gate();
    let application = Application::answering(Reply::status(200).after(&shut)).await;
    let (server, _) = application.hub().await;
    let mut first = server.connect().await;
    first.ask_as_browser("topic=a", &cookie("ann")).await;
    application.was_asked(1).await;
    let mut second = server.connect().await;
    second.ask_as_browser("topic=a", &cookie("ann")).await;
    drop(first);
    application.was_asked(2).await;
    shut.send_replace(true);
    drop(second.stream().await.opened().await);
}

#[tokio::test]
async fn no_more_than_64_questions_are_under_way() {
    let shut = gate();
    let application = Application::answering(Reply::status(200).after(&shut)).await;
    let (server, _) = application.hub().await;
    let mut clients = Vec::new();
    for n in 0..100 {
        let mut client = server.connect().await;
        client.ask_as_browser("topic=a", &cookie(&n.to_string())).await;
        clients.push(client);
    }
    application.was_asked(64).await;
    // Whoever could ask has had a turn by the time that a probe of the hub is answered.
    for _ in 0..10 {
        assert_eq!(server.request("GET /nothing HTTP/1.1", b"").await.status, 404);
        assert_eq!(application.count(), 64);
    }
    shut.send_replace(true);
    for client in clients {
        drop(client.stream().await.opened().await);
    }
    assert_eq!((application.count(), application.connections()), (100, 64));
}

/// Each user may read a topic of their own. Whatever comes at once and however often, nobody reads another's.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_users_never_share_an_answer() {
    const USERS: usize = 40;
    const ROUNDS: usize = 5;
    let application = Application::start(|asked| {
        let user = asked.header("cookie").strip_prefix("session=").unwrap().to_owned();
        let topic = format!("users/{user}");
        Reply::json(&json!({"user": user, "topics": [topic, "end"]}))
    })
    .await;
    let (server, _) = application.hub().await;
    let server = Arc::new(server);
    for round in 0..ROUNDS {
        let opened = Arc::new(AtomicUsize::new(0));
        let mut readers = JoinSet::new();
        for user in 0..USERS {
            let (server, opened) = (Arc::clone(&server), Arc::clone(&opened));
            readers.spawn(async move {
                let headers = cookie(&format!("session={user}"));
                let mut stream =
                    server.subscribe("topic=users/0&topic=*", &headers).await.opened().await;
                opened.fetch_add(1, Ordering::Relaxed);
                assert_eq!(stream.event().await.1, format!("for {user}"), "in round {round}");
                assert_eq!(stream.event().await.1, "end");
            });
        }
        while opened.load(Ordering::Relaxed) < USERS && !readers.is_empty() {
            tokio::task::yield_now().await;
        }
        for user in 0..USERS {
            let update = Update::new(format!("users/{user}"), format!("for {user}")).private();
            server.server.hub().publish(update).now().unwrap();
        }
        server.server.hub().publish(Update::new("end", "end")).now().unwrap();
        readers.join_all().await;
    }
    assert_eq!(application.count(), USERS, "and each is asked about once");
}
