//! Where a host mounts the hub, what it tells it of the peer, and what works there.

use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http2::handshake;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tidings_hub::{HubConfig, Limits, Update};
use tokio::net::TcpStream;

use super::{Host, Tells, config};
use crate::support::{Client, Now};

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\nCookie: session=editor\r\n";

#[tokio::test]
async fn the_hub_answers_wherever_it_is_mounted() {
    let host = Host::start().await;
    for path in ["/.well-known/mercure", "/live", "/below/events", "/app", "/app/any/where"] {
        let head = host.ask(&format!("HEAD {path}?topic=news"), "", "").await.head().await.unwrap();
        let content_type = head.header("content-type");
        assert_eq!((head.status, content_type), (200, Some("text/event-stream")), "{path}");
        let mut stream = host.subscribe(&format!("{path}?topic=news"), "").await;
        let data = format!("topic=news&data=at%20{path}");
        let published = host.answer(&format!("POST {path}"), FORM, &data).await;
        assert_eq!(published.status, 200, "{path}: {}", published.text());
        let (_, data, id) = stream.event().await;
        assert_eq!((data, id), (format!("at {path}"), published.text()));
        let refused = host.answer(&format!("PUT {path}"), "", "").await;
        assert_eq!((refused.status, refused.header("allow")), (405, Some("GET, HEAD, POST")));
    }
    for path in ["/events", "/below", "/below/live", "/live/more"] {
        assert_eq!(host.answer(&format!("GET {path}?topic=news"), "", "").await.status, 404);
    }
}

#[tokio::test]
async fn a_mounted_hub_speaks_http_2() {
    let host = Host::start().await;
    let socket = TcpStream::connect(host.address).await.unwrap();
    let (mut sender, connection) =
        handshake(TokioExecutor::new(), TokioIo::new(socket)).await.unwrap();
    tokio::spawn(async move { drop(connection.await) });
    let mut streams = Vec::new();
    for path in ["/.well-known/mercure", "/live"] {
        let request = http::Request::get(format!("http://host{path}?topic=users/alice"))
            .header("Cookie", "session=alice")
            .body(Empty::<bytes::Bytes>::new());
        let response = sender.send_request(request.unwrap()).await.unwrap();
        assert_eq!(
            (response.status(), response.version()),
            (http::StatusCode::OK, http::Version::HTTP_2)
        );
        streams.push(response.into_body());
    }
    host.server.hub().publish(Update::new("users/alice", "hers").private()).now().unwrap();
    for mut stream in streams {
        let mut seen = String::new();
        while !seen.contains("data: hers") {
            let frame = stream.frame().await.expect("the stream ended").unwrap();
            seen += str::from_utf8(&frame.into_data().unwrap()).unwrap();
        }
    }
}

#[tokio::test]
async fn a_stream_through_a_mounted_route_resumes_after_the_last_id() {
    let host = Host::start().await;
    let publish =
        |data: &str| host.server.hub().publish(Update::new("news", data)).now().unwrap().id;
    let first = publish("one");
    publish("two");
    let after = format!("Last-Event-ID: {}\r\n", first.as_str());
    for target in ["/.well-known/mercure?topic=news", "/live?topic=news"] {
        assert_eq!(host.subscribe(target, &after).await.event().await.1, "two");
    }
}

/// The address of the test itself, once for the hub and once for nobody.
#[tokio::test]
async fn the_limit_per_address_counts_those_whose_peer_the_host_tells() {
    let limits = Limits { per_address: Some(1), ..HubConfig::default().limits };
    let hub = HubConfig { limits, ..HubConfig::default() };
    let told = Host::start_with(hub, config(), Tells::ThePeer).await;
    let _first = told.subscribe("/live?topic=a", "").await;
    let refused = told.answer("GET /live?topic=a", "", "").await;
    assert_eq!((refused.status, refused.json()["reason"].as_str()), (429, Some("address_limit")));

    let untold = Host::start_with(hub, config(), Tells::Nothing).await;
    let mut open = Vec::new();
    for _ in 0..3 {
        // What a client says of itself is not believed where nobody is there to be trusted.
        open.push(untold.subscribe("/live?topic=a", "X-Forwarded-For: 192.0.2.1\r\n").await);
    }
    let addresses = untold.server.hub().subscribers();
    assert!(addresses.iter().all(|subscriber| subscriber.address.is_none()), "{addresses:?}");
}

#[tokio::test]
async fn a_client_that_went_away_is_cleaned_up() {
    let host = Host::start().await;
    let mut left = host.watch("a");
    let streams =
        [host.subscribe("/live?topic=a", "").await, host.subscribe("/live?topic=a", "").await];
    // The watcher is one of them.
    assert_eq!(host.server.hub().stats().subscribers, 3);
    let [closed, reset] = streams.map(|stream| stream.client);
    drop(closed);
    // The end that a killed program's connections have.
    let Client { socket, .. } = reset;
    socket2::SockRef::from(&socket).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    drop(socket);
    super::wait_until_left(&mut left, 2).await;
    assert_eq!(host.server.hub().stats().subscribers, 1);
    drop(left);
    assert_eq!(host.server.hub().stats().subscribers, 0);
}
