//! Pages of other sites.

use super::requests::{HUB, get, head_of, open_config, open_hub, post, start};
use crate::support::{Answer, TestServer};

async fn with_origins(origins: &[&str]) -> TestServer {
    let mut config = open_config();
    config.cors_origins = origins.iter().map(|&origin| origin.to_owned()).collect();
    start(config).await
}

/// What a browser asks before a request with a token.
async fn preflight(server: &TestServer, origin: &str, method: &str) -> Answer {
    let headers = [
        &format!("Origin: {origin}"),
        &format!("Access-Control-Request-Method: {method}"),
        "Access-Control-Request-Headers: authorization,last-event-id",
    ];
    head_of(server, &format!("OPTIONS {HUB}"), &headers).await
}

fn permission(answer: &Answer) -> (Option<&str>, Option<&str>) {
    let origin = answer.header("access-control-allow-origin");
    (origin, answer.header("access-control-allow-credentials"))
}

#[tokio::test]
async fn without_origins_no_other_site_may_do_anything() {
    let server = open_hub().await;
    let answer = preflight(&server, "https://e.com", "GET").await;
    assert_eq!((answer.status, permission(&answer)), (405, (None, None)));
    let stream = head_of(&server, &format!("GET {HUB}?topic=a"), &["Origin: https://e.com"]).await;
    assert_eq!((stream.status, permission(&stream)), (200, (None, None)));
    assert_eq!(stream.header("vary"), None);
}

#[tokio::test]
async fn a_listed_origin_may_use_the_hub_with_credentials() {
    let server = with_origins(&["https://e.com", "https://*.e.org"]).await;
    for origin in ["https://e.com", "https://a.e.org"] {
        for method in ["GET", "HEAD", "POST"] {
            let answer = preflight(&server, origin, method).await;
            assert_eq!((answer.status, permission(&answer)), (204, (Some(origin), Some("true"))));
            assert!(answer.header("access-control-allow-methods").unwrap().contains(method));
            let allowed = answer.header("access-control-allow-headers").unwrap();
            for header in ["authorization", "cache-control", "last-event-id", "content-type"] {
                assert!(allowed.contains(header), "{header}");
            }
            assert!(answer.header("vary").unwrap().starts_with("Origin"));
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        }
        let header = format!("Origin: {origin}");
        let stream = head_of(&server, &format!("GET {HUB}?topic=a"), &[&header]).await;
        assert_eq!((stream.status, permission(&stream)), (200, (Some(origin), Some("true"))));
        assert_eq!(stream.header("vary"), Some("Origin"));
        assert!(stream.header("access-control-expose-headers").unwrap().contains("Last-Event-ID"));
        let update = post(&server, &[&header], &[("topic", "a")]).await;
        assert_eq!((update.status, permission(&update)), (200, (Some(origin), Some("true"))));
    }
}

/// A page that may not read why it was refused cannot tell its user.
#[tokio::test]
async fn a_listed_origin_may_read_refusals() {
    let server = with_origins(&["https://e.com"]).await;
    for (target, status) in [(HUB.to_owned(), 400), ("/nothing".to_owned(), 404)] {
        let answer = get(&server, &target, &["Origin: https://e.com"]).await;
        let expected = (status, (Some("https://e.com"), Some("true")));
        assert_eq!((answer.status, permission(&answer)), expected, "{target}");
    }
}

#[tokio::test]
async fn another_origin_gets_no_permission() {
    let server = with_origins(&["https://e.com", "https://*.e.org"]).await;
    for origin in [
        "https://evil.com",
        "http://e.com",
        "https://e.com:8443",
        "https://e.com.evil.com",
        "https://evil.com/.e.org",
        "null",
    ] {
        let answer = preflight(&server, origin, "GET").await;
        assert_eq!((answer.status, permission(&answer)), (204, (None, None)), "{origin}");
        assert_eq!(answer.header("access-control-allow-methods"), None);
        let header = format!("Origin: {origin}");
        let stream = head_of(&server, &format!("GET {HUB}?topic=a"), &[&header]).await;
        assert_eq!((stream.status, permission(&stream)), (200, (None, None)), "{origin}");
        assert_eq!(stream.header("vary"), Some("Origin"));
    }
}

#[tokio::test]
async fn where_any_origin_may_none_may_send_credentials() {
    for origins in [&["*"][..], &["null"], &["https://*"]] {
        let server = with_origins(origins).await;
        let origin = if origins == ["null"] { "null" } else { "https://e.com" };
        let answer = preflight(&server, origin, "GET").await;
        let (allowed, credentials) = permission(&answer);
        assert_eq!(allowed, Some(if origins == ["*"] { "*" } else { origin }));
        assert_eq!(credentials, None, "{origins:?}");
    }
}

#[tokio::test]
async fn an_app_with_a_scheme_of_its_own_is_an_origin_too() {
    let server = with_origins(&["capacitor://localhost"]).await;
    let answer = preflight(&server, "capacitor://localhost", "GET").await;
    assert_eq!(permission(&answer), (Some("capacitor://localhost"), Some("true")));
}

#[tokio::test]
async fn what_is_no_origin_stops_the_hub_at_its_start() {
    for entry in ["e.com", "https://e.com/", "https://e.com/path", "https://*.*.com", ""] {
        let mut config = open_config();
        config.cors_origins = vec![entry.to_owned()];
        let started = tidings_server::Server::new(tidings_hub::HubConfig::default(), config).await;
        assert!(started.is_err(), "{entry:?}");
    }
}
