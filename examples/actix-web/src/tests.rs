//! The hub behind actix-web, on real sockets: the adapter, the sessions, and the end.

use actix_web::rt::task::JoinHandle;
use reqwest::header::{COOKIE, SET_COOKIE};
use reqwest::{Client, RequestBuilder, Response};
use tidings_hub::{Delivery, Grants, Limits, Selector, Start, Subscriber, SubscriberId};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::*;

const BOTH: &str = "/.well-known/mercure?topic=news&topic=users/alice";
/// How long a test waits for something that must come: far more than it takes.
const PATIENCE: Duration = Duration::from_mins(1);
const TEST_DRAIN: Duration = Duration::from_secs(1);
/// For a busy machine.
const SLACK: Duration = Duration::from_secs(2);

/// The app, until it is stopped or dropped.
struct Running {
    url: String,
    address: SocketAddr,
    server: Server,
    stop: oneshot::Sender<()>,
    done: JoinHandle<io::Result<()>>,
}

async fn start(limits: Limits, sndbuf: Option<usize>) -> Running {
    let auth = AuthConfig { anonymous: true, ..AuthConfig::default() };
    let defaults = ServerConfig::default();
    let config = ServerConfig { auth, drain: TEST_DRAIN, subscriptions: true, ..defaults };
    let server = Server::new(HubConfig { limits, ..HubConfig::default() }, config).await.unwrap();
    let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    if let Some(bytes) = sndbuf {
        socket2::SockRef::from(&listener).set_send_buffer_size(bytes).unwrap();
    }
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let stopped = async { drop(stopped.await) };
    let host = run(listener.into_std().unwrap(), server.clone(), stopped).unwrap();
    let done = actix_web::rt::spawn(host);
    Running { url: format!("http://{address}"), address, server, stop, done }
}

async fn start_app() -> Running {
    start(HubConfig::default().limits, None).await
}

impl Running {
    fn get(&self, target: &str) -> RequestBuilder {
        Client::new().get(format!("{}{target}", self.url)).header("Accept", "text/event-stream")
    }

    /// Logs a user in and gives the session's cookie.
    async fn login(&self, user: &str) -> String {
        let json = "application/json";
        let login = Client::new().post(format!("{}/login", self.url)).header("Content-Type", json);
        let answer = login.body(format!(r#"{{"user":"{user}"}}"#)).send().await.unwrap();
        assert_eq!(answer.status(), 204);
        let cookie = answer.headers()[SET_COOKIE].to_str().unwrap();
        cookie.split(';').next().unwrap().to_owned()
    }

    /// A private update for alice, and a public one that ends the wait of those who do not get it.
    async fn publish(&self) {
        self.server.hub().publish(Update::new("users/alice", "for alice").private()).await.unwrap();
        self.server.hub().publish(Update::new("news", "for all")).await.unwrap();
    }
}

/// Opens a stream, past its opening.
async fn open(request: RequestBuilder) -> Response {
    let mut stream = request.send().await.unwrap();
    assert_eq!(stream.status(), 200);
    assert!(read_until(&mut stream, "\n\n").await.starts_with(":\n"));
    stream
}

/// Reads a stream until this has come, and gives all that has.
async fn read_until(stream: &mut Response, expected: &str) -> String {
    let mut seen = String::new();
    while !seen.contains(expected) {
        let next = tokio::time::timeout(PATIENCE, stream.chunk()).await;
        let Ok(Ok(Some(bytes))) = next else { panic!("no {expected:?} after {seen:?}: {next:?}") };
        seen += str::from_utf8(&bytes).unwrap();
    }
    seen
}

#[actix_web::test]
async fn the_session_decides_who_gets_private_updates() {
    let app = start_app().await;
    let (alice, bob) = (app.login("alice").await, app.login("bob").await);
    let mut alice = open(app.get(BOTH).header(COOKIE, alice)).await;
    let mut others = vec![
        open(app.get(BOTH)).await,
        open(app.get(BOTH).header(COOKIE, &bob)).await,
        open(app.get(BOTH).header(COOKIE, "session=alice")).await,
        // What looks like an identity or a token on the way in is only text.
        open(app.get(BOTH).header("X-Identity", "alice").bearer_auth("alice".repeat(20))).await,
        open(app.get(&format!("{BOTH}&identity=alice")).header(COOKIE, bob)).await,
    ];
    app.publish().await;
    assert!(read_until(&mut alice, "for all").await.contains("for alice"));
    for other in &mut others {
        assert!(!read_until(other, "for all").await.contains("for alice"));
    }
}

#[actix_web::test]
async fn requests_and_answers_are_carried_over_whole() {
    let limits = Limits { per_address: Some(1), ..HubConfig::default().limits };
    let app = start(limits, None).await;
    app.publish().await;
    let first = app.server.hub().stats().oldest.unwrap().to_string();
    // The header goes in, the body comes out, and the address is known: there is one stream for each.
    let mut resumed = app.get(BOTH).header("Last-Event-ID", first).send().await.unwrap();
    assert_eq!(resumed.headers()["content-type"], "text/event-stream");
    read_until(&mut resumed, "for all").await;
    let url = format!("{}{BOTH}", app.url);
    let refused = Client::new().get(url).send().await.unwrap();
    assert_eq!(refused.status(), 429);
    assert!(refused.headers().contains_key("retry-after"));
    let length = refused.content_length().unwrap();
    let problem = refused.text().await.unwrap();
    assert!(problem.contains("address_limit"), "{problem}");
    assert_eq!(problem.len() as u64, length);
    let head = Client::new().head(format!("{}{BOTH}", app.url)).send().await.unwrap();
    assert_eq!(head.headers()["content-type"], "text/event-stream");
    assert!(!head.headers().contains_key("content-length"), "the stream has none");
    let publish = Client::new().post(format!("{}/events", app.url));
    let publish = publish.header("Content-Type", "application/x-www-form-urlencoded");
    let refused = publish.body("topic=news&data=no").send().await.unwrap();
    assert_eq!(refused.status(), 401, "nobody publishes by HTTP");
}

#[actix_web::test]
async fn a_client_that_went_away_is_cleaned_up() {
    let app = start_app().await;
    let presence = "/.well-known/mercure/subscriptions/a/{subscriber}";
    let watcher = Subscriber {
        id: SubscriberId::random().unwrap(),
        selectors: vec![Selector::new(presence)],
        grants: Grants::all(),
        user: None,
        session: None,
        address: None,
        payload: None,
    };
    let mut watch = app.server.hub().subscribe(watcher, Start::Live).await.unwrap();
    let stream = open(app.get("/events?topic=a")).await;
    let begun = Instant::now();
    drop(stream);
    loop {
        let next = tokio::time::timeout(PATIENCE, watch.next()).await;
        let Ok(Delivery::Updates(updates)) = next else { panic!("it has not left: {next:?}") };
        let left = b"\"active\": false";
        if updates.iter().any(|it| it.frame.windows(left.len()).any(|part| part == left)) {
            break;
        }
    }
    assert!(begun.elapsed() < SLACK, "not by keep-alives that fail: {:?}", begun.elapsed());
    drop(watch);
    assert_eq!(app.server.hub().stats().subscribers, 0);
}

#[actix_web::test]
async fn going_down_ends_with_fifty_streams_open() {
    let app = start_app().await;
    let mut streams = Vec::new();
    for _ in 0..50 {
        streams.push(open(app.get(BOTH)).await);
    }
    let mut plain = app.get("/api/events").send().await.unwrap();
    let begun = Instant::now();
    app.stop.send(()).unwrap();
    let ended = tokio::time::timeout(PATIENCE, app.done).await.unwrap();
    ended.unwrap().unwrap();
    assert!(begun.elapsed() < TEST_DRAIN + SLACK, "{:?}", begun.elapsed());
    assert_eq!(app.server.hub().stats().subscribers, 0);
    for stream in &mut streams {
        read_until(stream, "event: drain\n").await;
        while stream.chunk().await.unwrap().is_some() {}
    }
    assert_eq!(plain.chunk().await.unwrap(), None);
}

#[actix_web::test]
async fn a_stuck_client_holds_the_end_up_no_longer_than_the_drain_time_and_the_grace() {
    const SMALL_BYTES: u32 = 8 * 1024;
    let app = start(HubConfig::default().limits, Some(SMALL_BYTES as usize)).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(SMALL_BYTES).unwrap();
    let mut stuck = socket.connect(app.address).await.unwrap();
    stuck.write_all(b"GET /events?topic=a HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    // From here on it takes nothing, and is owed much.
    stuck.read_u8().await.unwrap();
    let data = "x".repeat(1_000);
    app.server.hub().publish_all((0..2_000).map(|_| Update::new("a", &*data))).await;
    let begun = Instant::now();
    app.stop.send(()).unwrap();
    let ended = tokio::time::timeout(PATIENCE, app.done).await.unwrap();
    ended.unwrap().unwrap();
    let (took, grace) = (begun.elapsed(), Duration::from_secs(GRACE_SECS));
    assert!((TEST_DRAIN..TEST_DRAIN + grace + SLACK).contains(&took), "{took:?}");
}
