//! One test at a time: they measure times and memory, and each takes the whole machine.

use std::{
    future::Future,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// Longer than any of these tests takes on a slow machine.
const LONGEST: Duration = Duration::from_mins(4);

/// Runs a test when the others are not running.
pub(crate) fn alone(test: impl Future<Output = ()>) {
    static MACHINE: Mutex<()> = Mutex::new(());
    let _turn = MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(LONGEST, test).await }).unwrap();
}
