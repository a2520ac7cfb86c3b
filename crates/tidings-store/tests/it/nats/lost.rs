//! The stream is deleted, purged, has a hole, or is put back from a copy.

use std::fs;
use std::path::Path;

use serde_json::json;
use tidings_hub::{Appended, Bounds, IdScope, Log, Mode, News, OwnId};
use tidings_store::nats::{ConnectError, NatsLog};

use super::engine::{Nats, TempDir};
use super::{anew, append, append_at_last, config, log, news, operate, updates};
use crate::contract::given::{keyed, numbered, plain, seqs, wanted, with_id};

/// A copy of a server's streams, made while it is stopped.
struct Copy(TempDir);

impl Copy {
    fn of(nats: &mut Nats) -> Self {
        let copy = Self(TempDir::new("copy"));
        nats.stop();
        copy_dir(&nats.store(), copy.0.path());
        nats.start();
        copy
    }

    fn put_back(&self, nats: &mut Nats) {
        nats.kill();
        fs::remove_dir_all(nats.store()).unwrap();
        copy_dir(self.0.path(), &nats.store());
    }
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[tokio::test]
async fn two_followers_of_a_deleted_stream_agree_on_the_new_epoch() {
    let nats = Nats::new();
    let (one, other) = (log(&nats).await, log(&nats).await);
    let (mut follow_one, mut follow_other) = (one.follow(1), other.follow(1));
    let before = append(&one, plain("t", "1")).await.unwrap().epoch;
    updates(&mut follow_one).await;
    updates(&mut follow_other).await;
    operate(&nats, "STREAM.DELETE.tidings", json!({})).await;
    let (told_one, told_other) = (anew(&mut follow_one).await, anew(&mut follow_other).await);
    assert_eq!(told_one.epoch, told_other.epoch);
    assert_ne!(told_one.epoch, before);
    assert_eq!((told_one.oldest, told_one.next), (1, 1));
    let (epoch, seq) = append_at_last(&other, plain("t", "new")).await;
    assert_eq!((epoch, seq), (told_one.epoch, 1));
    for follow in [&mut follow_one, &mut follow_other] {
        assert_eq!(updates(follow).await[0].update.data, "new");
    }
    assert_eq!(one.bounds().await.unwrap().epoch, epoch);
}

/// Nobody is told an epoch and then finds the update elsewhere: what is published for the old log finds nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_update_is_acknowledged_for_a_log_that_is_no_more() {
    let nats = Nats::new();
    let (one, other) = (log(&nats).await, log(&nats).await);
    for _ in 0..5 {
        let before = append_at_last(&one, plain("t", "before")).await.0;
        operate(&nats, "STREAM.DELETE.tidings", json!({})).await;
        // Neither hub may know it yet.
        let (told_one, told_other) = tokio::join!(
            append_at_last(&one, plain("t", "a")),
            append_at_last(&other, plain("t", "b"))
        );
        assert_ne!(told_one.0, before);
        assert_eq!(told_one.0, told_other.0);
        let mut seqs = [told_one.1, told_other.1];
        seqs.sort_unstable();
        assert_eq!(seqs, [1, 2]);
    }
}

#[tokio::test]
async fn a_purged_stream_is_the_same_log_with_nothing_in_it() {
    let nats = Nats::new();
    let log = log(&nats).await;
    let mut follow = log.follow(1);
    log.append(numbered(10), Mode::Each).await;
    assert_eq!(updates(&mut follow).await[0].seq, 1);
    operate(&nats, "STREAM.PURGE.tidings", json!({})).await;
    loop {
        match news(&mut follow).await {
            News::Oldest(11) => break,
            News::Updates(_) | News::Oldest(_) => {}
            other => panic!("{other:?}"),
        }
    }
    let Bounds { oldest, next, .. } = log.bounds().await.unwrap();
    assert_eq!((oldest, next), (11, 11));
    let page = log.read(wanted(1, 11, None)).await.unwrap();
    assert_eq!((page.updates.len(), page.next, page.oldest), (0, 11, 11));
    append(&log, plain("t", "new")).await.unwrap();
    assert_eq!(updates(&mut follow).await[0].seq, 11);
}

#[tokio::test]
async fn a_hole_in_the_middle_is_passed_over() {
    let nats = Nats::new();
    let log = log(&nats).await;
    log.append(numbered(10), Mode::Each).await;
    for seq in [4, 5, 10] {
        operate(&nats, "STREAM.MSG.DELETE.tidings", json!({ "seq": seq })).await;
    }
    let page = log.read(wanted(1, 11, None)).await.unwrap();
    assert_eq!(seqs(&page.updates), [1, 2, 3, 6, 7, 8, 9]);
    assert_eq!((page.next, page.oldest), (11, 1));
    let page = log.read(wanted(4, 6, None)).await.unwrap();
    assert_eq!((page.updates.len(), page.next), (0, 6));
    append(&log, plain("t", "new")).await.unwrap();
    let mut follow = log.follow(1);
    let mut followed = Vec::new();
    while followed.last() != Some(&11) {
        followed.extend(seqs(&updates(&mut follow).await));
    }
    assert_eq!(followed, [1, 2, 3, 6, 7, 8, 9, 11]);
}

#[tokio::test]
async fn a_stream_that_lost_its_end_gets_another_epoch_that_all_agree_on() {
    let mut nats = Nats::new();
    let (one, other) = (log(&nats).await, log(&nats).await);
    let (mut follow_one, mut follow_other) = (one.follow(1), other.follow(1));
    append(&one, with_id("t", "own", IdScope::Hub)).await.unwrap();
    append(&one, keyed("k", "data")).await.unwrap();
    let copy = Copy::of(&mut nats);
    let (before, _) = append_at_last(&one, plain("t", "3")).await;
    for follow in [&mut follow_one, &mut follow_other] {
        while updates(follow).await.last().unwrap().seq < 3 {}
    }
    let mut epochs = vec![before];
    // A copy that is put back once more brings the first epoch back, too.
    for _ in 0..2 {
        copy.put_back(&mut nats);
        nats.start();
        let (told_one, told_other) = (anew(&mut follow_one).await, anew(&mut follow_other).await);
        assert_eq!(told_one.epoch, told_other.epoch);
        assert_eq!((told_one.oldest, told_one.next), (1, 3));
        assert!(!epochs.contains(&told_one.epoch), "{epochs:?}");
        epochs.push(told_one.epoch);
        // What was kept is still found, and is not taken twice.
        assert_eq!(one.find(OwnId::Hub { id: "own".into() }).await, Ok(Some(1)));
        let again = append(&other, keyed("k", "data")).await;
        assert_eq!(again, Ok(Appended { epoch: told_one.epoch, seq: 2, repeated: true }));
        assert_eq!(append_at_last(&one, plain("t", "another")).await, (told_one.epoch, 3));
        for follow in [&mut follow_one, &mut follow_other] {
            let mut followed = Vec::new();
            while followed.last().is_none_or(|(seq, _)| *seq < 3) {
                followed.extend(
                    updates(follow)
                        .await
                        .into_iter()
                        .map(|update| (update.seq, update.update.data)),
                );
            }
            assert_eq!(followed[2], (3, "another".into()));
            assert_eq!(followed.len(), 3);
        }
    }
}

/// As long as before, but with something else in it.
#[tokio::test]
async fn a_stream_with_another_message_at_its_end_gets_another_epoch() {
    let mut nats = Nats::new();
    let log = log(&nats).await;
    let mut follow = log.follow(1);
    append(&log, plain("t", "1")).await.unwrap();
    let copy = Copy::of(&mut nats);
    let (before, _) = append_at_last(&log, plain("t", "2")).await;
    while updates(&mut follow).await.last().unwrap().seq < 2 {}
    // Elsewhere, somebody who knows nothing of the end goes on with the copy.
    let mut elsewhere = Nats::new();
    copy.put_back(&mut elsewhere);
    elsewhere.start();
    let unknowing = super::log(&elsewhere).await;
    for data in ["other 2", "other 3"] {
        append(&unknowing, plain("t", data)).await.unwrap();
    }
    drop(unknowing);
    Copy::of(&mut elsewhere).put_back(&mut nats);
    nats.start();
    let told = anew(&mut follow).await;
    assert_ne!(told.epoch, before);
    let mut followed = Vec::new();
    while followed.len() < 3 {
        followed.extend(updates(&mut follow).await.into_iter().map(|update| update.update.data));
    }
    assert_eq!(followed, ["1", "other 2", "other 3"]);
}

#[tokio::test]
async fn a_stream_of_another_program_is_left_alone() {
    let nats = Nats::new();
    operate(&nats, "STREAM.CREATE.tidings", json!({ "name": "tidings", "subjects": ["orders"] }))
        .await;
    let error = NatsLog::connect(config(&nats)).await.unwrap_err();
    assert!(matches!(error, ConnectError::Refused(_)), "{error:?}");
    assert!(error.to_string().contains("not made by Tidings"), "{error}");
}

/// Whoever may publish to the stream cannot stop its readers.
#[tokio::test]
async fn what_is_no_update_is_passed_over() {
    let nats = Nats::new();
    let log = log(&nats).await;
    let epoch = append(&log, plain("t", "1")).await.unwrap().epoch;
    let client = async_nats::connect(nats.url()).await.unwrap();
    for garbage in [&b""[..], b"\x01\xff", b"{}", b"\x02later"] {
        client.request(format!("tidings.log.{epoch}.u"), garbage.into()).await.unwrap();
    }
    append(&log, plain("t", "6")).await.unwrap();
    let page = log.read(wanted(1, 7, None)).await.unwrap();
    assert_eq!((seqs(&page.updates), page.next), (vec![1, 6], 7));
    let mut follow = log.follow(1);
    let mut followed = Vec::new();
    while followed.last() != Some(&6) {
        followed.extend(seqs(&updates(&mut follow).await));
    }
    assert_eq!(followed, [1, 6]);
}

/// The consumer is somebody else's to delete, and the messages come all the same.
#[tokio::test]
async fn a_follower_whose_consumer_is_deleted_goes_on() {
    let nats = Nats::new();
    let log = log(&nats).await;
    let mut follow = log.follow(1);
    for seq in 1..4 {
        append(&log, plain("t", "x")).await.unwrap();
        assert_eq!(seqs(&updates(&mut follow).await), [seq]);
        let consumers = operate(&nats, "CONSUMER.NAMES.tidings", json!({})).await;
        for name in consumers["consumers"].as_array().unwrap() {
            operate(
                &nats,
                &format!("CONSUMER.DELETE.tidings.{}", name.as_str().unwrap()),
                json!({}),
            )
            .await;
        }
    }
}
