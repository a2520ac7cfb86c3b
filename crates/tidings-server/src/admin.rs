//! The admin listener: probes, metrics, and the calls that end streams. It runs on a thread of its own, so that it answers when the hub is stuck.

use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::runtime::Handle;
use tokio::time::Instant;
use tracing::{debug, error};

use crate::body::Body;
use crate::kick;
use crate::server::{Server, Shared};

/// How often the hub shows that it lives.
const PULSE: Duration = Duration::from_millis(500);
/// After how long without a pulse the hub counts as stuck.
const STUCK_AFTER: Duration = Duration::from_secs(5);
/// How long the metrics may wait for the hub's lock. The admin listener's only thread does nothing else meanwhile.
const LOCK_PATIENCE: Duration = Duration::from_millis(200);
/// How long a client of the admin listener may take for its request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Whether the hub's own runtime still turns, its lock can be had, and it takes requests.
#[derive(Debug)]
pub(crate) struct Pulse {
    started: Instant,
    /// Milliseconds from `started` to the last beat.
    last_beat: AtomicU64,
    ready: AtomicBool,
}

impl Pulse {
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            last_beat: AtomicU64::new(0),
            ready: AtomicBool::new(false),
        }
    }

    /// Beats for as long as it is awaited. Each beat takes the hub's lock and a turn on one of the runtime's workers:
    /// whoever awaits this may have a thread of its own, which turns when no worker does.
    pub(crate) async fn beat(&self, server: &Server) -> Infallible {
        let mut interval = tokio::time::interval(PULSE);
        loop {
            interval.tick().await;
            let hub = server.hub().clone();
            if tokio::spawn(async move { hub.stats() }).await.is_err() {
                continue;
            }
            let elapsed = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.last_beat.store(elapsed, Ordering::Relaxed);
        }
    }

    pub(crate) fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Relaxed);
    }

    fn is_alive(&self) -> bool {
        let last = Duration::from_millis(self.last_beat.load(Ordering::Relaxed));
        self.started.elapsed().saturating_sub(last) < STUCK_AFTER
    }

    fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }
}

/// Serves probes, metrics and the calls that end streams on a thread of its own, until the process ends. Must be called
/// within the hub's runtime. It answers for as long as somebody else has the server: a log on disk is closed with the last
/// who has it, and this thread has no end.
///
/// # Errors
/// When the thread or its runtime cannot be made.
pub(crate) fn spawn(listener: TcpListener, server: &Server, pulse: Arc<Pulse>) -> io::Result<()> {
    let server = server.downgrade();
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let hub = Handle::current();
    let serve = move || {
        if let Err(error) = runtime.block_on(accept(listener, server, pulse, hub)) {
            error!(%error, "the admin listener has failed");
        }
    };
    std::thread::Builder::new().name("admin".to_owned()).spawn(serve).map(drop)
}

async fn accept(
    listener: TcpListener,
    server: Weak<Shared>,
    pulse: Arc<Pulse>,
    hub: Handle,
) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let Ok((socket, _)) = listener.accept().await else {
            // Out of file descriptors: those that are in use must be given back first.
            tokio::time::sleep(PULSE).await;
            continue;
        };
        let (server, pulse, hub) = (server.clone(), Arc::clone(&pulse), hub.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            let (server, pulse, hub) = (server.clone(), Arc::clone(&pulse), hub.clone());
            async move {
                let (request, _body) = request.into_parts();
                let Some(server) = Server::upgrade(&server) else {
                    return Ok(text(StatusCode::SERVICE_UNAVAILABLE, "the hub has stopped\n"));
                };
                Ok::<_, Infallible>(if kick::is_served(request.uri.path()) {
                    kick::answer(&request, &server, &hub).await
                } else {
                    answer(&request, &server, &pulse)
                })
            }
        });
        tokio::spawn(async move {
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(REQUEST_TIMEOUT)
                .serve_connection(TokioIo::new(socket), service);
            if let Err(error) = connection.await {
                debug!(%error, "an admin connection has failed");
            }
        });
    }
}

/// The admin listener's other routes.
fn answer(request: &Parts, server: &Server, pulse: &Pulse) -> Response<Body> {
    if !matches!(request.method, Method::GET | Method::HEAD) {
        return text(StatusCode::METHOD_NOT_ALLOWED, "use GET\n");
    }
    let is_alive = pulse.is_alive();
    match request.uri.path() {
        "/health/live" if is_alive => text(StatusCode::OK, "ok\n"),
        "/health/live" | "/health/ready" if !is_alive => {
            text(StatusCode::SERVICE_UNAVAILABLE, "stuck: the hub has not turned for 5 s\n")
        }
        "/health/ready" if pulse.is_ready() => text(StatusCode::OK, "ok\n"),
        "/health/ready" => text(StatusCode::SERVICE_UNAVAILABLE, "starting or draining\n"),
        "/metrics" => metrics(server),
        _ => text(
            StatusCode::NOT_FOUND,
            "here are /health/live, /health/ready and /metrics, and POST /kick and /disconnect\n",
        ),
    }
}

fn metrics(server: &Server) -> Response<Body> {
    // Reading the hub's figures needs its lock, which a stuck hub may hold. Probes must not wait for it as well.
    let Some(stats) = server.hub().try_stats(LOCK_PATIENCE) else {
        return text(StatusCode::SERVICE_UNAVAILABLE, "stuck: the hub's lock is not to be had\n");
    };
    let Ok(body) = server.0.metrics.text(&stats) else {
        return text(StatusCode::INTERNAL_SERVER_ERROR, "the metrics could not be written\n");
    };
    let mut response = Response::new(body.into());
    let content_type =
        HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

fn text(status: StatusCode, body: &'static str) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response
}
