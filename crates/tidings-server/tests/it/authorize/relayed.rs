//! The streams of a relay: the application decides about them, and they are ended like the hub's own.

use serde_json::json;
use tidings_hub::HubConfig;
use tidings_server::{RelayAccess, RelayConfig, ServerConfig};

use super::application::{Application, Reply, asking, cookie};
use super::ending::{application, end, has_ended};
use crate::relay::upstream::{PATH, Upstream, ask};
use crate::support::TestServer;

/// A hub that asks the application who may read what it relays, with its admin listener.
async fn relaying(
    application: &Application,
    relay: RelayConfig,
) -> (TestServer, std::net::SocketAddr) {
    let relays = vec![RelayConfig { access: RelayAccess::Subscribers, ..relay }];
    let config = ServerConfig { relays, ..asking(application.authorize()) };
    TestServer::with_admin(HubConfig::default(), config).await
}

#[tokio::test]
async fn a_shared_stream_is_ended_for_one_user_and_goes_on_for_the_others() {
    let (application, upstream) = (application().await, Upstream::start().await);
    let (server, admin) = relaying(&application, upstream.relay(PATH)).await;
    let ann = ask(&server, PATH, &cookie("ann/1")).await;
    let mut feed = upstream.feed().await;
    let mut ann = ann.stream().await;
    let mut ben = ask(&server, PATH, &cookie("ben/1")).await.stream().await;
    assert_eq!(application.last().header("x-original-uri"), PATH);
    feed.send("data: 1\n\n").await;
    assert_eq!((ann.data(1).await, ben.data(1).await), (vec!["1".into()], vec!["1".into()]));
    assert_eq!(end(admin, "/kick?user=ann").await, 1);
    feed.send("data: 2\n\n").await;
    has_ended(&mut ann).await;
    assert_eq!(ben.data(1).await, ["2"]);
}

#[tokio::test]
async fn a_stream_of_its_own_ends_with_its_upstream() {
    let (application, upstream) = (application().await, Upstream::start().await);
    let (server, admin) = relaying(&application, upstream.per_client(PATH)).await;
    let ann = ask(&server, PATH, &cookie("ann/1")).await;
    let mut feed = upstream.feed().await;
    let mut ann = ann.stream().await;
    feed.send("data: 1\n\n").await;
    assert_eq!(ann.data(1).await, ["1"]);
    assert_eq!(end(admin, "/disconnect?session=ann/1").await, 1);
    has_ended(&mut ann).await;
    feed.until_closed().await;
}

#[tokio::test]
async fn what_the_application_narrows_a_stream_to_goes_for_a_relays_path_too() {
    let reply = |topic: &str| Reply::json(&json!({"topics": [topic]}));
    let (application, upstream) =
        (Application::answering(reply("news")).await, Upstream::start().await);
    let (server, _) = relaying(&application, upstream.relay(PATH)).await;
    let refused = server.request(&format!("GET {PATH} HTTP/1.1\r\nCookie: ann"), b"").await;
    assert_eq!((refused.status, &refused.json()["reason"]), (403, &json!("forbidden")));
    application.answer(reply(PATH));
    let allowed = ask(&server, PATH, &cookie("ben")).await;
    let mut feed = upstream.feed().await;
    let mut allowed = allowed.stream().await;
    feed.send("data: 1\n\n").await;
    assert_eq!(allowed.data(1).await, ["1"]);
}

/// The call waited for the upstream's answer, and said after 5 seconds that it had failed.
#[tokio::test]
async fn who_waits_for_an_upstream_is_thrown_out_at_once() {
    for relay in [Upstream::relay, Upstream::per_client] {
        let (application, upstream) = (application().await, Upstream::start().await);
        let (server, admin) = relaying(&application, relay(&upstream, PATH)).await;
        let mut client = server.connect().await;
        let request = format!("GET {PATH} HTTP/1.1\r\n{}", cookie("ann/1"));
        client.send_request(request.trim_end(), b"").await;
        let asked = upstream.asked().await;
        assert_eq!(end(admin, "/kick?user=ann").await, 1);
        let answer = client.answer().await;
        assert_eq!((answer.status, &answer.json()["reason"]), (503, &json!("kicked")));
        drop(asked);
    }
}
