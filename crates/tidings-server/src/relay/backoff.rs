//! When to connect to an upstream again.

use std::time::Duration;

/// The wish of an upstream that says none: about what browsers wait.
const DEFAULT_RETRY: Duration = Duration::from_secs(1);
/// The least that an upstream's own wish counts for: 0 would be a busy loop.
const MIN_RETRY: Duration = Duration::from_millis(100);
/// The longest pause, and the most that an upstream's own wish counts for.
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// How long to wait after each failure: twice as long each time, and jittered, so that the hubs that lost an upstream
/// together do not come back together.
#[derive(Debug)]
pub(super) struct Backoff {
    retry: Duration,
    failures: u32,
}

impl Backoff {
    pub(super) fn new() -> Self {
        Self { retry: DEFAULT_RETRY, failures: 0 }
    }

    /// Takes up the upstream's own wish (`retry`).
    pub(super) fn set_retry(&mut self, retry: Duration) {
        self.retry = retry.clamp(MIN_RETRY, MAX_PAUSE);
    }

    /// The upstream works: the next failure is the first one.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// How long to wait now: between half and all of the pause that is due.
    pub(super) fn pause(&mut self) -> Duration {
        let doubled = 2_u32.checked_pow(self.failures).and_then(|n| self.retry.checked_mul(n));
        self.failures = self.failures.saturating_add(1);
        doubled.unwrap_or(MAX_PAUSE).min(MAX_PAUSE).mul_f64(0.5 + 0.5 * fastrand::f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between(pause: Duration, least: f64, most: f64) {
        assert!((least..=most).contains(&pause.as_secs_f64()), "{pause:?}");
    }

    #[test]
    fn pauses_double_up_to_their_limit_and_begin_anew() {
        let mut backoff = Backoff::new();
        for due in [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0] {
            between(backoff.pause(), due / 2.0, due);
        }
        for _ in 0..100 {
            between(backoff.pause(), 15.0, 30.0);
        }
        backoff.reset();
        between(backoff.pause(), 0.5, 1.0);
    }

    #[test]
    fn an_upstreams_wish_counts_within_bounds() {
        let mut backoff = Backoff::new();
        for (wish, due) in
            [(Duration::ZERO, 0.1), (Duration::from_secs(3), 3.0), (Duration::MAX, 30.0)]
        {
            backoff.set_retry(wish);
            backoff.reset();
            between(backoff.pause(), due / 2.0, due);
        }
    }
}
