//! Servers that misbehave, each met by a client: a clear error or a sane retry, bounded memory, no busy loop, no hanging.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test: its helpers are not test functions to clippy"
)]

mod case;
mod meeting;
mod memory;
mod server;

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::case::Case;

/// How many servers are met at once. Each meeting is mostly waiting.
const AT_ONCE: usize = 24;

/// What one stream may cost, whatever comes: the largest event is 16 MiB, a buffer that grows by doubling may be
/// twice as large, and moves to a new place when it does.
const MAX_STREAM_BYTES: usize = 80 * 1024 * 1024;

/// What all meetings together may leave behind.
const MAX_LEFT_BYTES: usize = 64 * 1024 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_survives_every_server_that_misbehaves() {
    // `TIDINGS_TEST_SERVER` picks out those with it in their name.
    let wanted = std::env::var("TIDINGS_TEST_SERVER").unwrap_or_default();
    let mut cases = case::all();
    cases.retain(|case| case.name.contains(&wanted));
    let total = cases.len();
    let (large, small): (Vec<Case>, Vec<Case>) = cases.into_iter().partition(Case::is_large);

    let before = memory::now();
    let mut faults = meet_all(small).await;
    for case in large {
        faults.extend(meet_alone(&case).await);
    }
    let left = memory::now().saturating_sub(before);
    if left > MAX_LEFT_BYTES {
        faults.push(format!("{} MiB are left behind", left >> 20));
    }
    assert!(faults.is_empty(), "{} of {total}:\n{}", faults.len(), faults.join("\n"));
}

/// Meets many servers at once.
async fn meet_all(cases: Vec<Case>) -> Vec<String> {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut meetings = JoinSet::new();
    for case in cases {
        let places = Arc::clone(&places);
        meetings.spawn(async move {
            let _place = places.acquire_owned().await.unwrap();
            meeting::meet(&case).await.map_err(|fault| format!("{}: {fault}", case.name))
        });
    }
    let mut faults = Vec::new();
    while let Some(met) = meetings.join_next().await {
        // A panic is a fault, too.
        faults.extend(met.unwrap_or_else(|error| Err(error.to_string())).err());
    }
    faults
}

/// Meets one server, and measures the memory.
async fn meet_alone(case: &Case) -> Option<String> {
    memory::forget_peak();
    let before = memory::now();
    let met = meeting::meet(case).await;
    let grown = memory::peak().saturating_sub(before);
    println!("{:>6.1} MiB  {}", mebibytes(grown), case.name);
    if let Err(fault) = met {
        return Some(format!("{}: {fault}", case.name));
    }
    (grown > MAX_STREAM_BYTES).then(|| format!("{}: {:.0} MiB", case.name, mebibytes(grown)))
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn mebibytes(bytes: usize) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
