//! Publishing through the log: what a publisher is told, and in which order its updates are there.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tidings_hub::{BatchError, Hub, PublishError, Start, SubscribeError, Subscriber, Update};

use super::hub_on;
use super::listener::{Listener, Way, in_every_way, numbers};
use super::memory::MemoryLog;
use crate::fixture::{ROOMY, Seen, event_id, subscriber, updates};

fn update(number: u64) -> Update {
    Update::new("a", number.to_string())
}

#[tokio::test(start_paused = true)]
async fn a_receipt_says_where_in_the_log_it_is() {
    let log = MemoryLog::with("b", 10);
    let hub = hub_on(&log, 4).await;
    let receipt = hub.publish(update(1)).await.unwrap();
    assert_eq!((receipt.position, receipt.repeated), (log.position(11), false));
    assert_eq!(receipt.id, log.position(11).to_event_id());
    assert_eq!(hub.newest(), receipt.position);
    let own = hub.publish(update(2).with_id(event_id("own"))).await.unwrap();
    assert_eq!((own.id, own.position), (event_id("own"), log.position(12)));
    let empty = hub.publish(update(3).with_id(event_id(""))).await.unwrap();
    assert_eq!(empty.id, log.position(13).to_event_id());
    assert_eq!(hub.stats().published, 3);
}

#[tokio::test(start_paused = true)]
async fn the_log_knows_the_keys() {
    let log = MemoryLog::new(usize::MAX);
    let (hub, other) = (hub_on(&log, 1).await, hub_on(&log, 1).await);
    let keyed = |number| update(number).with_idempotency_key("k");
    let first = hub.publish(keyed(1)).await.unwrap();
    hub.publish_all((2..20).map(update)).await.into_iter().for_each(|result| drop(result.unwrap()));
    let again = other.publish(keyed(1)).await.unwrap();
    assert_eq!((again.position, again.id, again.repeated), (first.position, first.id, true));
    assert_eq!(other.publish(keyed(2)).await, Err(PublishError::KeyReused));
    assert_eq!((hub.stats().published, other.stats().published), (19, 0));
    let mixed = vec![update(20), keyed(2), Update::default(), keyed(1), update(21)];
    let results = hub.publish_all(mixed).await;
    assert_eq!(results[0].as_ref().unwrap().position, log.position(20));
    assert_eq!(results[1], Err(PublishError::KeyReused));
    assert_eq!(results[2], Err(PublishError::NoTopic));
    assert!(results[3].as_ref().unwrap().repeated);
    assert_eq!(results[4].as_ref().unwrap().position, log.position(21));
}

/// The place was that of the one that was refused, the error that of the first one it kept out.
#[tokio::test(start_paused = true)]
async fn of_a_batch_all_are_there_or_none_with_the_right_place_and_error() {
    let log = MemoryLog::new(usize::MAX);
    let hub = hub_on(&log, 4).await;
    hub.publish(update(1).with_idempotency_key("k")).await.unwrap();
    let refused = |place, error| Err(BatchError { place, error });
    let reused = [update(2), update(3), update(4).with_idempotency_key("k"), update(5)];
    assert_eq!(hub.publish_batch(reused).await, refused(2, PublishError::KeyReused));
    let without_topic = [update(2), Update::default()];
    assert_eq!(hub.publish_batch(without_topic).await, refused(1, PublishError::NoTopic));
    let twice = [2, 3].map(|number| update(number).with_idempotency_key("l"));
    assert_eq!(hub.publish_batch(twice).await, refused(1, PublishError::KeyReused));
    assert_eq!(hub.publish_batch([]).await, Ok(Vec::new()));
    assert_eq!((hub.newest(), hub.stats().published), (log.position(1), 1));
    let receipts = hub.publish_batch([update(2), update(1).with_idempotency_key("k"), update(3)]);
    let receipts = receipts.await.unwrap();
    let seqs: Vec<_> = receipts.iter().map(|r| (r.position.seq, r.repeated)).collect();
    assert_eq!(seqs, [(2, false), (1, true), (3, false)]);
}

/// They were refused, and a balancer sent every publish to the hub that was going down, for it had the fewest streams.
#[tokio::test(start_paused = true)]
async fn a_hub_that_goes_down_publishes_to_a_log_that_outlives_it() {
    let log = MemoryLog::new(usize::MAX);
    let hub = hub_on(&log, 4).await;
    hub.close();
    assert_eq!(hub.publish(update(1)).await.unwrap().position, log.position(1));
    assert_eq!(hub.publish_batch([update(2)]).await.unwrap()[0].position, log.position(2));
    let refused = hub.subscribe(subscriber(&["a"]), Start::Live).await;
    assert_eq!(refused.err(), Some(SubscribeError::Closed));
}

#[test]
fn the_order_of_the_calls_is_that_of_the_log_awaited_or_not() {
    in_every_way(async |way| {
        let log = MemoryLog::new(usize::MAX);
        let hub = hub_on(&log, 4).await;
        let mut listener = Listener::open(&hub, way, &["a"], Start::Live).await;
        let first = hub.publish(update(1));
        let second = hub.publish_batch([update(2), update(3)]);
        let third = hub.publish_all([update(4), update(5)]);
        // What nobody waits for is published all the same.
        drop(hub.publish(update(6)));
        let last = hub.publish(update(7));
        assert_eq!(last.await.unwrap().position, log.position(7));
        assert_eq!(third.await[1].as_ref().unwrap().position, log.position(5));
        assert_eq!(second.await.unwrap()[1].position, log.position(3));
        assert_eq!(first.await.unwrap().position, log.position(1));
        assert_eq!(listener.all().await, numbers(1..=7));
    });
}

/// A publisher who is told that it is done can read on from it: the hub has it, too, then.
#[tokio::test(start_paused = true)]
async fn it_is_done_when_the_hub_has_it_or_is_too_slow() {
    let log = MemoryLog::new(usize::MAX);
    let hub = hub_on(&log, 4).await;
    log.change(|contents| contents.is_followed_late = true);
    let mut publishing = pin!(hub.publish(update(1)));
    let second = Duration::from_secs(1);
    assert!(tokio::time::timeout(second, &mut publishing).await.is_err());
    log.change(|contents| contents.is_followed_late = false);
    let receipt = publishing.await.unwrap();
    assert_eq!(hub.newest(), receipt.position);
    log.change(|contents| contents.is_followed_late = true);
    let receipt = hub.publish(update(2)).await.unwrap();
    assert_eq!((receipt.position, hub.newest()), (log.position(2), log.position(1)));
}

/// A future that is asked again after its end panicked.
#[tokio::test(start_paused = true)]
async fn a_publish_that_is_asked_again_gives_nothing_more() {
    let hub = hub_on(&MemoryLog::new(usize::MAX), 4).await;
    let mut publishing = pin!(hub.publish(update(1)));
    publishing.as_mut().await.unwrap();
    let again = publishing.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert_eq!(again, Poll::Pending);
}

/// The answer is lost, the update is not: who publishes it again with its key is told where it is.
#[test]
fn what_is_appended_is_there_though_its_result_is_lost() {
    in_every_way(async |way| {
        let log = MemoryLog::new(usize::MAX);
        let hub = hub_on(&log, 4).await;
        let mut listener = Listener::open(&hub, way, &["a"], Start::Live).await;
        log.change(|contents| contents.loses_results = true);
        let keyed = || update(1).with_idempotency_key("k");
        assert!(matches!(hub.publish(keyed()).await, Err(PublishError::Unavailable(_))));
        log.change(|contents| contents.loses_results = false);
        let again = hub.publish(keyed()).await.unwrap();
        assert_eq!((again.position, again.repeated), (log.position(1), true));
        assert_eq!(listener.all().await, numbers([1]));
    });
}

#[derive(Debug)]
struct Announcer;

impl tidings_hub::Announcer for Announcer {
    fn joined(&self, _: &Subscriber) -> Vec<Update> {
        vec![Update::new("who", "joined")]
    }

    fn left(&self, _: &Subscriber) -> Vec<Update> {
        vec![Update::new("who", "left")]
    }
}

/// Announcements are awaited by nobody, and were not counted.
#[tokio::test(start_paused = true)]
async fn announcements_go_through_the_log_and_count() {
    let log = MemoryLog::new(usize::MAX);
    let hub = Hub::open(log.shared(), ROOMY, Some(Box::new(Announcer))).await.unwrap();
    let other = hub_on(&log, 4).await;
    let mut elsewhere = Listener::open(&other, Way::Alone, &["who"], Start::Live).await;
    let mut first = Listener::open(&hub, Way::Alone, &["who"], Start::Live).await;
    assert_eq!(first.all().await, updates(&["joined"]));
    let second = Listener::open(&hub, Way::Alone, &["a"], Start::Live).await;
    drop(second);
    let expected = updates(&["joined", "left"]);
    assert_eq!(first.all().await, expected);
    assert_eq!(elsewhere.all().await, [&[Seen::Update("joined".into())][..], &expected].concat());
    assert_eq!((hub.stats().published, other.stats().published), (3, 0));
}
