//! Time: nanoseconds of the machine's monotonic clock, and deadlines.

use std::time::Duration;

use crate::sys;

/// Now, in nanoseconds of a clock that all processes share.
pub(crate) fn now() -> u64 {
    sys::monotonic_nanos()
}

/// A duration in nanoseconds.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A moment after which waiting ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    at: u64,
}

impl Deadline {
    pub(crate) fn after(duration: Duration) -> Self {
        Self { at: now().saturating_add(nanos(duration)) }
    }

    pub(crate) fn has_passed(self) -> bool {
        now() >= self.at
    }

    /// For how many milliseconds one may wait for an event, at most `most`.
    pub(crate) fn millis(self, most: i32) -> i32 {
        let left = self.at.saturating_sub(now()) / 1_000_000;
        i32::try_from(left).unwrap_or(most).min(most)
    }
}

/// Sleeps. The generator has a thread of its own, and nothing waits for it but the next look.
#[expect(
    clippy::disallowed_methods,
    reason = "no runtime here: a pause between two looks at a process"
)]
pub(crate) fn pause(duration: Duration) {
    std::thread::sleep(duration);
}
