//! What is kept, and for how long.

use std::time::Duration;

use tidings_hub::Bounds;
use tidings_store::Retention;

use super::given::{append_all, bounds_become, numbered, plain, read_all, seqs, wanted};
use super::{ROOMY, Stand};

pub(crate) async fn a_log_retains_so_many_updates<S: Stand>() {
    let stand = S::new().await;
    let log = stand.open(Retention { max_updates: Some(100), ..ROOMY }).await;
    let sent = 1000 + 2 * S::SURPLUS_UPDATES;
    for chunk in numbered(sent).chunks(90) {
        append_all(&log, chunk.to_vec()).await;
    }
    let most = 100 + S::SURPLUS_UPDATES;
    let bounds = bounds_become(&log, |bounds| bounds.next - bounds.oldest <= most).await;
    assert!(bounds.next - bounds.oldest >= 100, "it forgets too much: {bounds:?}");
    assert_eq!(bounds.next, sent + 1);
    assert_eq!(seqs(&read_all(&log).await), (bounds.oldest..=sent).collect::<Vec<_>>());
}

pub(crate) async fn a_log_retains_so_many_bytes<S: Stand>() {
    let stand = S::new().await;
    let log = stand.open(Retention { max_bytes: Some(S::LIMIT_BYTES), ..ROOMY }).await;
    let sent = S::LIMIT_BYTES.div_ceil(1000) * 4;
    for first in (1..=sent).step_by(100) {
        let entries = (first..(first + 100).min(sent + 1)).map(|_| plain("t", "x".repeat(1000)));
        append_all(&log, entries.collect()).await;
    }
    let limit = S::LIMIT_BYTES / 1000;
    let bounds = bounds_become(&log, |bounds| bounds.next - bounds.oldest <= limit).await;
    assert!(bounds.next - bounds.oldest >= limit / 4, "it forgets too much: {bounds:?}");
    assert_eq!(bounds.next, sent + 1);
    assert_eq!(seqs(&read_all(&log).await), (bounds.oldest..=sent).collect::<Vec<_>>());
}

pub(crate) async fn a_log_retains_updates_for_so_long<S: Stand>() {
    let stand = S::new().await;
    let log = stand.open(Retention { max_age: Some(Duration::from_millis(300)), ..ROOMY }).await;
    append_all(&log, numbered(20)).await;
    // Nobody publishes, and they leave all the same.
    let bounds = bounds_become(&log, |bounds| bounds.oldest == bounds.next).await;
    assert_eq!((bounds.oldest, bounds.next), (21, 21));
    assert_eq!(append_all(&log, numbered(1)).await, [21], "seqs go on");
    bounds_become(&log, |bounds| bounds.oldest == 22).await;
    assert!(read_all(&log).await.is_empty());
}

pub(crate) async fn reading_what_has_left_tells_the_oldest<S: Stand>() {
    let stand = S::new().await;
    let log = stand.open(Retention { max_updates: Some(10), ..ROOMY }).await;
    let sent = 30 + 2 * S::SURPLUS_UPDATES;
    append_all(&log, numbered(sent)).await;
    let most = 10 + S::SURPLUS_UPDATES;
    let Bounds { oldest, next, .. } =
        bounds_become(&log, |bounds| bounds.next - bounds.oldest <= most).await;
    for topics in [None, Some(&["t"][..])] {
        let page = log.read(wanted(1, next, topics)).await.unwrap();
        assert_eq!(page.oldest, oldest);
        assert!(page.next >= oldest, "what has left is passed over at once: {page:?}");
        let mut found = seqs(&page.updates);
        found.extend(seqs(&super::given::read(&log, wanted(page.next, next, topics)).await));
        assert_eq!(found, (oldest..next).collect::<Vec<_>>());
    }
}
