//! Publishers in this process, each waiting for its acknowledgement before it publishes the next update.

use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::{runtime::Runtime, task::JoinSet};

use super::seconds;
use crate::clock::{self, Deadline};

/// Lets so many publish for that long, each with a number, and answers how many updates were acknowledged in a second.
///
/// # Errors
/// The first failure of a publish.
pub(super) async fn publish<F, A>(count: usize, time: Duration, one: F) -> Result<f64>
where
    F: Fn(usize) -> A + Clone + Send + 'static,
    A: Future<Output = Result<()>> + Send,
{
    let (start, end) = (clock::now(), Deadline::after(time));
    let mut publishers = JoinSet::new();
    for number in 0..count {
        let one = one.clone();
        publishers.spawn(async move {
            let mut acknowledged = 0_u64;
            while !end.has_passed() {
                one(number).await?;
                acknowledged += 1;
            }
            anyhow::Ok(acknowledged)
        });
    }
    let mut acknowledged = 0;
    while let Some(publisher) = publishers.join_next().await {
        acknowledged += publisher.context("a publisher failed")??;
    }
    Ok(acknowledged as f64 / seconds(clock::now() - start))
}

/// A runtime with as many threads as there are cores for it.
pub(super) fn runtime(cores: usize) -> Result<Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(cores.max(1)).enable_all().build().context("cannot start the runtime")
}
