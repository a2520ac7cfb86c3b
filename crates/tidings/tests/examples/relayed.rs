//! An app's plain endpoint behind a relay: many subscribers are one to the app, outlive it, and miss nothing of what
//! the relay got.

use reqwest::Client;
use serde_json::json;
use tokio::task::JoinSet;

use crate::{
    example::Example,
    serving::Serving,
    site::Site,
    sockets::{established, until_established},
    stream::Stream,
};

/// How many subscribe to the relay.
const SUBSCRIBERS: usize = 200;
/// How many messages a subscriber misses.
const MISSED: usize = 5;

/// A relay of an app's plain endpoint.
struct Relay {
    serving: Serving,
    client: Client,
}

impl Relay {
    /// Starts a relay. It connects to the app when somebody subscribes.
    fn start(site: &Site) -> Self {
        let serving = Serving::start(&["relay", &format!("{}/api/events", site.url())]);
        Self { serving, client: Client::builder().no_proxy().build().unwrap() }
    }

    async fn subscribe(&self, last_id: Option<&str>) -> Stream {
        let mut request = self.client.get(format!("{}/api/events", self.serving.url()));
        if let Some(id) = last_id {
            request = request.header("last-event-id", id);
        }
        Stream::open(request).await
    }

    async fn subscribe_many(&self) -> Vec<Stream> {
        let mut streams = Vec::new();
        for _ in 0..SUBSCRIBERS {
            streams.push(self.subscribe(None).await);
        }
        streams
    }
}

pub(crate) async fn check_many(example: &'static Example) {
    let site = Site::start_without_hub(example).await;
    let relay = Relay::start(&site);
    let mut streams = relay.subscribe_many().await;
    assert_eq!(established(site.port), 1);
    streams = assert_all_get(&site, streams, "before").await;
    // The posts had connections of their own.
    until_established(site.port, 1).await;

    let site = site.restart().await;
    relay.serving.wait_for_upstream();
    streams = assert_all_get(&site, streams, "after").await;
    until_established(site.port, 1).await;
    assert_eq!(streams.len(), SUBSCRIBERS);
}

/// Publishes some messages, and fails unless these are the next of every stream.
async fn assert_all_get(site: &Site, streams: Vec<Stream>, text: &str) -> Vec<Stream> {
    let texts: Vec<_> = (0..MISSED).map(|n| format!("{text} {n}")).collect();
    for text in &texts {
        send(site, text).await;
    }
    let mut reading = JoinSet::new();
    for mut stream in streams {
        reading.spawn(async move {
            let got = stream.texts(MISSED).await;
            (stream, got)
        });
    }
    let mut streams = Vec::new();
    while let Some(read) = reading.join_next().await {
        let (stream, got) = read.unwrap();
        assert_eq!(got, texts);
        streams.push(stream);
    }
    streams
}

/// Sends a message to the app's own streams; without a hub the app says afterwards that it could not publish it.
async fn send(site: &Site, text: &str) {
    let answer = site.post("/messages", &json!({ "text": text }).to_string(), "").await;
    assert!([200, 502].contains(&answer.status), "{answer:?}");
}

pub(crate) async fn check_return(example: &'static Example) {
    let site = Site::start_without_hub(example).await;
    let relay = Relay::start(&site);
    let mut witness = relay.subscribe(None).await;
    let mut leaver = relay.subscribe(None).await;
    send(&site, "seen").await;
    assert_eq!(witness.texts(1).await, ["seen"]);
    let last = leaver.next().await;
    assert!(last.id.starts_with('#') && last.id.contains('-'), "the hub's own id: {}", last.id);

    drop(leaver);
    let missed: Vec<_> = (0..MISSED).map(|n| format!("missed {n}")).collect();
    for text in &missed {
        send(&site, text).await;
    }
    assert_eq!(witness.texts(MISSED).await, missed);

    let mut back = relay.subscribe(Some(&last.id)).await;
    assert_eq!(back.texts(MISSED).await, missed);
    send(&site, "after").await;
    assert_eq!(back.texts(1).await, ["after"]);
    until_established(site.port, 1).await;
}
