//! What a shard has handed over, counted for many deliveries before it is added to the metrics that all threads share.

use tidings_hub::LoggedUpdate;
use tokio::time::Instant;

use crate::lag::Lags;
use crate::metrics::Metrics;

/// Counts since the last [`flush`](Self::flush).
#[derive(Debug, Default)]
pub(super) struct Tally {
    delivered: u64,
    replayed: u64,
    bytes: u64,
    lags: Lags,
}

impl Tally {
    /// Counts an update that was handed to a stream.
    pub(super) fn update(&mut self, update: &LoggedUpdate, opened_at: Instant, now: Instant) {
        self.delivered += 1;
        self.bytes += update.frame.len() as u64;
        if update.logged_at < opened_at {
            self.replayed += 1;
            return;
        }
        self.lags.observe(now.saturating_duration_since(update.logged_at));
    }

    /// Counts updates that were handed to a stream, all of them logged before it was opened.
    pub(super) fn replay(&mut self, updates: usize, bytes: usize) {
        self.delivered += updates as u64;
        self.replayed += updates as u64;
        self.bytes += bytes as u64;
    }

    /// Adds everything to the metrics.
    pub(super) fn flush(&mut self, metrics: &Metrics) {
        if self.delivered > 0 {
            metrics.delivered_many(self.delivered, self.replayed, &self.lags);
            metrics.bytes(self.bytes);
            *self = Self::default();
        }
    }
}
