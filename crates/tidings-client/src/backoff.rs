//! How long to wait before the next attempt. Pure: the random part comes from the caller.

use std::time::Duration;

/// The longest wait that a server may ask for. It may ask for any; this is still a stream that comes back.
pub(crate) const MAX_ASKED: Duration = Duration::from_mins(5);

const NANOS_PER_MILLI: u32 = 1_000_000;

/// How attempts are spread: before each one the client waits for what the server asked for and a random time between zero
/// and the lesser of `cap` and `base` doubled with each failure ("full jitter"), so that those who lost the same server
/// do not all come back at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    pub(crate) base: Duration,
    pub(crate) cap: Duration,
    pub(crate) healthy_after: Duration,
    pub(crate) max_attempts: Option<u32>,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            base: Duration::from_secs(1),
            cap: Duration::from_secs(30),
            healthy_after: Duration::from_secs(10),
            max_attempts: None,
        }
    }
}

impl Backoff {
    /// Sets the most that is added to the wait after a first failure. Default: 1 second.
    #[must_use]
    pub fn with_base(mut self, base: Duration) -> Self {
        self.base = base;
        self
    }

    /// Sets the most that is ever added to the wait. Default: 30 seconds.
    #[must_use]
    pub fn with_cap(mut self, cap: Duration) -> Self {
        self.cap = cap;
        self
    }

    /// Sets how long a connection has to stay open for the failures before it to be forgotten. Default: 10 seconds.
    #[must_use]
    pub fn with_healthy_after(mut self, time: Duration) -> Self {
        self.healthy_after = time;
        self
    }

    /// Sets after how many ends and failed attempts in a row to give up; at least one attempt is made. Default: never for a
    /// subscription, after 8 for a publisher.
    #[must_use]
    pub fn with_max_attempts(mut self, attempts: impl Into<Option<u32>>) -> Self {
        self.max_attempts = attempts.into();
        self
    }

    /// The wait after so many failures in a row, this one included. `asked` is what the server asked for, `random` is from
    /// 0 to 1. Whole milliseconds, rounded up: it is printed, and never sooner than asked for.
    pub(crate) fn wait(&self, failures: u32, asked: Duration, random: f64) -> Duration {
        let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
        let most = self.base.saturating_mul(doubled).min(self.cap);
        let wait = asked.min(MAX_ASKED).saturating_add(most.mul_f64(random.clamp(0.0, 1.0)));
        let over = wait.subsec_nanos() % NANOS_PER_MILLI;
        if over == 0 {
            return wait;
        }
        wait.saturating_add(Duration::from_nanos(u64::from(NANOS_PER_MILLI - over)))
    }

    /// Whether there may be another attempt after so many failures in a row.
    pub(crate) fn allows_another(&self, failures: u32) -> bool {
        self.max_attempts.is_none_or(|most| failures < most)
    }
}
