//! What a publisher sends and is answered.

use std::time::Duration;

use tidings_hub::HubConfig;

use super::requests::{HUB, encode, open, open_config, open_hub, post, publish, reason, send};
use crate::support::{Seen, TestServer};

#[tokio::test]
async fn a_publisher_is_answered_with_the_id_and_nothing_else() {
    let server = open_hub().await;
    let answer = post(&server, &[], &[("topic", "a"), ("id", "urn:x:1"), ("data", "hi")]).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(answer.text(), "urn:x:1");
}

#[tokio::test]
async fn an_update_without_an_id_gets_its_position_for_one() {
    let server = open_hub().await;
    let epoch = server.server.hub().epoch();
    assert_eq!(publish(&server, &[("topic", "a"), ("id", "")]).await, format!("#{epoch}-1"));
    assert_eq!(publish(&server, &[("topic", "a"), ("id", "own")]).await, "own");
    assert_eq!(publish(&server, &[("topic", "a")]).await, format!("#{epoch}-3"));
}

/// A form's fields, and how it is refused.
type Refused<'a> = (&'a [(&'a str, &'a str)], u16, &'a str);

#[tokio::test]
async fn what_is_not_an_update_is_refused_with_its_reason_and_changes_nothing() {
    let server = open_hub().await;
    let topics = vec![("topic", "a"); 1001];
    let cases: [Refused<'_>; 14] = [
        (&[], 400, "missing_topic"),
        (&[("data", "a")], 400, "missing_topic"),
        (&[("topic", "")], 400, "empty_topic"),
        (&topics, 400, "too_many_topics"),
        (&[("topic", "a"), ("retry", "soon")], 400, "bad_retry"),
        (&[("topic", "a"), ("retry", "-1")], 400, "bad_retry"),
        (&[("topic", "a"), ("retry", "1.5")], 400, "bad_retry"),
        (&[("topic", "a"), ("retry", "18446744073709551616")], 400, "bad_retry"),
        (&[("topic", "a"), ("id", "x\ny")], 400, "bad_id"),
        (&[("topic", "a"), ("id", "x\0")], 400, "bad_id"),
        (&[("topic", "a"), ("id", "#mine")], 400, "bad_id"),
        (&[("topic", "a"), ("id", "earliest")], 400, "bad_id"),
        (&[("topic", "a"), ("type", "x\rdata: y")], 400, "bad_type"),
        (&[("topic", "https://e.com/.well-known/mercure/x")], 403, "reserved_topic"),
    ];
    for (fields, status, expected) in cases {
        let answer = post(&server, &[], fields).await;
        let fields = fields.get(..2).unwrap_or(fields);
        assert_eq!((answer.status, reason(&answer).as_str()), (status, expected), "{fields:?}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    }
    assert_eq!(server.server.hub().stats().published, 0);
}

#[tokio::test]
async fn a_body_that_is_not_a_form_is_told_what_to_send() {
    let server = open_hub().await;
    for headers in [&[][..], &["Content-Type: text/plain"], &["Content-Type: multipart/form-data"]]
    {
        let answer = send(&server, &format!("POST {HUB}"), headers, b"topic=a").await;
        assert_eq!((answer.status, reason(&answer).as_str()), (415, "unsupported_media_type"));
    }
    let form = "Content-Type: Application/X-WWW-Form-Urlencoded; charset=UTF-8";
    let answer = send(&server, &format!("POST {HUB}"), &[form], b"topic=a").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    for body in [&b"topic=%zz"[..], b"topic=%ff", b"topic=a&data=%"] {
        let answer = send(&server, &format!("POST {HUB}"), &[form], body).await;
        assert_eq!(answer.status, 400, "{}", String::from_utf8_lossy(body));
    }
}

#[tokio::test]
async fn only_the_body_counts_not_the_query() {
    let server = open_hub().await;
    let form = "Content-Type: application/x-www-form-urlencoded";
    let answer = send(&server, &format!("POST {HUB}?topic=a"), &[form], b"data=x").await;
    assert_eq!((answer.status, reason(&answer).as_str()), (400, "missing_topic"));
}

#[tokio::test]
async fn unknown_fields_are_ignored() {
    let server = open_hub().await;
    let mut stream = open(&server, &[("topic", "a")], &[]).await;
    publish(&server, &[("topic", "a"), ("colour", "blue"), ("data", "x"), ("targets", "b")]).await;
    assert_eq!(stream.data(1).await, ["x"]);
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let mut config = open_config();
    config.requests.body_bytes = 4096;
    config.requests.update_bytes = 1024;
    let server = TestServer::start(HubConfig::default(), config).await;
    let answer = post(&server, &[], &[("topic", "a"), ("data", &"x".repeat(4096))]).await;
    assert_eq!((answer.status, reason(&answer).as_str()), (413, "body_too_large"));
    let answer = post(&server, &[], &[("topic", "a"), ("data", &"x".repeat(1025))]).await;
    assert_eq!((answer.status, reason(&answer).as_str()), (413, "data_too_large"));
}

/// An update in a JSON array was refused with 400 for what is 403 or 413 on its own: the status looked at the outer
/// error, the reason at the inner one.
#[tokio::test]
async fn a_reason_has_one_status_in_every_kind_of_body() {
    let mut config = open_config();
    config.requests.update_bytes = 4;
    let server = TestServer::start(HubConfig::default(), config).await;
    for (update, status, expected) in [
        (r#"{"topic":"/.well-known/mercure/a"}"#, 403, "reserved_topic"),
        (r#"{"topic":"a","data":"12345"}"#, 413, "data_too_large"),
        (r#"{"data":"1"}"#, 400, "missing_topic"),
    ] {
        for body in [update.to_owned(), format!(r#"[{{"topic":"a"}},{update}]"#)] {
            let json = "Content-Type: application/json";
            let answer = send(&server, &format!("POST {HUB}"), &[json], body.as_bytes()).await;
            assert_eq!((answer.status, reason(&answer).as_str()), (status, expected), "{body}");
        }
    }
}

#[tokio::test]
async fn empty_data_still_makes_an_event() {
    let server = open_hub().await;
    let mut stream = open(&server, &[("topic", "a")], &[]).await;
    let id = publish(&server, &[("topic", "a")]).await;
    assert_eq!(stream.event().await, ("message".into(), String::new(), id));
}

#[tokio::test]
async fn every_kind_of_line_break_in_data_arrives_as_a_line_break() {
    let server = open_hub().await;
    let mut stream = open(&server, &[("topic", "a")], &[]).await;
    publish(&server, &[("topic", "a"), ("data", "1\n2\r\n3\r4\r\rid: 5\n")]).await;
    assert_eq!(stream.data(1).await, ["1\n2\n3\n4\n\nid: 5\n"]);
}

#[tokio::test]
async fn an_update_may_name_its_events_type() {
    let server = open_hub().await;
    let mut stream = open(&server, &[("topic", "a")], &[]).await;
    publish(&server, &[("topic", "a"), ("type", "book"), ("data", "x")]).await;
    let (event_type, data, _) = stream.event().await;
    assert_eq!((event_type.as_str(), data.as_str()), ("book", "x"));
}

#[tokio::test]
async fn a_reconnection_time_is_passed_on_unless_it_is_zero_or_empty() {
    let server = open_hub().await;
    let mut stream = open(&server, &[("topic", "a")], &[]).await;
    stream.next().await;
    stream.next().await;
    for (retry, told) in [("0", None), ("", None), ("007", Some(7)), ("1500", Some(1500))] {
        publish(&server, &[("topic", "a"), ("retry", retry)]).await;
        if let Some(told) = told {
            assert_eq!(stream.next().await, Some(Seen::Retry(Duration::from_millis(told))));
        }
        assert!(matches!(stream.next().await, Some(Seen::Event { .. })), "{retry}");
    }
}

#[tokio::test]
async fn private_counts_by_being_there_whatever_its_value() {
    let server = open_hub().await;
    let mut stream = open(&server, &[("topic", "a")], &[]).await;
    for value in ["on", "", "off", "false", "0"] {
        publish(&server, &[("topic", "a"), ("private", value), ("data", "secret")]).await;
    }
    publish(&server, &[("topic", "a"), ("data", "public")]).await;
    assert_eq!(stream.data(1).await, ["public"]);
}

#[tokio::test]
async fn an_update_with_several_topics_arrives_once() {
    let server = open_hub().await;
    let query = [("topic", "a"), ("topic", "b"), ("topic", "*"), ("topic", "{any}")];
    let mut stream = open(&server, &query, &[]).await;
    publish(&server, &[("topic", "a"), ("topic", "b"), ("topic", "a"), ("data", "1")]).await;
    publish(&server, &[("topic", "b"), ("data", "2")]).await;
    assert_eq!(stream.data(2).await, ["1", "2"]);
}

#[tokio::test]
async fn a_closing_hub_refuses_updates_and_says_when_to_come_back() {
    let server = open_hub().await;
    server.server.hub().close();
    let body = encode(&[("topic", "a")]);
    let form = "Content-Type: application/x-www-form-urlencoded";
    let answer = send(&server, &format!("POST {HUB}"), &[form], body.as_bytes()).await;
    assert_eq!((answer.status, reason(&answer).as_str()), (503, "draining"));
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!(wait > 0);
}
