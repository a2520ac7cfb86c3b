//! Several updates are published, or none.

use std::error::Error as _;
use std::time::Duration;

use tidings_hub::{BatchError, HubConfig, PublishError, Retention, Update};
use tidings_wire::EventType;

use crate::fixture::{Now, ROOMY, about, event_id, hub, live, publish, roomy_hub, updates};

fn keyed(key: &str, data: &str) -> Update {
    Update::new("a", data).with_idempotency_key(key)
}

#[test]
fn a_batch_is_in_the_log_in_its_order() {
    let hub = roomy_hub();
    let mut probe = live(&hub, &["a"]);
    let receipts =
        hub.publish_batch((0..3).map(|n| Update::new("a", n.to_string()))).now().unwrap();
    let seqs: Vec<u64> = receipts.iter().map(|receipt| receipt.position.seq).collect();
    assert_eq!(seqs, [1, 2, 3]);
    assert_eq!(probe.drain(), updates(&["0", "1", "2"]));
    assert_eq!(hub.publish_batch([]).now(), Ok(Vec::new()));
}

/// The server once published an array one by one: what came before the one that was refused was in the log.
#[test]
fn one_that_cannot_be_published_keeps_the_others_out() {
    let limit = 100_000;
    let retention = Retention { max_bytes: limit, ..ROOMY.retention };
    let hub = hub(HubConfig { retention, ..ROOMY });
    hub.publish(keyed("used", "1")).now().unwrap();
    let mut probe = live(&hub, &["a"]);
    let before = hub.stats();
    let good = || Update::new("a", "good");
    let cases = [
        (vec![good(), about(&[], "no topic")], 1, PublishError::NoTopic),
        (vec![good(), good(), good().with_id(event_id("#mine"))], 2, PublishError::ReservedId),
        (vec![good(), keyed("used", "2"), good()], 1, PublishError::KeyReused),
        (vec![keyed("new", "1"), keyed("new", "2")], 1, PublishError::KeyReused),
    ];
    for (batch, place, error) in cases {
        let refused = hub.publish_batch(batch).now().unwrap_err();
        assert_eq!(refused, BatchError { place, error: error.clone() });
        assert_eq!(refused.source().unwrap().to_string(), error.to_string());
    }
    let large = Update::new("a", "x".repeat(limit));
    let BatchError { place, error } = hub.publish_batch([good(), large]).now().unwrap_err();
    assert!(place == 1 && matches!(error, PublishError::TooLarge { .. }), "{error:?}");
    assert_eq!((hub.stats(), probe.drain()), (before, vec![]));
    hub.close();
    let closed = BatchError { place: 0, error: PublishError::Closed };
    assert_eq!(hub.publish_batch([good(), good()]).now(), Err(closed));
    assert_eq!((hub.stats(), probe.drain()), (before, vec![]));
}

#[test]
fn a_repeated_batch_answers_the_first_ones_receipts() {
    let hub = roomy_hub();
    let batch = || [keyed("1", "1"), keyed("2", "2"), keyed("1", "1")];
    let first = hub.publish_batch(batch()).now().unwrap();
    assert_eq!(
        first.iter().map(|receipt| receipt.repeated).collect::<Vec<_>>(),
        [false, false, true]
    );
    publish(&hub, "a", "between");
    let again = hub.publish_batch(batch()).now().unwrap();
    assert!(again.iter().all(|receipt| receipt.repeated));
    assert_eq!(hub.stats().published, 3);
}

/// The weight is not known before the position is: what is checked beforehand may be some bytes more, and never less.
#[test]
fn what_fits_as_a_batch_fits_on_its_own() {
    let plain = || about(&["a", "b", "a"], "line\nline\rline\r\n");
    let full = || Update {
        event_type: Some(EventType::new("t".repeat(50)).unwrap()),
        retry: Some(Duration::MAX),
        ..plain().with_id(event_id(&"i".repeat(50))).with_idempotency_key("k".repeat(50))
    };
    for update in [plain(), full()] {
        let mut only_alone = 0;
        for max_bytes in 0..2_000 {
            let config =
                HubConfig { retention: Retention { max_bytes, ..ROOMY.retention }, ..ROOMY };
            let alone = hub(config).publish(update.clone()).now().is_ok();
            match hub(config).publish_batch([update.clone()]).now() {
                Ok(_) => assert!(alone, "{max_bytes}"),
                Err(_) => only_alone += usize::from(alone),
            }
        }
        assert!(only_alone < 150, "{only_alone} bytes too careful");
    }
}
