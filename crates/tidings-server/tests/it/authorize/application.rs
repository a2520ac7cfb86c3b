//! A web application that a hub asks, and hubs that ask it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde_json::Value;
use tidings_hub::HubConfig;
use tidings_server::ServerConfig;
use tidings_server::auth::{AuthConfig, AuthorizeConfig};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use crate::support::{PATIENCE, TestServer, open_config};

/// A question as the application got it.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Path and query.
    pub(crate) uri: String,
    pub(crate) headers: HeaderMap,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }
}

/// What the application answers.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
    /// It comes once this is true.
    pub(crate) after: Option<watch::Receiver<bool>>,
}

impl Reply {
    pub(crate) fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::new(), after: None }
    }

    pub(crate) fn json(document: &Value) -> Self {
        Self::status(200).with("content-type", "application/json").body(document.to_string())
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn body(self, body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), ..self }
    }

    pub(crate) fn after(self, gate: &watch::Sender<bool>) -> Self {
        Self { after: Some(gate.subscribe()), ..self }
    }
}

type Rule = Box<dyn Fn(&Asked) -> Reply + Send>;

/// A web application on a port of its own, until it is dropped.
pub(crate) struct Application {
    pub(crate) address: SocketAddr,
    rule: Arc<Mutex<Rule>>,
    asked: watch::Receiver<Vec<Asked>>,
    connections: watch::Receiver<usize>,
    _task: AbortOnDropHandle<()>,
}

impl Application {
    /// One that answers by this rule.
    pub(crate) async fn start(rule: impl Fn(&Asked) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let rule: Arc<Mutex<Rule>> = Arc::new(Mutex::new(Box::new(rule)));
        let (asked_sender, asked) = watch::channel(Vec::new());
        let (connections_sender, connections) = watch::channel(0);
        let current = Arc::clone(&rule);
        let task = tokio::spawn(async move {
            // The connections end with it.
            let mut open = tokio::task::JoinSet::new();
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                connections_sender.send_modify(|count| *count += 1);
                let (current, asked) = (Arc::clone(&current), asked_sender.clone());
                open.spawn(async move {
                    let service = service_fn(|request| answer(request, &current, &asked));
                    drop(
                        http1::Builder::new().serve_connection(TokioIo::new(socket), service).await,
                    );
                });
            }
        });
        Self { address, rule, asked, connections, _task: AbortOnDropHandle::new(task) }
    }

    /// One that always answers the same.
    pub(crate) async fn answering(reply: Reply) -> Self {
        Self::start(move |_| reply.clone()).await
    }

    /// Answers by this rule from now on.
    pub(crate) fn set(&self, rule: impl Fn(&Asked) -> Reply + Send + 'static) {
        *self.rule.lock() = Box::new(rule);
    }

    pub(crate) fn answer(&self, reply: Reply) {
        self.set(move |_| reply.clone());
    }

    pub(crate) fn count(&self) -> usize {
        self.asked.borrow().len()
    }

    pub(crate) fn last(&self) -> Asked {
        self.asked.borrow().last().unwrap().clone()
    }

    /// How many connections were opened to it.
    pub(crate) fn connections(&self) -> usize {
        *self.connections.borrow()
    }

    /// Waits until it was asked so often.
    pub(crate) async fn was_asked(&self, count: usize) {
        let mut asked = self.asked.clone();
        let there = asked.wait_for(|asked| asked.len() >= count);
        drop(tokio::time::timeout(PATIENCE, there).await.expect("it is not asked").unwrap());
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hub/authorize?key=url-secret", self.address)
    }

    pub(crate) fn authorize(&self) -> AuthorizeConfig {
        AuthorizeConfig { timeout: PATIENCE, ..AuthorizeConfig::new(self.url()) }
    }

    /// A hub without keys that asks this application, with its admin listener.
    pub(crate) async fn hub(&self) -> (TestServer, SocketAddr) {
        self.hub_with(|_| {}).await
    }

    /// The same, with other settings.
    pub(crate) async fn hub_with(
        &self,
        set: impl FnOnce(&mut ServerConfig),
    ) -> (TestServer, SocketAddr) {
        let mut config = asking(self.authorize());
        set(&mut config);
        TestServer::with_admin(HubConfig::default(), config).await
    }
}

/// Settings of a hub that asks, and would let anybody in if it did not.
pub(crate) fn asking(authorize: AuthorizeConfig) -> ServerConfig {
    let auth = AuthConfig {
        authorize: Some(authorize),
        anonymous: true,
        anonymous_publish: true,
        publish_origins: vec!["https://app.example".to_owned()],
        ..AuthConfig::default()
    };
    ServerConfig { auth, subscriptions: false, ..open_config() }
}

async fn answer(
    request: Request<Incoming>,
    rule: &Mutex<Rule>,
    asked: &watch::Sender<Vec<Asked>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, _) = request.into_parts();
    let question = Asked { uri: parts.uri.to_string(), headers: parts.headers };
    let reply = rule.lock()(&question);
    asked.send_modify(|asked| asked.push(question));
    if let Some(mut gate) = reply.after {
        drop(gate.wait_for(|open| *open).await);
    }
    let response = Response::builder().status(reply.status);
    let response = reply
        .headers
        .into_iter()
        .fold(response, |response, (name, value)| response.header(name, value));
    Ok(response.body(Full::new(reply.body)).unwrap())
}

/// The lines of a cookie header.
pub(crate) fn cookie(value: &str) -> String {
    format!("Cookie: {value}\r\n")
}

/// A gate that is shut.
pub(crate) fn gate() -> watch::Sender<bool> {
    watch::channel(false).0
}

/// A time that is over before a test loses its patience, and long enough for a question on a busy machine.
pub(crate) const SHORT: Duration = Duration::from_millis(300);
