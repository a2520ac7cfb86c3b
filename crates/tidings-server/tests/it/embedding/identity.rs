//! The host decides who asks and what they may do; nothing from the network does.

use tidings_hub::{HubConfig, Update};
use tidings_server::ServerConfig;
use tidings_server::auth::{Algorithm, AuthConfig, KeySource};

use super::{Host, Tells, config};
use crate::support::{EventStream, Now, SECRET, token};

const BOTH: &str = "/live?topic=news&topic=users/alice";
const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

/// A private update for alice, and a public one that ends the wait of those who do not get it.
fn publish(host: &Host) {
    let hub = host.server.hub();
    hub.publish(Update::new("users/alice", "for alice").private()).now().unwrap();
    hub.publish(Update::new("news", "for all")).now().unwrap();
}

async fn assert_sees(stream: &mut EventStream, expected: &[&str]) {
    assert_eq!(stream.data(expected.len()).await, expected);
}

#[tokio::test]
async fn the_hosts_identity_decides_who_gets_private_updates() {
    let host = Host::start().await;
    let mut alice = host.subscribe(BOTH, "Cookie: session=alice\r\n").await;
    let mut bob = host.subscribe(BOTH, "Cookie: session=bob\r\n").await;
    let mut nobody = host.subscribe(BOTH, "").await;
    publish(&host);
    assert_sees(&mut alice, &["for alice", "for all"]).await;
    assert_sees(&mut bob, &["for all"]).await;
    assert_sees(&mut nobody, &["for all"]).await;
    // Nor do they get it as something missed.
    let earliest = format!("{BOTH}&lastEventID=earliest");
    let mut replayed = host.subscribe(&earliest, "Cookie: session=bob\r\n").await;
    assert_sees(&mut replayed, &["for all"]).await;
}

#[tokio::test]
async fn without_the_hosts_word_nobody_may_do_anything_by_default() {
    let auth = AuthConfig::default();
    let config = ServerConfig { auth, ..config() };
    let host = Host::start_with(HubConfig::default(), config, Tells::Nothing).await;
    let read = host.answer("GET /live?topic=news", "", "").await;
    assert_eq!((read.status, read.json()["reason"].as_str()), (401, Some("no_key")));
    let published = host.answer("POST /live", FORM, "topic=news&data=1").await;
    assert_eq!(published.status, 401);
    let list = host.answer("GET /.well-known/mercure/subscriptions", "", "").await;
    assert_eq!(list.status, 404, "it is not mounted");
    let list = host.answer("GET /below/.well-known/mercure/subscriptions", "", "").await;
    assert_eq!(list.status, 401);
    host.subscribe("/live?topic=news", "Cookie: session=alice\r\n").await;
}

#[tokio::test]
async fn an_identity_publishes_what_it_was_granted_and_nothing_else() {
    let host = Host::start().await;
    let publish = async |user: &str, topic: &str| {
        let headers = format!("{FORM}Cookie: session={user}\r\n");
        host.answer("POST /live", &headers, &format!("topic={topic}&data=1")).await.status
    };
    assert_eq!(publish("editor", "news").await, 200);
    assert_eq!(publish("editor", "users/alice").await, 403);
    assert_eq!(publish("alice", "news").await, 403);
    assert_eq!(publish("alice", "users/alice").await, 403, "to read is not to publish");
}

#[tokio::test]
async fn a_request_cannot_bring_an_identity_of_its_own() {
    let host = Host::start().await;
    let token = token(&["*"], &["*"]);
    let bearer = format!("Authorization: Bearer {token}\r\n");
    let cookie = format!("Cookie: mercureAuthorization={token}\r\n");
    let query = format!("{BOTH}&authorization={token}&identity=alice&user=alice");
    let names = "Identity: alice\r\nX-User: alice\r\nX-Identity: {\"user\":\"alice\"}\r\nExtensions: alice\r\nUser: alice\r\n";
    let bob = "Cookie: session=bob\r\n";
    let mut streams = Vec::new();
    for as_bob in ["", bob] {
        for (target, headers) in [(BOTH, &*bearer), (BOTH, &*cookie), (&*query, ""), (BOTH, names)]
        {
            streams.push(host.subscribe(target, &format!("{as_bob}{headers}")).await);
            let headers = format!("{FORM}{as_bob}{headers}");
            let published = host.answer("POST /live", &headers, "topic=news&data=no").await;
            assert!(matches!(published.status, 401 | 403), "{headers}");
        }
    }
    publish(&host);
    for stream in &mut streams {
        assert_sees(stream, &["for all"]).await;
    }
}

#[tokio::test]
async fn the_hosts_word_counts_before_a_good_token() {
    let key = || Some(KeySource::Key { secret_or_pem: SECRET.into(), algorithm: Algorithm::Hs256 });
    let auth = AuthConfig { publisher: key(), subscriber: key(), ..AuthConfig::default() };
    let config = ServerConfig { auth, ..config() };
    let host = Host::start_with(HubConfig::default(), config, Tells::Nothing).await;
    let bearer = format!("Authorization: Bearer {}\r\n", token(&["*"], &["*"]));
    let mut bearer_only = host.subscribe(BOTH, &bearer).await;
    let mut bob = host.subscribe(BOTH, &format!("Cookie: session=bob\r\n{bearer}")).await;
    publish(&host);
    assert_sees(&mut bearer_only, &["for alice", "for all"]).await;
    assert_sees(&mut bob, &["for all"]).await;
    let headers = format!("{FORM}Cookie: session=bob\r\n{bearer}");
    assert_eq!(host.answer("POST /live", &headers, "topic=news&data=1").await.status, 403);
    // A token that is not good does no harm beside the host's word.
    host.subscribe(BOTH, "Cookie: session=bob\r\nAuthorization: Basic Ym9i\r\n").await;
}

#[tokio::test]
async fn an_identity_that_ends_ends_its_streams_and_opens_no_more() {
    let host = Host::start().await;
    let mut leaving = host.subscribe(BOTH, "Cookie: session=leaving\r\n").await;
    assert_eq!(leaving.event().await.0, "expired");
    assert!(leaving.rest().await.is_empty());
    let left = host.answer("GET /live?topic=news", "Cookie: session=left\r\n", "").await;
    assert_eq!((left.status, left.json()["reason"].as_str()), (401, Some("expired")));
    let left = format!("{FORM}Cookie: session=left\r\n");
    assert_eq!(host.answer("POST /live", &left, "topic=news&data=1").await.status, 401);
}

/// The cookie that says who asks is sent along whichever page makes the request.
#[tokio::test]
async fn other_sites_pages_cannot_publish_with_the_hosts_cookie() {
    let auth = AuthConfig {
        anonymous: true,
        publish_origins: vec!["https://app.example".to_owned()],
        ..AuthConfig::default()
    };
    let config = ServerConfig { auth, ..config() };
    let host = Host::start_with(HubConfig::default(), config, Tells::Nothing).await;
    let publish = async |origin: &str| {
        let headers = format!("{FORM}Cookie: session=editor\r\n{origin}");
        host.answer("POST /live", &headers, "topic=news&data=1").await.status
    };
    // The requests' own host is `localhost`.
    for origin in ["", "Origin: http://localhost\r\n", "Origin: https://app.example\r\n"] {
        assert_eq!(publish(origin).await, 200, "{origin}");
    }
    for origin in ["https://evil.example", "http://localhost:81", "null", "http://sub.localhost"] {
        assert_eq!(publish(&format!("Origin: {origin}\r\n")).await, 401, "{origin}");
    }
}

#[tokio::test]
async fn a_host_may_say_what_a_stream_is_for() {
    let host = Host::start().await;
    let mut stream = host.subscribe("/live", "Cookie: session=viewer\r\n").await;
    host.server.hub().publish(Update::new("other", "0")).now().unwrap();
    host.server.hub().publish(Update::new("news", "1")).now().unwrap();
    assert_sees(&mut stream, &["1"]).await;
    let nothing = host.answer("GET /live?topic=news", "Cookie: session=outcast\r\n", "").await;
    assert_eq!((nothing.status, nothing.json()["reason"].as_str()), (403, Some("forbidden")));
}
