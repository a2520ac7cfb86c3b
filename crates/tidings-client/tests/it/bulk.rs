//! Many updates: requests of NDJSON, results in order, and that a request made again publishes nothing twice.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tidings_client::{PublishFailure, Publisher, Update};

use crate::server::{Answer, Server, answer};
use crate::told::plain_client;

fn publisher(server: &Server) -> Publisher {
    Publisher::new(server.url("/events")).with_http_client(plain_client())
}

fn updates(count: usize) -> impl Iterator<Item = Update> + Send + 'static {
    (1..=count).map(|n| Update::new("t", n.to_string()))
}

/// The hub's answer with these lines.
fn lines<'a>(lines: impl IntoIterator<Item = &'a str>) -> Answer {
    let body: String = lines.into_iter().flat_map(|line| [line, "\n"]).collect();
    answer("200 OK", "Content-Type: application/x-ndjson\r\n", &body)
}

/// Every result as the id, or the failure.
async fn results(mut results: tidings_client::Results) -> Vec<String> {
    let mut texts = Vec::new();
    while let Some(result) = results.next().await {
        texts.push(result.unwrap_or_else(|error| error.failure().to_string()));
    }
    assert!(results.next().await.is_none(), "the end is the end");
    texts
}

#[tokio::test(start_paused = true)]
async fn each_update_is_a_line_and_each_line_has_its_result_in_order() {
    let refused = r#"{"error":"missing_topic","detail":"no\ntopic","line":2}"#;
    let server =
        Server::start(vec![lines([r##"{"id":"#1"}"##, refused, r##"{"id":"#3"}"##])]).await;
    let all = [
        Update::new("a", "1\n2").with_topic("b").with_type("t").with_id("i").into_private(),
        Update::new("a", "").with_retry(Duration::from_secs(2)),
        Update::new("c", "\u{2028}"),
    ];
    let publish = publisher(&server).publish_all(all).with_idempotency_key("k");
    let refused = r"the hub refuses the update: missing_topic: no\ntopic";
    assert_eq!(results(publish).await, ["#1", refused, "#3"]);
    let request = &server.requests()[0];
    assert_eq!(request.header("content-type"), Some("application/x-ndjson"));
    assert_eq!(request.header("idempotency-key"), Some("k/0"));
    let expected = [
        r#"{"topic":["a","b"],"data":"1\n2","type":"t","id":"i","private":true}"#,
        r#"{"topic":["a"],"retry":2000}"#,
        "{\"topic\":[\"c\"],\"data\":\"\u{2028}\"}",
        "",
    ];
    assert_eq!(request.body, expected.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn what_is_answered_is_not_sent_again_and_all_else_keeps_its_line_and_its_key() {
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{\"id\":\"1\"}\n{\"id\":\"2\"}\n{\"id\":\"thr";
    let away = r#"{"error":"log_unavailable","detail":"away","line":3}"#;
    let server = Server::start(vec![
        Answer::raw(""),
        Answer::raw(cut),
        answer("503 Service Unavailable", "", ""),
        lines([away, r#"{"id":"4"}"#]),
        Answer::raw("HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n").stalls(),
        lines([]),
        lines([r#"{"id":"3"}"#, r#"{"id":"5"}"#]),
    ])
    .await;
    assert_eq!(
        results(publisher(&server).publish_all(updates(5))).await,
        ["1", "2", "3", "4", "5"]
    );
    let requests = server.requests();
    let line = |n: usize| format!("{{\"topic\":[\"t\"],\"data\":\"{n}\"}}\n");
    let body = |open: &[usize]| -> String {
        (1..=5).map(|n| if open.contains(&n) { line(n) } else { "\n".to_owned() }).collect()
    };
    let bodies: Vec<_> = requests.iter().map(|it| it.body.as_str()).collect();
    let (all, three, two) = (body(&[1, 2, 3, 4, 5]), body(&[3, 4, 5]), body(&[3, 5]));
    assert_eq!(bodies, [&all, &all, &three, &three, &two, &two, &two]);
    let keys: Vec<_> = requests.iter().map(|it| it.header("idempotency-key").unwrap()).collect();
    assert!(keys.iter().all(|key| *key == keys[0] && key.len() == 34), "{keys:?}");
}

#[tokio::test(start_paused = true)]
async fn an_update_has_the_same_key_and_line_whatever_request_it_goes_in() {
    let ids: Vec<String> = (1..=1_200).map(|n| format!("{{\"id\":\"{n}\"}}")).collect();
    let answers = |cuts: &[usize]| -> Vec<Answer> {
        cuts.windows(2).map(|cut| lines(ids[cut[0]..cut[1]].iter().map(String::as_str))).collect()
    };
    let keyed = |server: &Server| -> Vec<(String, usize, String)> {
        let requests = server.requests();
        let lines = requests.iter().flat_map(|request| {
            let key = request.header("idempotency-key").unwrap();
            request
                .body
                .lines()
                .enumerate()
                .map(move |(n, line)| (key.to_owned(), n, line.to_owned()))
        });
        lines.filter(|(_, _, line)| !line.is_empty()).collect()
    };
    let server = Server::start(answers(&[0, 1_000, 1_200])).await;
    let at_once = publisher(&server).publish_all(updates(1_200)).with_idempotency_key("k");
    assert_eq!(results(at_once).await.len(), 1_200);
    assert_eq!(server.requests().len(), 2);

    let slow = Server::start(answers(&[0, 1, 400, 1_000, 1_200])).await;
    let mut script: VecDeque<Option<Update>> = updates(1_200).map(Some).collect();
    for pause in [400, 1] {
        script.insert(pause, None);
    }
    let publish = publisher(&slow).publish_stream(Script(script)).with_idempotency_key("k");
    let expected: Vec<String> = (1..=1_200).map(|n| n.to_string()).collect();
    assert_eq!(results(publish).await, expected);
    assert_eq!(slow.requests().len(), 4);
    assert_eq!(keyed(&slow), keyed(&server));
    assert_eq!(keyed(&server)[1_100].0, "k/1");
}

/// Updates, with `None` where the next one is not there yet.
struct Script(VecDeque<Option<Update>>);

impl futures_core::Stream for Script {
    type Item = Update;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Update>> {
        match self.0.pop_front() {
            Some(Some(update)) => Poll::Ready(Some(update)),
            Some(None) => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
            None => Poll::Ready(None),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_holds_less_than_a_mebibyte_unless_an_update_is_large() {
    let id = || lines([r#"{"id":"x"}"#; 2]);
    let server = Server::start(vec![id(), id(), id(), lines([r#"{"id":"x"}"#])]).await;
    let large = (0..7).map(|_| Update::new("t", "x".repeat(400 << 10)));
    assert_eq!(results(publisher(&server).publish_all(large)).await, ["x"; 7]);
    let lengths: Vec<_> = server.requests().iter().map(|it| it.body.len() >> 10).collect();
    assert_eq!(lengths, [800, 800, 800, 400]);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_token_between_the_lines_is_no_end_of_the_publish() {
    let expired = r#"{"error":"expired","detail":"the token has expired","line":3}"#;
    let server =
        Server::start(vec![lines([r#"{"id":"1"}"#, expired]), lines([r#"{"id":"2"}"#])]).await;
    assert_eq!(results(publisher(&server).publish_all(updates(2))).await, ["1", "2"]);
}

#[tokio::test(start_paused = true)]
async fn what_ends_the_publish_comes_after_the_results_before_it() {
    let no = answer("403 Forbidden", "", r#"{"reason":"forbidden"}"#);
    let server = Server::start(vec![lines([r#"{"id":"1"}"#]), no]).await;
    let publish = publisher(&server).publish_all(updates(3));
    assert_eq!(results(publish).await, ["1", "the hub answers 403 Forbidden: forbidden"]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_no_hubs_is_not_believed() {
    let two = [r#"{"id":"1"}"#, r#"{"id":"2"}"#, r#"{"id":"3"}"#];
    let elsewhere = r#"{"error":"bad_id","detail":"","line":2}"#;
    let long = "x".repeat(70_000);
    for bad in [
        lines(["<html>"]),
        lines([""]),
        lines(two),
        lines([elsewhere]),
        lines([r#"{"id":7}"#]),
        lines([r#"["1"]"#]),
        lines([long.as_str()]),
        Answer::raw("HTTP/1.1 200 OK\r\n\r\n").repeat(vec![b'x'; 1 << 16], usize::MAX),
    ] {
        let server = Server::start(vec![bad]).await;
        let mut publish = publisher(&server).publish_all(updates(2));
        let error = loop {
            if let Err(error) = publish.next().await.unwrap() {
                break error;
            }
        };
        assert!(matches!(error.failure(), PublishFailure::BadAnswer), "{error}");
        assert!(publish.next().await.is_none());
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_drips_is_waited_for_no_longer_than_one_that_stalls() {
    let start = || Answer::raw("HTTP/1.1 200 OK\r\n\r\n{\"id\":\"1\"}\n{");
    let drips = (0..100).fold(start(), |drips, _| drips.pause(Duration::from_secs(20)).then(" "));
    let server = Server::start(vec![drips, lines([r#"{"id":"2"}"#])]).await;
    assert_eq!(results(publisher(&server).publish_all(updates(2))).await, ["1", "2"]);
    let requests = server.requests();
    let waited = requests[1].at - requests[0].at;
    assert!(waited >= Duration::from_secs(30) && waited < Duration::from_secs(33), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn nothing_to_publish_is_nothing_sent() {
    let server = Server::start(vec![]).await;
    assert!(results(publisher(&server).publish_all([])).await.is_empty());
    assert_eq!(server.requests().len(), 0);
}
