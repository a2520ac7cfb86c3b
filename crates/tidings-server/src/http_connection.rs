//! One client connection and the HTTP on it: which version, its requests, and what becomes of its socket.

use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use parking_lot::Mutex;
use tidings_hub::CloseReason;
use tokio::sync::{Notify, watch};
use tracing::debug;

use crate::body::Body;
use crate::connection::{Connection, Fate};
use crate::direct::take_stream;
use crate::metrics::ConnectionCount;
use crate::peer::Peer;
use crate::serve::{Edge, Stage};

/// How many streams one HTTP/2 connection may hold.
const MAX_HTTP2_STREAMS: u32 = 256;
/// How many bytes one HTTP/2 stream may hold while its client takes none. The log keeps what comes after them.
const MAX_HTTP2_WAITING_BYTES: usize = 16 * 1024;
/// For how long an HTTP/1 connection may be without a request: longer than the usual 60 s of proxies, so that none sends
/// a request on a connection that is just being closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(75);
/// The least buffer that HTTP/1 connections may have.
const MIN_HTTP1_BUFFER_BYTES: usize = 8 * 1024;

/// Serves one connection to its end, or until it is a stream on the direct lane.
pub(crate) async fn attend(edge: Arc<Edge>, socket: std::net::TcpStream, peer: SocketAddr) {
    let mut stage = edge.stage.subscribe();
    let count = edge.server.0.metrics.connection_opened();
    let config = &edge.server.0.config;
    let mut connection = Connection::new(socket, config.stream.peer_timeout);
    // Silence before the first byte counts as slow headers. Who has asked for nothing yet is not waited for when
    // the server goes down: a browser opens connections ahead of need.
    let timeout = config.requests.header_timeout;
    let first = tokio::time::timeout(timeout, connection.speaks_http2());
    let speaks_http2 = tokio::select! {
        biased;
        first = first => match first {
            Ok(Ok(speaks_http2)) => speaks_http2,
            Ok(Err(_)) | Err(_) => return,
        },
        _next_stage = stage.changed() => return,
    };
    let peer = Peer { address: Some(peer.ip()), fate: connection.fate() };
    // On the heap, so that a connection that waits for its first byte has no room for either.
    if speaks_http2 {
        Box::pin(speak_http2(edge, connection, peer, stage)).await;
        drop(count);
    } else {
        Box::pin(speak_http1(edge, connection, peer, stage, count)).await;
    }
}

async fn speak_http1(
    edge: Arc<Edge>,
    connection: Connection,
    peer: Peer,
    mut stage: watch::Receiver<Stage>,
    count: ConnectionCount,
) {
    let requests = edge.server.0.config.requests;
    let fate = peer.fate.clone();
    let asked = AtomicBool::new(false);
    let handover = Handover::default();
    let service = service_fn(|request: Request<Incoming>| {
        asked.store(true, Ordering::Relaxed);
        let (edge, peer, handover) = (&edge, peer.clone(), &handover);
        // On the heap, so that its room is given back once it has answered: a stream goes on for long.
        Box::pin(async move {
            let response = edge.server.handle(request, peer).await;
            if edge.direct.is_some() && response.body().is_stream() {
                // Nothing of the answer is written here: the socket goes to the direct lane.
                handover.put(response);
                pending().await
            } else {
                Ok::<_, Infallible>(response)
            }
        })
    });
    let known = *stage.borrow_and_update();
    let mut http = http1::Builder::new()
        .timer(TokioTimer::new())
        // This time begins to run when the connection falls idle, so it is not the time for a head.
        .header_read_timeout(IDLE_TIMEOUT.max(requests.header_timeout))
        .max_buf_size(requests.header_bytes.max(MIN_HTTP1_BUFFER_BYTES))
        .keep_alive(known == Stage::Serving)
        .serve_connection(TokioIo::new(connection), service);
    let taken = tokio::select! {
        // In this order a request that is there already costs no timer.
        biased;
        () = drive(Pin::new(&mut http), stage, known, &fate) => return,
        response = handover.take() => response,
        () = unless(&asked, requests.header_timeout) => {
            debug!("the first request did not come in time");
            return;
        }
    };
    let socket = http.into_parts().io.into_inner().into_socket();
    let (Some(direct), Some((head, stream))) = (&edge.direct, take_stream(taken)) else { return };
    match socket {
        Ok(socket) => direct.carry(socket, &head, stream, count).await,
        Err(error) => {
            debug!(%error, "a stream's socket could not be taken over");
            fate.note(CloseReason::WriteError);
        }
    }
}

async fn speak_http2(
    edge: Arc<Edge>,
    connection: Connection,
    peer: Peer,
    mut stage: watch::Receiver<Stage>,
) {
    let config = &edge.server.0.config;
    let fate = peer.fate.clone();
    let server = edge.server.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let (server, peer) = (server.clone(), peer.clone());
        async move { Ok::<_, Infallible>(server.handle(request, peer).await) }
    });
    let header_bytes = u32::try_from(config.requests.header_bytes).unwrap_or(u32::MAX);
    let mut http = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_HTTP2_STREAMS)
        .max_header_list_size(header_bytes)
        .max_send_buf_size(MAX_HTTP2_WAITING_BYTES)
        .keep_alive_interval(config.stream.keep_alive)
        .keep_alive_timeout(config.stream.peer_timeout)
        .serve_connection(TokioIo::new(connection), service);
    let mut http = Pin::new(&mut http);
    let known = *stage.borrow_and_update();
    if known != Stage::Serving {
        // What it has asked for already is answered.
        http.as_mut().graceful_shutdown();
    }
    drive(http, stage, known, &fate).await;
}

/// A response on its way from the HTTP connection that asked for it to the direct lane.
#[derive(Debug, Default)]
struct Handover {
    response: Mutex<Option<Response<Body>>>,
    is_there: Notify,
}

impl Handover {
    fn put(&self, response: Response<Body>) {
        *self.response.lock() = Some(response);
        self.is_there.notify_one();
    }

    async fn take(&self) -> Response<Body> {
        loop {
            if let Some(response) = self.response.lock().take() {
                return response;
            }
            self.is_there.notified().await;
        }
    }
}

/// Ends after `timeout` unless something has happened by then.
async fn unless(happened: &AtomicBool, timeout: Duration) {
    tokio::time::sleep(timeout).await;
    if happened.load(Ordering::Relaxed) {
        pending::<()>().await;
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
            fate.note(CloseReason::Drain);
            return;
        }
        tokio::select! {
            biased;
            result = connection.as_mut() => {
                if let Err(error) = result {
                    debug!(%error, "a connection has failed");
                }
                return;
            }
            () = fate.is_cut() => {
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
