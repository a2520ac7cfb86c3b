//! An app with its hub, and the requests of its users.

use std::net::TcpListener;

use reqwest::{
    Client, RequestBuilder,
    header::{CONTENT_TYPE, COOKIE, SET_COOKIE},
};
use serde_json::Value;

use crate::{
    app::App,
    example::{Example, Hub},
    serving::Serving,
    stream::Stream,
};

/// A running app, and the hub beside it where it has one.
pub(crate) struct Site {
    /// Where the app listens, also after a restart.
    pub(crate) port: u16,
    example: &'static Example,
    app: App,
    hub: Option<Serving>,
    client: Client,
}

/// What the app answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The cookies that it sets, with their attributes.
    pub(crate) cookies: Vec<String>,
    pub(crate) body: String,
}

impl Site {
    /// Starts an app, and its hub before it.
    pub(crate) async fn start(example: &'static Example) -> Self {
        let port = free_port();
        let hub = match example.hub {
            Hub::Beside => {
                let configuration = example.configuration(port);
                Some(Serving::start(&["serve", "--config", configuration.to_str().unwrap()]))
            }
            Hub::Inside => None,
        };
        Self::on(port, example, hub).await
    }

    /// Starts an app alone. It finds no hub beside it.
    pub(crate) async fn start_without_hub(example: &'static Example) -> Self {
        Self::on(free_port(), example, None).await
    }

    async fn on(port: u16, example: &'static Example, hub: Option<Serving>) -> Self {
        let hub_url = match example.hub {
            Hub::Beside => Some(hub.as_ref().map_or_else(nowhere, Serving::url)),
            Hub::Inside => None,
        };
        let app = App::start(example, port, hub_url.as_deref()).await;
        // A connection that waits for another request would be counted with the subscribers'.
        let client = Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap();
        Self { port, example, app, hub, client }
    }

    /// Kills an app without a hub, with SIGKILL, and starts it again on the same port.
    pub(crate) async fn restart(self) -> Self {
        self.app.kill().await;
        Self::on(self.port, self.example, None).await
    }

    /// Kills the hub, where it has a process of its own; says whether it does.
    pub(crate) fn kill_hub(&mut self) -> bool {
        self.hub.take().is_some()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Where the hub is.
    pub(crate) fn hub_url(&self) -> String {
        self.hub.as_ref().map_or_else(|| self.url(), Serving::url)
    }

    /// Where the app's hub is said to be.
    pub(crate) fn hub(&self) -> Hub {
        self.example.hub
    }

    pub(crate) fn get(&self, url: &str) -> RequestBuilder {
        self.client.get(url)
    }

    /// Opens a stream of the app's own plain endpoint.
    pub(crate) async fn plain_stream(&self) -> Stream {
        Stream::open(self.get(&format!("{}/api/events", self.url()))).await
    }

    /// Posts a body that says it is JSON, with these cookies.
    pub(crate) async fn post(&self, path: &str, body: &str, cookies: &str) -> Answer {
        let request = self.client.post(format!("{}{path}", self.url()));
        let request = request.header(CONTENT_TYPE, "application/json").header(COOKIE, cookies);
        let response = request.body(body.to_owned()).send().await.unwrap();
        let status = response.status().as_u16();
        let cookies = response.headers().get_all(SET_COOKIE).into_iter();
        let cookies = cookies.map(|cookie| cookie.to_str().unwrap().to_owned()).collect();
        Answer { status, cookies, body: response.text().await.unwrap() }
    }

    /// Posts a text, and gives the id that the app answers with.
    pub(crate) async fn publish(&self, path: &str, text: &str) -> String {
        let answer = self.post(path, &serde_json::json!({ "text": text }).to_string(), "").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["id"].as_str().unwrap().to_owned()
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// Fails unless it is a refusal that says why.
    pub(crate) fn assert_refused(&self, status: u16) {
        assert_eq!(self.status, status, "{self:?}");
        assert!(self.json()["error"].as_str().is_some_and(|error| !error.is_empty()), "{self:?}");
    }
}

/// A URL where nobody listens.
fn nowhere() -> String {
    format!("http://127.0.0.1:{}", free_port())
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
