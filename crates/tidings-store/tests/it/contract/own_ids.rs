//! Which update a publisher's own id means.

use tidings_hub::IdScope::{Hub, Topic};
use tidings_store::Retention;

use super::given::{append_all, bounds_become, find, find_on, numbered, plain, with_id};
use super::{ROOMY, Stand, roomy};

pub(crate) async fn of_equal_ids_in_the_scope_of_the_hub_the_oldest_counts<S: Stand>() {
    let (log, _stand) = roomy::<S>().await;
    let entries = vec![
        plain("a", "no id"),
        with_id("a", "x", Topic),
        with_id("a", "x", Hub),
        with_id("b", "x", Hub),
        with_id("b", "y", Hub),
    ];
    append_all(&log, entries).await;
    assert_eq!(find(&log, "x").await, Some(3));
    assert_eq!(find(&log, "y").await, Some(5));
    for id in ["z", "", "a", "#abcdefgh-3"] {
        assert_eq!(find(&log, id).await, None, "{id:?}");
    }
}

pub(crate) async fn of_equal_ids_in_the_scope_of_a_topic_the_newest_counts<S: Stand>() {
    let (log, _stand) = roomy::<S>().await;
    let entries = vec![
        with_id("a", "x", Topic),
        with_id("b", "x", Topic),
        with_id("a", "x", Topic),
        with_id("a", "x", Hub),
        with_id("b", "y", Topic),
    ];
    append_all(&log, entries).await;
    assert_eq!(find_on(&log, "a", "x").await, Some(3));
    assert_eq!(find_on(&log, "b", "x").await, Some(2));
    assert_eq!(find_on(&log, "a", "y").await, None);
    assert_eq!(find_on(&log, "c", "x").await, None);
    assert_eq!(find(&log, "y").await, None);
}

pub(crate) async fn an_id_of_an_update_that_has_left_is_not_found<S: Stand>() {
    let stand = S::new().await;
    let log = stand.open(Retention { max_updates: Some(5), ..ROOMY }).await;
    append_all(&log, vec![with_id("a", "x", Hub), with_id("a", "y", Topic)]).await;
    assert_eq!((find(&log, "x").await, find_on(&log, "a", "y").await), (Some(1), Some(2)));
    append_all(&log, numbered(5 + S::SURPLUS_UPDATES)).await;
    bounds_become(&log, |bounds| bounds.oldest > 2).await;
    assert_eq!((find(&log, "x").await, find_on(&log, "a", "y").await), (None, None));
}

pub(crate) async fn the_oldest_that_is_still_retained_counts<S: Stand>() {
    let stand = S::new().await;
    let log = stand.open(Retention { max_updates: Some(5), ..ROOMY }).await;
    append_all(&log, vec![with_id("a", "x", Hub)]).await;
    append_all(&log, numbered(3 + S::SURPLUS_UPDATES)).await;
    let ids = append_all(&log, vec![with_id("b", "x", Hub), with_id("b", "x", Hub)]).await;
    bounds_become(&log, |bounds| bounds.oldest > 1).await;
    assert_eq!(find(&log, "x").await, Some(ids[0]));
}
