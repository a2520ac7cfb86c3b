//! An upstream that a test plays, and servers that relay it.

use std::net::SocketAddr;
use std::time::Duration;

use tidings_hub::HubConfig;
use tidings_server::{RelayAccess, RelayConfig, RelayMode, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::memory_log::MemoryLog;

use super::super::support::{Client, PATIENCE, TestServer, open_config};

/// The path that most tests relay.
pub(crate) const PATH: &str = "/api/events";

/// A listener that a relay connects to.
pub(crate) struct Upstream {
    listener: TcpListener,
    pub(crate) address: SocketAddr,
}

/// A request of a relay, not answered yet.
pub(crate) struct Asked {
    socket: TcpStream,
    /// The request's head.
    pub(crate) head: String,
}

/// An event stream that a relay reads.
pub(crate) struct Feed(TcpStream);

impl Upstream {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        Self { listener, address }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A relay of `path`, at the same path, for anyone.
    pub(crate) fn relay(&self, path: &str) -> RelayConfig {
        RelayConfig { access: RelayAccess::Anyone, ..RelayConfig::new(self.url(path)) }
    }

    pub(crate) fn per_client(&self, path: &str) -> RelayConfig {
        RelayConfig { mode: RelayMode::PerClient, ..self.relay(path) }
    }

    /// The next request.
    pub(crate) async fn asked(&self) -> Asked {
        let asked = async {
            let (mut socket, _) = self.listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                assert!(socket.read_buf(&mut head).await.unwrap() > 0, "no whole request");
            }
            Asked { socket, head: String::from_utf8(head).unwrap() }
        };
        tokio::time::timeout(PATIENCE, asked).await.expect("no request came in time")
    }

    /// The next request, answered with an event stream.
    pub(crate) async fn feed(&self) -> Feed {
        self.asked().await.feed().await
    }
}

impl Asked {
    pub(crate) fn line(&self) -> &str {
        self.head.lines().next().unwrap()
    }

    /// The values of a header, whose name is given in lower case.
    pub(crate) fn header(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines
            .filter(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
            .collect()
    }

    pub(crate) async fn feed(self) -> Feed {
        self.feed_with("").await
    }

    /// Answers with an event stream and these header lines.
    pub(crate) async fn feed_with(self, headers: &str) -> Feed {
        let mut feed = Feed(self.socket);
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n{headers}\r\n");
        feed.send(&head).await;
        feed
    }

    /// Answers with a status and header lines, and closes the connection.
    pub(crate) async fn answer(mut self, status: &str, headers: &str, body: &str) {
        let length = body.len();
        let answer =
            format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{headers}\r\n{body}");
        self.socket.write_all(answer.as_bytes()).await.unwrap();
        self.socket.shutdown().await.unwrap();
    }

    /// Waits until the relay gives up.
    pub(crate) async fn until_given_up(self) {
        Feed(self.socket).until_closed().await;
    }
}

impl Feed {
    pub(crate) async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// Waits until the relay has closed the connection.
    pub(crate) async fn until_closed(mut self) {
        let closed = async { while self.0.read(&mut [0; 512]).await.is_ok_and(|read| read > 0) {} };
        tokio::time::timeout(PATIENCE, closed).await.expect("the relay keeps the connection open");
    }
}

/// A server with one relay.
pub(crate) async fn relaying(relay: RelayConfig) -> TestServer {
    relaying_all(vec![relay]).await
}

pub(crate) async fn relaying_all(relays: Vec<RelayConfig>) -> TestServer {
    // Announcements would take places in the log.
    let config = ServerConfig { relays, subscriptions: false, ..open_config() };
    TestServer::start(HubConfig::default(), config).await
}

/// A server with one relay, whose hub has a log behind it.
pub(crate) async fn relaying_on(log: &MemoryLog, relay: RelayConfig) -> TestServer {
    let config = ServerConfig { relays: vec![relay], subscriptions: false, ..open_config() };
    TestServer::on_log(log.shared(), HubConfig::default(), config).await
}

/// The same relay with short times: what takes seconds for real takes a fraction of one.
pub(crate) fn quick(relay: RelayConfig) -> RelayConfig {
    RelayConfig {
        linger: Duration::from_millis(100),
        answer_timeout: Duration::from_millis(300),
        ..relay
    }
}

/// Asks as a browser does, and does not wait for the answer.
pub(crate) async fn ask(server: &TestServer, path: &str, headers: &str) -> Client {
    let mut client = server.connect().await;
    let head = format!("GET {path} HTTP/1.1\r\nAccept: text/event-stream\r\n{headers}");
    client.send_request(head.trim_end(), b"").await;
    client
}
