//! Clients of a per-client relay that come and go: what they leave behind at the upstream.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    process::Command,
    sync::{Semaphore, watch},
    task::JoinSet,
    time::Instant,
};

use crate::{
    hub::{Hub, PROGRAM},
    request::Head,
    turn::alone,
};

const CLIENTS: usize = 1_000;
/// How many of them are there at the same time.
const TOGETHER: usize = 250;
/// How long the upstream may have connections after the last client has gone.
const LIMIT: Duration = Duration::from_secs(2);

/// An upstream that sends one event on each connection, and counts those that are open.
struct Upstream {
    address: SocketAddr,
    open: watch::Receiver<usize>,
    served: Arc<AtomicUsize>,
}

impl Upstream {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (count, open) = watch::channel(0);
        let served = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&served);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                count.send_modify(|open| *open += 1);
                seen.fetch_add(1, Ordering::Relaxed);
                let count = count.clone();
                tokio::spawn(async move {
                    serve(socket).await;
                    count.send_modify(|open| *open -= 1);
                });
            }
        });
        Self { address, open, served }
    }

    /// Waits until no connection is open, and says how long that took.
    async fn is_empty(&mut self) -> Duration {
        let begun = Instant::now();
        let empty = tokio::time::timeout(10 * LIMIT, self.open.wait_for(|open| *open == 0)).await;
        empty.unwrap().unwrap();
        begun.elapsed()
    }
}

/// Answers with one event, and waits for the other side's end.
async fn serve(mut socket: TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if socket.read_buf(&mut head).await.unwrap_or_default() == 0 {
            return;
        }
    }
    let answer = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: hello\n\n";
    if socket.write_all(answer.as_bytes()).await.is_ok() {
        while socket.read(&mut [0; 64]).await.is_ok_and(|read| read > 0) {}
    }
}

/// Opens a stream and reads its first event.
async fn come(hub: SocketAddr) -> TcpStream {
    let mut socket = TcpStream::connect(hub).await.unwrap();
    let request = "GET /events HTTP/1.1\r\nHost: hub\r\nAccept: text/event-stream\r\n\r\n";
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut rest = Vec::new();
    let head = Head::read(&mut socket, &mut rest).await.unwrap();
    assert_eq!(head.status, 200);
    while !String::from_utf8_lossy(&rest).contains("data: hello\n\n") {
        assert!(socket.read_buf(&mut rest).await.unwrap() > 0, "the stream ended");
    }
    socket
}

async fn relay(upstream: &Upstream) -> Hub {
    let mut command = Command::new(PROGRAM);
    command.args(["relay", &format!("http://{}/events", upstream.address)]);
    command.args(["--mode", "per-client", "--listen", "127.0.0.1:0"]);
    command.args(["--admin-listen", "127.0.0.1:0"]);
    Hub::start(command, &["limits.per_address=0"]).await
}

#[test]
fn a_thousand_clients_come_and_go_and_leave_no_upstream_connection() {
    alone(come_and_go());
}

async fn come_and_go() {
    let mut upstream = Upstream::start().await;
    let hub = relay(&upstream).await;
    let room = Arc::new(Semaphore::new(TOGETHER));
    let mut clients = JoinSet::new();
    for n in 0..CLIENTS {
        let (room, address) = (Arc::clone(&room), hub.address);
        clients.spawn(async move {
            let _room = room.acquire().await.unwrap();
            let client = come(address).await;
            // Every other one goes as a crashed one does: with a reset.
            if n % 2 == 0 {
                let socket = client.into_std().unwrap();
                socket2::SockRef::from(&socket).set_linger(Some(Duration::ZERO)).unwrap();
            }
        });
    }
    clients.join_all().await;
    let took = upstream.is_empty().await;
    assert_eq!(upstream.served.load(Ordering::Relaxed), CLIENTS, "each had one of its own");
    hub.wait_for("tidings_streams", 0, LIMIT).await;
    hub.wait_for("tidings_relay_upstreams", 0, LIMIT).await;
    eprintln!("the upstream's last connection ended {took:?} after the last of {CLIENTS} clients");
    assert!(took <= LIMIT, "{took:?}");
}
