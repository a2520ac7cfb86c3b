//! Refusals that depend on what else is going on: limits that are reached, keys that are missing, a hub that goes down.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tidings_hub::{HubConfig, Limits};
use tidings_server::ServerConfig;
use tidings_server::auth::{AuthConfig, KeySource};

use super::harness::{Case, Expected, Harness, case, form, get, post_with, refused};
use crate::support::{open_config, sign};

/// A user who may subscribe.
fn user() -> String {
    sign(&serde_json::json!({ "sub": "u", "mercure": { "subscribe": [] } }))
}

/// A limit, who meets it when the witness and one more stream are open, and what they are told.
fn limits() -> Vec<(Limits, Case)> {
    let none = Limits {
        streams: None,
        per_user: None,
        per_address: None,
        per_topic: None,
        selectors: 1_000,
    };
    let user = user();
    let as_user = format!("Authorization: Bearer {user}\r\n");
    let request = || get("/events?topic=full", &as_user);
    let of = |name: &str, status, reason, words| {
        case(name, request(), refused(status, reason, words)).keeping(&user)
    };
    vec![
        (
            Limits { streams: Some(2), ..none },
            of("one stream more than the hub holds", 503, "hub_full", "limit of 2 streams"),
        ),
        (
            Limits { per_user: Some(1), ..none },
            of("one stream more than a user may have", 429, "user_limit", "limit of 1 streams"),
        ),
        (
            Limits { per_address: Some(2), ..none },
            of(
                "one stream more than an address may have",
                429,
                "address_limit",
                "limit of 2 streams",
            ),
        ),
        (
            Limits { per_topic: Some(1), ..none },
            of(
                "one stream more than a topic may have",
                429,
                "topic_limit",
                "\"full\" has reached the limit of 1",
            ),
        ),
    ]
}

fn config(auth: AuthConfig) -> ServerConfig {
    ServerConfig { auth, subscriptions: false, drain: Duration::from_secs(5), ..open_config() }
}

fn key_set(url: String) -> ServerConfig {
    config(AuthConfig { publisher: Some(KeySource::jwks_url(url)), ..open_config().auth })
}

/// A token of a public key that nobody has.
fn of_unknown_key() -> String {
    let parts = [r#"{"alg":"RS256","kid":"nobody"}"#, "{}", "no signature, but long enough"];
    parts.map(|part| URL_SAFE_NO_PAD.encode(part)).join(".")
}

fn bearing(name: &str, expected: Expected) -> Case {
    let token = of_unknown_key();
    let headers = format!(
        "Content-Type: application/x-www-form-urlencoded\r\nAuthorization: Bearer {token}\r\n"
    );
    case(name, post_with(&headers, "topic=a"), expected).keeping(&token)
}

fn no_key() -> Case {
    bearing("a token that no key is there for", refused(401, "no_key", "no key is configured"))
}

fn unknown_key() -> Case {
    bearing("a token of a key that nobody knows", refused(401, "unknown_key", "not in the key set"))
}

fn keys_unavailable() -> Case {
    bearing("a token while the key set is away", refused(503, "keys_unavailable", "not available"))
}

fn draining() -> Vec<Case> {
    let expected = refused(503, "draining", "closing");
    // It was once told so in a stream, with status 200: the publisher took it for success.
    let headers =
        "Content-Type: application/x-www-form-urlencoded\r\nAccept: text/event-stream\r\n";
    vec![
        case("a publish while the hub goes down", form("topic=a"), expected),
        case(
            "a publish that accepts streams while the hub goes down",
            post_with(headers, "topic=a"),
            expected,
        ),
        case("a subscription while the hub goes down", get("/events?topic=a", ""), expected),
    ]
}

pub(super) fn cases() -> Vec<Case> {
    let limits = limits().into_iter().map(|(_, case)| case);
    limits.chain([no_key(), unknown_key(), keys_unavailable()]).chain(draining()).collect()
}

#[tokio::test]
async fn a_newcomer_over_a_limit_is_told_which_and_one_after_a_leaver_is_let_in() {
    for (limits, case) in limits() {
        let hub = HubConfig { limits, ..HubConfig::default() };
        let mut harness = Harness::start(hub, config(open_config().auth)).await;
        let query = format!("topic=full&authorization={}", user());
        let stream = harness.server.subscribe(&query, "").await;
        harness.check(&case).await;
        // A browser, which sees no status, is told in a stream and comes back by itself.
        let head = format!("GET /events?{query} HTTP/1.1\r\nAccept: text/event-stream");
        let told = harness.server.request(&head, b"").await.text();
        let Expected::Refused { status, reason, .. } = case.expected else { panic!() };
        let data = format!("data: {{\"status\":{status},\"reason\":\"{reason}\",\"retry_ms\":");
        assert!(told.starts_with("event: refused\nretry: ") && told.contains(&data), "{told}");
        drop(stream);
        harness.subscribers(1).await;
        let stream = harness.server.subscribe(&query, "").await;
        harness.goes_on("one left and another came").await;
        drop(stream);
    }
}

#[tokio::test]
async fn a_token_without_a_key_to_verify_it_is_refused() {
    let auth = AuthConfig { publisher: None, anonymous_publish: false, ..open_config().auth };
    let mut harness = Harness::start(HubConfig::default(), config(auth)).await;
    assert_eq!(harness.answers(&no_key()).await, 0);
    assert_eq!(harness.server.server.hub().stats().published, 0);
}

/// A file that goes when the test does.
struct KeyFile(std::path::PathBuf);

impl Drop for KeyFile {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

#[tokio::test]
async fn a_token_of_a_key_that_the_set_does_not_have_is_refused() {
    let name = format!("tidings-hostile-{}.json", std::process::id());
    let file = KeyFile(std::env::temp_dir().join(name));
    std::fs::write(&file.0, r#"{"keys":[]}"#).unwrap();
    let config = key_set(format!("file://{}", file.0.display()));
    Harness::start(HubConfig::default(), config).await.check(&unknown_key()).await;
}

#[tokio::test]
async fn a_token_is_refused_for_now_while_the_key_set_is_away() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = key_set(format!("http://{gone}/keys"));
    Harness::start(HubConfig::default(), config).await.check(&keys_unavailable()).await;
}

#[tokio::test]
async fn a_hub_that_goes_down_tells_newcomers_so() {
    let mut harness = Harness::start(HubConfig::default(), config(open_config().auth)).await;
    // A body without an end keeps the hub from being down at once.
    let mut unfinished = harness.server.connect().await;
    let head = "POST /events HTTP/1.1\r\nHost: hub\r\nContent-Type: application/x-ndjson\r\n";
    unfinished.send(format!("{head}Content-Length: 99\r\n\r\n").as_bytes()).await;
    assert_eq!(unfinished.head().await.unwrap().status, 200);
    harness.server.shut_down();
    assert_eq!(harness.witness.event().await.0, "drain");
    assert_eq!(harness.witness.rest().await, []);
    for case in draining() {
        assert_eq!(harness.answers(&case).await, 0);
    }
    drop(unfinished);
    (&mut harness.server.done).await.unwrap();
}
