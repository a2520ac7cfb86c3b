//! Requests as Mercure's clients send them.

use std::time::Duration;

use tidings_hub::HubConfig;
use tidings_server::ServerConfig;

use crate::support::{self, Answer, EventStream, TestServer};

/// Where a 0.x hub is.
pub(super) const HUB: &str = "/.well-known/mercure";
const FORM: &str = "Content-Type: application/x-www-form-urlencoded";

/// Fields as a form or a query has them.
pub(super) fn encode(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// The header that carries a token.
pub(super) fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}")
}

/// Settings under which anyone may do anything, and no keep-alive hides that an event does not come.
pub(super) fn open_config() -> ServerConfig {
    let mut config = support::open_config();
    config.stream.keep_alive = Duration::from_hours(1);
    config
}

/// Settings under which a token is needed for everything.
pub(super) fn closed_config() -> ServerConfig {
    let mut config = open_config();
    config.auth.anonymous = false;
    config.auth.anonymous_publish = false;
    config
}

/// Settings under which anyone may subscribe, and a token is needed to publish.
pub(super) fn anonymous_config() -> ServerConfig {
    let mut config = open_config();
    config.auth.anonymous_publish = false;
    config
}

/// A hub where anyone may do anything.
pub(super) async fn open_hub() -> TestServer {
    start(open_config()).await
}

pub(super) async fn start(config: ServerConfig) -> TestServer {
    TestServer::start(HubConfig::default(), config).await
}

/// Sends a request: its method and target, header lines, and a body.
pub(super) async fn send(
    server: &TestServer,
    request: &str,
    headers: &[&str],
    body: &[u8],
) -> Answer {
    server.request(&head(request, headers), body).await
}

/// Sends a request of which only the answer's head is read.
pub(super) async fn head_of(server: &TestServer, request: &str, headers: &[&str]) -> Answer {
    let mut client = server.connect().await;
    client.send_request(&head(request, headers), b"").await;
    client.head().await.unwrap()
}

/// Publishes a form.
pub(super) async fn post(server: &TestServer, headers: &[&str], fields: &[(&str, &str)]) -> Answer {
    let headers = [&[FORM], headers].concat();
    send(server, &format!("POST {HUB}"), &headers, encode(fields).as_bytes()).await
}

/// Publishes a form that has to be taken, and gives the id.
pub(super) async fn publish(server: &TestServer, fields: &[(&str, &str)]) -> String {
    let answer = post(server, &[], fields).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.text()
}

/// Asks for a stream that is refused, or for a document.
pub(super) async fn get(server: &TestServer, target: &str, headers: &[&str]) -> Answer {
    send(server, &format!("GET {target}"), headers, b"").await
}

/// Opens a stream.
pub(super) async fn open(
    server: &TestServer,
    query: &[(&str, &str)],
    headers: &[&str],
) -> EventStream {
    let mut client = server.connect().await;
    let request = format!("GET {HUB}?{}", encode(query));
    let headers = [&["Accept: text/event-stream"], headers].concat();
    client.send_request(&head(&request, &headers), b"").await;
    client.stream().await
}

/// The stable reason of a refusal.
pub(super) fn reason(answer: &Answer) -> String {
    answer.json()["reason"].as_str().unwrap().to_owned()
}

fn head(request: &str, headers: &[&str]) -> String {
    let mut head = format!("{request} HTTP/1.1");
    for header in headers {
        head.push_str("\r\n");
        head.push_str(header);
    }
    head
}
