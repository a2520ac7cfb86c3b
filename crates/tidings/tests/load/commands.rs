//! What a user types: plain `curl` against a hub for development.

use std::{net::SocketAddr, process::Stdio, time::Duration};

use tidings_wire::{Chunk, Decoder, Item, OwnedEvent};
use tokio::{
    io::AsyncReadExt as _,
    process::{Child, Command},
    time::timeout,
};

use crate::{hub::Hub, turn::alone};

/// For how long nothing must come before it counts as nothing.
const SILENCE: Duration = Duration::from_millis(300);

#[test]
fn curl_publishes_and_gets_the_id_alone() {
    alone(async {
        let hub = Hub::dev(&[]).await;
        let mut subscriber = Curl::subscribe(&hub, "topic=a", &[]).await;
        let id = publish(&hub, "hi").await;
        assert!(id.starts_with('#') && !id.contains(char::is_whitespace), "{id:?}");
        assert_eq!(subscriber.next().await, message(&id, "hi"));
    });
}

#[test]
fn curl_with_the_last_event_id_gets_exactly_what_came_after() {
    alone(async {
        let hub = Hub::dev(&[]).await;
        let first = publish(&hub, "1").await;
        let (second, third) = (publish(&hub, "2").await, publish(&hub, "3").await);
        let header = format!("Last-Event-ID: {first}");
        let mut subscriber = Curl::subscribe(&hub, "topic=a", &["-H", &header]).await;
        assert_eq!(subscriber.next().await, message(&second, "2"));
        assert_eq!(subscriber.next().await, message(&third, "3"));
        subscriber.nothing().await;
        let fourth = publish(&hub, "4").await;
        assert_eq!(subscriber.next().await, message(&fourth, "4"));
    });
}

#[test]
fn curl_with_an_unknown_last_event_id_gets_a_gap_and_then_all_that_is_retained() {
    alone(async {
        let hub = Hub::dev(&[]).await;
        let (first, second) = (publish(&hub, "1").await, publish(&hub, "2").await);
        let header = ["-H", "Last-Event-ID: never-seen"];
        let mut subscriber = Curl::subscribe(&hub, "topic=a", &header).await;
        let gap = subscriber.next().await;
        assert_eq!(gap.event_type, "gap");
        assert!(gap.data.contains("\"last_event_id\":\"never-seen\""), "{}", gap.data);
        assert_eq!(subscriber.next().await, message(&first, "1"));
        assert_eq!(subscriber.next().await, message(&second, "2"));
        subscriber.nothing().await;
    });
}

#[test]
fn curl_from_the_earliest_on_gets_all_that_is_retained() {
    alone(async {
        let hub = Hub::dev(&["log.max_updates=4", "mercure.subscriptions=false"]).await;
        let mut ids = Vec::new();
        for number in 1..=6 {
            ids.push(publish(&hub, &number.to_string()).await);
        }
        let query = "topic=a&lastEventID=earliest";
        let mut subscriber = Curl::subscribe(&hub, query, &[]).await;
        for number in 3..=6 {
            assert_eq!(subscriber.next().await, message(&ids[number - 1], &number.to_string()));
        }
        subscriber.nothing().await;
    });
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}/.well-known/mercure")
}

/// Publishes to the topic `a` and answers all that curl printed.
async fn publish(hub: &Hub, data: &str) -> String {
    let data = format!("data={data}");
    let url = url(hub.address);
    let curl = Command::new("curl").args(["-sS", "-d", "topic=a", "-d", &data, &url]).output();
    let output = curl.await.unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn message(id: &str, data: &str) -> OwnedEvent {
    OwnedEvent {
        event_type: "message".to_owned(),
        data: data.to_owned(),
        last_event_id: id.to_owned(),
    }
}

/// A subscriber that prints what it gets.
struct Curl {
    process: Child,
    decoder: Decoder,
    printed: Vec<u8>,
}

impl Curl {
    /// Starts it and waits until its stream is open.
    async fn subscribe(hub: &Hub, query: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new("curl");
        command.arg("-sSN").args(arguments).arg(format!("{}?{query}", url(hub.address)));
        let process = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut curl = Self { process, decoder: Decoder::new(), printed: Vec::new() };
        curl.read().await;
        assert_eq!(curl.printed[..2], *b":\n");
        curl
    }

    async fn next(&mut self) -> OwnedEvent {
        loop {
            let printed = std::mem::take(&mut self.printed);
            let mut input = Chunk::new(&printed);
            while let Some(item) = self.decoder.decode(&mut input).unwrap() {
                if let Item::Event(event) = item {
                    let event = event.to_owned();
                    self.printed = input.rest().to_vec();
                    return event;
                }
            }
            self.read().await;
        }
    }

    /// Checks that no event comes, not even late.
    async fn nothing(&mut self) {
        let event = timeout(SILENCE, self.next()).await;
        assert!(event.is_err(), "{event:?}");
    }

    async fn read(&mut self) {
        let output = self.process.stdout.as_mut().unwrap();
        assert!(output.read_buf(&mut self.printed).await.unwrap() > 0, "curl has ended");
    }
}
