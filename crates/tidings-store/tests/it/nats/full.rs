//! There is no room, an update is too large, something is not allowed.

use std::time::Duration;

use serde_json::json;
use tidings_hub::{AppendError, Log, Mode};
use tidings_store::Bus;
use tidings_store::nats::{ConnectError, NatsConfig, NatsLog};
use tokio::time::Instant;

use super::engine::Nats;
use super::{append, append_at_last, config, connect, log, operate, refusal};
use crate::contract::ROOMY;
use crate::contract::given::{assert_key_reused, keyed, new_seq, plain, repeated_seq, wanted};

#[tokio::test]
async fn where_there_is_no_room_it_is_told_and_what_is_there_is_read() {
    let nats = Nats::configured("max_file_store: 300K", "");
    let log = log(&nats).await;
    let refused = loop {
        let result = append(&log, plain("t", "x".repeat(10_000))).await;
        if result.is_err() {
            break refusal(&result);
        }
    };
    assert!(
        refused.contains("more room") || refused.contains("the room that JetStream has"),
        "{refused}"
    );
    assert!(!log.read(wanted(1, 20, None)).await.unwrap().updates.is_empty());
    operate(&nats, "STREAM.PURGE.tidings", json!({})).await;
    append_at_last(&log, plain("t", "x")).await;
}

#[tokio::test]
async fn an_update_that_is_too_large_keeps_no_other_out() {
    let nats = Nats::configured("", "max_payload: 20000");
    let log = log(&nats).await;
    let large = || plain("t", "x".repeat(30_000));
    let results = log.append(vec![plain("t", "1"), large(), plain("t", "3")], Mode::Each).await;
    assert!(results[0].is_ok() && results[2].is_ok());
    let Err(AppendError::TooLarge { bytes, limit }) = results[1] else {
        panic!("{:?}", results[1])
    };
    assert!(bytes > 30_000 && limit == 20_000);
    let results = log.append(vec![plain("t", "1"), large()], Mode::All).await;
    assert!(matches!(results[1], Err(AppendError::TooLarge { .. })));
    assert!(results[0].is_err());
    assert_eq!(log.bounds().await.unwrap().next, 3);
    // Just as large as it may be, with the header for the key.
    for bytes in 19_700..20_000 {
        match append(&log, keyed(&bytes.to_string(), &"x".repeat(bytes))).await {
            Ok(_) | Err(AppendError::TooLarge { .. }) => {}
            other => panic!("{bytes}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_message_for_the_other_hubs_that_is_too_large_is_told_as_such() {
    let nats = Nats::configured("", "max_payload: 20000");
    let log = log(&nats).await;
    let why = log.send(vec![b'x'; 30_000].into()).await.unwrap_err().to_string();
    assert!(why.contains("max_payload"), "{why}");
    log.send(vec![b'x'; 10_000].into()).await.unwrap();
}

/// All messages are read, more than are read at once.
#[tokio::test]
async fn of_an_array_that_is_repeated_each_key_is_looked_at() {
    const COUNT: usize = 300;
    let nats = Nats::new();
    let log = log(&nats).await;
    let mut array: Vec<_> = (0..COUNT).map(|n| keyed(&n.to_string(), "x")).collect();
    let first = log.append(array.clone(), Mode::All).await;
    let again = log.append(array.clone(), Mode::All).await;
    for (first, again) in first.iter().zip(&again) {
        assert_eq!(repeated_seq(again), new_seq(first));
    }
    array[COUNT - 1] = keyed(&(COUNT - 1).to_string(), "other");
    let refused = log.append(array, Mode::All).await;
    assert_key_reused(&refused[COUNT - 1]);
    assert!(refused.iter().all(Result::is_err));
    assert_eq!(log.bounds().await.unwrap().next, COUNT as u64 + 1);
}

#[tokio::test]
async fn an_account_without_jetstream_is_refused_at_once() {
    let nats = Nats::configured("", "accounts { A { users: [{ user: a, password: secret }] } }");
    let url = nats.url().replace("//", "//a:secret@");
    let error = NatsLog::connect(NatsConfig::new(url, ROOMY)).await.unwrap_err();
    assert!(matches!(error, ConnectError::Refused(_)), "{error:?}");
    assert!(
        error.to_string().contains("JetStream") && !error.to_string().contains("secret"),
        "{error}"
    );
}

/// A user who may do everything but publish to a subject.
fn without(subject: &str) -> Nats {
    let user = format!(
        "{{ user: a, password: p, permissions: {{ publish: {{ deny: [\"{subject}\"] }} }} }}"
    );
    Nats::configured("", &format!("authorization {{ users: [{user}] }}"))
}

#[tokio::test]
async fn what_is_not_permitted_is_told_with_the_subject() {
    let nats = without("tidings.log.>");
    let log = connect(NatsConfig::new(nats.url().replace("//", "//a:p@"), ROOMY)).await;
    let asked = Instant::now();
    let refused = refusal(&append(&log, plain("t", "1")).await);
    assert!(
        refused.contains("Permissions Violation") && refused.contains("tidings.log."),
        "{refused}"
    );
    assert!(asked.elapsed() < Duration::from_secs(2), "not after the patience is over");

    let nats = without("$JS.API.STREAM.CREATE.*");
    let error = NatsLog::connect(NatsConfig::new(nats.url().replace("//", "//a:p@"), ROOMY))
        .await
        .unwrap_err();
    assert!(matches!(error, ConnectError::Refused(_)), "{error:?}");
    assert!(error.to_string().contains("$JS.API.STREAM.CREATE.tidings"), "{error}");
}

/// The documented permissions are enough.
#[tokio::test]
async fn the_documented_permissions_are_enough() {
    let user = r#"{ user: a, password: p, permissions: {
        publish: ["tidings.log.>", "tidings.bus", "$JS.API.STREAM.INFO.tidings", "$JS.API.STREAM.CREATE.tidings",
            "$JS.API.STREAM.UPDATE.tidings", "$JS.API.STREAM.MSG.GET.tidings", "$JS.API.DIRECT.GET.tidings",
            "$JS.API.CONSUMER.CREATE.tidings", "$JS.API.CONSUMER.MSG.NEXT.tidings.*", "$JS.API.CONSUMER.DELETE.tidings.*"]
        subscribe: ["tidings.bus", "_INBOX.>"] } }"#;
    let nats = Nats::configured("", &format!("authorization {{ users: [{user}] }}"));
    let url = nats.url().replace("//", "//a:p@");
    let log = connect(NatsConfig { url, ..config(&nats) }).await;
    append(&log, keyed("k", "1")).await.unwrap();
    assert!(append(&log, keyed("k", "1")).await.unwrap().repeated);
    let mut follow = log.follow(1);
    assert_eq!(super::updates(&mut follow).await.len(), 1);
    assert_eq!(log.read(wanted(1, 2, None)).await.unwrap().updates.len(), 1);
    Bus::send(&log, "hi".into()).await.unwrap();
}

#[tokio::test]
async fn more_than_64_mib_are_not_held() {
    let nats = Nats::new();
    let log = log(&nats).await;
    nats.stall();
    let large = || vec![plain("t", "x".repeat(900_000))];
    let waiting: Vec<_> = (0..80).map(|_| log.append(large(), Mode::Each)).collect();
    let mut results = Vec::new();
    for appended in waiting {
        results.extend(appended.await);
    }
    assert!(refusal(&results[79]).contains("64 MiB"), "{:?}", results[79]);
    assert!(refusal(&results[0]).contains("no answer"), "{:?}", results[0]);
    nats.go_on();
    // What was refused or given up is held no longer.
    append_at_last(&log, plain("t", "x".repeat(900_000))).await;
}
