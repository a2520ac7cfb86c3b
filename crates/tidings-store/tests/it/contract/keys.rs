//! Idempotency: a key makes an update appended once.

use tidings_hub::Mode;
use tidings_store::Retention;

use super::given::{
    append, append_all, assert_key_reused, bounds_become, data, keyed, new_seq, numbered, plain,
    read_all, repeated_seq,
};
use super::{ROOMY, Stand, roomy};

pub(crate) async fn a_repeated_key_leads_to_the_first_update<S: Stand>() {
    let (log, _stand) = roomy::<S>().await;
    append_all(&log, numbered(3)).await;
    let first = append(&log, keyed("k", "once")).await.unwrap();
    append_all(&log, numbered(3)).await;
    let again = append(&log, keyed("k", "once")).await.unwrap();
    assert_eq!((again.seq, again.epoch, again.repeated), (first.seq, first.epoch, true));
    assert_eq!(log.bounds().await.unwrap().next, 8);
    assert_eq!(first.epoch, log.bounds().await.unwrap().epoch);
}

pub(crate) async fn a_reused_key_is_refused<S: Stand>() {
    let (log, _stand) = roomy::<S>().await;
    append_all(&log, vec![keyed("k", "one"), keyed("", "the empty key")]).await;
    assert_key_reused(&append(&log, keyed("k", "another")).await);
    assert_key_reused(&append(&log, keyed("", "another")).await);
    assert_eq!(data(&read_all(&log).await), ["one", "the empty key"]);
    assert_eq!(repeated_seq(&append(&log, keyed("k", "one")).await), 1);
}

pub(crate) async fn equal_keys_in_one_call_are_one_update<S: Stand>() {
    let (log, _stand) = roomy::<S>().await;
    let entries = || {
        vec![
            keyed("k", "one"),
            plain("t", "between"),
            keyed("k", "one"),
            keyed("k", "another"),
            keyed("l", "two"),
            keyed("k", "one"),
        ]
    };
    let results = log.append(entries(), Mode::Each).await;
    assert_eq!((new_seq(&results[0]), new_seq(&results[1]), new_seq(&results[4])), (1, 2, 3));
    assert_eq!((repeated_seq(&results[2]), repeated_seq(&results[5])), (1, 1));
    assert_key_reused(&results[3]);
    let mut entries = entries();
    entries.remove(3);
    if S::ALL_OR_NONE {
        let results = log.append(entries, Mode::All).await;
        assert_eq!(new_seq(&results[1]), 4);
        for (place, seq) in [(0, 1), (2, 1), (3, 3), (4, 1)] {
            assert_eq!(repeated_seq(&results[place]), seq);
        }
        let fresh = vec![keyed("m", "x"), keyed("m", "x")];
        let results = log.append(fresh, Mode::All).await;
        assert_eq!((new_seq(&results[0]), repeated_seq(&results[1])), (5, 5));
    }
}

pub(crate) async fn equal_keys_of_concurrent_appenders_are_one_update<S: Stand>() {
    let (log, _stand) = roomy::<S>().await;
    let appenders: Vec<_> = (0..4)
        .map(|_| {
            let log = log.clone();
            tokio::spawn(async move {
                let mut seqs = Vec::new();
                for round in 0..50 {
                    let appended = append(&log, keyed(&format!("k{round}"), "same")).await.unwrap();
                    seqs.push((appended.seq, appended.repeated));
                }
                seqs
            })
        })
        .collect();
    let mut new = 0;
    let mut first = None;
    for appender in appenders {
        let placed = appender.await.unwrap();
        new += placed.iter().filter(|(_, repeated)| !repeated).count();
        let seqs: Vec<u64> = placed.into_iter().map(|(seq, _)| seq).collect();
        assert_eq!(*first.get_or_insert_with(|| seqs.clone()), seqs, "all were told the same");
    }
    assert_eq!(new, 50);
    assert_eq!(log.bounds().await.unwrap().next, 51);
}

pub(crate) async fn a_key_is_free_again_when_its_update_has_left<S: Stand>() {
    if !S::KEYS_LIVE_AS_UPDATES {
        return;
    }
    let stand = S::new().await;
    let log = stand.open(Retention { max_updates: Some(5), ..ROOMY }).await;
    append_all(&log, vec![keyed("k", "one")]).await;
    append_all(&log, numbered(5 + S::SURPLUS_UPDATES)).await;
    bounds_become(&log, |bounds| bounds.oldest > 1).await;
    let results = log.append(vec![keyed("k", "another"), keyed("k", "one")], Mode::Each).await;
    assert_eq!(new_seq(&results[0]), 7 + S::SURPLUS_UPDATES);
    assert_key_reused(&results[1]);
}
