//! A server for one case: it hands its requests to the test, which says what is answered, and collects the callbacks.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Collected, Empty};
use hyper::body::{Body, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};

/// Where callbacks go: this and their number.
pub(crate) const CALLBACKS: &str = "/callbacks";

pub(crate) type Answer = Response<BoxBody<Bytes, io::Error>>;

/// A request that waits for its answer.
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    answer: oneshot::Sender<Answer>,
}

impl Asked {
    /// Answers with a stream.
    pub(crate) fn open(self) -> Stream {
        let (send, receive) = mpsc::channel(16);
        let answer = Response::builder()
            .header("content-type", "text/event-stream; charset=utf-8")
            .header("cache-control", "no-cache, no-store, must-revalidate")
            .body(Chunks(receive).boxed());
        // The client may have gone away.
        drop(self.answer.send(answer.unwrap()));
        Stream(send)
    }

    /// Answers with a status, and headers.
    pub(crate) fn answer(self, status: u16, headers: &[(&str, &str)]) {
        let mut answer = Response::builder().status(status);
        for (name, value) in headers {
            answer = answer.header(*name, *value);
        }
        let nothing = Empty::new().map_err(|never: Infallible| match never {}).boxed();
        drop(self.answer.send(answer.body(nothing).unwrap()));
    }
}

/// How a server leaves a stream.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Leave {
    /// In the middle: the connection breaks.
    Abruptly,
    /// As one that has said everything: the answer ends.
    Duly,
}

/// Both ways. A client comes back from either.
pub(crate) const BOTH_WAYS: [Leave; 2] = [Leave::Abruptly, Leave::Duly];

/// A stream that a client reads. Dropped, it ends.
pub(crate) struct Stream(mpsc::Sender<Option<Bytes>>);

impl Stream {
    /// Sends one chunk.
    pub(crate) async fn send(&self, chunk: impl Into<Bytes>) {
        self.0.send(Some(chunk.into())).await.expect("the client reads");
    }

    /// Leaves the client.
    pub(crate) async fn leave(self, how: Leave) {
        if let Leave::Abruptly = how {
            self.0.send(None).await.expect("the client reads");
        }
    }

    /// Waits until the client has gone away.
    pub(crate) async fn gone(&self) {
        self.0.closed().await;
    }
}

struct Chunks(mpsc::Receiver<Option<Bytes>>);

impl Body for Chunks {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.0.poll_recv(context).map(|chunk| match chunk? {
            Some(chunk) => Some(Ok(Frame::data(chunk))),
            None => Some(Err(io::ErrorKind::ConnectionAborted.into())),
        })
    }
}

/// The server. Dropped, it ends with all its connections.
pub(crate) struct Server {
    address: SocketAddr,
    task: JoinHandle<()>,
}

/// What a server hands on.
struct Outlets {
    asked: mpsc::Sender<Asked>,
    told: mpsc::Sender<Value>,
    /// Callbacks that have overtaken others, and the number of the next.
    waiting: Mutex<(u64, BTreeMap<u64, Value>)>,
}

impl Server {
    /// A server on a port of its own, its requests, and the callbacks in their order.
    pub(crate) async fn start() -> (Self, mpsc::Receiver<Asked>, mpsc::Receiver<Value>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, requests) = mpsc::channel(64);
        let (told, callbacks) = mpsc::channel(1_024);
        let outlets = Outlets { asked, told, waiting: Mutex::new((1, BTreeMap::new())) };
        let outlets = Arc::new(outlets);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                connections.spawn(Arc::clone(&outlets).serve(socket));
            }
        });
        (Self { address, task }, requests, callbacks)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Outlets {
    async fn serve(self: Arc<Self>, socket: TcpStream) {
        let answer = service_fn(|request| {
            let outlets = Arc::clone(&self);
            async move { outlets.take(request).await }
        });
        // Breaking off on purpose is an error here.
        drop(http1::Builder::new().serve_connection(TokioIo::new(socket), answer).await);
    }

    async fn take(&self, request: Request<Incoming>) -> Result<Answer, oneshot::error::RecvError> {
        let (head, body) = request.into_parts();
        let path = head.uri.path().to_owned();
        let body = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
        let (answer, answered) = oneshot::channel();
        let asked = Asked { method: head.method, path, headers: head.headers, body, answer };
        match asked.path.strip_prefix(CALLBACKS).and_then(|rest| rest.strip_prefix('/')) {
            Some(number) => {
                let number = number.parse().expect("a callback has a number");
                let message = serde_json::from_slice(&asked.body).expect("a callback is JSON");
                self.tell(number, message);
                asked.answer(202, &[]);
            }
            None => drop(self.asked.send(asked).await),
        }
        answered.await
    }

    fn tell(&self, number: u64, message: Value) {
        let mut waiting = self.waiting.lock();
        let (next, messages) = &mut *waiting;
        messages.insert(number, message);
        while let Some(message) = messages.remove(next) {
            *next += 1;
            self.told.try_send(message).expect("no case has so many callbacks");
        }
    }
}
