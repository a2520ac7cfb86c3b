//! A log that is deleted, has lost its end, or is put back from a copy: all hubs agree on a new epoch, and say so.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use tidings_hub::Log;

use super::engine::Redis;
use super::failing::insist;
use super::heard::Heard;
use super::open;
use super::proxy::Proxy;
use crate::contract::ROOMY;
use crate::contract::given::{append, append_all, keyed, numbered, plain, read_all, repeated_seq};

use tidings_store::redis::{RedisConfig, RedisLog};

/// Two hubs' logs on one address.
async fn two(url: &str) -> [Arc<dyn Log>; 2] {
    let connect = || async {
        Arc::new(RedisLog::connect(RedisConfig::new(url)).await.unwrap()) as Arc<dyn Log>
    };
    [connect().await, connect().await]
}

/// Loses a log in some way while two hubs follow it.
async fn lost(redis: &mut Redis, lose: impl FnOnce(&mut Redis)) {
    let logs = two(&redis.url()).await;
    append_all(&logs[0], numbered(5)).await;
    append_all(&logs[1], vec![keyed("k", "once")]).await;
    let before = logs[0].bounds().await.unwrap();
    let mut heard = [Heard::new(&logs[0], 1), Heard::new(&logs[1], 1)];
    for heard in &mut heard {
        heard.until_data("once").await;
    }
    lose(redis);
    for heard in &mut heard {
        heard.until(|heard| !heard.anew.is_empty()).await;
    }
    let now = logs[0].bounds().await.unwrap();
    assert_ne!(now.epoch, before.epoch);
    assert_eq!((now.oldest, now.next), (1, 1));
    // A key of a lost update is free again.
    insist(&logs[1], "new").await;
    insist(&logs[0], "and").await;
    let again = append(&logs[0], keyed("k", "another")).await.unwrap();
    assert_eq!((again.epoch, again.seq, again.repeated), (now.epoch, 3, false));
    for mut heard in heard {
        heard.until_data("another").await;
        assert_eq!(heard.data(), ["new", "and", "another"]);
        assert_eq!(heard.anew.len(), 1, "{:?}", heard.anew);
        assert_eq!(heard.anew[0].epoch, now.epoch, "both have the same epoch");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_stream_is_another_log() {
    lost(&mut Redis::new(), |redis| {
        redis.say(&["DEL", "{tidings}:log"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flushed_server_has_another_log() {
    lost(&mut Redis::new(), |redis| {
        redis.say(&["FLUSHALL"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_persistence_has_another_log_after_a_crash() {
    lost(&mut Redis::with(&["appendonly no"]), |redis| {
        redis.kill();
        redis.start();
    })
    .await;
}

#[tokio::test]
async fn an_epoch_that_was_deleted_is_another_one_and_the_updates_stay() {
    let redis = Redis::new();
    let log: Arc<dyn Log> = Arc::new(open(&redis, ROOMY).await);
    append_all(&log, numbered(5)).await;
    let before = log.bounds().await.unwrap();
    let mut heard = Heard::new(&log, 6);
    redis.say(&["DEL", "{tidings}:meta"]);
    heard.until(|heard| heard.updates.len() == 5).await;
    assert_eq!(heard.anew.len(), 1);
    let now = log.bounds().await.unwrap();
    assert_ne!(now.epoch, before.epoch);
    assert_eq!(now.bytes, before.bytes);
    assert_eq!(append_all(&log, numbered(1)).await, [6]);
}

/// A primary and a replica, of which the replica is promoted when it has `kept` of 10 updates; `first` is what another
/// hub appends there before these two come.
async fn failed_over(kept: u64, first: u64) {
    let primary = Redis::new();
    let of = format!("replicaof 127.0.0.1 {}", primary.port());
    let replica = Redis::with(&["appendonly yes", &of]);
    let proxy = Proxy::new(primary.port()).await;
    let logs = two(&proxy.url()).await;
    let mut heard = [Heard::new(&logs[0], 1), Heard::new(&logs[1], 1)];

    let careful = RedisConfig { wait_replicas: 1, ..RedisConfig::new(primary.url()) };
    let careful: Arc<dyn Log> = Arc::new(RedisLog::connect(careful).await.unwrap());
    append_all(&logs[0], numbered(kept - 1)).await;
    // Waits for the replica to have everything.
    assert_eq!(append(&careful, keyed("k", "kept")).await.unwrap().seq, kept);
    replica.say(&["REPLICAOF", "NO", "ONE"]);
    append_all(&logs[1], (kept..10).map(|number| plain("t", format!("lost {number}"))).collect())
        .await;
    for heard in &mut heard {
        heard.until(|heard| heard.updates.len() == 10).await;
    }
    let before = logs[0].bounds().await.unwrap();

    let there: Arc<dyn Log> = Arc::new(open(&replica, ROOMY).await);
    append_all(&there, (0..first).map(|_| plain("t", "first")).collect()).await;
    proxy.lead_to(replica.port());
    drop(primary);
    let mut epochs = Vec::new();
    for heard in &mut heard {
        heard
            .until(|heard| !heard.anew.is_empty() && heard.updates.len() as u64 >= kept + first)
            .await;
        epochs.push(heard.anew[0].epoch);
    }
    let seq = insist(&logs[0], "after").await;
    assert_eq!(seq, kept + first + 1);
    for heard in &mut heard {
        heard.until_data("after").await;
        assert_eq!(heard.seqs(), (1..=seq).collect::<Vec<_>>());
        assert!(heard.data().iter().all(|data| !data.starts_with("lost")));
        assert_eq!(heard.anew.len(), 1, "{:?}", heard.anew);
    }
    let now = logs[0].bounds().await.unwrap();
    assert_ne!(now.epoch, before.epoch);
    assert_eq!(epochs, [now.epoch; 2], "all agree");
    assert_eq!(read_all(&logs[1]).await, heard[0].updates);
    // What is retained keeps its key.
    assert_eq!(repeated_seq(&append(&logs[1], keyed("k", "kept")).await), kept);
    assert_eq!(there.bounds().await.unwrap().epoch, now.epoch);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promoted_replica_that_lacks_the_end_has_another_log() {
    failed_over(5, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promoted_replica_that_has_another_end_has_another_log() {
    failed_over(5, 8).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promoted_replica_that_lacks_nothing_has_the_same_log() {
    let primary = Redis::new();
    let of = format!("replicaof 127.0.0.1 {}", primary.port());
    let replica = Redis::with(&["appendonly yes", &of]);
    let proxy = Proxy::new(primary.port()).await;
    let config = RedisConfig { wait_replicas: 1, ..RedisConfig::new(proxy.url()) };
    let log: Arc<dyn Log> = Arc::new(RedisLog::connect(config).await.unwrap());
    let mut heard = Heard::new(&log, 1);
    append_all(&log, numbered(10)).await;
    heard.until(|heard| heard.updates.len() == 10).await;
    replica.say(&["REPLICAOF", "NO", "ONE"]);
    proxy.lead_to(replica.port());
    heard.until(|heard| heard.back == 1).await;
    drop(primary);
    drop(log);
    let log: Arc<dyn Log> = Arc::new(open(&replica, ROOMY).await);
    assert_eq!(append_all(&log, vec![plain("t", "after")]).await, [11]);
    heard.until_data("after").await;
    assert_eq!(heard.seqs(), (1..=11).collect::<Vec<_>>());
    assert!(heard.anew.is_empty());
}

/// What a server has on its disk.
fn data(redis: &Redis) -> Vec<(PathBuf, Vec<u8>)> {
    let files = fs::read_dir(redis.dir().join("appendonlydir")).unwrap();
    files
        .map(|file| file.unwrap().path())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}

/// A copy that is put back once more brings the first epoch back, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_is_put_back_twice_is_another_log_each_time() {
    let mut redis = Redis::new();
    let logs = two(&redis.url()).await;
    append_all(&logs[0], vec![plain("t", "1"), keyed("k", "2")]).await;
    redis.stop();
    let copy = data(&redis);
    redis.start();
    let mut heard = [Heard::new(&logs[0], 1), Heard::new(&logs[1], 1)];
    assert_eq!(insist(&logs[0], "3").await, 3);
    for heard in &mut heard {
        heard.until_data("3").await;
    }
    let mut epochs = vec![logs[0].bounds().await.unwrap().epoch];
    for round in 1..=2 {
        redis.kill();
        for (path, _) in data(&redis) {
            fs::remove_file(path).unwrap();
        }
        for (path, bytes) in &copy {
            fs::write(path, bytes).unwrap();
        }
        redis.start();
        for heard in &mut heard {
            heard.until(|heard| heard.anew.len() == round).await;
        }
        let now = heard[0].anew[round - 1];
        assert_eq!(heard[1].anew[round - 1].epoch, now.epoch, "both have the same epoch");
        assert_eq!((now.oldest, now.next), (1, 3));
        assert!(!epochs.contains(&now.epoch), "{epochs:?}");
        epochs.push(now.epoch);
        assert_eq!(insist(&logs[1], "another").await, 3);
        assert_eq!(insist(&logs[0], "and").await, 4);
        assert_eq!(repeated_seq(&append(&logs[0], keyed("k", "2")).await), 2);
        for heard in &mut heard {
            heard.until_data("and").await;
            assert_eq!(heard.data(), ["1", "2", "another", "and"]);
            assert_eq!(heard.anew.len(), round, "{:?}", heard.anew);
        }
    }
}
