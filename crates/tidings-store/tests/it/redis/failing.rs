//! A server that crashes, stands still, is full or does not take us: publishers are told at once, nothing acknowledged
//! is missing, and it goes on when it is well again.

use std::sync::Arc;
use std::time::Duration;

use tidings_hub::{AppendError, Appending, IdScope, Log, Mode};
use tidings_store::redis::{RedisConfig, RedisLog};
use tokio::time::Instant;

use super::engine::Redis;
use super::heard::Heard;
use super::open;
use super::proxy::Proxy;
use crate::contract::ROOMY;
use crate::contract::given::{
    append, append_all, keyed, numbered, plain, read_all, repeated_seq, seqs, with_id,
};

/// Why an update was not appended.
pub(super) fn refusal(result: &Appending) -> String {
    match result {
        Err(AppendError::Unavailable(why)) => why.to_string(),
        other => panic!("not refused: {other:?}"),
    }
}

/// Appends an update until it is in the log, as a publisher does.
pub(super) async fn insist(log: &Arc<dyn Log>, data: &str) -> u64 {
    let begun = Instant::now();
    loop {
        match append(log, plain("t", data)).await {
            Ok(appended) => return appended.seq,
            Err(error) => assert!(begun.elapsed() < Duration::from_secs(30), "{error:?}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A log that does not wait for long.
pub(super) async fn impatient(url: String) -> Arc<dyn Log> {
    let timeout = Duration::from_millis(400);
    Arc::new(RedisLog::connect(RedisConfig { timeout, ..RedisConfig::new(url) }).await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_crashes_of_the_server() {
    let mut redis = Redis::new();
    let log: Arc<dyn Log> = Arc::new(open(&redis, ROOMY).await);
    let mut heard = Heard::new(&log, 1);
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let publishers: Vec<_> = (0..4)
        .map(|name| {
            let (log, stopped) = (log.clone(), stopped.clone());
            tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                let mut number = 0;
                while !*stopped.borrow() {
                    number += 1;
                    let data = format!("{name} {number}");
                    match append(&log, plain("t", data.as_str())).await {
                        Ok(appended) => acknowledged.push((appended.seq, data)),
                        Err(_) => tokio::time::sleep(Duration::from_millis(2)).await,
                    }
                }
                acknowledged
            })
        })
        .collect();
    for round in 1..=3 {
        heard.until(|heard| heard.updates.len() > 200 * round).await;
        redis.kill();
        heard.until(|heard| heard.away.len() == round).await;
        let begun = Instant::now();
        refusal(&append(&log, plain("t", "x")).await);
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?} for a refusal", begun.elapsed());
        redis.start();
        heard.until(|heard| heard.back == round).await;
        insist(&log, "again").await;
    }
    stop.send_replace(true);
    let mut acknowledged = Vec::new();
    for publisher in publishers {
        acknowledged.extend(publisher.await.unwrap());
    }
    insist(&log, "end").await;
    heard.until_data("end").await;
    let kept = read_all(&log).await;
    for (seq, data) in acknowledged {
        let place = usize::try_from(seq - 1).unwrap();
        assert_eq!(kept[place].update.data, data, "{seq}");
    }
    assert_eq!(heard.updates, kept, "each once, in order");
    assert!(heard.anew.is_empty(), "{:?}", heard.anew);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stands_still_is_waited_for_no_longer_than_said() {
    let redis = Redis::new();
    let log = impatient(redis.url()).await;
    let mut heard = Heard::new(&log, 1);
    append_all(&log, vec![plain("t", "before")]).await;
    redis.stall();
    let begun = Instant::now();
    let why = refusal(&append(&log, plain("t", "unknown")).await);
    assert!(why.contains("does not answer") && why.contains("may be in the log"), "{why}");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    let begun = Instant::now();
    refusal(&append(&log, plain("t", "refused")).await);
    assert!(begun.elapsed() < Duration::from_millis(200), "{:?} for the next one", begun.elapsed());
    heard.until(|heard| !heard.away.is_empty()).await;
    redis.go_on();
    insist(&log, "after").await;
    heard.until_data("after").await;
    let data = heard.data();
    // The one whose fate was not known may be there, and then before what came later.
    assert!(data == ["before", "after"] || data == ["before", "unknown", "after"], "{data:?}");
    assert!(heard.anew.is_empty());
}

#[tokio::test]
async fn a_server_whose_memory_is_full_refuses_and_is_still_read() {
    let redis = Redis::new();
    let log: Arc<dyn Log> = Arc::new(open(&redis, ROOMY).await);
    let mut heard = Heard::new(&log, 1);
    append_all(&log, vec![plain("t", "before")]).await;
    redis.say(&["CONFIG", "SET", "maxmemory", "1"]);
    let why = refusal(&append(&log, plain("t", "no room")).await);
    assert!(why.contains("maxmemory"), "{why}");
    assert_eq!(read_all(&log).await.len(), 1);
    redis.say(&["CONFIG", "SET", "maxmemory", "0"]);
    append_all(&log, vec![plain("t", "after")]).await;
    heard.until_data("after").await;
    assert_eq!(heard.data(), ["before", "after"]);
    assert!(heard.away.is_empty(), "{:?}", heard.away);
}

#[tokio::test]
async fn a_server_that_has_become_a_replica_is_said_to_be_one() {
    let redis = Redis::new();
    let log: Arc<dyn Log> = Arc::new(open(&redis, ROOMY).await);
    append_all(&log, vec![plain("t", "before")]).await;
    // Of nobody: it keeps its data and takes no more.
    redis.say(&["REPLICAOF", "127.0.0.1", "1"]);
    let why = refusal(&append(&log, plain("t", "refused")).await);
    assert!(why.contains("replica"), "{why}");
    redis.say(&["REPLICAOF", "NO", "ONE"]);
    assert_eq!(insist(&log, "after").await, 2);
}

#[tokio::test]
async fn an_update_waits_for_replicas_where_that_is_asked_for() {
    let redis = Redis::new();
    let timeout = Duration::from_millis(300);
    let config = RedisConfig { wait_replicas: 1, timeout, ..RedisConfig::new(redis.url()) };
    let log: Arc<dyn Log> = Arc::new(RedisLog::connect(config).await.unwrap());
    let why = refusal(&append(&log, plain("t", "alone")).await);
    assert!(why.contains("only 0 of 1 replicas") && why.contains("may be in the log"), "{why}");
    let of = format!("replicaof 127.0.0.1 {}", redis.port());
    let replica = Redis::with(&[of.as_str()]);
    let seq = insist(&log, "with a replica").await;
    let answer = replica.say(&["XREVRANGE", "{tidings}:log", "+", "-", "COUNT", "1"]);
    assert!(answer.contains(&format!("0-{seq}")), "{answer}");
}

#[tokio::test]
async fn a_lost_connection_is_made_again_before_it_is_needed() {
    let redis = Redis::new();
    let log: Arc<dyn Log> = Arc::new(open(&redis, ROOMY).await);
    let mut heard = Heard::new(&log, 1);
    append_all(&log, vec![plain("t", "before")]).await;
    heard.until_data("before").await;
    redis.say(&["CLIENT", "KILL", "TYPE", "normal"]);
    heard.until(|heard| heard.back == 1).await;
    // The one that asks, the one that follows, and the one that appends.
    let connections = || redis.say(&["CLIENT", "LIST", "TYPE", "normal"]).matches("laddr=").count();
    let renewed = async {
        while connections() < 3 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), renewed).await.unwrap();
    insist(&log, "after").await;
    heard.until_data("after").await;
}

#[tokio::test]
async fn a_script_flush_is_survived() {
    let redis = Redis::new();
    let log: Arc<dyn Log> = Arc::new(open(&redis, ROOMY).await);
    append_all(&log, vec![plain("t", "1")]).await;
    redis.say(&["SCRIPT", "FLUSH"]);
    // One may be refused; it is not in the log then.
    let refused = log.append(vec![plain("t", "refused")], Mode::Each).await;
    refusal(&refused[0]);
    assert_eq!(insist(&log, "2").await, 2);
    assert_eq!(log.bounds().await.unwrap().next, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_in_the_middle_of_a_script_is_not_said_to_have_done_nothing() {
    let redis = Redis::new();
    let log: Arc<dyn Log> = Arc::new(open(&redis, ROOMY).await);
    assert_eq!(insist(&log, "first").await, 1);
    redis.say(&["SET", "{tidings}:ids", "another program's"]);
    let entries =
        vec![plain("t", "before it"), with_id("t", "id", IdScope::Hub), keyed("k", "after it")];
    let results = log.append(entries, Mode::Each).await;
    for result in &results {
        let why = refusal(result);
        assert!(why.contains("may be in the log") && why.contains("choose another name"), "{why}");
    }
    let length = redis.say(&["XLEN", "{tidings}:log"]);
    assert_eq!(length, ":2\r\n", "all are there, in one entry");
    redis.say(&["DEL", "{tidings}:ids"]);
    let after: Vec<u64> = loop {
        let results = log.append(numbered(3), Mode::Each).await;
        if let Ok(appended) = results.into_iter().collect::<Result<Vec<_>, _>>() {
            break appended.iter().map(|appended| appended.seq).collect();
        }
    };
    assert_eq!(after, [5, 6, 7], "no seq is given twice");
    let again = append(&log, keyed("k", "after it")).await;
    assert_eq!(repeated_seq(&again), 4, "nor is anything published twice");
    assert_eq!(seqs(&read_all(&log).await), [1, 2, 3, 4, 5, 6, 7]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_can_wait_is_refused_at_once() {
    let redis = Redis::new();
    let log: Arc<dyn Log> = Arc::new(open(&redis, ROOMY).await);
    redis.stall();
    let large = || plain("t", "x".repeat(1_000_000));
    let calls: Vec<_> = (0..80).map(|_| log.append(vec![large()], Mode::Each)).collect();
    let begun = Instant::now();
    let why = refusal(&append(&log, large()).await);
    assert!(why.contains("too much waits") && why.contains(&redis.url()), "{why}");
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    redis.go_on();
    let mut appended = 0;
    for call in calls {
        appended += u64::from(call.await[0].is_ok());
    }
    assert!((50..80).contains(&appended), "{appended} of 80");
    assert_eq!(log.bounds().await.unwrap().next, appended + 1);
    append_all(&log, vec![large()]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_line_cannot_carry_at_once_comes_in_pieces() {
    let redis = Redis::new();
    let log: Arc<dyn Log> = Arc::new(open(&redis, ROOMY).await);
    // All at once would take five seconds; an answer may take less than one and a half.
    let entries = (0..30).map(|_| plain("t", "x".repeat(50_000))).collect();
    append_all(&log, entries).await;
    let line = Proxy::slow(redis.port(), 300_000).await;
    let there = impatient(line.url()).await;
    let mut heard = Heard::new(&there, 1);
    heard.until(|heard| heard.updates.len() == 30).await;
    assert_eq!(heard.seqs(), (1..=30).collect::<Vec<_>>());
    assert!(heard.away.len() < 10, "{:?}", heard.away);
    append_all(&log, vec![plain("t", "after")]).await;
    heard.until_data("after").await;
}
