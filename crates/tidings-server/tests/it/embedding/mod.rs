//! The hub inside a host program: an axum app that mounts it, with sessions of its own.

mod ending;
mod identity;
mod mount;

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use http::header::COOKIE;
use tidings_hub::{
    Delivery, Grants, HubConfig, Selector, Start, Subscriber, SubscriberId, Subscription,
};
use tidings_server::auth::{AuthConfig, Identity};
use tidings_server::{Peer, Server, ServerConfig};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::support::{Answer, Client, EventStream, Now, PATIENCE, loopback};

/// How long the host waits for its connections once the hub is drained.
const GRACE: Duration = Duration::from_secs(1);

/// A host program that runs until it is dropped or stopped.
struct Host {
    server: Server,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    /// Whether its connections were all closed when it ended.
    done: JoinHandle<bool>,
}

/// What the host tells the hub of a request's connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tells {
    ThePeer,
    Nothing,
}

/// Public updates are for all, and subscriptions are announced, so that tests can await their end.
fn config() -> ServerConfig {
    let auth = AuthConfig { anonymous: true, ..AuthConfig::default() };
    ServerConfig { auth, subscriptions: true, ..ServerConfig::default() }
}

/// The session cookie is the user's name: who has one is that user, for as long as the session lasts.
async fn vouch(mut request: Request, next: Next) -> Response {
    let cookie = request.headers().get(COOKIE).and_then(|cookie| cookie.to_str().ok());
    let user = cookie.and_then(|cookie| cookie.strip_prefix("session=")).map(str::to_owned);
    if let Some(user) = user {
        let alice = Identity::of(&*user).may_read([format!("users/{user}")]);
        let now = SystemTime::now();
        let identity = match &*user {
            "editor" => alice.may_publish(["news"]),
            "leaving" => alice.until(now + Duration::from_secs(1)),
            "left" => alice.until(now - Duration::from_secs(1)),
            "viewer" => alice.only_topics(["news"]),
            "outcast" => alice.only_topics([""; 0]),
            _ => alice,
        };
        request.extensions_mut().insert(identity);
    }
    next.run(request).await
}

async fn tell_the_peer(
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    request.extensions_mut().insert(Peer::from(peer));
    next.run(request).await
}

impl Host {
    async fn start() -> Self {
        Self::start_with(HubConfig::default(), config(), Tells::Nothing).await
    }

    async fn start_with(hub: HubConfig, config: ServerConfig, tells: Tells) -> Self {
        Self::start_on(loopback(), hub, config, tells).await
    }

    async fn start_on(
        listener: TcpListener,
        hub: HubConfig,
        config: ServerConfig,
        tells: Tells,
    ) -> Self {
        let server = Server::new(hub, config).await.unwrap();
        server.prepare(&listener).unwrap();
        let address = listener.local_addr().unwrap();
        let mut app = Router::new()
            .route_service("/.well-known/mercure", server.service())
            .route_service("/live", server.endpoint())
            .nest_service("/below", server.service())
            .nest_service("/app", Router::new().fallback_service(server.endpoint()))
            .layer(from_fn(vouch));
        if tells == Tells::ThePeer {
            app = app.layer(from_fn(tell_the_peer));
        }
        let app = app.into_make_service_with_connect_info::<SocketAddr>();
        let (stop, stopped) = oneshot::channel::<()>();
        let hub = server.clone();
        let done = tokio::spawn(async move {
            let (close, closed) = oneshot::channel::<()>();
            let serve =
                axum::serve(listener, app).with_graceful_shutdown(async { drop(closed.await) });
            let serving = tokio::spawn(serve.into_future());
            drop(stopped.await);
            hub.drain().await;
            drop(close);
            tokio::time::timeout(GRACE, serving).await.is_ok()
        });
        Self { server, address, stop: Some(stop), done }
    }

    /// Begins to go down.
    fn stop(&mut self) {
        drop(self.stop.take());
    }

    /// Sends a request; `headers` are whole lines, each with its CRLF.
    async fn ask(&self, line: &str, headers: &str, body: &str) -> Client {
        let mut client = Client::connect(self.address).await;
        let head = format!("{line} HTTP/1.1\r\n{headers}");
        client.send_request(head.trim_end(), body.as_bytes()).await;
        client
    }

    /// Sends a request and reads the whole answer.
    async fn answer(&self, line: &str, headers: &str, body: &str) -> Answer {
        self.ask(line, headers, body).await.answer().await
    }

    /// Opens a stream as whoever these headers make of a browser.
    async fn subscribe(&self, target: &str, headers: &str) -> EventStream {
        let headers = format!("Accept: text/event-stream\r\n{headers}");
        let client = self.ask(&format!("GET {target}"), &headers, "").await;
        client.stream().await.opened().await
    }

    /// What is announced of those who subscribe to `topic`.
    fn watch(&self, topic: &str) -> Subscription {
        let presence = format!("/.well-known/mercure/subscriptions/{topic}/{{subscriber}}");
        let watcher = Subscriber {
            id: SubscriberId::random().unwrap(),
            selectors: vec![Selector::new(presence)],
            grants: Grants::all(),
            user: None,
            session: None,
            address: None,
            payload: None,
        };
        self.server.hub().subscribe(watcher, Start::Live).now().unwrap()
    }
}

/// Waits until as many of those who are watched have left.
async fn wait_until_left(watch: &mut Subscription, count: usize) {
    let mut left = 0;
    while left < count {
        let next = tokio::time::timeout(PATIENCE, watch.next()).await;
        let Ok(Delivery::Updates(updates)) = next else { panic!("{left} left: {next:?}") };
        let frames = updates.iter().map(|update| String::from_utf8_lossy(&update.frame));
        left += frames.filter(|frame| frame.contains("\"active\": false")).count();
    }
}
