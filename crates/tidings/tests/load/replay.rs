//! A long replay while publishing goes on.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use tokio::time::Instant;

use crate::{
    hub::Hub,
    numbered,
    publisher::{Publisher, publish_all},
    stream::Stream,
    turn::alone,
};

const UPDATES: usize = 100_000;
const REQUESTS: usize = 4;
const UPDATE_BYTES: usize = 64;

#[test]
fn a_hundred_thousand_updates_replay_in_one_connection_in_order_none_missing_or_doubled_while_publishing_goes_on()
 {
    alone(async {
        // Nothing of it may leave the log before it is read.
        let hub = Hub::dev(&["log.max_updates=200_000", "log.memory=256MiB"]).await;
        let begun = Instant::now();
        for request in 0..REQUESTS {
            let numbers = request * UPDATES / REQUESTS..(request + 1) * UPDATES / REQUESTS;
            let data = numbers.map(|number| numbered::data(number, UPDATE_BYTES));
            publish_all(hub.address, "a", data).await;
        }
        let published_in = begun.elapsed();

        let published = Arc::new(AtomicUsize::new(UPDATES));
        let enough = Arc::new(AtomicBool::new(false));
        let going_on = go_on(&hub, Arc::clone(&published), Arc::clone(&enough)).await;
        let begun = Instant::now();
        let mut stream = Stream::open_with(hub.address, "topic=a&lastEventID=earliest").await;
        let at_open = published.load(Ordering::Relaxed);
        for expected in 0..UPDATES {
            assert_eq!(numbered::parse(&stream.next().await.unwrap()).0, expected);
        }
        let replayed_in = begun.elapsed();
        let meanwhile = published.load(Ordering::Relaxed) - at_open;
        assert!(meanwhile > 100, "only {meanwhile} updates were published during the replay");
        enough.store(true, Ordering::Relaxed);
        let total = going_on.await.unwrap();
        for expected in UPDATES..total {
            assert_eq!(numbered::parse(&stream.next().await.unwrap()).0, expected);
        }
        eprintln!(
            "replay: {UPDATES} updates published in {published_in:.1?}, replayed in {replayed_in:.1?}; {meanwhile} more were published meanwhile"
        );
    });
}

/// Publishes one update after the other until it is told that it is enough, and answers how many there are then.
async fn go_on(
    hub: &Hub,
    published: Arc<AtomicUsize>,
    enough: Arc<AtomicBool>,
) -> tokio::task::JoinHandle<usize> {
    let mut publisher = Publisher::connect(hub.address).await;
    tokio::spawn(async move {
        loop {
            let number = published.load(Ordering::Relaxed);
            if enough.load(Ordering::Relaxed) {
                return number;
            }
            publisher.publish("a", &numbered::data(number, UPDATE_BYTES)).await;
            published.store(number + 1, Ordering::Relaxed);
        }
    })
}
