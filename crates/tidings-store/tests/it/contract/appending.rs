//! Order, positions, all or none.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tidings_hub::{AppendError, Entry, Log, Mode};

use super::given::{
    append, append_all, assert_key_reused, data, keyed, new_seq, numbered, plain, read_all, seqs,
};
use super::{Stand, roomy};

pub(crate) async fn updates_come_in_the_order_of_the_calls_awaited_or_not<S: Stand>() {
    let (log, _stand) = roomy::<S>().await;
    let entries = numbered(600);
    let calls: Vec<_> =
        entries.chunks(3).map(|chunk| log.append(chunk.to_vec(), Mode::Each)).collect();
    // The last one first: to wait for it is to wait for none of the others.
    let mut results = Vec::new();
    for call in calls.into_iter().rev() {
        results.push(call.await);
    }
    let results: Vec<u64> = results.iter().rev().flatten().map(new_seq).collect();
    assert_eq!(results, (1..=600).collect::<Vec<_>>());
    let expected: Vec<_> = (1..=600).map(|number| number.to_string()).collect();
    assert_eq!(data(&read_all(&log).await), expected);
}

pub(crate) async fn an_append_whose_future_is_dropped_is_appended_all_the_same<S: Stand>() {
    let (log, _stand) = roomy::<S>().await;
    drop(log.append(numbered(2), Mode::Each));
    let begun = log.append(vec![plain("t", "3")], Mode::All);
    // Polled once, and then dropped wherever it is.
    drop(tokio::time::timeout(Duration::ZERO, begun).await);
    assert_eq!(append(&log, plain("t", "4")).await.map(|appended| appended.seq), Ok(4));
    assert_eq!(data(&read_all(&log).await), ["1", "2", "3", "4"]);
}

pub(crate) async fn seqs_are_dense_under_concurrent_appenders<S: Stand>() {
    let (log, _stand) = roomy::<S>().await;
    let appenders: Vec<_> =
        (0..4).map(|name| tokio::spawn(pour(log.clone(), name, 50, 3))).collect();
    let mut all = BTreeMap::new();
    for appender in appenders {
        all.extend(appender.await.unwrap());
    }
    assert_eq!(all.keys().copied().collect::<Vec<_>>(), (1..=600).collect::<Vec<_>>());
    let updates = read_all(&log).await;
    assert_eq!(seqs(&updates), (1..=600).collect::<Vec<_>>());
    for update in updates {
        assert_eq!(update.update.data, all[&update.seq], "what it was told is there is there");
    }
    assert_eq!(log.bounds().await.unwrap().next, 601);
}

/// Appends so many times so many updates, one call after the other. Tells where each of them is.
pub(crate) async fn pour(
    log: Arc<dyn Log>,
    name: usize,
    calls: usize,
    in_a_call: usize,
) -> Vec<(u64, String)> {
    let mut placed: Vec<(u64, String)> = Vec::new();
    for call in 0..calls {
        let texts: Vec<_> = (0..in_a_call).map(|place| format!("{name} {call} {place}")).collect();
        let entries = texts.iter().map(|text| plain("t", text)).collect();
        let places = append_all(&log, entries).await;
        for (seq, text) in places.into_iter().zip(texts) {
            assert!(placed.last().is_none_or(|(last, _)| *last < seq), "out of order");
            placed.push((seq, text));
        }
    }
    placed
}

pub(crate) async fn all_means_with_nothing_in_between<S: Stand>() {
    if !S::ALL_OR_NONE {
        return;
    }
    let (log, _stand) = roomy::<S>().await;
    let appenders: Vec<_> = (0..4)
        .map(|name| {
            let log = log.clone();
            tokio::spawn(async move {
                for round in 0..25 {
                    let group = (0..7).map(|place| plain("t", format!("{name} {round} {place}")));
                    let results = log.append(group.collect(), Mode::All).await;
                    let seqs: Vec<u64> = results.iter().map(new_seq).collect();
                    let together: Vec<u64> = (seqs[0]..seqs[0] + 7).collect();
                    assert_eq!(seqs, together);
                    append(&log, plain("t", "alone")).await.unwrap();
                }
            })
        })
        .collect();
    for appender in appenders {
        appender.await.unwrap();
    }
    assert_eq!(log.bounds().await.unwrap().next, 4 * 25 * 8 + 1);
}

pub(crate) async fn all_means_none_when_one_is_refused<S: Stand>() {
    if !S::ALL_OR_NONE {
        return;
    }
    let (log, _stand) = roomy::<S>().await;
    append_all(&log, vec![keyed("k", "first")]).await;
    let group = vec![plain("t", "a"), keyed("k", "another"), keyed("new", "b")];
    let results = log.append(group, Mode::All).await;
    assert_eq!(results.len(), 3);
    assert_key_reused(&results[1]);
    assert!(results.iter().all(Result::is_err), "{results:?}");
    assert_eq!(data(&read_all(&log).await), ["first"]);
    // Nothing of the refused group is left behind: not its seqs, and not its keys.
    let group = vec![keyed("new", "c"), keyed("k", "first")];
    let results = log.append(group, Mode::All).await;
    assert_eq!(new_seq(&results[0]), 2);
    assert_eq!(super::given::repeated_seq(&results[1]), 1);
    // Nor where the next call comes before the refusal is told.
    let busy = log.append(numbered(1000), Mode::Each);
    let refused = log.append(vec![keyed("newer", "a"), keyed("k", "another")], Mode::All);
    let next = log.append(vec![keyed("newer", "b")], Mode::Each);
    assert_eq!(busy.await.len(), 1000);
    assert!(refused.await.iter().all(Result::is_err));
    assert_eq!(new_seq(&next.await[0]), 1003);
}

pub(crate) async fn each_means_that_others_go_in_when_one_is_refused<S: Stand>() {
    let (log, _stand) = roomy::<S>().await;
    append_all(&log, vec![keyed("k", "first")]).await;
    let entries: Vec<Entry> = vec![plain("t", "a"), keyed("k", "another"), plain("t", "b")];
    let results = log.append(entries, Mode::Each).await;
    assert_eq!((new_seq(&results[0]), new_seq(&results[2])), (2, 3));
    assert_eq!(results[1], Err(AppendError::KeyReused));
    assert_eq!(data(&read_all(&log).await), ["first", "a", "b"]);
}

pub(crate) async fn appending_nothing_is_nothing<S: Stand>() {
    let (log, _stand) = roomy::<S>().await;
    assert!(log.append(Vec::new(), Mode::Each).await.is_empty());
    assert!(log.append(Vec::new(), Mode::All).await.is_empty());
    assert_eq!(append_all(&log, numbered(1)).await, [1]);
}
