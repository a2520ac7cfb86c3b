//! The server is killed, stalled, or not there at first.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tidings_hub::{Log, Mode, News};
use tidings_store::nats::{ConnectError, NatsConfig, NatsLog};
use tokio::time::Instant;

use super::engine::Nats;
use super::{append, append_at_last, config, log, news, refusal, updates};
use crate::contract::given::plain;

/// Soon enough for a publisher to be told to come again.
const SOON: Duration = Duration::from_millis(500);

/// Appends one after the other until told to stop; where each one is that was acknowledged.
async fn publish(log: Arc<NatsLog>, name: usize, stop: Arc<AtomicBool>) -> BTreeMap<u64, String> {
    let mut acknowledged = BTreeMap::new();
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let data = format!("{name}-{number}");
        let results = log.append(vec![plain("t", &*data)], Mode::Each).await;
        match &results[0] {
            Ok(appended) => drop(acknowledged.insert(appended.seq, data)),
            // Does not run in circles while the server is away.
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_acknowledged_survives_a_server_that_is_killed_and_comes_once() {
    let mut nats = Nats::new();
    let log = Arc::new(log(&nats).await);
    let mut follow = log.follow(1);
    let stop = Arc::new(AtomicBool::new(false));
    let publishers: Vec<_> =
        (0..4).map(|name| tokio::spawn(publish(log.clone(), name, stop.clone()))).collect();
    let mut followed = BTreeMap::new();
    let mut last = 0;
    let mut follow_until = async |seq: u64| {
        while last < seq {
            for update in updates(&mut follow).await {
                assert!(update.seq > last, "in order");
                last = update.seq;
                assert_eq!(followed.insert(update.seq, update.update.data), None, "once");
            }
        }
        last
    };
    let mut at = 0;
    for _ in 0..3 {
        at = follow_until(at + 300).await;
        nats.kill();
        // Wait until it is known, then appends are refused at once.
        while append(&log, plain("t", "lost")).await.is_ok() {}
        let asked = Instant::now();
        let refused = refusal(&append(&log, plain("t", "away")).await);
        assert!(asked.elapsed() < SOON, "{:?}", asked.elapsed());
        assert!(refused.contains(&nats.url()), "{refused}");
        nats.start();
    }
    follow_until(at + 300).await;
    stop.store(true, Ordering::Relaxed);
    let mut acknowledged = BTreeMap::new();
    for publisher in publishers {
        acknowledged.extend(publisher.await.unwrap());
    }
    follow_until(*acknowledged.keys().last().unwrap()).await;
    for (seq, data) in &acknowledged {
        assert_eq!(followed.get(seq), Some(data), "{seq}");
    }
    assert_eq!(
        followed.keys().copied().collect::<Vec<_>>(),
        (1..=followed.len() as u64).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn a_follower_is_told_that_the_server_is_away_and_back() {
    let mut nats = Nats::new();
    let log = log(&nats).await;
    let mut follow = log.follow(1);
    append(&log, plain("t", "1")).await.unwrap();
    assert_eq!(updates(&mut follow).await[0].seq, 1);
    nats.stop();
    assert!(matches!(news(&mut follow).await, News::Away(_)));
    assert!(log.bounds().await.is_err());
    nats.start();
    assert!(matches!(news(&mut follow).await, News::Back));
    append_at_last(&log, plain("t", "2")).await;
    assert_eq!(updates(&mut follow).await[0].seq, 2);
}

#[tokio::test]
async fn a_stalled_server_is_given_up_and_used_again_when_it_goes_on() {
    let nats = Nats::new();
    let log = log(&nats).await;
    let mut follow = log.follow(1);
    append(&log, plain("t", "1")).await.unwrap();
    assert_eq!(updates(&mut follow).await[0].seq, 1);
    nats.stall();
    let asked = Instant::now();
    let results =
        log.append((0..500).map(|_| plain("t", "x".repeat(10_000))).collect(), Mode::Each).await;
    assert!(results.iter().all(Result::is_err));
    let refused = refusal(&results[0]);
    assert!(refused.contains("no answer within 700ms"), "{refused}");
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
    assert!(matches!(news(&mut follow).await, News::Away(_)));
    let asked = Instant::now();
    refusal(&append(&log, plain("t", "3")).await);
    assert!(asked.elapsed() < SOON, "{:?}", asked.elapsed());
    nats.go_on();
    let (_, seq) = append_at_last(&log, plain("t", "last")).await;
    let last = loop {
        if let Some(last) = updates(&mut follow).await.into_iter().find(|update| update.seq == seq)
        {
            break last;
        }
    };
    assert_eq!(last.update.data, "last");
}

#[tokio::test]
async fn a_server_that_is_away_at_first_is_waited_for_so_long() {
    let mut nats = Nats::new();
    nats.stop();
    let url = nats.url().replace("//", "//user:secret@");
    let impatient = NatsConfig { url, connect_within: Duration::from_millis(300), ..config(&nats) };
    let error = NatsLog::connect(impatient).await.unwrap_err();
    assert!(matches!(error, ConnectError::Away(_)), "{error:?}");
    assert!(
        error.to_string().contains(&nats.url()) && !error.to_string().contains("secret"),
        "{error}"
    );
    let patient = tokio::spawn(NatsLog::connect(config(&nats)));
    nats.start();
    append(&patient.await.unwrap().unwrap(), plain("t", "1")).await.unwrap();
}

#[tokio::test]
async fn a_log_that_is_dropped_appends_what_waits() {
    let nats = Nats::new();
    let log = log(&nats).await;
    let appended = log.append((0..1000).map(|_| plain("t", "x")).collect(), Mode::Each);
    drop(log);
    assert!(appended.await.iter().all(Result::is_ok));
}

/// The second server of the list is taken while the first is away.
#[tokio::test]
async fn any_server_of_the_list_will_do() {
    let nats = Nats::new();
    let url = format!("nats://127.0.0.1:1,{}", nats.url());
    let log = super::connect(NatsConfig { url, ..config(&nats) }).await;
    append(&log, plain("t", "1")).await.unwrap();
}
