//! A host's graceful shutdown, with streams open.

use std::time::Duration;

use tidings_hub::{HubConfig, PublishError, Update};
use tidings_server::auth::Identity;
use tidings_server::{Peer, ServerConfig, StreamConfig, Whom};
use tokio::net::TcpSocket;
use tokio::time::Instant;

use super::{GRACE, Host, Tells, config};
use crate::support::{Client, EventStream, Now, PATIENCE, Seen, loopback};

const DRAIN: Duration = Duration::from_secs(10);
/// What the kernel holds for a client that takes nothing, at each end.
const SMALL_BYTES: u32 = 8 * 1024;

/// Everything on a stream, and when it ended.
async fn to_the_end(mut stream: EventStream) -> (Vec<Seen>, Instant) {
    (stream.rest().await, Instant::now())
}

fn is_farewell(seen: &[Seen]) -> bool {
    matches!(seen, [.., Seen::Retry(_), Seen::Event { event_type, .. }] if event_type == "drain")
}

/// A host whose connections have small send buffers.
async fn with_small_buffers(config: ServerConfig) -> Host {
    let listener = loopback();
    let size = usize::try_from(SMALL_BYTES).unwrap();
    socket2::SockRef::from(&listener).set_send_buffer_size(size).unwrap();
    Host::start_on(listener, HubConfig::default(), config, Tells::Nothing).await
}

/// A client that has opened a stream, will take no more, and is owed much.
async fn stuck(host: &Host) -> EventStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(SMALL_BYTES).unwrap();
    let mut client = Client::new(socket.connect(host.address).await.unwrap());
    client.send_request("GET /live?topic=a HTTP/1.1", b"").await;
    let stream = client.stream().await.opened().await;
    let data = "x".repeat(1_000);
    host.server.hub().publish_all((0..2_000).map(|_| Update::new("a", &*data))).now();
    stream
}

#[tokio::test(start_paused = true)]
async fn a_graceful_shutdown_ends_with_fifty_streams_open() {
    const STREAMS: u32 = 50;
    let mut host = Host::start_with(
        HubConfig::default(),
        ServerConfig { drain: DRAIN, ..config() },
        Tells::Nothing,
    )
    .await;
    let mut streams = Vec::new();
    for _ in 0..STREAMS {
        streams.push(tokio::spawn(to_the_end(host.subscribe("/live?topic=b", "").await)));
    }
    let begun = Instant::now();
    host.stop();
    // A newcomer is answered meanwhile, and told to come back.
    tokio::time::sleep(DRAIN / 4).await;
    let refused =
        host.ask("GET /live?topic=b", "Accept: text/event-stream\r\n", "").await.answer().await;
    assert_eq!(refused.soft_refusal()["reason"], "draining");
    let late = host.server.hub().publish(Update::new("b", "late")).now();
    assert_eq!(late, Err(PublishError::Closed));
    let mut ends = Vec::new();
    for stream in streams {
        let (seen, end) = stream.await.unwrap();
        assert!(is_farewell(&seen), "{seen:?}");
        ends.push(end - begun);
    }
    assert!((&mut host.done).await.unwrap(), "every connection is closed");
    assert!(begun.elapsed() < DRAIN, "{:?}", begun.elapsed());
    assert_eq!(host.server.hub().stats().subscribers, 0);
    // One after the other, evenly over four fifths of the drain time.
    ends.sort();
    let step = DRAIN.mul_f64(0.8) / STREAMS;
    for (place, end) in (0..).zip(&ends) {
        let due = step * place;
        assert!((due..due + step).contains(end), "{place}: {ends:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn with_no_stream_open_a_drain_takes_no_time() {
    let mut host = Host::start().await;
    let begun = Instant::now();
    host.stop();
    assert!((&mut host.done).await.unwrap());
    assert!(begun.elapsed() < Duration::from_millis(100), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_stuck_client_holds_a_host_up_no_longer_than_the_drain_time_and_its_grace() {
    let mut host = with_small_buffers(ServerConfig { drain: DRAIN, ..config() }).await;
    let stuck = stuck(&host).await;
    let live = tokio::spawn(to_the_end(host.subscribe("/live?topic=b", "").await));
    let begun = Instant::now();
    host.stop();
    assert!(!(&mut host.done).await.unwrap(), "one connection is left");
    let took = begun.elapsed();
    assert!(
        (DRAIN + GRACE..DRAIN + GRACE + Duration::from_millis(200)).contains(&took),
        "{took:?}"
    );
    assert!(is_farewell(&live.await.unwrap().0));
    drop(stuck);
}

/// Its connection belongs to the host, which would keep it for ever: the system ends it, as the listener was told.
#[tokio::test]
async fn a_stuck_client_is_given_up_after_the_peer_timeout_where_the_listener_was_prepared() {
    const TIMEOUT: Duration = Duration::from_secs(1);
    let stream = StreamConfig { peer_timeout: TIMEOUT, ..StreamConfig::default() };
    let host = with_small_buffers(ServerConfig { stream, ..config() }).await;
    let mut left = host.watch("a");
    let begun = Instant::now();
    let stuck = stuck(&host).await;
    super::wait_until_left(&mut left, 1).await;
    // The system looks at ever longer intervals, and others are at work on this machine.
    assert!((TIMEOUT..PATIENCE).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    drop(stuck);
}

/// With a drain time that is over at once some streams were not told to end, and the host waited for them.
#[tokio::test]
async fn streams_are_told_to_end_however_short_the_time_is() {
    for drain in [Duration::ZERO, Duration::from_nanos(1)] {
        for _ in 0..10 {
            let host = Host::start_with(
                HubConfig::default(),
                ServerConfig { drain, ..config() },
                Tells::Nothing,
            )
            .await;
            let mut stream = host.subscribe("/live?topic=a", "").await;
            host.server.drain().await;
            assert!(is_farewell(&stream.rest().await));
        }
    }
}

#[tokio::test]
async fn a_host_ends_the_streams_of_who_logs_out() {
    let host = Host::start().await;
    let mut alice = host.subscribe("/live?topic=users/alice", "Cookie: session=alice\r\n").await;
    let mut bob =
        host.subscribe("/live?topic=users/alice&topic=a", "Cookie: session=bob\r\n").await;
    assert_eq!(host.server.end_streams(Whom::User("alice".into())).await, 1);
    host.server.hub().publish(Update::new("users/alice", "too late").private()).now().unwrap();
    let rest = alice.rest().await;
    assert!(
        matches!(rest.last(), Some(Seen::Event { event_type, .. }) if event_type == "expired"),
        "{rest:?}"
    );
    assert_eq!(rest.iter().filter(|seen| matches!(seen, Seen::Event { .. })).count(), 1);
    host.server.hub().publish(Update::new("a", "on")).now().unwrap();
    assert_eq!(bob.data(1).await, ["on"]);
}

/// Whoever shows a server in a log line does not mean to show what users were sent.
#[tokio::test]
async fn nothing_that_is_in_the_log_is_shown_with_the_server() {
    let host = Host::start().await;
    let update =
        Update::new("users/alice", "s3cr3t-data").private().with_idempotency_key("s3cr3t-key");
    host.server.hub().publish(update).now().unwrap();
    let request = http::Request::get("/events?topic=s3cr3t-topic").body(String::new()).unwrap();
    let (mut parts, body) = request.into_parts();
    parts.extensions.insert(Identity::of("alice").in_session("s3cr3t-session"));
    let response =
        host.server.handle(http::Request::from_parts(parts, body), Peer::default()).await;
    let shown = format!(
        "{:?} {:?} {:?} {response:?}",
        host.server,
        host.server.service(),
        host.server.hub()
    );
    assert!(!shown.contains("s3cr3t"), "{shown}");
}
