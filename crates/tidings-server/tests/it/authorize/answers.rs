//! What each answer of the application leads to, and what it learns for it.

use serde_json::{Value, json};
use tidings_hub::{CloseReason, HubConfig, Limits};
use tidings_server::auth::AuthorizeConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

use super::application::{Application, Reply, SHORT, asking, cookie, gate};
use crate::hostile::{keep_log, logged};
use crate::probe::metric_becomes;
use crate::support::{Answer, Now, Seen, TestServer, token};

/// Publishes past the edge: these tests are about who may read.
fn publish(server: &TestServer, topic: &str, data: &str, is_private: bool) {
    let update = tidings_hub::Update::new(topic, data);
    let update = if is_private { update.private() } else { update };
    server.server.hub().publish(update).now().unwrap();
}

/// What a stream gets of one private and one public update of each topic.
async fn seen(server: &TestServer, query: &str) -> Vec<String> {
    let mut stream = server.subscribe(query, &cookie("session=1")).await.opened().await;
    for topic in ["a", "b", "end"] {
        publish(server, topic, &format!("{topic} private"), true);
        publish(server, topic, &format!("{topic} public"), false);
    }
    let mut seen = Vec::new();
    while seen.last().is_none_or(|data| data != "end public") {
        seen.push(stream.event().await.1);
    }
    seen
}

async fn ask(server: &TestServer, query: &str) -> Answer {
    let head = format!("GET /events?{query} HTTP/1.1\r\nCookie: session=1");
    server.request(&head, b"").await
}

/// Asks as a program and as a browser, and gives status and reason of both.
async fn refusals(server: &TestServer) -> [(u64, String); 2] {
    let plain = ask(server, "topic=a").await;
    let mut client = server.connect().await;
    client.ask_as_browser("topic=a", &cookie("session=1")).await;
    let browser = client.answer().await;
    let browser = if browser.status == 200 { browser.soft_refusal() } else { browser.json() };
    [plain.json(), browser].map(|problem: Value| {
        (problem["status"].as_u64().unwrap(), problem["reason"].as_str().unwrap().to_owned())
    })
}

/// What the hub says in its log of an answer that is none.
async fn failure(application: &Application, server: &TestServer, reply: Reply) -> String {
    // A good answer between two that are none, so that the second is told of even if it is like the first. It is not one
    // that is kept.
    application.answer(Reply::status(204));
    let good = format!("topic={}", application.count());
    assert_eq!(
        server.connect().await.subscribe(&good, &cookie("session=1")).await.head.status,
        200
    );
    application.answer(reply);
    drop(logged());
    let expected = (503, "callback_failed".to_owned());
    assert_eq!(refusals(server).await, [expected.clone(), expected]);
    let logged = logged();
    let line = logged.lines().find(|line| line.contains("gave no answer")).unwrap();
    assert!(line.contains(" WARN "), "{line}");
    assert!(line.contains("/hub/authorize") && !line.contains("url-secret"), "{line}");
    line.to_owned()
}

#[tokio::test]
async fn the_application_learns_who_asks_and_for_what() {
    let application = Application::answering(Reply::status(204)).await;
    let (server, _) = application.hub().await;
    let head = "GET /events?topic=a%2Fb&lastEventID=x HTTP/1.1\r\nCookie: a=1; b=2\r\nAuthorization: Basic YTpi\r\n\
                Accept-Language: de\r\nUser-Agent: browser\r\ntraceparent: 00-1-2-01\r\ntracestate: x=y\r\n\
                X-Forwarded-For: 198.51.100.7\r\nX-Original-URI: /other\r\nX-Tidings-User: root\r\nOrigin: https://x.example";
    let mut client = server.connect().await;
    client.send_request(head, b"").await;
    drop(client.stream().await);
    let asked = application.last();
    assert_eq!(asked.uri, "/hub/authorize?key=url-secret");
    for (name, value) in [
        ("host", application.address.to_string().as_str()),
        ("cookie", "a=1; b=2"),
        ("authorization", "Basic YTpi"),
        ("accept-language", "de"),
        ("user-agent", "browser"),
        ("traceparent", "00-1-2-01"),
        ("tracestate", "x=y"),
        ("x-original-method", "GET"),
        ("x-original-uri", "/events?topic=a%2Fb&lastEventID=x"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-tidings-user", ""),
        ("origin", ""),
    ] {
        assert_eq!(asked.header(name), value, "{name}");
    }
}

#[tokio::test]
async fn a_bare_allowance_is_for_public_updates() {
    for status in [200, 201, 204, 299] {
        let application = Application::answering(Reply::status(status)).await;
        let (server, _) = application.hub().await;
        let seen = seen(&server, "topic=a&topic=end").await;
        assert_eq!(seen, ["a public", "end public"], "{status}");
    }
}

#[tokio::test]
async fn the_application_refuses_with_its_own_status() {
    for (status, reason) in [(401, "callback_unauthorized"), (403, "callback_forbidden")] {
        let application = Application::answering(Reply::status(status)).await;
        let (server, _) = application.hub().await;
        // For a browser, too: it will not get better by waiting.
        let expected = (u64::from(status), reason.to_owned());
        assert_eq!(refusals(&server).await, [expected.clone(), expected]);
        let head = ask(&server, "topic=a").await;
        assert_eq!(head.header("www-authenticate").is_some(), status == 401);
    }
}

#[tokio::test]
async fn every_other_answer_is_one_to_ask_again_for_and_the_log_says_what_is_wrong() {
    keep_log();
    let application = Application::answering(Reply::status(200)).await;
    let (server, _) = application.hub().await;
    let json = |text: &str| {
        Reply::status(200)
            .with("content-type", "application/json; charset=utf-8")
            .body(text.to_owned())
    };
    let elsewhere = Application::answering(Reply::status(200)).await;
    let redirect = |status| Reply::status(status).with("location", elsewhere.url());
    for (reply, told) in [
        (Reply::status(400), "400"),
        (Reply::status(404), "404"),
        (Reply::status(407), "407"),
        (Reply::status(429), "429"),
        (Reply::status(500), "500"),
        (Reply::status(503), "503"),
        (redirect(301), "redirects are not followed"),
        (redirect(302), "redirects are not followed"),
        (redirect(303), "redirects are not followed"),
        (redirect(307), "redirects are not followed"),
        (redirect(308), "redirects are not followed"),
        (json("{"), "not JSON at line 1"),
        (json("<html>"), "not JSON at line 1"),
        (json("[\"alice\"]"), "not a JSON object"),
        (json("true"), "not a JSON object"),
        (json(r#"{"topic":["a"]}"#), "`topic`: did you mean `topics`?"),
        (json(r#"{"subscibe":["a"]}"#), "`subscibe`: did you mean `subscribe`?"),
        (json(r#"{"role":"admin"}"#), "`role`: leave it out"),
        (json(r#"{"user":"a","user":"b"}"#), "`user` is there twice"),
        (json(r#"{"user":42}"#), "`user` must be one text"),
        (json(r#"{"topics":"a"}"#), "`topics` must be a list"),
        (json(r#"{"topics":["a",""]}"#), "`topics` must be a list"),
        (json(r#"{"publish":[1]}"#), "`publish` must be a list"),
        (json(r#"{"expires_in":0}"#), "`expires_in` must be a number of seconds above 0"),
        (json(r#"{"expires_in":-1}"#), "`expires_in` must be"),
        (json(r#"{"expires_in":"60"}"#), "`expires_in` must be"),
        (json(r#"{"expires_in":1e999}"#), "`expires_in` must be"),
        (Reply::status(200).body(r#"{"topics":["a"]}"#), "Content-Type is not application/json"),
        (
            Reply::status(200).with("x-tidings-topic", "a"),
            "`x-tidings-topic`: did you mean `x-tidings-topics`?",
        ),
        (Reply::status(200).with("x-tidings-payload", "{}"), "`x-tidings-payload`: leave it out"),
        (
            Reply::status(200).with("x-tidings-user", "a").with("x-tidings-user", "b"),
            "`user` must be one text",
        ),
        (Reply::status(200).with("x-tidings-topics", "{a,b}"), "`topics` must be a list"),
        (Reply::status(200).with("x-tidings-expires-in", "soon"), "`expires_in` must be"),
        (Reply::status(200).body(vec![b'x'; 64 * 1024 + 1]), "longer than 65536 bytes"),
        (json(&format!("\"{}\"", "x".repeat(1024 * 1024))), "longer than 65536 bytes"),
    ] {
        let shown = format!("{:?} {:?}", reply.status, reply.headers);
        let line = failure(&application, &server, reply).await;
        assert!(line.contains(told), "{shown}: {told:?} is not in {line}");
    }
    assert_eq!((elsewhere.count(), elsewhere.connections()), (0, 0), "redirects are not followed");
}

#[tokio::test]
async fn what_is_just_within_the_bounds_is_understood() {
    let application = Application::answering(Reply::status(200)).await;
    let (server, _) = application
        .hub_with(|config| {
            config.auth.authorize.as_mut().unwrap().cache = std::time::Duration::ZERO;
        })
        .await;
    let filled = json!({ "payload": "x".repeat(64 * 1024 - 14) }).to_string();
    assert_eq!(filled.len(), 64 * 1024);
    for body in
        [filled.as_str(), "", "null", " {} ", r#"{"user":null,"topics":null,"expires_in":null}"#]
    {
        application.answer(
            Reply::status(200).with("content-type", "Application/JSON").body(body.to_owned()),
        );
        drop(server.subscribe("topic=a", "").await);
    }
    application.answer(Reply::status(200).with("content-type", "text/plain").body("OK {you}"));
    drop(server.subscribe("topic=a", "").await);
    // A page that a site has for whatever it does not know, or for logging in, lets nobody in.
    for body in ["<!doctype html>", " <p>", "[\"news\"]", "\u{feff}{\"topics\":[]}"] {
        application.answer(Reply::status(200).with("content-type", "text/html").body(body));
        assert_eq!(refusals(&server).await, [(); 2].map(|()| (503, "callback_failed".to_owned())));
    }
}

#[tokio::test]
async fn an_application_that_is_not_there_or_falls_silent_is_one_to_ask_again() {
    keep_log();
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = nobody.local_addr().unwrap();
    drop(nobody);
    let config = asking(AuthorizeConfig::new(format!("http://{closed}/")));
    let server = TestServer::start(HubConfig::default(), config).await;
    drop(logged());
    assert_eq!(refusals(&server).await, [(); 2].map(|()| (503, "callback_failed".to_owned())));
    assert!(logged().contains("refused"), "the log says why");

    let shut = gate();
    let application = Application::answering(Reply::status(200).after(&shut)).await;
    let silent = AuthorizeConfig { timeout: SHORT, ..application.authorize() };
    let server = TestServer::start(HubConfig::default(), asking(silent)).await;
    drop(logged());
    assert_eq!(refusals(&server).await, [(); 2].map(|()| (503, "callback_failed".to_owned())));
    assert!(logged().contains("did not come within 300ms"));
    assert_eq!(application.count(), 2, "a failure is not kept");
}

/// Sends these bytes to whoever connects, and no more of them.
async fn raw(bytes: &'static [u8], closes: bool) -> (String, AbortOnDropHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let task = tokio::spawn(async move {
        let mut open = Vec::new();
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") && socket.read_buf(&mut head).await.unwrap() > 0 {}
            socket.write_all(bytes).await.unwrap();
            if !closes {
                open.push(socket);
            }
        }
    });
    (url, AbortOnDropHandle::new(task))
}

#[tokio::test]
async fn half_an_answer_is_none() {
    for (bytes, closes) in [
        (&b""[..], true),
        (b"SSH-2.0-x\r\n", true),
        (b"HTTP/1.1 200 OK\r\n", true),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n{", true),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhello", false),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello", false),
        (b"HTTP/1.1 100 Continue\r\n\r\n", false),
        (b"HTTP/1.1 200 OK\r\nX-Tidings-Us\xff: a\r\n\r\n", true),
    ] {
        let (url, _task) = raw(bytes, closes).await;
        let config = asking(AuthorizeConfig { timeout: SHORT, ..AuthorizeConfig::new(url) });
        let server = TestServer::start(HubConfig::default(), config).await;
        let answer = ask(&server, "topic=a").await;
        let shown = String::from_utf8_lossy(bytes);
        assert_eq!(
            (answer.status, &answer.json()["reason"]),
            (503, &json!("callback_failed")),
            "{shown}"
        );
        assert!(answer.header("retry-after").is_some());
    }
}

#[tokio::test]
async fn topics_set_what_the_stream_is_for_and_grant_it() {
    let application = Application::answering(Reply::json(&json!({"topics": ["a", "end"]}))).await;
    let (server, _) = application.hub().await;
    let expected = ["a private", "a public", "end private", "end public"];
    // Whatever the client asks for: more, other things, or nothing.
    for query in ["topic=a&topic=end", "topic=*", "topic=b", "", &"topic=x&".repeat(2_000)] {
        assert_eq!(seen(&server, query).await, expected, "{query:.20}");
    }
}

#[tokio::test]
async fn subscribe_grants_private_updates_of_what_the_client_asks_for() {
    let application = Application::answering(Reply::json(&json!({"subscribe": ["a"]}))).await;
    let (server, _) = application.hub().await;
    let seen_of_all = seen(&server, "topic=*").await;
    assert_eq!(seen_of_all, ["a private", "a public", "b public", "end public"]);
    assert_eq!(seen(&server, "topic=b&topic=end").await, ["b public", "end public"]);

    let both = json!({"topics": ["b", "end"], "subscribe": ["a"]});
    application.answer(Reply::json(&both));
    let seen_of_both = seen(&server, "topic=a&x").await;
    assert_eq!(seen_of_both, ["b private", "b public", "end private", "end public"]);
}

#[tokio::test]
async fn headers_say_the_same_and_json_stands_before_them() {
    let reply = Reply::status(204).with("x-tidings-topics", "a ,, end");
    let application = Application::answering(reply).await;
    let (server, _) = application.hub().await;
    assert_eq!(seen(&server, "").await, ["a private", "a public", "end private", "end public"]);
    let several = Reply::status(200)
        .with("x-tidings-topics", "b")
        .with("X-Tidings-Topics", "end")
        .with("x-tidings-subscribe", "b");
    application.answer(several);
    assert_eq!(seen(&server, "x=1").await, ["b private", "b public", "end private", "end public"]);
    let both = Reply::json(&json!({"topics": ["end"]})).with("x-tidings-topics", "a");
    application.answer(both.with("x-tidings-user", "ann"));
    assert_eq!(seen(&server, "x=2").await, ["end private", "end public"]);
}

#[tokio::test]
async fn who_may_see_no_topic_gets_no_stream() {
    let application = Application::answering(Reply::json(&json!({"topics": []}))).await;
    let (server, _) = application.hub().await;
    for _ in 0..2 {
        let expected = (403, "forbidden".to_owned());
        assert_eq!(refusals(&server).await, [expected.clone(), expected]);
        application.answer(Reply::status(200).with("x-tidings-topics", ""));
    }
}

/// The client can do nothing about it: it is not told that its request is bad.
#[tokio::test]
async fn more_topics_than_a_stream_may_have_are_the_applications_mistake() {
    keep_log();
    let topics: Vec<String> = (0..11).map(|n| n.to_string()).collect();
    let application = Application::answering(Reply::json(&json!({"topics": topics}))).await;
    let hub = HubConfig {
        limits: Limits { selectors: 10, ..HubConfig::default().limits },
        ..HubConfig::default()
    };
    let server = TestServer::start(hub, asking(application.authorize())).await;
    let failed = (503, "callback_failed".to_owned());
    assert_eq!(refusals(&server).await, [failed.clone(), failed.clone()]);
    assert!(logged().contains("cannot be subscribed to"));
    let templates: Vec<String> = (0..65).map(|n| format!("{n}/{{id}}")).collect();
    application.answer(Reply::json(&json!({"topics": templates})));
    let server = TestServer::start(HubConfig::default(), asking(application.authorize())).await;
    assert_eq!(refusals(&server).await, [failed.clone(), failed]);
}

#[tokio::test]
async fn a_client_that_is_left_its_choice_has_to_make_one() {
    let application = Application::answering(Reply::json(&json!({"user": "ann"}))).await;
    let (server, _) = application.hub().await;
    let answer = ask(&server, "").await;
    assert_eq!((answer.status, &answer.json()["reason"]), (400, &json!("missing_topic")));
    let mut client = server.connect().await;
    client.send_request("HEAD /events?topic=a HTTP/1.1", b"").await;
    let head = client.head().await.unwrap();
    assert_eq!((head.status, application.last().header("x-original-method")), (200, "HEAD"));
}

#[tokio::test]
async fn the_users_limit_counts_whom_the_application_names() {
    let application = Application::start(|asked| {
        let user = asked.header("cookie").to_owned();
        Reply::json(&json!({ "user": user }))
    })
    .await;
    let limits = Limits { per_user: Some(1), ..HubConfig::default().limits };
    let hub = HubConfig { limits, ..HubConfig::default() };
    let server = TestServer::start(hub, asking(application.authorize())).await;
    let _open = server.subscribe("topic=a", &cookie("ann")).await.opened().await;
    let mut second = server.connect().await;
    second.ask_as_browser("topic=a", &cookie("ann")).await;
    assert_eq!(second.answer().await.soft_refusal()["reason"], "user_limit");
    drop(server.subscribe("topic=a", &cookie("ben")).await.opened().await);
}

#[tokio::test]
async fn the_stream_ends_when_the_application_said() {
    let application = Application::answering(Reply::json(&json!({"expires_in": 0.5}))).await;
    let (server, admin) = application.hub().await;
    let mut stream = server.subscribe("topic=a", "").await.opened().await;
    let rest = stream.rest().await;
    let Some(Seen::Event { event_type, data, .. }) = rest.last() else { panic!("{rest:?}") };
    assert_eq!((event_type.as_str(), data.as_str()), ("expired", r#"{"reason":"token_expired"}"#));
    let closed = format!("tidings_streams_closed_total{{reason=\"{}\"}}", CloseReason::Expired);
    metric_becomes(admin, &closed, 1).await;
    // By then the answer is not good any more, though it would be kept for longer.
    drop(server.subscribe("topic=a", "").await);
    assert_eq!(application.count(), 2);

    application.answer(Reply::status(200).with("x-tidings-expires-in", "0.25"));
    let mut stream = server.subscribe("topic=b", "").await.opened().await;
    assert!(
        matches!(stream.rest().await.last(), Some(Seen::Event { event_type, .. }) if event_type == "expired")
    );
}

#[tokio::test]
async fn a_token_decides_where_its_role_has_a_key_even_a_bad_one() {
    let application = Application::answering(Reply::status(403)).await;
    let (server, _) = application.hub_with(|config| config.auth.subscriber = open_key()).await;
    let good = token(&[], &["a"]);
    let bearer = format!("Authorization: Bearer {good}\r\n");
    drop(server.subscribe("topic=a", &bearer).await.opened().await);
    drop(server.subscribe(&format!("topic=a&authorization={good}"), "").await.opened().await);
    let by_cookie = cookie(&format!("x=1; mercureAuthorization={good}"));
    drop(server.subscribe("topic=a", &by_cookie).await.opened().await);
    let bad = format!("{good}x");
    for (query, headers, reason) in [
        ("topic=a".to_owned(), format!("Authorization: Bearer {bad}"), "bad_signature"),
        ("topic=a".to_owned(), "Authorization: Bearer short".to_owned(), "token_too_short"),
        (format!("topic=a&authorization={bad}"), "X: y".to_owned(), "bad_signature"),
        ("topic=a".to_owned(), format!("Cookie: mercureAuthorization={bad}"), "bad_signature"),
    ] {
        let answer =
            server.request(&format!("GET /events?{query} HTTP/1.1\r\n{headers}"), b"").await;
        assert_eq!((answer.status, &answer.json()["reason"]), (401, &json!(reason)), "{headers}");
    }
    assert_eq!(application.count(), 0);
    // Without a token of the hub's the application decides, and not `anonymous`.
    for headers in ["X: y", "Cookie: session=1", "Authorization: Basic YTpi"] {
        let answer =
            server.request(&format!("GET /events?topic=a HTTP/1.1\r\n{headers}"), b"").await;
        assert_eq!((answer.status, &answer.json()["reason"]), (403, &json!("callback_forbidden")));
    }
    assert_eq!(application.count(), 3);
}

fn open_key() -> Option<tidings_server::auth::KeySource> {
    crate::support::open_config().auth.subscriber
}

#[tokio::test]
async fn without_a_key_the_application_gets_tokens_as_they_are() {
    let application = Application::answering(Reply::status(200)).await;
    let (server, _) = application.hub().await;
    let own = token(&[], &["a"]);
    drop(
        server
            .subscribe("topic=a", &format!("Authorization: Bearer {own}\r\n"))
            .await
            .opened()
            .await,
    );
    assert_eq!(application.last().header("authorization"), format!("Bearer {own}"));
    let query = format!("topic=a&authorization={own}");
    drop(server.subscribe(&query, "").await.opened().await);
    assert_eq!(application.last().header("x-original-uri"), format!("/events?{query}"));

    // A publisher's token in a subscriber's URL is nothing to the application.
    let (server, _) = application.hub_with(|config| config.auth.publisher = open_key()).await;
    drop(server.subscribe(&query, "").await.opened().await);
    assert_eq!(application.last().header("x-original-uri"), "/events?topic=a");
}

#[tokio::test]
async fn who_is_subscribed_is_the_applications_to_say() {
    let path = "/.well-known/mercure/subscriptions";
    let application = Application::answering(Reply::json(&json!({"subscribe": [path]}))).await;
    let (server, _) = application.hub_with(|config| config.subscriptions = true).await;
    let list = server.request(&format!("GET {path} HTTP/1.1\r\nCookie: admin"), b"").await;
    assert_eq!((list.status, application.last().header("x-original-uri")), (200, path));
    // `anonymous` would have let anybody see it.
    application.answer(Reply::status(200));
    let list = server.request(&format!("GET {path} HTTP/1.1\r\nCookie: other"), b"").await;
    assert_eq!(list.status, 403);
}
