//! What every log must do, written once. A log's own tests say how it is opened (a [`Stand`]), and
//! `contract!(ItsStand);` runs all of it.
//!
//! - `appending`: order, positions, all or none.
//! - `keys`: idempotency.
//! - `own_ids`: which update a publisher's own id means.
//! - `reading`: from a seq on, by topics, in bounded pieces.
//! - `retaining`: what is kept, and for how long.
//! - `following`: everything once and in order, while it pours in.
//! - `reopening`: what is still there after the log was closed.
//!
//! `given` makes updates and reads them back.

pub(crate) mod appending;
pub(crate) mod following;
pub(crate) mod given;
pub(crate) mod keys;
pub(crate) mod own_ids;
pub(crate) mod reading;
pub(crate) mod reopening;
pub(crate) mod retaining;

use std::sync::Arc;
use std::time::Duration;

use tidings_hub::Log;
use tidings_store::Retention;

/// Where one log of one test lives. What it needs (a directory, a name on a server) is its own, and gone when it is
/// dropped.
pub(crate) trait Stand: Sized + Send + Sync + 'static {
    /// Whether [`Mode::All`](tidings_hub::Mode::All) is all or none, with nothing in between.
    const ALL_OR_NONE: bool = true;
    /// Whether a key is known exactly as long as its update is retained.
    const KEYS_LIVE_AS_UPDATES: bool = true;
    /// Whether the log is still there when it has been closed.
    const OUTLIVES_ITS_HANDLES: bool = true;
    /// How many updates more than it was told to it may retain.
    const SURPLUS_UPDATES: u64 = 0;
    /// The limit in the test of retention by bytes: as small as the log can keep.
    const LIMIT_BYTES: u64 = 2_000_000;

    /// A place for a log that nobody else uses.
    fn new() -> impl Future<Output = Self> + Send;

    /// Opens the log: new and empty the first time; later, when all handles and followers are dropped, the same again.
    fn open(&self, retention: Retention) -> impl Future<Output = Arc<dyn Log>> + Send;
}

/// Retains everything.
pub(crate) const ROOMY: Retention = Retention { max_updates: None, max_bytes: None, max_age: None };

/// Longer than any test takes on a slow machine: what waits so long waits for ever.
pub(crate) const FOREVER: Duration = Duration::from_mins(2);

/// A log on a place of its own, with the place.
pub(crate) async fn roomy<S: Stand>() -> (Arc<dyn Log>, S) {
    let stand = S::new().await;
    (stand.open(ROOMY).await, stand)
}

/// Runs every test of the contract on a log.
macro_rules! contract {
    ($stand:ty) => {
        $crate::contract::contract! { $stand;
            appending::updates_come_in_the_order_of_the_calls_awaited_or_not,
            appending::an_append_whose_future_is_dropped_is_appended_all_the_same,
            appending::seqs_are_dense_under_concurrent_appenders,
            appending::all_means_with_nothing_in_between,
            appending::all_means_none_when_one_is_refused,
            appending::each_means_that_others_go_in_when_one_is_refused,
            appending::appending_nothing_is_nothing,
            keys::a_repeated_key_leads_to_the_first_update,
            keys::a_reused_key_is_refused,
            keys::equal_keys_in_one_call_are_one_update,
            keys::equal_keys_of_concurrent_appenders_are_one_update,
            keys::a_key_is_free_again_when_its_update_has_left,
            own_ids::of_equal_ids_in_the_scope_of_the_hub_the_oldest_counts,
            own_ids::of_equal_ids_in_the_scope_of_a_topic_the_newest_counts,
            own_ids::an_id_of_an_update_that_has_left_is_not_found,
            own_ids::the_oldest_that_is_still_retained_counts,
            reading::an_update_is_read_as_it_was_written,
            reading::a_log_is_read_from_a_seq_until_a_seq,
            reading::a_page_ends_where_its_bounds_say,
            reading::a_page_counts_the_names_of_topics,
            reading::the_updates_about_some_topics_are_all_found,
            reading::a_thousand_topics_are_read_at_once,
            reading::an_empty_log_is_read_and_has_bounds,
            retaining::a_log_retains_so_many_updates,
            retaining::a_log_retains_so_many_bytes,
            retaining::a_log_retains_updates_for_so_long,
            retaining::reading_what_has_left_tells_the_oldest,
            following::a_follower_gets_everything_once_and_in_order_while_it_pours_in,
            following::a_follower_begins_where_it_is_told_to,
            following::a_follower_is_told_what_it_missed,
            following::a_follower_is_told_what_leaves,
            following::a_follower_that_is_interrupted_misses_nothing,
            reopening::a_log_is_the_same_when_it_is_opened_again,
            reopening::a_follower_reads_what_came_before_the_log_was_opened,
        }
    };
    ($stand:ty; $($file:ident::$test:ident,)*) => { $(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $test() {
            let test = $crate::contract::$file::$test::<$stand>();
            tokio::time::timeout($crate::contract::FOREVER, test).await.expect("it takes for ever");
        }
    )* };
}
pub(crate) use contract;
