//! Guarantees 3 and 4: a reconnect misses nothing, or is told first that it does.

use std::fmt::Write;
use std::net::SocketAddr;

use serde_json::{Value, json};
use tidings_hub::{HubConfig, Retention};

use super::super::support::{Client, EventStream, Seen, TestServer, open_config, seq};

/// Publishes the numbers from 0 on as NDJSON, half of them to a topic that nobody asks for, too. Gives the first id.
async fn publish_numbers(address: SocketAddr, count: usize) -> String {
    let mut lines = String::new();
    for n in 0..count {
        let topics = if n % 2 == 0 { r#"["a","b"]"# } else { r#""a""# };
        writeln!(lines, r#"{{"topic":{topics},"data":"{n}"}}"#).unwrap();
    }
    let mut client = Client::connect(address).await;
    let head = "POST /events HTTP/1.1\r\nContent-Type: application/x-ndjson";
    client.send_request(head, lines.as_bytes()).await;
    let answer = client.answer().await.text();
    assert_eq!(answer.lines().count(), count, "each line has its result");
    let first: Value = serde_json::from_str(answer.lines().next().unwrap()).unwrap();
    first["id"].as_str().unwrap().to_owned()
}

/// Reads the next event, which must be this number's, and gives its id.
async fn read_number(stream: &mut EventStream, n: usize) -> String {
    let (event_type, data, id) = stream.event().await;
    assert_eq!((event_type.as_str(), data), ("message", n.to_string()), "{id}");
    id
}

#[tokio::test]
async fn a_reconnect_gets_every_later_update_once() {
    const LOGGED: usize = 100_000;
    /// How many events are read between two that are published meanwhile.
    const PACE: usize = 40;
    let mut hub = HubConfig::default();
    hub.retention.max_updates = 2 * LOGGED;
    let server = TestServer::start(hub, open_config()).await;
    let first = publish_numbers(server.address, LOGGED).await;
    // The whole log in one connection, while publishing goes on to its end.
    let mut publisher = server.connect().await;
    let mut published = LOGGED;
    let mut stream = server.subscribe("topic=a", &format!("Last-Event-ID: {first}\r\n")).await;
    assert_eq!(stream.head.header("last-event-id"), Some(first.as_str()));
    for n in 1..LOGGED {
        read_number(&mut stream, n).await;
        if n % PACE == 0 {
            let answer = publisher.post(&format!("topic=a&data={published}")).await;
            assert_eq!(answer.status, 200);
            published += 1;
        }
    }
    for n in LOGGED..published {
        read_number(&mut stream, n).await;
    }
}

#[tokio::test]
async fn a_connection_that_breaks_again_and_again_misses_nothing() {
    const UPDATES: usize = 1_500;
    let server = TestServer::open().await;
    let mut last = server.publish("topic=a&data=start").await;
    let mut publisher = server.connect().await;
    let publishing = tokio::spawn(async move {
        for n in 0..UPDATES {
            assert_eq!(publisher.post(&format!("topic=a&data={n}")).await.status, 200);
        }
    });
    let mut received = 0;
    for connection in 1.. {
        let headers = format!("Last-Event-ID: {last}\r\n");
        let mut stream = server.subscribe("topic=a", &headers).await;
        // It breaks after so many events, whatever else is on its way by then.
        for _ in 0..connection % 41 {
            if received < UPDATES {
                last = read_number(&mut stream, received).await;
                received += 1;
            }
        }
        if received == UPDATES {
            break;
        }
    }
    publishing.await.unwrap();
}

/// A hub whose log keeps ten updates and holds `old` and then 1 to 20.
async fn forgetful() -> (TestServer, Vec<String>) {
    let retention = Retention { max_updates: 10, ..HubConfig::default().retention };
    let hub = HubConfig { retention, ..HubConfig::default() };
    // Without presence, so that the log holds these updates only.
    let config = tidings_server::ServerConfig { subscriptions: false, ..open_config() };
    let server = TestServer::start(hub, config).await;
    let mut ids = vec![server.publish("topic=a&data=old&id=urn:old").await];
    for n in 1..=20 {
        ids.push(server.publish(&format!("topic=a&data={n}")).await);
    }
    (server, ids)
}

async fn gap(stream: &mut EventStream) -> (Value, String) {
    assert_eq!(stream.next().await, Some(Seen::Comment(String::new())));
    assert!(matches!(stream.next().await, Some(Seen::Retry(_))));
    let Some(Seen::Event { event_type, data, id }) = stream.next().await else {
        panic!("not an event")
    };
    assert_eq!(event_type, "gap", "{data}");
    (serde_json::from_str(&data).unwrap(), id)
}

#[tokio::test]
async fn a_gap_is_told_first() {
    let (server, ids) = forgetful().await;
    let (other, _) = forgetful().await;
    let of_other_epoch = other.publish("topic=a&data=elsewhere").await;
    let beyond = format!("{}9", ids[20]);
    // The id, how many updates it misses, and what is replayed: updates 11 to 20 are retained.
    for (id, missed, replayed) in [
        (ids[1].clone(), Some(9), 11..21),
        (ids[9].clone(), Some(1), 11..21),
        ("urn:old".to_owned(), None, 11..21),
        ("urn:never-heard-of".to_owned(), None, 11..21),
        (of_other_epoch, None, 11..21),
        (beyond, None, 21..21),
    ] {
        let last = format!("Last-Event-ID: {id}\r\n");
        let mut stream = server.subscribe("topic=a", &last).await;
        assert_eq!(stream.head.header("last-event-id"), Some("earliest"), "{id}");
        let (told, resume_from) = gap(&mut stream).await;
        let mut expected = json!({ "last_event_id": id, "resumed_after": resume_from });
        if let Some(missed) = missed {
            expected["missed"] = json!(missed);
        }
        assert_eq!(told, expected);
        let replayed: Vec<String> = replayed.map(|n: u64| n.to_string()).collect();
        assert_eq!(stream.data(replayed.len()).await, replayed, "{id}");
        // Who breaks off right after the gap and resumes from it meets it no second time.
        let last = format!("Last-Event-ID: {resume_from}\r\n");
        let mut stream = server.subscribe("topic=a", &last).await.opened().await;
        assert_eq!(stream.data(replayed.len()).await, replayed, "{id}");
    }
}

#[tokio::test]
async fn what_is_still_retained_is_no_gap() {
    let (server, ids) = forgetful().await;
    let last = format!("Last-Event-ID: {}\r\n", ids[10]);
    let mut stream = server.subscribe("topic=a", &last).await.opened().await;
    let (event_type, data, id) = stream.event().await;
    assert_eq!((event_type.as_str(), data.as_str()), ("message", "11"));
    assert_eq!(seq(&id), seq(&ids[10]) + 1);
}
