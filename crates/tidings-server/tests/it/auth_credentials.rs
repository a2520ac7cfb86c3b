//! Where the token may be, and what is allowed without one.

use tidings_server::auth::Role::{Publisher, Subscriber};
use tidings_server::auth::{AuthConfig, AuthConfigError, AuthError, Authenticator, Identity};

use crate::auth_support::{config, full_token, get, hub, now, post, request, secret_key, signed};

fn bearer() -> String {
    format!("Bearer {}", full_token())
}

fn cookie() -> String {
    format!("mercureAuthorization={}", full_token())
}

fn in_query(token: &str) -> http::request::Parts {
    request("GET", &format!("/events?topic=a&authorization={token}"), &[])
}

fn is_full(identity: &Identity) -> bool {
    identity.publish.as_ref().is_some_and(|grants| grants.allows("any"))
        && identity.subscribe.as_ref().is_some_and(|grants| grants.allows("any"))
}

async fn publish(config: AuthConfig, headers: &[(&str, &str)]) -> Result<Identity, AuthError> {
    let hub = Authenticator::new(config).await.unwrap();
    hub.authenticate(Publisher, &post(headers), now()).await
}

/// Publishing with the cookie and these headers, where these origins may.
async fn by_cookie(origins: &[&str], headers: &[(&str, &str)]) -> Result<Identity, AuthError> {
    let publish_origins = origins.iter().map(ToString::to_string).collect();
    let cookie = cookie();
    let headers: Vec<_> = [("cookie", &*cookie)].iter().chain(headers).copied().collect();
    publish(AuthConfig { publish_origins, ..config() }, &headers).await
}

#[tokio::test]
async fn the_token_is_taken_from_header_query_or_cookie() {
    let hub = hub().await;
    for parts in [
        get(&[("authorization", &bearer())]),
        in_query(&full_token()),
        get(&[("cookie", &cookie())]),
    ] {
        let identity = hub.authenticate(Subscriber, &parts, now()).await.unwrap();
        assert!(is_full(&identity));
        assert_eq!(identity.user, None);
        assert_eq!(identity.expires_at, None);
    }
    let identity =
        hub.authenticate(Publisher, &post(&[("authorization", &bearer())]), now()).await.unwrap();
    assert!(is_full(&identity));
}

#[tokio::test]
async fn a_header_has_to_be_one_bearer_token() {
    let hub = hub().await;
    let token = full_token();
    for (headers, error) in [
        (vec![bearer(), bearer()], AuthError::SeveralHeaders),
        (vec!["Bearer short".to_owned()], AuthError::TokenTooShort),
        (vec![format!("Bearer {}", "x".repeat(40))], AuthError::TokenTooShort),
        (vec![format!("Bearer {}", "x".repeat(41))], AuthError::Malformed),
        (vec![format!("bearer {token}")], AuthError::MalformedHeader),
        (vec![format!("Basic {token}")], AuthError::MalformedHeader),
        (vec![token.clone()], AuthError::MalformedHeader),
        (vec![String::new()], AuthError::MalformedHeader),
        (vec!["Bearer é".to_owned()], AuthError::MalformedHeader),
    ] {
        let headers: Vec<_> = headers.iter().map(|value| ("authorization", &**value)).collect();
        for (role, parts) in [(Subscriber, get(&headers)), (Publisher, post(&headers))] {
            let result = hub.authenticate(role, &parts, now()).await;
            assert_eq!(result.unwrap_err(), error, "{headers:?}");
        }
    }
}

#[tokio::test]
async fn a_query_has_to_hold_one_token() {
    let hub = hub().await;
    let token = full_token();
    for (query, error) in [
        (format!("{token}&authorization={token}"), AuthError::SeveralParameters),
        (String::new(), AuthError::TokenTooShort),
        ("x".repeat(40), AuthError::TokenTooShort),
        ("x".repeat(41), AuthError::Malformed),
        (signed(r#"{"alg":"none"}"#, "{}"), AuthError::WrongAlgorithm),
    ] {
        let result = hub.authenticate(Subscriber, &in_query(&query), now()).await;
        assert_eq!(result.unwrap_err(), error, "{query}");
    }
    let escaped = token.replace('.', "%2E");
    assert!(hub.authenticate(Subscriber, &in_query(&escaped), now()).await.is_ok());
}

#[tokio::test]
async fn the_header_hides_the_query_and_the_query_hides_the_cookie() {
    let hub = hub().await;
    let query = format!("/events?authorization={}", full_token());
    let both = request("GET", &query, &[("authorization", "Bearer short"), ("cookie", &cookie())]);
    let error = hub.authenticate(Subscriber, &both, now()).await.unwrap_err();
    assert_eq!(error, AuthError::TokenTooShort);

    let both = request("GET", "/events?authorization=short", &[("cookie", &cookie())]);
    let error = hub.authenticate(Subscriber, &both, now()).await.unwrap_err();
    assert_eq!(error, AuthError::TokenTooShort);

    // A header's token needs no origin, cookie or not.
    let headers = [("authorization", &*bearer()), ("cookie", &cookie())];
    assert!(hub.authenticate(Publisher, &post(&headers), now()).await.is_ok());
}

#[tokio::test]
async fn the_cookie_is_found_among_others() {
    let hub = hub().await;
    let token = full_token();
    for headers in [
        vec![format!("a=b; mercureAuthorization={token}; c=d")],
        vec![format!("a=é;mercureAuthorization={token}")],
        vec!["a=b".to_owned(), format!("mercureAuthorization=\"{token}\"")],
        vec![format!("mercureAuthorization={token}; mercureAuthorization=other")],
    ] {
        let headers: Vec<_> = headers.iter().map(|value| ("cookie", &**value)).collect();
        let result = hub.authenticate(Subscriber, &get(&headers), now()).await;
        assert!(is_full(&result.unwrap()), "{headers:?}");
    }
    for (header, error) in [
        ("mercureAuthorizationX=a; XmercureAuthorization=b; mercureAuthorization", "missing_token"),
        ("mercureauthorization=a", "missing_token"),
        ("mercureAuthorization=", "malformed_token"),
        ("mercureAuthorization=é", "malformed_token"),
    ] {
        let result = hub.authenticate(Subscriber, &get(&[("cookie", header)]), now()).await;
        assert_eq!(result.unwrap_err().reason(), error, "{header}");
    }
}

#[tokio::test]
async fn the_cookie_can_have_another_name() {
    let renamed = || AuthConfig { cookie_name: "token".to_owned(), ..config() };
    let headers = [("cookie", &*cookie()), ("origin", "https://app.example")];
    assert_eq!(publish(renamed(), &headers).await.unwrap_err(), AuthError::MissingToken);
    let headers = [("cookie", &*cookie().replace("mercureAuthorization", "token")), headers[1]];
    assert!(is_full(&publish(renamed(), &headers).await.unwrap()));

    for name in ["", "a b", "a=b", "a;b", "é"] {
        let config = AuthConfig { cookie_name: name.to_owned(), ..config() };
        let result = Authenticator::new(config).await;
        assert!(matches!(result.unwrap_err(), AuthConfigError::CookieName), "{name}");
    }
}

#[tokio::test]
async fn publishing_by_cookie_needs_an_origin() {
    let error = by_cookie(&["https://app.example"], &[]).await.unwrap_err();
    assert_eq!(error, AuthError::OriginMissing);
    let error = by_cookie(&["*"], &[("origin", "")]).await.unwrap_err();
    assert_eq!(error, AuthError::OriginMissing);
}

#[tokio::test]
async fn publishing_by_cookie_needs_an_allowed_origin() {
    let origins = ["https://app.example", "http://[::1]:8080"];
    for headers in [
        [("origin", "https://app.example")],
        [("origin", "HTTPS://App.Example")],
        [("origin", "http://[::1]:8080")],
        [("referer", "https://app.example")],
        [("referer", "https://app.example/path?query#fragment")],
        [("referer", "https://user:password@app.example/")],
        [("referer", "http://[::1]:8080/")],
    ] {
        assert!(by_cookie(&origins, &headers).await.is_ok(), "{headers:?}");
    }
    for headers in [
        [("origin", "http://app.example")],
        [("origin", "https://app.example:8443")],
        [("origin", "https://app.example.evil.example")],
        [("origin", "null")],
        [("origin", "é")],
        [("referer", "https://evil.example/https://app.example")],
        [("referer", "https://app.example@evil.example/")],
        [("referer", "http://app.example/")],
        [("referer", "/path")],
        [("referer", "app.example")],
        [("referer", "http://192.168.0.%31/")],
        [("referer", "é")],
    ] {
        let error = by_cookie(&origins, &headers).await.unwrap_err();
        assert_eq!(error, AuthError::OriginNotAllowed, "{headers:?}");
    }
    let error = by_cookie(&[], &[("origin", "https://app.example")]).await.unwrap_err();
    assert_eq!(error, AuthError::OriginNotAllowed);
}

#[tokio::test]
async fn the_origin_counts_more_than_the_referer() {
    let allowed = ("referer", "https://app.example/");
    let origins = ["https://app.example"];
    let error = by_cookie(&origins, &[("origin", "https://evil.example"), allowed]).await;
    assert_eq!(error.unwrap_err(), AuthError::OriginNotAllowed);
    let headers = [("origin", "https://app.example"), ("referer", "https://evil.example/")];
    assert!(by_cookie(&origins, &headers).await.is_ok());
}

#[tokio::test]
async fn origins_may_have_one_wildcard() {
    assert!(by_cookie(&["*"], &[("origin", "https://any.example")]).await.is_ok());
    assert!(by_cookie(&["null"], &[("origin", "null")]).await.is_ok());
    let wildcard = ["https://*.Example.com", "capacitor://localhost"];
    for origin in ["https://a.example.com", "https://a.b.example.com", "capacitor://localhost"] {
        assert!(by_cookie(&wildcard, &[("origin", origin)]).await.is_ok(), "{origin}");
    }
    for origin in ["https://example.com", "http://a.example.com", "https://a.example.com.evil"] {
        assert!(by_cookie(&wildcard, &[("origin", origin)]).await.is_err(), "{origin}");
    }
    // The parts around the wildcard do not share characters.
    assert!(by_cookie(&["https://aba*aba.com"], &[("origin", "https://aba.com")]).await.is_err());
}

#[tokio::test]
async fn origins_that_can_never_match_are_refused_at_start() {
    for entry in
        ["", "app.example", "https://", "https://a/", "https://a b", "https://*.a.*", "://a"]
    {
        let config = AuthConfig { publish_origins: vec![entry.to_owned()], ..config() };
        let error = Authenticator::new(config).await.unwrap_err();
        assert!(matches!(error, AuthConfigError::PublishOrigin(_)), "{entry}: {error}");
    }
}

#[tokio::test]
async fn reading_by_cookie_needs_no_origin() {
    let hub = hub().await;
    for method in ["GET", "HEAD"] {
        let parts = request(method, "/events", &[("cookie", &cookie())]);
        assert!(hub.authenticate(Subscriber, &parts, now()).await.is_ok());
    }
}

#[tokio::test]
async fn without_a_token_only_what_is_open_is_allowed() {
    let hub = hub().await;
    for (role, parts) in [(Subscriber, get(&[])), (Publisher, post(&[]))] {
        let error = hub.authenticate(role, &parts, now()).await.unwrap_err();
        assert_eq!(error, AuthError::MissingToken);
    }
    let hub = Authenticator::new(AuthConfig { anonymous: true, ..config() }).await.unwrap();
    let identity = hub.authenticate(Subscriber, &get(&[]), now()).await.unwrap();
    assert!(identity.subscribe.is_none() && identity.publish.is_none());
    assert!(hub.authenticate(Publisher, &post(&[]), now()).await.is_err());
}

#[tokio::test]
async fn a_token_that_is_not_valid_is_never_anonymous() {
    let config = AuthConfig { anonymous: true, anonymous_publish: true, ..config() };
    let hub = Authenticator::new(config).await.unwrap();
    for header in ["Bearer x", "Basic x", &format!("{}x", bearer())] {
        let headers = [("authorization", header)];
        assert!(hub.authenticate(Subscriber, &get(&headers), now()).await.is_err(), "{header}");
        assert!(hub.authenticate(Publisher, &post(&headers), now()).await.is_err(), "{header}");
    }
}

#[tokio::test]
async fn an_open_hub_without_a_subscriber_key_does_not_look_at_tokens() {
    let config = AuthConfig { subscriber: None, anonymous: true, ..config() };
    let hub = Authenticator::new(config).await.unwrap();
    for header in [&*bearer(), "Bearer x"] {
        let parts = get(&[("authorization", header)]);
        let identity = hub.authenticate(Subscriber, &parts, now()).await.unwrap();
        assert!(identity.subscribe.is_none(), "an unverified token grants nothing");
    }
}

#[tokio::test]
async fn a_token_without_a_key_to_verify_it_is_refused() {
    let hub = Authenticator::new(AuthConfig::default()).await.unwrap();
    let headers = [("authorization", &*bearer())];
    for (role, parts) in [(Subscriber, get(&headers)), (Publisher, post(&headers))] {
        let error = hub.authenticate(role, &parts, now()).await.unwrap_err();
        assert_eq!(error, AuthError::NoKey);
    }
    let error = hub.authenticate(Subscriber, &get(&[]), now()).await.unwrap_err();
    assert_eq!(error, AuthError::NoKey);
}

#[tokio::test]
async fn anybody_may_publish_in_development() {
    let open = |publisher| AuthConfig { publisher, anonymous_publish: true, ..config() };
    for publisher in [None, Some(secret_key())] {
        let identity = publish(open(publisher), &[]).await.unwrap();
        assert!(identity.publish.unwrap().allows("any"));
        assert!(identity.subscribe.is_none());
    }
}

#[tokio::test]
async fn each_role_has_its_own_key() {
    let config = AuthConfig { subscriber: None, ..config() };
    let hub = Authenticator::new(config).await.unwrap();
    let headers = [("authorization", &*bearer())];
    assert!(hub.authenticate(Publisher, &post(&headers), now()).await.is_ok());
    assert!(hub.authenticate(Subscriber, &get(&headers), now()).await.is_err());
}
