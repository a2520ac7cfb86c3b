//! What a token has to be, and what its claims become.

use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};
use tidings_server::auth::{AuthError, Identity, Role};

use crate::auth_support::{NOW_SECS, assemble, bearer, full_token, hub, now, signed, token};

const HS256: &str = r#"{"alg":"HS256"}"#;

async fn verify(token: &str) -> Result<Identity, AuthError> {
    hub().await.authenticate(Role::Subscriber, &bearer(token), now()).await
}

async fn claims(claims: Value) -> Result<Identity, AuthError> {
    verify(&token(&claims)).await
}

async fn refused(token: &str) -> &'static str {
    let error = verify(token).await.unwrap_err();
    let shown = format!("{error} {error:?}");
    for segment in token.split('.').filter(|segment| segment.len() > 3) {
        assert!(!shown.contains(segment), "{shown} quotes the token");
    }
    error.reason()
}

/// The refusal of claims that are written as they are.
async fn refused_claims(payload: &str) -> &'static str {
    refused(&signed(HS256, &format!("{payload:60}"))).await
}

#[tokio::test]
async fn the_algorithm_has_to_be_the_key_s() {
    let payload = r#"{"mercure":{"publish":["*"]}}"#;
    for header in [
        r#"{"alg":"none"}"#,
        r#"{"alg":"None"}"#,
        r#"{"alg":"hs256"}"#,
        r#"{"alg":"HS384"}"#,
        r#"{"alg":"RS256"}"#,
        r#"{"alg":""}"#,
    ] {
        assert_eq!(refused(&signed(header, payload)).await, "wrong_algorithm", "{header}");
    }
    let unsigned = assemble(r#"{"alg":"none"}"#, payload, |_| Vec::new());
    assert_eq!(refused(&unsigned).await, "wrong_algorithm");
    let unsigned = assemble(HS256, payload, |_| Vec::new());
    assert_eq!(refused(&unsigned).await, "bad_signature");
}

#[tokio::test]
async fn a_changed_token_is_refused() {
    let token = full_token();
    let other = self::token(&json!({"mercure": {"publish": ["b"], "subscribe": ["b"]}}));
    let segments: Vec<&str> = token.split('.').collect();
    let others: Vec<&str> = other.split('.').collect();
    let mixed = format!("{}.{}.{}", segments[0], others[1], segments[2]);
    assert_eq!(refused(&mixed).await, "bad_signature");
    let cut = &token[..token.len() - 3];
    assert_eq!(refused(cut).await, "bad_signature");
    // Every single character counts.
    for at in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert!(verify(&changed).await.is_err(), "changed at {at}");
    }
}

#[tokio::test]
async fn what_is_not_a_token_is_refused() {
    let token = full_token();
    for malformed in [
        "x".repeat(50),
        ".".repeat(50),
        format!("{token}."),
        format!(".{token}"),
        format!("{token}="),
        format!("{token} "),
        token.replace('.', ".."),
        signed("not json, but long enough", "{}"),
        signed("[]", "{\"this\":\"is long enough\"}"),
        signed(r#"{"typ":"JWT","cty":"no algorithm"}"#, "{}"),
        signed(r#"{"alg":256,"kid":"not a name"}"#, "{}"),
        signed(r#"{"alg":"HS256","kid":256}"#, "{}"),
        signed(r#"{"alg":"HS256","alg":"HS256"}"#, "{}"),
        signed(HS256, "not json, but long enough"),
        signed(HS256, "[\"not an object, but long enough\"]"),
        signed(HS256, r#"{"exp":3000000000,"exp":4000000000}"#),
    ] {
        assert_eq!(refused(&malformed).await, "malformed_token", "{malformed}");
    }
}

#[tokio::test]
async fn deeply_nested_claims_are_refused_or_read_without_harm() {
    let deep = format!("{}{}", "[".repeat(2500), "]".repeat(2500));
    let payload = format!(r#"{{"mercure":{{"publish":{deep}}}}}"#);
    assert_eq!(refused(&signed(HS256, &payload)).await, "bad_claims");
    let payload = format!(r#"{{"other":{deep},"mercure":{{"payload":[]}}}}"#);
    assert!(verify(&signed(HS256, &payload)).await.is_ok());
}

#[tokio::test]
async fn a_token_that_is_too_long_is_refused() {
    let tokens = || (6000..6200).map(|length| token(&json!({"padding": "x".repeat(length)})));
    let longest = tokens().rfind(|token| token.len() <= 8192).unwrap();
    assert!(longest.len() > 8190, "{}", longest.len());
    assert!(verify(&longest).await.is_ok());
    let longer = tokens().find(|token| token.len() > 8192).unwrap();
    assert_eq!(refused(&longer).await, "token_too_long");
}

#[tokio::test]
async fn a_token_cannot_demand_extensions_or_bring_its_key() {
    for crit in [r#"["exp"]"#, "[]", "null", "1"] {
        let header = format!(r#"{{"alg":"HS256","crit":{crit}}}"#);
        assert_eq!(refused(&signed(&header, "{}")).await, "unsupported_critical");
    }
    // Signed with the key in its header, which is not the hub's.
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, b"mine");
    let header = r#"{"alg":"HS256","jwk":{"kty":"oct","k":"bWluZQ"},"jku":"http://x.example/"}"#;
    let own =
        assemble(header, "{}", |message| aws_lc_rs::hmac::sign(&key, message).as_ref().to_vec());
    assert_eq!(refused(&own).await, "bad_signature");
}

#[tokio::test]
async fn a_token_ends_exactly_at_exp() {
    let identity = claims(json!({"exp": NOW_SECS + 1})).await.unwrap();
    assert_eq!(identity.expires_at, Some(now() + Duration::from_secs(1)));
    assert_eq!(refused(&token(&json!({"exp": NOW_SECS}))).await, "expired");
    assert_eq!(refused(&token(&json!({"exp": NOW_SECS - 1}))).await, "expired");
    assert_eq!(refused(&token(&json!({"exp": 0}))).await, "expired");
    assert_eq!(refused(&token(&json!({"exp": -5}))).await, "expired");
    assert!(claims(json!({"exp": null})).await.unwrap().expires_at.is_none());
}

#[tokio::test]
async fn dates_may_have_fractions() {
    let identity = verify(&signed(HS256, r#"{"exp":2000000000.25}"#)).await.unwrap();
    assert_eq!(identity.expires_at, Some(now() + Duration::from_millis(250)));
    let identity = verify(&signed(HS256, r#"{"exp":2.5e9, "nbf": 1.5}"#)).await.unwrap();
    assert_eq!(identity.expires_at, Some(UNIX_EPOCH + Duration::from_secs(2_500_000_000)));
    assert_eq!(refused_claims(r#"{"exp":1999999999.9}"#).await, "expired");
}

#[tokio::test]
async fn a_token_is_not_valid_before_nbf_within_a_minute() {
    assert!(claims(json!({"nbf": NOW_SECS - 1})).await.is_ok());
    assert!(claims(json!({"nbf": NOW_SECS + 60})).await.is_ok());
    assert!(claims(json!({"nbf": -1})).await.is_ok());
    assert_eq!(refused(&token(&json!({"nbf": NOW_SECS + 61}))).await, "not_yet_valid");
}

#[tokio::test]
async fn the_subject_is_the_user() {
    assert_eq!(claims(json!({"sub": "7"})).await.unwrap().user.as_deref(), Some("7"));
    assert_eq!(claims(json!({"sub": "é\n"})).await.unwrap().user.as_deref(), Some("é\n"));
    assert_eq!(claims(json!({"sub": ""})).await.unwrap().user, None);
    assert_eq!(claims(json!({"other": "7 7 7 7"})).await.unwrap().user, None);
}

#[tokio::test]
async fn the_mercure_claim_holds_the_grants() {
    let identity = claims(json!({
        "mercure": {"publish": ["a"], "subscribe": ["/books/{id}", "b"], "unknown": 1}
    }))
    .await
    .unwrap();
    let publish = identity.publish.unwrap();
    assert!(publish.allows("a") && !publish.allows("b"));
    let subscribe = identity.subscribe.unwrap();
    assert!(subscribe.allows("/books/1") && subscribe.allows("b") && !subscribe.allows("a"));
}

#[tokio::test]
async fn an_absent_claim_differs_from_an_empty_one() {
    for absent in [json!({}), json!({"mercure": {}}), json!({"mercure": null})] {
        let identity = claims(absent).await.unwrap();
        assert!(identity.publish.is_none() && identity.subscribe.is_none());
    }
    let identity = claims(json!({"mercure": {"publish": [], "subscribe": null}})).await.unwrap();
    assert!(identity.publish.is_some_and(|grants| grants.is_empty()));
    assert!(identity.subscribe.is_none());
}

#[tokio::test]
async fn the_namespaced_claim_replaces_the_short_one() {
    let identity = claims(json!({
        "mercure": {"publish": ["a"], "subscribe": ["a"], "payload": 1},
        "https://mercure.rocks/": {"publish": ["b"]},
    }))
    .await
    .unwrap();
    let publish = identity.publish.unwrap();
    assert!(publish.allows("b") && !publish.allows("a"));
    assert!(identity.subscribe.is_none() && identity.payload.is_none());
}

#[tokio::test]
async fn claims_of_another_shape_are_refused() {
    for bad in [
        r#"{"mercure":[]}"#.to_owned(),
        r#"{"mercure":"*"}"#.to_owned(),
        r#"{"mercure":{"publish":"*"}}"#.to_owned(),
        r#"{"mercure":{"publish":[1]}}"#.to_owned(),
        r#"{"mercure":{"subscribe":[null]}}"#.to_owned(),
        r#"{"mercure":{"subscribe":{"a":1}}}"#.to_owned(),
        r#"{"mercure":{},"mercure":{}}"#.to_owned(),
        r#"{"https://mercure.rocks/":true}"#.to_owned(),
        r#"{"sub":1}"#.to_owned(),
        r#"{"exp":"2000000001"}"#.to_owned(),
        r#"{"exp":true}"#.to_owned(),
        r#"{"exp":1e300}"#.to_owned(),
        r#"{"exp":1e999}"#.to_owned(),
        r#"{"nbf":[]}"#.to_owned(),
    ] {
        assert_eq!(refused_claims(&bad).await, "bad_claims", "{bad}");
    }
}

#[tokio::test]
async fn more_selectors_than_the_limit_are_refused() {
    for name in ["publish", "subscribe"] {
        let list = |length: usize| json!({"mercure": {name: vec!["a"; length]}});
        assert!(claims(list(1000)).await.is_ok());
        assert_eq!(refused(&token(&list(1001))).await, "bad_claims");
    }
}

#[tokio::test]
async fn the_payload_is_kept_as_compact_json() {
    let payload = async |text: &str| {
        let claims = format!(r#"{{"mercure": {{"payload": {text} , "publish": [] }}}}"#);
        verify(&signed(HS256, &claims)).await.unwrap().payload.unwrap().to_string()
    };
    assert_eq!(
        payload("{ \"b\" : [ 1 ,\n2.50 ], \"a\":\t\"x y\" }").await,
        r#"{"b":[1,2.50],"a":"x y"}"#
    );
    assert_eq!(payload(r#"[" \" ", "\\" , " "]"#).await, r#"[" \" ","\\"," "]"#);
    assert_eq!(payload("12345678901234567890123").await, "12345678901234567890123");
}
