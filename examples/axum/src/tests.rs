//! The app on real sockets: its sessions, and its end. What a host can do beside is tested with the server.

use reqwest::header::{COOKIE, SET_COOKIE};
use reqwest::{Client, Response};
use tokio::time::Instant;

use super::*;

const BOTH: &str = "/.well-known/mercure?topic=news&topic=users/alice";
/// How long a test waits for something that must come: far more than it takes.
const PATIENCE: Duration = Duration::from_mins(1);

/// Opens a stream, past its opening.
async fn open(url: &str, cookie: &str) -> Response {
    let request = Client::new().get(format!("{url}{BOTH}")).header(COOKIE, cookie);
    let mut stream = request.send().await.unwrap();
    assert_eq!(stream.status(), 200);
    assert!(read_until(&mut stream, "\n\n").await.starts_with(":\n"));
    stream
}

/// Reads a stream until this has come, and gives all that has.
async fn read_until(stream: &mut Response, expected: &str) -> String {
    let mut seen = String::new();
    while !seen.contains(expected) {
        let next = tokio::time::timeout(PATIENCE, stream.chunk()).await;
        let Ok(Ok(Some(bytes))) = next else { panic!("no {expected:?} after {seen:?}: {next:?}") };
        seen += str::from_utf8(&bytes).unwrap();
    }
    seen
}

/// Posts JSON as a user, and gives the answer.
async fn post(url: &str, path: &str, json: &str) -> Response {
    let request =
        Client::new().post(format!("{url}{path}")).header("Content-Type", "application/json");
    request.body(json.to_owned()).send().await.unwrap()
}

#[tokio::test]
async fn the_session_decides_who_is_notified_and_the_end_comes_with_fifty_streams_open() {
    let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (stop, stopped) = oneshot::channel::<()>();
    let app = App::new().await.unwrap();
    let hub = app.server.hub().clone();
    let done = tokio::spawn(run(listener, app, async { drop(stopped.await) }));

    let login = post(&url, "/login", r#"{"user":"alice"}"#).await;
    let cookie = login.headers()[SET_COOKIE].to_str().unwrap();
    let mut streams = vec![open(&url, cookie.split(';').next().unwrap()).await];
    for _ in 1..50 {
        streams.push(open(&url, "session=alice").await);
    }
    let mut plain = Client::new().get(format!("{url}/api/events")).send().await.unwrap();
    let notified = post(&url, "/users/alice/notifications", r#"{"text":"for alice"}"#).await;
    assert_eq!(notified.status(), 200);
    assert_eq!(post(&url, "/messages", r#"{"text":"for all"}"#).await.status(), 200);
    for (place, stream) in streams.iter_mut().enumerate() {
        let seen = read_until(stream, "for all").await;
        assert_eq!(seen.contains("for alice"), place == 0, "{seen}");
    }
    read_until(&mut plain, "for all").await;

    let begun = Instant::now();
    drop(stop);
    tokio::time::timeout(PATIENCE, done).await.unwrap().unwrap().unwrap();
    assert!(begun.elapsed() < DRAIN, "{:?}", begun.elapsed());
    assert_eq!(hub.stats().subscribers, 0);
    for stream in &mut streams {
        read_until(stream, "event: drain\n").await;
        while stream.chunk().await.unwrap().is_some() {}
    }
    assert_eq!(plain.chunk().await.unwrap(), None);
}
