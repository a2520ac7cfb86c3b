//! Tokens: where they are carried, which are taken, and what they allow.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tidings_server::ServerConfig;

use super::requests::{
    HUB, anonymous_config, bearer, closed_config, encode, get, head_of, open, open_config, post,
    publish, reason, send, start,
};
use crate::support::{Answer, SECRET, TestServer, in_seconds, sign, token};

/// A cookie that carries a token.
fn cookie(token: &str) -> String {
    format!("Cookie: theme=dark; mercureAuthorization={token}; lang=en")
}

/// A token of the right shape that is signed otherwise than the key demands.
fn signed(algorithm: Algorithm, secret: &str) -> String {
    let claims = json!({ "mercure": { "publish": ["*"], "subscribe": ["*"] } });
    let key = EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&Header::new(algorithm), &claims, &key).unwrap()
}

/// A token that says of itself that it is not signed.
fn unsigned() -> String {
    "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJtZXJjdXJlIjp7InB1Ymxpc2giOlsiKiJdfX0.".to_owned()
}

async fn post_with(server: &TestServer, headers: &[&str]) -> Answer {
    post(server, headers, &[("topic", "a"), ("data", "x")]).await
}

async fn stream_with(server: &TestServer, query: &str, headers: &[&str]) -> Answer {
    get(server, &format!("{HUB}?topic=a{query}"), headers).await
}

#[track_caller]
fn check_refused(answer: &Answer, status: u16, expected: &str) {
    assert_eq!((answer.status, reason(answer).as_str()), (status, expected), "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert_eq!(answer.header("www-authenticate"), (status == 401).then_some("Bearer"));
}

#[tokio::test]
async fn without_a_token_a_closed_hub_answers_401() {
    let server = start(closed_config()).await;
    check_refused(&stream_with(&server, "", &[]).await, 401, "missing_token");
    check_refused(&post_with(&server, &[]).await, 401, "missing_token");
}

#[tokio::test]
async fn a_token_counts_in_the_header_the_query_and_the_cookie() {
    let mut config = closed_config();
    config.auth.publish_origins = vec!["https://e.com".into()];
    let server = start(config).await;
    let token = token(&["*"], &["*"]);
    let (header, cookie) = (bearer(&token), cookie(&token));
    let query = [("topic", "a"), ("authorization", token.as_str())];
    let mut streams = [
        open(&server, &[("topic", "a")], &[&header]).await,
        open(&server, &query, &[]).await,
        open(&server, &[("topic", "a")], &[&cookie]).await,
    ];
    let fields = [("topic", "a"), ("private", "on"), ("data", "x")];
    assert_eq!(post(&server, &[&header], &fields).await.status, 200);
    assert_eq!(post(&server, &[&cookie, "Origin: https://e.com"], &fields).await.status, 200);
    let target = format!("POST {HUB}?{}", encode(&[("authorization", &token)]));
    let form = "Content-Type: application/x-www-form-urlencoded";
    let body = encode(&fields);
    let answer = send(&server, &target, &[form], body.as_bytes()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    for stream in &mut streams {
        assert_eq!(stream.data(3).await, ["x", "x", "x"]);
    }
}

/// Anyone may subscribe here without a token, and still a wrong one is no way in.
#[tokio::test]
async fn a_token_that_is_shown_has_to_be_good() {
    let server = start(anonymous_config()).await;
    let good = token(&["*"], &["*"]);
    let expired = sign(&json!({ "exp": 1_000_000_000, "mercure": {} }));
    let later = sign(&json!({ "nbf": in_seconds(3600), "mercure": {} }));
    let odd = sign(&json!({ "mercure": { "publish": "*", "subscribe": "*" } }));
    let tokens = [
        (signed(Algorithm::HS256, "another secret, as long as it is"), "bad_signature"),
        (signed(Algorithm::HS512, SECRET), "wrong_algorithm"),
        (unsigned(), "wrong_algorithm"),
        (good.replace('.', "-"), "malformed_token"),
        ("a.b.c".to_owned(), "token_too_short"),
        (expired, "expired"),
        (later, "not_yet_valid"),
        (odd, "bad_claims"),
    ];
    for (token, expected) in &tokens {
        let header = bearer(token);
        check_refused(&stream_with(&server, "", &[&header]).await, 401, expected);
        check_refused(&post_with(&server, &[&header]).await, 401, expected);
        let query = format!("&{}", encode(&[("authorization", token)]));
        check_refused(&stream_with(&server, &query, &[]).await, 401, expected);
        if *expected != "token_too_short" {
            check_refused(&stream_with(&server, "", &[&cookie(token)]).await, 401, expected);
        }
    }
    let header = bearer(&good);
    let lower = header.replace("Bearer", "bearer");
    let bare = header.replace("Bearer ", "");
    for (headers, expected) in [
        (&[header.as_str(), &header][..], "several_headers"),
        (&[&lower], "malformed_header"),
        (&[&bare], "malformed_header"),
        (
            &["Authorization: Basic dXNlcjpwYXNzd29yZC10aGF0LWlzLWxvbmctZW5vdWdo"],
            "malformed_header",
        ),
    ] {
        check_refused(&stream_with(&server, "", headers).await, 401, expected);
    }
    let twice = format!("&authorization={good}&authorization={good}");
    check_refused(&stream_with(&server, &twice, &[]).await, 401, "several_parameters");
}

#[tokio::test]
async fn a_refusal_never_repeats_the_token() {
    let server = start(anonymous_config()).await;
    let bad = signed(Algorithm::HS256, "another secret, as long as it is");
    let answer = stream_with(&server, "", &[&bearer(&bad)]).await;
    assert!(!answer.text().contains(&bad[..20]));
}

#[tokio::test]
async fn the_header_comes_before_the_query_and_the_query_before_the_cookie() {
    let server = start(closed_config()).await;
    let good = token(&["*"], &["*"]);
    let bad = signed(Algorithm::HS512, SECRET);
    let good_query = format!("&{}", encode(&[("authorization", &good)]));
    let answer = stream_with(&server, &good_query, &[&bearer(&bad), &cookie(&good)]).await;
    check_refused(&answer, 401, "wrong_algorithm");
    let bad_query = format!("&{}", encode(&[("authorization", &bad)]));
    let answer = stream_with(&server, &bad_query, &[&cookie(&good)]).await;
    check_refused(&answer, 401, "wrong_algorithm");
    let target = format!("HEAD {HUB}?topic=a{bad_query}");
    assert_eq!(head_of(&server, &target, &[&bearer(&good)]).await.status, 200);
}

#[tokio::test]
async fn publishing_by_cookie_needs_a_page_that_may() {
    let mut config = closed_config();
    config.auth.publish_origins = vec!["https://E.com".into(), "https://*.e.org:8443".into()];
    let server = start(config).await;
    let cookie = cookie(&token(&["*"], &[]));
    for (headers, expected) in [
        (&[][..], Some("origin_missing")),
        (&["Origin: https://evil.com"], Some("origin_not_allowed")),
        (&["Origin: null"], Some("origin_not_allowed")),
        (&["Origin: http://e.com"], Some("origin_not_allowed")),
        (&["Origin: https://e.com.evil.com"], Some("origin_not_allowed")),
        (&["Origin: https://e.org:8443"], Some("origin_not_allowed")),
        (&["Referer: https://evil.com/https://e.com"], Some("origin_not_allowed")),
        (&["Referer: no URL"], Some("origin_not_allowed")),
        (&["Referer: https://e.com@evil.com/"], Some("origin_not_allowed")),
        (&["Origin: https://evil.com", "Referer: https://e.com/"], Some("origin_not_allowed")),
        (&["Origin: https://e.com"], None),
        (&["Origin: https://a.e.org:8443"], None),
        (&["Referer: https://e.com/a?b#c"], None),
        (&["Origin: https://e.com", "Referer: https://evil.com/"], None),
    ] {
        let headers = [&[cookie.as_str()], headers].concat();
        let answer = post_with(&server, &headers).await;
        match expected {
            Some(reason) => check_refused(&answer, 401, reason),
            None => assert_eq!(answer.status, 200, "{headers:?}: {}", answer.text()),
        }
    }
}

#[tokio::test]
async fn any_page_may_publish_by_cookie_where_all_origins_are_listed() {
    let mut config = closed_config();
    config.auth.publish_origins = vec!["*".into()];
    let server = start(config).await;
    let cookie = cookie(&token(&["*"], &[]));
    assert_eq!(post_with(&server, &[&cookie, "Origin: https://any.com"]).await.status, 200);
    check_refused(&post_with(&server, &[&cookie]).await, 401, "origin_missing");
}

#[tokio::test]
async fn the_cookie_may_have_another_name() {
    let mut config = closed_config();
    config.auth.cookie_name = "session".into();
    let server = start(config).await;
    let token = token(&[], &["*"]);
    let target = format!("HEAD {HUB}?topic=a");
    let cookie_named = |name: &str| format!("Cookie: {name}={token}");
    assert_eq!(head_of(&server, &target, &[&cookie_named("session")]).await.status, 200);
    assert_eq!(
        head_of(&server, &target, &[&cookie_named("mercureAuthorization")]).await.status,
        401
    );
}

#[tokio::test]
async fn the_namespaced_claim_replaces_the_plain_one() {
    let server = start(closed_config()).await;
    let claims = json!({
        "mercure": { "publish": ["a"] },
        "https://mercure.rocks/": { "publish": ["b"] },
    });
    let token = bearer(&sign(&claims));
    check_refused(&post(&server, &[&token], &[("topic", "a")]).await, 403, "forbidden");
    assert_eq!(post(&server, &[&token], &[("topic", "b")]).await.status, 200);
}

#[tokio::test]
async fn every_topic_of_an_update_must_be_granted_or_nothing_is_published() {
    let server = start(closed_config()).await;
    let grants = |publish: Value| bearer(&sign(&json!({ "mercure": { "publish": publish } })));
    let none = bearer(&sign(&json!({ "mercure": { "subscribe": ["*"] } })));
    let no_claim = bearer(&sign(&json!({ "sub": "somebody in particular" })));
    let books = json!(["https://e.com/books/{id}", "exact"]);
    let book = ("topic", "https://e.com/books/1");
    for (token, topics, allowed) in [
        (&none, &[book][..], false),
        (&no_claim, &[book], false),
        (&grants(json!([])), &[book], false),
        (&grants(json!(["https://e.com/users/{id}"])), &[book], false),
        (&grants(books.clone()), &[book, ("topic", "other")], false),
        (&grants(books.clone()), &[("topic", "other"), book], false),
        (&grants(books.clone()), &[book, ("topic", "exact")], true),
        (&grants(json!(["*"])), &[book, ("topic", "other")], true),
    ] {
        let before = server.server.hub().stats().published;
        let answer = post(&server, &[token], topics).await;
        if allowed {
            assert_eq!(answer.status, 200, "{topics:?}: {}", answer.text());
        } else {
            check_refused(&answer, 403, "forbidden");
            assert_eq!(server.server.hub().stats().published, before);
        }
    }
}

#[tokio::test]
async fn a_token_may_list_a_thousand_grants() {
    let server = start(closed_config()).await;
    let grants = |count: usize| vec!["a"; count];
    let fits = bearer(&token(&grants(1000), &[]));
    assert_eq!(post_with(&server, &[&fits]).await.status, 200);
    let too_many = bearer(&token(&grants(1001), &[]));
    check_refused(&post_with(&server, &[&too_many]).await, 401, "bad_claims");
}

/// Some issuers write times with a fraction.
#[tokio::test]
async fn a_tokens_end_may_have_a_fraction() {
    let server = start(closed_config()).await;
    let end = format!("{}.5", in_seconds(3600)).parse::<f64>().unwrap();
    let token = bearer(&sign(&json!({ "exp": end, "mercure": { "publish": ["*"] } })));
    assert_eq!(post_with(&server, &[&token]).await.status, 200);
}

#[tokio::test]
async fn a_token_without_grants_to_read_still_opens_a_stream_of_public_updates() {
    let server = start(closed_config()).await;
    let reader = bearer(&sign(&json!({ "sub": "somebody in particular" })));
    let publisher = bearer(&token(&["*"], &[]));
    let mut stream = open(&server, &[("topic", "a")], &[&reader]).await;
    for fields in [&[("topic", "a"), ("private", "on")][..], &[("topic", "a"), ("data", "public")]]
    {
        assert_eq!(post(&server, &[&publisher], fields).await.status, 200);
    }
    assert_eq!(stream.data(1).await, ["public"]);
}

#[tokio::test]
async fn publishers_and_subscribers_have_keys_of_their_own() {
    let mut config = closed_config();
    config.auth.publisher = None;
    let server = start(config).await;
    let token = bearer(&token(&["*"], &["*"]));
    check_refused(&post_with(&server, &[&token]).await, 401, "no_key");
    assert_eq!(head_of(&server, &format!("HEAD {HUB}?topic=a"), &[&token]).await.status, 200);
}

#[tokio::test]
async fn without_a_subscriber_key_tokens_are_not_looked_at_and_private_updates_reach_nobody() {
    let config = open_config();
    let auth = tidings_server::auth::AuthConfig { subscriber: None, ..config.auth };
    let server = start(ServerConfig { auth, ..config }).await;
    let token = bearer(&token(&[], &["*"]));
    let mut stream = open(&server, &[("topic", "a")], &[&token]).await;
    publish(&server, &[("topic", "a"), ("private", "on"), ("data", "secret")]).await;
    publish(&server, &[("topic", "a"), ("data", "public")]).await;
    assert_eq!(stream.data(1).await, ["public"]);
}
