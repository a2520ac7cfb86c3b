//! The stream's settings.

use std::time::Duration;

use serde_json::{Value, json};
use tidings_hub::{Log, Mode};
use tidings_store::Retention;
use tidings_store::nats::{ConnectError, NatsConfig, NatsLog, Storage};

use super::engine::Nats;
use super::{append, config, connect, operate};
use crate::contract::ROOMY;
use crate::contract::given::{keyed, numbered, plain};

async fn settings(nats: &Nats) -> Value {
    operate(nats, "STREAM.INFO.tidings", json!({})).await["config"].clone()
}

#[tokio::test]
async fn a_stream_is_made_with_the_limits_and_gets_them_when_they_change() {
    let nats = Nats::new();
    let first = NatsConfig {
        retention: Retention {
            max_updates: Some(10),
            max_bytes: Some(1_000_000),
            max_age: Some(Duration::from_hours(1)),
        },
        ..config(&nats)
    };
    let log = connect(first.clone()).await;
    let epoch = log.bounds().await.unwrap().epoch;
    let made = settings(&nats).await;
    assert_eq!((&made["max_msgs"], &made["max_bytes"]), (&json!(10), &json!(1_000_000)));
    assert_eq!(made["max_age"], json!(3_600_000_000_000_u64));
    assert_eq!(made["duplicate_window"], json!(120_000_000_000_u64));
    assert_eq!((&made["storage"], &made["discard"]), (&json!("file"), &json!("old")));
    drop(log);
    let other =
        Retention { max_updates: None, max_bytes: None, max_age: Some(Duration::from_mins(1)) };
    let log = connect(NatsConfig { retention: other, ..first }).await;
    let changed = settings(&nats).await;
    assert_eq!((&changed["max_msgs"], &changed["max_bytes"]), (&json!(-1), &json!(-1)));
    assert_eq!(changed["duplicate_window"], json!(60_000_000_000_u64), "not longer than the age");
    assert_eq!(log.bounds().await.unwrap().epoch, epoch);
}

#[tokio::test]
async fn a_key_is_known_for_as_long_as_is_configured() {
    let nats = Nats::new();
    let log = connect(NatsConfig { keys_for: Duration::from_millis(300), ..config(&nats) }).await;
    let first = append(&log, keyed("k", "1")).await.unwrap();
    // Until it is forgotten it is repeated.
    loop {
        let again = append(&log, keyed("k", "1")).await.unwrap();
        if !again.repeated {
            assert!(again.seq > first.seq);
            break;
        }
        assert_eq!(again.seq, first.seq);
    }
}

#[tokio::test]
async fn a_key_whose_update_has_left_is_free_again() {
    let nats = Nats::new();
    let retention = Retention { max_updates: Some(3), ..ROOMY };
    let log = connect(NatsConfig { retention, ..config(&nats) }).await;
    append(&log, keyed("k", "1")).await.unwrap();
    log.append(numbered(3), Mode::Each).await;
    let again = append(&log, keyed("k", "another")).await.unwrap();
    assert_eq!((again.seq, again.repeated), (5, false));
    // The server knows the first one's message id still; the second one's is found all the same.
    let again = append(&log, keyed("k", "another")).await.unwrap();
    assert_eq!((again.seq, again.repeated), (5, true));
}

#[tokio::test]
async fn a_log_in_memory_is_another_after_a_restart() {
    let mut nats = Nats::new();
    let log = connect(NatsConfig { storage: Storage::Memory, ..config(&nats) }).await;
    let before = append(&log, plain("t", "1")).await.unwrap().epoch;
    let mut follow = log.follow(2);
    nats.stop();
    nats.start();
    let told = super::anew(&mut follow).await;
    assert_ne!(told.epoch, before);
    assert_eq!((told.oldest, told.next), (1, 1));
}

#[tokio::test]
async fn what_a_server_cannot_do_is_refused_with_what_to_do() {
    let nats = Nats::new();
    let error = NatsLog::connect(NatsConfig { replicas: 3, ..config(&nats) }).await.unwrap_err();
    assert!(matches!(error, ConnectError::Refused(_)), "{error:?}");
    assert!(error.to_string().contains("fewer replicas"), "{error}");
    for name in ["", "a.b", "a b", "a*", "ü"] {
        let error =
            NatsLog::connect(NatsConfig { name: name.into(), ..config(&nats) }).await.unwrap_err();
        assert!(matches!(error, ConnectError::Config(_)), "{error:?}");
    }
}
