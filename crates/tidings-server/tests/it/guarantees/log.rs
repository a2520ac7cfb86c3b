//! Guarantees 1, 2 and 12: the order of the log, what an acknowledgement means, and once for each subscriber.

use super::super::support::{Client, TestServer, seq};

/// Publishes `count` updates on a connection of its own, alternately to `a` and to `b`. Gives (seq, topic, data).
async fn publish_many(mut client: Client, name: usize, count: usize) -> Vec<(u64, char, String)> {
    let mut published = Vec::new();
    for n in 0..count {
        let topic = if n % 2 == 0 { 'a' } else { 'b' };
        let data = format!("{name}-{n}");
        let answer = client.post(&format!("topic={topic}&data={data}")).await;
        assert_eq!(answer.status, 200);
        published.push((seq(&answer.text()), topic, data));
    }
    published
}

#[tokio::test]
async fn every_subscriber_sees_updates_in_log_order() {
    let server = TestServer::open().await;
    let mut streams = Vec::new();
    for query in ["topic=a", "topic=b", "topic=b&topic=a", "topic=%7Bany%7D", "topic=*"] {
        streams.push((query, server.subscribe(query, "").await.opened().await));
    }
    let mut publishers = Vec::new();
    for name in 0..4 {
        publishers.push(tokio::spawn(publish_many(server.connect().await, name, 50)));
    }
    let mut log = Vec::new();
    for publisher in publishers {
        log.extend(publisher.await.unwrap());
    }
    log.sort();
    // And once more, replayed.
    let from_the_start = "lastEventID=earliest&topic=b&topic=a";
    streams.push((from_the_start, server.subscribe(from_the_start, "").await));
    for (query, mut stream) in streams {
        let wanted = |topic: char| match query {
            "topic=a" => topic == 'a',
            "topic=b" => topic == 'b',
            _ => true,
        };
        for (seq_logged, _, data) in log.iter().filter(|(_, topic, _)| wanted(*topic)) {
            let (_, seen, id) = stream.event().await;
            assert_eq!((seq(&id), &seen), (*seq_logged, data), "{query}");
        }
    }
}

#[tokio::test]
async fn an_acknowledged_update_is_in_the_log() {
    let server = TestServer::open().await;
    let mut last = "earliest".to_owned();
    let mut acknowledged = Vec::new();
    for (content_type, body) in [
        ("application/x-www-form-urlencoded", "topic=a&data=form"),
        ("application/json", r#"{"topic":"a","data":"json"}"#),
        ("application/json", r#"[{"topic":"a","data":"first"},{"topic":"a","data":"second"}]"#),
        (
            "application/x-ndjson",
            "{\"topic\":\"a\",\"data\":\"1st\"}\n{\"topic\":\"a\",\"data\":\"2nd\"}\n",
        ),
        ("application/x-www-form-urlencoded", "topic=a&data=own&id=urn:own"),
    ] {
        let head = format!("POST /events HTTP/1.1\r\nContent-Type: {content_type}");
        let answer = server.request(&head, body.as_bytes()).await;
        assert_eq!(answer.status, 200, "{body}: {}", answer.text());
        let answer = answer.text();
        // Whoever comes right after the acknowledgement finds the update in the log, under the id that was told.
        let header = format!("Last-Event-ID: {last}\r\n");
        let mut stream = server.subscribe("topic=a", &header).await;
        for _ in 0..body.matches("data").count() {
            let (_, data, id) = stream.event().await;
            assert!(body.contains(&data), "{data} is not from {body}");
            assert!(answer.contains(&id), "{id} is not in {answer}");
            last.clone_from(&id);
            acknowledged.push(data);
        }
    }
    let mut stream = server.subscribe("topic=a&lastEventID=earliest", "").await;
    assert_eq!(stream.data(acknowledged.len()).await, acknowledged);
    assert_eq!(acknowledged, ["form", "json", "first", "second", "1st", "2nd", "own"]);
}

/// The results of NDJSON lines, each of them an update's data or blank.
async fn publish_lines(server: &TestServer, key: &str, lines: &[&str]) -> Vec<String> {
    let line = |text: &&str| match text.trim_ascii() {
        "" => format!("{text}\n"),
        data => format!("{{\"topic\":\"a\",\"data\":\"{data}\"}}\n"),
    };
    let body: String = lines.iter().map(line).collect();
    let head = format!(
        "POST /events HTTP/1.1\r\nIdempotency-Key: {key}\r\nContent-Type: application/x-ndjson"
    );
    let answer = server.request(&head, body.as_bytes()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.text().lines().map(str::to_owned).collect()
}

/// Publishers that repeat a request leave blank what is answered already: the lines after it must keep their keys.
#[tokio::test]
async fn blank_lines_count_for_the_keys_of_a_repeated_request() {
    let server = TestServer::open().await;
    let first = publish_lines(&server, "key", &["1", "2", "3"]).await;
    let [one, two, three] = &first[..] else { panic!("{first:?}") };

    let rest = publish_lines(&server, "key", &["", "2", "3"]).await;
    assert_eq!(rest, [two.as_str(), three]);
    let around = publish_lines(&server, "key", &["1", " \t\r", "3"]).await;
    assert_eq!(around, [one.as_str(), three]);
    let last_and_new = publish_lines(&server, "key", &["\r", "", "3", "4"]).await;
    assert_eq!(last_and_new[0], *three);
    // They count in the first request, too, and in what is said of a line.
    let after_blank = publish_lines(&server, "other key", &["", "5"]).await;
    assert_eq!(publish_lines(&server, "other key", &["6", "5"]).await[1..], after_blank);
    let too_early = publish_lines(&server, "key", &["", "", "2"]).await.concat();
    assert!(too_early.contains("idempotency_key_reused"), "{too_early}");
    assert!(too_early.ends_with("\"line\":3}"), "{too_early}");

    let mut stream = server.subscribe("topic=a&lastEventID=earliest", "").await;
    server.publish("topic=a&data=end").await;
    assert_eq!(stream.data(7).await, ["1", "2", "3", "4", "5", "6", "end"]);
}

#[tokio::test]
async fn an_update_to_several_topics_arrives_once() {
    let server = TestServer::open().await;
    let before = server.publish("topic=a&data=before").await;
    let everything = "topic=a&topic=b&topic=a&topic=%7Bany%7D&topic=%7Bother%7D&topic=*";
    let overlapping = "topic=a&topic=b&topic=a&topic=%7Bany%7D&topic=%7Bother%7D";
    let mut live = Vec::new();
    for query in [everything, overlapping] {
        live.push(server.subscribe(query, "").await.opened().await);
    }
    let id = server.publish("topic=a&topic=b&topic=a&topic=c&data=once").await;
    let end = server.publish("topic=a&topic=b&data=end").await;
    for query in [everything, overlapping] {
        live.push(server.subscribe(query, &format!("Last-Event-ID: {before}\r\n")).await);
    }
    for mut stream in live {
        assert_eq!(stream.event().await, ("message".into(), "once".into(), id.clone()));
        assert_eq!(stream.event().await, ("message".into(), "end".into(), end.clone()));
    }
}
