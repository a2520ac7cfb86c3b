//! What errors and debug output do not show.

use std::fmt::Write as _;

use tidings_client::{Publisher, Signal, Update};

use crate::server::{Answer, Server, answer, stream};
use crate::told::{all, plain_client, subscribe};

/// Every way an attempt may end, at a URL and with headers full of secrets.
#[tokio::test(start_paused = true)]
async fn no_error_and_no_debug_output_of_a_subscription_shows_a_secret() {
    let moved = "Location: http://eve:hunter2@127.0.0.1:1/?hunter2#hunter2\r\n";
    let answers = vec![
        Answer::raw("nonsense"),
        answer("503 Service Unavailable", "X-Secret: hunter2\r\n", ""),
        stream("data\n\n"),
        stream("").resets(),
        stream("").stalls(),
        answer("302 Found", moved, ""),
        answer("307 Found", "Location: data:hunter2\r\n", ""),
    ];
    let server = Server::start(answers).await;
    let url = server.url("/a?token=hunter2#hunter2").replace("http://", "http://ann:hunter2@");
    let subscribe = subscribe(url)
        .with_header("authorization", "Bearer hunter2")
        .with_header("x-key", "hunter2")
        .with_body("hunter2");
    let mut shown = format!("{subscribe:?}");
    let mut events = subscribe.open();
    write!(shown, "{events:?}").unwrap();
    let signals = all(&mut events).await;
    assert!(signals.len() >= 9, "{signals:?}");
    for signal in &signals {
        write!(shown, "{signal:?}").unwrap();
        match signal {
            Signal::Retrying(retrying) => write!(shown, "{:#}", retrying.error).unwrap(),
            Signal::Stopped(Some(error)) => write!(shown, "{error:#}").unwrap(),
            _ => {}
        }
    }
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(shown.contains(&server.url("/a")), "{shown}");
}

#[tokio::test(start_paused = true)]
async fn no_error_and_no_debug_output_of_a_publisher_shows_a_secret() {
    let answers = vec![
        answer("503 Service Unavailable", "", ""),
        Answer::raw("nonsense"),
        answer("302 Found", "Location: http://eve:hunter2@127.0.0.1:1/?hunter2\r\n", ""),
    ];
    let server = Server::start(answers).await;
    let url = server.url("/a?token=hunter2").replace("http://", "http://ann:hunter2@");
    let publisher = Publisher::new(url)
        .with_http_client(plain_client())
        .with_header("authorization", "Bearer hunter2");
    let publish = publisher.publish(&Update::new("a", "hunter2"));
    let mut shown = format!("{publisher:?}{publish:?}{:?}", publisher.publish_all([]));
    let error = publish.await.unwrap_err();
    write!(shown, "{error:?}{error:#}").unwrap();
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(
        shown.contains(&format!("cannot publish to {}: the hub answers 302", server.url("/a")))
    );
    assert_eq!(server.requests().len(), 3);
}
