//! The memory of a running hub.

use std::{fs, time::Duration};

use tokio::time::Instant;

use crate::hub::Hub;

/// How often it is looked at again.
const LOOK: Duration = Duration::from_millis(50);
/// For how long memory must not have fallen to have settled: the allocator looks seldom where nothing happens.
const SETTLE: Duration = Duration::from_secs(4);
/// Memory that makes no difference.
const MEMORY_GRAIN_BYTES: usize = 64 * 1024;

impl Hub {
    /// The memory that is the process's own, in bytes: what it has allocated. Pages of the program itself do not count: of
    /// one that was just built they are dirty, too, and become more as it runs.
    pub(crate) fn memory(&self) -> usize {
        let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.pid())).unwrap();
        let line = rollup.lines().find_map(|line| line.strip_prefix("Anonymous:")).unwrap();
        1024 * line.trim().trim_end_matches(" kB").parse::<usize>().unwrap()
    }

    /// The least memory that the hub comes down to when it does nothing: the allocator gives back by and by what is
    /// not used any more.
    pub(crate) async fn least_memory(&self) -> usize {
        let (mut least, mut since) = (self.memory(), Instant::now());
        while since.elapsed() < SETTLE {
            tokio::time::sleep(LOOK).await;
            let memory = self.memory();
            if memory + MEMORY_GRAIN_BYTES < least {
                (least, since) = (memory, Instant::now());
            }
        }
        least
    }

    /// Waits until the hub has no more memory than this.
    pub(crate) async fn wait_for_memory(&self, most: usize, limit: Duration) -> usize {
        let begun = Instant::now();
        loop {
            let memory = self.memory();
            if memory <= most {
                return memory;
            }
            assert!(begun.elapsed() < limit, "{memory} bytes, not {most}, after {limit:?}");
            tokio::time::sleep(LOOK).await;
        }
    }
}
