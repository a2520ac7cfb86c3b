//! `tidings-client` and a real hub, with a line between them that breaks again and again.

use std::{net::SocketAddr, time::Duration};

use tidings_client::{Backoff, Publisher, Subscribe, Update};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy},
    net::{TcpListener, TcpStream},
};

use crate::browser::hub::Hub;

/// Where a connection breaks: after so many bytes to the hub, or so many of its answer.
type Cut = (u64, u64);

/// A line to the hub whose connections break as they are told, one after the other; all later ones hold.
async fn line(hub: SocketAddr, cuts: Vec<Cut>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/events", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut cuts = cuts.into_iter();
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let cut = cuts.next().unwrap_or((u64::MAX, u64::MAX));
            let hub = TcpStream::connect(hub).await.unwrap();
            tokio::spawn(connection(client, hub, cut));
        }
    });
    url
}

async fn connection(mut client: TcpStream, mut hub: TcpStream, (there, back): Cut) {
    let (from_client, mut to_client) = client.split();
    let (from_hub, mut to_hub) = hub.split();
    let (mut from_client, mut from_hub) = (from_client.take(there), from_hub.take(back));
    // Whichever ends first ends both: what the hub has read by then it has read.
    tokio::select! {
        _ = copy(&mut from_client, &mut to_hub) => {}
        _ = copy(&mut from_hub, &mut to_client) => {}
    }
    drop((to_client.shutdown().await, to_hub.shutdown().await));
}

/// No random part: the test is to be short.
fn at_once() -> Backoff {
    Backoff::default().with_base(Duration::ZERO)
}

/// The data and the ids of all updates, over a line that breaks eight times.
async fn read_all(hub: SocketAddr, topic: &str, count: usize) -> Vec<(String, String)> {
    let cuts = [300, 1_000, 5_000, 10_001, 20_002, 7, 30_003, 10].map(|back| (u64::MAX, back));
    let url = format!("{}?topic={topic}", line(hub, cuts.to_vec()).await);
    let mut events =
        Subscribe::new(url).with_backoff(at_once()).with_last_event_id("earliest").open();
    let mut found = Vec::new();
    while found.len() < count {
        let event = events.next().await.unwrap().unwrap();
        assert!(event.from_hub().is_none(), "{event:?}");
        found.push((event.data, event.last_event_id));
    }
    found
}

#[tokio::test]
async fn many_updates_over_a_line_that_breaks_are_published_once_and_in_order() {
    let hub = Hub::serve(&[]);
    let cuts = vec![
        (1_000, u64::MAX),
        (30_000, u64::MAX),
        (u64::MAX, 1),
        (u64::MAX, 700),
        (60_000, 9_000),
        (u64::MAX, 0),
        (u64::MAX, u64::MAX),
        (u64::MAX, 9_999),
        (500, u64::MAX),
        (u64::MAX, 12_345),
    ];
    let url = line(hub.address, cuts).await;
    let publisher =
        Publisher::new(url).with_backoff(at_once()).with_retry_for(Duration::from_secs(20));
    let updates = |count| (0..count).map(|n: u32| Update::new("t", format!("update number {n}")));
    let mut results = publisher.publish_all(updates(2_500)).with_idempotency_key("all");
    let mut published = Vec::new();
    while let Some(result) = results.next().await {
        published.push((format!("update number {}", published.len()), result.unwrap()));
    }
    assert_eq!(published.len(), 2_500);
    assert_eq!(read_all(hub.address, "t", 2_500).await, published);

    // A program that starts over with the same key publishes what is new.
    let mut again = publisher.publish_all(updates(2_501)).with_idempotency_key("all");
    for (_, id) in &published {
        assert_eq!(&again.next().await.unwrap().unwrap(), id);
    }
    let new = again.next().await.unwrap().unwrap();
    assert!(again.next().await.is_none());
    let all = read_all(hub.address, "t", 2_501).await;
    assert_eq!(all[2_500], ("update number 2500".to_owned(), new));
}

#[tokio::test]
async fn an_update_whose_answer_is_lost_is_published_once() {
    let hub = Hub::serve(&[]);
    let cuts = (0..30).map(|n| (u64::MAX, n * 13)).collect();
    let publisher =
        Publisher::new(line(hub.address, cuts).await).with_backoff(at_once().with_max_attempts(40));
    let mut published = Vec::new();
    for n in 0..20 {
        let data = n.to_string();
        let id = publisher.publish(&Update::new("t", data.as_str())).await.unwrap();
        published.push((data, id));
    }
    assert_eq!(read_all(hub.address, "t", 20).await, published);
}
