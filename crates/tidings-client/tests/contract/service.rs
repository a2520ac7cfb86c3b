//! The contract test service: whoever tests a client of whatever language asks it, over HTTP, to open streams with that
//! client, and is told over HTTP what the client tells. The protocol is that of LaunchDarkly's `sse-contract-tests`.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Value, json};
use tidings_client::{Backoff, Event, Events, Limits, Signal, Subscribe};
use tokio::net::TcpListener;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, mpsc};

/// What the client can do: all that the protocol knows. Types need no listeners, so being told of one changes nothing.
const CAPABILITIES: &[&str] = &[
    "204",
    "bom",
    "comments",
    "empty-or-missing-location",
    "event-type-listeners",
    "headers",
    "last-event-id",
    "payload-size-stress-testable",
    "post",
    "read-timeout",
    "report",
    "restart",
    "server-directed-shutdown-request",
];

/// How large an event may be: twice the largest that the suite sends.
const LIMITS: Limits = Limits { max_line_bytes: 256 << 20, max_event_bytes: 256 << 20 };

/// The stream that is asked for. What is left out may be null.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wanted {
    stream_url: String,
    callback_url: String,
    initial_delay_ms: Option<u64>,
    read_timeout_ms: Option<u64>,
    last_event_id: Option<String>,
    headers: Option<HashMap<String, String>>,
    method: Option<String>,
    body: Option<String>,
}

#[derive(Deserialize)]
struct Command {
    command: String,
}

/// The streams that are open. A stream ends when its sender is gone, and makes a new attempt for each message.
#[derive(Default)]
struct Service {
    streams: Mutex<Streams>,
    quit: Notify,
}

#[derive(Default)]
struct Streams {
    last: u64,
    open: HashMap<String, mpsc::Sender<()>>,
}

/// Serves until it is told to quit.
pub(crate) async fn serve(listener: TcpListener) {
    let service = Arc::new(Service::default());
    loop {
        let socket = tokio::select! {
            accepted = listener.accept() => accepted.unwrap().0,
            () = service.quit.notified() => return,
        };
        let service = Arc::clone(&service);
        tokio::spawn(async move {
            let answer = service_fn(|request| {
                let service = Arc::clone(&service);
                async move { Ok::<_, Infallible>(service.answer(request).await) }
            });
            let connection = http1::Builder::new().serve_connection(TokioIo::new(socket), answer);
            // Who asks may go away.
            drop(connection.await);
        });
    }
}

impl Service {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let path = head.uri.path();
        let Ok(body) = body.collect().await else { return status(StatusCode::BAD_REQUEST) };
        let body = body.to_bytes();
        match (head.method, path) {
            (Method::GET, "/") => {
                let about = json!({ "name": "tidings-client", "capabilities": CAPABILITIES });
                Response::new(Full::from(about.to_string()))
            }
            (Method::DELETE, "/") => {
                self.quit.notify_one();
                status(StatusCode::NO_CONTENT)
            }
            (Method::POST, "/") => self.open(&body),
            (Method::POST, stream) => self.command(stream, &body),
            (Method::DELETE, stream) => match self.streams.lock().open.remove(stream) {
                Some(_) => status(StatusCode::NO_CONTENT),
                None => status(StatusCode::NOT_FOUND),
            },
            _ => status(StatusCode::METHOD_NOT_ALLOWED),
        }
    }

    fn open(&self, body: &[u8]) -> Response<Full<Bytes>> {
        let Ok(wanted) = serde_json::from_slice::<Wanted>(body) else {
            return status(StatusCode::BAD_REQUEST);
        };
        let Some(subscribe) = subscribe(&wanted) else { return status(StatusCode::BAD_REQUEST) };
        let (restart, restarts) = mpsc::channel(1);
        let mut streams = self.streams.lock();
        streams.last += 1;
        let path = format!("/streams/{}", streams.last);
        streams.open.insert(path.clone(), restart);
        tokio::spawn(read(subscribe.open(), restarts, Teller::new(wanted.callback_url)));
        let created = Response::builder().status(StatusCode::CREATED).header("location", path);
        created.body(Full::default()).unwrap()
    }

    fn command(&self, stream: &str, body: &[u8]) -> Response<Full<Bytes>> {
        let streams = self.streams.lock();
        let Some(restart) = streams.open.get(stream) else { return status(StatusCode::NOT_FOUND) };
        let command = serde_json::from_slice::<Command>(body);
        match command.as_ref().map(|command| command.command.as_str()) {
            Ok("restart") => {
                match restart.try_send(()) {
                    // One that has not been seen yet stands for this one, too.
                    Ok(()) | Err(TrySendError::Full(())) => status(StatusCode::ACCEPTED),
                    Err(TrySendError::Closed(())) => status(StatusCode::NOT_FOUND),
                }
            }
            Ok("listen") => status(StatusCode::ACCEPTED),
            _ => status(StatusCode::BAD_REQUEST),
        }
    }
}

fn status(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

/// `None` if the method is none.
fn subscribe(wanted: &Wanted) -> Option<Subscribe> {
    let mut subscribe = Subscribe::new(&wanted.stream_url).with_limits(LIMITS);
    if let Some(id) = &wanted.last_event_id {
        subscribe = subscribe.with_last_event_id(id);
    }
    if let Some(delay) = wanted.initial_delay_ms {
        let base = Duration::from_millis(delay);
        subscribe = subscribe.with_backoff(Backoff::default().with_base(base));
    }
    if let Some(time) = wanted.read_timeout_ms {
        subscribe = subscribe.with_idle_timeout(Duration::from_millis(time));
    }
    for (name, value) in wanted.headers.iter().flatten() {
        subscribe = subscribe.with_header(name, value);
    }
    if let Some(method) = &wanted.method {
        subscribe = subscribe.with_method(Method::from_bytes(method.as_bytes()).ok()?);
    }
    if let Some(body) = &wanted.body {
        subscribe = subscribe.with_body(body.clone());
    }
    Some(subscribe)
}

/// Reads a stream until it ends or nobody wants it any more, and tells everything.
async fn read(mut events: Events, mut restarts: mpsc::Receiver<()>, mut teller: Teller) {
    loop {
        let signal = tokio::select! {
            signal = events.next_signal() => signal,
            restart = restarts.recv() => match restart {
                Some(()) => {
                    events.reconnect();
                    continue;
                }
                None => return,
            },
        };
        match signal {
            None => break,
            Some(Signal::Event(event)) => teller.event(&event).await,
            Some(Signal::Comment(comment)) => {
                teller.tell(&json!({ "kind": "comment", "comment": comment })).await;
            }
            Some(Signal::Retrying(retrying)) => teller.error(&retrying.error).await,
            Some(Signal::Stopped(Some(error))) => teller.error(&error).await,
            Some(_) => {}
        }
    }
    // The stream is there until it is deleted.
    while restarts.recv().await.is_some() {}
}

/// Tells what happens on one stream, one thing after the other.
struct Teller {
    url: String,
    http: reqwest::Client,
    told: u64,
}

impl Teller {
    fn new(url: String) -> Self {
        Self { url, http: reqwest::Client::new(), told: 0 }
    }

    async fn event(&mut self, event: &Event) {
        let Event { event_type, data, last_event_id } = event;
        let event = json!({ "type": event_type, "data": data, "id": last_event_id });
        self.tell(&json!({ "kind": "event", "event": event })).await;
    }

    async fn error(&mut self, error: &impl ToString) {
        let error = error.to_string();
        // The protocol's text calls it `comment`, its suite `error`.
        self.tell(&json!({ "kind": "error", "error": error, "comment": error })).await;
    }

    async fn tell(&mut self, message: &Value) {
        self.told += 1;
        let url = format!("{}/{}", self.url, self.told);
        let request = self.http.post(url).header("content-type", "application/json");
        // Whoever tests may have seen enough.
        drop(request.body(message.to_string()).send().await);
    }
}
