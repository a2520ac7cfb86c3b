//! The main job, end to end: an update goes in over HTTP and comes out of a stream, and a reconnect misses nothing.

use super::support::{Seen, TestServer};

#[tokio::test]
async fn an_update_published_over_http_reaches_a_subscriber() {
    let server = TestServer::open().await;
    let mut stream = server.subscribe("topic=a", "").await;
    assert_eq!(stream.next().await, Some(Seen::Comment(String::new())));
    assert!(matches!(stream.next().await, Some(Seen::Retry(_))));
    let id = server.publish("topic=a&data=hi").await;
    assert_eq!(stream.event().await, ("message".into(), "hi".into(), id));
}

#[tokio::test]
async fn a_reconnect_gets_exactly_what_came_after() {
    let server = TestServer::open().await;
    let first = server.publish("topic=a&data=1").await;
    server.publish("topic=b&data=other").await;
    server.publish("topic=a&data=2").await;
    let mut stream = server.subscribe("topic=a", &format!("Last-Event-ID: {first}\r\n")).await;
    assert_eq!(stream.head.header("last-event-id"), Some(first.as_str()));
    assert_eq!(stream.data(1).await, ["2"]);
    server.publish("topic=a&data=3").await;
    assert_eq!(stream.data(1).await, ["3"]);
}

#[tokio::test]
async fn a_connection_lost_before_the_first_event_resumes_without_a_hole() {
    let server = TestServer::open().await;
    let mut stream = server.subscribe("topic=a", "").await;
    stream.next().await;
    stream.next().await;
    let told = stream.last_event_id().to_owned();
    drop(stream);
    server.publish("topic=a&data=meanwhile").await;
    let mut stream = server.subscribe("topic=a", &format!("Last-Event-ID: {told}\r\n")).await;
    assert_eq!(stream.data(1).await, ["meanwhile"]);
}
