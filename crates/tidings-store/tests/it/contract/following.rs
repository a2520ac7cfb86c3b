//! Following: everything once and in order, while it pours in.

use std::collections::BTreeMap;
use std::time::Duration;

use tidings_store::Retention;

use super::appending::pour;
use super::given::{Follower, append_all, data, numbered, plain, seqs};
use super::{ROOMY, Stand, roomy};

pub(crate) async fn a_follower_gets_everything_once_and_in_order_while_it_pours_in<S: Stand>() {
    let (log, _stand) = roomy::<S>().await;
    append_all(&log, numbered(100)).await;
    let appenders: Vec<_> =
        (0..4).map(|name| tokio::spawn(pour(log.clone(), name, 100, 3))).collect();
    let follow = |from| {
        let log = log.clone();
        async move { Follower::new(&log, from).until(1300).await }
    };
    let first = tokio::spawn(follow(1));
    // Those that come later begin somewhere in the middle of it all.
    let mut later = Vec::new();
    for from in [51, 101, 101] {
        later.push((from, tokio::spawn(follow(from))));
        // Lets others' appends come first.
        log.bounds().await.unwrap();
    }
    let mut placed = BTreeMap::new();
    for appender in appenders {
        placed.extend(appender.await.unwrap());
    }
    let everything = first.await.unwrap();
    assert_eq!(seqs(&everything), (1..=1300).collect::<Vec<_>>());
    for update in &everything[100..] {
        assert_eq!(update.update.data, placed[&update.seq]);
    }
    for (from, later) in later {
        let skipped = usize::try_from(from - 1).unwrap();
        assert_eq!(later.await.unwrap(), everything[skipped..]);
    }
}

pub(crate) async fn a_follower_begins_where_it_is_told_to<S: Stand>() {
    let (log, _stand) = roomy::<S>().await;
    append_all(&log, numbered(10)).await;
    let mut middle = Follower::new(&log, 6);
    let mut end = Follower::new(&log, 11);
    append_all(&log, vec![plain("t", "new")]).await;
    assert_eq!(seqs(&middle.until(11).await), [6, 7, 8, 9, 10, 11]);
    assert_eq!(data(&end.until(11).await), ["new"]);
}

pub(crate) async fn a_follower_is_told_what_it_missed<S: Stand>() {
    let stand = S::new().await;
    let log = stand.open(Retention { max_updates: Some(10), ..ROOMY }).await;
    let sent = 50 + 2 * S::SURPLUS_UPDATES;
    append_all(&log, numbered(sent)).await;
    super::given::bounds_become(&log, |bounds| bounds.oldest > 1).await;
    let mut follower = Follower::new(&log, 1);
    let updates = follower.until(sent).await;
    assert!(follower.oldest > 1);
    assert_eq!(seqs(&updates), (updates[0].seq..=sent).collect::<Vec<_>>());
    assert!(updates.len() >= 10, "{} updates", updates.len());
}

pub(crate) async fn a_follower_is_told_what_leaves<S: Stand>() {
    let stand = S::new().await;
    let log = stand.open(Retention { max_age: Some(Duration::from_millis(300)), ..ROOMY }).await;
    let mut follower = Follower::new(&log, 1);
    append_all(&log, numbered(10)).await;
    while follower.oldest < 11 {
        follower.next().await;
    }
    append_all(&log, numbered(1)).await;
    while follower.oldest < 12 {
        follower.next().await;
    }
}

pub(crate) async fn a_follower_that_is_interrupted_misses_nothing<S: Stand>() {
    let (log, _stand) = roomy::<S>().await;
    let appender = tokio::spawn(pour(log.clone(), 0, 100, 3));
    let mut follower = Follower::new(&log, 1);
    let mut count = 0;
    while count < 300 {
        // A time of zero polls once.
        for patience in [Duration::ZERO, Duration::from_micros(50), Duration::from_millis(20)] {
            if let Ok(updates) = tokio::time::timeout(patience, follower.next()).await {
                count += updates.len();
            }
        }
    }
    assert_eq!(count, 300);
    appender.await.unwrap();
}
