//! A server on a port of its own, and clients that speak HTTP byte by byte.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tidings_hub::{HubConfig, Log};
use tidings_server::auth::{self, AuthConfig, KeySource};
use tidings_server::{
    Lane, RequestLimits, Server, ServerConfig, StreamConfig, TrustedProxies, bind,
};
use tidings_wire::{Chunk, Decoder, Item};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The secret that signs the tests' tokens.
pub(crate) const SECRET: &str = "!ChangeThisMercureHubJWTSecretKey!";
/// How long a test waits for something that must come. Real time, and far more than it takes.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// A server that runs until it is dropped or shut down.
#[derive(Debug)]
pub(crate) struct TestServer {
    pub(crate) server: Server,
    pub(crate) address: SocketAddr,
    shutdown: Option<oneshot::Sender<()>>,
    pub(crate) done: JoinHandle<()>,
}

/// Settings as `--dev` has them: anyone may publish and subscribe. Tokens signed with [`SECRET`] are understood.
pub(crate) fn open_config() -> ServerConfig {
    let key =
        || Some(KeySource::Key { secret_or_pem: SECRET.into(), algorithm: auth::Algorithm::Hs256 });
    ServerConfig {
        auth: AuthConfig {
            publisher: key(),
            subscriber: key(),
            anonymous: true,
            anonymous_publish: true,
            ..AuthConfig::default()
        },
        cors_origins: Vec::new(),
        stream: StreamConfig::default(),
        requests: RequestLimits::default(),
        max_connections: 10_000,
        trusted_proxies: TrustedProxies::default(),
        drain: Duration::from_secs(2),
        subscriptions: true,
        dashboard: true,
        relays: Vec::new(),
        bus: None,
    }
}

/// The lane that all tests of this run are for: the direct one, unless `TIDINGS_TEST_LANE=body` says otherwise.
pub(crate) fn lane() -> Lane {
    match std::env::var("TIDINGS_TEST_LANE").as_deref() {
        Ok("body") => Lane::Body,
        Ok("direct") | Err(_) => Lane::Direct,
        Ok(other) => panic!("TIDINGS_TEST_LANE is \"direct\" or \"body\", not {other:?}"),
    }
}

impl TestServer {
    /// Starts a server with open settings.
    pub(crate) async fn open() -> Self {
        Self::start(HubConfig::default(), open_config()).await
    }

    pub(crate) async fn start(hub: HubConfig, config: ServerConfig) -> Self {
        Self::start_on(loopback(), None, hub, config).await
    }

    /// Starts a server with its admin listener, and gives that one's address.
    pub(crate) async fn with_admin(hub: HubConfig, config: ServerConfig) -> (Self, SocketAddr) {
        let admin = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = admin.local_addr().unwrap();
        let server = Self::start_on(loopback(), Some(admin), hub, config).await;
        // The server's task takes its first turn, in which the admin listener comes to life.
        tokio::task::yield_now().await;
        (server, address)
    }

    /// Starts a server on these listeners, the public one and the admin's.
    pub(crate) async fn start_on(
        listener: TcpListener,
        admin: Option<std::net::TcpListener>,
        hub: HubConfig,
        mut config: ServerConfig,
    ) -> Self {
        config.stream.lane = lane();
        let server = Server::new(hub, config).await.unwrap();
        Self::serve_on(listener, admin, server)
    }

    /// Starts a server whose hub has a log behind it.
    pub(crate) async fn on_log(log: Arc<dyn Log>, hub: HubConfig, config: ServerConfig) -> Self {
        Self::on_log_at(loopback(), log, hub, config).await
    }

    /// Starts it on this listener.
    pub(crate) async fn on_log_at(
        listener: TcpListener,
        log: Arc<dyn Log>,
        hub: HubConfig,
        mut config: ServerConfig,
    ) -> Self {
        config.stream.lane = lane();
        Self::serve_on(listener, None, Server::open(log, hub, config).await.unwrap())
    }

    fn serve_on(
        listener: TcpListener,
        admin: Option<std::net::TcpListener>,
        server: Server,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let (shutdown, stopped) = oneshot::channel::<()>();
        let running = server.clone();
        let done = tokio::spawn(async move {
            running.serve(listener, admin, async { drop(stopped.await) }).await.unwrap();
        });
        Self { server, address, shutdown: Some(shutdown), done }
    }

    /// Begins to shut down, as SIGTERM does.
    pub(crate) fn shut_down(&mut self) {
        drop(self.shutdown.take());
    }

    /// Opens a connection.
    pub(crate) async fn connect(&self) -> Client {
        Client::connect(self.address).await
    }

    /// Sends one request on a connection of its own and reads the whole answer.
    pub(crate) async fn request(&self, head: &str, body: &[u8]) -> Answer {
        let mut client = self.connect().await;
        client.send_request(head, body).await;
        client.answer().await
    }

    /// Publishes a form and gives the answer's body.
    pub(crate) async fn publish(&self, form: &str) -> String {
        let head =
            "POST /.well-known/mercure HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded";
        let answer = self.request(head, form.as_bytes()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.text()
    }

    /// Opens a stream: `query` follows the `?`, `headers` are whole lines, each with its CRLF.
    pub(crate) async fn subscribe(&self, query: &str, headers: &str) -> EventStream {
        self.connect().await.subscribe(query, headers).await
    }
}

/// A public listener on a port of its own.
pub(crate) fn loopback() -> TcpListener {
    bind("127.0.0.1:0".parse().unwrap()).unwrap()
}

/// Ends a test that gets something all the time, but never what it waits for. It goes by the real clock, whatever the
/// test's own says.
struct Patience(SystemTime);

impl Patience {
    fn begin() -> Self {
        Self(SystemTime::now())
    }

    fn check(&self, what: &str) {
        let waited = self.0.elapsed().unwrap_or_default();
        assert!(waited < PATIENCE, "{what} did not come in time");
    }
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) socket: TcpStream,
    unread: Vec<u8>,
    /// The body of the answer whose head was read last comes in chunks.
    is_chunked: bool,
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A refusal as a browser's `EventSource` sees it: a stream of one event, whose data this is.
    pub(crate) fn soft_refusal(&self) -> Value {
        assert_eq!((self.status, self.header("content-type")), (200, Some("text/event-stream")));
        let seen = decode(&mut Decoder::new(), &self.body);
        let [Seen::Retry(retry), Seen::Event { event_type, data, id }] = seen.as_slice() else {
            panic!("{seen:?}")
        };
        assert_eq!((event_type.as_str(), id.as_str()), ("refused", ""));
        let data: Value = serde_json::from_str(data).unwrap();
        assert_eq!(data["retry_ms"], json!(retry.as_millis()));
        data
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.text()))
    }
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).await.unwrap();
        // A request goes out in two writes; the second must not wait for the first one's acknowledgement.
        socket.set_nodelay(true).unwrap();
        Self::new(socket)
    }

    pub(crate) fn new(socket: TcpStream) -> Self {
        Self { socket, unread: Vec::new(), is_chunked: false }
    }

    /// Asks for a stream as a browser does; see [`TestServer::subscribe`].
    pub(crate) async fn subscribe(mut self, query: &str, headers: &str) -> EventStream {
        self.ask_as_browser(query, headers).await;
        self.stream().await
    }

    pub(crate) async fn ask_as_browser(&mut self, query: &str, headers: &str) {
        let head =
            format!("GET /events?{query} HTTP/1.1\r\nAccept: text/event-stream\r\n{headers}");
        self.send_request(head.trim_end(), b"").await;
    }

    /// Publishes a form and gives the answer.
    pub(crate) async fn post(&mut self, form: &str) -> Answer {
        let head = "POST /events HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded";
        self.send_request(head, form.as_bytes()).await;
        self.answer().await
    }

    /// Sends a request whose head is given without `Host`, `Content-Length` and the blank line.
    pub(crate) async fn send_request(&mut self, head: &str, body: &[u8]) {
        let length = body.len();
        let head = format!("{head}\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n");
        self.send(head.as_bytes()).await;
        self.send(body).await;
    }

    /// Sends bytes as they are.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).await.unwrap();
    }

    /// Reads more bytes; `false` at the end of the connection.
    async fn read_more(&mut self) -> bool {
        self.unread.reserve(16 * 1024);
        let read = tokio::time::timeout(PATIENCE, self.socket.read_buf(&mut self.unread)).await;
        read.expect("nothing came in time").unwrap_or_default() > 0
    }

    /// Reads an answer's head; `None` when the connection ends before it.
    pub(crate) async fn head(&mut self) -> Option<Answer> {
        let end = loop {
            if let Some(at) = self.unread.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break at;
            }
            if !self.read_more().await {
                return None;
            }
        };
        let head = String::from_utf8(self.unread.drain(..end + 4).collect()).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let answer = Answer { status, headers, body: Vec::new() };
        self.is_chunked = answer.header("transfer-encoding") == Some("chunked");
        Some(answer)
    }

    /// Reads a whole answer.
    pub(crate) async fn answer(&mut self) -> Answer {
        let head = self.head().await.expect("the connection ended without an answer");
        self.body(head).await
    }

    /// Reads the body of an answer whose head has been read.
    pub(crate) async fn body(&mut self, mut answer: Answer) -> Answer {
        let patience = Patience::begin();
        if let Some(length) = answer.header("content-length") {
            let length: usize = length.parse().unwrap();
            while self.unread.len() < length {
                assert!(self.read_more().await, "the answer broke off");
            }
            answer.body = self.unread.drain(..length).collect();
        } else if !matches!(answer.status, 204 | 304) {
            while let Some(piece) = self.piece().await {
                answer.body.extend(piece);
                patience.check("an answer that ends");
            }
        }
        answer
    }

    /// Reads the next piece of a body without a length: a chunk, or what there is of one that ends with the connection.
    /// `None` at its end, or when the connection ends.
    pub(crate) async fn piece(&mut self) -> Option<Vec<u8>> {
        if !self.is_chunked {
            let is_there = !self.unread.is_empty() || self.read_more().await;
            return is_there.then(|| std::mem::take(&mut self.unread));
        }
        loop {
            if let Some(at) = self.unread.windows(2).position(|bytes| bytes == b"\r\n") {
                let size = std::str::from_utf8(&self.unread[..at]).unwrap();
                let size = usize::from_str_radix(size, 16).unwrap();
                let whole = at + 2 + size + 2;
                if self.unread.len() >= whole {
                    let chunk = self.unread[at + 2..at + 2 + size].to_vec();
                    self.unread.drain(..whole);
                    return (size > 0).then_some(chunk);
                }
            }
            if !self.read_more().await {
                return None;
            }
        }
    }

    /// Reads the head of a stream and goes on as one.
    pub(crate) async fn stream(mut self) -> EventStream {
        let head = self.head().await.expect("the connection ended without an answer");
        assert_eq!(head.status, 200, "{head:?}");
        assert_eq!(head.header("content-type"), Some("text/event-stream"));
        EventStream::new(head, self)
    }
}

/// What a stream gives: an event, or a comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Event { event_type: String, data: String, id: String },
    Comment(String),
    Retry(Duration),
}

/// An open stream.
pub(crate) struct EventStream {
    pub(crate) head: Answer,
    pub(crate) client: Client,
    decoder: Decoder,
    ready: Vec<Seen>,
}

impl EventStream {
    /// The stream that follows a head.
    pub(crate) fn new(head: Answer, client: Client) -> Self {
        Self { head, client, decoder: Decoder::new(), ready: Vec::new() }
    }

    /// The next thing on the stream; `None` at its end.
    pub(crate) async fn next(&mut self) -> Option<Seen> {
        while self.ready.is_empty() {
            let chunk = self.client.piece().await?;
            self.ready = decode(&mut self.decoder, &chunk);
        }
        Some(self.ready.remove(0))
    }

    /// The next event's type, data and id, past comments and reconnection times.
    pub(crate) async fn event(&mut self) -> (String, String, String) {
        let patience = Patience::begin();
        loop {
            patience.check("an event");
            match self.next().await.expect("the stream ended") {
                Seen::Event { event_type, data, id } => return (event_type, data, id),
                Seen::Comment(_) | Seen::Retry(_) => {}
            }
        }
    }

    /// Reads past the opening, to where only events and keep-alives follow.
    pub(crate) async fn opened(mut self) -> Self {
        assert_eq!(self.next().await, Some(Seen::Comment(String::new())));
        assert!(matches!(self.next().await, Some(Seen::Retry(_))));
        self
    }

    /// The data of the next `count` events.
    pub(crate) async fn data(&mut self, count: usize) -> Vec<String> {
        let mut data = Vec::with_capacity(count);
        while data.len() < count {
            data.push(self.event().await.1);
        }
        data
    }

    /// Everything up to the stream's end.
    pub(crate) async fn rest(&mut self) -> Vec<Seen> {
        let patience = Patience::begin();
        let mut rest = Vec::new();
        while let Some(seen) = self.next().await {
            rest.push(seen);
            patience.check("the stream's end");
        }
        rest
    }

    /// The id to resume from: the last one that the stream told, events or not.
    pub(crate) fn last_event_id(&self) -> &str {
        self.decoder.last_event_id()
    }
}

/// A token for these grants, good for an hour.
pub(crate) fn token(publish: &[&str], subscribe: &[&str]) -> String {
    sign(
        &json!({ "exp": in_seconds(3600), "mercure": { "publish": publish, "subscribe": subscribe } }),
    )
}

/// A token with these claims, signed with [`SECRET`].
pub(crate) fn sign(claims: &Value) -> String {
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key).unwrap()
}

/// A point in time as tokens write it.
pub(crate) fn in_seconds(seconds: u64) -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + seconds
}

fn decode(decoder: &mut Decoder, bytes: &[u8]) -> Vec<Seen> {
    let mut chunk = Chunk::new(bytes);
    let mut seen = Vec::new();
    while let Some(item) = decoder.decode(&mut chunk).unwrap() {
        seen.push(match item {
            Item::Event(event) => Seen::Event {
                event_type: event.event_type.to_owned(),
                data: event.data.to_owned(),
                id: event.last_event_id.to_owned(),
            },
            Item::Comment(comment) => Seen::Comment(comment.to_owned()),
            Item::Retry(retry) => Seen::Retry(retry),
        });
    }
    seen
}

/// The place in the log that an id made by the hub names.
pub(crate) fn seq(id: &str) -> u64 {
    id.rsplit_once('-').unwrap().1.parse().unwrap()
}

/// What is there at once: a hub in memory waits for nothing.
pub(crate) trait Now: Future + Sized {
    #[track_caller]
    fn now(self) -> Self::Output {
        match pin!(self).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => output,
            Poll::Pending => panic!("a hub in memory waits for nothing"),
        }
    }
}

impl<F: Future> Now for F {}
