//! What every app does: it publishes from its handlers, lets each user see what is theirs, refuses what makes no
//! sense, and streams by itself what it also publishes.

use serde_json::json;

use crate::{
    example::{self, Example, Hub},
    site::Site,
    stream::{Event, Stream},
};

/// The topics everybody asks for here, whether they may or not.
const QUERY: &str = "topic=news&topic=users/alice";

/// What is not a message: not JSON, not an object, no text, none that is short enough.
const BAD_MESSAGES: [&str; 8] =
    ["{", "", "[]", "null", "{}", r#"{"text":""}"#, r#"{"text":7}"#, r#"{"text":null}"#];

/// What is not a login.
const BAD_LOGINS: [&str; 6] =
    ["{", "[]", "{}", r#"{"user":""}"#, r#"{"user":"a b"}"#, r#"{"user":"a/b"}"#];

pub(crate) async fn check(example: &'static Example) {
    let mut site = Site::start(example).await;
    check_page(&site).await;
    check_sessions(&site).await;
    let mut streams = Streams::open(&site).await;
    check_messages(&site, &mut streams).await;
    check_bad_input(&site, &mut streams).await;
    if site.kill_hub() {
        check_without_hub(&site, &mut streams).await;
    }
}

async fn check_page(site: &Site) {
    let page = site.get(&format!("{}/", site.url())).send().await.unwrap();
    assert_eq!(page.status(), 200);
    assert_eq!(page.text().await.unwrap(), example::page(), "all apps have the same page");
}

async fn check_sessions(site: &Site) {
    site.post("/hub-token", "{}", "").await.assert_refused(401);
    site.post("/hub-token", "{}", "session=made-up").await.assert_refused(401);
    let too_long = json!({ "user": "a".repeat(65) }).to_string();
    for body in BAD_LOGINS.into_iter().chain([too_long.as_str()]) {
        let answer = site.post("/login", body, "").await;
        answer.assert_refused(400);
        assert!(answer.cookies.is_empty(), "{answer:?}");
    }
    let longest = json!({ "user": "a".repeat(64) }).to_string();
    assert_eq!(site.post("/login", &longest, "").await.status, 204);
}

/// Logs a user in, and gives the cookie that the browser would send to the hub.
async fn hub_cookie(site: &Site, user: &str) -> String {
    let login = site.post("/login", &json!({ "user": user }).to_string(), "").await;
    assert_eq!(login.status, 204, "{login:?}");
    let session = cookie(&login.cookies, "session", &["httponly", "samesite=lax"]);

    let answer = site.post("/hub-token", "{}", &session).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    if site.hub() == Hub::Inside {
        let topics = ["news".to_owned(), format!("users/{user}")];
        assert_eq!(answer.json(), json!({ "hub": "", "topics": topics, "token": null }));
        assert!(answer.cookies.is_empty(), "{answer:?}");
        return session;
    }
    let attributes = ["httponly", "samesite=strict", "path=/.well-known/mercure", "max-age=3600"];
    let cookie = cookie(&answer.cookies, "mercureAuthorization", &attributes);
    let body = answer.json();
    assert_eq!(body["hub"], site.hub_url());
    assert_eq!(body["topics"], json!(["news", format!("users/{user}")]));
    assert_eq!(format!("mercureAuthorization={}", body["token"].as_str().unwrap()), cookie);
    cookie
}

/// The `name=value` of a cookie that is set with these attributes.
fn cookie(cookies: &[String], name: &str, attributes: &[&str]) -> String {
    let found = cookies.iter().find(|cookie| cookie.starts_with(&format!("{name}=")));
    let (pair, rest) =
        found.unwrap_or_else(|| panic!("no {name}: {cookies:?}")).split_once(';').unwrap();
    let rest: Vec<_> = rest.split(';').map(|part| part.trim().to_ascii_lowercase()).collect();
    for attribute in attributes {
        assert!(rest.iter().any(|part| part == attribute), "{name} without {attribute}: {rest:?}");
    }
    pair.to_owned()
}

/// Everybody who listens.
struct Streams {
    alice: Stream,
    bob: Stream,
    anonymous: Stream,
    /// Two of the app's own.
    plain: [Stream; 2],
}

impl Streams {
    async fn open(site: &Site) -> Self {
        let hub = format!("{}/.well-known/mercure?{QUERY}", site.hub_url());
        let with =
            async |cookie: String| Stream::open(site.get(&hub).header("cookie", cookie)).await;
        Self {
            alice: with(hub_cookie(site, "alice").await).await,
            bob: with(hub_cookie(site, "bob").await).await,
            anonymous: Stream::open(site.get(&hub)).await,
            plain: [site.plain_stream().await, site.plain_stream().await],
        }
    }

    /// Publishes a message, and fails unless it is the next event of all.
    async fn assert_next_is_published(&mut self, site: &Site, text: &str) {
        let id = site.publish("/messages", text).await;
        let event = Event { kind: "message".to_owned(), data: json!({ "text": text }), id };
        for stream in [&mut self.alice, &mut self.bob, &mut self.anonymous] {
            assert_eq!(stream.next().await, event);
        }
        self.assert_next_is_streamed(text).await;
    }

    /// Fails unless a text is the next of the app's own streams.
    async fn assert_next_is_streamed(&mut self, text: &str) {
        let event =
            Event { kind: "message".to_owned(), data: json!({ "text": text }), id: String::new() };
        for stream in &mut self.plain {
            assert_eq!(stream.next().await, event);
        }
    }
}

async fn check_messages(site: &Site, streams: &mut Streams) {
    streams.assert_next_is_published(site, "for all: \"é\" 🗞\nand a second line").await;

    let text = "for alice alone";
    let id = site.publish("/users/alice/notifications", text).await;
    let event = Event { kind: "notification".to_owned(), data: json!({ "text": text }), id };
    assert_eq!(streams.alice.next().await, event);
    // For the others this one comes next: so they did not get what was before it.
    streams.assert_next_is_published(site, "for all again").await;
}

async fn check_bad_input(site: &Site, streams: &mut Streams) {
    let longest = "x".repeat(1_000);
    let too_long = json!({ "text": "x".repeat(1_001) }).to_string();
    for path in ["/messages", "/users/alice/notifications"] {
        for body in BAD_MESSAGES.into_iter().chain([too_long.as_str()]) {
            site.post(path, body, "").await.assert_refused(400);
        }
    }
    for user in ["a%20b", "a%2Fb", &"a".repeat(65)] {
        let path = format!("/users/{user}/notifications");
        site.post(&path, r#"{"text":"a"}"#, "").await.assert_refused(400);
    }
    // This one comes next, to alice as well: nothing of the above was published.
    streams.assert_next_is_published(site, &longest).await;
}

async fn check_without_hub(site: &Site, streams: &mut Streams) {
    let body = r#"{"text":"without a hub"}"#;
    site.post("/users/alice/notifications", body, "").await.assert_refused(502);
    site.post("/messages", body, "").await.assert_refused(502);
    streams.assert_next_is_streamed("without a hub").await;
}
