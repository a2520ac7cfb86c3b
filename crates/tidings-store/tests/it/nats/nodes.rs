//! Two hubs on one stream, and the bus between them.

use bytes::Bytes;
use tidings_hub::{Log, Mode};
use tidings_store::{Bus, Listen, MAX_MESSAGE_BYTES};
use tokio::time::timeout;

use super::engine::Nats;
use super::{append_at_last, log, updates};
use crate::contract::FOREVER;
use crate::contract::given::{keyed, plain};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hubs_see_one_sequence() {
    let nats = Nats::new();
    let (one, other) = (log(&nats).await, log(&nats).await);
    let (mut follow_one, mut follow_other) = (one.follow(1), other.follow(1));
    for number in 0..50 {
        let from = |name: &str| vec![plain("t", format!("{name}-{number}"))];
        let (first, second) = tokio::join!(
            one.append(from("one"), Mode::Each),
            other.append(from("other"), Mode::Each)
        );
        assert_eq!(first[0].as_ref().unwrap().epoch, second[0].as_ref().unwrap().epoch);
    }
    let mut sequences = Vec::new();
    for follow in [&mut follow_one, &mut follow_other] {
        let mut sequence = Vec::new();
        while sequence.len() < 100 {
            sequence.extend(
                updates(follow).await.into_iter().map(|update| (update.seq, update.update.data)),
            );
        }
        sequences.push(sequence);
    }
    assert_eq!(sequences[0], sequences[1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_one_for_all_hubs() {
    let nats = Nats::new();
    let (one, other) = (log(&nats).await, log(&nats).await);
    for number in 0..20 {
        let key = number.to_string();
        let (first, second) = tokio::join!(
            one.append(vec![keyed(&key, "data")], Mode::Each),
            other.append(vec![keyed(&key, "data")], Mode::All)
        );
        let (first, second) = (first[0].clone().unwrap(), second[0].clone().unwrap());
        assert_eq!(first.seq, second.seq);
        assert!(first.repeated != second.repeated);
    }
}

async fn heard(listen: &mut Box<dyn Listen>) -> Bytes {
    timeout(FOREVER, listen.next()).await.unwrap()
}

#[tokio::test]
async fn a_message_reaches_all_hubs_in_the_order_of_its_sender() {
    let nats = Nats::new();
    let (one, other) = (log(&nats).await, log(&nats).await);
    let mut listeners = [one.listen(), other.listen(), other.listen()];
    for number in 0..100_u8 {
        drop(one.send(Bytes::copy_from_slice(&[number])));
    }
    for listen in &mut listeners {
        for number in 0..100_u8 {
            assert_eq!(&heard(listen).await[..], [number]);
        }
    }
    let large = Bytes::from(vec![b'x'; MAX_MESSAGE_BYTES]);
    other.send(large.clone()).await.unwrap();
    assert_eq!(heard(&mut listeners[0]).await, large);
    assert!(other.send(vec![0; MAX_MESSAGE_BYTES + 1].into()).await.is_err());
}

#[tokio::test]
async fn the_bus_goes_on_after_the_server_was_away() {
    let mut nats = Nats::new();
    let log = log(&nats).await;
    let mut listen = log.listen();
    nats.kill();
    // What is sent before that is known may be lost.
    while log.send("lost".into()).await.is_ok() {
        tokio::task::yield_now().await;
    }
    nats.start();
    append_at_last(&log, plain("t", "1")).await;
    log.send("back".into()).await.unwrap();
    while heard(&mut listen).await != "back" {}
}
