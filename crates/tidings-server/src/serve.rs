//! Accepting connections, and going down without losing anybody.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use crate::acceptor::Acceptor;
use crate::admin::{self, Pulse};
use crate::config::Lane;
use crate::direct::DirectLane;
use crate::http_connection::attend;
use crate::server::Server;

/// How long to wait when no connection can be accepted for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How far the server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Serving,
    /// New streams and updates are refused, open streams are being closed.
    Draining,
    /// The drain time is over.
    Over,
}

/// What the connections of one public listener share.
#[derive(Debug)]
pub(crate) struct Edge {
    pub(crate) server: Server,
    pub(crate) stage: watch::Sender<Stage>,
    /// Counts connections, those on the direct lane included.
    connections: TaskTracker,
    pub(crate) direct: Option<DirectLane>,
}

impl Server {
    /// Serves `listener`, and probes and metrics on `admin` where there is one, until `shutdown` completes; then closes
    /// the streams spread over the drain time, each with a `drain` event and a reconnection time of its own.
    ///
    /// It returns once all connections are closed, at the latest when the drain time is over; at once when there are
    /// none.
    ///
    /// # Errors
    /// When the system refuses the listener an option, or the admin listener's thread or the direct lane cannot be made.
    ///
    /// # Cancel safety
    /// Not cancel safe: dropped, it cuts streams on the direct lane, and leaves other connections open. Await it to its end.
    pub async fn serve(
        &self,
        listener: TcpListener,
        admin: Option<std::net::TcpListener>,
        shutdown: impl Future<Output = ()>,
    ) -> io::Result<()> {
        let pulse = Arc::new(Pulse::new());
        if let Some(admin) = admin {
            admin::spawn(admin, self, Arc::clone(&pulse))?;
        }
        let acceptor = Acceptor::new(listener, self.0.config.stream.peer_timeout)?;
        let edge = Arc::new(Edge::new(self.clone())?);
        pulse.set_ready(true);
        let run = async {
            tokio::select! {
                never = edge.accept(&acceptor) => match never {},
                () = shutdown => {}
            }
            pulse.set_ready(false);
            edge.drain(&acceptor).await;
            self.leave().await;
        };
        tokio::select! {
            () = run => Ok(()),
            // While the hub drains, too: whoever watches the probes would kill it in the middle.
            never = pulse.beat(self) => match never {},
        }
    }
}

impl Edge {
    fn new(server: Server) -> io::Result<Self> {
        let (stage, _) = watch::channel(Stage::Serving);
        let connections = TaskTracker::new();
        let direct = match server.0.config.stream.lane {
            Lane::Direct => Some(DirectLane::start(&server.0, &stage, &connections)?),
            Lane::Body => None,
        };
        Ok(Self { server, stage, connections, direct })
    }

    /// Refuses what is new, closes what is open spread over the drain time, and cuts what remains.
    async fn drain(self: &Arc<Self>, acceptor: &Acceptor) {
        let over = Instant::now() + self.server.0.config.drain;
        self.server.refuse_newcomers();
        self.stage.send_replace(Stage::Draining);
        self.connections.close();
        let all_closed = async {
            self.server.close_streams().await;
            self.connections.wait().await;
        };
        tokio::select! {
            // Meanwhile newcomers are told to come back, not left without an answer.
            never = self.accept(acceptor) => match never {},
            () = all_closed => return,
            () = tokio::time::sleep_until(over) => {}
        }
        let streams = self.server.hub().stats().subscribers;
        warn!(streams, "the drain time is over: cutting what is still open");
        self.stage.send_replace(Stage::Over);
        self.connections.wait().await;
    }

    async fn accept(self: &Arc<Self>, acceptor: &Acceptor) -> Infallible {
        let shared = &self.server.0;
        loop {
            match acceptor.accept().await {
                Ok((socket, peer)) if self.connections.len() >= shared.config.max_connections => {
                    // Counted, and not told by default: one line a connection would flood the log when it matters most.
                    debug!(%peer, limit = self.connections.len(), "closed a connection: the limit is reached");
                    shared.metrics.refused("connection_limit");
                    drop(socket);
                }
                Ok((socket, peer)) => {
                    self.connections.spawn(attend(Arc::clone(self), socket, peer));
                }
                Err(error) => {
                    // Either this one connection is gone again, or file descriptors have run out and some must be
                    // given back first.
                    warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}
