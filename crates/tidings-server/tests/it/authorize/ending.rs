//! Streams that are ended from the admin listener: at once, on either lane, and not by a web page.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tidings_hub::{Grants, HubConfig, Selector, Start, Subscriber, SubscriberId, Update};
use tokio::io::AsyncReadExt as _;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::application::{Application, Reply, asking, cookie, gate};
use crate::guarantees::slow::{SMALL_BYTES, with_receive_buffer, with_send_buffers_and_admin};
use crate::probe::metric_becomes;
use crate::support::{
    Answer, Client, EventStream, Now, PATIENCE, Seen, TestServer, in_seconds, open_config, seq,
    sign,
};

const KICKED: &str = "tidings_streams_closed_total{reason=\"kicked\"}";

/// One where the session is `user/session`, and whoever is logged in may read `a`.
pub(crate) async fn application() -> Application {
    Application::start(|asked| {
        let session = asked.header("cookie").to_owned();
        let user = session.split('/').next().unwrap().to_owned();
        Reply::json(&json!({"user": user, "session": session, "subscribe": ["a"]}))
    })
    .await
}

pub(crate) async fn call(admin: SocketAddr, method: &str, target: &str, headers: &str) -> Answer {
    let mut client = Client::connect(admin).await;
    let head = format!("{method} {target} HTTP/1.1\r\n{headers}");
    client.send_request(head.trim_end(), b"").await;
    client.answer().await
}

/// Ends streams, and gives how many there were.
pub(crate) async fn end(admin: SocketAddr, target: &str) -> u64 {
    let answer = call(admin, "POST", target, "").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    answer.json()["closed"].as_u64().unwrap()
}

async fn open(server: &TestServer, session: &str) -> EventStream {
    server.subscribe("topic=a", &cookie(session)).await.opened().await
}

/// The stream ends with its last words and nothing before them.
pub(crate) async fn has_ended(stream: &mut EventStream) {
    let rest = stream.rest().await;
    let [Seen::Event { event_type, data, .. }] = rest.as_slice() else { panic!("{rest:?}") };
    assert_eq!((event_type.as_str(), data.as_str()), ("expired", r#"{"reason":"kicked"}"#));
}

async fn goes_on(server: &TestServer, stream: &mut EventStream) {
    server.server.hub().publish(Update::new("a", "on").private()).now().unwrap();
    assert_eq!(stream.event().await.1, "on");
}

#[tokio::test]
async fn a_kick_ends_all_streams_of_a_user_and_no_others() {
    let application = application().await;
    let (server, admin) = application.hub().await;
    let mut anns = Vec::new();
    for session in ["ann/1", "ann/1", "ann/2"] {
        anns.push(open(&server, session).await);
    }
    let mut others = [open(&server, "ben/1").await, open(&server, "ann2/1").await];
    assert_eq!(end(admin, "/kick?user=ann").await, 3);
    assert_eq!(end(admin, "/kick?user=ann").await, 0);
    for stream in &mut anns {
        has_ended(stream).await;
    }
    metric_becomes(admin, KICKED, 3).await;
    for stream in &mut others {
        goes_on(&server, stream).await;
    }
    assert_eq!(server.server.hub().stats().subscribers, 2);
}

#[tokio::test]
async fn a_session_or_one_stream_is_ended_by_itself() {
    let application = application().await;
    let (server, admin) = application.hub().await;
    let mut first = open(&server, "ann/1").await;
    let urn = server.server.hub().subscribers()[0].id.to_string();
    let mut second = open(&server, "ann/1").await;
    let mut other = open(&server, "ann/2").await;
    assert_eq!(end(admin, "/disconnect?session=ann/3").await, 0);
    assert_eq!(end(admin, &format!("/disconnect?subscriber={urn}")).await, 1);
    has_ended(&mut first).await;
    goes_on(&server, &mut second).await;
    goes_on(&server, &mut other).await;
    assert_eq!(end(admin, "/disconnect?session=ann%2F1").await, 1);
    assert!(
        matches!(second.rest().await.last(), Some(Seen::Event { event_type, .. }) if event_type == "expired")
    );
    goes_on(&server, &mut other).await;
}

#[tokio::test]
async fn tokens_name_users_and_sessions_too() {
    let (server, admin) = TestServer::with_admin(HubConfig::default(), open_config()).await;
    let stream = async |claims| {
        let headers = format!("Authorization: Bearer {}\r\n", sign(&claims));
        server.subscribe("topic=a", &headers).await.opened().await
    };
    let exp = in_seconds(3600);
    let mut by_session = stream(json!({"sub": "ann", "sid": "s-1", "exp": exp})).await;
    let mut by_user = stream(json!({"sub": "ann", "sid": "s-2", "exp": exp})).await;
    let nameless = stream(json!({"sub": "", "sid": "", "exp": exp})).await;
    assert_eq!(end(admin, "/disconnect?session=s-1").await, 1);
    has_ended(&mut by_session).await;
    assert_eq!(end(admin, "/kick?user=ann").await, 1);
    has_ended(&mut by_user).await;
    drop(nameless);
    let bad = format!(
        "GET /events?topic=a HTTP/1.1\r\nAuthorization: Bearer {}",
        sign(&json!({"sid": 1}))
    );
    let answer = server.request(&bad, b"").await;
    assert_eq!((answer.status, &answer.json()["reason"]), (401, &json!("bad_claims")));
}

/// A publisher goes on all the while, as fast as somebody else reads. Nothing that it publishes after the call has answered
/// reaches the streams that were ended, nor anything that they were owed then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_comes_once_the_call_has_answered() {
    const STREAMS: usize = 10;
    const BURST: usize = 10;
    let application = application().await;
    let (server, admin) = application.hub().await;
    let hub = server.server.hub().clone();
    let mut witness = open(&server, "ben/1").await;
    let is_over = Arc::new(AtomicBool::new(false));
    let publisher = {
        let (hub, is_over) = (hub.clone(), Arc::clone(&is_over));
        tokio::spawn(async move {
            while !is_over.load(Ordering::Relaxed) {
                hub.publish_all((0..BURST).map(|_| Update::new("a", "secret").private())).now();
                witness.data(BURST).await;
            }
        })
    };
    for round in 0..10 {
        let mut readers = JoinSet::new();
        for n in 0..STREAMS {
            let mut stream = open(&server, &format!("ann/{n}")).await;
            assert_eq!(stream.event().await.1, "secret");
            readers.spawn(async move {
                let mut last = 0;
                while let Some(seen) = stream.next().await {
                    if let Seen::Event { event_type, id, .. } = seen
                        && event_type == "message"
                    {
                        last = seq(&id);
                    }
                }
                last
            });
        }
        assert_eq!(end(admin, "/kick?user=ann").await, STREAMS as u64);
        let published = hub.stats().published;
        for last in readers.join_all().await {
            assert!(last <= published, "round {round}: {last} came after {published}");
        }
        // A client may see its end just before the hub has forgotten it.
        metric_becomes(admin, "tidings_streams", 1).await;
    }
    is_over.store(true, Ordering::Relaxed);
    publisher.await.unwrap();
}

/// Whoever serves a stream may have something of it in hand as long as it does not know of its end.
#[tokio::test]
async fn the_call_answers_once_every_stream_knows() {
    let (server, admin) = TestServer::with_admin(HubConfig::default(), open_config()).await;
    let unread = || {
        let subscriber = Subscriber {
            id: SubscriberId::random().unwrap(),
            selectors: vec![Selector::new("a")],
            grants: Grants::none(),
            user: Some("ann".into()),
            session: None,
            address: None,
            payload: None,
        };
        server.server.hub().subscribe(subscriber, Start::Live).now().unwrap()
    };
    let subscription = unread();
    let mut call = tokio::spawn(end(admin, "/kick?user=ann"));
    // It has come as far as it comes: it has told the subscription, which is one that nobody reads.
    assert!(timeout(Duration::from_secs(2), &mut call).await.is_err(), "it has answered");
    drop(subscription);
    assert_eq!(call.await.unwrap(), 1);

    let _unread = unread();
    let mut client = Client::connect(admin).await;
    client.send_request("POST /kick?user=ann HTTP/1.1", b"").await;
    let answer = client.answer().await;
    assert_eq!(answer.status, 503);
    assert!(answer.text().contains("ask again"), "{}", answer.text());
}

/// One connection may carry the streams of many, as from a proxy.
#[tokio::test]
async fn over_http2_one_stream_ends_and_the_others_go_on() {
    let application = application().await;
    let (server, admin) = application.hub().await;
    let socket = server.connect().await.socket;
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(socket)).await.unwrap();
    let connection = tokio::spawn(async move { drop(connection.await) });
    let mut streams = Vec::new();
    for session in ["ann/1", "ben/1"] {
        let request = Request::get("http://hub/events?topic=a").header("cookie", session);
        let request = request.body(Empty::<Bytes>::new()).unwrap();
        streams.push(sender.send_request(request).await.unwrap().into_body());
    }
    assert_eq!(end(admin, "/kick?user=ann").await, 1);
    let mut ben = streams.pop().unwrap();
    let ann = streams.pop().unwrap().collect().await.unwrap().to_bytes();
    assert!(ann.ends_with(b"event: expired\ndata: {\"reason\":\"kicked\"}\n\n"), "{ann:?}");
    server.server.hub().publish(Update::new("a", "on").private()).now().unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"data: on\n\n") {
        seen.extend(ben.frame().await.unwrap().unwrap().into_data().unwrap());
    }
    drop((ben, sender));
    connection.await.unwrap();
}

/// Its client leaves the stream's window shut: nobody asks the stream for bytes, so it cannot end by itself.
#[tokio::test]
async fn over_http2_a_stream_that_nobody_reads_is_cut() {
    let application = application().await;
    let (server, admin) = application.hub().await;
    let socket = server.connect().await.socket;
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(socket)).await.unwrap();
    let connection = tokio::spawn(async move { drop(connection.await) });
    let request = Request::get("http://hub/events?topic=a").header("cookie", "ann/1");
    let request = request.body(Empty::<Bytes>::new()).unwrap();
    let unread = sender.send_request(request).await.unwrap();
    for _ in 0..10 {
        let update = Update::new("a", "x".repeat(1024 * 1024)).private();
        server.server.hub().publish(update).now().unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(end(admin, "/kick?user=ann").await, 1);
    assert_eq!(server.server.hub().stats().subscribers, 0);
    metric_becomes(admin, KICKED, 1).await;
    drop((unread, sender));
    connection.await.unwrap();
}

/// Its client takes no bytes. What waits for it, the rest of an update, does not come when it reads again.
#[tokio::test]
async fn a_stream_whose_client_reads_nothing_is_cut() {
    const UPDATE_BYTES: usize = 1024 * 1024;
    let application = application().await;
    let config = asking(application.authorize());
    let (server, admin) =
        with_send_buffers_and_admin(SMALL_BYTES, HubConfig::default(), config).await;
    let stuck = with_receive_buffer(SMALL_BYTES, &server).await;
    let mut stuck = stuck.subscribe("topic=a", &cookie("ann/1")).await.opened().await;
    let mut live = open(&server, "ben/1").await;
    for _ in 0..3 {
        let update = Update::new("a", "x".repeat(UPDATE_BYTES)).private();
        server.server.hub().publish(update).now().unwrap();
        assert_eq!(live.event().await.1.len(), UPDATE_BYTES);
    }
    let ended = timeout(PATIENCE / 4, end(admin, "/kick?user=ann")).await;
    assert_eq!(ended.expect("the call does not wait for it"), 1);
    assert_eq!(server.server.hub().stats().subscribers, 1);
    let mut rest = Vec::new();
    // It may end with an error, as it was cut.
    drop(timeout(PATIENCE, stuck.client.socket.read_to_end(&mut rest)).await.expect("it is open"));
    assert!(rest.len() < UPDATE_BYTES, "{} bytes came", rest.len());
    metric_becomes(admin, KICKED, 1).await;
    goes_on(&server, &mut live).await;
}

#[tokio::test]
async fn who_was_kicked_is_asked_about_again_at_once() {
    let application = application().await;
    let (server, admin) = application.hub().await;
    for (call, count) in [
        ("/kick?user=ben", 1),
        ("/disconnect?session=ann/2", 1),
        ("/disconnect?subscriber=urn:uuid:0", 1),
        ("/kick?user=ann", 2),
        ("/disconnect?session=ann/1", 3),
    ] {
        drop(open(&server, "ann/1").await);
        end(admin, call).await;
        drop(open(&server, "ann/1").await);
        assert_eq!(application.count(), count, "{call}");
    }
    application.answer(Reply::status(401));
    end(admin, "/kick?user=ann").await;
    let answer = server.request("GET /events?topic=a HTTP/1.1\r\nCookie: ann/1", b"").await;
    assert_eq!(answer.status, 401);
}

/// The application let somebody in, and throws them out before the hub has its answer.
#[tokio::test]
async fn an_answer_that_is_older_than_the_kick_lets_nobody_in() {
    let shut = gate();
    let application = application().await;
    let late = Reply::json(&json!({"user": "ann", "session": "ann/1"})).after(&shut);
    application.answer(late.clone());
    let (server, admin) = application.hub().await;
    let mut client = server.connect().await;
    client.ask_as_browser("topic=a", &cookie("ann/1")).await;
    application.was_asked(1).await;
    assert_eq!(end(admin, "/kick?user=ann").await, 0);
    application.answer(Reply::status(401));
    shut.send_replace(true);
    assert_eq!(client.answer().await.status, 401, "the application is asked again");
    assert_eq!(application.count(), 2);

    // Where nothing is kept the client has to ask again.
    shut.send_replace(false);
    application.answer(late);
    let (server, admin) = application
        .hub_with(|config| {
            config.auth.authorize.as_mut().unwrap().cache = Duration::ZERO;
        })
        .await;
    let mut client = server.connect().await;
    client.ask_as_browser("topic=a", &cookie("ann/1")).await;
    application.was_asked(3).await;
    assert_eq!(end(admin, "/disconnect?session=ann/1").await, 0);
    shut.send_replace(true);
    let refused = client.answer().await.soft_refusal();
    assert_eq!((&refused["status"], &refused["reason"]), (&json!(503), &json!("kicked")));
    assert_eq!(server.server.hub().stats().subscribers, 0);
}

#[tokio::test]
async fn what_is_no_such_call_ends_nothing_and_says_what_to_do() {
    let application = application().await;
    let (server, admin) = application.hub().await;
    let mut stream = open(&server, "ann/1").await;
    for (method, target, headers, status, told) in [
        ("POST", "/kick?user=ann", "Origin: https://evil.example", 403, "web page"),
        ("POST", "/kick?user=ann", "Origin: null", 403, "web page"),
        ("POST", "/disconnect?session=ann/1", "Sec-Fetch-Site: cross-site", 403, "web page"),
        ("POST", "/kick?user=ann", "Sec-Fetch-Site: same-origin", 403, "web page"),
        ("GET", "/kick?user=ann", "", 405, "use POST"),
        ("PUT", "/disconnect?session=ann/1", "", 405, "use POST"),
        ("POST", "/kick", "", 400, "POST /kick?user=USER"),
        ("POST", "/kick?user=", "", 400, "POST /kick?user=USER"),
        ("POST", "/kick?User=ann", "", 400, "POST /kick?user=USER"),
        ("POST", "/kick?user=ann&now=1", "", 400, "POST /kick?user=USER"),
        ("POST", "/disconnect?user=ann", "", 400, "/disconnect?session=SESSION"),
        ("POST", "/kicks?user=ann", "", 405, "use GET"),
        ("GET", "/kicks", "", 404, "POST /kick"),
    ] {
        let answer = call(admin, method, target, headers).await;
        let text = answer.text();
        assert_eq!(answer.status, status, "{method} {target} {headers}: {text}");
        assert!(text.contains(told), "{method} {target} {headers}: {text}");
        if told == "use POST" {
            assert_eq!(answer.header("allow"), Some("POST"));
        }
    }
    goes_on(&server, &mut stream).await;
    // The public listener has no such calls.
    let public = server.request("POST /kick?user=ann HTTP/1.1", b"").await;
    assert_eq!(public.status, 404);
    assert_eq!(call(admin, "POST", "/kick?user=ann", "Sec-Fetch-Site: none").await.status, 200);
    has_ended(&mut stream).await;
}
