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
use crate::memory::Memory;

/// How many servers are met at once. Each meeting is mostly waiting, but for its beginning: a client with TLS is made.
const AT_ONCE: usize = 16;

/// What the process may grow to beyond its size before the first meeting, whatever comes: the largest event is 16 MiB, and
/// a buffer that grows by doubling has twice as much and is moved once more. The servers are in the same process.
const MAX_GROWTH_BYTES: usize = 64 * 1024 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_survives_every_server_that_misbehaves() {
    // `TIDINGS_TEST_SERVER` picks out those with it in their name.
    let wanted = std::env::var("TIDINGS_TEST_SERVER").unwrap_or_default();
    let mut cases = case::all();
    cases.retain(|case| case.name.contains(&wanted));
    let total = cases.len();
    let (large, small): (Vec<Case>, Vec<Case>) = cases.into_iter().partition(Case::is_large);

    let memory = Memory::now();
    let mut faults = meet_all(small).await;
    faults.extend(fault(&memory, "many at once"));
    for case in large {
        memory::forget_peak();
        let met = meeting::meet(&case).await;
        faults.extend(met.err().map(|fault| format!("{}: {fault}", case.name)));
        faults.extend(fault(&memory, &case.name));
    }
    assert!(faults.is_empty(), "{} of {total}:\n{}", faults.len(), faults.join("\n"));
}

/// Meets many servers at once, and gives the faults.
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
    let mut most_attempts = 0;
    while let Some(met) = meetings.join_next().await {
        match met {
            Ok(Ok(attempts)) => most_attempts = most_attempts.max(attempts),
            Ok(Err(fault)) => faults.push(fault),
            Err(panic) => faults.push(panic.to_string()),
        }
    }
    println!("at most {most_attempts} attempts");
    faults
}

/// Tells if the process has grown too far.
fn fault(memory: &Memory, name: &str) -> Option<String> {
    let growth = memory.growth();
    println!("{:>4} MiB  {name}", growth >> 20);
    (growth > MAX_GROWTH_BYTES).then(|| format!("{name}: {} MiB", growth >> 20))
}
