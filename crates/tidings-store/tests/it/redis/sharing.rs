//! Two hubs on one server: they see one log, and hear each other.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidings_hub::{IdScope, Log, Mode, OwnId};
use tidings_store::redis::{RedisBus, RedisConfig};
use tidings_store::{Bus, Listen, MAX_MESSAGE_BYTES, Retention};
use tokio::time::Instant;

use super::engine::Redis;
use super::heard::Heard;
use super::open;
use crate::contract::ROOMY;
use crate::contract::appending::pour;
use crate::contract::given::{
    append, append_all, bounds_become, keyed, new_seq, numbered, plain, read_all, repeated_seq,
    seqs, wanted, with_id,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hubs_see_one_sequence() {
    let redis = Redis::new();
    let logs: [Arc<dyn Log>; 2] =
        [Arc::new(open(&redis, ROOMY).await), Arc::new(open(&redis, ROOMY).await)];
    let mut heard = [Heard::new(&logs[0], 1), Heard::new(&logs[1], 1)];
    let pouring: Vec<_> =
        (0..4).map(|name| tokio::spawn(pour(logs[name % 2].clone(), name, 50, 3))).collect();
    for heard in &mut heard {
        heard.until(|heard| heard.updates.len() == 600).await;
        assert_eq!(heard.seqs(), (1..=600).collect::<Vec<_>>());
    }
    assert_eq!(heard[0].updates, heard[1].updates);
    for pouring in pouring {
        for (seq, data) in pouring.await.unwrap() {
            assert_eq!(heard[0].updates[usize::try_from(seq - 1).unwrap()].update.data, data);
        }
    }
    assert_eq!(new_seq(&append(&logs[0], keyed("k", "x")).await), 601);
    assert_eq!(repeated_seq(&append(&logs[1], keyed("k", "x")).await), 601);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_of_what_has_left() {
    let redis = Redis::new();
    let log: Arc<dyn Log> = Arc::new(open(&redis, ROOMY).await);
    for round in 0..5 {
        let entries = (0..500).map(|number| keyed(&format!("{round} {number}"), "x")).collect();
        append_all(&log, entries).await;
    }
    drop(log);
    // Another hub retains less.
    let few = Retention { max_updates: Some(10), ..ROOMY };
    let log: Arc<dyn Log> = Arc::new(open(&redis, few).await);
    bounds_become(&log, |bounds| bounds.next - bounds.oldest == 10).await;
    // An entry leaves when all of its updates have left.
    for (command, key, left) in [("XLEN", "log", 1), ("XLEN", "index", 10), ("HLEN", "keys", 10)] {
        let begun = Instant::now();
        let count = || redis.say(&[command, &format!("{{tidings}}:{key}")]);
        while count() != format!(":{left}\r\n") {
            assert!(begun.elapsed() < Duration::from_secs(20), "{key}: {}", count());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_left_does_not_come_back_where_more_is_retained_again() {
    let redis = Redis::new();
    let log: Arc<dyn Log> = Arc::new(open(&redis, ROOMY).await);
    append_all(&log, numbered(200)).await;
    drop(log);
    let few = Retention { max_updates: Some(10), ..ROOMY };
    let log: Arc<dyn Log> = Arc::new(open(&redis, few).await);
    bounds_become(&log, |bounds| bounds.oldest == 191).await;
    drop(log);
    // What is still in the same entry has left all the same, and its keys have.
    let more = Retention { max_updates: Some(50), ..ROOMY };
    let log: Arc<dyn Log> = Arc::new(open(&redis, more).await);
    append_all(&log, numbered(1)).await;
    assert_eq!(log.bounds().await.unwrap().oldest, 191);
}

#[tokio::test]
async fn an_entry_that_is_larger_than_what_is_retained_stays_with_its_keys() {
    let redis = Redis::new();
    let few = Retention { max_bytes: Some(100), ..ROOMY };
    let log: Arc<dyn Log> = Arc::new(open(&redis, few).await);
    let same = || (0..3).map(|number| keyed(&number.to_string(), "x")).collect();
    assert_eq!(append_all(&log, same()).await, [1, 2, 3]);
    let again = log.append(same(), Mode::Each).await;
    assert_eq!(again.iter().map(repeated_seq).collect::<Vec<_>>(), [1, 2, 3]);
}

#[tokio::test]
async fn updates_that_share_an_entry_are_found_one_by_one() {
    let redis = Redis::new();
    let log: Arc<dyn Log> = Arc::new(open(&redis, ROOMY).await);
    let mut entries: Vec<_> = (0..5).map(|number| keyed(&number.to_string(), "x")).collect();
    // Before the first with this key is written.
    entries.push(keyed("3", "x"));
    entries.push(with_id("t", "mine", IdScope::Hub));
    let results = log.append(entries, Mode::Each).await;
    assert_eq!((repeated_seq(&results[5]), new_seq(&results[6])), (4, 6));
    assert_eq!(redis.say(&["XLEN", "{tidings}:log"]), ":2\r\n");
    assert_eq!(log.find(OwnId::Hub { id: "mine".into() }).await.unwrap(), Some(6));
    for from in 1..=6 {
        for until in from..=7 {
            let page = log.read(wanted(from, until, None)).await.unwrap();
            assert_eq!((seqs(&page.updates), page.next), ((from..until).collect(), until));
        }
        let mut heard = Heard::new(&log, from);
        heard.until(|heard| heard.seqs().last() == Some(&6)).await;
        assert_eq!(heard.seqs(), (from..=6).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn what_another_program_writes_or_removes_is_passed_over() {
    let redis = Redis::new();
    let log: Arc<dyn Log> = Arc::new(open(&redis, ROOMY).await);
    // Each in an entry of its own.
    for update in [plain("t", "1"), keyed("k", "2"), plain("t", "3")] {
        append_all(&log, vec![update]).await;
    }
    redis.say(&["XDEL", "{tidings}:log", "0-2"]);
    redis.say(&["XADD", "{tidings}:log", "0-*", "r", "no record"]);
    redis.say(&["XADD", "{tidings}:log", "0-*", "other", "fields"]);
    let mut early = Heard::new(&log, 1);
    early.until(|heard| heard.updates.len() == 2).await;
    // An entry of several would have room for what the other program wrote.
    let free_again = vec![keyed("k", "other"), plain("t", "7"), plain("t", "8")];
    assert_eq!(append_all(&log, free_again).await, [6, 7, 8]);
    let mut heard = Heard::new(&log, 1);
    heard.until(|heard| heard.updates.len() == 5).await;
    assert_eq!(heard.seqs(), [1, 3, 6, 7, 8]);
    assert_eq!(seqs(&read_all(&log).await), [1, 3, 6, 7, 8]);
    early.until(|heard| heard.updates.len() == 5).await;

    // With an id that leaves no room for more seqs.
    redis.say(&["XADD", "{tidings}:log", "*", "other", "fields"]);
    let calls = || {
        redis
            .say(&["INFO", "commandstats"])
            .split("cmdstat_xread:calls=")
            .nth(1)
            .unwrap()
            .to_owned()
    };
    let count = |calls: String| calls.split(',').next().unwrap().parse::<u64>().unwrap();
    let before = count(calls());
    // Nothing is awaited here: it is counted what happens in a time.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(count(calls()) - before < 20, "those who follow do not ask for it without end");
    let why = super::failing::refusal(&append(&log, plain("t", "x")).await);
    assert!(why.contains("another program has written"), "{why}");
    assert_eq!(seqs(&read_all(&log).await), [1, 3, 6, 7, 8]);
    assert!(heard.anew.is_empty() && early.anew.is_empty());
}

#[tokio::test]
async fn an_update_that_is_too_large_is_refused_alone() {
    let redis = Redis::new();
    let log = open(&redis, ROOMY).await;
    let entries =
        || vec![plain("t", "a"), plain("t", "x".repeat(33 * 1024 * 1024)), plain("t", "b")];
    let results = log.append(entries(), Mode::Each).await;
    assert_eq!((new_seq(&results[0]), new_seq(&results[2])), (1, 2));
    assert!(format!("{:?}", results[1]).contains("TooLarge"), "{:?}", results[1]);
    let results = log.append(entries(), Mode::All).await;
    assert!(results.iter().all(Result::is_err));
    assert_eq!(log.bounds().await.unwrap().next, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hubs_hear_each_other_and_themselves() {
    let mut redis = Redis::new();
    let bus = [(); 2].map(|()| RedisBus::connect(RedisConfig::new(redis.url())));
    let [first, second] = bus;
    let bus = [first.await.unwrap(), second.await.unwrap()];
    let mut ears = [bus[0].listen(), bus[1].listen(), bus[1].listen()];
    let sent: Vec<Bytes> = (0..100).map(|number| Bytes::from(format!("{number}"))).collect();
    let sending: Vec<_> = sent.iter().map(|message| bus[0].send(message.clone())).collect();
    for sending in sending {
        sending.await.unwrap();
    }
    bus[1].send(vec![7; MAX_MESSAGE_BYTES].into()).await.unwrap();
    assert!(bus[1].send(vec![7; MAX_MESSAGE_BYTES + 1].into()).await.is_err());
    for ear in &mut ears {
        for message in &sent {
            assert_eq!(hear(ear.as_mut()).await, message);
        }
        assert_eq!(hear(ear.as_mut()).await.len(), MAX_MESSAGE_BYTES);
    }

    redis.kill();
    assert!(bus[0].send(Bytes::from("lost")).await.unwrap_err().to_string().contains("127.0.0.1"));
    redis.start();
    // Both are heard again; what is sent before is lost.
    for ear in &mut ears {
        let mut number = 0;
        loop {
            number += 1;
            drop(bus[0].send(Bytes::from(format!("again {number}"))).await);
            let patience = Duration::from_millis(50);
            if let Ok(message) = tokio::time::timeout(patience, ear.next()).await {
                assert!(message.starts_with(b"again"));
                break;
            }
        }
    }
}

async fn hear(ear: &mut dyn Listen) -> Bytes {
    tokio::time::timeout(Duration::from_secs(30), ear.next()).await.unwrap()
}
