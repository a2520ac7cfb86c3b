//! What a subscriber asks for and gets.

use super::requests::{
    HUB, bearer, closed_config, encode, get, head_of, open, open_hub, post, publish, reason, send,
    start,
};
use crate::support::token;

const SECURITY: [(&str, &str); 4] = [
    ("x-frame-options", "DENY"),
    ("x-content-type-options", "nosniff"),
    ("x-xss-protection", "1; mode=block"),
    ("content-security-policy", "default-src 'self'"),
];

#[tokio::test]
async fn a_stream_has_the_headers_that_keep_it_flowing() {
    let server = open_hub().await;
    let stream = open(&server, &[("topic", "a")], &[]).await;
    for (name, value) in [
        ("content-type", "text/event-stream"),
        ("x-accel-buffering", "no"),
        ("cache-control", "private, no-cache, no-store, must-revalidate, max-age=0, no-transform"),
    ] {
        assert_eq!(stream.head.header(name), Some(value));
    }
    assert_eq!(stream.head.header("last-event-id"), None, "no cursor was sent");
}

#[tokio::test]
async fn a_stream_begins_with_a_comment_at_once() {
    let server = open_hub().await;
    let mut client = server.connect().await;
    client.send_request(&format!("GET {HUB}?topic=a HTTP/1.1"), b"").await;
    assert_eq!(client.head().await.unwrap().status, 200);
    let first = client.piece().await.unwrap();
    assert!(first.starts_with(b":\n"), "{}", String::from_utf8_lossy(&first));
}

#[tokio::test]
async fn every_answer_has_the_security_headers() {
    let server = open_hub().await;
    let stream = open(&server, &[("topic", "a")], &[]).await;
    let mut answers = vec![("a stream".to_owned(), stream.head)];
    for request in [
        format!("GET {HUB}"),
        format!("HEAD {HUB}?topic=a"),
        format!("PUT {HUB}"),
        format!("OPTIONS {HUB}"),
        format!("POST {HUB}"),
        format!("GET {HUB}/subscriptions"),
        format!("GET {HUB}/nothing"),
        "GET /nothing".to_owned(),
    ] {
        let answer = head_of(&server, &request, &[]).await;
        answers.push((request, answer));
    }
    answers.push(("an update".to_owned(), post(&server, &[], &[("topic", "a")]).await));
    for (what, answer) in &answers {
        for (name, value) in SECURITY {
            assert_eq!(answer.header(name), Some(value), "{what}");
        }
    }
}

#[tokio::test]
async fn a_topic_is_needed() {
    let server = open_hub().await;
    for query in ["", "?", "?Topic=a", "?match=a"] {
        let answer = get(&server, &format!("{HUB}{query}"), &[]).await;
        assert_eq!((answer.status, reason(&answer).as_str()), (400, "missing_topic"), "{query}");
        assert!(answer.text().contains("Missing \\\"topic\\\" parameter"));
    }
}

#[tokio::test]
async fn a_stranger_learns_nothing_of_parameters() {
    let server = start(closed_config()).await;
    assert_eq!(get(&server, HUB, &[]).await.status, 401);
    let token = bearer(&token(&[], &[]));
    assert_eq!(get(&server, HUB, &[&token]).await.status, 400);
}

#[tokio::test]
async fn a_subscriber_may_name_a_thousand_topics() {
    let server = open_hub().await;
    let mut query = vec![("topic", "b"); 999];
    query.push(("topic", "a"));
    let mut stream = open(&server, &query, &[]).await;
    publish(&server, &[("topic", "a"), ("data", "x")]).await;
    assert_eq!(stream.data(1).await, ["x"]);
    query.push(("topic", "c"));
    let answer = get(&server, &format!("{HUB}?{}", encode(&query)), &[]).await;
    assert_eq!((answer.status, reason(&answer).as_str()), (400, "too_many_selectors"));
    let long = "x".repeat(4097);
    let answer = get(&server, &format!("{HUB}?{}", encode(&[("topic", &long)])), &[]).await;
    assert_eq!((answer.status, reason(&answer).as_str()), (400, "selector_too_long"));
}

#[tokio::test]
async fn selectors_are_stars_topics_and_templates() {
    let server = open_hub().await;
    let topics = ["https://e.com/users/1", "https://e.com/users/1/posts", "a b/ü?x=%20", "{x"];
    for (selector, expected) in [
        ("*", &topics[..]),
        ("https://e.com/users/{id}", &topics[..1]),
        ("https://e.com/users/{+rest}", &topics[..2]),
        ("https://e.com/users{/id,what}", &topics[..2]),
        ("a b/ü?x=%20", &topics[2..3]),
        ("{x", &topics[3..]),
    ] {
        let query = [("topic", selector), ("topic", "the end")];
        let mut stream = open(&server, &query, &[]).await;
        for topic in topics {
            publish(&server, &[("topic", topic), ("data", topic)]).await;
        }
        publish(&server, &[("topic", "the end"), ("data", "the end")]).await;
        let seen = stream.data(expected.len() + 1).await;
        assert_eq!(seen[..expected.len()], *expected, "{selector}");
        assert_eq!(seen[expected.len()], "the end", "{selector}");
    }
}

#[tokio::test]
async fn head_answers_like_get_and_opens_no_stream() {
    let server = open_hub().await;
    let answer = head_of(&server, &format!("HEAD {HUB}?topic=a"), &[]).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    assert_eq!(server.server.hub().stats().subscribers, 0);
    assert_eq!(head_of(&server, &format!("HEAD {HUB}"), &[]).await.status, 400);
}

#[tokio::test]
async fn other_methods_are_told_which_ones_there_are() {
    let server = open_hub().await;
    for path in [HUB, "/events"] {
        for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "QUERY", "get"] {
            let answer = send(&server, &format!("{method} {path}"), &[], b"").await;
            assert_eq!(answer.status, 405, "{method} {path}");
            assert_eq!(answer.header("allow"), Some("GET, HEAD, POST"), "{method} {path}");
        }
    }
    let answer = send(&server, &format!("POST {HUB}/subscriptions"), &[], b"").await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD")));
}

#[tokio::test]
async fn the_short_path_is_the_same_hub() {
    let server = open_hub().await;
    let form = "Content-Type: application/x-www-form-urlencoded";
    let mut stream = open(&server, &[("topic", "a")], &[]).await;
    let answer = send(&server, "POST /events", &[form], b"topic=a&id=1").await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "1"));
    assert_eq!(stream.event().await.2, "1");
    for request in ["GET {}", "HEAD {}?topic=a", "GET {}?topic=a", "POST {}", "PUT {}"] {
        let mut heads = Vec::new();
        for path in [HUB, "/events"] {
            let mut head = head_of(&server, &request.replace("{}", path), &[]).await;
            head.headers.retain(|(name, _)| name != "date");
            heads.push((head.status, head.headers));
        }
        assert_eq!(heads[0], heads[1], "{request}");
    }
}

#[tokio::test]
async fn a_private_update_needs_a_grant_for_one_of_its_topics() {
    let server = open_hub().await;
    let granted = bearer(&token(&[], &["https://e.com/users/{id}"]));
    let other = bearer(&token(&[], &["https://e.com/books/{id}"]));
    let topic = "https://e.com/users/1";
    let mut streams = Vec::new();
    for headers in [&[][..], &[other.as_str()], &[granted.as_str()]] {
        streams.push(open(&server, &[("topic", topic)], headers).await);
    }
    publish(&server, &[("topic", topic), ("private", "on"), ("data", "secret")]).await;
    publish(&server, &[("topic", topic), ("data", "public")]).await;
    for (stream, expected) in
        streams.iter_mut().zip([&["public"][..], &["public"], &["secret", "public"]])
    {
        assert_eq!(stream.data(expected.len()).await, expected);
    }
}

/// One topic says what the update is about, another one who may read it.
#[tokio::test]
async fn the_topic_that_matches_and_the_topic_that_is_granted_may_differ() {
    let server = open_hub().await;
    let token = bearer(&token(&[], &["https://e.com/users/1/{?topic}"]));
    let mut stream = open(&server, &[("topic", "https://e.com/books/{id}")], &[&token]).await;
    let book = ("topic", "https://e.com/books/1");
    let mine = ("topic", "https://e.com/users/1/?topic=https%3A%2F%2Fe.com%2Fbooks%2F1");
    let theirs = ("topic", "https://e.com/users/2/?topic=https%3A%2F%2Fe.com%2Fbooks%2F1");
    let private = ("private", "on");
    publish(&server, &[book, theirs, private, ("data", "theirs")]).await;
    publish(&server, &[book, private, ("data", "nobody's")]).await;
    publish(&server, &[mine, private, ("data", "granted, but not asked for")]).await;
    publish(&server, &[book, theirs, mine, private, ("data", "mine")]).await;
    assert_eq!(stream.data(1).await, ["mine"]);
}

#[tokio::test]
async fn a_subscriber_who_asks_for_all_gets_only_what_the_token_allows() {
    let server = open_hub().await;
    let token = bearer(&token(&["*"], &["a"]));
    let mut stream = open(&server, &[("topic", "*")], &[&token]).await;
    publish(&server, &[("topic", "b"), ("private", "on"), ("data", "b, private")]).await;
    publish(&server, &[("topic", "b"), ("data", "b")]).await;
    publish(&server, &[("topic", "a"), ("private", "on"), ("data", "a, private")]).await;
    // The stream's own beginning, announced to those who may see who is subscribed, is not for it either.
    assert_eq!(stream.data(2).await, ["b", "a, private"]);
}
