//! Guarantee 5: a subscriber that does not read delays nobody, costs a bounded amount of memory, and loses nothing that
//! is retained.

use std::net::SocketAddr;

use socket2::SockRef;
use tidings_hub::{HubConfig, Retention, Update};
use tidings_server::ServerConfig;
use tokio::net::{TcpListener, TcpSocket};

use crate::memory_log::MemoryLog;

use super::super::memory::held_bytes;
use super::super::support::{
    Client, EventStream, Now, Seen, TestServer, loopback, open_config, seq,
};

/// How many updates the log retains.
const RETAINED: u64 = 1_024;
const STUCK: usize = 20;
/// What one may hold, its client in the test included. It measures up to 86 KB in a build without optimisations; one
/// that has nothing to read measures 52 KB.
const MAX_STUCK_BYTES: isize = 96 * 1024;
/// What the kernel keeps between a server and a client where both are made with it: little, so that a client that does
/// not read is soon noticed.
pub(crate) const SMALL_BYTES: u32 = 8 * 1024;

/// A server whose connections have send buffers of this size.
pub(crate) async fn with_send_buffers(
    bytes: u32,
    hub: HubConfig,
    config: ServerConfig,
) -> TestServer {
    TestServer::start_on(listener_with(bytes), None, hub, config).await
}

/// The same with its admin listener, and that one's address.
pub(crate) async fn with_send_buffers_and_admin(
    bytes: u32,
    hub: HubConfig,
    config: ServerConfig,
) -> (TestServer, SocketAddr) {
    let admin = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = admin.local_addr().unwrap();
    (TestServer::start_on(listener_with(bytes), Some(admin), hub, config).await, address)
}

fn listener_with(bytes: u32) -> TcpListener {
    let listener = loopback();
    // Accepted sockets inherit it.
    SockRef::from(&listener).set_send_buffer_size(usize::try_from(bytes).unwrap()).unwrap();
    listener
}

/// A client whose receive buffer is of this size.
pub(crate) async fn with_receive_buffer(bytes: u32, server: &TestServer) -> Client {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(bytes).unwrap();
    Client::new(socket.connect(server.address).await.unwrap())
}

/// Publishes a log's worth of updates in bursts, each of which `live` has in full before the next.
async fn publish_past(live: &mut EventStream, server: &TestServer, next: &mut u64) {
    const BURST: u64 = 64;
    for _ in 0..RETAINED / BURST {
        let burst = *next..*next + BURST;
        let update = |n| Update::new("a", format!("{n:01000}"));
        server.server.hub().publish_all(burst.clone().map(update)).now();
        for n in burst {
            let (event_type, data, _) = live.event().await;
            assert_eq!((event_type.as_str(), data), ("message", format!("{n:01000}")));
        }
        *next += BURST;
    }
}

#[tokio::test]
async fn a_stuck_subscriber_delays_nobody_and_its_memory_is_bounded() {
    let max_updates = usize::try_from(RETAINED).unwrap();
    let retention = Retention { max_updates, ..HubConfig::default().retention };
    let hub = HubConfig { retention, ..HubConfig::default() };
    let config = ServerConfig { subscriptions: false, ..open_config() };
    let server = with_send_buffers(SMALL_BYTES, hub, config).await;
    let mut live = server.subscribe("topic=a", "").await.opened().await;
    let mut next = 1;
    publish_past(&mut live, &server, &mut next).await;
    let full = held_bytes();
    let mut stuck = Vec::new();
    for _ in 0..STUCK {
        let client = with_receive_buffer(SMALL_BYTES, &server).await;
        stuck.push(client.subscribe("topic=a", "").await.opened().await);
    }
    let opened_at = next;
    // However much there is to tell it: within its bounds the amount goes up and down with what the kernel takes.
    for _ in 0..4 {
        publish_past(&mut live, &server, &mut next).await;
        let each = (held_bytes() - full) / STUCK.cast_signed();
        assert!(each < MAX_STUCK_BYTES, "a stuck subscriber takes {each} bytes");
    }

    // It reads on: what was under way, the gap, and all that is retained, each in order.
    for mut stream in stuck {
        let mut expected = opened_at;
        let mut gaps = 0;
        while expected < next {
            let Some(Seen::Event { event_type, data, id }) = stream.next().await else { continue };
            if event_type == "gap" {
                gaps += 1;
                let missed = seq(&id) + 1 - expected;
                assert!(data.contains(&format!("\"missed\":{missed}}}")), "{missed}: {data}");
                expected += missed;
                assert!(expected <= next - RETAINED, "all that is retained follows");
            } else {
                assert_eq!((event_type.as_str(), seq(&id)), ("message", expected));
                expected += 1;
            }
        }
        assert!(gaps > 0);
    }
}

/// One that reads what is older than the hub's memory was given a page of the log at once, which waited for its socket.
#[tokio::test]
async fn a_stuck_subscriber_that_reads_from_the_log_takes_no_more() {
    let log = MemoryLog::new(usize::MAX);
    for number in 1..=RETAINED {
        log.put(Update::new("a", format!("{number:01000}")));
    }
    let mut hub = HubConfig::default();
    hub.retention.max_updates = 1;
    let config = ServerConfig { subscriptions: false, ..open_config() };
    let listener = listener_with(SMALL_BYTES);
    let server = TestServer::on_log_at(listener, log.shared(), hub, config).await;
    // The log picks what it is about, or the hub does.
    for query in ["topic=a&lastEventID=earliest", "topic=%7Bx%7D&lastEventID=earliest"] {
        let before = held_bytes();
        let mut stuck = Vec::new();
        for _ in 0..STUCK {
            let client = with_receive_buffer(SMALL_BYTES, &server).await;
            stuck.push(client.subscribe(query, "").await);
        }
        // Each has what the kernel takes. Nothing is waited for but the test's own thread.
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        let each = (held_bytes() - before) / STUCK.cast_signed();
        assert!(each < MAX_STUCK_BYTES, "a stuck subscriber takes {each} bytes");
        for mut stream in stuck {
            for number in 1..=RETAINED {
                let (event_type, _, id) = stream.event().await;
                assert_eq!((event_type.as_str(), seq(&id)), ("message", number));
            }
        }
    }
}
