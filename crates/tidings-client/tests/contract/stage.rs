//! Where a case is played: a server, and a client of the test service that reads from it.

use std::time::Duration;

use reqwest::{Client, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{OnceCell, mpsc};
use tokio::time::timeout;

use crate::server::{Asked, CALLBACKS, Server, Stream};
use crate::service;

/// What does not come within this time does not come. LaunchDarkly's suite waits as long.
const PATIENCE: Duration = Duration::from_secs(5);

/// What may not come has not come after this time: longer than a client waits that was asked to wait for nothing.
const QUIET: Duration = Duration::from_secs(1);

/// What a client can be told that the suite writes as null where it leaves it out.
const NULL_IF_LEFT_OUT: [&str; 2] = ["initialDelayMs", "readTimeoutMs"];

/// This crate's own service, once it is started. It has a thread for itself, since each test ends its runtime.
static OWN: OnceCell<String> = OnceCell::const_new();

/// The URL of another test service than our own, if that is to be asked.
pub(crate) fn other_service() -> Option<String> {
    std::env::var("TIDINGS_CONTRACT_SERVICE").ok()
}

/// The URL of the test service.
pub(crate) async fn service() -> String {
    if let Some(url) = other_service() {
        return url.trim_end_matches('/').to_owned();
    }
    OWN.get_or_init(start_service).await.clone()
}

async fn start_service() -> String {
    let (ready, address) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
            ready.send(listener.local_addr().unwrap()).unwrap();
            service::serve(listener).await;
        });
    });
    format!("http://{}", address.await.unwrap())
}

/// A server, and the client that reads from it once it is started.
pub(crate) struct Stage {
    server: Server,
    requests: mpsc::Receiver<Asked>,
    callbacks: mpsc::Receiver<Value>,
    service: String,
    http: Client,
    /// The client's URL at the service.
    client: Option<String>,
    /// How long a message may take.
    patience: Duration,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        let (server, requests, callbacks) = Server::start().await;
        let service = service().await;
        let (http, client, patience) = (Client::new(), None, PATIENCE);
        Self { server, requests, callbacks, service, http, client, patience }
    }

    /// A stage with a client that has opened its stream.
    pub(crate) async fn open() -> (Self, Stream) {
        let mut stage = Self::new().await;
        stage.start(json!({})).await;
        let stream = stage.request().await.open();
        (stage, stream)
    }

    /// Starts the client with these members beside the URLs.
    pub(crate) async fn start(&mut self, mut wanted: Value) {
        wanted["streamUrl"] = self.server.url("/stream").into();
        wanted["callbackUrl"] = self.server.url(CALLBACKS).into();
        wanted["tag"] = "a case".into();
        for name in NULL_IF_LEFT_OUT {
            wanted.as_object_mut().unwrap().entry(name).or_insert(Value::Null);
        }
        let answer = self.post(&format!("{}/", self.service), wanted.to_string()).await;
        assert!(answer.status().is_success(), "{}", answer.status());
        let location = answer.headers()["location"].to_str().unwrap();
        let absolute = location.starts_with("http:");
        self.client =
            Some(if absolute { location.into() } else { format!("{}{location}", self.service) });
    }

    /// Sends the client a command.
    pub(crate) async fn command(&self, command: Value) {
        let answer = self.post(self.client(), command.to_string()).await;
        assert!(answer.status().is_success(), "{}", answer.status());
    }

    /// Posts this to the service, or to one of its clients.
    pub(crate) async fn post(&self, url: &str, body: String) -> Response {
        let request = self.http.post(url).header("content-type", "application/json");
        request.body(body).send().await.unwrap()
    }

    /// The client's URL at the service.
    pub(crate) fn client(&self) -> &str {
        self.client.as_ref().unwrap()
    }

    /// Messages may take this long from here on.
    pub(crate) fn be_patient(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Says that events of this type are to be told, too.
    pub(crate) async fn listen(&self, event_type: &str) {
        self.command(json!({ "command": "listen", "listen": { "type": event_type } })).await;
    }

    /// The next request.
    pub(crate) async fn request(&mut self) -> Asked {
        timeout(PATIENCE, self.requests.recv()).await.expect("a request").unwrap()
    }

    /// The next message of the service.
    pub(crate) async fn message(&mut self) -> Value {
        timeout(self.patience, self.callbacks.recv()).await.expect("a message").unwrap()
    }

    /// The next message, while each request gets this answer, however many there are.
    pub(crate) async fn message_while(&mut self, status: u16, headers: &[(&str, &str)]) -> Value {
        let message = async {
            loop {
                tokio::select! {
                    asked = self.requests.recv() => asked.unwrap().answer(status, headers),
                    message = self.callbacks.recv() => break message.unwrap(),
                }
            }
        };
        timeout(self.patience, message).await.expect("a message")
    }

    /// The next message is this event.
    pub(crate) async fn expect(&mut self, event_type: &str, data: &str, id: &str) {
        let message = self.message().await;
        assert_event(&message, event_type, data, id);
    }

    /// The next message is this event, or it is the one error that may tell of a stream's end, and this event follows.
    pub(crate) async fn expect_after_the_end(&mut self, data: &str, id: &str) {
        let mut message = self.message().await;
        if message["kind"] == "error" {
            message = self.message().await;
        }
        assert_event(&message, "message", data, id);
    }

    /// The next message is an error. Gives its text.
    pub(crate) async fn expect_error(&mut self) -> String {
        let message = self.message().await;
        assert_eq!(message["kind"], "error", "{message}");
        message["error"].as_str().expect("an error has a text").to_owned()
    }

    /// The next message is this comment.
    pub(crate) async fn expect_comment(&mut self, comment: &str) {
        let message = self.message().await;
        assert_eq!(message, json!({ "kind": "comment", "comment": comment }));
    }

    /// No request comes any more.
    pub(crate) async fn expect_no_request(&mut self) {
        assert!(timeout(QUIET, self.requests.recv()).await.is_err(), "another request");
    }

    pub(crate) fn url(&self, path: &str) -> String {
        self.server.url(path)
    }

    /// Ends the client, and sees that its stream, if it has one, is closed.
    pub(crate) async fn close(mut self, stream: Option<Stream>) {
        let url = self.client.take().unwrap();
        let answer = self.http.delete(url).send().await.unwrap();
        assert!(matches!(answer.status().as_u16(), 200 | 204), "{}", answer.status());
        if let Some(stream) = stream {
            timeout(PATIENCE, stream.gone()).await.expect("a client that is ended goes away");
        }
    }
}

fn assert_event(message: &Value, event_type: &str, data: &str, id: &str) {
    let text = |name: &str| message["event"][name].as_str().unwrap_or_default();
    let found = (text("type"), text("data"), text("id"));
    // A large event is not printed.
    assert!(
        message["kind"] == "event" && found == (event_type, data, id),
        "{:.300} instead of {event_type:?} \"{data:.100}\" {id:?}",
        message.to_string()
    );
}
