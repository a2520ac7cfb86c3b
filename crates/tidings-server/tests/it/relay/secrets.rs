//! What must not reach the log, another host, or another user.

use std::io;
use std::sync::Arc;

use parking_lot::Mutex;
use tracing_subscriber::fmt::MakeWriter;

use super::upstream::{PATH, Upstream, ask, relaying};

const SECRET: &str = "s3cr3t";

/// The log, as text.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn credentials() -> String {
    format!("Cookie: session={SECRET}\r\nAuthorization: Bearer {SECRET}\r\n")
}

#[tokio::test]
async fn cookies_tokens_and_queries_are_not_logged() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .finish();
    let _quiet_again = tracing::subscriber::set_default(subscriber);
    let upstream = Upstream::start().await;
    let secret: http::HeaderValue = SECRET.parse().unwrap();
    for relay in [upstream.relay(PATH), upstream.per_client(PATH)] {
        let relay = relay.with_header("x-service".parse().unwrap(), secret.clone());
        let server = relaying(relay).await;
        let path = format!("{PATH}?key={SECRET}");
        // One that works and is lost, one that is refused, one that redirects, one that breaks off.
        let client = ask(&server, &path, &credentials()).await;
        drop(upstream.feed().await);
        drop(client.stream().await);
        let location = format!("Location: /elsewhere?key={SECRET}\r\n");
        for (status, headers) in [("500 No", ""), ("302 Found", location.as_str())] {
            let mut client = ask(&server, &format!("{path}{}", status.len()), &credentials()).await;
            loop {
                tokio::select! {
                    asked = upstream.asked() => asked.answer(status, headers, SECRET).await,
                    _ = client.answer() => break,
                }
            }
        }
        let mut client = ask(&server, &format!("{path}-broken"), &credentials()).await;
        drop(upstream.asked().await);
        client.answer().await;
    }
    let log = String::from_utf8(log.0.lock().clone()).unwrap();
    assert!(log.contains("upstream_failed") && log.contains("upstream_redirect"), "{log}");
    let lines: Vec<&str> = log.lines().filter(|line| line.contains(SECRET)).collect();
    assert_eq!(lines, Vec::<&str>::new());
}

#[tokio::test]
async fn a_redirect_to_another_origin_gets_no_credentials() {
    let (upstream, stranger) = (Upstream::start().await, Upstream::start().await);
    let relay = upstream
        .per_client(PATH)
        .with_header("x-service".parse().unwrap(), SECRET.parse().unwrap());
    let server = relaying(relay).await;
    let client = ask(&server, PATH, &format!("{}Accept-Language: de\r\n", credentials())).await;
    // On the same origin they stay.
    upstream.asked().await.answer("307 Temporary Redirect", "Location: ../other\r\n", "").await;
    let asked = upstream.asked().await;
    assert_eq!(asked.line(), "GET /other HTTP/1.1");
    for name in ["cookie", "authorization", "x-service"] {
        assert!(asked.header(name)[0].contains(SECRET), "{name}");
    }
    let location = format!("Location: {}\r\n", stranger.url("/there"));
    asked.answer("302 Found", &location, "").await;
    let asked = stranger.asked().await;
    assert!(!asked.head.contains(SECRET), "{}", asked.head);
    assert_eq!(asked.header("accept-language"), ["de"]);
    assert_eq!(asked.header("x-forwarded-for"), Vec::<&str>::new());
    // And do not come back with a redirect back.
    let location = format!("Location: {}\r\n", upstream.url("/back"));
    asked.answer("302 Found", &location, "").await;
    let asked = upstream.asked().await;
    assert!(!asked.head.contains(SECRET), "{}", asked.head);
    // A cookie of there is none of this site's.
    asked.feed_with("Set-Cookie: session=stranger\r\n").await.send("data: x\n\n").await;
    let mut stream = client.stream().await;
    assert_eq!(stream.head.header("set-cookie"), None);
    assert_eq!(stream.data(1).await, ["x"]);
}

#[tokio::test]
async fn a_shared_relays_upstream_learns_nothing_of_a_client() {
    let upstream = Upstream::start().await;
    let server = relaying(upstream.relay(PATH)).await;
    let client =
        ask(&server, PATH, &format!("{}X-Forwarded-For: 192.0.2.1\r\n", credentials())).await;
    let asked = upstream.asked().await;
    assert!(!asked.head.contains(SECRET), "{}", asked.head);
    for name in ["cookie", "authorization", "x-forwarded-for"] {
        assert_eq!(asked.header(name), Vec::<&str>::new(), "{name}");
    }
    // Nor does one client of another: what the upstream sets is for none of them.
    let _feed = asked.feed_with("Set-Cookie: session=relay\r\n").await;
    let head = client.stream().await.head;
    assert_eq!(head.header("set-cookie"), None);
    assert!(head.header("cache-control").unwrap().contains("no-store"));
}

#[tokio::test]
async fn endless_redirects_end() {
    let upstream = Upstream::start().await;
    let server = relaying(upstream.per_client(PATH)).await;
    let mut client = server.connect().await;
    client.send_request(&format!("GET {PATH} HTTP/1.1"), b"").await;
    let mut redirects = 0;
    let answer = loop {
        tokio::select! {
            asked = upstream.asked() => {
                redirects += 1;
                asked.answer("302 Found", "Location: /api/events\r\n", "").await;
            }
            answer = client.answer() => break answer,
        }
    };
    assert_eq!((answer.status, redirects), (502, 6));
    assert_eq!(answer.json()["reason"], "upstream_redirect");
}
