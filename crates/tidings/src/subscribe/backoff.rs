//! How long to wait before the next connection. Pure: randomness comes from the caller.

use std::time::Duration;

/// The wait until a hub says another with `retry:`; each process takes a value between this and its
/// double.
const DEFAULT_RETRY: Duration = Duration::from_secs(1);

/// What a hub may ask for: less would be a busy loop, more would never come back.
const RETRY_RANGE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_hours(1));

/// The most that failures add to the wait.
const MAX_EXTRA: Duration = Duration::from_mins(1);

/// The wait before the next connection: what the hub asked for, plus a random part that doubles
/// with each failure, so that those who lost the same hub do not all come back at once.
#[derive(Debug)]
pub(super) struct Backoff {
    retry: Duration,
    failures: u32,
}

impl Backoff {
    /// The first wait. `jitter` is random, from 0 to 1.
    pub(super) fn new(jitter: f64) -> Self {
        Self { retry: DEFAULT_RETRY.mul_f64(1.0 + jitter.clamp(0.0, 1.0)), failures: 0 }
    }

    /// The hub asked for this wait.
    pub(super) fn ask(&mut self, retry: Duration) {
        self.retry = within_range(retry);
    }

    /// The hub took the subscription: the next failure is a first one.
    pub(super) fn succeed(&mut self) {
        self.failures = 0;
    }

    /// How long to wait now, not less than `at_least` (as far as that is sane). `jitter` is random,
    /// from 0 to 1.
    pub(super) fn next(&mut self, at_least: Option<Duration>, jitter: f64) -> Duration {
        let doubled = 2_u32.saturating_pow(self.failures) - 1;
        let extra =
            self.retry.saturating_mul(doubled).min(MAX_EXTRA).mul_f64(jitter.clamp(0.0, 1.0));
        self.failures = self.failures.saturating_add(1);
        let asked = at_least.map_or(self.retry, |least| within_range(least).max(self.retry));
        asked.saturating_add(extra)
    }
}

fn within_range(retry: Duration) -> Duration {
    retry.clamp(RETRY_RANGE.0, RETRY_RANGE.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_hubs_wait_is_honoured_and_failures_only_add_to_it() {
        let mut backoff = Backoff::new(0.5);
        assert_eq!(backoff.next(None, 0.0), Duration::from_millis(1_500));
        backoff.succeed();
        backoff.ask(seconds(3));
        let waits: Vec<_> = (0..4).map(|_| backoff.next(None, 1.0)).collect();
        assert_eq!(waits, [seconds(3), seconds(6), seconds(12), seconds(24)]);
        assert_eq!(
            backoff.next(None, 0.0),
            seconds(3),
            "the added part is jittered down to nothing"
        );
        for _ in 0..100 {
            assert!(backoff.next(None, 1.0) <= seconds(63));
        }
        backoff.succeed();
        assert_eq!(backoff.next(None, 1.0), seconds(3));
    }

    #[test]
    fn no_wait_is_a_busy_loop_or_endless() {
        let mut backoff = Backoff::new(0.0);
        backoff.ask(Duration::ZERO);
        assert_eq!(backoff.next(None, 0.0), Duration::from_millis(100));
        backoff.ask(Duration::MAX);
        assert_eq!(backoff.next(None, 0.0), seconds(3_600));
        backoff.ask(seconds(1));
        assert_eq!(backoff.next(Some(seconds(20)), 0.0), seconds(20));
        assert_eq!(backoff.next(Some(Duration::MAX), 0.0), seconds(3_600));
        assert_eq!(backoff.next(Some(Duration::ZERO), 0.0), seconds(1));
    }
}
