//! What is still there after the log was closed.

use tidings_hub::IdScope::{Hub, Topic};

use super::given::{
    Follower, append, append_all, data, find, find_on, keyed, numbered, read_all, repeated_seq,
    with_id,
};
use super::{ROOMY, Stand, roomy};

pub(crate) async fn a_log_is_the_same_when_it_is_opened_again<S: Stand>() {
    if !S::OUTLIVES_ITS_HANDLES {
        return;
    }
    let (log, stand) = roomy::<S>().await;
    append_all(&log, numbered(100)).await;
    append_all(&log, vec![keyed("k", "once"), with_id("a", "x", Hub), with_id("a", "y", Topic)])
        .await;
    let (before, updates) = (log.bounds().await.unwrap(), read_all(&log).await);
    drop(log);

    let log = stand.open(ROOMY).await;
    let after = log.bounds().await.unwrap();
    assert_eq!((after.epoch, after.oldest, after.next), (before.epoch, 1, 104));
    assert_eq!(read_all(&log).await, updates);
    assert_eq!(repeated_seq(&append(&log, keyed("k", "once")).await), 101);
    assert_eq!((find(&log, "x").await, find_on(&log, "a", "y").await), (Some(102), Some(103)));
    assert_eq!(append_all(&log, numbered(1)).await, [104]);
}

pub(crate) async fn a_follower_reads_what_came_before_the_log_was_opened<S: Stand>() {
    if !S::OUTLIVES_ITS_HANDLES {
        return;
    }
    let (log, stand) = roomy::<S>().await;
    append_all(&log, numbered(10)).await;
    drop(log);
    let log = stand.open(ROOMY).await;
    let mut follower = Follower::new(&log, 4);
    assert_eq!(data(&follower.until(10).await), ["4", "5", "6", "7", "8", "9", "10"]);
}
