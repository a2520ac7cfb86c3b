//! Guarantee 10: peers that are no longer there, or no longer take anything, are found in the stated time.

use std::time::Duration;

use socket2::{SockFilter, SockRef};
use tidings_hub::{HubConfig, Update};
use tidings_server::{ServerConfig, StreamConfig};
use tokio::time::Instant;

use super::super::probe::metric;
use super::super::support::{EventStream, Now, TestServer, open_config, token};
use super::slow::{SMALL_BYTES, with_receive_buffer};

/// A stream of the presence of those who subscribe to `a`.
async fn watch(server: &TestServer) -> EventStream {
    let headers = format!("Authorization: Bearer {}\r\n", token(&[], &["*"]));
    let presence = "topic=/.well-known/mercure/subscriptions/a/%7Bsubscriber%7D";
    server.subscribe(presence, &headers).await.opened().await
}

async fn waits_until_left(watcher: &mut EventStream) {
    assert!(watcher.event().await.1.contains("\"active\": true"));
    assert!(watcher.event().await.1.contains("\"active\": false"));
}

#[tokio::test]
async fn a_vanished_peer_is_found() {
    /// `BPF_RET | BPF_K`: how many bytes of a packet to let through.
    const RETURN: u16 = 0x06;
    let stream = StreamConfig {
        keep_alive: Duration::from_secs(1),
        peer_timeout: Duration::from_secs(1),
        ..StreamConfig::default()
    };
    let config = ServerConfig { stream, ..open_config() };
    let (server, admin) = TestServer::with_admin(HubConfig::default(), config).await;
    let mut watcher = watch(&server).await;
    let vanished = server.subscribe("topic=a", "").await.opened().await;
    // From here on nothing reaches the peer: it acknowledges nothing and does not say goodbye, as if a cable was cut.
    let socket = SockRef::from(&vanished.client.socket);
    socket.attach_filter(&[SockFilter::new(RETURN, 0, 0, 0)]).unwrap();
    let vanished_at = Instant::now();
    waits_until_left(&mut watcher).await;
    let found_after = vanished_at.elapsed();
    // A keep-alive that is never acknowledged, and the peer timeout from then on. The rest is for a busy machine.
    let stated = stream.keep_alive + stream.peer_timeout;
    assert!(found_after < stated + Duration::from_secs(2), "{found_after:?}");
    assert!(found_after > stream.peer_timeout, "not before: {found_after:?}");
    assert_eq!(metric(admin, "tidings_streams_closed_total{reason=\"half_open\"}"), 1);
    assert_eq!(metric(admin, "tidings_streams"), 1, "the watcher's");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_nothing_is_given_up_and_a_slow_one_is_not() {
    let config = open_config();
    let timeout = config.stream.peer_timeout;
    let (server, admin) = TestServer::with_admin(HubConfig::default(), config).await;
    let slow = || metric(admin, "tidings_streams_closed_total{reason=\"slow\"}");
    let mut watcher = watch(&server).await;
    let stuck = with_receive_buffer(SMALL_BYTES, &server).await;
    let _stuck = stuck.subscribe("topic=a", "").await.opened().await;
    let mut reader = server.subscribe("topic=b", "").await.opened().await;
    // More than the kernel keeps between the two.
    let data = "x".repeat(50_000);
    let update = |_| Update { topics: vec!["a".into(), "b".into()], ..Update::new("", &*data) };
    server.server.hub().publish_all((0..1_000).map(update)).now();
    let stuck_at = Instant::now();
    let reading = tokio::spawn(async move {
        for _ in 0..10 {
            tokio::time::sleep(timeout / 3).await;
            reader.data(60).await;
        }
    });
    waits_until_left(&mut watcher).await;
    let given_up_after = stuck_at.elapsed();
    assert!(given_up_after >= timeout, "{given_up_after:?}");
    assert!(given_up_after < timeout + Duration::from_secs(1), "{given_up_after:?}");
    assert_eq!(slow(), 1);
    reading.await.unwrap();
    assert!(stuck_at.elapsed() > 3 * timeout);
    assert_eq!(slow(), 1, "the slow one was never silent for so long");
}
