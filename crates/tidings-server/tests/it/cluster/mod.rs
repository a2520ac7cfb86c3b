//! Hubs that act as one: several servers in this process, on a bus that is a channel.
//!
//! - `limits`: the limit per user, and whose streams still count.
//! - `ending`: streams that are ended at all hubs by a call at one.
//! - `subscriptions`: the list of those of all hubs.
//! - `hostile`: what is no message of another hub does no harm.

mod ending;
mod hostile;
mod limits;
mod subscriptions;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures_core::future::BoxFuture;
use parking_lot::Mutex;
use serde_json::json;
use tidings_hub::{HubConfig, Limits, Unavailable};
use tidings_server::ServerConfig;
use tidings_store::{Bus, Listen};
use tokio::sync::broadcast;

use super::support::{Answer, EventStream, TestServer, open_config, sign};

/// What all hubs of a test hear.
#[derive(Clone, Debug)]
struct Air(broadcast::Sender<Bytes>);

/// One hub's way to the others.
#[derive(Clone)]
struct Line {
    air: Air,
    /// Whether a message gets through; asked when this hub sends one, and when it hears one.
    passes: Arc<Mutex<Passes>>,
    /// Whether sending takes for ever.
    is_stuck: Arc<AtomicBool>,
}

type Passes = Box<dyn FnMut(&Bytes) -> bool + Send>;

impl Air {
    fn new() -> Self {
        Self(broadcast::channel(16 * 1024).0)
    }

    fn line(&self) -> Line {
        let passes: Passes = Box::new(|_| true);
        Line { air: self.clone(), passes: Arc::new(Mutex::new(passes)), is_stuck: Arc::default() }
    }

    /// Starts a hub that is on the air.
    async fn hub(&self, hub: HubConfig, config: ServerConfig) -> Node {
        let line = self.line();
        let config = ServerConfig { bus: Some(Arc::new(line.clone())), ..config };
        let (server, admin) = TestServer::with_admin(hub, config).await;
        Node { server, admin, line }
    }

    /// Starts hubs with open settings that know of each other.
    async fn hubs<const N: usize>(&self, hub: HubConfig) -> [Node; N] {
        let mut nodes = Vec::new();
        for _ in 0..N {
            nodes.push(self.hub(hub, open_config()).await);
        }
        for node in &nodes {
            node.knows(N as u64).await;
        }
        nodes.try_into().unwrap_or_else(|_| unreachable!())
    }
}

impl Line {
    /// From now on only these messages get through.
    fn only(&self, passes: impl FnMut(&Bytes) -> bool + Send + 'static) {
        *self.passes.lock() = Box::new(passes);
    }

    /// From now on no message gets through.
    fn cut(&self) {
        self.only(|_| false);
    }

    fn mend(&self) {
        self.only(|_| true);
    }

    /// The next message of this kind, sent or heard, is lost.
    fn lose(&self, kind: &'static str) {
        let mut is_lost = false;
        self.only(move |message| {
            let passes = is_lost || !is(message, kind);
            is_lost |= !passes;
            passes
        });
    }
}

/// Whether a message is of a kind, whose name is followed by what it says.
fn is(message: &Bytes, kind: &str) -> bool {
    let start = format!("{{\"{kind}\":");
    message.get(28..).is_some_and(|json| json.starts_with(start.as_bytes()))
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").finish_non_exhaustive()
    }
}

impl Bus for Line {
    fn send(&self, message: Bytes) -> BoxFuture<'static, Result<(), Unavailable>> {
        if self.is_stuck.load(Ordering::Relaxed) {
            return Box::pin(std::future::pending());
        }
        if (self.passes.lock())(&message) {
            drop(self.air.0.send(message));
        }
        Box::pin(async { Ok(()) })
    }

    fn listen(&self) -> Box<dyn Listen> {
        Box::new(Ear { heard: self.air.0.subscribe(), passes: Arc::clone(&self.passes) })
    }
}

struct Ear {
    heard: broadcast::Receiver<Bytes>,
    passes: Arc<Mutex<Passes>>,
}

impl Listen for Ear {
    fn next(&mut self) -> BoxFuture<'_, Bytes> {
        Box::pin(async {
            loop {
                match self.heard.recv().await {
                    Ok(message) if (self.passes.lock())(&message) => return message,
                    Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
                }
            }
        })
    }
}

/// A hub that is on the air.
struct Node {
    server: TestServer,
    admin: SocketAddr,
    line: Line,
}

impl Node {
    /// Waits until it knows of so many hubs, itself among them.
    async fn knows(&self, count: u64) {
        until(async || super::probe::metric(self.admin, "tidings_cluster_hubs") == count).await;
    }

    /// A stream of a user to `a`; `None` when the user has too many.
    async fn open(&self, user: &str) -> Option<EventStream> {
        let claims = json!({ "sub": user, "mercure": { "subscribe": ["a"] } });
        let head = format!(
            "GET /events?topic=a HTTP/1.1\r\nAccept: text/event-stream\r\nAuthorization: Bearer {}",
            sign(&claims)
        );
        let mut client = self.server.connect().await;
        client.send_request(&head, b"").await;
        let answer = client.head().await.unwrap();
        if answer.status == 200 {
            return Some(EventStream::new(answer, client).opened().await);
        }
        let answer: Answer = client.body(answer).await;
        assert_eq!((answer.status, &answer.json()["reason"]), (429, &json!("user_limit")));
        None
    }
}

/// A user may have so many streams.
fn per_user(limit: usize) -> HubConfig {
    let limits = Limits { per_user: Some(limit), ..HubConfig::default().limits };
    HubConfig { limits, ..HubConfig::default() }
}

/// Waits until something is so. It is looked at again and again: nothing tells a test what a hub has heard of another.
async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    let begun = std::time::SystemTime::now();
    while !is_so().await {
        assert!(begun.elapsed().unwrap_or_default() < super::support::PATIENCE, "it never is so");
        // A moment of the test's clock, which may be paused.
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
