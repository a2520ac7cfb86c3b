//! A server that gives one answer after the other, each on a connection of its own, and then only 204.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};

/// A request that the server got.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// `GET /path?query HTTP/1.1`.
    pub(crate) line: String,
    headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: String,
    /// When it had come.
    pub(crate) at: Instant,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.header_bytes(name).map(|value| str::from_utf8(value).unwrap())
    }

    pub(crate) fn header_bytes(&self, name: &str) -> Option<&[u8]> {
        let mut values = self.headers.iter().filter(|(known, _)| known == name);
        let value = values.next().map(|(_, value)| value.as_slice());
        assert!(values.next().is_none(), "{name} is there twice");
        value
    }

    pub(crate) fn header_names(&self) -> Vec<&str> {
        self.headers.iter().map(|(name, _)| name.as_str()).collect()
    }
}

/// What the server does with one connection once it has read the request.
#[derive(Clone)]
pub(crate) struct Answer {
    steps: Vec<Step>,
    end: End,
}

#[derive(Clone)]
enum Step {
    Send(Vec<u8>),
    Pause(Duration),
    /// Sends the same until the client goes away, or this many times.
    Repeat(Vec<u8>, usize),
}

#[derive(Clone, Copy)]
enum End {
    Close,
    Reset,
    Stall,
}

impl Answer {
    pub(crate) fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self { steps: vec![Step::Send(bytes.into())], end: End::Close }
    }

    pub(crate) fn then(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.steps.push(Step::Send(bytes.into()));
        self
    }

    pub(crate) fn pause(mut self, time: Duration) -> Self {
        self.steps.push(Step::Pause(time));
        self
    }

    pub(crate) fn repeat(mut self, bytes: impl Into<Vec<u8>>, times: usize) -> Self {
        self.steps.push(Step::Repeat(bytes.into(), times));
        self
    }

    /// The connection stays open, and nothing more comes.
    pub(crate) fn stalls(mut self) -> Self {
        self.end = End::Stall;
        self
    }

    /// The connection breaks off.
    pub(crate) fn resets(mut self) -> Self {
        self.end = End::Reset;
        self
    }
}

/// A whole answer with a body. `headers` end in CRLF each.
pub(crate) fn answer(status: &str, headers: &str, body: &str) -> Answer {
    let length = body.len();
    Answer::raw(format!(
        "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    ))
}

/// An event stream that ends with its connection.
pub(crate) fn stream(text: &str) -> Answer {
    Answer::raw(format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n{text}"))
}

/// The server. It goes away with the runtime of its test.
pub(crate) struct Server {
    /// `http://127.0.0.1:port`.
    pub(crate) origin: String,
    requests: Arc<Mutex<Vec<Request>>>,
    /// How many bytes have been written to clients.
    written: Arc<Mutex<usize>>,
}

impl Server {
    pub(crate) async fn start(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let server = Self { origin, requests: Arc::default(), written: Arc::default() };
        let (requests, written) = (Arc::clone(&server.requests), Arc::clone(&server.written));
        tokio::spawn(async move {
            let mut answers = answers.into_iter();
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                let Some(request) = read_request(&mut socket).await else { continue };
                requests.lock().unwrap().push(request);
                let answer = answers.next().unwrap_or_else(|| answer("204 No Content", "", ""));
                tokio::spawn(serve(socket, answer, Arc::clone(&written)));
            }
        });
        server
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    pub(crate) fn written(&self) -> usize {
        *self.written.lock().unwrap()
    }
}

async fn serve(mut socket: TcpStream, answer: Answer, written: Arc<Mutex<usize>>) {
    socket.set_nodelay(true).unwrap();
    for step in answer.steps {
        let (bytes, times) = match step {
            Step::Send(bytes) => (bytes, 1),
            Step::Repeat(bytes, times) => (bytes, times),
            Step::Pause(time) => {
                sleep(time).await;
                continue;
            }
        };
        for _ in 0..times {
            if socket.write_all(&bytes).await.is_err() {
                return;
            }
            *written.lock().unwrap() += bytes.len();
        }
        // So that the client reads each step by itself.
        tokio::task::yield_now().await;
    }
    match answer.end {
        End::Close => drop(socket.shutdown().await),
        End::Reset => socket.set_zero_linger().unwrap(),
        End::Stall => {
            // Until the client goes away.
            drop(socket.read(&mut [0; 16]).await);
        }
    }
}

/// The request that comes in over a connection; `None` where none does.
async fn read_request(socket: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|it| it == b"\r\n\r\n") {
            break end;
        }
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let body = bytes.split_off(head + 4);
    let mut lines = bytes[..head].split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
    let line = String::from_utf8(lines.next()?.to_vec()).unwrap();
    let headers: Vec<(String, Vec<u8>)> = lines
        .map(|line| {
            let colon = line.iter().position(|byte| *byte == b':').unwrap();
            let name = String::from_utf8(line[..colon].to_ascii_lowercase()).unwrap();
            (name, line[colon + 1..].trim_ascii().to_vec())
        })
        .collect();
    let mut request = Request { line, headers, body: String::new(), at: Instant::now() };
    let length: usize = request.header("content-length").map_or(0, |it| it.parse().unwrap());
    let mut body = body;
    while body.len() < length {
        if socket.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    request.body = String::from_utf8(body).unwrap();
    Some(request)
}
