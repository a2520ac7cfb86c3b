//! Accepting connections, and going down without losing anybody.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use socket2::{Domain, Protocol, Socket, Type};
use tidings_hub::CloseReason;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tracing::{debug, info, warn};

use crate::admin::{self, Pulse};
use crate::connection::{Connection, Fate};
use crate::server::{Peer, Server};

/// How many connections may wait to be accepted: enough for a reconnect storm, where the kernel allows it.
const BACKLOG: i32 = 4_096;
/// How often the drain closes its next streams.
const DRAIN_STEP: Duration = Duration::from_millis(20);
/// Which part of the drain time is for closing streams; the rest is for their last bytes.
const DRAIN_CLOSING: f64 = 0.8;
/// How long to wait when no connection can be accepted for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How many streams one HTTP/2 connection may hold.
const MAX_HTTP2_STREAMS: u32 = 256;
/// How many bytes one HTTP/2 stream may hold while its client takes none. The log keeps what comes after them.
const MAX_HTTP2_WAITING_BYTES: usize = 16 * 1024;
/// For how long an HTTP/1 connection may be without a request: longer than the usual 60 s of proxies, so that none sends
/// a request on a connection that is just being closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(75);
/// The least buffer that HTTP/1 connections may have.
const MIN_HTTP1_BUFFER_BYTES: usize = 8 * 1024;

/// Binds a public listener, with a backlog fit for a reconnect storm.
///
/// # Errors
/// When the address cannot be had.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// How far the server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Serving,
    /// New streams and updates are refused, open streams are being closed.
    Draining,
    /// The drain time is over.
    Over,
}

impl Server {
    /// Serves `listener`, and probes and metrics on `admin` where there is one, until `shutdown` completes; then closes
    /// the streams spread over the drain time, each with a `drain` event and a reconnection time of its own.
    ///
    /// It returns once all connections are closed, at the latest when the drain time is over; at once when there are
    /// none.
    ///
    /// # Errors
    /// When the admin listener's thread cannot be made.
    ///
    /// # Cancel safety
    /// Dropped, it leaves connections open that it had accepted: await it to its end.
    pub async fn serve(
        &self,
        listener: TcpListener,
        admin: Option<std::net::TcpListener>,
        shutdown: impl Future<Output = ()>,
    ) -> io::Result<()> {
        let pulse = Arc::new(Pulse::new());
        if let Some(admin) = admin {
            admin::spawn(admin, self.clone(), Arc::clone(&pulse))?;
        }
        let (stage, _) = watch::channel(Stage::Serving);
        let connections = TaskTracker::new();
        pulse.set_ready(true);
        let run = async {
            tokio::select! {
                never = self.accept(&listener, &stage, &connections) => match never {},
                () = shutdown => {}
            }
            pulse.set_ready(false);
            self.drain(&listener, &stage, &connections).await;
        };
        tokio::select! {
            () = run => Ok(()),
            // While the hub drains, too: whoever watches the probes would kill it in the middle.
            never = pulse.beat(self) => match never {},
        }
    }

    /// Refuses what is new, closes what is open spread over the drain time, and cuts what remains.
    async fn drain(
        &self,
        listener: &TcpListener,
        stage: &watch::Sender<Stage>,
        connections: &TaskTracker,
    ) {
        let over = Instant::now() + self.0.config.drain;
        info!(streams = self.hub().stats().subscribers, "draining");
        self.hub().close();
        stage.send_replace(Stage::Draining);
        connections.close();
        let all_closed = async {
            self.close_streams().await;
            connections.wait().await;
        };
        tokio::select! {
            // Meanwhile newcomers are told to come back, not left without an answer.
            never = self.accept(listener, stage, connections) => match never {},
            () = all_closed => return,
            () = tokio::time::sleep_until(over) => {}
        }
        warn!(
            streams = self.hub().stats().subscribers,
            "the drain time is over: cutting what is still open"
        );
        stage.send_replace(Stage::Over);
        connections.wait().await;
    }

    /// Lets the open streams end one after the other, evenly over the drain time.
    async fn close_streams(&self) {
        let total = self.hub().stats().subscribers;
        let closing = self.0.config.drain.mul_f64(DRAIN_CLOSING);
        let begun = Instant::now();
        let mut steps = tokio::time::interval(DRAIN_STEP);
        let mut closed = 0;
        while closed < total {
            steps.tick().await;
            let due = share(total, begun.elapsed(), closing);
            let count = due.saturating_sub(closed);
            if self.hub().close_some(count, CloseReason::Drain) < count {
                return;
            }
            closed += count;
        }
    }

    async fn accept(
        &self,
        listener: &TcpListener,
        stage: &watch::Sender<Stage>,
        connections: &TaskTracker,
    ) -> Infallible {
        loop {
            match listener.accept().await {
                Ok((socket, peer)) if connections.len() >= self.0.config.max_connections => {
                    // Counted, and not told by default: one line a connection would flood the log when it matters most.
                    debug!(%peer, limit = connections.len(), "closed a connection: the limit is reached");
                    self.0.metrics.refused("connection_limit");
                    drop(socket);
                }
                Ok((socket, peer)) => {
                    connections.spawn(self.clone().attend(socket, peer, stage.subscribe()));
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

    /// Serves one connection to its end.
    async fn attend(self, socket: TcpStream, peer: SocketAddr, mut stage: watch::Receiver<Stage>) {
        let _count = self.0.metrics.connection_opened();
        let requests = self.0.config.requests;
        let Ok(mut connection) = Connection::new(socket, self.0.config.stream.peer_timeout) else {
            return;
        };
        // Silence before the first byte counts as slow headers. Who has asked for nothing yet is not waited for when
        // the server goes down: a browser opens connections ahead of need.
        let first = tokio::time::timeout(requests.header_timeout, connection.speaks_http2());
        let speaks_http2 = tokio::select! {
            biased;
            first = first => match first {
                Ok(Ok(speaks_http2)) => speaks_http2,
                Ok(Err(_)) | Err(_) => return,
            },
            _next_stage = stage.changed() => return,
        };
        let peer = Peer { address: peer.ip(), fate: connection.fate() };
        if speaks_http2 {
            self.speak_http2(TokioIo::new(connection), peer, stage).await;
        } else {
            self.speak_http1(TokioIo::new(connection), peer, stage).await;
        }
    }

    async fn speak_http1(
        self,
        io: TokioIo<Connection>,
        peer: Peer,
        mut stage: watch::Receiver<Stage>,
    ) {
        let requests = self.0.config.requests;
        let fate = peer.fate.clone();
        let asked = AtomicBool::new(false);
        let service = service_fn(|request: Request<Incoming>| {
            asked.store(true, Ordering::Relaxed);
            let (server, peer) = (self.clone(), peer.clone());
            async move { Ok::<_, Infallible>(server.handle(request, peer).await) }
        });
        let known = *stage.borrow_and_update();
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            // This time begins to run when the connection falls idle, so it is not the time for a head.
            .header_read_timeout(IDLE_TIMEOUT.max(requests.header_timeout))
            .max_buf_size(requests.header_bytes.max(MIN_HTTP1_BUFFER_BYTES))
            .keep_alive(known == Stage::Serving)
            .serve_connection(io, service);
        let connection = pin!(connection);
        tokio::select! {
            () = drive(connection, stage, known, &fate) => {}
            () = unless(&asked, requests.header_timeout) => debug!("the first request did not come in time"),
        }
    }

    async fn speak_http2(
        self,
        io: TokioIo<Connection>,
        peer: Peer,
        mut stage: watch::Receiver<Stage>,
    ) {
        let config = &self.0.config;
        let fate = peer.fate.clone();
        let server = self.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let (server, peer) = (server.clone(), peer.clone());
            async move { Ok::<_, Infallible>(server.handle(request, peer).await) }
        });
        let header_bytes = u32::try_from(config.requests.header_bytes).unwrap_or(u32::MAX);
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_concurrent_streams(MAX_HTTP2_STREAMS)
            .max_header_list_size(header_bytes)
            .max_send_buf_size(MAX_HTTP2_WAITING_BYTES)
            .keep_alive_interval(config.stream.keep_alive)
            .keep_alive_timeout(config.stream.peer_timeout)
            .serve_connection(io, service);
        let mut connection = pin!(connection);
        let known = *stage.borrow_and_update();
        if known != Stage::Serving {
            // What it has asked for already is answered.
            connection.as_mut().graceful_shutdown();
        }
        drive(connection, stage, known, &fate).await;
    }
}

/// Ends after `timeout` unless something has happened by then.
async fn unless(happened: &AtomicBool, timeout: Duration) {
    tokio::time::sleep(timeout).await;
    if happened.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
}

/// Drives a connection through the stages of the server.
///
/// A connection that was accepted while the server drains still gets its answer.
async fn drive<C>(
    mut connection: Pin<&mut C>,
    mut stage: watch::Receiver<Stage>,
    mut known: Stage,
    fate: &Fate,
) where
    C: GracefulConnection<Error = hyper::Error>,
{
    loop {
        if known == Stage::Over {
            fate.cut_for_drain();
            return;
        }
        tokio::select! {
            result = connection.as_mut() => {
                if let Err(error) = result {
                    debug!(%error, "a connection has failed");
                }
                return;
            }
            () = fate.cut() => {
                debug!(reason = %fate.close_reason(), "cut a connection that takes no bytes");
                return;
            }
            changed = stage.changed() => {
                known = if changed.is_ok() { *stage.borrow_and_update() } else { Stage::Over };
                if known == Stage::Draining {
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }
}

/// How many of `total` are due after `elapsed` of `whole`.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts of streams are far below 2^52, and the share is not negative"
)]
fn share(total: usize, elapsed: Duration, whole: Duration) -> usize {
    if elapsed >= whole {
        return total;
    }
    (total as f64 * elapsed.as_secs_f64() / whole.as_secs_f64()).ceil() as usize
}
