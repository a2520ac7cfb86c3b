//! A hub with a log behind it. Whatever is said of a subscription here holds for one of its own and for one in a shard.

use tidings_hub::{Gap, Hub, HubConfig, Retention};

use crate::fixture::{ROOMY, Seen};

mod anew;
mod away;
mod ending;
mod listener;
pub(crate) mod memory;
mod opening;
mod pouring;
mod publishing;
mod random;
mod resuming;
mod trimming;

use memory::MemoryLog;

/// A hub that holds so many updates of a log in memory.
async fn hub_on(log: &MemoryLog, max_updates: usize) -> Hub {
    let config = HubConfig { retention: Retention { max_updates, ..ROOMY.retention }, ..ROOMY };
    Hub::open(log.shared(), config, None).await.unwrap()
}

/// The gap of one who did not say where it was, up to before a seq.
fn gap(log: &MemoryLog, first_after: u64, missed: impl Into<Option<u64>>) -> Seen {
    let before = log.position(first_after - 1);
    Seen::Gap(Gap { last_event_id: None, before, missed: missed.into() })
}

/// Waits until the hub has taken in what the log has.
async fn until_newest(hub: &Hub, log: &MemoryLog, seq: u64) {
    for _ in 0..1_000 {
        if hub.newest() == log.position(seq) {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("the hub is at {}", hub.newest());
}
