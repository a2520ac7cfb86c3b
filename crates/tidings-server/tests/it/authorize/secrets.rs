//! No credential, and nothing of the application's answers, reaches the log.

use std::fmt::Write as _;

use serde_json::json;
use tidings_hub::HubConfig;
use tidings_server::auth::AuthorizeConfig;

use super::application::{Application, Reply, SHORT, asking, cookie, gate};
use crate::hostile::{keep_log, logged};
use crate::support::TestServer;

const MARKER: &str = "MARKER-8d1f";

#[tokio::test]
async fn no_credential_reaches_the_log() {
    keep_log();
    let application = Application::answering(Reply::status(200)).await;
    let shut = gate();
    let url = format!("http://{}/hub/authorize?key={MARKER}", application.address);
    let authorize = AuthorizeConfig { timeout: SHORT, ..AuthorizeConfig::new(url) };
    let mut shown = format!("{authorize:?}");
    let server = TestServer::start(HubConfig::default(), asking(authorize)).await;
    write!(shown, "{:?}", server.server).unwrap();
    let headers =
        format!("{}Authorization: Basic {MARKER}\r\n", cookie(&format!("session={MARKER}")));
    let answers = [
        Reply::json(&json!({"user": "ann", "session": MARKER, "payload": 1, "topics": ["a"]})),
        Reply::status(200).with("x-tidings-session", MARKER),
        Reply::status(401).with("set-cookie", MARKER),
        Reply::status(403).body(MARKER),
        Reply::status(302).with("location", format!("http://{MARKER}/")),
        Reply::status(500).body(MARKER),
        Reply::json(&json!({"user": 1, "session": MARKER})),
        Reply::json(&json!({"session": [MARKER]})),
        Reply::json(&json!({"expires_in": MARKER})),
        Reply::json(&json!({"topics": [MARKER, ""]})),
        Reply::status(200)
            .with("content-type", "application/json")
            .body(format!("{{\"user\":{MARKER}")),
        Reply::status(200).body(format!("{{{MARKER}")),
        Reply::status(200).with("x-tidings-expires-in", MARKER),
        Reply::status(200).body(MARKER.repeat(10_000)),
        Reply::status(200).after(&shut),
    ];
    let count = answers.len();
    for (n, answer) in answers.into_iter().enumerate() {
        application.answer(answer);
        let query = format!("topic=a&n={n}&secret={MARKER}&authorization={MARKER}");
        let mut client = server.connect().await;
        client.ask_as_browser(&query, &headers).await;
        let head = client.head().await.unwrap();
        write!(shown, "{:?} {:?}", server.server, server.server.hub().subscribers()).unwrap();
        drop((head, client));
        let post = format!(
            "POST /events?{query} HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nOrigin: https://app.example\r\n{}",
            headers.trim_end()
        );
        drop(server.request(&post, b"topic=a").await);
    }
    assert_eq!(application.count(), 2 * count, "it was asked each time");
    let logged = logged();
    assert!(logged.contains("gave no answer") && logged.contains("callback_forbidden"), "{logged}");
    let line = logged.lines().find(|line| line.contains(MARKER));
    assert_eq!(line, None, "a secret is logged");
    assert!(shown.contains("ann") && !shown.contains(MARKER), "{shown}");
}
